"""The components of a Gaussian mixture, and the mixture's density at points and over cells.

Weights, means and sds are arrays of shape (..., K): the last axis is the
component, leading axes such as (chain, draw) are kept.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

NAMES = ("w", "mu", "sigma")  # of weights, means and sds, in a posterior and in tables


class Components(NamedTuple):
    """Weights, means and sds of a mixture, or of many.

    Attributes
    ----------
    weights, means, sds : ndarray, shape (..., K)
        Weights sum to one over the last axis; means and sds in data units.
    """

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "Components":
        """The same function of weights, means and sds, as `Components`."""
        return Components(*map(function, self))

    def sorted(self) -> "Components":
        """Relabelled by increasing mean, leading axes independently; see `sort_components`."""
        order = np.argsort(self.means, axis=-1, kind="stable")
        return self.map(lambda values: np.take_along_axis(np.asarray(values, float), order, axis=-1))

    def thin(self, most: int) -> "Components":
        """At most `most` of the draws, evenly spaced, chains run together: shape (S, K), S <= most."""
        flat = self.map(lambda values: values.reshape(-1, values.shape[-1]))
        keep = np.linspace(0, len(flat.weights) - 1, min(most, len(flat.weights))).round().astype(int)
        return flat.map(lambda values: values[keep])

    def over_draws(self, statistic: Callable[..., np.ndarray]) -> "Components":
        """A statistic, such as np.mean, over all axes but the components': shape (K,)."""
        return self.map(lambda values: statistic(values, axis=tuple(range(values.ndim - 1))))

    def by_name(self) -> dict[str, np.ndarray]:
        """The same by the names of a posterior's variables: w, mu and sigma."""
        return dict(zip(NAMES, self, strict=True))


def stack_components(some: Iterable[Components]) -> Components:
    """Several `Components` of one shape as one, along a new first axis."""
    return Components(*map(np.stack, zip(*some, strict=True)))


def sort_components(weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> Components:
    """Relabel the components by increasing mean.

    A mixture does not name its components, so two fits agree only once
    both are put in the same order.

    Parameters
    ----------
    weights, means, sds : array_like, shape (..., K)
        Weight (sums to one), mean and standard deviation of each component,
        means and sds in data units. Leading axes, such as (chain, draw),
        are ordered independently.

    Returns
    -------
    Components
    """
    return Components(weights, means, sds).sorted()


def _columns(*components):
    """Each array with an axis for the points before its last."""
    return tuple(np.asarray(a, float)[..., None, :] for a in components)


def _log_weights(weights):
    with np.errstate(divide="ignore"):  # an empty component has weight 0, log -inf
        return np.log(weights)


def component_log_density(x: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Log of weight x Normal density at points, component by component.

    Parameters
    ----------
    x : array_like, shape (N,) or (..., N)
        Data units.
    weights, means, sds : array_like, shape (..., K)

    Returns
    -------
    ndarray, shape (..., N, K)
    """
    weights, means, sds = _columns(weights, means, sds)
    z = (np.asarray(x, float)[..., None] - means) / sds
    return _log_weights(weights) - np.log(sds) - np.log(2 * np.pi) / 2 - z**2 / 2


def log_normal_mass(lower: np.ndarray, upper: np.ndarray, means: np.ndarray, sds: np.ndarray) -> np.ndarray:
    """log(Phi((upper - mean) / sd) - Phi((lower - mean) / sd)), exact far into both tails."""
    left, right = (lower - means) / sds, (upper - means) / sds
    mirror = left > 0  # the left tail is where log Phi keeps its precision
    left, right = np.where(mirror, -right, left), np.where(mirror, -left, right)
    log_right = special.log_ndtr(right)
    with np.errstate(divide="ignore", invalid="ignore"):
        mass = log_right + np.log1p(-np.exp(special.log_ndtr(left) - log_right))
    return np.where(np.isnan(mass), -np.inf, mass)


class Observations(Protocol):
    """What a likelihood asks of a `Sample`, which is of a layer above: exact values, or the ends of cells."""

    @property
    def exact(self) -> bool: ...
    @property
    def value(self) -> np.ndarray: ...
    @property
    def lower(self) -> np.ndarray: ...
    @property
    def upper(self) -> np.ndarray: ...


def component_log_likelihood(sample: Observations, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Log likelihood of one observation in each row of a sample, component by component.

    Parameters
    ----------
    sample : Sample
        Exact values count by their density, cells by their mass.
    weights, means, sds : array_like, shape (..., K)

    Returns
    -------
    ndarray, shape (..., M, K)
    """
    if sample.exact:
        return component_log_density(sample.value, weights, means, sds)
    weights, means, sds = _columns(weights, means, sds)
    return _log_weights(weights) + log_normal_mass(sample.lower[:, None], sample.upper[:, None], means, sds)


def log_sum_components(terms: np.ndarray) -> np.ndarray:
    """log sum exp over the last axis; K is small, so a loop over it beats a reduction."""
    total = terms[..., 0]
    for k in range(1, terms.shape[-1]):
        total = np.logaddexp(total, terms[..., k])
    return total


def mixture_log_density(x: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Log density of the mixture at points, shape (..., N); see `component_log_density`."""
    return log_sum_components(component_log_density(x, weights, means, sds))


def mixture_log_likelihood(sample: Observations, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Log likelihood of one observation in each row of a sample, shape (..., M)."""
    return log_sum_components(component_log_likelihood(sample, weights, means, sds))


def mixture_cdf(x: ArrayLike, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Distribution function of the mixture at points, shape (..., N)."""
    weights, means, sds = _columns(weights, means, sds)
    return (weights * special.ndtr((np.asarray(x, float)[:, None] - means) / sds)).sum(axis=-1)


def membership_probabilities(sample: Observations, weights: ArrayLike, means: ArrayLike, sds: ArrayLike) -> np.ndarray:
    """Probability that an observation in each row belongs to each component (Bayes' rule).

    Parameters
    ----------
    sample : Sample
    weights, means, sds : array_like, shape (..., K)

    Returns
    -------
    ndarray, shape (..., M, K)
        Sums to one over the last axis.
    """
    joint = component_log_likelihood(sample, weights, means, sds)
    return np.exp(joint - log_sum_components(joint)[..., None])
