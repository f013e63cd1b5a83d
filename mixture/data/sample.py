"""A sample: values, or counts in cells."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

MOST_VALUES = 1_000_000  # more than this are counted in cells, not kept
DATA_UNITS = "data units"  # where nothing else is known
MOST_CELLS = 2**21  # beyond, cells are merged in pairs


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample of M distinct rows that stand for N observations.

    Attributes
    ----------
    lower, upper : ndarray, shape (M,)
        Ends of each row's cell, data units; one and the same array where the
        values are exact.
    count : ndarray of int, shape (M,)
        Observations in each row; ones where the values are exact.
    component : ndarray of int, shape (M,), or None
        The true component of each value where it is known.
    simulated : bool
        Drawn from known components, whether or not each value's is kept.
    name, unit : str
        What was measured, for axes and tables: a column's name, and its unit.
    """

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray
    component: np.ndarray | None = None
    simulated: bool = False
    name: str = "value"
    unit: str = DATA_UNITS

    @classmethod
    def of_values(cls, values: ArrayLike, component: np.ndarray | None = None) -> "Sample":
        """Exact values, one observation a row; simulated where their components are given."""
        values = np.asarray(values, float)
        return cls(values, values, np.ones(len(values), int), component, component is not None)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> "Sample":
        """The inverse of `frame`: what sample.parquet holds."""
        known = {name: frame.attrs[name] for name in ("simulated", "name", "unit") if name in frame.attrs}
        if "value" in frame:
            component = frame["component"].to_numpy() - 1 if "component" in frame else None
            return replace(cls.of_values(frame["value"], component), **known)
        return cls(*(frame[name].to_numpy() for name in ("lower", "upper", "count")), **known)

    def frame(self) -> pd.DataFrame:
        """value (and component, from 1), or lower, upper and count, as a DataFrame."""
        known = {} if self.component is None else {"component": self.component + 1}
        columns = {"value": self.lower, **known}
        if not self.exact:
            columns = {"lower": self.lower, "upper": self.upper, "count": self.count}
        frame = pd.DataFrame(columns)
        frame.attrs |= {"simulated": self.simulated, "name": self.name, "unit": self.unit}  # Parquet keeps them
        return frame

    @property
    def axis(self) -> str:
        """What an axis of the sample is called."""
        return f"{self.name} ({self.unit})"

    @property
    def density_axis(self) -> str:
        """What an axis of densities is called."""
        return f"density (per {'data unit' if self.unit == DATA_UNITS else self.unit})"

    @property
    def exact(self) -> bool:
        return self.lower is self.upper

    @property
    def width(self) -> float:
        """Cell width, data units; 0 where the values are exact."""
        return float(np.min(self.upper - self.lower))

    @property
    def value(self) -> np.ndarray:
        """The values, or the middles of the cells, shape (M,)."""
        return self.lower if self.exact else (self.lower + self.upper) / 2

    @property
    def n(self) -> int:
        """N, observations."""
        return int(self.count.sum())

    @property
    def low(self) -> float:
        return float(self.lower.min())

    @property
    def high(self) -> float:
        return float(self.upper.max())

    def mean(self) -> float:
        return float(np.average(self.value, weights=self.count))

    def sd(self) -> float:
        """Standard deviation with N below the fraction line."""
        return float(np.sqrt(np.average((self.value - self.mean()) ** 2, weights=self.count)))

    def summary(self) -> dict[str, Any]:
        """unit, n, rows, exact, width, low, high, mean, sd, and quantiles by name, as plain values."""
        quantiles = {f"{q:.0%}": float(self.quantile(q)) for q in (0.01, 0.25, 0.5, 0.75, 0.99)}
        return {
            "unit": self.unit,
            "n": self.n,
            "rows": len(self.count),
            "exact": self.exact,
            "width": self.width,
            "low": self.low,
            "high": self.high,
            "mean": self.mean(),
            "sd": self.sd(),
            "quantiles": quantiles,
        }

    def resolution(self) -> float:
        """The smallest difference between values where some are repeated, data units; 0 where all differ.

        What can be repeated was rounded, be it to the last digit that was
        written; nothing can be known of spreads below that.
        """
        if not self.exact:
            return 0.0
        gaps = np.diff(np.sort(self.lower))
        return float(gaps[gaps > 1e-9 * gaps.sum()].min()) if len(gaps) and gaps.min() <= 1e-9 * gaps.sum() else 0.0

    def rows(self, which: np.ndarray) -> "Sample":
        """The sample of some rows alone; `which` indexes them."""
        lower = self.lower[which]
        return Sample(lower, lower if self.exact else self.upper[which], self.count[which])

    def take(self, most: int, rng: np.random.Generator) -> "Sample":
        """At most `most` observations, drawn without replacement, each as a row of its own."""
        if self.n <= most and self.exact:
            return self
        count = rng.multivariate_hypergeometric(self.count, min(most, self.n), method="marginals")
        return Sample.of_values(np.repeat(self.value, count))

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Quantiles by inverting the distribution function, shape of q."""
        return np.quantile(self.value, q, weights=self.count, method="inverted_cdf")
