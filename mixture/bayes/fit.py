"""One call from a sample to all that the verdict needs: the posterior, its densities, its modes, and a witness."""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr

from mixture.atomic import write_atomically, write_json
from mixture.bayes import witness
from mixture.bayes.draws import add_log_likelihood, add_log_prior, as_dataset, posterior_draws
from mixture.bayes.gibbs import MOST_OPERATIONS, sample_by_gibbs
from mixture.bayes.modes import Modes, find_modes, weigh_modes
from mixture.bayes.nuts import sampling_cost, starting_points
from mixture.bayes.priors import Priors
from mixture.bayes.target import Target
from mixture.data.sample import Sample
from mixture.em import EMFit

CHEAP = 300_000  # rows x components: beyond, a sweep takes longer than NUTS is worth
WITNESS_CHAINS, WITNESS_ROWS = 2, 6_000  # rows x components: beyond, a witness would take longer than the fit
PRIOR_DRAWS = 500
SHOWN_EVERY = 1.0  # seconds


def choose_sampler(seen: Sample, n_components: int, sampler: str = "auto") -> str:
    """The sampler that `auto` stands for: gibbs where its sweeps are cheap, else nutpie; any other as it is."""
    if sampler != "auto":
        return sampler
    return "gibbs" if len(seen.count) * n_components <= CHEAP else "nutpie"


def draw_posterior(
    sample: Sample,
    priors: Priors,
    em: EMFit,
    rng: np.random.Generator,
    chains: int = 4,
    draws: int = 1000,
    tune: int = 1000,
    sampler: str = "auto",
    most_operations: float = MOST_OPERATIONS,
) -> xr.DataTree:
    """Draws from the marginal model alone; arguments and result as in `fit_posterior` and `sample_by_gibbs`."""
    chosen = choose_sampler(sample, len(em.weights), sampler)
    if chosen == "gibbs":
        return sample_by_gibbs(sample, priors, em, rng, chains, draws, tune, most_operations)
    starts = starting_points(priors, em, chains, rng)
    return _sample_by_nuts(sample, priors, starts, rng, draws=draws, tune=tune, sampler=chosen)


def _sample_by_nuts(sample, priors, starts, rng, latent=False, **settings):
    """As `sample_posterior` on `build_model`'s model; imported here, as PyMC takes a second that others need not spend."""
    from mixture.bayes.model import build_model
    from mixture.bayes.pymc_sampling import sample_posterior

    return sample_posterior(build_model(sample, priors, latent), sample, starts, rng, **settings)


def fit_posterior(
    sample: Sample,
    seen: Sample,
    priors: Priors,
    em: EMFit,
    stream: Callable[[str], np.random.Generator],
    model: str = "marginal",
    chains: int = 4,
    draws: int = 1000,
    tune: int = 1000,
    target_accept: float = 0.9,
    sampler: str = "auto",
    latent_step: str = "gibbs",
    keep_assignments: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataTree:
    """Draw from the posterior, and by another sampler beside it where that is cheap.

    Parameters
    ----------
    sample, seen : Sample
        As it came, and as the likelihood is to see it.
    priors : Priors
    em : EMFit
    stream : callable
        From the name of a step to its random generator; see `random_stream`.
    model : {"marginal", "latent"}
    sampler : {"auto", "gibbs", "nutpie", "pymc"}
        Of the marginal model; see `choose_sampler`.
    chains, draws, tune, target_accept, latent_step, keep_assignments :
        As in `sample_posterior` and `sample_by_gibbs`.
    progress : callable, optional
        As in `sample_by_gibbs`.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, log_prior, log_likelihood,
        observed_data, prior, em, modes; and beside, with the witness's, where
        there is one. Attributes seconds, spent in sampling, and sampler.
    """
    k = len(em.weights)
    kind = "latent" if model == "latent" else choose_sampler(seen, k, sampler)

    def by_gibbs(steps, few):
        return add_log_likelihood(sample_by_gibbs(seen, priors, em, stream(steps), progress=progress, **few), seen)

    def by_nuts(steps, which, few, number):
        starts = starting_points(priors, em, number, stream(f"{steps} starts"))
        latent = which == "latent"
        known = sample if latent else seen
        more = {"latent_step": latent_step, "keep_assignments": keep_assignments} if latent else {"sampler": which}
        tree = _sample_by_nuts(known, priors, starts, stream(steps), latent, **few, **more)
        return add_log_likelihood(tree, known)

    settings = {"draws": draws, "tune": tune}
    cheap = k > 1 and len(seen.count) * k <= WITNESS_ROWS
    if kind != "gibbs":
        tree = by_nuts("nuts", kind, {**settings, "target_accept": target_accept}, chains)
        few = {"chains": WITNESS_CHAINS, "draws": witness.SETTINGS["draws"]}
        beside = by_gibbs("witness", few) if cheap else None
    else:
        with ThreadPoolExecutor(1) as thread:  # the chains leave Python's lock free
            waiting = cheap and thread.submit(
                witness.sample_beside, seen, priors, em, stream("witness"), WITNESS_CHAINS, **witness.SETTINGS
            )
            tree = by_gibbs("gibbs", {"chains": chains, **settings})
            beside = add_log_likelihood(waiting.result(), seen) if cheap else None
    if beside is not None:
        # No clock: the same draws give the same file.
        beside.attrs = {"sampler": "nuts" if kind == "gibbs" else "gibbs"}
        tree["beside"] = beside
    tree = _completed(tree, seen, priors, em, kind, stream)
    for name in ("mu", "sigma"):
        tree["posterior"][name].attrs["units"] = sample.unit
    return tree


def _completed(tree, seen, priors, em, kind, stream):
    """The tree with log prior, prior draws, EM's maximum and the posterior's modes."""
    add_log_prior(tree, priors)
    prior = priors.draw(PRIOR_DRAWS, stream("prior"))
    tree["prior"], tree["em"] = as_dataset(prior.map(lambda values: values[None])), as_dataset(em.components)
    target = Target.of(seen, priors)
    if "modes" not in tree:
        points = target.to_free(posterior_draws(tree).sorted())
        best = np.unravel_index(tree["sample_stats"]["lp"].values.argmax(), points.shape[:2])
        maxima = [components for components, reached in em.maxima if reached > em.log_likelihood - 30]
        modes = find_modes(target, np.array([points[best], *(target.to_free(each) for each in maxima)]))
        tree["modes"] = modes.dataset(target)
        _note_modes(tree, modes, target)
    if "beside" in tree:
        _note_modes(tree["beside"], Modes.of_dataset(tree["modes"].to_dataset(), target), target)
    tree["modes"] = weigh_modes(tree, target, stream("modes"))
    tree.attrs |= {"seconds_em": em.seconds, "sampler": kind}
    return tree


def _note_modes(tree, modes, target):
    """Which mode each draw of a tree is nearest to, as sample_stats["mode"]."""
    points = target.to_free(posterior_draws(tree).sorted())
    nearest = modes.nearest(points.reshape(-1, target.size)).reshape(points.shape[:2])
    tree["sample_stats"] = tree["sample_stats"].to_dataset().assign(mode=(("chain", "draw"), nearest))


def save_posterior(tree: xr.DataTree, run_dir: str | os.PathLike, **provenance: Any) -> float:
    """Write posterior.nc, and what it cost to cost.json; the seconds spent in sampling.

    Parameters
    ----------
    tree : xarray.DataTree
        From `fit_posterior`; its clocks' attributes are taken out, so that the same draws give the same file.
    run_dir : path-like
    **provenance
        Plain values, kept as one attribute.
    """
    cost = {"seconds_em": tree.attrs.pop("seconds_em"), **sampling_cost(tree)}
    if "components" in tree:
        cost["seconds_components"] = tree["components"].attrs.pop("seconds")
    seconds, tree.attrs["provenance"] = tree.attrs.pop("seconds"), json.dumps(provenance)
    write_atomically(f"{run_dir}/posterior.nc", lambda path: tree.to_netcdf(path, engine="netcdf4"))
    write_json(f"{run_dir}/cost.json", cost)
    return seconds


class ProgressLine:
    """Says on stderr how far a long fit has come: sweeps done, how many a second, and about how long the rest takes."""

    def __init__(self, after=SHOWN_EVERY):
        self.begun = time.perf_counter()
        self.shown = self.begun + after  # when to say something next

    def __call__(self, done, planned):
        now = time.perf_counter()
        if not done or now < self.shown:
            return
        self.shown, rate = now + SHOWN_EVERY, done / (now - self.begun)
        print(
            f"sampling: {done:,} sweeps of all chains, {rate:,.0f} a second; about {(planned - done) / rate:.0f} s more "
            f"to the {planned:,} planned so far",
            file=sys.stderr,
            flush=True,
        )
