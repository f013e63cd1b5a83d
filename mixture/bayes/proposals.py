"""What jumps are proposed from: a mixture of t distributions that covers a posterior, tails and all.

A mode of a mixture is bent and has tails, where a component empties or two coincide: one distribution around each would
miss what lies there, and a chain would stay long where it is proposed too rarely.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

from mixture.bayes.kernels import T_DF
from mixture.bayes.modes import Modes

MOST_FITTED, LAPLACE_SHARE = 40, 0.2  # distributions fitted to draws; proposals that are around maxima instead
MOST_POINTS = 4000  # that they are fitted to


@dataclass(frozen=True, eq=False)
class Proposals:
    """t distributions in free coordinates, and a random walk's covariance, as `kernels.run_sweeps` takes them.

    Attributes
    ----------
    centers : ndarray, shape (C, D)
    factors, inverse_factors : ndarray, shape (C, D, D)
        Cholesky factors of the scales, and their inverses.
    shares : ndarray, shape (C,)
        Cumulative weights.
    log_weights : ndarray, shape (C,)
        Log weights less the log determinants of the factors.
    step_factor : ndarray, shape (D, D)
        Cholesky factor of the walk's covariance.
    """

    centers: np.ndarray
    factors: np.ndarray
    inverse_factors: np.ndarray
    shares: np.ndarray
    log_weights: np.ndarray
    step_factor: np.ndarray

    @classmethod
    def around(
        cls, centers: np.ndarray, covariances: np.ndarray, weights: np.ndarray, step_covariance: np.ndarray
    ) -> "Proposals":
        """With these scales and weights, shape (C, D, D) and (C,)."""
        factors = np.linalg.cholesky(np.asarray(covariances))
        inverses = np.ascontiguousarray([linalg.solve_triangular(f, np.eye(len(f)), lower=True) for f in factors])
        weights = np.asarray(weights) / np.sum(weights)
        volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        return cls(
            np.asarray(centers),
            factors,
            inverses,
            np.cumsum(weights),
            np.log(weights) - volume,
            np.linalg.cholesky(step_covariance),
        )

    @classmethod
    def around_modes(cls, modes: Modes) -> "Proposals":
        """By the modes' curvature alone."""
        return cls.around(modes.points, modes.covariances, _mode_weights(modes), modes.covariances[0])

    @classmethod
    def fitted(cls, modes: Modes, points: np.ndarray, rng: np.random.Generator) -> "Proposals":
        """Fitted to draws, shape (S, D), with some around the modes as well."""
        points = points[:: max(1, len(points) // MOST_POINTS)]
        most = len(points) // (10 * points.shape[1]) + 1
        weights, centers, covariances = _fit_normals(points, min(MOST_FITTED, most), rng)
        within = np.tensordot(weights, covariances, 1)
        return cls.around(
            np.concatenate([centers, modes.points]),
            np.concatenate([covariances, modes.covariances]),
            np.concatenate([(1 - LAPLACE_SHARE) * weights, LAPLACE_SHARE * _mode_weights(modes)]),
            within,
        )

    @property
    def log_constant(self) -> float:
        """What makes a t distribution of so many dimensions integrate to one."""
        d = self.centers.shape[1]
        return special.gammaln((T_DF + d) / 2) - special.gammaln(T_DF / 2) - d / 2 * np.log(T_DF * np.pi)

    def draw(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Points, shape (size, D)."""
        chosen = np.searchsorted(self.shares / self.shares[-1], rng.random(size), side="right")
        d = self.centers.shape[1]
        stretch = np.sqrt(T_DF / rng.chisquare(T_DF, size))
        away = np.einsum("sij,sj->si", self.factors[chosen], rng.standard_normal((size, d)))
        return self.centers[chosen] + stretch[:, None] * away

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Normalised, shape (S,), of points of shape (S, D)."""
        d = points.shape[1]
        terms = np.empty((len(self.centers), len(points)))
        for c, (center, inverse) in enumerate(zip(self.centers, self.inverse_factors, strict=True)):
            distance = (((points - center) @ inverse.T) ** 2).sum(axis=1)
            terms[c] = self.log_weights[c] - (T_DF + d) / 2 * np.log1p(distance / T_DF)
        return self.log_constant + special.logsumexp(terms, axis=0)


def _mode_weights(modes):
    """As heavy as they are by Laplace, but none too light to be tried."""
    return 0.5 * modes.shares + 0.5 / len(modes.points)


def _fit_normals(points, size, rng, steps=12):
    """Weights, means and covariances of a mixture of Normals by a few steps of EM: good enough to propose from.

    A pseudo-point of a tenth of the draws' spread in each component holds its covariance away from singular.
    """
    center, scale = points.mean(axis=0), points.std(axis=0) + 1e-9
    z, d = (points - center) / scale, points.shape[1]
    means = z[rng.choice(len(z), size, replace=False)]
    weights, covariances = np.full(size, 1 / size), np.tile(np.eye(d), (size, 1, 1))
    for _ in range(steps):
        factors, aside = np.linalg.inv(np.linalg.cholesky(covariances)), z - means[:, None]  # (M, S, D)
        distances = ((aside @ factors.transpose(0, 2, 1)) ** 2).sum(axis=-1)
        volumes = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        share = special.softmax((np.log(weights) + volumes)[:, None] - distances / 2, axis=0)
        total = share.sum(axis=1) + 1.0
        weights, means = total / total.sum(), (share @ z + means) / total[:, None]
        aside = z - means[:, None]
        covariances = (share[..., None] * aside).transpose(0, 2, 1) @ aside + 0.1 * np.eye(d)
        covariances /= total[:, None, None]
    return weights, center + scale * means, covariances * np.outer(scale, scale)
