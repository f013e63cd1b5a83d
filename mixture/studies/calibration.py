"""Simulation-based calibration: the ranks of many known truths among draws from their posteriors.

calibrated
    A fit is calibrated if a truth drawn from the prior is equally likely to stand at any
    rank among draws from the posterior, given a sample of that truth (Talts et al. 2018).
rank
    The place of the truth among about a hundred draws, as a share between 0 and 1. Ties
    and the steps between ranks are filled at random, so that the rank of a calibrated
    fit is uniform.

Each model is compiled once and then fitted to one sample after the other. This module
holds only what the stored ranks depend on; `rank_uniformity` judges them.
"""

import functools
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
from tqdm.auto import tqdm

from mixture.atomic import write_atomically
from mixture.bayes.latent import latent_steps
from mixture.bayes.model import build_model, likelihood_data
from mixture.bayes.priors import Priors
from mixture.bayes.pymc_sampling import ModelNutpie, unconstrained_function
from mixture.code_hash import code_hash, value_hash
from mixture.components import NAMES, Components, mixture_log_likelihood, stack_components
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_mixture
from mixture.parallel import available_cores

MODELS = ("marginal", "grouped", "latent")
FITS_PER_TASK = 25
RANKED_DRAWS = 100  # that the truth is ranked among
ROOT, LOCK = Path(__file__).resolve().parents[2], "requirements.lock"


@dataclass(frozen=True)
class Recipe:
    """What truths are drawn from, and how samples of them are fitted.

    Attributes
    ----------
    n : int
        Observations in each sample.
    k : int
        Components.
    mean_sd : float
        Standard deviation of the means' prior around 0, data units. All
        centers are one, so that ordering the draws by mean is a relabelling.
    sd_median : float
        Of the sds' lognormal prior, data units.
    concentration : float
        Of the weights' Dirichlet prior.
    cell_width : float
        Of the grouped model, data units.
    tune, draws : int
        Of the one chain of each fit.
    """

    n: int = 50
    k: int = 2
    mean_sd: float = 10.0
    sd_median: float = 1.0
    concentration: float = 3.0
    cell_width: float = 0.5
    tune: int = 300
    draws: int = 600

    @property
    def priors(self) -> Priors:
        """As the model takes them."""
        return Priors(
            np.zeros(self.k), np.full(self.k, self.mean_sd**-2.0), "lognormal", self.sd_median, self.concentration
        )

    def draw(self, rng: np.random.Generator) -> Components:
        """Weights, means and sds from the prior, ordered jointly by mean."""
        return self.priors.draw(1, rng).map(lambda values: values[0])

    def simulate(self, truth: Components, rng: np.random.Generator) -> Sample:
        """A sample of the truth, the components' counts random as the model has them."""
        return Sample.of_values(simulate_mixture(self.n, *truth, rng, "random")[0])


class Refitter:
    """One model, compiled once, to be fitted to many samples of one size.

    Parameters
    ----------
    model : {"marginal", "grouped", "latent"}
        The first two are sampled by nutpie; the last by PyMC's NUTS in turn
        with the exact step for the assignments, as `sample_posterior` does.
    recipe : Recipe
    priors : Priors, optional
        Other than the recipe's.
    """

    def __init__(self, model: str, recipe: Recipe, priors: Priors | None = None) -> None:
        self.kind, self.recipe = model, recipe
        rng = np.random.default_rng(0)
        truth = recipe.draw(rng)
        self.model = build_model(
            self.observe(recipe.simulate(truth, rng)), priors or recipe.priors, latent=model == "latent"
        )
        if model == "latent":
            self._unconstrained = unconstrained_function(self.model)
            self.nuts, self.gibbs = latent_steps(self.model, "gibbs", target_accept=0.9)
            self.untuned = self.nuts.sampling_state
        else:
            self.nutpie = ModelNutpie(self.model)

    def observe(self, sample: Sample) -> Sample:
        """The sample as the model's likelihood sees it."""
        return group_sample(sample, self.recipe.cell_width) if self.kind == "grouped" else sample

    def fit(self, sample: Sample, start: Components, rng: np.random.Generator) -> Components:
        """Draws from the posterior of a sample.

        Parameters
        ----------
        sample : Sample
            Of exact values; the grouped model counts them in cells.
        start : Components, shape (K,)
        rng : numpy.random.Generator

        Returns
        -------
        weights, means, sds : ndarray, shape (draws, K)
        """
        pm.set_data(likelihood_data(self.observe(sample)), model=self.model)
        if self.kind == "latent":
            return self._fit_latent(sample, start, rng)
        start, seed = start.by_name(), int(rng.integers(2**31))
        return self.nutpie.chain(start, seed, self.recipe.draws, self.recipe.tune, target_accept=0.9)[0]

    def _fit_latent(self, sample, start, rng):
        self.nuts.sampling_state = self.untuned
        for step in (self.nuts, self.gibbs):
            step.setup_chain(rng.spawn(1)[0], self.recipe.tune, self.recipe.draws)
        names = [self.model.rvs_to_values[self.model[name]].name for name in NAMES]
        point = dict(zip(names, self._unconstrained(*start), strict=True))
        point["assignment"] = np.zeros(len(sample.value), int)
        drawn = []
        for number in range(self.recipe.tune + self.recipe.draws):
            if number == self.recipe.tune:
                self.nuts.stop_tuning()
            for step in (self.gibbs, self.nuts):
                point, _ = step.step(point)
            if number >= self.recipe.tune:
                drawn.append(Components(*self.gibbs.components(*(point[name] for name in self.gibbs.inputs))))
        return stack_components(drawn).sorted()


# -- ranks ------------------------------------------------------------------------------------


def statistics(sample: Sample, components: Components) -> dict[str, np.ndarray]:
    """The quantities that are ranked: every free parameter and the log likelihood.

    Parameters
    ----------
    sample : Sample
    components : Components, shape (..., K)

    Returns
    -------
    dict of str to ndarray, shape (...)
    """
    w, mu, sigma = components
    k = w.shape[-1]
    named = {f"w[{i + 1}]": w[..., i] for i in range(k - 1)}
    named |= {f"{name}[{i + 1}]": values[..., i] for name, values in (("mu", mu), ("sigma", sigma)) for i in range(k)}
    return named | {"log likelihood": mixture_log_likelihood(sample, *components) @ sample.count}


def rank_of(truth: float, draws: np.ndarray, rng: np.random.Generator) -> float:
    """The rank of a number among draws, in (0, 1): uniform if it is one of them in distribution."""
    below, ties = np.sum(draws < truth), np.sum(draws == truth)
    return (below + rng.uniform(0, ties + 1)) / (len(draws) + 1)


def rank_truth(refitter: Refitter, replicate: int, seed: int) -> list[dict[str, Any]]:
    """Draw a truth, simulate, fit, and rank the truth.

    Returns
    -------
    list of dict
        One a statistic: model, replicate, parameter, rank, ess (of the whole
        chain), seconds.
    """
    rng, begun = random_stream(seed, f"{refitter.kind} {replicate}"), time.perf_counter()
    known = random_stream(seed, f"truth {replicate}")  # the same for every model
    truth = refitter.recipe.draw(known)
    sample = refitter.recipe.simulate(truth, known)
    drawn = refitter.fit(sample, truth, rng)
    observed = refitter.observe(sample)
    true, chain = statistics(observed, truth), statistics(observed, drawn)
    keep = np.linspace(0, len(drawn[0]) - 1, RANKED_DRAWS).round().astype(int)
    seconds = time.perf_counter() - begun
    return [
        {
            "model": refitter.kind,
            "replicate": replicate,
            "parameter": name,
            "truth": float(true[name]),
            "rank": rank_of(true[name], chain[name][keep], rng),
            "ess": float(az.ess(chain[name][None])),
            "seconds": seconds,
        }
        for name in true
    ]


# -- many truths ------------------------------------------------------------------------------

_refitter = functools.cache(Refitter)  # a worker compiles each model once


def _rank_replicates(model, recipe, replicates, seed, path):
    rows = [row for replicate in replicates for row in rank_truth(_refitter(model, recipe), replicate, seed)]
    write_atomically(path, pd.DataFrame(rows).to_parquet)


def calibrate(
    folder: str | os.PathLike,
    recipe: Recipe = Recipe(),
    fits: int = 500,
    seed: int = 20160508,
    models: Sequence[str] = MODELS,
) -> pd.DataFrame:
    """Ranks of many truths under each model, on all cores of this machine.

    Finished tasks are kept in the folder under a key of recipe, seed and code, so
    that a stopped calibration continues, and changed code computes anew.

    Parameters
    ----------
    folder : path-like
    recipe : Recipe
    fits : int
        Truths drawn.
    seed : int
    models : sequence of str

    Returns
    -------
    pandas.DataFrame
        The rows of `rank_truth`; also in ranks.parquet.
    """
    folder = Path(folder)
    tasks = []
    for model in models:
        for first in range(0, fits, FITS_PER_TASK):
            replicates = range(first, min(first + FITS_PER_TASK, fits))
            name = key(__name__, model, astuple(recipe), list(replicates), seed)
            tasks.append((folder / "parts" / f"{name}.parquet", _rank_replicates, (model, recipe, replicates, seed)))
    run_tasks(tasks)
    table = pd.concat([pd.read_parquet(path) for path, *_ in tasks], ignore_index=True)
    write_atomically(folder / "ranks.parquet", table.to_parquet)
    return table


def key(module: str, *parts: Any) -> str:
    """A file name for the result of these parts, computed by a module of this name and all that it imports."""
    return value_hash([repr(parts), code_hash(ROOT, [module], LOCK)])[:16]


def run_tasks(tasks: list[tuple[Path, Callable, tuple]]) -> None:
    """Let Dask workers write each file that does not exist yet.

    Parameters
    ----------
    tasks : list of (Path, callable, tuple)
        The callable is given the tuple's values and the path.
    """
    missing = [task for task in tasks if not task[0].exists()]
    if not missing:
        return
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(
            n_workers=min(available_cores(), len(missing)),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = [client.submit(work, *values, os.path.abspath(path), pure=False) for path, work, values in missing]
        for future in tqdm(as_completed(futures), total=len(futures), desc="fitting", unit=f"{FITS_PER_TASK} fits"):
            future.result()
