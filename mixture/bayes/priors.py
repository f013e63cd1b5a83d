"""The priors of a mixture: drawn from, weighed, and chosen where none were given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from mixture.bayes.kernels import BETA_RATE, BETA_SHAPE, PRECISION_SHAPE
from mixture.components import Components, sort_components
from mixture.data.sample import Sample

if TYPE_CHECKING:  # not at run time: PyMC and what it stands on take a second
    from pytensor.tensor import TensorVariable


@dataclass(frozen=True, eq=False)
class Priors:
    """Priors of the mixture: w ~ Dirichlet, mu ~ Normal, sigma by family.

    Attributes
    ----------
    mean_center, mean_precision : ndarray, shape (K,)
        Of each component's Normal prior; data units, 1 / data units^2.
    sd_family : {"uniform", "halfnormal", "lognormal", "hierarchical"}
    sd_scale : float
        Upper end (uniform), scale (halfnormal) or median (lognormal, whose
        log has sd 1), or the range R of the hierarchical family of Richardson
        & Green (1997): precisions ~ Gamma(2, beta), beta ~ Gamma(0.2, 10 / R^2);
        data units.
    weight_concentration : float
    """

    mean_center: np.ndarray
    mean_precision: np.ndarray
    sd_family: str
    sd_scale: float
    weight_concentration: float

    def draw(self, count: int, rng: np.random.Generator) -> Components:
        """Mixtures drawn from the priors, without PyMC: quickly, and not by what is to be tested.

        Parameters
        ----------
        count : int
        rng : numpy.random.Generator

        Returns
        -------
        Components, shape (count, K)
            Ordered jointly by mean, as the posterior is; the ordering
            transform plays no part in PyMC's own draws from a prior.
        """
        shape = count, len(self.mean_center)
        return sort_components(
            rng.dirichlet(np.full(shape[1], self.weight_concentration), count),
            rng.normal(self.mean_center, self.mean_precision**-0.5, shape),
            self._draw_sds(shape, rng),
        )

    def log_density(self, components: Components) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log prior density of mixtures, block by block.

        Parameters
        ----------
        components : Components, shape (..., K)

        Returns
        -------
        weights : ndarray, shape (...)
        means, sds : ndarray, shape (..., K)
            Of the hierarchical family, in which the sds depend on one another,
            the sds' is joint: shape (..., 1).
        """
        w, mu, sigma = components
        k, a, scale = w.shape[-1], self.weight_concentration, self.sd_scale
        weights = special.gammaln(k * a) - k * special.gammaln(a) + (a - 1) * np.log(w).sum(axis=-1)
        means = (np.log(self.mean_precision / (2 * np.pi)) - self.mean_precision * (mu - self.mean_center) ** 2) / 2
        if self.sd_family == "hierarchical":
            return weights, means, log_hierarchical_sds(sigma, w.shape[-1], scale)[..., None]
        sds = {
            "uniform": stats.uniform(0, scale),
            "halfnormal": stats.halfnorm(0, scale),
            "lognormal": stats.lognorm(1, scale=scale),
        }[self.sd_family].logpdf(sigma)
        return weights, means, sds

    def _draw_sds(self, shape, rng):
        if self.sd_family == "uniform":
            return rng.uniform(0, self.sd_scale, shape)
        if self.sd_family == "halfnormal":
            return np.abs(rng.normal(0, self.sd_scale, shape))
        if self.sd_family == "hierarchical":
            beta = rng.gamma(BETA_SHAPE, self.sd_scale**2 / BETA_RATE, (shape[0], 1))
            return (rng.gamma(PRECISION_SHAPE, size=shape) / np.maximum(beta, 1e-300)) ** -0.5
        return self.sd_scale * np.exp(rng.normal(size=shape))


def choose_priors(
    sample: Sample,
    n_components: int,
    mean_prior_mean: ArrayLike | None = None,
    mean_prior_precision: ArrayLike | None = None,
    sd_prior: str = "lognormal",
    sd_prior_scale: float | None = None,
    weight_concentration: float = 1.0,
) -> Priors:
    """Fill the priors that were not given from the sample's midrange and range.

    Means: Normal around the midrange with the range as sd (Richardson & Green
    1997). sds: lognormal with median range / 6K, as if K components stood side
    by side and filled the range, which keeps them away from zero; uniform up
    to, or halfnormal with scale, half the range; hierarchical by the range.

    Parameters
    ----------
    sample : Sample
    n_components : int
    mean_prior_mean, mean_prior_precision : array_like, shape (K,), optional
    sd_prior, sd_prior_scale, weight_concentration :
        As in `Priors`.

    Returns
    -------
    Priors
    """
    spread, middle = sample.high - sample.low, (sample.low + sample.high) / 2
    if sd_prior_scale is None:
        sd_prior_scale = spread / {"lognormal": 6 * n_components, "hierarchical": 1}.get(sd_prior, 2)
    if mean_prior_mean is None:
        mean_prior_mean = np.full(n_components, middle)
    if mean_prior_precision is None:
        mean_prior_precision = np.full(n_components, spread**-2.0)
    return Priors(
        np.asarray(mean_prior_mean, float),
        np.asarray(mean_prior_precision, float),
        sd_prior,
        float(sd_prior_scale),
        float(weight_concentration),
    )


def log_hierarchical_sds(
    sigma: "np.ndarray | TensorVariable", k: int, scale: float, log: Callable = np.log
) -> "np.ndarray | TensorVariable":
    """Joint log prior density of K sds, of which beta is integrated out.

    Richardson & Green (1997): precisions ~ Gamma(2, beta), beta ~ Gamma(0.2, 10 / scale^2).

    Parameters
    ----------
    sigma : ndarray or TensorVariable, shape (..., K)
        `log` is NumPy's or PyTensor's, whichever the sds are of.
    k : int
    scale : float
        Data units, as the sds.

    Returns
    -------
    ndarray or TensorVariable, shape (...)
    """
    rate, shape = BETA_RATE / scale**2, BETA_SHAPE + PRECISION_SHAPE * k
    constant = k * np.log(2) + BETA_SHAPE * np.log(rate) + special.gammaln(shape)
    constant -= special.gammaln(BETA_SHAPE) + k * special.gammaln(PRECISION_SHAPE)
    powers = (2 * PRECISION_SHAPE + 1) * log(sigma).sum(axis=-1)
    return constant - powers - shape * log(rate + (sigma**-2.0).sum(axis=-1))
