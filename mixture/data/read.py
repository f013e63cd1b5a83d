"""One column of one or many files, checked: as values, or in one pass of bounded memory as counts in cells."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from tqdm.auto import tqdm

from mixture.data.cells import Cells, Grid, cells_to_sample, merge_cells, sum_counts
from mixture.data.counted import read_counted
from mixture.data.files import file_format
from mixture.data.sample import MOST_VALUES, Sample
from mixture.data.source import check_different, check_enough, keep_numbers, open_column
from mixture.data.transform import log_batches
from mixture.messages import InputError
from mixture.parallel import available_cores

LARGE = 200_000_000  # bytes: beyond, the values are checked as they are read, not before
ROWS_A_PIECE = 8_000_000  # of a file, for one task


def check_source(parameters: Any) -> None:
    """Refuse what cannot be read before any kernel starts; the values of large files are checked as they are read.

    Parameters
    ----------
    parameters : parameters.Parameters
        Not imported here: the schema stands above this package.
    """
    if parameters.data is not None:
        if parameters.counts is not None:
            names = ("data", "counts", "column", "lower", "upper", "missing", "n_components", "transform")
            sample, _ = read_counted(**{name: getattr(parameters, name) for name in names})
            parameters.refuse_forbidding_priors(sample.low, sample.high)
        elif open_column(parameters.data, parameters.column).size <= LARGE:
            names = ("data", "column", "missing", "transform")
            given = {name: getattr(parameters, name) for name in names}
            values, _ = read_column(**given, n_components=parameters.least_components)
            parameters.refuse_forbidding_priors(values.min(), values.max())


def read_column(
    data: str,
    column: str | None = None,
    missing: str = "refuse",
    n_components: int = 1,
    transform: str | None = None,
) -> tuple[np.ndarray, int]:
    """All values of one column, checked.

    Parameters
    ----------
    data, column :
        As in `open_column`.
    missing : {"refuse", "drop"}
    n_components : int
        At least twice as many values are wanted.
    transform : {None, "log"}

    Returns
    -------
    values : ndarray, shape (N,)
        Or their logarithms.
    dropped : int
        Missing values left out.

    Raises
    ------
    InputError
        One line.
    """
    source = open_column(data, column)
    pieces = list(_batches(source, transform))
    values, dropped = keep_numbers(np.concatenate(pieces) if pieces else np.empty(0), source.name, missing)
    check_enough(len(values), values.min(initial=np.inf), values.max(initial=-np.inf), source.name, n_components)
    check_different(len(np.unique(values)), source.name, n_components)
    return values, dropped


def read_sample(
    data: str,
    column: str | None = None,
    missing: str = "refuse",
    n_components: int | str = 1,
    cell_width: float | None = None,
    scheduler: str | None = None,
    progress: bool = True,
    counts: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    transform: str | None = None,
) -> tuple[Sample, int]:
    """Read one column in a single pass: as values, or, where there are many, as counts in fine cells.

    What was counted already is read by `mixture.data.counted.read_counted`.

    Parameters
    ----------
    data, column, missing :
        As in `mixture.data.read.read_column`.
    n_components : int or "auto"
        At least twice as many values are wanted.
    cell_width : float, optional
        Data units; by default fine against the spread of the first values,
        or the step that they are rounded to.
    scheduler : str, optional
        Address of a Dask scheduler to count on; by default this machine's cores.
    progress : bool
        Show a bar where the pass is long.
    counts, lower, upper : str, optional
        Columns of data that were counted already: how often each value of `column` occurs, or each bin from
        `lower` to `upper` holds one.
    transform : {None, "log"}
        With log, natural logarithms of the values.

    Returns
    -------
    sample : Sample
        Exact up to `MOST_VALUES` values, else in cells.
    dropped : int
        Missing values left out.

    Raises
    ------
    InputError
        One line.
    """
    if counts is not None:
        return read_counted(data, counts, column, lower, upper, missing, n_components, cell_width, transform)
    source = open_column(data, column)
    kept, n, dropped = [], 0, 0
    for values in _batches(source, transform):
        values, gone = keep_numbers(values, source.name, missing, before=n + dropped)
        kept.append(values)
        n, dropped = n + len(values), dropped + gone
        if n > MOST_VALUES:
            break
    else:
        values = np.concatenate(kept) if kept else np.empty(0)
        check_enough(n, values.min(initial=np.inf), values.max(initial=-np.inf), source.name, n_components)
        return replace(Sample.of_values(values), name=source.name), dropped
    grid = Grid.for_values(np.concatenate(kept), cell_width)
    cells, dropped = _count(source, grid, missing, scheduler, progress, transform)
    sample = replace(cells_to_sample(cells, grid), name=source.name)
    check_enough(sample.n, sample.low, sample.high if len(sample.count) > 1 else sample.low, source.name, n_components)
    return sample, dropped


def _batches(column, transform, groups=None):
    """The column in batches, or their logarithms."""
    batches = column.batches(groups)
    return batches if transform is None else log_batches(batches, column.name)


def _count(source, grid, missing, scheduler, progress, transform):
    """All pieces of a column, on a Dask cluster or on this machine's threads."""
    if scheduler:
        from distributed import Client  # a cluster is the exception; its import takes a second

        client = Client(scheduler)
        executor = client.get_executor(pure=False, retries=2)
    else:
        executor = ThreadPoolExecutor(available_cores())
    with executor:
        tasks = [
            executor.submit(count_piece, piece, source.name, grid, missing, transform) for piece in _pieces(source)
        ]
        bar = tqdm(
            as_completed(tasks), total=len(tasks), desc="counting", unit="piece", disable=not progress or len(tasks) < 4
        )
        try:
            found = [task.result() for task in bar]
        except InputError:  # a piece counts its own rows: read in order, the first fault has its place in the column
            deque(_batches(source, transform), maxlen=0)
            raise
    if scheduler:
        client.close()
    return reduce(merge_cells, (cells for cells, _ in found)), sum(gone for _, gone in found)


def _pieces(column):
    """The column's files in pieces of about `ROWS_A_PIECE` rows: (file, row groups), row groups None for other formats."""
    pieces = []
    for file in column.files:
        if file_format(file) == "Parquet":
            described = pq.ParquetFile(file).metadata
            groups = range(described.num_row_groups)
            each = max(1, ROWS_A_PIECE * described.num_row_groups // max(1, described.num_rows))
            pieces += [(file, list(groups[i : i + each])) for i in range(0, len(groups), each)]
        else:
            pieces.append((file, None))
    return pieces


def count_piece(
    piece: tuple[str, list[int] | None], name: str, grid: Grid, missing: str, transform: str | None = None
) -> tuple[Cells, int]:
    """Count one piece; what a worker does. Returns as `count_batches`."""
    file, groups = piece
    return count_batches(_batches(open_column(file, name), transform, groups), grid, name, missing)


def count_batches(
    batches: Iterable[np.ndarray], grid: Grid, name: str = "", missing: str = "refuse"
) -> tuple[Cells, int]:
    """Count values batch by batch.

    Parameters
    ----------
    batches : iterable of ndarray of float
        NaN where a value is missing.
    grid : Grid
    name, missing :
        As in `mixture.data.source.keep_numbers`.

    Returns
    -------
    cells : Cells
    dropped : int
        Missing values left out.
    """
    window = np.zeros(grid.size + 2, np.int64)  # with a place for what lies below and above
    far, dropped = Cells(np.empty(0, np.int64), np.empty(0, np.int64)), 0
    for values in batches:
        if not np.isfinite(values).all():
            values, gone = keep_numbers(values, name, missing, before=None)
            dropped += gone
        index = np.floor(values / grid.width + grid.shift)
        place = np.clip(index - (grid.first - 1), 0, grid.size + 1).astype(np.intp)
        counted = np.bincount(place, minlength=grid.size + 2)
        window += counted
        if counted[0] or counted[-1]:
            outside = index[(place == 0) | (place == grid.size + 1)].astype(np.int64)
            far = merge_cells(far, sum_counts(outside, np.ones(len(outside), np.int64), 0))
    held = np.flatnonzero(window[1:-1])
    return merge_cells(Cells(held + grid.first, window[1:-1][held]), far), dropped
