"""Two posteriors side by side: is what differs chance, and does it matter?"""

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from mixture.bayes.draws import as_dataset, posterior_draws
from mixture.components import NAMES
from mixture.data.sample import Sample
from mixture.messages import InputError

# Monte Carlo errors that two samplings of one posterior are at most apart, in the largest of a few parameters.
SAME = 4.0


def same_values(one: Sample, other: Sample) -> bool:
    """Whether two samples hold the same values or counts in the same cells, whatever their names and units."""
    return all(np.array_equal(getattr(one, part), getattr(other, part)) for part in ("lower", "upper", "count"))


def compare_posteriors(one: xr.DataTree, other: xr.DataTree, interval: float = 0.95) -> pd.DataFrame:
    """Each parameter of two posteriors, and their differences by what chance explains and by what the samples leave open.

    Parameters
    ----------
    one, other : xarray.DataTree
        With as many components; of each draw they are sorted by mean.
    interval : float
        Probability inside the highest-density intervals.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter (w, mu, sigma) and component (from 1): mean_1, sd_1, low_1, high_1, the same of the
        second, difference (second less first), in_errors (over the Monte Carlo error of the difference) and in_sds (over
        the root mean square of the two posterior sds). Both are 0 where nothing is open, as the weight of one component.

    Raises
    ------
    InputError
        The numbers of components differ.
    """
    numbers = [posterior_draws(tree).means.shape[-1] for tree in (one, other)]
    if numbers[0] != numbers[1]:
        raise InputError(
            f"n_components: {numbers[0]} in one run and {numbers[1]} in the other, whose components have no counterparts; "
            "allowed: two runs with as many"
        )
    found = [_describe(tree, interval) for tree in (one, other)]
    rows = []
    for name in NAMES:
        for k in range(numbers[0]):
            (mean_1, sd_1, *_, error_1), (mean_2, sd_2, *_, error_2) = (each[name][k] for each in found)
            row = {"parameter": name, "component": k + 1, "difference": mean_2 - mean_1}
            for number, each in enumerate(found, 1):
                row |= {f"{what}_{number}": each[name][k][i] for i, what in enumerate(("mean", "sd", "low", "high"))}
            row["in_errors"] = _ratio(mean_2 - mean_1, np.hypot(error_1, error_2))
            row["in_sds"] = _ratio(mean_2 - mean_1, np.hypot(sd_1, sd_2) / 2**0.5)
            rows.append(row)
    return pd.DataFrame(rows)


def _ratio(difference, scale):
    return float(difference / scale) if scale > 0 else 0.0


def _describe(tree, interval):
    """By parameter an array of a row for each component: mean, sd, ends of the interval, Monte Carlo error of the mean."""
    kept = as_dataset(posterior_draws(tree).sorted())
    bounds, errors, dims = az.hdi(kept, prob=interval), az.mcse(kept), ("chain", "draw")
    return {
        name: np.column_stack([kept[name].mean(dims), kept[name].std(dims), bounds[name].values, errors[name].values])
        for name in NAMES
    }
