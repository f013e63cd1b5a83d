"""From files to values: numeric columns of text, Parquet, Feather or Excel files, read in bounded memory and checked."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from mixture.data.excel import open_sheet
from mixture.data.files import file_format, find_files
from mixture.data.text import is_number, open_text
from mixture.messages import USABLE_RANGE, InputError, format_names, format_value, is_usable_range, to_one_line

UNREADABLE = (pa.ArrowException, OSError, UnicodeError, csv.Error)  # what a damaged file ends in


class Table(Protocol):
    """One text or Excel file, or all Parquet or Feather files together."""

    names: Sequence[str]

    def numeric(self) -> list[str]:
        """The names of the columns that hold numbers."""

    def batches(self, names: Sequence[str], groups: list[int] | None = None) -> Iterator[np.ndarray]:
        """Some columns, as in `Columns.rows`."""

    def texts(self, name: str) -> Iterator[list[str | None]]:
        """One column of any kind as text, in batches; None where it is missing."""


@dataclass(frozen=True)
class ArrowTable:
    """All rows of some Parquet or Feather files."""

    files: list[str]
    dataset: ds.Dataset

    @property
    def names(self) -> list[str]:
        return self.dataset.schema.names

    def numeric(self) -> list[str]:
        kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        return [field.name for field in self.dataset.schema if any(is_kind(field.type) for is_kind in kinds)]

    def batches(self, names: Sequence[str], groups: list[int] | None = None) -> Iterator[np.ndarray]:
        if groups is None:
            found = self.dataset.to_batches(columns=list(names), batch_readahead=2, fragment_readahead=1)
        else:
            found = pq.ParquetFile(self.files[0]).iter_batches(
                1 << 17, row_groups=groups, columns=list(names), use_threads=False
            )
        for batch in found:
            columns = (pc.cast(batch.column(name), pa.float64()) for name in names)
            yield np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])

    def texts(self, name: str) -> Iterator[list[str | None]]:
        for batch in self.dataset.to_batches(columns=[name]):
            column = batch.column(name)
            yield pc.cast(column.cast(_plain(column.type)), pa.string()).to_pylist()


@dataclass(frozen=True)
class Columns:
    """Some numeric columns of one or more files of one format.

    Attributes
    ----------
    files, names : list of str
    tables : list of Table
    """

    files: list[str]
    names: list[str]
    tables: list[Table]

    @property
    def name(self) -> str:
        """Of the first column."""
        return self.names[0]

    def rows(self, groups: list[int] | None = None) -> Iterator[np.ndarray]:
        """The columns in batches of bounded size.

        Parameters
        ----------
        groups : list of int, optional
            Row groups of the one Parquet file; by default all of all files.

        Yields
        ------
        ndarray of float, shape (rows, columns)
            NaN where a value is missing.

        Raises
        ------
        InputError
            Where a file turns out to be damaged, or to hold what is no number.
        """
        for table in self.tables:
            try:
                yield from table.batches(self.names, groups) if groups is not None else table.batches(self.names)
            except UNREADABLE as error:
                raise _unreadable(self.files, error) from None

    def batches(self, groups: list[int] | None = None) -> Iterator[np.ndarray]:
        """The first column alone, each batch of shape (rows,); otherwise as `rows`."""
        return (rows[:, 0] for rows in self.rows(groups))

    def texts(self, name: str) -> list[str | None]:
        """Another column of the same rows as text, None where it is missing.

        Raises
        ------
        InputError
            A file is damaged, or its column cannot be written as text.
        """
        try:
            return [text for table in self.tables for batch in table.texts(name) for text in batch]
        except UNREADABLE as error:
            raise _unreadable(self.files, error) from None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(Path(file).stat().st_size for file in self.files)


def _plain(kind):
    """The type of the values of a dictionary (a category), else the type itself."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _unreadable(files, error):
    line = to_one_line(str(error).strip().split("\n")[0], 200)
    return InputError(f"data: {_files(files)} cannot be read: {line}")


def _files(files):
    return format_value(files[0]) if len(files) == 1 else f"{len(files)} files from {format_value(files[0])} on"


def _open_tables(files):
    form = file_format(files[0])
    open_one: Callable[[str], Table] = {"text": open_text, "Excel": open_sheet}.get(form)
    tables = []
    try:
        if open_one is None:
            return [ArrowTable(files, ds.dataset(files, format=form.lower()))]
        for file in files:
            tables.append(open_one(file))
    except UNREADABLE as error:
        raise _unreadable(files if open_one is None else [file], error) from None
    return tables


def open_columns(data: str, columns: dict[str, str | None]) -> Columns:
    """Find columns in files, by name or as the only numeric one, without reading the values.

    Parameters
    ----------
    data : str
        File, folder or glob.
    columns : dict of str to str or None
        The column's name for each parameter that names one; None for the only
        numeric column that no other parameter names.

    Returns
    -------
    Columns
        In the order of the parameters.

    Raises
    ------
    InputError
        One line with the names that exist.
    """
    files = find_files(data)
    tables = _open_tables(files)
    given = [name for name in columns.values() if name is not None]
    for parameter, name in columns.items():
        if name is not None:
            _check_name(parameter, name, files, tables)
            if given.count(name) > 1:
                raise InputError(
                    f"{', '.join(columns)}: {format_value(name)} is given twice; allowed: a column for each"
                )
    numeric = [name for name in dict.fromkeys(tables[0].numeric()) if name not in given]
    names = [
        _only_name(parameter, numeric, files, tables) if name is None else name for parameter, name in columns.items()
    ]
    return Columns(files, names, tables)


def open_column(data: str, column: str | None = None) -> Columns:
    """One column, as `open_columns` finds it."""
    return open_columns(data, {"column": column})


def _check_name(parameter, name, files, tables):
    """Refuse a name that not exactly one column of each file has."""
    shown = format_value(name)
    for file, table in zip(files, tables):
        names = list(table.names)
        where = "" if table is tables[0] else f" of {format_value(file)}"
        if names.count(name) > 1:
            raise InputError(
                f"{parameter}: given {shown}, the name of {names.count(name)} columns of {format_value(file)}; "
                "allowed: a name that one column has"
            )
        if name not in names:
            raise InputError(f"{parameter}: given {shown}; {_allowed(table.numeric(), file)}{where}")
        if isinstance(table, ArrowTable) and name not in table.numeric():
            kind = table.dataset.schema.field(name).type
            raise InputError(
                f"{parameter}: given {shown}, which holds {kind}, not numbers; {_allowed(table.numeric(), file)}"
            )


def _allowed(numeric, file):
    return f"allowed: one of {format_names(numeric, 20)}" if numeric else f"{format_value(file)} has no numeric column"


def _only_name(parameter, numeric, files, tables):
    """The one numeric column there is; a name that is itself a number is more likely a value."""
    numbers = [name for name in numeric if is_number(name) or is_number(name, ",")]
    if numeric and numbers == numeric:
        raise InputError(
            f"data: {format_value(files[0])} begins with {format_value(numeric[0])}, a number, where the names of the columns "
            f"should be; allowed: a line of names above the values, or {parameter}: {format_value(numeric[0])} if it is one"
        )
    if len(numeric) != 1:
        raise InputError(f"{parameter}: not given; {_allowed(numeric, files[0])}")
    _check_name(parameter, numeric[0], files, tables)
    return numeric[0]


def keep_numbers(values: np.ndarray, name: str, missing: str, before: int | None = 0) -> tuple[np.ndarray, int]:
    """One piece of a column without its missing values, if they may be dropped; `before` it lie so many, if known.

    Returns
    -------
    values : ndarray
        Finite.
    dropped : int

    Raises
    ------
    InputError
        For missing values that are not to be dropped, and for infinities.
    """
    infinite, gone = np.isinf(values), np.isnan(values)
    if infinite.any():
        raise InputError(
            f"data: column {format_value(name)} holds infinite values, {infinite.sum():,} in all{first_row(infinite, before)}; "
            "allowed: finite numbers"
        )
    if gone.any() and missing != "drop":
        raise InputError(
            f"missing: {gone.sum():,} of {len(values):,} values in column {format_value(name)} are missing"
            f"{first_row(gone, before)}; allowed: none, or missing: drop"
        )
    return values[~gone] if gone.any() else values, int(gone.sum())


def first_row(odd: np.ndarray, before: int | None = 0) -> str:
    """Which row is the first that is odd, as an aside; nothing where it is not known how many lie before."""
    return "" if before is None else f", the first in row {before + odd.argmax() + 1:,} of the data"


def check_enough(n: int, low: float, high: float, name: str, n_components: int | str) -> None:
    """Refuse a sample too small for K components, without any spread, or beyond what doubles can hold apart."""
    n_components = 1 if n_components == "auto" else n_components
    if n < 2 * n_components:
        raise InputError(
            f"data: column {format_value(name)} holds {n} values; allowed: at least 2 x n_components = {2 * n_components}"
        )
    if low == high:
        raise InputError(
            f"data: all {n:,} values in column {format_value(name)} are {low:g}; allowed: at least two different values"
        )
    if not is_usable_range(low, high):
        raise InputError(
            f"data: column {format_value(name)} runs from {float(low)} to {float(high)}; allowed: {USABLE_RANGE}"
        )


def check_different(different: int, name: str, n_components: int | str) -> None:
    """Refuse more components than there are different values or bins."""
    if n_components != "auto" and different < n_components:
        raise InputError(
            f"n_components: given {n_components}; allowed: at most {different}, as many as column "
            f"{format_value(name)} holds different values"
        )
