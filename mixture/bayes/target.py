"""The posterior as the compiled kernels take it: standardised arrays, free coordinates, log density and gradient."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from mixture.bayes import kernels
from mixture.components import Components
from mixture.data.sample import Sample

if TYPE_CHECKING:  # not at run time: it would bring PyMC along
    from mixture.bayes.priors import Priors

CELL_COST = 6  # values that one cell takes as long as
FAMILIES = {
    "uniform": kernels.UNIFORM,
    "halfnormal": kernels.HALFNORMAL,
    "lognormal": kernels.LOGNORMAL,
    "hierarchical": kernels.HIERARCHICAL,
}


@dataclass(frozen=True, eq=False)
class Target:
    """A sample and priors in units of the sample's own center and spread, so that no unit is special.

    Attributes
    ----------
    center, spread : float
        Of the sample, data units: a value x is (x - center) / spread here.
    rows : tuple
        lower, upper, count of shape (M,), and whether lower holds exact values.
    prior : tuple
        Concentration, the means' centers and precisions of shape (K,), family and scale of the sds, and the
        smallest log sd: see `Sample.resolution`.
    exchangeable : bool
        The means share one prior, so that the components have no names.
    """

    center: float
    spread: float
    rows: tuple
    prior: tuple
    exchangeable: bool

    @classmethod
    def of(cls, sample: Sample, priors: "Priors") -> "Target":
        """From a `Sample` and `Priors`."""
        center, spread = sample.mean(), sample.sd()
        # Exact values that were rounded tie, and a component on tied values alone has no smallest sd.
        floor = sample.resolution() / 2 / spread if sample.exact else 0.0
        lower = np.ascontiguousarray((sample.lower - center) / spread)
        upper = lower if sample.exact else np.ascontiguousarray((sample.upper - center) / spread)
        means = np.asarray(priors.mean_center, float), np.asarray(priors.mean_precision, float)
        prior = (
            float(priors.weight_concentration),
            (means[0] - center) / spread,
            means[1] * spread**2,
            FAMILIES[priors.sd_family],
            float(priors.sd_scale) / spread,
            float(np.log(floor)) if floor else -np.inf,
        )
        return cls(
            center,
            spread,
            (lower, upper, np.array(sample.count, np.int64), sample.exact),
            prior,
            bool(np.ptp(means[0]) == 0 and np.ptp(means[1]) == 0),
        )

    @property
    def k(self) -> int:
        """K, components."""
        return len(self.prior[1])

    @property
    def size(self) -> int:
        """D, free coordinates."""
        return 3 * self.k - 1

    @property
    def cost(self) -> int:
        """Operations of a sweep for each component: one a value, more a cell."""
        return len(self.rows[0]) * (1 if self.rows[3] else CELL_COST)

    def to_free(self, components: Components) -> np.ndarray:
        """Free coordinates, shape (..., D), of `Components` in data units, shape (..., K)."""
        log_weights = np.log(np.maximum(components.weights, 1e-300))
        return np.concatenate(
            [
                log_weights[..., :-1] - log_weights[..., -1:],
                (components.means - self.center) / self.spread,
                np.log(components.sds / self.spread),
            ],
            axis=-1,
        )

    def from_free(self, points: np.ndarray) -> Components:
        """The inverse of `to_free`."""
        k = self.k
        ratios = np.concatenate([points[..., : k - 1], np.zeros((*points.shape[:-1], 1))], axis=-1)
        return Components(
            special.softmax(ratios, axis=-1),
            self.center + self.spread * points[..., k - 1 : 2 * k - 1],
            self.spread * np.exp(points[..., 2 * k - 1 :]),
        )

    def sorted_points(self, points: np.ndarray) -> np.ndarray:
        """Free coordinates with the components by increasing mean."""
        return self.to_free(self.from_free(points).sorted())

    def within_prior(self, points: np.ndarray) -> np.ndarray:
        """The points, shape (..., D), as the priors allow them: sds above the smallest, and below a uniform's end."""
        *_, family, scale, floor = self.prior
        highest = np.log(0.9 * scale) if family == kernels.UNIFORM else np.inf
        log_sds = np.clip(points[..., 2 * self.k - 1 :], floor + 0.1, highest)
        return np.concatenate([points[..., : 2 * self.k - 1], log_sds], axis=-1)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Log posterior density in free coordinates, up to a constant, shape (S,); points of shape (S, D)."""
        out = np.empty(len(points))
        kernels.log_posterior_of_points(*self.rows, *self.prior, np.ascontiguousarray(points), out)
        return out

    def negative_gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus the log density at a point, and its gradient, as optimisers want them."""
        gradient = np.empty(self.size)
        density = kernels.log_posterior_gradient(*self.rows, *self.prior, np.ascontiguousarray(point), gradient)
        return (-density, -gradient) if np.isfinite(density) else (np.inf, np.zeros(self.size))

    def precision(self, point: np.ndarray, step: float = 1e-4) -> np.ndarray:
        """Minus the Hessian of the log density, by central differences of the gradient, shape (D, D)."""
        columns = [
            (self.negative_gradient(point + move)[1] - self.negative_gradient(point - move)[1]) / (2 * step)
            for move in step * np.eye(self.size)
        ]
        return (np.array(columns) + np.array(columns).T) / 2

    @property
    def log_prior_constant(self) -> float:
        """What the kernels' log prior leaves out: with it the prior integrates to one (but for sds below the floor)."""
        concentration, _, precisions, family, scale, _ = self.prior
        k = self.k
        total = special.gammaln(k * concentration) - k * special.gammaln(concentration)
        total += 0.5 * np.log(precisions / (2 * np.pi)).sum()
        if family == kernels.UNIFORM:
            total -= k * np.log(scale)
        elif family == kernels.HALFNORMAL:
            total += k * (0.5 * np.log(2 / np.pi) - np.log(scale))
        elif family == kernels.LOGNORMAL:
            total -= 0.5 * k * np.log(2 * np.pi)
        else:
            shape, rate = kernels.BETA_SHAPE, kernels.BETA_RATE / scale**2
            total += k * (np.log(2) - special.gammaln(kernels.PRECISION_SHAPE))
            total += shape * np.log(rate) - special.gammaln(shape)
            total += special.gammaln(shape + k * kernels.PRECISION_SHAPE)
        return float(total)


def log_posterior(sample: Sample, priors: "Priors", components: Components) -> np.ndarray:
    """The sampler's own log posterior density of weights, means and sds, up to a constant of sample and priors.

    Parameters
    ----------
    sample : Sample
    priors : Priors
    components : Components, shape (S, K)
        Sorted by mean.

    Returns
    -------
    ndarray, shape (S,)
        With respect to weights, means and sds themselves, as PyMC's models have it.
    """
    target = Target.of(sample, priors)
    jacobian = np.log(components.weights).sum(axis=-1) + np.log(components.sds).sum(axis=-1)
    return target.log_density(target.to_free(components)) - jacobian
