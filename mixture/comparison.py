"""Bayes and EM side by side: parameters, memberships, number of components."""

import arviz as az
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy import special

from mixture.density import membership_probabilities
from mixture.sample import Sample, sort_components


def compare_fits(tree, em, errors=None, truth=None, interval=0.95):
    """Posterior, EM and, if known, truth in one table.

    Parameters
    ----------
    tree : xarray.DataTree
        With a posterior group.
    em : tuple of ndarray, shape (K,)
        Weights, means, sds by EM.
    errors : dict, optional
        From `em_standard_errors`.
    truth : tuple of array_like, shape (K,), optional
        Weights, means, sds; left out where the sample was not simulated from
        as many components.
    interval : float
        Probability inside the highest-density interval.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter (w, mu, sigma) and component (0-based, by
        mean): truth (if given), posterior_mean, posterior_sd, interval_low,
        interval_high, em, em_se (if given), difference_in_sds.
    """
    posterior = tree["posterior"].to_dataset()
    bounds = az.hdi(posterior, prob=interval)
    known = sort_components(*truth) if truth is not None else None
    rows = []
    for index, (name, field) in enumerate({"w": "weights", "mu": "means", "sigma": "sds"}.items()):
        mean, sd = posterior[name].mean(("chain", "draw")).values, posterior[name].std(("chain", "draw")).values
        for k in range(posterior.sizes["component"]):
            estimate = float(em[index][k])
            rows.append({
                "parameter": name, "component": k,
                **({"truth": known[index][k]} if known else {}),
                "posterior_mean": mean[k], "posterior_sd": sd[k],
                "interval_low": float(bounds[name][k, 0]), "interval_high": float(bounds[name][k, 1]),
                "em": estimate, **({"em_se": errors[field][k]} if errors else {}),
                "difference_in_sds": (mean[k] - estimate) / sd[k] if sd[k] > 0 else 0.0,  # K = 1: w is 1
            })
    return pd.DataFrame(rows)


def summarise_memberships(values, draws, interval=0.95):
    """Membership probabilities and their uncertainty over the posterior.

    Parameters
    ----------
    values : Sample or array_like, shape (N,)
        The sample, or new values.
    draws : tuple of ndarray, shape (S, K)
        Weights, means, sds; see `thin`.
    interval : float
        Probability inside the highest-density interval.

    Returns
    -------
    pandas.DataFrame
        One row a value (or cell, with its lower, upper and count): for each
        component k the posterior mean p_k and limits p_k_low, p_k_high;
        entropy of the means (natural log).
    """
    sample = values if isinstance(values, Sample) else Sample.of_values(values)
    share = []
    for rows in np.array_split(np.arange(len(sample.count)), max(1, len(sample.count) // 500)):
        lower = sample.lower[rows]
        part = Sample(lower, lower if sample.exact else sample.upper[rows], sample.count[rows])
        probability = membership_probabilities(part, *draws)
        bounds = array_stats.hdi(probability, interval, axis=0)
        share.append(np.stack([probability.mean(axis=0), bounds[..., 0], bounds[..., 1]]))
    mean, low, high = np.concatenate(share, axis=1)
    columns = {}
    for k in range(mean.shape[1]):
        columns |= {f"p_{k}": mean[:, k], f"p_{k}_low": low[:, k], f"p_{k}_high": high[:, k]}
    frame = sample.frame().drop(columns="component", errors="ignore")
    return frame.assign(**columns, entropy=special.entr(mean).sum(axis=1))
