"""A fit of logarithms in data units: medians and factors of spread, cutoffs, peaks, memberships and lone values.

Each function gives back what it was given where nothing was transformed, or None where there is nothing to add.

factor of spread
    exp of a component's sd: about two thirds of its values are within the median divided by it and multiplied by it
"""

from typing import Any

import numpy as np
import pandas as pd

from mixture.components import Components
from mixture.data.transform import to_data_units

ENDS = ("value", "lower", "upper")  # columns of a table of memberships


def describe_medians(comparison: pd.DataFrame, medians: Components, transform: str | None) -> pd.DataFrame | None:
    """Each component's median exp(mu) and factor of spread exp(sigma).

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `compare_fits`, of logarithms.
    medians : Components, shape (K,)
        Over the posterior, of logarithms.
    transform : {None, "log"}

    Returns
    -------
    pandas.DataFrame or None
        One row a component, from 1: median (data units) and factor, posterior medians both; their _low, _high and _em.
        The ends are those of the comparison's intervals, so both tables have the same intervals; as a shortest
        interval depends on the scale, these need not be the shortest in data units.
    """
    if transform is None:
        return None
    columns = {}
    for name, parameter, values in (("median", "mu", medians.means), ("factor", "sigma", medians.sds)):
        rows = comparison[comparison["parameter"] == parameter]
        columns[name] = np.exp(values)
        for column, end in (("interval_low", "low"), ("interval_high", "high"), ("em", "em")):
            columns[f"{name}_{end}"] = np.exp(rows[column].to_numpy(float))
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(medians.means) + 1, name="component"))


def as_density_in_data_units(draws: Components, transform: str | None) -> Components:
    """Mixtures with as many peaks over the logarithms as the density in data units has over the values.

    The density of x = exp(y) is f(y) exp(-y), and a Gaussian times exp(-y) is another, sd^2 to the left.

    Parameters
    ----------
    draws : Components, shape (..., K)
    """
    if transform is None:
        return draws
    with np.errstate(divide="ignore"):
        log_weights = np.log(draws.weights) - draws.means + draws.sds**2 / 2
    weights = np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
    return Components(weights / weights.sum(axis=-1, keepdims=True), draws.means - draws.sds**2, draws.sds)


def cutoffs_in_data_units(cutoffs: list[dict[str, Any]], transform: str | None) -> list[dict[str, Any]]:
    """Cutoffs from `describe_cutoffs` with value, low and high in data units; the shares misplaced stay as they are."""
    if transform is None:
        return cutoffs
    ends = ("value", "low", "high")
    return [
        cutoff | {end: None if cutoff[end] is None else float(np.exp(cutoff[end])) for end in ends}
        for cutoff in cutoffs
    ]


def lone_in_data_units(lone: list[dict[str, Any]], transform: str | None) -> list[dict[str, Any]]:
    """Lone values from `lone_values` in data units; how many sds away they are is told on the scale that was fitted."""
    return [each | {"value": float(to_data_units(each["value"], transform))} for each in lone]


def memberships_in_data_units(membership: pd.DataFrame, transform: str | None) -> pd.DataFrame:
    """Rows of `summarise_memberships` with their values, or ends of cells, in data units."""
    ends = [name for name in ENDS if name in membership]
    return membership.assign(**{name: to_data_units(membership[name], transform) for name in ends})
