"""NUTS on the compiled density: another way through the same posterior, to hold the Gibbs sampler against.

It needs no compiler, so that it costs little where it is cheap at all. The density is the one that the Gibbs
sampler moves on; that it is PyMC's, up to a constant, is a test's to show.
"""

import time

import numpy as np
import xarray as xr

from mixture.bayes import kernels
from mixture.bayes.nuts import Nutpie, starting_points, tree_of_chains
from mixture.bayes.priors import Priors
from mixture.bayes.target import Target
from mixture.components import Components
from mixture.data.sample import Sample
from mixture.em import EMFit

SETTINGS = {"draws": 400, "tune": 400, "target_accept": 0.9, "deepest": 6}  # a bounded number of gradients


class TargetNutpie(Nutpie):
    """nutpie's NUTS on a `Target`, the means in order: by the first, and the logs of the gaps that follow it."""

    def __init__(self, target: Target):
        self.target, self.k = target, target.k

    def forward(self, mu: np.ndarray, sigma: np.ndarray, w: np.ndarray | None = None) -> list[np.ndarray]:
        """As in `Nutpie`."""
        point = self.target.to_free(Components(np.ones(1) if w is None else w, mu, sigma))
        ratios, means, log_sds = np.split(point, [self.k - 1, 2 * self.k - 1])
        return [ratios, means[:1], np.log(np.diff(means)), log_sds]

    def backward(self, points: np.ndarray) -> Components:
        """As in `Nutpie`."""
        ratios, first, log_gaps, log_sds = np.split(points, [self.k - 1, self.k, 2 * self.k - 1], axis=-1)
        means = np.cumsum(np.concatenate([first, np.exp(log_gaps)], axis=-1), axis=-1)
        return self.target.from_free(np.concatenate([ratios, means, log_sds], axis=-1))

    def density_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """As in `Nutpie`."""
        gradient = np.empty(self.target.size)
        density = kernels.ordered_log_posterior_gradient(*self.target.rows, *self.target.prior, x, gradient)
        return density, gradient


def sample_beside(
    sample: Sample, priors: Priors, em: EMFit, rng: np.random.Generator, chains: int = 2, **settings
) -> xr.DataTree:
    """Draw from the posterior by NUTS on the compiled density, one chain after the other.

    Parameters
    ----------
    sample : Sample
    priors : Priors
    em : EMFit
    rng : numpy.random.Generator
    chains : int
    **settings
        draws, tune, target_accept and deepest, as in `Nutpie.chain`.

    Returns
    -------
    xarray.DataTree
        Groups posterior and sample_stats; attributes seconds and sampler.
    """
    begun, sampler = time.perf_counter(), TargetNutpie(Target.of(sample, priors))
    starts = starting_points(priors, em, chains, rng)
    tree = tree_of_chains([sampler.chain(start, int(rng.integers(2**31)), **settings) for start in starts])
    tree.attrs |= {"seconds": time.perf_counter() - begun, "sampler": "nuts"}
    return tree
