"""Draws from a posterior: as an ArviZ tree, and what they say of the sample."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from mixture.bayes.priors import Priors
from mixture.components import NAMES, Components, mixture_log_likelihood
from mixture.data.cells import group_sample
from mixture.data.sample import Sample

MOST_ROWS = 20_000  # of a log likelihood, kept for each draw


def as_dataset(components: Sequence[np.ndarray]) -> xr.Dataset:
    """Weights, means and sds, each of shape (chain, draw, K), (draw, K) or (K,), as variables w, mu and sigma.

    Components are numbered from 1, as people do; chains and draws from 0, as ArviZ does.
    """
    dims = ("chain", "draw", "component")[-np.ndim(components[0]) :]
    data = xr.Dataset({name: (dims, a) for name, a in Components(*components).by_name().items()})
    return data.assign_coords({dim: np.arange(size) + (dim == "component") for dim, size in data.sizes.items()})


def posterior_draws(tree: xr.DataTree, group: str = "posterior") -> Components:
    """The `Components` of a group, shape (chain, draw, K) (or (K,) for group em)."""
    return Components(*(tree[group][name].transpose(..., "component").values for name in NAMES))


def add_log_likelihood(tree: xr.DataTree, sample: Sample) -> xr.DataTree:
    """What the verdict needs beside the draws of a posterior: the log likelihood of each, row by row of the sample.

    Parameters
    ----------
    tree : xarray.DataTree
        From `sample_posterior`, of the marginal or the latent model: the
        likelihood of interest has the assignments summed out.
    sample : Sample

    Returns
    -------
    xarray.DataTree
        The same, with groups log_likelihood (variable x: one observation in
        each row) and observed_data (lower, upper, count). A sample of more
        than `MOST_ROWS` exact values is judged in cells, a tenth of the
        smallest sd wide: one number a draw and value would not fit into
        memory, and nothing visible is lost.
    """
    draws = posterior_draws(tree)
    if len(sample.count) > MOST_ROWS:
        sample = group_sample(sample, 0.1 * draws.sds.mean(axis=(0, 1)).min())
    # Counts multiply the rounding of a row's number, so only single values can do with half the digits.
    x = np.empty((*draws.weights.shape[:2], len(sample.count)), np.float32 if sample.exact else float)
    for chain in range(len(x)):  # one chain at a time bounds the memory
        x[chain] = mixture_log_likelihood(sample, *draws.map(lambda values, chain=chain: values[chain]))
    posterior = tree["posterior"]
    coords = {"chain": posterior["chain"], "draw": posterior["draw"], "observation": np.arange(len(sample.count))}
    tree["log_likelihood"] = xr.Dataset({"x": (("chain", "draw", "observation"), x)}, coords)
    tree["observed_data"] = xr.Dataset(
        {name: ("observation", getattr(sample, name)) for name in ("lower", "upper", "count")},
        {"observation": coords["observation"]},
    )
    return tree


def add_log_prior(tree: xr.DataTree, priors: Priors) -> xr.DataTree:
    """The log prior of each draw, by variable, as group log_prior of the tree, which is returned.

    Parameters
    ----------
    tree : xarray.DataTree
        With a posterior group.
    priors : Priors
    """
    draws, posterior = posterior_draws(tree), tree["posterior"]
    w, mu, sigma = priors.log_density(draws)
    by_component = ("chain", "draw", "component")
    terms = {"mu": (by_component, mu)}
    terms["sigma"] = (by_component[:2], sigma[..., 0]) if priors.sd_family == "hierarchical" else (by_component, sigma)
    if draws.weights.shape[-1] > 1:
        terms["w"] = (("chain", "draw"), w)
    tree["log_prior"] = xr.Dataset(terms, {dim: posterior[dim] for dim in ("chain", "draw", "component")})
    return tree


def observed_sample(tree: xr.DataTree) -> Sample:
    """The sample as the likelihood saw it, back from group observed_data."""
    lower, upper, count = (tree["observed_data"][name].values for name in ("lower", "upper", "count"))
    return Sample(lower, lower if np.array_equal(lower, upper) else upper, count)
