"""Counts in cells: grouping, merging, and whether the likelihood should see values or cells.

level
    cells of level L are 2^L times as wide as the finest; the index j of a cell
    [j h, (j + 1) h) becomes floor(j / 2) one level up, so counts merge exactly,
    whatever the order and the chunks
"""

from dataclasses import dataclass

import numpy as np

from mixture.data.sample import MOST_CELLS, Sample
from mixture.messages import InputError

SMALL = 2_000  # values below this are never grouped for speed: the exact fit takes seconds
FINEST = 2**14  # cells over the interquartile range of the first values


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
    def for_values(cls, values: np.ndarray, width: float | None = None) -> "Grid":
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

    def coarser(self, level: int) -> "Cells":
        """The same counts at a higher level."""
        return self if level <= self.level else sum_counts(self.index >> (level - self.level), self.count, level)

    def within(self, most: int) -> "Cells":
        """The same counts at the lowest level with at most so many cells."""
        cells = self
        while len(cells.index) > most:
            cells = cells.coarser(cells.level + 1)
        return cells


def sum_counts(index: np.ndarray, count: np.ndarray, level: int = 0) -> Cells:
    unique, place = np.unique(index, return_inverse=True)
    total = np.zeros(len(unique), np.int64)
    np.add.at(total, place, count)
    return Cells(unique, total, level)


def merge_cells(one: Cells, other: Cells) -> Cells:
    """Both counts together, at the higher level of the two, coarser where there are too many cells."""
    level = max(one.level, other.level)
    one, other = one.coarser(level), other.coarser(level)
    merged = sum_counts(np.concatenate([one.index, other.index]), np.concatenate([one.count, other.count]), level)
    return merged.within(MOST_CELLS)


def cells_to_sample(cells: Cells, grid: Grid) -> Sample:
    """Counts as a `Sample`, in data units."""
    width, step = grid.width * 2**cells.level, 2**cells.level
    lower = (cells.index * step - grid.shift) * grid.width
    return Sample(lower, lower + width, cells.count)


def group_sample(sample: Sample, width: float, rounded: bool = False) -> Sample:
    """Count the values in cells of one width; only cells that hold something are kept.

    Parameters
    ----------
    sample : Sample
        Of exact values.
    width : float
        Data units.
    rounded : bool
        Cells [(j - 1/2) h, (j + 1/2) h) around multiples of the width h, for
        values that were rounded to them; otherwise [j h, (j + 1) h).

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        For cells too narrow for double precision.
    """
    shift, finest = 0.5 if rounded else 0.0, 2.0**-50 * np.abs(sample.value).max()
    if width < finest:
        raise InputError(
            f"cell_width: given {width:g}; allowed: at least {finest:.3g}, or double precision loses the cells"
        )
    index, count = np.unique(np.floor(sample.value / width + shift).astype(np.int64), return_counts=True)
    return Sample((index - shift) * width, (index + 1 - shift) * width, count, simulated=sample.simulated)


def coarsen_sample(sample: Sample, width: float) -> Sample:
    """Merge cells, as many into one as stay within a width.

    Cells keep their ends, so no value changes its side of one.

    Parameters
    ----------
    sample : Sample
        In cells of one width.
    width : float
        Data units.

    Returns
    -------
    Sample
    """
    fine = sample.width
    together = max(1, int(width / fine + 1e-9))
    shift = -(sample.lower[0] / fine - np.floor(sample.lower[0] / fine))
    cells = sum_counts(np.round(sample.lower / fine + shift).astype(np.int64) // together, sample.count)
    ends = [((cells.index + one) * together - shift) * fine for one in (0, 1)]
    return Sample(*ends, cells.count, simulated=sample.simulated)


def find_rounding(sample: Sample, most_decimals: int = 6) -> float:
    """The step, 1, 2 or 5 times a power of ten, that all values are multiples of, where at least half are repeated.

    Whole numbers that are all even, or multiples of five, are so by chance
    where there are few of them: those steps need enough different values.

    Returns
    -------
    float
        Data units; 0 where the values were not visibly rounded.
    """
    values = sample.value
    if not sample.exact or len(np.unique(values)) > len(values) / 2:
        return 0.0
    different = len(np.unique(values))
    for decimals in range(-6, most_decimals + 1):
        for multiple, fewest in ((5, 6), (2, 14), (1, 1)):  # by chance: 1 in 10,000
            step = multiple * 10.0**-decimals
            if (
                different >= fewest
                and step <= np.ptp(values)
                and np.allclose(values, np.round(values / step) * step, rtol=0, atol=1e-6 * step)
            ):
                return step
    return 0.0


def choose_likelihood(
    sample: Sample, smallest_sd: float, likelihood: str = "auto", cell_width: float | None = None
) -> tuple[Sample, str]:
    """The sample as the likelihood will see it, and why.

    Parameters
    ----------
    sample : Sample
    smallest_sd : float
        Of a pilot EM's components, data units.
    likelihood : {"auto", "exact", "grouped"}
        auto groups values that were rounded, by the rounding, and large
        samples, where the cells are fewer than a quarter of the values.
    cell_width : float, optional
        Data units; by default a tenth of `smallest_sd`, which widens
        standard errors by at most 0.1% (Sheppard's correction).

    Returns
    -------
    sample : Sample
        The same, or grouped.
    reason : str
        A sentence for the report.
    """
    if cell_width is not None and cell_width > 0.5 * smallest_sd:
        raise InputError(
            f"cell_width: given {cell_width:g}; allowed: at most half the smallest sd, {0.5 * smallest_sd:.4g}, "
            "since wider cells hide the shape of the narrowest component"
        )
    if not sample.exact:
        if likelihood == "exact":
            raise InputError(
                f"likelihood: given exact; allowed: auto or grouped for {sample.n:,} values, which are kept as counts"
            )
        if not sample.regular:
            return _as_they_came(sample, smallest_sd, cell_width)
        cells = coarsen_sample(sample, cell_width or 0.1 * smallest_sd)
        return cells, (
            f"The values came as counts; the likelihood sees them in {len(cells.count):,} cells of width "
            f"{cells.width:.4g}, {cells.width / smallest_sd:.2g} of the smallest sd: {_loss(cells.width, smallest_sd)}."
        )
    if likelihood == "exact":
        return sample, "Every value enters the likelihood as it is (likelihood: exact)."
    step = find_rounding(sample) if cell_width is None else 0.0
    if step > 0.02 * smallest_sd:
        grouped = group_sample(sample, step, rounded=True)
        return grouped, (
            f"The values are rounded to multiples of {step:g}, so each stands for a cell of that width: "
            f"{len(grouped.count):,} cells; {_loss(step, smallest_sd)}."
        )
    width = cell_width or 0.1 * smallest_sd
    grouped = group_sample(sample, width)
    grouping = f"The values are counted in {len(grouped.count):,} cells of width {width:.4g}, {width / smallest_sd:.2g} of the smallest sd"
    if likelihood == "grouped":
        return grouped, f"{grouping} (likelihood: grouped): {_loss(width, smallest_sd)}."
    if sample.n > SMALL and 4 * len(grouped.count) < sample.n:
        return grouped, f"{grouping}: the fit is much cheaper, and {_loss(width, smallest_sd)}."
    return sample, "Every value enters the likelihood as it is: counting them in cells would save nothing."


def _as_they_came(sample, smallest_sd, cell_width):
    """Cells of several widths, or open ones, which cannot be merged evenly."""
    if cell_width is not None:
        raise InputError(
            f"cell_width: given {cell_width:g}; allowed: null for cells of unequal width or with open ends"
        )
    return sample, (
        f"The values came as counts, and the likelihood sees them in the {len(sample.count):,} cells that they came in; half of "
        f"the values are in cells of at most {sample.width:.4g}, {sample.width / smallest_sd:.2g} of the smallest sd."
    )


def _loss(width, smallest_sd):
    """What grouping costs at the most: the information on an sd falls by about (h / sd)^2 / 6 (Sheppard)."""
    if width > smallest_sd:
        return "the narrowest component of a first fit is within one cell, so its sd is known by the prior alone"
    return f"standard errors grow by about {(width / smallest_sd) ** 2 / 12:.2%}"
