"""The posterior of a PyMC model by NUTS, nutpie's or PyMC's, and of the latent model by PyMC's steps."""

import sys
import time
import weakref
from collections.abc import Callable
from functools import partial
from multiprocessing import parent_process

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import xarray as xr
from pymc.model.core import BaseModel
from pymc.pytensorf import join_nonshared_inputs
from pytensor.graph.replace import vectorize_graph

from mixture.bayes.compiled import shared_model
from mixture.bayes.draws import as_dataset, posterior_draws
from mixture.bayes.latent import latent_steps
from mixture.bayes.nuts import Nutpie, tree_of_chains
from mixture.components import NAMES, component_log_density, sort_components
from mixture.data.sample import Sample
from mixture.parallel import available_cores, run_parallel


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
        _samplers[model] = ModelNutpie(model)
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


class ModelNutpie(Nutpie):
    """nutpie's NUTS on a marginal model, by the function that PyMC compiles for its own.

    That function is found again on disk by the next process, and in memory by the next sample of the same size;
    what nutpie compiles of a model is compiled anew each time, and takes longer than to draw from it.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`. Its data may be replaced between chains.
    """

    def __init__(self, model: BaseModel):
        self.k = model["mu"].type.shape[0]
        self.density = model.logp_dlogp_function(ravel_inputs=True, trust_input=True)
        self.density.set_extra_values({})
        self._forward, self._backward = unconstrained_function(model), _constrained_function(model)

    def forward(self, **components: np.ndarray) -> list[np.ndarray]:
        """As in `Nutpie`."""
        return self._forward(**components)

    def backward(self, points: np.ndarray) -> list[np.ndarray]:
        """As in `Nutpie`."""
        return self._backward(points)

    def density_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """As in `Nutpie`."""
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
