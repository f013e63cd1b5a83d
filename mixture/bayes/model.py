"""The mixture as a PyMC model, and what its draws say of the sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from numpy.typing import ArrayLike
from pymc.distributions.transforms import Interval, ordered
from scipy import special, stats

from mixture.bayes.kernels import BETA_RATE, BETA_SHAPE, PRECISION_SHAPE
from mixture.components import NAMES, Components, mixture_log_likelihood, sort_components
from mixture.data.cells import group_sample
from mixture.data.sample import Sample

# Fast mathematics round as the compiler likes: code just compiled and code from the cache would part in the last bit,
# and the chains soon after. Here it is no faster.
pytensor.config.numba__fastmath = False

MOST_ROWS = 20_000  # of a log likelihood, kept for each draw
# PyMC's own transform of a Uniform, but one for all: it makes one for each, and no two models would be of one form.
BETWEEN_BOUNDS = Interval(bounds_fn=lambda *inputs: inputs[-2:])


@dataclass(frozen=True, eq=False)
class Priors:
    """Priors of the mixture: w ~ Dirichlet, mu ~ Normal, sigma by family.

    Attributes
    ----------
    mean_center, mean_precision : ndarray, shape (K,)
        Of each component's Normal prior; data units, 1 / data units^2.
    sd_family : {"uniform", "halfnormal", "lognormal", "hierarchical"}
    sd_scale : float
        Upper end (uniform), scale (halfnormal) or median (lognormal, whose
        log has sd 1), or the range R of the hierarchical family of Richardson
        & Green (1997): precisions ~ Gamma(2, beta), beta ~ Gamma(0.2, 10 / R^2);
        data units.
    weight_concentration : float
    """

    mean_center: np.ndarray
    mean_precision: np.ndarray
    sd_family: str
    sd_scale: float
    weight_concentration: float

    def draw(self, count: int, rng: np.random.Generator) -> Components:
        """Mixtures drawn from the priors, without PyMC: quickly, and not by what is to be tested.

        Parameters
        ----------
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        Components, shape (count, K)
            Ordered jointly by mean, as the posterior is; the ordering
            transform plays no part in PyMC's own draws from a prior.
        """
        shape = count, len(self.mean_center)
        return sort_components(
            rng.dirichlet(np.full(shape[1], self.weight_concentration), count),
            rng.normal(self.mean_center, self.mean_precision**-0.5, shape),
            self._draw_sds(shape, rng),
        )

    def log_density(self, components: Components) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log prior density of mixtures, block by block.

        Parameters
        ----------
        components : Components, shape (..., K)

        Returns
        -------
        weights : ndarray, shape (...)
        means, sds : ndarray, shape (..., K)
            Of the hierarchical family, in which the sds depend on one another,
            the sds' is joint: shape (..., 1).
        """
        w, mu, sigma = components
        k, a, scale = w.shape[-1], self.weight_concentration, self.sd_scale
        weights = special.gammaln(k * a) - k * special.gammaln(a) + (a - 1) * np.log(w).sum(axis=-1)
        means = (np.log(self.mean_precision / (2 * np.pi)) - self.mean_precision * (mu - self.mean_center) ** 2) / 2
        if self.sd_family == "hierarchical":
            return weights, means, log_hierarchical_sds(sigma, w.shape[-1], scale)[..., None]
        sds = {
            "uniform": stats.uniform(0, scale),
            "halfnormal": stats.halfnorm(0, scale),
            "lognormal": stats.lognorm(1, scale=scale),
        }[self.sd_family].logpdf(sigma)
        return weights, means, sds

    def _draw_sds(self, shape, rng):
        if self.sd_family == "uniform":
            return rng.uniform(0, self.sd_scale, shape)
        if self.sd_family == "halfnormal":
            return np.abs(rng.normal(0, self.sd_scale, shape))
        if self.sd_family == "hierarchical":
            beta = rng.gamma(BETA_SHAPE, self.sd_scale**2 / BETA_RATE, (shape[0], 1))
            return (rng.gamma(PRECISION_SHAPE, size=shape) / np.maximum(beta, 1e-300)) ** -0.5
        return self.sd_scale * np.exp(rng.normal(size=shape))


def choose_priors(
    sample: Sample,
    n_components: int,
    mean_prior_mean: ArrayLike | None = None,
    mean_prior_precision: ArrayLike | None = None,
    sd_prior: str = "lognormal",
    sd_prior_scale: float | None = None,
    weight_concentration: float = 1.0,
) -> Priors:
    """Fill the priors that were not given from the sample's midrange and range.

    Means: Normal around the midrange with the range as sd (Richardson & Green
    1997). sds: lognormal with median range / 6K, as if K components stood side
    by side and filled the range, which keeps them away from zero; uniform up
    to, or halfnormal with scale, half the range; hierarchical by the range.

    Parameters
    ----------
    sample : Sample
    n_components : int
    mean_prior_mean, mean_prior_precision : array_like, shape (K,), optional
    sd_prior, sd_prior_scale, weight_concentration :
        As in `Priors`.

    Returns
    -------
    Priors
    """
    spread, middle = sample.high - sample.low, (sample.low + sample.high) / 2
    if sd_prior_scale is None:
        sd_prior_scale = spread / {"lognormal": 6 * n_components, "hierarchical": 1}.get(sd_prior, 2)
    if mean_prior_mean is None:
        mean_prior_mean = np.full(n_components, middle)
    if mean_prior_precision is None:
        mean_prior_precision = np.full(n_components, spread**-2.0)
    return Priors(
        np.asarray(mean_prior_mean, float),
        np.asarray(mean_prior_precision, float),
        sd_prior,
        float(sd_prior_scale),
        float(weight_concentration),
    )


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


def log_hierarchical_sds(
    sigma: np.ndarray | pt.TensorVariable, k: int, scale: float, log: Callable = np.log
) -> np.ndarray | pt.TensorVariable:
    """Joint log prior density of K sds, of which beta is integrated out.

    Richardson & Green (1997): precisions ~ Gamma(2, beta), beta ~ Gamma(0.2, 10 / scale^2).

    Parameters
    ----------
    sigma : ndarray or TensorVariable, shape (..., K)
        `log` is NumPy's or PyTensor's, whichever the sds are of.
    k : int
    scale : float
        Data units, as the sds.

    Returns
    -------
    ndarray or TensorVariable, shape (...)
    """
    rate, shape = BETA_RATE / scale**2, BETA_SHAPE + PRECISION_SHAPE * k
    constant = k * np.log(2) + BETA_SHAPE * np.log(rate) + special.gammaln(shape)
    constant -= special.gammaln(BETA_SHAPE) + k * special.gammaln(PRECISION_SHAPE)
    powers = (2 * PRECISION_SHAPE + 1) * log(sigma).sum(axis=-1)
    return constant - powers - shape * log(rate + (sigma**-2.0).sum(axis=-1))


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
