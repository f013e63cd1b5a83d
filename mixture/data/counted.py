"""Data that were counted already: values with how often each occurs, or bins with how many values each holds."""

from dataclasses import replace

import numpy as np

from mixture.data.cells import Grid, cells_to_sample, sum_counts
from mixture.data.sample import MOST_CELLS, MOST_VALUES, Sample
from mixture.data.source import check_different, check_enough, first_row, open_columns
from mixture.data.transform import take_logs, take_logs_of_bins
from mixture.messages import InputError, format_value

NARROWEST = 1e-7  # of the range: in narrower bins the difference of two probabilities has few digits left
MOST_BINS = 20_000  # as many rows as a posterior keeps log likelihoods of


def read_counted(
    data: str,
    counts: str,
    column: str | None = None,
    lower: str | None = None,
    upper: str | None = None,
    missing: str = "refuse",
    n_components: int | str = 1,
    cell_width: float | None = None,
    transform: str | None = None,
) -> tuple[Sample, int]:
    """Read values and their counts, or bins and theirs.

    Parameters
    ----------
    data : str
        File, folder or glob.
    counts : str
        Column of whole numbers of 0 or more.
    column : str, optional
        Of values; by default the only numeric one beside the counts.
    lower, upper : str, optional
        Columns of the ends of bins, in place of values; an end that is missing or infinite leaves the bin open. Bins
        may differ in width; they touch, so that each value has its place.
    missing : {"refuse", "drop"}
        Rows without a value or a count.
    n_components : int or "auto"
        At least twice as many observations are wanted, and as many different values or bins.
    cell_width : float, optional
        Data units, as in `mixture.data.read.read_sample`.
    transform : {None, "log"}
        With log, natural logarithms of the values or of the bins' ends; a lower end of 0 or less becomes open.

    Returns
    -------
    sample : Sample
        Of counted values: each as often as it occurs, up to `MOST_VALUES` in all, else in fine cells.
    dropped : int
        Rows left out.

    Raises
    ------
    InputError
        One line.
    """
    ends = {"lower": lower, "upper": upper}
    names = {"column": column} if lower is None else ends
    source = open_columns(data, {**names, "counts": counts})
    pieces, held, most = [], 0, MOST_CELLS if lower is None else MOST_BINS
    for rows in source.rows():
        pieces.append(rows)
        held += len(rows)
        if held > most:
            raise InputError(
                f"counts: column {format_value(counts)} has more than {most:,} rows; allowed: as many at most"
            )
    rows = np.concatenate(pieces) if pieces else np.empty((0, len(source.names)))
    count = rows[:, -1]
    gone = np.isnan(count) if lower is not None else np.isnan(rows).any(axis=1)
    if gone.any() and missing != "drop":
        raise InputError(
            f"missing: {gone.sum():,} of {len(rows):,} rows lack their {'count' if lower is not None else 'value or count'}"
            f"{first_row(gone)}; allowed: none, or missing: drop"
        )
    _check_counts(count[~gone], counts)
    make = _sample_of_values if lower is None else _sample_of_bins
    if transform is not None and lower is None:
        rows[:, 0] = take_logs(rows[:, 0], source.name)
    rows, count = rows[~gone], count[~gone]
    sample = make(rows, count.astype(np.int64), source.names, cell_width, transform)
    values = sample.value
    check_enough(sample.n, values.min(), values.max(), source.name, n_components)
    check_different(len(np.unique(values)), source.name, n_components)
    return sample, int(gone.sum())


def _check_counts(count, name):
    odd = count[~(np.isfinite(count) & (count >= 0) & (count == np.floor(count)))]
    if len(odd):
        raise InputError(
            f"counts: column {format_value(name)} holds {odd[0]:g}; allowed: whole numbers of 0 or more, since the likelihood "
            "counts observations (weights that are no counts would make the posterior too sure or too vague)"
        )
    if not 0 < count.sum() <= 10**15:
        raise InputError(
            f"counts: column {format_value(name)} sums to {count.sum():g}; allowed: 1 to 1e15 observations"
        )


def _sample_of_values(rows, count, names, cell_width, _):
    values = rows[count > 0, 0]
    count = count[count > 0]
    if np.isinf(values).any():
        raise InputError(
            f"data: column {format_value(names[0])} holds infinite values, {np.isinf(values).sum():,} in all; allowed: finite numbers"
        )
    check_enough(int(count.sum()), values.min(), values.max(), names[0], 1)
    if count.sum() <= MOST_VALUES:
        return replace(Sample.of_values(np.repeat(values, count)), name=names[0])
    share = np.ceil(count * (100_000 / count.sum())).astype(int)  # enough to tell spread and rounding
    grid = Grid.for_values(np.repeat(values, share), cell_width)
    finest = max(1e-9 * np.ptp(values), 2.0**-50 * np.abs(values).max())  # what doubles hold apart, for one far value
    if grid.width < finest:
        grid = replace(grid, width=grid.width * 2.0 ** np.ceil(np.log2(finest / grid.width)), shift=0.0)
    index = np.floor(values / grid.width + grid.shift).astype(np.int64)
    return replace(cells_to_sample(sum_counts(index, count, 0), grid), name=names[0])


def _sample_of_bins(rows, count, names, cell_width, transform):
    lower, upper = (np.where(np.isnan(rows[:, i]), end, rows[:, i]) for i, end in ((0, -np.inf), (1, np.inf)))
    order = np.lexsort((upper, lower))
    lower, upper, count = lower[order], upper[order], count[order]
    shown = ", ".join(map(format_value, names[:2]))
    for low, high in zip(lower, upper):
        if not low < high or (low == -np.inf and high == np.inf):
            raise InputError(
                f"lower, upper: columns {shown} hold a bin from {low:g} to {high:g}; allowed: lower below upper, and one of "
                "them finite"
            )
    slack = 1e-9 * np.minimum(upper[:-1] - lower[:-1], upper[1:] - lower[1:])
    apart = np.flatnonzero(~(np.abs(lower[1:] - upper[:-1]) <= np.where(np.isfinite(slack), slack, 0)))
    if len(apart):
        before, after = upper[apart[0]], lower[apart[0] + 1]
        what = "overlap" if after < before else "leave a gap"
        raise InputError(
            f"lower, upper: bins in columns {shown} {what}, where one ends at {before:g} and the next begins at {after:g}; "
            "allowed: bins that touch, with count 0 where nothing was found"
        )
    held = count > 0
    if transform is not None:
        lower, upper, count = lower[held], upper[held], count[held]
        (lower, upper), held = take_logs_of_bins(lower, upper, shown), count > 0
    if np.isfinite(lower[held] - upper[held]).sum() < 2:
        raise InputError(
            f"lower, upper: fewer than two bins that hold values have two ends in columns {shown}; allowed: more"
        )
    sample = Sample(lower[held], upper[held], count[held])
    narrowest = np.argmin(sample.upper - sample.lower)
    low, high = sample.lower[narrowest], sample.upper[narrowest]
    if high - low < NARROWEST * (sample.high - sample.low):
        raise InputError(
            f"lower, upper: columns {shown} hold a bin from {low:g} to {high:g}; allowed: bins at least {NARROWEST:g} times as "
            "wide as all together, or values, with column in place of lower and upper"
        )
    return sample
