"""What is said of a fit of logarithms in data units."""

import pandas as pd

from mixture.show.text.numbers import estimate, fixed
from mixture.show.text.wording import caption, wording


@wording
def units_text(transform: str | None, unit: str) -> str:
    """Which units the next table is in, where that are not data units; else nothing."""
    if transform is None:
        return ""
    return f"Means and sds in the table are of logarithms ({unit}); notebook 4 gives them in data units too."


@wording
def medians_text(transform: str | None, unit: str, interval: float) -> str:
    """How to read the table of medians and factors of spread."""
    if transform is None:
        return ""
    return (
        f"The table above is of logarithms. **In data units ({unit})** each component is log-normal. Half of its values lie below "
        f"its median; about two thirds lie between the median divided by its factor of spread and the median multiplied by it. "
        f"The intervals are those of {interval:.0%} for mean and sd of the logarithms, carried over."
    )


@wording
def medians_table(medians: pd.DataFrame, unit: str) -> pd.DataFrame:
    """The table of `describe_medians`, each number to two digits of what its interval leaves open.

    Parameters
    ----------
    medians : pandas.DataFrame
    unit : str
        Of the values as they were read.
    """
    columns = {}
    for name, words in (("median", f"median ({unit})"), ("factor", "factor of spread")):
        errors = (medians[f"{name}_high"] - medians[f"{name}_low"]) / 4
        for end, shown in (("", words), ("_low", "interval from"), ("_high", "to"), ("_em", "by EM")):
            title = shown if not end else f"{name}: {shown}"
            columns[title] = [estimate(*each) for each in zip(medians[name + end], errors, strict=True)]
    return pd.DataFrame(columns, index=medians.index)


@caption
def data_units_caption(interval: float, shown: float) -> str:
    """Of the mixture in data units; `shown` is the share of the sample that is drawn."""
    return (
        f"The mixture of the logarithms as a density of the values themselves (divided by the value, the Jacobian), with its "
        f"{interval:.0%} band; the largest {fixed(100 * (1 - shown), 0)}% of the values lie further to the right."
    )


@wording
def data_units_alt(n: int, unit: str) -> str:
    """Of the same, for who cannot see it."""
    return f"Histogram of {n:,} values in {unit} with the posterior's skewed mixture density, its components, and EM's density."
