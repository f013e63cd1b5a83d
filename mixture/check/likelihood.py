"""The log likelihood of every draw, and how well each observation is predicted from the others."""

import os
from copy import copy
from typing import NamedTuple

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from scipy import special

from mixture.bayes.draws import observed_sample, posterior_draws
from mixture.components import mixture_cdf

MOST_RANKS = 5_000  # observations in a test of fit: beyond, any model fails it


def total_log_likelihood(tree: xr.DataTree) -> np.ndarray:
    """Log likelihood of the whole sample, ndarray of shape (chain, draw)."""
    return tree["log_likelihood"]["x"].values.astype(float) @ tree["observed_data"]["count"].values


class LeaveOneOut(NamedTuple):
    """What is asked of `arviz.loo`, by its names there: all for each row, but for the limit of k."""

    elpd_i: xr.DataArray
    pareto_k: xr.DataArray
    log_weights: xr.DataArray
    good_k: float


def leave_one_out(path: str | os.PathLike) -> LeaveOneOut:
    """Leave-one-out of a posterior.nc by ArviZ's smoothed weights; from a file, so that another process can be asked for it."""
    with xr.open_datatree(path, engine="netcdf4") as tree:
        return left_out(tree.load())


def left_out(tree: xr.DataTree) -> LeaveOneOut:
    """As ``arviz.loo(tree, pointwise=True)``, which has twice the seconds: it adds up the rows one by one."""
    log_likelihood, dims = tree["log_likelihood"]["x"], ["chain", "draw"]
    draws = log_likelihood.sizes["chain"] * log_likelihood.sizes["draw"]
    sizes = [each.values.ravel() for each in az.ess(tree, method="mean").values()]
    efficiency = np.concatenate(sizes).mean() / draws if log_likelihood.sizes["chain"] > 1 else 1.0
    log_weights, pareto_k = log_likelihood.azstats.psislw(dim=dims, r_eff=efficiency)
    elpd = (log_weights + log_likelihood).reduce(special.logsumexp, dims)
    return LeaveOneOut(elpd, pareto_k, log_weights, min(1 - 1 / np.log10(draws), 0.7))


def loo_pit(tree: xr.DataTree, loo: LeaveOneOut, rng: np.random.Generator) -> np.ndarray:
    """Leave-one-out probability integral transform, by the mixture's own distribution function.

    An observation in a cell gets a random place between the values at the
    cell's ends; large samples are thinned to `MOST_RANKS` observations.

    Parameters
    ----------
    tree : xarray.DataTree
    loo : LeaveOneOut
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (min(N, MOST_RANKS),)
        Uniform on [0, 1] if the model describes the sample.
    """
    sample, log_weights = observed_sample(tree), loo.log_weights.transpose("chain", "draw", ...).values
    ends = []
    for points in (sample.lower,) if sample.exact else (sample.lower, sample.upper):
        total = np.zeros(len(points))
        for chain, log_weight in enumerate(log_weights):
            draws = posterior_draws(tree).map(lambda values, chain=chain: values[chain])
            total += np.einsum("sn,sn->n", np.exp(log_weight), mixture_cdf(points, *draws))
        ends.append(np.clip(total, 0, 1))
    count = thin_counts(sample.count, rng)
    low, high = np.repeat(ends[0], count), np.repeat(ends[-1], count)
    return low + (high - low) * rng.random(len(low))


def thin_counts(count: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Counts of a random `MOST_RANKS` of the observations; all of them where there are fewer."""
    if count.sum() <= MOST_RANKS:
        return count
    return rng.multivariate_hypergeometric(count, MOST_RANKS, method="marginals")


def expected_log_predictive_density(tree: xr.DataTree, loo: LeaveOneOut | az.ELPDData) -> tuple[float, float]:
    """Leave-one-out elpd of the whole sample and its standard error, natural log.

    Rows that stand for many observations count as many times.
    """
    each, count = loo.elpd_i.values, tree["observed_data"]["count"].values
    mean, n = np.average(each, weights=count), count.sum()
    return float(each @ count), float(np.sqrt(n / (n - 1) * (count @ (each - mean) ** 2)))


def compare_posteriors(
    trees: dict[int, xr.DataTree], trusted: dict[int, bool], rng: np.random.Generator
) -> pd.DataFrame:
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
    for k, loo in (
        (k, loo) for k, loo in loos.items() if trusted[k]
    ):  # rows that stand for many observations, one by one
        each = np.repeat(loo.elpd_i.values, count)
        spread[str(k)] = copy(loo)
        spread[str(k)].elpd_i = xr.DataArray(each, dims="observation")
        spread[str(k)].elpd, spread[str(k)].n_data_points = each.sum(), len(each)
    weight = (
        az.compare(spread, method="stacking", round_to="none")["weight"]
        if len(spread) > 1
        else dict.fromkeys(spread, 1.0)
    )
    rows = {}
    for k, loo in loos.items():
        elpd, se = expected_log_predictive_density(trees[k], loo)
        rows[k] = {
            "elpd": elpd,
            "elpd_se": se,
            "weight": float(weight[str(k)]) if trusted[k] else np.nan,
            "pareto_k": float(loo.pareto_k.max()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("K")
