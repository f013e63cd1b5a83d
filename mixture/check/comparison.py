"""Bayes and EM side by side, and two samplers of one posterior."""

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from mixture.bayes.draws import as_dataset, posterior_draws
from mixture.components import NAMES, Components


def compare_fits(
    tree: xr.DataTree,
    em: Components,
    errors: dict[str, np.ndarray] | None = None,
    truth: Components | None = None,
    interval: float = 0.95,
) -> pd.DataFrame:
    """Posterior, EM and, if known, truth in one table.

    Parameters
    ----------
    tree : xarray.DataTree
        With a posterior group.
    em : Components, shape (K,)
        By EM, sorted by mean.
    errors : dict, optional
        From `em_standard_errors`.
    truth : Components, shape (K,), optional
        Sorted by mean; left out where the sample was not simulated from as
        many components.
    interval : float
        Probability inside the highest-density interval.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter (w, mu, sigma) and component (from 1, by
        mean): truth (if given), posterior_mean, posterior_sd, interval_low,
        interval_high, em, em_se (if given), difference_in_sds.
    """
    posterior = tree["posterior"].to_dataset()
    bounds = az.hdi(posterior, prob=interval)
    rows = []
    for name, field in zip(NAMES, Components._fields, strict=True):
        mean, sd = posterior[name].mean(("chain", "draw")).values, posterior[name].std(("chain", "draw")).values
        for k in range(posterior.sizes["component"]):
            estimate = float(getattr(em, field)[k])
            rows.append(
                {
                    "parameter": name,
                    "component": k + 1,
                    **({"truth": getattr(truth, field)[k]} if truth else {}),
                    "posterior_mean": mean[k],
                    "posterior_sd": sd[k],
                    "interval_low": float(bounds[name][k, 0]),
                    "interval_high": float(bounds[name][k, 1]),
                    "em": estimate,
                    **({"em_se": errors[field][k]} if errors else {}),
                    "difference_in_sds": (mean[k] - estimate) / sd[k] if sd[k] > 0 else 0.0,  # K = 1: w is 1
                }
            )
    return pd.DataFrame(rows)


def intervals_with_truth(comparison: pd.DataFrame) -> int | None:
    """How many intervals of `compare_fits` hold the truth; None where it is not known."""
    if "truth" not in comparison:
        return None
    return int(comparison["truth"].between(comparison["interval_low"], comparison["interval_high"]).sum())


def monte_carlo_distance(one: xr.DataTree, other: xr.DataTree) -> float:
    """Largest difference between two posteriors' means of mu and sigma, in Monte Carlo standard errors.

    Parameters
    ----------
    one, other : xarray.DataTree
        Of the same model, however sampled; below 4 counts as the same.
    """
    means, errors = [], []
    for tree in (one, other):
        kept = as_dataset(posterior_draws(tree).sorted())[["mu", "sigma"]]  # whatever each names its components by
        means.append(kept.mean(("chain", "draw")))
        errors.append(az.mcse(kept))
    return float((abs(means[0] - means[1]) / np.hypot(*errors)).to_array().max())
