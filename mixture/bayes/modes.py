"""The maxima of the posterior: how to find them, how much each holds, and which of them a draw is near.

mode
    a maximum of the log posterior in free coordinates (see `mixture.bayes.kernels`), its components by increasing mean
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import linalg, optimize, special

from mixture.bayes import kernels
from mixture.bayes.target import Target
from mixture.components import Components
from mixture.messages import InputError

LEAST_SHARE = 0.01  # of the mass, for a mode to be missed
MOST_MODES = 12  # kept: the largest
SAME = 0.5  # standard deviations, by the curvature of either: closer maxima are one
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
    def shares(self) -> np.ndarray:
        """Of the total mass, by Laplace, shape (C,)."""
        return special.softmax(self.log_mass)

    def dataset(self, target: Target) -> xr.Dataset:
        """Over dims mode and component, in data units: weights, means, sds, log_posterior, log_mass, share, spread.

        spread holds the covariances in free coordinates.
        """
        at = target.from_free(self.points)
        return xr.Dataset(
            {name: (("mode", "component"), values) for name, values in at._asdict().items()}
            | {
                "log_posterior": ("mode", self.log_density),
                "log_mass": ("mode", self.log_mass),
                "share": ("mode", self.shares),
                "spread": (("mode", "row", "column"), self.covariances),
            }
        )

    @classmethod
    def of_dataset(cls, dataset: xr.Dataset, target: Target) -> "Modes":
        """The inverse of `dataset`."""
        at = Components(*(dataset[name].values for name in Components._fields))
        return cls(
            target.to_free(at), dataset["spread"].values, dataset["log_posterior"].values, dataset["log_mass"].values
        )

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance of points, shape (S, D), to each mode: shape (S, C)."""
        factors = [linalg.cholesky(covariance, lower=True) for covariance in self.covariances]
        return np.stack(
            [
                (linalg.solve_triangular(factor, (points - mode).T, lower=True) ** 2).sum(axis=0)
                for mode, factor in zip(self.points, factors, strict=True)
            ],
            axis=-1,
        )

    def nearest(self, points: np.ndarray, df: float = 5.0) -> np.ndarray:
        """Which mode each point most likely belongs to, if all were t distributions: shape (S,)."""
        score = self.log_density - (df + self.points.shape[1]) / 2 * np.log1p(self.distances(points) / df)
        return score.argmax(axis=-1)


def find_modes(target: Target, starts: np.ndarray) -> Modes:
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

    Raises
    ------
    InputError
        The priors forbid the sample: no start leads to a maximum.
    """
    found = []
    for start in starts:
        climbed = optimize.minimize(
            target.negative_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 300, "ftol": 1e-10, "gtol": 1e-4},
        )
        if not np.isfinite(climbed.fun):
            continue
        point, density = climbed.x, -climbed.fun
        if target.exchangeable:
            point = target.sorted_points(point)
        elif np.any(np.diff(target.from_free(point).means) <= 0):
            continue  # out of order: not in the posterior
        found.append((density, point))
    if not found:
        raise InputError(
            "mean_prior_mean, mean_prior_precision, sd_prior_scale: given priors under which the sample is next to "
            "impossible; allowed: wider ones, or null"
        )
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


def weigh_modes(tree: xr.DataTree, target: Target, rng: np.random.Generator) -> xr.Dataset:
    """What the draws hold of each mode, and which modes they missed.

    A maximum that no draw is near is a fault only if it is a mode of its own:
    where a few hundred sweeps of Gibbs sampling from there end among the draws,
    nothing keeps the two apart, and Laplace's approximation overrates it.

    Parameters
    ----------
    tree : xarray.DataTree
        Groups sample_stats, with mode, and modes.
    target : Target
    rng : numpy.random.Generator

    Returns
    -------
    xarray.Dataset
        Group modes with held (share of the draws) and missed (no draw, and
        isolated).
    """
    found, nearest = tree["modes"].to_dataset(), tree["sample_stats"]["mode"].values
    held = np.bincount(nearest.ravel(), minlength=found.sizes["mode"]) / nearest.size
    modes = Modes.of_dataset(found, target)
    missed = [
        bool(held[mode] == 0 and modes.shares[mode] > LEAST_SHARE and is_isolated(target, modes, mode, rng))
        for mode in range(len(held))
    ]
    return found.assign(held=("mode", held), missed=("mode", np.array(missed, int)))


def is_isolated(target: Target, modes: Modes, mode: int, rng: np.random.Generator, sweeps: int = 400) -> bool:
    """Whether Gibbs sampling without jumps, begun at a mode, is still near it at the end."""
    k = target.k
    point = np.empty(k), np.empty(k), np.empty(k)
    kernels.from_free(np.ascontiguousarray(modes.points[mode]), *point)
    none, out = np.empty((0, target.size, target.size)), np.empty((sweeps, 3 * k + 3))
    kernels.run_sweeps(
        rng,
        sweeps,
        1,
        *target.rows,
        *target.prior,
        target.exchangeable,
        True,
        True,
        np.empty((0, target.size)),
        none,
        none,
        np.empty(0),
        np.empty(0),
        np.linalg.cholesky(modes.covariances[mode]),
        False,
        *point,
        np.array([np.log(2.38 / np.sqrt(target.size)), 0.0, 0.0, 0.0, 0.0]),
        out,
    )
    last = out[sweeps // 2 :, : 3 * k].reshape(-1, 3, k)
    draws = Components(last[:, 0], target.center + target.spread * last[:, 1], target.spread * last[:, 2])
    return bool(np.mean(modes.nearest(target.to_free(draws)) == mode) > 0.5)
