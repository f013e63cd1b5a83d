"""Text files of numbers: how one is written is found from its beginning; its columns are read in batches.

head
    the beginning of a file, enough to tell encoding, delimiter, names and which columns hold numbers
preamble
    lines above the names that are no part of the table: blank, beginning with #, or Excel's `sep=;`
"""

import codecs
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from csv import reader as split_rows
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyarrow import csv

from mixture.data.files import TEXT, suffix
from mixture.messages import InputError, format_value

HEAD = 1 << 18  # bytes
MISSING = frozenset(
    "|NA|N/A|n/a|na|#N/A|#NA|<NA>|NaN|nan|-NaN|-nan|NULL|null|None|none|.|1.#IND|-1.#IND|1.#QNAN|-1.#QNAN".split("|")
)
# As Arrow reads a number; and what was meant to be one: with commas, a per cent sign or a unit behind it.
NUMBER = re.compile(r"[ \t]*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)[ \t]*", re.ASCII | re.IGNORECASE)
MEANT = re.compile(r"\s*[-+−]?[\d.,]*\d[\d.,]*(e[+-]?\d+)?(\s*%|\s+\w{1,4})?\s*", re.IGNORECASE)
THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+\s*")  # 1,234 may be 1234 or 1.234


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether Arrow reads a text as a number, with `.` or `,` as its decimal point."""
    if decimal == ",":
        text = text.translate({ord("."): ",", ord(","): "."})
    return NUMBER.fullmatch(text) is not None


def decimal_point(texts: Sequence[str]) -> str:
    """The comma if some text is a number with it and could not have it between thousands; else the point."""
    return "," if any("," in t and is_number(t, ",") and not THOUSANDS.fullmatch(t) for t in texts) else "."


@dataclass(frozen=True)
class TextFile:
    """A table in a text file.

    Attributes
    ----------
    path : str
    encoding, delimiter : str
    names : tuple of str
        Of the columns, as they stand in the file; they may be repeated.
    skip : int
        Lines before the first row.
    head : list of list of str
        The fields of the first rows.
    content : bytes, optional
        What stands for the file, where that is no text itself.
    """

    path: str
    encoding: str
    delimiter: str
    names: tuple[str, ...]
    skip: int
    head: list[list[str]] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)

    def numeric(self) -> list[str]:
        """The names of the columns of which at least half of the first values are, or were meant as, numbers."""
        columns = itertools.zip_longest(*(row[: len(self.names)] for row in self.head), fillvalue="")
        given = ([text for text in column if text not in MISSING] for column in columns)
        return [
            name
            for name, texts in zip(self.names, given)
            if texts and 2 * sum(bool(MEANT.fullmatch(t) or is_number(t)) for t in texts) >= len(texts)
        ]

    def batches(self, names: Sequence[str]) -> Iterator[np.ndarray]:
        """Some columns in batches of bounded size.

        Parameters
        ----------
        names : sequence of str
            Each the name of one column.

        Yields
        ------
        ndarray of float, shape (rows, len(names))
            NaN where a value is missing.

        Raises
        ------
        InputError
            With the line of the first value that is no number.
        """
        if not self.head:
            return
        places = [self.names.index(name) for name in names]
        decimal = decimal_point([row[place] for row in self.head for place in places if place < len(row)])
        wanted = [str(place) for place in places]
        try:
            with _open(self.path, self.content) as stream:
                yield from _columns(self._read(stream, wanted, pa.float64(), decimal_point=decimal), wanted)
        except pa.ArrowInvalid as error:
            raise self._first_fault(places, decimal) or error from None

    def texts(self, name: str) -> Iterator[list[str | None]]:
        """One column as it stands in the file, in batches; None where it is missing."""
        place = str(self.names.index(name))
        with _open(self.path, self.content) as stream:
            for batch in self._read(stream, [place], pa.string(), strings_can_be_null=True) if self.head else ():
                yield batch.column(place).to_pylist()

    def _read(self, stream, wanted, kind, **conversion):
        """Batches of some columns, by their places, all of one type of Arrow's."""
        return csv.open_csv(
            stream,
            csv.ReadOptions(
                column_names=[str(i) for i in range(len(self.names))],
                skip_rows=self.skip,
                encoding="utf8" if self.encoding == "utf-8-sig" else self.encoding,
            ),
            csv.ParseOptions(delimiter=self.delimiter),
            csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, kind),
                null_values=list(MISSING),
                **conversion,
            ),
        )

    def _first_fault(self, places, decimal):
        """An error that names the first line that cannot be read, or None; the file is read once more, line by line."""
        with io.TextIOWrapper(_open(self.path, self.content), self.encoding, "replace", newline="") as lines:
            rows = split_rows(itertools.islice(lines, self.skip, None), delimiter=self.delimiter)
            for row in rows:
                where = f"data: line {self.skip + rows.line_num:,} of {format_value(self.path)}"
                if row and row[0].lstrip().startswith("#"):
                    return InputError(f"{where} is a comment; allowed: comments above the names of the columns")
                if row and len(row) != len(self.names):
                    hint = (
                        "; for decimal commas, ; between the columns or the ending .tsv"
                        if self.delimiter == ","
                        else ""
                    )
                    return InputError(
                        f"{where}, {format_value(self.delimiter.join(row))}, is parted in {len(row):,}, and the names in "
                        f"{len(self.names):,}; allowed: as many fields as names{hint}"
                    )
                for place in places if row else ():
                    text = row[place]
                    if text not in MISSING and not is_number(text, decimal):
                        first = row if rows.line_num == 1 else []
                        return InputError(
                            f"{where} holds {format_value(text)} in column {format_value(self.names[place])}; "
                            f"allowed: {_advice(text, first, decimal)}"
                        )
        return None


def _columns(batches, names):
    for batch in batches:
        yield np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in names])


def _advice(text, first_row, decimal):
    """What to do about a field that is no number; `first_row` holds the fields of its row if that is the first."""
    if "%" in text:
        return "numbers without a per cent sign"
    if decimal == "," and is_number(text):
        return "one decimal sign, and other values of the column have a comma"
    if re.fullmatch(r"[\s\d.]*\d\s+[+-]?\d[\s\d.]*", text):
        return "numbers, and columns parted by commas, semicolons or tabs"
    if "," in text:
        return "numbers with a decimal point and nothing between thousands"
    if first_row and not any(map(is_number, first_row)):
        return "numbers from the line below the names on; a unit is given as the parameter unit"
    return "numbers, and for a missing one an empty field or NA"


def _open(path, content=None):
    return pa.input_stream(path, compression="detect") if content is None else pa.BufferReader(content)


def open_text(path: str, content: bytes | None = None) -> TextFile:
    """Find out how a text file is written.

    Parameters
    ----------
    path : str
    content : bytes, optional
        Comma-separated UTF-8 that stands for the file.

    Raises
    ------
    InputError
        It is empty, or no text.
    pyarrow.ArrowException, OSError
        It cannot be read.
    """
    with _open(path, content) as stream:
        start = stream.read(HEAD)
    encoding = _find_encoding(start, path)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    if len(start) == HEAD:  # the last line is cut
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    lines = list(io.StringIO(text, newline=""))
    above = list(itertools.takewhile(_is_preamble, lines))
    lines = lines[len(above) :]
    if not lines:
        raise InputError(
            f"data: {format_value(path)} is empty; allowed: a line of names, and below it a line for each value"
        )
    told = [line.strip()[-1] for line in above if line.startswith("sep=")]
    delimiter = told[0] if told else "," if content is not None else _find_delimiter(lines, TEXT[suffix(path)])
    rows = split_rows(lines, delimiter=delimiter)
    names = tuple(next(rows))
    skip = len(above) + rows.line_num
    return TextFile(path, encoding, delimiter, names, skip, [row for row in rows if row], content)


def _is_preamble(line):
    return not line.strip(' \t\r\n,;"') or line.startswith("#") or re.fullmatch(r"sep=[,;\t|]\s*", line)


def _find_encoding(start, path):
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in start:
        raise InputError(f"data: {format_value(path)} holds zero bytes, so is no text; allowed: text saved as UTF-8")
    for encoding in ("utf-8", "cp1252"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(start)
            return encoding
        except UnicodeDecodeError:
            pass
    return "latin-1"


def _find_delimiter(lines, usual):
    """Tabs or semicolons where each line has as many, since neither stands in numbers; else what splits the names most."""
    for delimiter in "\t;":
        widths = {len(row) for row in split_rows(lines, delimiter=delimiter) if row}
        if len(widths) == 1 and widths != {1}:
            return delimiter
    fields = {delimiter: len(next(split_rows(lines, delimiter=delimiter))) for delimiter in ",;\t"}
    most = max(fields, key=fields.get)
    return most if fields[most] > 1 else usual
