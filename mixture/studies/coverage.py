"""Intervals of Bayes and of EM for many samples whose truth is known, for easy and hard mixtures.

scenario
    One truth and sample size, from which many samples are drawn.

This module holds only what the stored intervals depend on; `interval_coverage` counts how
often they contain the truth.
"""

import functools
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from mixture.atomic import write_atomically
from mixture.bayes.priors import Priors, choose_priors
from mixture.components import Components
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_mixture
from mixture.em import em_standard_errors, fit_em_proper
from mixture.studies.calibration import FITS_PER_TASK, Recipe, Refitter, key, run_tasks, statistics

LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Scenario:
    """Two components, the first standard Normal.

    Attributes
    ----------
    separation : float
        Distance of the means, sds.
    n : int
        Observations in each sample.
    weight : float
        Of the first component.
    """

    separation: float
    n: int
    weight: float

    @property
    def truth(self) -> Components:
        """Weights, means and sds."""
        return Components(np.array([self.weight, 1 - self.weight]), np.array([0.0, self.separation]), np.ones(2))

    @property
    def stream(self) -> str:
        """Its name among the random streams; the stored study was drawn under it."""
        return f"Cell(separation={self.separation!r}, n={self.n!r}, weight={self.weight!r})"

    def simulate(self, rng: np.random.Generator) -> Sample:
        """A sample, the components' counts random."""
        return Sample.of_values(simulate_mixture(self.n, *self.truth, rng, "random")[0])

    @functools.cached_property
    def priors(self) -> Priors:
        """As the report chooses them, for one long sample: the same for all samples of the scenario."""
        return choose_priors(Sample.of_values(simulate_mixture(1000, *self.truth, np.random.default_rng(0))[0]), 2)


def scenarios(separations: Iterable[float], sizes: Iterable[int], weights: Iterable[float]) -> list[Scenario]:
    """Every combination, as a list of `Scenario`."""
    return [Scenario(*each) for each in product(separations, sizes, weights)]


def cover_truth(refitter: Refitter, scenario: Scenario, replicate: int, seed: int) -> list[dict[str, Any]]:
    """Draw a sample, fit it by MCMC and by EM, and record which intervals contain the truth.

    Returns
    -------
    list of dict
        One for each method, parameter and level: the scenario's values,
        replicate, method, parameter, level, truth, estimate (posterior mean
        or maximum), low, high (equal tails, or the asymptotic Normal's; NaN
        where EM's information is not positive definite), covered.
    """
    rng = random_stream(seed, f"{scenario.stream} {replicate}")
    sample = scenario.simulate(rng)
    drawn = statistics(sample, refitter.fit(sample, scenario.truth, rng))
    em = fit_em_proper(sample, 2, rng, starts=5)
    errors = em_standard_errors(sample, em)
    spread = {
        f"{name}[{i + 1}]": errors[field][i]
        for name, field, k in (("w", "weights", 1), ("mu", "means", 2), ("sigma", "sds", 2))
        for i in range(k)
    }
    maximum, truth, rows = statistics(sample, em.components), statistics(sample, scenario.truth), []
    about = {"separation": scenario.separation, "n": scenario.n, "weight": scenario.weight, "replicate": replicate}
    for name, level in product(spread, LEVELS):
        tails, reach = [(1 - level) / 2, (1 + level) / 2], special.ndtri((1 + level) / 2) * spread[name]
        for method, estimate, (low, high) in (
            ("posterior", drawn[name].mean(), np.quantile(drawn[name], tails)),
            ("EM", maximum[name], (maximum[name] - reach, maximum[name] + reach)),
        ):
            rows.append(
                {
                    **about,
                    "method": method,
                    "parameter": name,
                    "level": level,
                    "truth": float(truth[name]),
                    "estimate": float(estimate),
                    "low": float(low),
                    "high": float(high),
                    "covered": bool(low <= truth[name] <= high),
                }
            )
    return rows


@functools.cache
def _refitter(scenario, recipe):
    return Refitter("marginal", recipe, scenario.priors)


def _cover_replicates(scenario, recipe, replicates, seed, path):
    rows = [row for each in replicates for row in cover_truth(_refitter(scenario, recipe), scenario, each, seed)]
    write_atomically(path, pd.DataFrame(rows).to_parquet)


def cover(
    folder: str | os.PathLike,
    grid: list[Scenario],
    samples: int = 100,
    seed: int = 20160508,
    tune: int = 300,
    draws: int = 1000,
) -> pd.DataFrame:
    """Coverage over a grid, on all cores of this machine; finished tasks are kept, as by `calibrate`.

    Parameters
    ----------
    folder : path-like
    grid : list of Scenario
    samples : int
        Of each scenario.
    seed : int
    tune, draws : int
        Of the one chain of each fit.

    Returns
    -------
    pandas.DataFrame
        The rows of `cover_truth`; also in coverage.parquet.
    """
    folder, tasks = Path(folder), []
    for scenario in grid:
        recipe = Recipe(n=scenario.n, tune=tune, draws=draws)
        for first in range(0, samples, FITS_PER_TASK):
            replicates = range(first, min(first + FITS_PER_TASK, samples))
            name = key(__name__, scenario, recipe, list(replicates), seed)
            tasks.append(
                (folder / "parts" / f"{name}.parquet", _cover_replicates, (scenario, recipe, replicates, seed))
            )
    run_tasks(tasks)
    table = pd.concat([pd.read_parquet(path) for path, *_ in tasks], ignore_index=True)
    write_atomically(folder / "coverage.parquet", table.to_parquet)
    return table
