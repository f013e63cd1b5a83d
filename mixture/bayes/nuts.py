"""The posterior of a mixture by MCMC: where chains start, and how they run."""

import sys
import time
import weakref
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process
from typing import TYPE_CHECKING

import arviz as az
import numpy as np
import nutpie
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from nutpie.compiled_pyfunc import from_pyfunc
from pymc.model.core import BaseModel
from pymc.pytensorf import join_nonshared_inputs
from pytensor.graph.replace import vectorize_graph

from mixture.bayes.compiled import shared_model
from mixture.bayes.latent import latent_steps
from mixture.bayes.model import Priors, as_dataset, posterior_draws
from mixture.components import NAMES, Components, component_log_density, sort_components, stack_components
from mixture.data.sample import Sample
from mixture.parallel import available_cores, run_parallel

if TYPE_CHECKING:  # not at run time: it would bring scikit-learn along
    from mixture.em import EMFit

# What nutpie tells of each draw that PyMC does too, and PyMC's name for it.
STATS = {
    "mean_tree_accept": "acceptance_rate",
    "diverging": "diverging",
    "energy": "energy",
    "energy_error": "energy_error",
    "index_in_trajectory": "index_in_trajectory",
    "logp": "lp",
    "max_energy_error": "max_energy_error",
    "n_steps": "n_steps",
    "maxdepth_reached": "reached_max_treedepth",
    "step_size": "step_size",
    "step_size_bar": "step_size_bar",
    "depth": "tree_depth",
}


def starting_points(
    priors: Priors, em: "EMFit", chains: int, rng: np.random.Generator, within: float = 10.0
) -> list[dict[str, np.ndarray]]:
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
    highest = max(
        reached for _, reached in em.maxima
    )  # the fit itself climbed on from there, far where counts are huge
    others = [components for components, reached in em.maxima if reached > highest - within]
    for chain in range(chains):
        w, mu, sigma = em.components if chain % 2 == 0 else others[rng.integers(len(others))]
        away = np.minimum(0.2, 3 / np.sqrt(em.n * w))  # a few standard errors, in sds
        w = w * np.exp(away * rng.standard_normal(k))
        w, mu, sigma = sort_components(
            w / w.sum(), mu + sigma * away * rng.standard_normal(k), sigma * np.exp(away / 2 * rng.standard_normal(k))
        )
        if priors.sd_family == "uniform":
            sigma = np.minimum(sigma, 0.9 * priors.sd_scale)
        points.append({"w": w, "mu": mu, "sigma": sigma} if k > 1 else {"mu": mu, "sigma": sigma})
    return points


def sample_posterior(
    model: pm.Model,
    sample: Sample,
    starts: list[dict[str, np.ndarray]],
    rng: np.random.Generator,
    draws: int = 1000,
    tune: int = 1000,
    target_accept: float = 0.9,
    sampler: str = "nutpie",
    latent_step: str = "gibbs",
    keep_assignments: bool = False,
    progressbar: bool = True,
    deepest: int = 10,
) -> xr.DataTree:
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
    sampler : {"nutpie", "pymc"}
        Implementation of NUTS for the marginal model; the latent one moves by PyMC's.
    latent_step : {"gibbs", "categorical-gibbs", "metropolis"}
        Of the latent model; see `mixture.bayes.latent.latent_steps`.
    keep_assignments : bool
        Keep the assignment of each observation in each draw.
    deepest : int
        Largest depth of nutpie's trees.
    progressbar : bool
        Show PyMC's, where it is PyMC's sampler that runs, and in this process.

    Returns
    -------
    xarray.DataTree
        Groups posterior (w, mu, sigma) and sample_stats, and the attribute
        seconds, spent in sampling alone.
    """
    seeds = [int(s) for s in rng.integers(2**31, size=len(starts))]
    latent = "assignment" in model.named_vars
    with shared_model(model) as model:
        if sampler == "nutpie" and not latent:
            return _without_clock(_sample_by_nutpie(model, starts, seeds, draws, tune, target_accept, deepest))
        if latent:
            starts = [{**start, "assignment": _likeliest(sample, start)} for start in starts]
        progressbar = progressbar and parent_process() is None  # a fork of a kernel must not display anything
        tree = pm.sample(
            draws,
            tune=tune,
            chains=len(starts),
            cores=min(available_cores(), len(starts)),
            mp_ctx="fork"
            if sys.platform == "linux"
            else None,  # where Python's default is another, each chain compiles anew
            nuts_sampler="pymc",
            random_seed=seeds,
            initvals=starts,
            init="adapt_diag",
            **(
                {"step": latent_steps(model, latent_step, target_accept)}
                if latent
                else {"target_accept": target_accept}
            ),
            var_names=[*NAMES, "assignment"] if latent and keep_assignments else list(NAMES),
            progressbar=progressbar,
            quiet=not progressbar,
            compute_convergence_checks=False,
        )
    if latent:
        tree["posterior"] = _sorted_draws(tree)
    return _without_clock(tree)


_samplers = weakref.WeakKeyDictionary()  # of models that are compiled already


def _sample_by_nutpie(model, starts, seeds, draws, tune, target_accept, deepest):
    if model not in _samplers:
        _samplers[model] = Nutpie(model)
    begun = time.perf_counter()
    chains = run_parallel(
        [
            partial(_samplers[model].chain, start, seed, draws, tune, target_accept, deepest)
            for start, seed in zip(starts, seeds, strict=True)
        ]
    )
    seconds = time.perf_counter() - begun
    tree = tree_of_chains(chains)
    tree["posterior"].attrs["sampling_time"] = seconds
    return tree


def tree_of_chains(chains: list[tuple[Components, xr.Dataset]]) -> xr.DataTree:
    """What `Nutpie.chain` returned for several chains, as groups posterior and sample_stats."""
    posterior, stats = zip(*chains, strict=True)
    return xr.DataTree.from_dict(
        {
            "posterior": as_dataset(stack_components(posterior)),
            # Its attributes tell when it was drawn: the same draws give the same file.
            "sample_stats": xr.concat(stats, "chain").assign_coords(chain=np.arange(len(chains))).drop_attrs(),
        }
    )


class Nutpie:
    """nutpie's NUTS on a marginal model, by the function that PyMC compiles for its own.

    That function is found again on disk by the next process, and in memory by the next sample of the same size;
    what nutpie compiles of a model is compiled anew each time, and takes longer than to draw from it.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`. Its data may be replaced between chains.
    """

    def __init__(self, model):
        self.k = model["mu"].type.shape[0]
        self.density = model.logp_dlogp_function(ravel_inputs=True, trust_input=True)
        self.density.set_extra_values({})
        self.forward, self.backward = unconstrained_function(model), _constrained_function(model)

    def chain(
        self, start: dict[str, np.ndarray], seed: int, draws: int, tune: int, target_accept: float, deepest: int = 10
    ) -> tuple[Components, xr.Dataset]:
        """One chain.

        Parameters
        ----------
        start : dict of ndarray, shape (K,)
            As from `starting_points`.
        seed, draws, tune, deepest : int
        target_accept : float

        Returns
        -------
        components : Components, shape (draws, K)
        stats : xarray.Dataset
            Of the sampler; dims chain (1), draw.
        """
        point = np.concatenate(self.forward(**start))
        compiled = from_pyfunc(
            point.size,
            lambda: self._density_and_gradient,
            lambda *_: lambda x: {"point": x},
            [point.dtype],
            [point.shape],
            ["point"],
            make_initial_point_fn=lambda _: point,
        )
        tree = nutpie.sample(
            compiled,
            draws=draws,
            tune=tune,
            chains=1,
            cores=1,
            seed=seed,
            target_accept=target_accept,
            progress_bar=False,
            save_warmup=False,
            maxdepth=deepest,
        )
        components = self.backward(tree["posterior"]["point"].values[0])
        stats = tree["sample_stats"].to_dataset()[list(STATS)].rename(STATS)
        return Components(*components).map(lambda a: np.broadcast_to(a, (draws, self.k))), stats

    def _density_and_gradient(self, x):
        density, gradient = self.density(x)
        return float(density), gradient


def unconstrained_function(model: BaseModel) -> Callable[..., list[np.ndarray]]:
    """A function from the components (w, mu and sigma, as far as they are free) to the coordinates that NUTS moves in.

    Called by keyword, each of shape (K,); returns a list in the order of the model's variables.
    """
    free = [variable for variable in model.free_RVs if variable.name in NAMES]
    inputs = [pt.vector(variable.name) for variable in free]
    moved = [
        model.rvs_to_transforms[variable].forward(x, *variable.owner.inputs)
        if model.rvs_to_transforms[variable] is not None
        else x
        for variable, x in zip(free, inputs, strict=True)
    ]
    return pytensor.function(inputs, moved, mode="FAST_COMPILE")


def _constrained_function(model):
    """The way back: from coordinates, shape (S, D), to weights, means and sds, each (S, K) or the same for all."""
    components, point = join_nonshared_inputs(
        model.initial_point(), model.replace_rvs_by_values([model[name] for name in NAMES]), model.value_vars
    )
    points = pt.matrix("points")
    return pytensor.function([points], vectorize_graph(components, {point: points}), mode="FAST_COMPILE")


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
    """The same draws give the same file: when and how fast they were drawn is kept elsewhere."""
    tree.attrs["seconds"] = tree["posterior"].attrs.get("sampling_time", np.nan)
    for node in tree.subtree:
        node.attrs = {k: v for k, v in node.attrs.items() if k not in ("created_at", "sampling_time")}
    stats = tree["sample_stats"].to_dataset()
    clocks = {name for name in stats.data_vars if "time_diff" in name or "perf_counter" in name}
    tree["sample_stats"] = stats[
        sorted(set(stats.data_vars) - clocks)
    ]  # PyMC's order is a set's, another in each process
    return tree


def sampling_cost(tree: xr.DataTree) -> dict[str, float]:
    """What the sampler of a posterior spent and how it moved, in plain numbers.

    Parameters
    ----------
    tree : xarray.DataTree
        From `sample_posterior`.

    Returns
    -------
    dict
        seconds_sampling (tuning counts, compilation does not); acceptance, the
        mean acceptance rate of NUTS, or of the jumps of Gibbs sampling; and in the latent model moved, the share
        of assignments changed in a sweep, and label_ess, the effective draws of
        the mean label (0 where it never moved).
    """
    stats = tree["sample_stats"]
    accepted = stats["acceptance_rate"].mean() if "acceptance_rate" in stats else tree.attrs["jumps_accepted"]
    cost = {"seconds_sampling": float(tree.attrs["seconds"]), "acceptance": float(accepted)}
    if "mean_label" in stats:
        cost["moved"], labels = float(stats["moved"].mean()), stats["mean_label"]
        cost["label_ess"] = float(az.ess(labels)) if float(labels.std("draw").min()) > 0 else 0.0
    return cost
