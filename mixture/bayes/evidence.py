"""The marginal likelihood by bridge sampling (Meng & Wong 1996): how the sample weighs numbers of components.

It rests on draws with the number of components given, and so checks what telescoping sampling says of p(K).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy import special

from mixture.bayes.draws import posterior_draws
from mixture.bayes.modes import Modes
from mixture.bayes.priors import Priors
from mixture.bayes.proposals import Proposals
from mixture.bayes.target import Target
from mixture.data.sample import Sample


@dataclass(frozen=True)
class Evidence:
    """A log marginal likelihood, natural log, and its Monte Carlo standard error."""

    log: float
    error: float


def bridge_sampling(sample: Sample, priors: Priors, tree: xr.DataTree, rng: np.random.Generator) -> Evidence:
    """The log marginal likelihood of the sample in data units (of its cells' counts, where it is in cells).

    The draws are held against as many from a mixture of t distributions that was fitted to the first half of each
    chain; the second half enters the estimate. Components that share a prior are put in order, which leaves one of K!
    equal parts of the posterior.

    Parameters
    ----------
    sample : Sample
    priors : Priors
    tree : xarray.DataTree
        From `sample_by_gibbs`.
    rng : numpy.random.Generator

    Returns
    -------
    Evidence
        Its error by Fruehwirth-Schnatter (2004), the draws' autocorrelation included.
    """
    target = Target.of(sample, priors)
    points = target.to_free(posterior_draws(tree).sorted())
    half = points.shape[1] // 2
    modes = Modes.of_dataset(tree["modes"].to_dataset(), target)
    proposals = Proposals.fitted(modes, points[:, :half].reshape(-1, target.size), rng)
    drawn = points[:, half:]
    proposed = proposals.draw(drawn[..., 0].size, rng)
    ordered = np.all(np.diff(proposed[:, target.k - 1 : 2 * target.k - 1], axis=1) > 0, axis=1)

    there = drawn.reshape(-1, target.size)
    at_draws = target.log_density(there) - proposals.log_density(there)
    at_proposed = np.full(len(proposed), -np.inf)
    at_proposed[ordered] = target.log_density(proposed[ordered]) - proposals.log_density(proposed[ordered])

    # Optimal for independent draws; these count for as many as their effective size.
    ess = min(array_stats.ess(at_draws.reshape(drawn.shape[:2])), len(at_draws))
    share = ess / (ess + len(proposed))
    log_ratio = np.median(at_draws)
    for _ in range(1000):
        above = special.logsumexp(at_proposed - _log_mean(at_proposed, log_ratio, share)) - np.log(len(proposed))
        below = special.logsumexp(-_log_mean(at_draws, log_ratio, share)) - np.log(len(at_draws))
        moved, log_ratio = above - below - log_ratio, above - below
        if abs(moved) < 1e-10:
            break
    f_proposed = np.exp(at_proposed - log_ratio - _log_mean(at_proposed, log_ratio, share))
    f_draws = np.exp(-_log_mean(at_draws, log_ratio, share)).reshape(drawn.shape[:2])
    variance = f_proposed.var() / f_proposed.mean() ** 2 / len(proposed)
    variance += f_draws.var() / f_draws.mean() ** 2 / array_stats.ess(f_draws)
    ways = special.gammaln(target.k + 1) if target.exchangeable else 0.0
    units = sample.n * np.log(target.spread) if sample.exact else 0.0
    return Evidence(float(log_ratio + ways + target.log_prior_constant - units), float(np.sqrt(variance)))


def _log_mean(at, log_ratio, share):
    """log(share x posterior + (1 - share) x proposal) less the log proposal density, the posterior normalised so far."""
    return np.logaddexp(np.log(share) + at - log_ratio, np.log1p(-share))
