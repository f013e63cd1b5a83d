"""The mixture as a PyMC model."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.distributions.transforms import Interval, ordered

from mixture.bayes.priors import Priors, log_hierarchical_sds
from mixture.data.sample import Sample

# Fast mathematics round as the compiler likes: code just compiled and code from the cache would part in the last bit,
# and the chains soon after. Here it is no faster.
pytensor.config.numba__fastmath = False

# PyMC's own transform of a Uniform, but one for all: it makes one for each, and no two models would be of one form.
BETWEEN_BOUNDS = Interval(bounds_fn=lambda *inputs: inputs[-2:])


def build_model(sample: Sample, priors: Priors, latent: bool = False, ordering: bool = True) -> pm.Model:
    """The Gaussian mixture as a PyMC model.

    Parameters
    ----------
    sample : Sample
        Exact values enter by their density, cells by their mass and count.
    priors : Priors
    latent : bool
        Keep a Categorical assignment for each observation instead of summing
        it out; exact values only.
    ordering : bool
        Keep the means in increasing order. Without it the components may
        swap names within a chain.

    Returns
    -------
    pymc.Model
        Variables w, mu and sigma over dim component (and assignment).
    """
    k, data = len(priors.mean_center), likelihood_data(sample)
    rows = len(data["values" if sample.exact else "count"])
    with pm.Model(coords={"component": np.arange(1, k + 1), "observation": np.arange(rows)}) as model:
        if k > 1:
            w = pm.Dirichlet("w", np.full(k, priors.weight_concentration), dims="component")
        else:
            w = pm.Deterministic("w", pt.ones(1), dims="component")
        # A shape beside the dims: without it PyTensor does not know K, and the gradient takes four times as long.
        mu = pm.Normal(
            "mu",
            priors.mean_center,
            tau=priors.mean_precision,
            dims="component",
            shape=k,
            **({"transform": ordered} if ordering else {}),
        )
        sigma = _sd_prior(priors)
        if latent:
            z = pm.Categorical("assignment", w, dims="observation")
            pm.Normal("x", mu[z], sigma[z], observed=pm.Data("values", data["values"]), dims="observation")
        elif sample.exact:
            pm.CustomDist(
                "x",
                w,
                mu,
                sigma,
                dist=_normal_mixture,
                logp=_log_density,
                observed=pm.Data("values", data["values"]),
                dims="observation",
            )
        else:
            pm.CustomDist(
                "x",
                w,
                mu,
                sigma,
                pm.Data("edges", data["edges"]),
                logp=_log_counts,
                observed=pm.Data("count", data["count"]),
                dims="observation",
            )
    return model


def likelihood_data(sample: Sample) -> dict[str, np.ndarray]:
    """What the model's data containers hold, by name: values; or edges in increasing order and the counts between them."""
    if sample.exact:
        return {"values": sample.value}
    order = np.argsort(sample.lower)
    # No component reaches so far, and gradients stay finite, unlike at an open end.
    far = 1e6 * (sample.high - sample.low)
    lower, upper = np.maximum(sample.lower, sample.low - far)[order], np.minimum(sample.upper, sample.high + far)[order]
    count = sample.count[order]
    # Where a cell does not touch the next, a gap with no count follows.
    last = np.append(np.abs(lower[1:] - upper[:-1]) > 1e-6 * sample.width, True).nonzero()[0]
    return {"edges": np.insert(lower, last + 1, upper[last]), "count": np.insert(count, last[:-1] + 1, 0)}


def _sd_prior(priors):
    shape = {"dims": "component", "shape": len(priors.mean_center)}
    if priors.sd_family == "uniform":
        return pm.Uniform("sigma", 0, priors.sd_scale, default_transform=BETWEEN_BOUNDS, **shape)
    if priors.sd_family == "halfnormal":
        return pm.HalfNormal("sigma", priors.sd_scale, **shape)
    if priors.sd_family == "hierarchical":
        sigma = pm.HalfFlat("sigma", **shape)
        pm.Potential("sigma_prior", log_hierarchical_sds(sigma, len(priors.mean_center), priors.sd_scale, pt.log))
        return sigma
    return pm.LogNormal("sigma", np.log(priors.sd_scale), 1, **shape)


def _normal_mixture(w, mu, sigma, size):
    return pm.NormalMixture.dist(w, mu, sigma=sigma, size=size)


def _log_density(value, w, mu, sigma):
    """NormalMixture's log density with a row for each component, not a column: a gradient takes a fifth less time."""
    z = (value - mu[:, None]) / sigma[:, None]
    return pt.logsumexp(pt.log(w / sigma)[:, None] - z**2 / 2, axis=0) - np.log(2 * np.pi) / 2


def _log_counts(count, w, mu, sigma, edges):
    """Multinomial log likelihood of the counts, less its constant: count x log sum_k w_k (Phi - Phi).

    Neighbours share an edge, and Phi is taken there once, as log Phi(-|z|): exact in both tails.
    """
    z = (edges[:, None] - mu) / sigma
    tail = pt.log(pt.erfcx(abs(z) / np.sqrt(2)) / 2) - z**2 / 2
    around, left, right = (z[:-1] < 0) & (z[1:] > 0), tail[:-1], tail[1:]
    beside = pt.maximum(left, right) + pt.log1mexp(-abs(left - right))
    mass = pt.switch(around, pt.log1p(-pt.exp(left) - pt.exp(right)), beside)
    return count * pt.logsumexp(pt.log(w) + mass, axis=-1)
