"""The maxima of the posterior: how to find them, how much each holds, and which of them a draw is near.

mode
    a maximum of the log posterior in free coordinates (see `mixture.bayes.kernels`), its components by increasing mean
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize, special

MOST_MODES = 12  # kept: the largest
SAME = 0.5       # standard deviations, by the curvature of either: closer maxima are one
NARROWEST, WIDEST = 1e-4, 3.0  # sds of a mode in free coordinates, where the curvature does not tell


@dataclass(frozen=True, eq=False)
class Modes:
    """Maxima of a posterior, the largest mass first.

    Attributes
    ----------
    points : ndarray, shape (C, D)
        In free coordinates.
    covariances : ndarray, shape (C, D, D)
        Minus the inverse Hessian there; where that is not positive definite, of the nearest that is.
    log_density : ndarray, shape (C,)
        Log posterior in free coordinates, up to a constant common to all.
    log_mass : ndarray, shape (C,)
        By Laplace's approximation, up to the same constant.
    """

    points: np.ndarray
    covariances: np.ndarray
    log_density: np.ndarray
    log_mass: np.ndarray

    @property
    def shares(self):
        """Of the total mass, by Laplace, shape (C,)."""
        return special.softmax(self.log_mass)

    def distances(self, points):
        """Squared Mahalanobis distance of points, shape (S, D), to each mode: shape (S, C)."""
        factors = [linalg.cholesky(covariance, lower=True) for covariance in self.covariances]
        return np.stack([(linalg.solve_triangular(factor, (points - mode).T, lower=True) ** 2).sum(axis=0)
                         for mode, factor in zip(self.points, factors, strict=True)], axis=-1)

    def nearest(self, points, df=5.0):
        """Which mode each point most likely belongs to, if all were t distributions: shape (S,)."""
        d = self.points.shape[1]
        log_volume = np.array([np.linalg.slogdet(covariance)[1] for covariance in self.covariances]) / 2
        score = self.log_density - (df + d) / 2 * np.log1p(self.distances(points) / df)
        return (score - 0 * log_volume).argmax(axis=-1)


def find_modes(target, starts):
    """Climb the log posterior from each start, and keep the distinct maxima.

    Parameters
    ----------
    target : Target
    starts : ndarray, shape (S, D)
        Free coordinates.

    Returns
    -------
    Modes
        At least one, at most `MOST_MODES`.
    """
    found = []
    for start in starts:
        climbed = optimize.minimize(target.negative_gradient, start, jac=True, method="L-BFGS-B",
                                    options={"maxiter": 300, "ftol": 1e-10, "gtol": 1e-4})
        if not np.isfinite(climbed.fun):
            continue
        point, density = climbed.x, -climbed.fun
        if target.exchangeable:
            point = target.sorted_points(point)
        elif np.any(np.diff(target.from_free(point).means) <= 0):
            continue  # out of order: not in the posterior
        found.append((density, point))
    found.sort(key=lambda each: -each[0])
    kept = []
    for density, point in found:
        if density < found[0][0] - 30:  # holds nothing
            break
        if not any(_same(point, other, covariance) for _, other, covariance in kept):
            kept.append((density, point, _covariance(target, point)))
        if len(kept) == 2 * MOST_MODES:
            break
    density, points, covariances = map(np.array, zip(*kept, strict=True))
    log_mass = density + np.linalg.slogdet(2 * np.pi * covariances)[1] / 2
    order = np.argsort(-log_mass)[:MOST_MODES]
    return Modes(points[order], covariances[order], density[order], log_mass[order])


def _same(point, other, covariance):
    away = point - other
    return away @ np.linalg.solve(covariance, away) < SAME**2 * len(point)


def _covariance(target, point):
    """The inverse of the precision at a maximum, its eigenvalues kept between those of a narrow and of a wide mode."""
    precision = target.precision(point)
    if not np.isfinite(precision).all():
        return np.eye(len(point)) * 0.1
    values, vectors = np.linalg.eigh(precision)
    values = np.clip(values, WIDEST**-2, NARROWEST**-2)
    return (vectors / values) @ vectors.T
