"""Bayes and EM side by side: parameters, memberships, number of components."""

from copy import copy

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from scipy import special

from mixture.density import membership_probabilities
from mixture.sample import Sample, sort_components

MOST_RANKS = 5_000  # observations in a test of fit: beyond, any model fails it


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


def monte_carlo_distance(one, other):
    """Largest difference between two posteriors' means of mu and sigma, in Monte Carlo standard errors.

    Parameters
    ----------
    one, other : xarray.DataTree
        Of the same model, however sampled; below 4 counts as the same.
    """
    means, errors = [], []
    for tree in (one, other):
        kept = tree["posterior"].to_dataset()[["mu", "sigma"]]
        means.append(kept.mean(("chain", "draw")))
        errors.append(az.mcse(kept))
    return float((abs(means[0] - means[1]) / np.hypot(*errors)).to_array().max())


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


def thin_counts(count, rng):
    """Counts of a random `MOST_RANKS` of the observations; all of them where there are fewer."""
    if count.sum() <= MOST_RANKS:
        return count
    return rng.multivariate_hypergeometric(count, MOST_RANKS, method="marginals")


def expected_log_predictive_density(tree, loo):
    """Leave-one-out elpd of the whole sample and its standard error, natural log.

    Rows that stand for many observations count as many times.
    """
    each, count = loo.elpd_i.values, tree["observed_data"]["count"].values
    mean, n = np.average(each, weights=count), count.sum()
    return float(each @ count), float(np.sqrt(n / (n - 1) * (count @ (each - mean) ** 2)))


def compare_posteriors(trees, trusted, rng):
    """Posteriors of different numbers of components by leave-one-out prediction.

    Parameters
    ----------
    trees : dict of int to xarray.DataTree
        One a number of components, all of the same sample.
    trusted : dict of int to bool
        Whose chains may take part in the stacking.
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        Indexed by K: elpd and its se (natural log, larger is better), weight
        (stacking, `arviz.compare`; NaN where not trusted), pareto_k (the largest).
    """
    loos = {k: az.loo(tree, pointwise=True) for k, tree in trees.items()}
    count = thin_counts(next(iter(trees.values()))["observed_data"]["count"].values, rng)
    spread = {}
    for k, loo in ((k, loo) for k, loo in loos.items() if trusted[k]):  # rows that stand for many observations, one by one
        each = np.repeat(loo.elpd_i.values, count)
        spread[str(k)] = copy(loo)
        spread[str(k)].elpd_i = xr.DataArray(each, dims="observation")
        spread[str(k)].elpd, spread[str(k)].n_data_points = each.sum(), len(each)
    weight = az.compare(spread, method="stacking", round_to="none")["weight"] if len(spread) > 1 else dict.fromkeys(spread, 1.0)
    rows = {}
    for k, loo in loos.items():
        elpd, se = expected_log_predictive_density(trees[k], loo)
        rows[k] = {"elpd": elpd, "elpd_se": se, "weight": float(weight[str(k)]) if trusted[k] else np.nan,
                   "pareto_k": float(loo.pareto_k.max())}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("K")
