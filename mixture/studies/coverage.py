"""How often intervals hold the truth, and how far estimates are off, for mixtures easy and hard: Bayes against EM.

cell
    one truth and sample size of the grid, from which many samples are drawn
"""

import functools
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from mixture.atomic import write_atomically
from mixture.bayes.model import choose_priors
from mixture.components import Components
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_mixture
from mixture.em import em_standard_errors, fit_em_proper
from mixture.studies.calibration import TOGETHER, Recipe, Refitter, key, run_tasks, statistics

LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Cell:
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
    def truth(self):
        """Weights, means and sds."""
        return Components(np.array([self.weight, 1 - self.weight]), np.array([0.0, self.separation]), np.ones(2))

    def simulate(self, rng):
        """A sample, the components' counts random."""
        return Sample.of_values(simulate_mixture(self.n, *self.truth, rng, "random")[0])

    @functools.cached_property
    def priors(self):
        """As the report chooses them, for one long sample: the same for all samples of the cell."""
        return choose_priors(Sample.of_values(simulate_mixture(1000, *self.truth, np.random.default_rng(0))[0]), 2)


def cells(separations, sizes, weights):
    """The grid."""
    return [Cell(*each) for each in product(separations, sizes, weights)]


def cover_truth(refitter, cell, replicate, seed):
    """Draw a sample, fit it by MCMC and by EM, and see which intervals hold the truth.

    Returns
    -------
    list of dict
        One for each method, parameter and level: the cell's values,
        replicate, method, parameter, level, truth, estimate (posterior mean
        or maximum), low, high (equal tails, or the asymptotic Normal's; NaN
        where EM's information is not positive definite), covered.
    """
    rng = random_stream(seed, f"{cell} {replicate}")
    sample = cell.simulate(rng)
    drawn = statistics(sample, refitter.fit(sample, cell.truth, rng))
    em = fit_em_proper(sample, 2, rng, starts=5)
    errors = em_standard_errors(sample, em)
    spread = {
        f"{name}[{i}]": errors[field][i]
        for name, field, k in (("w", "weights", 1), ("mu", "means", 2), ("sigma", "sds", 2))
        for i in range(k)
    }
    maximum, truth, rows = statistics(sample, em.components), statistics(sample, cell.truth), []
    about = {"separation": cell.separation, "n": cell.n, "weight": cell.weight, "replicate": replicate}
    for name, level in product(spread, LEVELS):
        tails, reach = [(1 - level) / 2, (1 + level) / 2], special.ndtri((1 + level) / 2) * spread[name]
        for method, estimate, (low, high) in (("posterior", drawn[name].mean(), np.quantile(drawn[name], tails)),
                                              ("EM", maximum[name], (maximum[name] - reach, maximum[name] + reach))):
            rows.append({**about, "method": method, "parameter": name, "level": level, "truth": float(truth[name]),
                         "estimate": float(estimate), "low": float(low), "high": float(high),
                         "covered": bool(low <= truth[name] <= high)})
    return rows


@functools.cache
def _refitter(cell, recipe):
    return Refitter("marginal", recipe, cell.priors)


def _cover_some(cell, recipe, replicates, seed, path):
    rows = [row for each in replicates for row in cover_truth(_refitter(cell, recipe), cell, each, seed)]
    write_atomically(path, pd.DataFrame(rows).to_parquet)


def cover(folder, grid, samples=100, seed=20160508, tune=300, draws=1000):
    """Coverage over a grid, on all cores of this machine; what is done is kept, as by `calibrate`.

    Parameters
    ----------
    folder : path-like
    grid : list of Cell
    samples : int
        Of each cell.
    seed : int
    tune, draws : int
        Of the one chain of each fit.

    Returns
    -------
    pandas.DataFrame
        The rows of `cover_truth`; also in coverage.parquet.
    """
    folder, tasks = Path(folder), []
    for cell in grid:
        recipe = Recipe(n=cell.n, tune=tune, draws=draws)
        for first in range(0, samples, TOGETHER):
            replicates = range(first, min(first + TOGETHER, samples))
            name = key(__name__, cell, recipe, list(replicates), seed)
            tasks.append((folder / "parts" / f"{name}.parquet", _cover_some, (cell, recipe, replicates, seed)))
    run_tasks(tasks)
    table = pd.concat([pd.read_parquet(path) for path, *_ in tasks], ignore_index=True)
    write_atomically(folder / "coverage.parquet", table.to_parquet)
    return table


def summarise_coverage(table):
    """Coverage with its standard error, bias in units of the estimates' own spread, and how often there was no interval.

    Returns
    -------
    pandas.DataFrame
        Indexed by separation, n, weight, method, parameter and level:
        covered, error, bias, missing (shares), far (whether coverage is more
        than three standard errors from the level).
    """
    groups = table.groupby(["separation", "n", "weight", "method", "parameter", "level"])
    found = groups.agg(
        covered=("covered", "mean"), samples=("covered", "size"), missing=("low", lambda low: low.isna().mean())
    )
    level = found.index.get_level_values("level")
    found["error"] = np.sqrt(level * (1 - level) / found["samples"])
    found["far"] = abs(found["covered"] - level) > 3 * found["error"]
    off = groups.agg(estimate=("estimate", "mean"), spread=("estimate", "std"), truth=("truth", "first"))
    found["bias"] = (off["estimate"] - off["truth"]) / off["spread"]
    return found.drop(columns="samples")
