"""95% intervals of the posterior, and of EM, for many samples whose truth is known.

stratum
    A prior (how far apart the means are beside an sd, how even the weights) and a sample size. Truths
    are drawn from that prior and fitted with the same: then an interval of 95% posterior probability
    holds the truth for 95% of the samples, exactly, whatever the stratum. For truths that are fixed, or
    picked from a prior by what they are, nothing of the kind is promised by any Bayesian interval.
K found
    The number of components is drawn along with all else. What needs no names (the mixture's mean,
    spread and density) is averaged over the numbers; components are those of a second fit, with the
    number found, as in a report. Where the number found is the true one, given the sample, the truth is
    a draw from that second posterior: so there the promise is exact again.

This module holds only what the stored intervals depend on; `interval_coverage` counts how often they contain the truth.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy import special

from mixture.atomic import write_atomically
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream
from mixture.em import em_standard_errors, fit_em_proper
from mixture.studies.calibration import (
    EM_STARTS,
    Case,
    effective_draws,
    fit_known,
    fit_truth,
    fit_unknown,
    quantities,
)
from mixture.studies.many_fits import fit_many

LEVEL = 0.95
MOST = 3  # components where the number is found: 1 to 3, equally probable
LONGER = 1  # fits are 2 ** LONGER times as long as a calibration's: an interval's ends need more draws than a rank
RANGE = 8.0  # of the hierarchical prior of the sds, which a report takes where the number is found


@dataclass(frozen=True)
class Stratum:
    """What truths are drawn from, and how many values a sample has.

    Attributes
    ----------
    separation : float
        Standard deviation of the means' prior, in median sds of a component.
    n : int
        Observations in each sample.
    concentration : float
        Of the weights' Dirichlet prior: 1, any weights are as probable as others; more, they are alike.
    found : bool
        Whether the number of components is found.
    """

    separation: float
    n: int
    concentration: float
    found: bool

    @property
    def case(self) -> Case:
        """The same, as a calibration has it."""
        given = {"n": self.n, "mean_sd": self.separation, "concentration": self.concentration}
        if self.found:
            return Case(str(self), k=MOST, unknown=True, jumps=None, family="hierarchical", sd_scale=RANGE, **given)
        return Case(str(self), **given)


def strata(separations: Iterable[float], sizes: Iterable[int], concentrations: Iterable[float]) -> list[Stratum]:
    """Every combination, with the number of components given and found."""
    return [Stratum(*each) for each in product(separations, sizes, concentrations, (False, True))]


def intervals_of(draws: np.ndarray) -> dict[str, tuple[float, float]]:
    """The 95% intervals of draws of any shape: of equal tails, and the shortest, as a report has it.

    The tails are those order statistics between which one more draw would lie with that very probability.
    """
    flat, tails = draws.ravel(), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(flat, tails, method="weibull")
    shortest = array_stats.hdi(flat, LEVEL) if np.ptp(flat) > 0 else (low, high)
    return {"equal tails": (float(low), float(high)), "highest density": tuple(map(float, shortest))}


def cover_truth(stratum: Stratum, replicate: int, seed: int) -> list[dict[str, Any]]:
    """Draw a truth and a sample, fit it, and record which intervals contain the truth.

    Returns
    -------
    list of dict
        One for each quantity and method ("equal tails", "highest density"; "EM" where the number is given): the
        stratum's values, replicate, quantity, method, truth, low and high (NaN where EM's information is not positive
        definite), covered, right (whether the number of components is the true one) and ess (the smallest of
        the fit's quantities).
    """
    case, rng = stratum.case, random_stream(seed, f"{stratum} {replicate}")
    truth, (found, drawn, ends) = fit_truth(case, rng, _fit_found if stratum.found else _fit_given)
    true, right = quantities(truth.sample, truth.components), found == len(truth.components.means)
    # Components that do not exist have no truth; nobody reports an interval of the log likelihood.
    drawn = {name: draws for name, draws in drawn.items() if (right or "[" not in name) and name != "log likelihood"}
    ess = min(map(effective_draws, drawn.values()))
    ends = [(name, "EM", *each) for name, each in ends.items()]
    ends += [(name, method, *each) for name, draws in drawn.items() for method, each in intervals_of(draws).items()]
    about = {"separation": stratum.separation, "n": stratum.n, "concentration": stratum.concentration}
    about |= {"found": stratum.found, "replicate": replicate, "right": right, "ess": ess}
    return [
        {**about, "quantity": name, "method": method, "truth": float(true[name]), "low": low, "high": high}
        | {"covered": bool(low <= true[name] <= high)}
        for name, method, low, high in ends
    ]


GIVEN = ("n", "mean_sd", "family", "sd_scale", "concentration")  # of a case, for a fit with the number found


def _fit_given(case, sample, rng):
    """The number of components, draws by quantity, and EM's intervals."""
    return case.k, fit_known(case, sample, rng, LONGER), em_intervals(sample, case.k, rng)


def _fit_found(case, sample, rng):
    """The same where the number is found: with its own fit for the components, made whether or not it is the true one."""
    drawn = fit_unknown(case, sample, rng, LONGER)
    found = int(np.bincount(drawn["K filled"].astype(int).ravel()).argmax())
    named = Case(case.name, k=found, **{name: getattr(case, name) for name in GIVEN})
    components = fit_known(named, sample, rng, LONGER)
    shared = {name: draws for name, draws in drawn.items() if name not in ("K", "K filled")}
    return found, {name: draws for name, draws in components.items() if "[" in name} | shared, {}


def em_intervals(sample: Sample, k: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """EM's asymptotic intervals of the free parameters, by name."""
    em = fit_em_proper(sample, k, rng, EM_STARTS)
    errors, reach = em_standard_errors(sample, em), special.ndtri((1 + LEVEL) / 2)
    ends = {}
    for name, field, number in (("w", "weights", k - 1), ("mu", "means", k), ("sigma", "sds", k)):
        for i in range(number):
            middle, error = getattr(em.components, field)[i], errors[field][i]
            ends[f"{name}[{i + 1}]"] = float(middle - reach * error), float(middle + reach * error)
    return ends


def cover(
    folder: str | os.PathLike, grid: list[Stratum], samples: int = 150, found_samples: int = 40, seed: int = 20160508
) -> pd.DataFrame:
    """Coverage over strata, on all cores of this machine; see `fit_many`.

    Parameters
    ----------
    folder : path-like
    grid : list of Stratum
    samples, found_samples : int
        Of each stratum where the number of components is given, and where it is found, which takes much longer.
    seed : int

    Returns
    -------
    pandas.DataFrame
        The rows of `cover_truth`; also in coverage.parquet.
    """
    given, found = ([stratum for stratum in grid if stratum.found is each] for each in (False, True))
    parts = [(given, samples), (found, found_samples)]
    table = pd.concat([fit_many(folder, __name__, some, number, cover_truth, seed) for some, number in parts if some])
    write_atomically(Path(folder) / "coverage.parquet", table.to_parquet)
    return table
