"""From what the user calls the data to its files; imports nothing that is slow to import."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from mixture.messages import InputError, format_value

# Text files, and how their columns are parted where the names do not tell.
TEXT = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": ","}
FORMATS = {
    **dict.fromkeys(TEXT, "text"),
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".feather", ".arrow"), "Feather"),
    ".xlsx": "Excel",
}
MOST_ENTRIES = 100_000  # files and folders looked at, in a second or so: what holds more was hardly meant


def suffix(file: str | os.PathLike) -> str:
    """The ending that tells the format, "" if none does: .csv for data.csv and for data.csv.gz."""
    endings = [e.lower() for e in Path(file).suffixes]
    return next((e for e in reversed(endings) if e in FORMATS), "")


def file_format(file: str | os.PathLike) -> str | None:
    """text, Parquet, Feather or Excel, by the file's ending; None for any other."""
    return FORMATS.get(suffix(file))


def matching_files(data: str) -> list[str]:
    """The files, of any format, that a path, folder or glob names, sorted; pipes and devices are none.

    Of a folder these are the files in it and in the folders below, without what begins with `.` or `_`.

    Raises
    ------
    InputError
        There is too much to look through.
    """
    path, found = Path(data), []
    if path.is_file():
        return [str(path)]
    entries = _entries_below(path) if path.is_dir() else glob.iglob(data, recursive=True)
    for number, entry in enumerate(entries):
        if number == MOST_ENTRIES:
            raise InputError(
                f"data: given {format_value(data)}, which names more than {MOST_ENTRIES:,} files and folders; "
                "allowed: a file, folder or glob that names fewer"
            )
        if os.path.isfile(entry):
            found.append(entry)
    return sorted(found)


def _entries_below(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        yield from (os.path.join(place, name) for name in [*folders, *files] if not name.startswith((".", "_")))


def find_files(data: str) -> list[str]:
    """The files of one format that a path, folder or glob names, sorted; other formats of a folder are left out.

    Raises
    ------
    InputError
        If there is none, if they are not all of one format, or as `matching_files`.
    """
    found = matching_files(data)
    if Path(data).is_dir():
        found = [file for file in found if suffix(file)]
    known = ", ".join(FORMATS)
    if not found:
        raise InputError(
            f"data: given {format_value(data)}; allowed: a file, folder or glob with files ending in {known}"
        )
    formats = sorted({file_format(file) or "" for file in found})
    if "" in formats:
        raise InputError(f"data: given {format_value(data)}; allowed: files ending in {known}")
    if len(formats) > 1:
        raise InputError(
            f"data: given {format_value(data)}, which holds {' and '.join(formats)} files; allowed: files of one format"
        )
    return found
