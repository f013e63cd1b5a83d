"""Seconds per sweep and effective draws per second of each method, for the studies and the benchmarks."""

import time
from typing import Any

import arviz as az
import numpy as np
from numpy.typing import ArrayLike

from mixture.bayes.model import build_model
from mixture.bayes.priors import Priors
from mixture.bayes.pymc_sampling import sample_posterior
from mixture.components import NAMES
from mixture.data.sample import Sample
from mixture.em import EMFit, fit_em

METHODS = ("EM", "marginal", "gibbs", "categorical-gibbs", "metropolis")


def measure_efficiency(
    sample: Sample,
    priors: Priors,
    em: EMFit,
    starts: list[dict[str, np.ndarray]],
    method: str,
    rng: np.random.Generator,
    seconds: float = 60.0,
    max_draws: int = 1000,
) -> dict[str, Any]:
    """Run one method for about so many seconds and measure its cost and its effective draws.

    A short run measures the cost of a sweep; the real run has as many sweeps, half
    of them tuning, as fit into `seconds`, with at most `max_draws` kept a chain.
    Compilation is not counted. Set MIXTURE_CORES=1 to measure one core.

    Parameters
    ----------
    sample : Sample
    priors : Priors
    em : EMFit
    starts : list of dict
        One a chain, from `starting_points`.
    method : one of `METHODS`
    rng : numpy.random.Generator
    seconds : float
    max_draws : int

    Returns
    -------
    dict
        method, n, seconds_per_sweep (of one chain), sweeps (in all chains),
        moved (share of assignments changed in a sweep; NaN without
        assignments), ess and ess_per_second (of the worst of w, mu, sigma and
        the mean label; tuning counts as time; 0 where something never moved).
        EM has seconds_per_sweep alone: one whole fit.
    """
    row = {"method": method, "n": sample.n}
    if method == "EM":
        begun = time.perf_counter()
        fit_em(sample, len(em.weights), rng, starts=1)
        return row | {"seconds_per_sweep": time.perf_counter() - begun}
    latent = method != "marginal"
    model = build_model(sample, priors, latent=latent)

    def run(sweeps):
        tree = sample_posterior(
            model, sample, starts, rng, sweeps, sweeps, progressbar=False, latent_step=method if latent else "gibbs"
        )
        return tree, tree.attrs["seconds"] / (2 * sweeps * len(starts))

    run(10)  # the first calls compile
    _, cost = run(10)
    sweeps = int(np.clip(seconds / (2 * cost * len(starts)), 10, max_draws))
    tree, cost = run(sweeps)
    judged = tree["posterior"].to_dataset()[list(NAMES)]
    if latent:
        judged = judged.assign(mean_label=tree["sample_stats"]["mean_label"])
    stuck = min(float(judged[name].std("draw").min()) for name in judged.data_vars) == 0
    ess = 0.0 if stuck else min(float(values.min()) for values in az.ess(judged).data_vars.values())
    moved = float(tree["sample_stats"]["moved"].mean()) if latent else np.nan
    spent = cost * 2 * sweeps * len(starts)
    return row | {
        "seconds_per_sweep": cost,
        "sweeps": 2 * sweeps * len(starts),
        "moved": moved,
        "ess": ess,
        "ess_per_second": ess / spent,
    }


def growth(n: ArrayLike, values: ArrayLike) -> float:
    """Exponent b of values ~ n^b by least squares on logarithms; NaN with fewer than two finite points."""
    n, values = np.asarray(n, float), np.asarray(values, float)
    fine = np.isfinite(values) & (values > 0)
    return float(np.polyfit(np.log(n[fine]), np.log(values[fine]), 1)[0]) if fine.sum() > 1 else np.nan
