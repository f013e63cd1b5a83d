"""Simulation-based calibration of the default sampler: the ranks of many known truths among draws from their posteriors.

calibrated
    A fit is calibrated if a truth drawn from the prior is equally likely to stand at any
    rank among draws from the posterior, given a sample of that truth (Talts et al. 2018).
rank
    The place of the truth among a hundred draws, as a share between 0 and 1. Ties
    and the steps between ranks are filled at random, so that the rank of a calibrated
    fit is uniform.
case
    One prior and one kind of data. The sampler is the one of a report, tuning, jumps and
    all; only its samples are small, so that the prior matters and thousands of fits are cheap.

This module holds only what the stored ranks depend on; `rank_uniformity` judges them.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from mixture.atomic import write_atomically
from mixture.bayes.chains import Stop
from mixture.bayes.components_unknown import tuned_chains
from mixture.bayes.draws import posterior_draws
from mixture.bayes.gibbs import sample_by_gibbs
from mixture.bayes.priors import Priors
from mixture.components import Components, mixture_log_likelihood
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream
from mixture.em import fit_em_proper
from mixture.messages import InputError
from mixture.studies.many_fits import fit_many

RANKED_DRAWS = 100  # that the truth is ranked among: no fit may have fewer effective draws, of anything
CHAINS, DRAWS, TUNE = 2, 400, 250  # of a fit; those that lack effective draws get more
TUNE_NUMBER = 100  # where the number of components is drawn: the rounds of learning to jump take longest
MOST_OPERATIONS = 1e8  # of a chain that is lengthened because chains differ: seconds
MOST_TUNING = 2e7  # the same where the number is drawn: of what tuning takes a sixteenth before jumps are learnt
MOST_LONGER = 6  # times that a fit is made twice as long
EM_STARTS = 3
POINTS = (0.1, 0.5, 0.9)  # quantiles of the sample, at which the density is ranked


@dataclass(frozen=True)
class Case:
    """What truths are drawn from, and how their samples come.

    Attributes
    ----------
    name : str
    k : int
        Components; where the number is unknown, the largest there may be, each number as probable as the next.
    unknown : bool
        The number of components is drawn along with all else.
    jumps : bool or None
        Where the number is unknown: whether jumps between numbers are learnt; None, where they are needed, as in a report.
    n : int
        Observations in each sample.
    mean_centers : tuple of float
        Of the means' priors, data units: one for all, or one each. With one each the means are kept in order.
    mean_sd : float
        Of the same, data units.
    family : str
    sd_scale : float
        Of the sds' prior, see `Priors`; data units.
    by_number : bool
        The scale is to be divided by the number of components.
    concentration : float
        Of the weights' prior.
    cell_width : float
        Data units; 0 for exact values.
    """

    name: str
    k: int = 2
    unknown: bool = False
    jumps: bool | None = False
    n: int = 40
    mean_centers: tuple[float, ...] = (0.0,)
    mean_sd: float = 4.0
    family: str = "lognormal"
    sd_scale: float = 1.0
    by_number: bool = False
    concentration: float = 1.0
    cell_width: float = 0.0

    def priors(self, k: int) -> Priors:
        """With k components."""
        scale = self.sd_scale / k if self.by_number else self.sd_scale
        centers = np.broadcast_to(np.array(self.mean_centers), (k,)).copy()
        return Priors(centers, np.full(k, self.mean_sd**-2.0), self.family, scale, self.concentration)

    def draw(self, rng: np.random.Generator) -> "Truth":
        """A mixture from the prior, and a sample of it."""
        k = 1 + int(rng.integers(self.k)) if self.unknown else self.k
        priors = self.priors(k)
        w, mu, sigma = priors.draw(1, rng).map(lambda values: values[0])
        while len(self.mean_centers) > 1:  # kept in order: by rejection, since sorting would move a center along
            mu = rng.normal(priors.mean_center, priors.mean_precision**-0.5)
            if (np.diff(mu) > 0).all():
                break
        component = rng.choice(k, self.n, p=w)
        sample = Sample.of_values(rng.normal(mu[component], sigma[component]))
        seen = group_sample(sample, self.cell_width) if self.cell_width else sample
        return Truth(Components(w, mu, sigma), seen, len(np.unique(component)))


class Truth(NamedTuple):
    """Components, shape (K,); a sample of them, as the likelihood sees it; how many components hold values."""

    components: Components
    sample: Sample
    filled: int


CASES = (
    Case("K = 2"),
    Case("K = 3", k=3, sd_scale=0.7),
    Case("hierarchical", family="hierarchical", sd_scale=8.0),
    Case("cells", cell_width=0.5),
    Case("in order", family="uniform", sd_scale=4.0, mean_centers=(-1.5, 1.5), mean_sd=2.0),
    Case("K unknown", k=4, unknown=True, family="hierarchical", sd_scale=8.0),
    Case("K by jumps", k=4, unknown=True, jumps=True, sd_scale=2.0, by_number=True),
)


# -- fits -------------------------------------------------------------------------------------


def shared_quantities(sample: Sample, components: Components) -> dict[str, np.ndarray]:
    """What does not depend on how many components there are, nor on their names: each of shape (...).

    Parameters
    ----------
    sample : Sample
    components : Components, shape (..., K)
    """
    w, mu, sigma = components
    mean = (w * mu).sum(axis=-1)
    variance = (w * (sigma**2 + (mu - mean[..., None]) ** 2)).sum(axis=-1)
    points = Sample.of_values(sample.quantile(np.array(POINTS)))
    density = mixture_log_likelihood(points, *components)
    return {
        "log likelihood": mixture_log_likelihood(sample, *components) @ sample.count,
        "mean": mean,
        "log variance": np.log(variance),
        **{f"density at {point:.0%}": density[..., i] for i, point in enumerate(POINTS)},
    }


def quantities(sample: Sample, components: Components) -> dict[str, np.ndarray]:
    """All that is ranked where the number of components is given: every free parameter by increasing mean, too.

    Parameters
    ----------
    sample : Sample
    components : Components, shape (..., K)
        By increasing mean.
    """
    w, mu, sigma = components
    k = w.shape[-1]
    named = {f"w[{i + 1}]": w[..., i] for i in range(k - 1)}
    named |= {f"{name}[{i + 1}]": values[..., i] for name, values in (("mu", mu), ("sigma", sigma)) for i in range(k)}
    return named | shared_quantities(sample, components)


def fit_known(case: Case, sample: Sample, rng: np.random.Generator, longer: int) -> dict[str, np.ndarray]:
    """Draws of `quantities`, shape (chain, draw) each, by `sample_by_gibbs`; 2 ** longer times as many."""
    em = fit_em_proper(sample, case.k, rng, EM_STARTS)
    tree = sample_by_gibbs(sample, case.priors(case.k), em, rng, CHAINS, DRAWS * 2**longer, TUNE, MOST_OPERATIONS)
    return quantities(sample, posterior_draws(tree).sorted())


def fit_unknown(case: Case, sample: Sample, rng: np.random.Generator, longer: int) -> dict[str, np.ndarray]:
    """Draws of K, of how many are filled, and of `shared_quantities`, 2 ** longer times as far from one another."""
    priors = [case.priors(k) for k in range(1, case.k + 1)]
    run, thin = tuned_chains(sample, priors, "uniform", rng, CHAINS, TUNE_NUMBER, MOST_TUNING, jumps=case.jumps)
    rows = [[_draw_once(chain, sample, thin * 2**longer) for _ in range(DRAWS)] for chain in run.chains]
    return {name: np.array([[row[name] for row in chain] for chain in rows]) for name in rows[0][0]}


def _draw_once(chain, sample, thin):
    """The next kept draw of a chain that draws the number of components."""
    (row,) = chain.run(1, thin, Stop())
    target, (w, mu, u) = chain.target, (part[: chain.k] for part in chain.point)
    scaled = target.given[0]
    components = Components(w, scaled.center + scaled.spread * mu, scaled.spread * np.exp(u))
    return {"K": chain.k, "K filled": row[1], **shared_quantities(sample, components)}


def rank_of(truth: float, draws: np.ndarray, rng: np.random.Generator) -> float:
    """The rank of a number among draws, in (0, 1): uniform if it is one of them in distribution."""
    below, ties = np.sum(draws < truth), np.sum(draws == truth)
    return (below + rng.uniform(0, ties + 1)) / (len(draws) + 1)


def effective_draws(draws: np.ndarray) -> float:
    """Of a quantity, shape (chain, draw); all of them where it never moves, since ties are broken at random."""
    return float(array_stats.ess(draws, method="bulk")) if np.ptp(draws) > 0 else float(draws.size)


def fit_truth[T](
    case: Case, rng: np.random.Generator, fit: Callable[[Case, Sample, np.random.Generator], T]
) -> tuple[Truth, T]:
    """A truth, and what `fit` makes of its sample.

    A sample in which EM collapses is refused, as by a report, and another truth is drawn. That is a choice by the sample
    alone, which leaves the truth of any other sample what it is: one more draw from the posterior.
    """
    while True:
        truth = case.draw(rng)
        try:
            return truth, fit(case, truth.sample, rng)
        except InputError:
            continue


def fit_long_enough(case: Case, sample: Sample, rng: np.random.Generator) -> tuple[int, dict[str, np.ndarray]]:
    """The draws of a fit that has enough effective ones, and how often it was made twice as long."""
    fit = fit_unknown if case.unknown else fit_known
    for longer in range(MOST_LONGER + 1):
        drawn = fit(case, sample, rng, longer)
        if min(map(effective_draws, drawn.values())) >= RANKED_DRAWS:
            break
    return longer, drawn


def rank_truth(case: Case, replicate: int, seed: int) -> list[dict[str, Any]]:
    """Draw a truth, simulate, fit for as long as it takes, and rank the truth.

    Returns
    -------
    list of dict
        One a quantity: case, replicate, quantity, truth, rank, ess (of the
        whole fit), longer (how often the fit was made twice as long), seconds.
    """
    rng, begun = random_stream(seed, f"{case.name} {replicate}"), time.perf_counter()
    truth, (longer, drawn) = fit_truth(case, rng, fit_long_enough)
    true = shared_quantities(truth.sample, truth.components) | {
        "K": len(truth.components.means),
        "K filled": truth.filled,
    }
    if not case.unknown:
        true = quantities(truth.sample, truth.components)
    sizes = {name: effective_draws(each) for name, each in drawn.items()}
    about = {"case": case.name, "replicate": replicate, "longer": longer, "seconds": time.perf_counter() - begun}
    rows = []
    for name, each in drawn.items():
        flat = each.ravel()
        ranked = flat[np.linspace(0, len(flat) - 1, RANKED_DRAWS).round().astype(int)]
        rank = rank_of(true[name], ranked, rng)
        rows.append({**about, "quantity": name, "truth": float(true[name]), "rank": rank, "ess": sizes[name]})
    return rows


def calibrate(
    folder: str | os.PathLike, fits: int = 500, seed: int = 20160508, cases: Sequence[Case] = CASES
) -> pd.DataFrame:
    """Ranks of many truths in each case, on all cores of this machine; see `fit_many`.

    Returns
    -------
    pandas.DataFrame
        The rows of `rank_truth`; also in ranks.parquet.
    """
    table = fit_many(folder, __name__, cases, fits, rank_truth, seed)
    write_atomically(Path(folder) / "ranks.parquet", table.to_parquet)
    return table
