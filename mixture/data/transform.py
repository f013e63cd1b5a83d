"""The logarithm of a skewed sample, and the way back to data units.

What is Gaussian in logarithms is log-normal in data units. Everything between reading and showing
works on logarithms, under a name and a unit that say so, and knows nothing of this module.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mixture.data.sample import DATA_UNITS, Sample
from mixture.messages import InputError, format_value

NAME, UNIT = "log of ", "log "  # before a column's name, and before its unit
DIGITS = 12  # significant, that a value keeps on its way through its logarithm and back


def take_logs(values: np.ndarray, name: str, first_row: int = 1) -> np.ndarray:
    """Natural logarithms of some rows of a column.

    Parameters
    ----------
    values : ndarray, shape (N,)
        NaN where a value is missing, and so is its logarithm.
    name : str
        Of the column.
    first_row : int
        The number of the first of them below the names of the columns.

    Raises
    ------
    InputError
        With the row of the first value that has no logarithm.
    """
    low = np.flatnonzero(values <= 0)
    if len(low):
        raise InputError(
            f"transform: given log, but row {first_row + low[0]:,} of column {format_value(name)} holds {values[low[0]]:g}; "
            "allowed: values above 0, or transform: null"
        )
    return np.log(values)


def log_batches(batches: Iterable[np.ndarray], name: str) -> Iterator[np.ndarray]:
    """`take_logs` of a column batch by batch, rows counted from its first."""
    row = 1
    for values in batches:
        yield take_logs(values, name, row)
        row += len(values)


def take_logs_of_bins(lower: np.ndarray, upper: np.ndarray, names: str) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithms of the ends of bins, shape (M,) each; a lower end of 0 or less becomes open.

    Raises
    ------
    InputError
        For a bin without any value above 0; `names` are those of the columns.
    """
    low = np.flatnonzero(upper <= 0)
    if len(low):
        raise InputError(
            f"transform: given log, but columns {names} hold a bin from {lower[low[0]]:g} to {upper[low[0]]:g}; allowed: bins "
            "that reach above 0, or transform: null"
        )
    return np.log(lower, where=lower > 0, out=np.full(len(lower), -np.inf)), np.log(upper)


def name_unit(unit: str | None, transform: str | None) -> str:
    """The unit of what is fitted."""
    return (UNIT if transform else "") + (unit or DATA_UNITS)


def name_sample(sample: Sample, unit: str | None, transform: str | None) -> Sample:
    """A sample with its unit, and where it holds logarithms with a name and a unit that say so."""
    name = sample.name if transform is None else NAME + sample.name
    return replace(sample, name=name, unit=name_unit(unit or sample.unit, transform))


def to_data_units(values: ArrayLike, transform: str | None) -> np.ndarray:
    """Values of the scale that was fitted in data units, to `DIGITS` digits where they were logarithms."""
    values = np.asarray(values, float)
    if transform is None:
        return values
    rounded = [float(f"{value:.{DIGITS}g}") for value in np.exp(values).ravel()]
    return np.array(rounded).reshape(values.shape)


def sample_in_data_units(sample: Sample, transform: str | None) -> Sample:
    """The sample as it was read, under its own name and unit: the inverse of the transformation and `name_sample`.

    Raises
    ------
    InputError
        The sample holds no logarithms: a notebook was given `transform` and notebook 1 was not.
    """
    if transform is None:
        return sample
    if not (sample.name.startswith(NAME) and sample.unit.startswith(UNIT)):
        raise InputError(
            "transform: given log, but sample.parquet holds values as they are; allowed: notebook 1 run with transform log first"
        )
    lower = to_data_units(sample.lower, transform)
    upper = lower if sample.exact else to_data_units(sample.upper, transform)
    name, unit = sample.name.removeprefix(NAME), sample.unit.removeprefix(UNIT)
    return replace(sample, lower=lower, upper=upper, name=name, unit=unit)
