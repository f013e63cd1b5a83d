"""What the notebooks share: a sample, a mixture fitted to it two ways, and how far to trust the fit.

The functions stand in the order of the story: sample, density, EM, model, fit,
verdict, comparison, files. Weights, means and sds are arrays whose last axis is
the component; in the posterior they are called w, mu and sigma.
"""

import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from arviz_stats.base import array_stats
from pymc.distributions.transforms import ordered
from scipy import special
from scipy.differentiate import hessian
from sklearn.mixture import GaussianMixture

# ---------------------------------------------------------------- sample


def random_stream(seed, step):
    """The random generator of one named step.

    Every step draws from a child of the root seed that depends on the step's
    name alone, so a new step leaves the draws of all others as they were.

    Parameters
    ----------
    seed : int
        Root seed.
    step : str
        Name of the step, such as "sample" or "prior".

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(step.encode()),)))


def component_counts(n, weights):
    """Observations per component: floor(weight x n), the remainder to the largest fractions.

    Returns
    -------
    ndarray of int, shape (K,)
        Adds up to n.
    """
    share = np.asarray(weights, float) * n
    counts = np.floor(share + 1e-9).astype(int)  # 0.29 * 100 is a hair below 29
    counts[np.argsort(counts - share, kind="stable")[: n - counts.sum()]] += 1
    return counts


def simulate_mixture(n, weights, means, sds, rng, counts="fixed"):
    """Draw a sample from a Gaussian mixture, in random order.

    Parameters
    ----------
    n : int
        Number of observations.
    weights, means, sds : array_like, shape (K,)
    rng : numpy.random.Generator
    counts : {"fixed", "random"}
        Observations per component: `component_counts`, or multinomial.

    Returns
    -------
    values : ndarray, shape (n,)
    component : ndarray of int, shape (n,)
        The component, 0-based, that each value was drawn from.
    """
    size = component_counts(n, weights) if counts == "fixed" else rng.multinomial(n, weights)
    component = rng.permutation(np.repeat(np.arange(len(size)), size))
    return rng.normal(np.asarray(means, float)[component], np.asarray(sds, float)[component]), component


def sort_components(weights, means, sds):
    """Relabel the components by increasing mean.

    A mixture does not name its components, so two fits agree only once
    both are put in the same order.

    Parameters
    ----------
    weights, means, sds : array_like, shape (..., K)
        Weight (sums to one), mean and standard deviation of each component,
        means and sds in data units. Leading axes, such as (chain, draw),
        are ordered independently.

    Returns
    -------
    weights, means, sds : ndarray, shape (..., K)
    """
    order = np.argsort(means, axis=-1, kind="stable")
    return tuple(np.take_along_axis(np.asarray(x, float), order, axis=-1) for x in (weights, means, sds))


# ---------------------------------------------------------------- density


def component_log_density(x, weights, means, sds):
    """Log of weight x Normal density, component by component.

    Parameters
    ----------
    x : array_like, shape (N,)
        Data units.
    weights, means, sds : array_like, shape (..., K)

    Returns
    -------
    ndarray, shape (..., N, K)
    """
    weights, means, sds = (np.asarray(a, float)[..., None, :] for a in (weights, means, sds))
    z = (np.asarray(x, float)[:, None] - means) / sds
    with np.errstate(divide="ignore"):  # an empty component has weight 0, log -inf
        return np.log(weights) - np.log(sds) - np.log(2 * np.pi) / 2 - z**2 / 2


def mixture_log_density(x, weights, means, sds):
    """Log density of the mixture.

    Parameters
    ----------
    x : array_like, shape (N,)
    weights, means, sds : array_like, shape (..., K)

    Returns
    -------
    ndarray, shape (..., N)
    """
    return np.logaddexp.reduce(component_log_density(x, weights, means, sds), axis=-1)


def mixture_cdf(x, weights, means, sds):
    """Distribution function of the mixture; shapes as in `mixture_log_density`."""
    weights, means, sds = (np.asarray(a, float)[..., None, :] for a in (weights, means, sds))
    return (weights * special.ndtr((np.asarray(x, float)[:, None] - means) / sds)).sum(axis=-1)


def membership_probabilities(x, weights, means, sds):
    """Probability that each value belongs to each component (Bayes' rule).

    Parameters
    ----------
    x : array_like, shape (N,)
    weights, means, sds : array_like, shape (..., K)

    Returns
    -------
    ndarray, shape (..., N, K)
        Sums to one over the last axis.
    """
    joint = component_log_density(x, weights, means, sds)
    return np.exp(joint - np.logaddexp.reduce(joint, axis=-1, keepdims=True))


# ---------------------------------------------------------------- EM


@dataclass(frozen=True)
class EMFit:
    """A maximum-likelihood mixture, its components by increasing mean.

    Attributes
    ----------
    weights, means, sds : ndarray, shape (K,)
    log_likelihood : float
        Natural log, summed over the sample.
    n : int
        Observations.
    equal_variance : bool
        One sd for all components.
    converged : bool
        The best start met the tolerance.
    icl_entropy : float
        Entropy of the memberships, summed over the sample (natural log).
    """

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray
    log_likelihood: float
    n: int
    equal_variance: bool
    converged: bool
    icl_entropy: float

    @property
    def components(self):
        """Weights, means and sds as one tuple."""
        return self.weights, self.means, self.sds

    @property
    def n_parameters(self):
        k = len(self.weights)
        return (k - 1) + k + (1 if self.equal_variance else k)

    @property
    def bic(self):
        """Schwarz's criterion, smaller is better (mclust prints its negative)."""
        return -2 * self.log_likelihood + self.n_parameters * np.log(self.n)

    @property
    def aic(self):
        """Akaike's criterion, smaller is better."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def icl(self):
        """BIC with the memberships' entropy as a further penalty (Biernacki et al. 2000)."""
        return self.bic + 2 * self.icl_entropy


def fit_em(values, n_components, rng, starts=20, tolerance=1e-8, variance="free"):
    """Fit a mixture by scikit-learn's EM from many starts and keep the best.

    The values are standardised first, so the fit does not depend on their
    units, and no variance floor is added to the likelihood.

    Parameters
    ----------
    values : array_like, shape (N,)
    n_components : int
    rng : numpy.random.Generator
    starts : int
        Random starts (k-means++ centers).
    tolerance : float
        Stop when the mean log likelihood gains less than this in an iteration.
    variance : {"free", "equal"}

    Returns
    -------
    EMFit
    """
    values = np.asarray(values, float)
    center, scale = values.mean(), values.std()
    model = GaussianMixture(
        n_components, covariance_type="spherical" if variance == "free" else "tied", n_init=starts, tol=tolerance,
        max_iter=20_000, reg_covar=0, init_params="k-means++", random_state=int(rng.integers(2**31)),
    ).fit((values[:, None] - center) / scale)
    variances = np.broadcast_to(np.ravel(model.covariances_), n_components)
    weights, means, sds = sort_components(
        model.weights_, center + scale * model.means_[:, 0], scale * np.sqrt(variances))
    share = membership_probabilities(values, weights, means, sds)
    return EMFit(
        weights, means, sds, float(mixture_log_density(values, weights, means, sds).sum()), len(values),
        variance == "equal", bool(model.converged_), float(special.entr(share).sum()))


def em_standard_errors(values, fit):
    """Standard errors of an EM fit from the observed information.

    The information is the negative Hessian of the log likelihood at the
    maximum, taken numerically (`scipy.differentiate.hessian`) in free
    coordinates: log weight ratios, means in sds, log sds. The delta method
    brings it back.

    Parameters
    ----------
    values : array_like, shape (N,)
    fit : EMFit

    Returns
    -------
    dict of ndarray, shape (K,)
        Keys "weights", "means", "sds". All NaN where the information is not
        positive definite: the fit is then no strict maximum.
    """
    k, values = len(fit.weights), np.asarray(values, float)
    n_sds = 1 if fit.equal_variance else k

    def components(theta):
        log_ratio = np.concatenate([theta[: k - 1], np.zeros((1, theta.shape[1]))])
        sds = fit.sds[:, None] * np.exp(theta[2 * k - 1 :])
        means = fit.means[:, None] + fit.sds[:, None] * theta[k - 1 : 2 * k - 1]
        return special.softmax(np.log(fit.weights / fit.weights[-1])[:, None] + log_ratio, axis=0).T, means.T, sds.T

    def log_likelihood(theta):
        points = theta.reshape(len(theta), -1)
        parts = np.array_split(points, max(1, points.shape[1] * len(values) * k // 4_000_000), axis=1)
        return np.concatenate(
            [mixture_log_density(values, *components(part)).sum(axis=-1) for part in parts]).reshape(theta.shape[1:])

    information = -hessian(log_likelihood, np.zeros(2 * k - 1 + n_sds), initial_step=0.1, maxiter=4).ddf
    information = (information + information.T) / 2
    if not np.all(np.isfinite(information)) or np.linalg.eigvalsh(information)[0] <= 0:
        return {name: np.full(k, np.nan) for name in ("weights", "means", "sds")}
    covariance = np.linalg.inv(information)
    slope = np.diag(fit.weights) - np.outer(fit.weights, fit.weights)  # of the softmax
    slope = slope[:, : k - 1]
    variance = np.diag(covariance)
    return {
        "weights": np.sqrt(np.einsum("ij,jk,ik->i", slope, covariance[: k - 1, : k - 1], slope)),
        "means": fit.sds * np.sqrt(variance[k - 1 : 2 * k - 1]),
        "sds": fit.sds * np.sqrt(variance[2 * k - 1 :]),
    }


# ---------------------------------------------------------------- model


@dataclass(frozen=True)
class Priors:
    """Priors of the mixture: w ~ Dirichlet, mu ~ Normal, sigma by family.

    Attributes
    ----------
    mean_center, mean_precision : ndarray, shape (K,)
        Of each component's Normal prior; data units, 1 / data units^2.
    sd_family : {"uniform", "halfnormal", "lognormal"}
    sd_scale : float
        Upper end (uniform), scale (halfnormal) or median (lognormal, whose
        log has sd 1); data units.
    weight_concentration : float
    """

    mean_center: np.ndarray
    mean_precision: np.ndarray
    sd_family: str
    sd_scale: float
    weight_concentration: float


def choose_priors(values, n_components, mean_prior_mean=None, mean_prior_precision=None,
                  sd_prior="lognormal", sd_prior_scale=None, weight_concentration=1.0):
    """Fill the priors that were not given from the data's midrange and range.

    Means: Normal around the midrange with the range as sd (Richardson & Green
    1997). sds: lognormal with median range / 6K, as if K components stood side
    by side and filled the range; uniform up to, or halfnormal with scale, half
    the range.

    Parameters
    ----------
    values : array_like, shape (N,)
    n_components : int
    mean_prior_mean, mean_prior_precision : array_like, shape (K,), optional
    sd_prior, sd_prior_scale, weight_concentration :
        As in `Priors`.

    Returns
    -------
    Priors
    """
    low, high = np.min(values), np.max(values)
    if sd_prior_scale is None:
        sd_prior_scale = (high - low) / (6 * n_components if sd_prior == "lognormal" else 2)
    if mean_prior_mean is None:
        mean_prior_mean = np.full(n_components, (low + high) / 2)
    if mean_prior_precision is None:
        mean_prior_precision = np.full(n_components, (high - low) ** -2.0)
    return Priors(np.asarray(mean_prior_mean, float), np.asarray(mean_prior_precision, float),
                  sd_prior, float(sd_prior_scale), float(weight_concentration))


def build_model(values, priors):
    """The marginal Gaussian mixture as a PyMC model: the assignment is summed out.

    Parameters
    ----------
    values : array_like, shape (N,)
    priors : Priors

    Returns
    -------
    pymc.Model
        Free variables w, mu (increasing) and sigma over dim component.
    """
    k = len(priors.mean_center)
    coords = {"component": np.arange(k), "observation": np.arange(len(values))}
    with pm.Model(coords=coords) as model:
        if k > 1:
            w = pm.Dirichlet("w", np.full(k, priors.weight_concentration), dims="component")
        else:
            w = pm.Deterministic("w", pm.math.ones(1), dims="component")
        mu = pm.Normal("mu", priors.mean_center, tau=priors.mean_precision, transform=ordered, dims="component")
        sigma = _sd_prior(priors)
        data = pm.Data("values", np.asarray(values, float), dims="observation")
        pm.NormalMixture("x", w, mu, sigma=sigma, observed=data, dims="observation")
    return model


def _sd_prior(priors):
    if priors.sd_family == "uniform":
        return pm.Uniform("sigma", 0, priors.sd_scale, dims="component")
    if priors.sd_family == "halfnormal":
        return pm.HalfNormal("sigma", priors.sd_scale, dims="component")
    return pm.LogNormal("sigma", np.log(priors.sd_scale), 1, dims="component")


def draw_prior(model, draws, rng):
    """Draws of w, mu and sigma from the prior, ordered by mean as the posterior is.

    PyMC's forward draws ignore the ordering transform, so it is done here.

    Returns
    -------
    xarray.Dataset
        Dims chain (1), draw, component.
    """
    drawn = pm.draw([model["w"], model["mu"], model["sigma"]], draws=draws, random_seed=rng)
    return as_dataset([a[None] for a in sort_components(*drawn)])


def as_dataset(components):
    """Weights, means and sds, each of shape (chain, draw, K), (draw, K) or (K,), as variables w, mu and sigma."""
    dims = ("chain", "draw", "component")[-np.ndim(components[0]) :]
    data = xr.Dataset({name: (dims, a) for name, a in zip(("w", "mu", "sigma"), components, strict=True)})
    return data.assign_coords({dim: np.arange(size) for dim, size in data.sizes.items()})


# ---------------------------------------------------------------- fit


def starting_points(values, priors, em, chains, rng):
    """One starting point a chain: EM's answer for the even chains, dispersed for the odd.

    Chains that all start at one mode would never show that there is another.

    Returns
    -------
    list of dict
        Keys w, mu (strictly increasing) and sigma, each of shape (K,).
    """
    k, scale = len(em.weights), np.std(values)
    points = []
    for chain in range(chains):
        if chain % 2 == 0:
            w, mu, sigma = em.weights, em.means + 0.1 * em.sds * rng.standard_normal(k), em.sds
        else:
            w, mu = rng.dirichlet(np.full(k, 5.0)), rng.choice(values, k, replace=False)
            sigma = scale / k * np.exp(rng.normal(0, 0.3, k))
        w, mu, sigma = sort_components((w + 0.01) / (1 + 0.01 * k), mu, sigma)
        mu = mu + 1e-6 * scale * np.arange(k)  # strictly increasing even for tied values
        if priors.sd_family == "uniform":
            sigma = np.minimum(sigma, 0.9 * priors.sd_scale)
        points.append({"w": w, "mu": mu, "sigma": sigma} if k > 1 else {"mu": mu, "sigma": sigma})
    return points


def available_cores():
    """Processors that this process may use; MIXTURE_CORES lowers it (sweeps set 1)."""
    return int(os.environ.get("MIXTURE_CORES", len(os.sched_getaffinity(0))))


def sample_posterior(model, starts, rng, draws=1000, tune=1000, target_accept=0.9, sampler="pymc", progressbar=True):
    """Sample the posterior by NUTS, one chain for each starting point.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    starts : list of dict
        From `starting_points`; as many chains.
    rng : numpy.random.Generator
        The draws depend on it alone, not on the number of cores.
    draws, tune : int
        Kept and tuning steps per chain.
    target_accept : float
    sampler : {"pymc", "nutpie"}

    Returns
    -------
    xarray.DataTree
        Groups posterior (w, mu, sigma), sample_stats, observed_data,
        log_likelihood (variable x over observation) and log_prior.
    """
    seeds = [int(s) for s in rng.integers(2**31, size=len(starts))]
    with model:
        tree = pm.sample(
            draws, tune=tune, chains=len(starts), cores=min(available_cores(), len(starts)), initvals=starts,
            init="adapt_diag", target_accept=target_accept, nuts_sampler=sampler, random_seed=seeds,
            progressbar=progressbar, compute_convergence_checks=False)
        pm.stats.compute_log_prior(tree, progressbar=False)
    tree["log_likelihood"] = log_likelihood(tree, tree["observed_data"]["x"])
    return _without_clock(tree)


def _without_clock(tree):
    """The same draws give the same file: leave out when and how fast they were drawn."""
    for node in tree.subtree:
        node.attrs = {k: v for k, v in node.attrs.items() if k not in ("created_at", "sampling_time")}
    clocks = [name for name in tree["sample_stats"].data_vars if "time_diff" in name or "perf_counter" in name]
    tree["sample_stats"] = tree["sample_stats"].to_dataset().drop_vars(clocks)
    return tree


def log_likelihood(tree, values):
    """Pointwise log likelihood of every draw, as single precision to halve its size.

    Parameters
    ----------
    tree : xarray.DataTree
        With a posterior group.
    values : array_like, shape (N,)

    Returns
    -------
    xarray.Dataset
        Variable x with dims chain, draw, observation.
    """
    weights, means, sds = posterior_draws(tree)
    x = np.empty((*weights.shape[:2], len(values)), dtype=np.float32)
    for chain in range(len(x)):  # one chain at a time bounds the memory
        x[chain] = mixture_log_density(values, weights[chain], means[chain], sds[chain])
    posterior = tree["posterior"]
    coords = {"chain": posterior["chain"], "draw": posterior["draw"], "observation": np.arange(len(values))}
    return xr.Dataset({"x": (("chain", "draw", "observation"), x)}, coords)


def posterior_draws(tree, group="posterior"):
    """Weights, means and sds of a group, each an ndarray of shape (chain, draw, K) (or (K,) for group em)."""
    return tuple(tree[group][name].transpose(..., "component").values for name in ("w", "mu", "sigma"))


def thin(draws, most):
    """At most `most` of the draws, evenly spaced, chains run together.

    Parameters
    ----------
    draws : tuple of ndarray, shape (chain, draw, K)

    Returns
    -------
    tuple of ndarray, shape (S, K), S <= most
    """
    flat = [a.reshape(-1, a.shape[-1]) for a in draws]
    keep = np.linspace(0, len(flat[0]) - 1, min(most, len(flat[0]))).round().astype(int)
    return tuple(a[keep] for a in flat)


# ---------------------------------------------------------------- verdict


class Check(NamedTuple):
    """One row of a verdict.

    Attributes
    ----------
    name : str
    value, limit : float
    passed : bool
    advice : str
        What to do; empty when passed.
    """

    name: str
    value: float
    limit: float
    passed: bool
    advice: str


def check(name, value, limit, passed, advice):
    """A `Check` of plain Python values, with advice only where it is needed; NaN never passes."""
    passed = bool(passed) and bool(np.isfinite(value))
    return Check(name, float(value), float(limit), passed, "" if passed else advice)


def judged_quantities(tree, values):
    """What the chains are judged on: the parameters and what no relabelling changes.

    Returns
    -------
    xarray.Dataset
        w (two or more components), mu, sigma; log_likelihood, summed over the
        sample; density, the mixture's at seven quantiles of the sample.
    """
    posterior = tree["posterior"].to_dataset()
    names = ["w", "mu", "sigma"] if posterior.sizes["component"] > 1 else ["mu", "sigma"]
    points = np.quantile(values, [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
    density = np.exp(mixture_log_density(points, *posterior_draws(tree)))
    return posterior[names].assign(
        log_likelihood=tree["log_likelihood"]["x"].astype(float).sum("observation"),
        density=(("chain", "draw", "point"), density))


def judge_chains(tree, values, rhat_limit=1.01, ess_per_chain=100, bfmi_limit=0.3):
    """Whether the chains can be trusted to have found the posterior.

    Limits are those of Vehtari et al. (2021) and Betancourt (2018).

    Parameters
    ----------
    tree : xarray.DataTree
        Groups posterior, sample_stats, log_likelihood.
    values : array_like, shape (N,)

    Returns
    -------
    list of Check
        R-hat, bulk and tail ESS (the worst over `judged_quantities`), BFMI,
        divergences, tree depth.
    """
    quantities, sampling = judged_quantities(tree, values), tree["sample_stats"].to_dataset()

    def worst(statistic, **options):
        found = statistic(quantities, **options)
        return np.concatenate([np.ravel(found[name]) for name in found.data_vars])

    ess_limit = ess_per_chain * quantities.sizes["chain"]
    rhat = worst(az.rhat).max()
    bulk, tail = worst(az.ess, method="bulk").min(), worst(az.ess, method="tail").min()
    bfmi = float(az.bfmi(tree)["energy"].min())
    divergences = int(sampling["diverging"].sum())
    deepest = int(sampling["reached_max_treedepth"].sum())
    longer = "run longer: raise draws (and tune)"
    return [
        check("largest R-hat", rhat, rhat_limit, rhat <= rhat_limit,
              "the chains have not found the same distribution: look at the trace plots, then raise tune and draws "
              "or lower n_components"),
        check("smallest bulk ESS", bulk, ess_limit, bulk >= ess_limit, longer),
        check("smallest tail ESS", tail, ess_limit, tail >= ess_limit, longer),
        check("smallest BFMI", bfmi, bfmi_limit, bfmi >= bfmi_limit,
              "the energy is explored slowly: raise tune, or give a tighter sd_prior"),
        check("divergences", divergences, 0, divergences == 0,
              "steps too long for the posterior's shape: raise target_accept towards 0.99"),
        check("draws at the largest tree depth", deepest, 0, deepest == 0,
              "steps too short to cross the posterior: lower target_accept or raise tune"),
    ]


def loo_pit(tree, values, loo):
    """Leave-one-out probability integral transform, by the mixture's own distribution function.

    Parameters
    ----------
    tree : xarray.DataTree
    values : array_like, shape (N,)
    loo : arviz ELPDData
        From ``az.loo(tree, pointwise=True)``.

    Returns
    -------
    ndarray, shape (N,)
        Uniform on [0, 1] if the model describes the sample.
    """
    log_weights = loo.log_weights.transpose("chain", "draw", ...).values
    total = np.zeros(len(values))
    for chain, draws in enumerate(zip(*posterior_draws(tree), strict=True)):
        total += np.einsum("sn,sn->n", np.exp(log_weights[chain]), mixture_cdf(values, *draws))
    return np.clip(total, 0, 1)


def prior_sensitivity(tree):
    """How far a slightly stronger or weaker prior moves each parameter, prior block by block.

    Power scaling (Kallioinen et al. 2024) through `arviz.psense`.
    `arviz.psense_summary` joins along a dimension that it calls "component" too,
    so it cannot be used here.

    Returns
    -------
    pandas.DataFrame
        One row per parameter and component, one column per block (w, mu,
        sigma); above 0.05 counts as sensitive. A flat prior has nothing to scale: 0.
    """
    blocks = {}
    for block, density in tree["log_prior"].data_vars.items():
        if np.ptp(density.values.reshape(*density.shape[:2], -1).sum(axis=-1)) < 1e-9:
            blocks[block] = _as_rows(0 * tree["posterior"].to_dataset().mean(("chain", "draw")))
        else:
            blocks[block] = _as_rows(az.psense(tree, group="prior", group_var_names=[block]))
    return pd.DataFrame(blocks)


def _as_rows(dataset):
    """A Dataset over component as a Series indexed by (parameter, component)."""
    frame = dataset[["w", "mu", "sigma"]].to_dataframe()[["w", "mu", "sigma"]].T.stack()
    return frame.rename_axis(["parameter", "component"])


def judge_model(tree, values, loo, em, sensitivity):
    """Whether the model, its priors and EM raise a caution beside chains that may be sound.

    Parameters
    ----------
    tree : xarray.DataTree
    values : array_like, shape (N,)
    loo : arviz ELPDData
    em : tuple of ndarray, shape (K,)
        Weights, means, sds by EM.
    sensitivity : pandas.DataFrame
        From `prior_sensitivity`.

    Returns
    -------
    list of Check
    """
    pit = xr.DataArray(loo_pit(tree, values, loo), dims="observation")
    uniform = float(pit.azstats.uniformity_test(dim="observation", method="pot_c")[0])
    tails = float(pit.azstats.uniformity_test(dim="observation", method="piet_c")[0])
    pareto = float(loo.pareto_k.max())
    moved = float(np.nanmax(sensitivity.values))
    apart = float(compare_fits(tree, em)["difference_in_sds"].abs().max())
    return [
        check("LOO-PIT uniformity, p", uniform, 0.01, uniform >= 0.01,
              "the mixture does not describe the sample's shape: try another n_components, look at the predictive check"),
        check("LOO-PIT tails, p", tails, 0.01, tails >= 0.01,
              "the tails are heavier or lighter than Gaussian: components may be standing in for a tail"),
        check("largest Pareto k", pareto, loo.good_k, pareto <= loo.good_k,
              "single observations decide the fit: look for outliers or a component with few members"),
        check("prior sensitivity", moved, 0.05, moved <= 0.05,
              "the priors matter: state why you believe them, or collect more data"),
        check("distance to EM in posterior sds", apart, 1, apart <= 1,
              "posterior mean and maximum likelihood differ: the posterior is skewed, has several modes or a strong prior"),
    ]


# ---------------------------------------------------------------- comparison


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
        mean, sd = posterior[name].mean(("chain", "draw")), posterior[name].std(("chain", "draw"))
        for k in range(posterior.sizes["component"]):
            estimate = float(em[index][k])
            rows.append({
                "parameter": name, "component": k,
                **({"truth": known[index][k]} if known else {}),
                "posterior_mean": float(mean[k]), "posterior_sd": float(sd[k]),
                "interval_low": float(bounds[name][k, 0]), "interval_high": float(bounds[name][k, 1]),
                "em": estimate, **({"em_se": errors[field][k]} if errors else {}),
                "difference_in_sds": float((mean[k] - estimate) / sd[k]) if sd[k] > 0 else 0.0,  # K = 1: w is 1
            })
    return pd.DataFrame(rows)


def summarise_memberships(values, draws, interval=0.95):
    """Membership probabilities and their uncertainty over the posterior.

    Parameters
    ----------
    values : array_like, shape (N,)
        The sample, or new values.
    draws : tuple of ndarray, shape (S, K)
        Weights, means, sds; see `thin`.
    interval : float
        Probability between the (equal-tailed) limits.

    Returns
    -------
    pandas.DataFrame
        One row a value: value; for each component k the posterior mean p_k
        and limits p_k_low, p_k_high; entropy of the means (natural log).
    """
    tails = [(1 - interval) / 2, (1 + interval) / 2]
    parts = []
    for part in np.array_split(np.asarray(values, float), max(1, len(values) // 500)):
        share = membership_probabilities(part, *draws)
        mean, (low, high) = share.mean(axis=0), np.quantile(share, tails, axis=0)
        columns = {"value": part}
        for k in range(mean.shape[1]):
            columns |= {f"p_{k}": mean[:, k], f"p_{k}_low": low[:, k], f"p_{k}_high": high[:, k]}
        parts.append(pd.DataFrame({**columns, "entropy": special.entr(mean).sum(axis=1)}))
    return pd.concat(parts, ignore_index=True)


# ---------------------------------------------------------------- files


def write_whole(path, write):
    """Write a file beside its place and move it in, so that no reader sees half of it.

    Parameters
    ----------
    path : path-like
        Its folder is made if need be.
    write : callable
        Called with the temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        write(part)
        os.chmod(part, 0o644)  # mkstemp keeps it to its owner
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def read_posterior(path):
    """A saved posterior, in memory so that the file is free to be replaced."""
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return tree.load()


def read_input(run_dir, name, read):
    """Read a file that an earlier notebook left in the run folder.

    Raises
    ------
    FileNotFoundError
        Naming the file and how to make it.
    """
    path = Path(run_dir) / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the notebooks before this one, or `make report`")
    return read(path)


def read_values(data, column=None):
    """Read one numeric column of a CSV file.

    Returns
    -------
    ndarray, shape (N,)
    """
    frame = pd.read_csv(data)
    return frame[column or frame.select_dtypes("number").columns[0]].to_numpy(float)
