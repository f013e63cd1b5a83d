"""One pass from files, or from a recipe, to counts in fine cells: any size in bounded memory.

level
    cells of level L are 2^L times as wide as the finest; the index j of a cell
    [j h, (j + 1) h) becomes floor(j / 2) one level up, so counts merge exactly,
    whatever the order and the chunks
"""

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import special
from tqdm.auto import tqdm

from mixture.comparison import summarise_memberships
from mixture.files import write_whole
from mixture.model import posterior_draws, thin
from mixture.sample import Sample, component_counts, find_rounding, simulate_mixture
from mixture.source import check_enough, keep_numbers, open_column

MOST_VALUES = 1_000_000  # more than this are counted, not kept
FINEST = 2**14           # cells over the interquartile range of the first values
MOST_CELLS = 2**21       # beyond, cells are merged in pairs
ROWS_A_PIECE = 8_000_000  # of a file, for one task


@dataclass(frozen=True)
class Grid:
    """Where cells lie: [(j - shift) width, (j + 1 - shift) width).

    Attributes
    ----------
    width : float
        At level 0, data units.
    shift : float
        1/2 where the values were rounded to multiples of the width, else 0.
    first, size : int
        The dense window: indices first to first + size - 1.
    """

    width: float
    shift: float
    first: int
    size: int

    @classmethod
    def for_values(cls, values, width=None):
        """A grid fine against the spread of some first values, or of a given width."""
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        spread = (high - low) or np.ptp(values) or abs(middle) or 1.0
        step = find_rounding(Sample.of_values(values)) if width is None else 0.0
        width = width or step or spread / FINEST
        size = int(min(17 * spread / width, 2**22)) + 1
        return cls(width, 0.5 if step else 0.0, int(np.floor(middle / width)) - size // 2, size)


@dataclass(frozen=True, eq=False)
class Cells:
    """Counts by cell index, both of shape (M,), sorted by index; only cells that hold something."""

    index: np.ndarray
    count: np.ndarray
    level: int = 0

    def coarser(self, level):
        """The same counts at a higher level."""
        return self if level <= self.level else _summed(self.index >> (level - self.level), self.count, level)

    def within(self, most):
        """The same counts at the lowest level with at most so many cells."""
        cells = self
        while len(cells.index) > most:
            cells = cells.coarser(cells.level + 1)
        return cells


def _summed(index, count, level):
    unique, place = np.unique(index, return_inverse=True)
    total = np.zeros(len(unique), np.int64)
    np.add.at(total, place, count)
    return Cells(unique, total, level)


def merge_cells(one, other):
    """Both counts together, at the higher level of the two, coarser where there are too many cells."""
    level = max(one.level, other.level)
    one, other = one.coarser(level), other.coarser(level)
    merged = _summed(np.concatenate([one.index, other.index]), np.concatenate([one.count, other.count]), level)
    return merged.within(MOST_CELLS)


def count_batches(batches, grid, name="", missing="refuse"):
    """Count values batch by batch.

    Parameters
    ----------
    batches : iterable of ndarray of float
        NaN where a value is missing.
    grid : Grid
    name, missing :
        As in `mixture.source.keep_numbers`.

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
            values, gone = keep_numbers(values, name, missing)
            dropped += gone
        index = np.floor(values / grid.width + grid.shift)
        place = np.clip(index - (grid.first - 1), 0, grid.size + 1).astype(np.intp)
        counted = np.bincount(place, minlength=grid.size + 2)
        window += counted
        if counted[0] or counted[-1]:
            outside = index[(place == 0) | (place == grid.size + 1)].astype(np.int64)
            far = merge_cells(far, _summed(outside, np.ones(len(outside), np.int64), 0))
    held = np.flatnonzero(window[1:-1])
    return merge_cells(Cells(held + grid.first, window[1:-1][held]), far), dropped


def _pieces(column):
    """The column's files in pieces of about `ROWS_A_PIECE` rows: (file, row groups), row groups None for text."""
    pieces = []
    for file in column.files:
        if file.endswith((".parquet", ".pq")):
            described = pq.ParquetFile(file).metadata
            groups = range(described.num_row_groups)
            each = max(1, ROWS_A_PIECE * described.num_row_groups // max(1, described.num_rows))
            pieces += [(file, list(groups[i : i + each])) for i in range(0, len(groups), each)]
        else:
            pieces.append((file, None))
    return pieces


def count_piece(piece, name, grid, missing):
    """Count one piece; what a worker does. Returns as `count_batches`."""
    file, groups = piece
    return count_batches(open_column(file, name).batches(groups), grid, name, missing)


def read_sample(data, column=None, missing="refuse", n_components=1, cell_width=None, scheduler=None, progress=True):
    """Read one column in a single pass: as values, or, where there are many, as counts in fine cells.

    Parameters
    ----------
    data, column, missing, n_components :
        As in `mixture.source.read_column`.
    cell_width : float, optional
        Data units; by default fine against the spread of the first values,
        or the step that they are rounded to.
    scheduler : str, optional
        Address of a Dask scheduler to count on; by default this machine's cores.
    progress : bool
        Show a bar where the pass is long.

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
    source = open_column(data, column)
    kept, n, dropped = [], 0, 0
    for values in source.batches():
        values, gone = keep_numbers(values, source.name, missing)
        kept.append(values)
        n, dropped = n + len(values), dropped + gone
        if n > MOST_VALUES:
            break
    else:
        values = np.concatenate(kept) if kept else np.empty(0)
        check_enough(n, values.min(initial=np.inf), values.max(initial=-np.inf), source.name, n_components)
        return Sample.of_values(values), dropped
    grid = Grid.for_values(np.concatenate(kept), cell_width)
    cells, dropped = _count(source, grid, missing, scheduler, progress)
    sample = cells_to_sample(cells, grid)
    check_enough(sample.n, sample.low, sample.high if len(sample.count) > 1 else sample.low, source.name, n_components)
    return sample, dropped


def _count(source, grid, missing, scheduler, progress):
    """All pieces of a column, on a Dask cluster or on this machine's threads."""
    if scheduler:
        from distributed import Client  # a cluster is the exception; its import takes a second

        client = Client(scheduler)
        executor = client.get_executor(pure=False, retries=2)
    else:
        executor = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    with executor:
        tasks = [executor.submit(count_piece, piece, source.name, grid, missing) for piece in _pieces(source)]
        bar = tqdm(as_completed(tasks), total=len(tasks), desc="counting", unit="piece", disable=not progress or len(tasks) < 4)
        found = [task.result() for task in bar]
    if scheduler:
        client.close()
    return reduce(merge_cells, (cells for cells, _ in found)), sum(gone for _, gone in found)


def cells_to_sample(cells, grid):
    """Counts as a `Sample`, in data units."""
    width, step = grid.width * 2**cells.level, 2**cells.level
    lower = (cells.index * step - grid.shift) * grid.width
    return Sample(lower, lower + width, cells.count)


def simulate_sample(n, weights, means, sds, rng, counts="fixed"):
    """Draw a sample: its values up to `MOST_VALUES`, beyond them counts in fine cells; arguments as `simulate_mixture`."""
    if n > MOST_VALUES:
        return simulate_cells(n, weights, means, sds, rng, counts)
    return Sample.of_values(*simulate_mixture(n, weights, means, sds, rng, counts))


def simulate_cells(n, weights, means, sds, rng, counts="fixed"):
    """Draw a sample of any size straight into cells, without drawing its values.

    The counts of n independent values in cells are multinomial, so drawing
    them costs as much for 10^12 values as for 10^3. Cells are a hundredth of
    the smallest sd wide and reach 12 sds beyond the outermost mean on both sides.

    Parameters
    ----------
    n, weights, means, sds, rng, counts :
        As in `mixture.sample.simulate_mixture`.

    Returns
    -------
    Sample
    """
    weights, means, sds = (np.asarray(a, float) for a in (weights, means, sds))
    size = component_counts(n, weights) if counts == "fixed" else rng.multinomial(n, weights / weights.sum())
    width = max(sds.min() / 100, (np.ptp(means) + 24 * sds.max()) / MOST_CELLS)
    edges = np.arange(np.floor((means.min() - 12 * sds.max()) / width), np.ceil((means.max() + 12 * sds.max()) / width) + 1)
    total = np.zeros(len(edges) - 1, np.int64)
    for each, mean, sd in zip(size, means, sds, strict=True):
        z = (edges * width - mean) / sd
        upper = z[:-1] > 0  # differences of the smaller tail keep their precision
        mass = np.where(upper, special.ndtr(-z[:-1]) - special.ndtr(-z[1:]), special.ndtr(z[1:]) - special.ndtr(z[:-1]))
        total += rng.multinomial(each, mass / mass.sum())
    held = np.flatnonzero(total)
    return Sample(edges[held] * width, edges[held + 1] * width, total[held], simulated=True)


def write_memberships(data, column, tree, path, interval=0.95, missing="refuse"):
    """Membership probabilities for every row of a file, streamed to Parquet in bounded memory.

    The probabilities are smooth in the value, so they are computed at 20,000
    points over its range and interpolated between them.

    Parameters
    ----------
    data, column, missing :
        As in `mixture.source.read_column`.
    tree : xarray.DataTree
        With a posterior group.
    path : path-like
        Of the Parquet file: value, and p_k, p_k_low, p_k_high for each component k.
    interval : float
        Probability inside the highest-density interval.
    """
    source = open_column(data, column)
    draws = thin(posterior_draws(tree), 1000)
    reach = draws[1].min() - 40 * draws[2].max(), draws[1].max() + 40 * draws[2].max()
    near = np.linspace(draws[1].min() - 8 * draws[2].max(), draws[1].max() + 8 * draws[2].max(), 20_000)
    curve = summarise_memberships(np.concatenate([[reach[0]], near, [reach[1]]]), draws, interval)
    names = [name for name in curve.columns if name.startswith("p_")]

    def write(part):
        with contextlib.ExitStack() as stack:
            out = None
            for values in source.batches():
                values, _ = keep_numbers(values, source.name, missing)
                table = pa.table({"value": values, **{n: np.interp(values, curve["value"], curve[n]) for n in names}})
                out = out or stack.enter_context(pq.ParquetWriter(part, table.schema))
                out.write_table(table)

    write_whole(path, write)
