"""What a sampler of the number of components needs besides a sample, for tests that call its sweeps themselves."""

import numpy as np
from scipy import special

from mixture.bayes.jumps import Jumps
from mixture.bayes.proposals import Proposals
from mixture.bayes.target import Target


def wide_jumps(most: int, rng: np.random.Generator) -> Jumps:
    """Two wide proposals for each number but the largest, which no jump leads to."""
    proposals = {}
    for k in range(1, most):
        d = 3 * k - 1
        means = np.linspace(-1, 1.5, k) if k > 1 else np.array([0.2])
        center = np.concatenate([np.zeros(k - 1), means, np.full(k, -0.2)])
        centers = np.array([center, center + 0.3 * rng.standard_normal(d)])
        mixed = np.eye(d) + 0.2 / d
        proposals[k] = Proposals.around(centers, [0.6 * mixed, 1.5 * mixed], [0.7, 0.3], mixed)
    return Jumps.between(proposals, np.full(most, 1 / most))


def log_numbers(log_prior, concentration, center, precision, family, scales) -> np.ndarray:
    """Log prior of 0 to `most` components, with all that the kernels' log prior leaves out and the ways to order them."""
    total = [-np.inf]
    for k in range(1, len(log_prior) + 1):
        prior = concentration, np.full(k, center), np.full(k, precision), family, scales[k - 1], -np.inf
        constant = Target(0.0, 1.0, (), prior, True).log_prior_constant
        total.append(log_prior[k - 1] + constant + special.gammaln(k + 1))
    return np.array(total)
