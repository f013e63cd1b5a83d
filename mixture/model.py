"""The mixture as a PyMC model, and its posterior by MCMC."""

import sys
import time
from dataclasses import dataclass, replace
from multiprocessing import parent_process

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pymc.distributions.transforms import Interval, ordered

from mixture.compiled import compiled_twin
from mixture.cores import available_cores
from mixture.density import component_log_density, mixture_log_likelihood
from mixture.latent import latent_steps
from mixture.sample import Sample, group_sample, sort_components

# Fast mathematics round as the compiler likes: code just compiled and code from the cache would part in the last bit,
# and the chains soon after. Here it is no faster.
pytensor.config.numba__fastmath = False

NAMES = ("w", "mu", "sigma")
# PyMC's own transform of a Uniform, but one for all: it makes one for each, and no two models would be of one form.
BETWEEN_BOUNDS = Interval(bounds_fn=lambda *inputs: inputs[-2:])
MOST_ROWS = 20_000  # of a log likelihood, kept for each draw


@dataclass(frozen=True, eq=False)
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


def choose_priors(sample, n_components, mean_prior_mean=None, mean_prior_precision=None,
                  sd_prior="lognormal", sd_prior_scale=None, weight_concentration=1.0):
    """Fill the priors that were not given from the sample's midrange and range.

    Means: Normal around the midrange with the range as sd (Richardson & Green
    1997). sds: lognormal with median range / 6K, as if K components stood side
    by side and filled the range, which keeps them away from zero; uniform up
    to, or halfnormal with scale, half the range.

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
        sd_prior_scale = spread / (6 * n_components if sd_prior == "lognormal" else 2)
    if mean_prior_mean is None:
        mean_prior_mean = np.full(n_components, middle)
    if mean_prior_precision is None:
        mean_prior_precision = np.full(n_components, spread**-2.0)
    return Priors(np.asarray(mean_prior_mean, float), np.asarray(mean_prior_precision, float),
                  sd_prior, float(sd_prior_scale), float(weight_concentration))


def build_model(sample, priors, latent=False, ordering=True):
    """The Gaussian mixture as a PyMC model.

    Parameters
    ----------
    sample : Sample
        Exact values enter by their density, cells by their mass and count.
    priors : Priors
    latent : bool
        Keep a Categorical assignment for each observation, as the post did,
        instead of summing it out; exact values only.
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
    with pm.Model(coords={"component": np.arange(k), "observation": np.arange(rows)}) as model:
        if k > 1:
            w = pm.Dirichlet("w", np.full(k, priors.weight_concentration), dims="component")
        else:
            w = pm.Deterministic("w", pt.ones(1), dims="component")
        # A shape beside the dims: without it PyTensor does not know K, and the gradient takes four times as long.
        mu = pm.Normal("mu", priors.mean_center, tau=priors.mean_precision, dims="component", shape=k,
                       **({"transform": ordered} if ordering else {}))
        sigma = _sd_prior(priors)
        if latent:
            z = pm.Categorical("assignment", w, dims="observation")
            pm.Normal("x", mu[z], sigma[z], observed=pm.Data("values", data["values"]), dims="observation")
        elif sample.exact:
            pm.NormalMixture("x", w, mu, sigma=sigma, observed=pm.Data("values", data["values"]), dims="observation")
        else:
            pm.CustomDist("x", w, mu, sigma, pm.Data("edges", data["edges"]), logp=_log_counts,
                          observed=pm.Data("count", data["count"]), dims="observation")
    return model


def likelihood_data(sample):
    """What the model's data containers hold, by name: values; or edges in increasing order and the counts between them."""
    if sample.exact:
        return {"values": sample.value}
    order = np.argsort(sample.lower)
    lower, upper, count = sample.lower[order], sample.upper[order], sample.count[order]
    # Where a cell does not touch the next, a gap with no count follows.
    last = np.append(np.abs(lower[1:] - upper[:-1]) > 1e-6 * sample.width, True).nonzero()[0]
    return {"edges": np.insert(lower, last + 1, upper[last]), "count": np.insert(count, last[:-1] + 1, 0)}


def _sd_prior(priors):
    shape = {"dims": "component", "shape": len(priors.mean_center)}
    if priors.sd_family == "uniform":
        return pm.Uniform("sigma", 0, priors.sd_scale, default_transform=BETWEEN_BOUNDS, **shape)
    if priors.sd_family == "halfnormal":
        return pm.HalfNormal("sigma", priors.sd_scale, **shape)
    return pm.LogNormal("sigma", np.log(priors.sd_scale), 1, **shape)


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


def draw_prior(model, draws, rng):
    """Draws of w, mu and sigma from the prior, ordered by mean as the posterior is.

    PyMC's forward draws ignore the ordering transform, so it is done here. To compile them would take longer than to
    draw them.

    Returns
    -------
    xarray.Dataset
        Dims chain (1), draw, component.
    """
    drawn = pm.draw([model[name] for name in NAMES], draws=draws, random_seed=rng, mode="FAST_COMPILE")
    return as_dataset([a[None] for a in sort_components(*drawn)])


def as_dataset(components):
    """Weights, means and sds, each of shape (chain, draw, K), (draw, K) or (K,), as variables w, mu and sigma."""
    dims = ("chain", "draw", "component")[-np.ndim(components[0]) :]
    data = xr.Dataset({name: (dims, a) for name, a in zip(NAMES, components, strict=True)})
    return data.assign_coords({dim: np.arange(size) for dim, size in data.sizes.items()})


def posterior_draws(tree, group="posterior"):
    """Weights, means and sds of a group, each an ndarray of shape (chain, draw, K) (or (K,) for group em)."""
    return tuple(tree[group][name].transpose(..., "component").values for name in NAMES)


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


def starting_points(priors, em, chains, rng, within=10.0):
    """One starting point a chain: near EM's best maximum for even chains, near any of its maxima for odd ones.

    Chains that all start at one mode would never show that there is another.
    A maximum more than `within` log units below the best holds next to nothing
    of the posterior; a chain started there would only tell of its start.

    Parameters
    ----------
    priors : Priors
    em : EMFit
    chains : int
    rng : numpy.random.Generator
    within : float
        Natural log units.

    Returns
    -------
    list of dict
        Keys w (two or more components), mu (strictly increasing) and sigma, each of shape (K,).
    """
    k, points = len(em.weights), []
    others = [components for components, reached in em.maxima if reached > em.log_likelihood - within]
    for chain in range(chains):
        w, mu, sigma = em.components if chain % 2 == 0 else others[rng.integers(len(others))]
        away = np.minimum(0.2, 3 / np.sqrt(em.n * w))  # a few standard errors, in sds
        w = w * np.exp(away * rng.standard_normal(k))
        w, mu, sigma = sort_components(
            w / w.sum(), mu + sigma * away * rng.standard_normal(k), sigma * np.exp(away / 2 * rng.standard_normal(k)))
        if priors.sd_family == "uniform":
            sigma = np.minimum(sigma, 0.9 * priors.sd_scale)
        points.append({"w": w, "mu": mu, "sigma": sigma} if k > 1 else {"mu": mu, "sigma": sigma})
    return points


def sample_posterior(model, sample, starts, rng, draws=1000, tune=1000, target_accept=0.9, sampler="pymc",
                     latent_step="gibbs", keep_assignments=False, progressbar=True):
    """Sample the posterior, one chain for each starting point.

    w, mu and sigma move by NUTS; in the latent model the assignments move by
    `latent_step` in turn with it, and the components are sorted afterwards.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.
    sample : Sample
        The one that the model was built on.
    starts : list of dict
        From `starting_points`; as many chains.
    rng : numpy.random.Generator
        The draws depend on it alone, not on the number of cores.
    draws, tune : int
        Kept and tuning steps per chain.
    target_accept : float
    sampler : {"pymc", "nutpie"}
        The latent model needs pymc.
    latent_step : {"gibbs", "categorical-gibbs", "metropolis"}
        Of the latent model; see `mixture.latent.latent_steps`.
    keep_assignments : bool
        Keep the assignment of each observation in each draw.

    Returns
    -------
    xarray.DataTree
        Groups posterior (w, mu, sigma), sample_stats and observed_data, and
        the attribute seconds, spent in sampling alone.
    """
    seeds = [int(s) for s in rng.integers(2**31, size=len(starts))]
    progressbar = progressbar and parent_process() is None  # a fork of a kernel must not display anything
    latent = "assignment" in model.named_vars
    if latent:
        starts = [{**start, "assignment": _likeliest(sample, start)} for start in starts]
    if sampler == "nutpie":
        return _without_clock(_sample_by_nutpie(model, starts, seeds, draws, tune, target_accept))
    with compiled_twin(model) as model:
        tree = pm.sample(
            draws, tune=tune, chains=len(starts), cores=min(available_cores(), len(starts)),
            mp_ctx="fork" if sys.platform == "linux" else None,  # where Python's default is another, each chain compiles anew
            nuts_sampler="pymc", random_seed=seeds, initvals=starts, init="adapt_diag",
            **({"step": latent_steps(model, latent_step, target_accept)} if latent else {"target_accept": target_accept}),
            var_names=[*NAMES, "assignment"] if latent and keep_assignments else list(NAMES),
            progressbar=progressbar, quiet=not progressbar, compute_convergence_checks=False)
    if latent:
        tree["posterior"] = _sorted_draws(tree)
    return _without_clock(tree)


def _sample_by_nutpie(model, starts, seeds, draws, tune, target_accept):
    """Each chain by itself from its own starting point; `pm.sample` has one for all, which nutpie jitters."""
    import nutpie  # half a second that PyMC's own sampler need not spend

    compiled, forward = nutpie.compile_pymc_model(model, initial_points=starts[0]), unconstrained_function(model)
    begun = time.perf_counter()
    running = [start_nutpie(compiled, np.concatenate(forward(**start)), seed, draws, tune, target_accept)
               for start, seed in zip(starts, seeds, strict=True)]
    chains = [each.wait() for each in running]
    tree = xr.DataTree.from_dict({
        group: xr.concat([chain[group].to_dataset() for chain in chains], "chain").assign_coords(chain=np.arange(len(chains)))
        for group in ("posterior", "sample_stats")})
    tree["posterior"].attrs["sampling_time"] = time.perf_counter() - begun
    tree["posterior"] = tree["posterior"].to_dataset()[list(NAMES)]
    return tree


def start_nutpie(compiled, point, seed, draws, tune, target_accept):
    """One chain of a compiled model, from a point of `unconstrained_function`; its `wait()` gives the tree.

    nutpie ignores init_mean for PyMC's models, and jitters: a chain would begin, and could stay, in another mode.
    """
    import nutpie

    return nutpie.sample(
        replace(compiled, initial_point_func=lambda _: point), draws=draws, tune=tune, chains=1, cores=1, seed=seed,
        target_accept=target_accept, progress_bar=False, save_warmup=False, blocking=False)


def unconstrained_function(model):
    """A function from the components (w, mu and sigma, as far as they are free) to the coordinates that NUTS moves in.

    Called by keyword, each of shape (K,); returns a list in the order of the model's variables.
    """
    free = [variable for variable in model.free_RVs if variable.name in NAMES]
    inputs = [pt.vector(variable.name) for variable in free]
    moved = [model.rvs_to_transforms[variable].forward(x, *variable.owner.inputs)
             if model.rvs_to_transforms[variable] is not None else x for variable, x in zip(free, inputs, strict=True)]
    return pytensor.function(inputs, moved, mode="FAST_COMPILE")


def _sorted_draws(tree):
    """The latent posterior with components, and assignments if kept, renamed by increasing mean."""
    kept, components = tree["posterior"].to_dataset(), posterior_draws(tree)
    if "assignment" in kept:
        rank = np.argsort(np.argsort(components[1], axis=-1, kind="stable"), axis=-1)
        small = np.min_scalar_type(rank.shape[-1] - 1)
        assignment = kept["assignment"].transpose("chain", "draw", "observation").values.astype(np.int64)
        renamed = np.take_along_axis(rank, assignment, axis=-1).astype(small)
        kept["assignment"] = (("chain", "draw", "observation"), renamed)
    return kept.assign(as_dataset(sort_components(*components)))


def _likeliest(sample, start):
    joint = component_log_density(sample.value, start.get("w", [1.0]), start["mu"], start["sigma"])
    return joint.argmax(axis=1)


def _without_clock(tree):
    """The same draws give the same file: when and how fast they were drawn is told apart."""
    tree.attrs["seconds"] = tree["posterior"].attrs.get("sampling_time", np.nan)
    for node in tree.subtree:
        node.attrs = {k: v for k, v in node.attrs.items() if k not in ("created_at", "sampling_time")}
    theirs = {"depth": "tree_depth", "maxdepth_reached": "reached_max_treedepth",  # nutpie's names for PyMC's
              "mean_tree_accept": "acceptance_rate"}
    stats = tree["sample_stats"].to_dataset()
    stats = stats.rename({old: new for old, new in theirs.items() if old in stats})
    clocks = {name for name in stats.data_vars if "time_diff" in name or "perf_counter" in name}
    tree["sample_stats"] = stats[sorted(set(stats.data_vars) - clocks)]  # PyMC's order is a set's, another in each process
    return tree


def add_densities(tree, model, sample):
    """What the verdict needs beside the draws: log prior, log likelihood and the rows that it is of.

    Parameters
    ----------
    tree : xarray.DataTree
        From `sample_posterior`, of the marginal or the latent model.
    model : pymc.Model
        The marginal model: both have the same priors, and the likelihood of
        interest has the assignments summed out.
    sample : Sample

    Returns
    -------
    xarray.DataTree
        The same, with groups log_prior, log_likelihood (variable x: one
        observation in each row) and observed_data (lower,
        upper, count). A sample of more than `MOST_ROWS` exact values is judged
        in cells, a tenth of the smallest sd wide: one number a draw and value
        would not fit into memory, and nothing visible is lost.
    """
    weights, means, sds = posterior_draws(tree)
    if len(sample.count) > MOST_ROWS:
        sample = group_sample(sample, 0.1 * sds.mean(axis=(0, 1)).min())
    with model:
        free = [name for name in NAMES if name in {v.name for v in model.free_RVs}]
        pm.stats.compute_log_prior(tree, var_names=free, progressbar=False)
    del tree["log_prior"].attrs["created_at"]  # the same draws give the same file
    # Counts multiply the rounding of a row's number, so only single values can do with half the digits.
    x = np.empty((*weights.shape[:2], len(sample.count)), np.float32 if sample.exact else float)
    for chain in range(len(x)):  # one chain at a time bounds the memory
        x[chain] = mixture_log_likelihood(sample, weights[chain], means[chain], sds[chain])
    posterior = tree["posterior"]
    coords = {"chain": posterior["chain"], "draw": posterior["draw"], "observation": np.arange(len(sample.count))}
    tree["log_likelihood"] = xr.Dataset({"x": (("chain", "draw", "observation"), x)}, coords)
    tree["observed_data"] = xr.Dataset(
        {name: ("observation", getattr(sample, name)) for name in ("lower", "upper", "count")},
        {"observation": coords["observation"]})
    return tree


def observed_sample(tree):
    """The sample as the likelihood saw it, back from group observed_data."""
    lower, upper, count = (tree["observed_data"][name].values for name in ("lower", "upper", "count"))
    return Sample(lower, lower if np.array_equal(lower, upper) else upper, count)


def read_posterior(path):
    """A saved posterior, in memory so that the file is free to be replaced."""
    with xr.open_datatree(path, engine="netcdf4") as tree:
        return tree.load()
