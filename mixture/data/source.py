"""From files to values: one numeric column of CSV, TSV or Parquet, read in bounded memory and checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import csv

from mixture.data.files import PARQUET, TEXT, find_files, suffix
from mixture.messages import InputError, format_names, format_value, to_one_line


@dataclass(frozen=True)
class Column:
    """One numeric column of one or more files of one format.

    Attributes
    ----------
    files : list of str
    name : str
    dataset : pyarrow.dataset.Dataset
    """

    files: list[str]
    name: str
    dataset: ds.Dataset

    def batches(self, groups: list[int] | None = None) -> Iterator[np.ndarray]:
        """The column in batches of bounded size.

        Parameters
        ----------
        groups : list of int, optional
            Row groups of the one Parquet file; by default all of all files.

        Yields
        ------
        ndarray of float
            NaN where a value is missing.

        Raises
        ------
        InputError
            Where a file turns out to be damaged, or to hold what is no number.
        """
        try:
            if groups is None:
                found = self.dataset.to_batches(columns=[self.name], batch_readahead=2, fragment_readahead=1)
            else:
                found = pq.ParquetFile(self.files[0]).iter_batches(
                    1 << 17, row_groups=groups, columns=[self.name], use_threads=False
                )
            for batch in found:
                yield pc.cast(batch.column(0), pa.float64()).to_numpy(zero_copy_only=False)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise InputError(f"data: {_files(self.files)} cannot be read: {_first_line(error)}") from None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(Path(file).stat().st_size for file in self.files)


def _first_line(error):
    return to_one_line(str(error).strip().split("\n")[0], 200)


def _files(files):
    return format_value(files[0]) if len(files) == 1 else f"{len(files)} files from {format_value(files[0])} on"


def _text_format(file):
    """CSV or TSV by the ending; a CSV file whose header has more semicolons than commas is split at them."""
    delimiter = TEXT[suffix(file)]
    if delimiter == "," and not file.endswith(".gz"):
        with open(file, encoding="utf-8", errors="replace") as lines:
            header = lines.readline()
        delimiter = max(",;\t", key=header.count) if any(d in header for d in ",;\t") else ","
    return ds.CsvFileFormat(
        csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(null_values=["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "."]),
    )


def open_column(data: str, column: str | None = None) -> Column:
    """Find a column in files, by name or as the only numeric one, without reading the values.

    Parameters
    ----------
    data : str
        File, folder or glob.
    column : str, optional

    Returns
    -------
    Column

    Raises
    ------
    InputError
        One line with the names that exist.
    """
    files = find_files(data)
    try:
        form = "parquet" if suffix(files[0]) in PARQUET else _text_format(files[0])
        dataset = ds.dataset(files, format=form)
        schema, names = dataset.schema, dataset.schema.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"data: {_files(files)} cannot be read: {_first_line(error)}") from None
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    numeric = [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]
    allowed = f"allowed: one of {format_names(numeric, 20)}"
    if not numeric:
        allowed = f"{_files(files)} has no numeric column"
    if column is None and len(numeric) != 1:
        raise InputError(f"column: not given; {allowed}")
    if column is not None and names.count(column) != 1:
        raise InputError(f"column: given {format_value(column)}; {allowed}")
    if column is not None and column not in numeric:
        raise InputError(
            f"column: given {format_value(column)}, which holds {schema.field(column).type}, not numbers; {allowed}"
        )
    return Column(files, column or numeric[0], dataset)


def keep_numbers(values: np.ndarray, name: str, missing: str) -> tuple[np.ndarray, int]:
    """One piece of a column without its missing values, if they may be dropped.

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
    if np.isinf(values).any():
        raise InputError(
            f"data: column {format_value(name)} holds {np.isinf(values).sum():,} infinite values; allowed: finite numbers"
        )
    gone = np.isnan(values)
    if gone.any() and missing != "drop":
        raise InputError(
            f"missing: {gone.sum():,} of {len(values):,} values in column {format_value(name)} are missing; allowed: none, "
            "or missing: drop"
        )
    return values[~gone] if gone.any() else values, int(gone.sum())
