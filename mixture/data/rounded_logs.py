"""The likelihood of values that were rounded before their logarithm was taken."""

import numpy as np

from mixture.data.cells import choose_likelihood, find_rounding, group_sample
from mixture.data.counted import MOST_BINS, NARROWEST
from mixture.data.sample import Sample
from mixture.data.transform import sample_in_data_units, take_logs_of_bins

NOTICED = 0.02  # of the smallest sd: narrower cells of rounding do nothing, as in `choose_likelihood`


def choose_transformed_likelihood(
    sample: Sample,
    transform: str | None,
    smallest_sd: float,
    likelihood: str = "auto",
    cell_width: float | None = None,
) -> tuple[Sample, str]:
    """As `choose_likelihood`, but values that were rounded before their logarithm was taken stand for the cells of that.

    Parameters
    ----------
    sample : Sample
        As it is fitted.
    transform : {None, "log"}
    smallest_sd, likelihood, cell_width :
        As in `mixture.data.cells.choose_likelihood`, on the scale that is fitted.
    """
    if transform == "log" and sample.exact and likelihood == "auto" and cell_width is None:
        plain = sample_in_data_units(sample, transform)
        step = find_rounding(plain)
        cells = _cells_of_rounding(plain, step) if step else None
        if cells is not None and _is_noticed(cells, smallest_sd):
            return cells, (
                f"The values were rounded to multiples of {step:g} before their logarithm was taken, so each stands for the "
                f"logarithms of a cell of that width: {len(cells.count):,} cells, half of the values in cells of at most "
                f"{cells.width:.4g}, {cells.width / smallest_sd:.2g} of the smallest sd."
            )
    return choose_likelihood(sample, smallest_sd, likelihood, cell_width)


def _cells_of_rounding(plain, step):
    """Cells around rounded values, their ends as logarithms; a multiple above 0 has both."""
    cells = group_sample(plain, step, rounded=True)
    return Sample(*take_logs_of_bins(cells.lower, cells.upper, plain.name), cells.count)


def _is_noticed(cells, smallest_sd):
    """Whether a twentieth of the values are in cells so wide that they count, and all are cells that doubles can tell apart."""
    widths = cells.upper - cells.lower
    wide = np.quantile(widths, 0.95, weights=cells.count, method="inverted_cdf")
    fine = len(widths) <= MOST_BINS and widths.min() >= NARROWEST * (cells.high - cells.low)
    return fine and wide > NOTICED * smallest_sd
