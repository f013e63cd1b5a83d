"""Calibration of PyMC's models by NUTS and by the latent sampler: each compiled once, fitted to one sample after the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm

from mixture.bayes.latent import latent_steps
from mixture.bayes.model import build_model, likelihood_data
from mixture.bayes.priors import Priors
from mixture.bayes.pymc_sampling import ModelNutpie, unconstrained_function
from mixture.components import NAMES, Components, mixture_log_likelihood, stack_components
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_mixture
from mixture.studies.calibration import RANKED_DRAWS, effective_draws, rank_of


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


def rank_truth(refitter: Refitter, replicate: int, seed: int) -> list[dict[str, Any]]:
    """Draw a truth, simulate, fit, and rank the truth.

    Returns
    -------
    list of dict
        One a statistic: case, replicate, quantity, truth, rank, ess (of the whole chain).
    """
    rng = random_stream(seed, f"{refitter.kind} {replicate}")
    known = random_stream(seed, f"truth {replicate}")  # the same for every model
    truth = refitter.recipe.draw(known)
    sample = refitter.recipe.simulate(truth, known)
    drawn = refitter.fit(sample, truth, rng)
    observed = refitter.observe(sample)
    true, chain = statistics(observed, truth), statistics(observed, drawn)
    keep = np.linspace(0, len(drawn[0]) - 1, RANKED_DRAWS).round().astype(int)
    return [
        {
            "case": refitter.kind,
            "replicate": replicate,
            "quantity": name,
            "truth": float(true[name]),
            "rank": rank_of(true[name], chain[name][keep], rng),
            "ess": effective_draws(chain[name][None]),
        }
        for name in true
    ]
