"""A sample: values, or counts in cells."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

MOST_VALUES = 1_000_000  # more than this are counted in cells, not kept
DATA_UNITS = "data units"  # where nothing else is known
MOST_CELLS = 2**21  # beyond, cells are merged in pairs


def close_cells(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells with open ends closed, to be drawn and to have a middle: as wide as the nearest cell that has two ends.

    Parameters
    ----------
    lower, upper : ndarray, shape (M,)
        In increasing order where one is open. At least one cell has two ends.

    Returns
    -------
    lower, upper : ndarray, shape (M,)
        Finite. The likelihood sees the open cells.
    """
    below, above = np.isneginf(lower), np.isposinf(upper)
    if not below.any() and not above.any():
        return lower, upper
    widths = (upper - lower)[~below & ~above]
    return np.where(below, upper - widths[0], lower), np.where(above, lower + widths[-1], upper)


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample of M distinct rows that stand for N observations.

    Attributes
    ----------
    lower, upper : ndarray, shape (M,)
        Ends of each row's cell, data units; one and the same array where the
        values are exact. The first cell may be open below and the last above (infinite ends).
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
        """Cell width, data units; of unequal cells that which half the observations have at most; 0 for exact values."""
        widths = self.upper - self.lower
        closed = np.isfinite(widths)
        if np.ptp(widths[closed]) <= 1e-6 * widths[closed].max():
            return float(widths[closed].min())
        return float(np.quantile(widths[closed], 0.5, weights=self.count[closed], method="inverted_cdf"))

    @property
    def regular(self) -> bool:
        """Whether the values are exact, or all cells of one width on one grid, so that they can be merged in pairs."""
        if self.exact:
            return True
        widths = self.upper - self.lower
        if not np.isfinite(widths).all() or np.ptp(widths) > 1e-6 * widths[0]:
            return False
        steps = (self.lower - self.lower[0]) / widths[0]
        return bool(np.abs(steps - np.round(steps)).max() < 1e-3)

    @property
    def open(self) -> tuple[bool, bool]:
        """Whether a cell is open below, and one above."""
        return bool(np.isneginf(self.lower).any()), bool(np.isposinf(self.upper).any())

    @property
    def closed(self) -> tuple[np.ndarray, np.ndarray]:
        """Finite ends of the cells, shape (M,) each: see `close_cells`."""
        return close_cells(self.lower, self.upper)

    @property
    def value(self) -> np.ndarray:
        """The values, or the middles of the closed cells, shape (M,)."""
        return self.lower if self.exact else sum(self.closed) / 2

    @property
    def n(self) -> int:
        """N, observations."""
        return int(self.count.sum())

    @property
    def low(self) -> float:
        return float(self.closed[0].min())

    @property
    def high(self) -> float:
        return float(self.closed[1].max())

    def mean(self) -> float:
        return float(np.average(self.value, weights=self.count))

    def sd(self) -> float:
        """Standard deviation with N below the fraction line."""
        return float(np.sqrt(np.average((self.value - self.mean()) ** 2, weights=self.count)))

    def summary(self) -> dict[str, Any]:
        """unit, n, rows, exact, regular, open (below, above), width, low, high, mean, sd, and quantiles by name."""
        quantiles = {f"{q:.0%}": float(self.quantile(q)) for q in (0.01, 0.25, 0.5, 0.75, 0.99)}
        return {
            "unit": self.unit,
            "n": self.n,
            "rows": len(self.count),
            "exact": self.exact,
            "regular": self.regular,
            "open": list(self.open),
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
        """At most `most` observations, drawn without replacement, each as a row of its own.

        A sample in few cells costs no more than that and is returned as it is: most values would be tied.
        """
        if (self.n if self.exact else 10 * len(self.count)) <= most:
            return self
        count = rng.multivariate_hypergeometric(self.count, min(most, self.n), method="marginals")
        return Sample.of_values(np.repeat(self.value, count))

    def recount(self, values: np.ndarray) -> "Sample":
        """Other values counted in the cells of this sample; what lies beyond the outermost counts as in them."""
        ends = np.unique(np.concatenate([self.lower, self.upper]))
        edges = ends[np.isfinite(ends)]
        edges = edges[np.diff(edges, prepend=-np.inf) > 1e-6 * self.width]  # neighbours may differ in the last digit
        edges = np.concatenate([ends[:1][np.isneginf(ends[:1])], edges, ends[-1:][np.isposinf(ends[-1:])]])
        count = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        return Sample(edges[:-1][count > 0], edges[1:][count > 0], count[count > 0])

    def quantile(self, q: ArrayLike) -> np.ndarray:
        """Quantiles by inverting the distribution function, shape of q."""
        return np.quantile(self.value, q, weights=self.count, method="inverted_cdf")
