"""A fit that fails on purpose: ordered NUTS between two modes of a posterior, the wall between them, and the remedies.

attempt
    one way to sample the posterior, four chains of it
wall
    the lowest log density on the way between two modes, below the lower of them
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy import optimize

from mixture.bayes.draws import posterior_draws
from mixture.bayes.gibbs import sample_by_gibbs
from mixture.bayes.model import build_model
from mixture.bayes.modes import Modes, find_modes
from mixture.bayes.nuts import starting_points
from mixture.bayes.pymc_sampling import sample_posterior
from mixture.bayes.target import Target
from mixture.components import NAMES, Components
from mixture.data.simulate import random_stream
from mixture.em import EMFit, fit_em_proper
from mixture.studies.hard_samples import HardSample
from mixture.studies.references import Reference, by_parameter, furthest_mean

CHAINS, RHAT_LIMIT = 4, 1.01  # Vehtari et al. 2021
FAR = 0.15  # posterior sds: more than a few hundred independent draws are off by chance
ON_THE_WAY = 201  # points of a line between modes
BEYOND = 0.25  # of the distance between the modes, on either side


@dataclass(frozen=True, eq=False)
class Posterior:
    """A hard posterior with its modes.

    Attributes
    ----------
    hard : HardSample
    em : EMFit
    target : Target
    modes : Modes
        The largest mass first.
    """

    hard: HardSample
    em: EMFit
    target: Target
    modes: Modes

    @classmethod
    def of(cls, hard: HardSample, seed: int) -> "Posterior":
        """Its modes, found from EM's maxima."""
        em = fit_em_proper(hard.sample, hard.k, random_stream(seed, "em"))
        target = Target.of(hard.sample, hard.priors)
        maxima = np.array([target.to_free(components) for components, _ in em.maxima])
        return cls(hard, em, target, find_modes(target, target.within_prior(maxima)))

    def describe_modes(self, most: int = 2) -> pd.DataFrame:
        """The largest modes: weight, mean and sd of each component, log density, and share of the mass by Laplace."""
        rows = []
        for m in range(most):
            components = self.target.from_free(self.modes.points[m])
            columns = {
                f"{name}[{k + 1}]": values[k]
                for name, values in zip(NAMES, components, strict=True)
                for k in range(self.hard.k)
            }
            rows.append(columns | {"log density": self.modes.log_density[m], "share of the mass": self.modes.shares[m]})
        return pd.DataFrame(rows, index=pd.RangeIndex(1, most + 1, name="mode"))


# -- the wall ---------------------------------------------------------------------------------


def way_between(posterior: Posterior, bend: np.ndarray | None = None, beyond: float = 0.0) -> pd.DataFrame:
    """The log density on the way from the first mode to the second, in free coordinates.

    Parameters
    ----------
    posterior : Posterior
    bend : ndarray, shape (D,), optional
        How far the middle of the way lies off the straight line.
    beyond : float
        How far the way goes on behind the modes, of the distance between them.

    Returns
    -------
    pandas.DataFrame
        Columns position (0 at the first mode, 1 at the second) and log_density.
    """
    at = np.linspace(-beyond, 1 + beyond, ON_THE_WAY)
    first, second = posterior.modes.points[:2]
    points = first + at[:, None] * (second - first)
    if bend is not None:
        points = points + 4 * (at * (1 - at))[:, None] * bend
    return pd.DataFrame({"position": at, "log_density": posterior.target.log_density(points)})


def lowest_wall(posterior: Posterior) -> np.ndarray:
    """The bend of the way with the lowest wall, shape (D,): a parabola through both modes, as good a pass as it knows."""

    def depth(bend):
        return -way_between(posterior, bend)["log_density"].min()

    best = np.zeros(posterior.target.size)
    for _ in range(3):  # again from where it stopped
        best = optimize.minimize(depth, best, method="Nelder-Mead", options={"maxiter": 2000, "adaptive": True}).x
    return best


def wall_height(way: pd.DataFrame) -> float:
    """How far the way goes down from the lower of its ends, natural log units."""
    between = way[way["position"].between(0, 1)]["log_density"]
    return float(min(between.iloc[0], between.iloc[-1]) - between.min())


# -- attempts ---------------------------------------------------------------------------------


def by_nuts(
    posterior: Posterior, rng: np.random.Generator, draws: int, ordering: bool = True, one_start: bool = False
) -> Components:
    """NUTS on the PyMC model, the chains started around EM's maxima, or all around the best; shape (chain, draw, K)."""
    sample, priors = posterior.hard.sample, posterior.hard.priors
    starts = starting_points(priors, posterior.em, CHAINS, random_stream(0, "starts"))  # the same for all attempts
    starts = starts[:1] * CHAINS if one_start else starts
    return posterior_draws(sample_posterior(build_model(sample, priors, ordering=ordering), sample, starts, rng, draws))


def by_gibbs(posterior: Posterior, rng: np.random.Generator, draws: int) -> Components:
    """The sampler that jumps between modes."""
    tree = sample_by_gibbs(posterior.hard.sample, posterior.hard.priors, posterior.em, rng, CHAINS, draws)
    return posterior_draws(tree)


# Each attempt, and how many times the draws of the first it keeps.
ATTEMPTS = {
    "ordered NUTS": (by_nuts, 1),
    "more draws": (by_nuts, 10),
    "one start for all": (partial(by_nuts, one_start=True), 1),
    "relabelling": (partial(by_nuts, ordering=False), 1),
    "the mixing sampler": (by_gibbs, 1),
}


def attempt(posterior: Posterior, name: str, seed: int, draws: int) -> Components:
    """Sample by one of `ATTEMPTS`; components by increasing mean, shape (chain, draw, K).

    `draws` is how many the first attempt keeps a chain.
    """
    sampler, times = ATTEMPTS[name]
    return sampler(posterior, random_stream(seed, name), draws * times).sorted()


def judge_attempt(posterior: Posterior, draws: Components, reference: Reference) -> dict[str, Any]:
    """Whether the chains of an attempt agree, how they share out the two modes, and whether they are right.

    Returns
    -------
    dict
        draws (a chain), largest_r_hat, smallest_ess (bulk), shares (of each
        chain's draws that are nearest to the first mode), share (of all), agree
        (by R-hat), furthest (of a parameter's mean from the reference, in
        posterior sds), right (agree, and no mean is far from the reference).
    """
    by_name = by_parameter(draws)
    rhat = max(float(array_stats.rhat(column)) for column in by_name.values())
    shares = (nearest_mode(posterior, draws) == 0).mean(axis=1)
    furthest = furthest_mean(reference, by_name)
    return {
        "draws": draws.means.shape[1],
        "largest_r_hat": rhat,
        "smallest_ess": min(float(array_stats.ess(column, method="bulk")) for column in by_name.values()),
        "shares": shares.tolist(),
        "share": float(shares.mean()),
        "agree": rhat <= RHAT_LIMIT,
        "furthest": furthest,
        "right": bool(rhat <= RHAT_LIMIT and furthest < FAR),
    }


def nearest_mode(posterior: Posterior, draws: Components) -> np.ndarray:
    """The number of the mode that each draw is nearest to, shape (chain, draw); the first is 0."""
    points = posterior.target.to_free(draws)
    return posterior.modes.nearest(points.reshape(-1, posterior.target.size)).reshape(points.shape[:2])


def compare_attempts(judged: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """`judge_attempt` of several as a table, one row each."""
    return pd.DataFrame.from_dict({name: dict(found) for name, found in judged.items()}, orient="index").rename_axis(
        "attempt"
    )
