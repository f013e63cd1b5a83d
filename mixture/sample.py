"""A sample: simulated or read, as values or as counts in cells."""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from parameters import InputError

SMALL = 2_000  # values below this are never grouped for speed: the exact fit takes seconds


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
    """

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray
    component: np.ndarray | None = None
    simulated: bool = False

    @classmethod
    def of_values(cls, values, component=None):
        """Exact values, one observation a row; simulated where their components are given."""
        values = np.asarray(values, float)
        return cls(values, values, np.ones(len(values), int), component, component is not None)

    @classmethod
    def of_frame(cls, frame):
        """The inverse of `frame`: what sample.parquet holds."""
        if "value" in frame:
            return cls.of_values(frame["value"], frame["component"].to_numpy() if "component" in frame else None)
        return cls(*(frame[name].to_numpy() for name in ("lower", "upper", "count")),
                   simulated=frame.attrs.get("simulated", False))

    def frame(self):
        """value (and component), or lower, upper and count, as a DataFrame."""
        if not self.exact:
            frame = pd.DataFrame({"lower": self.lower, "upper": self.upper, "count": self.count})
            frame.attrs["simulated"] = self.simulated  # Parquet keeps it
            return frame
        known = {} if self.component is None else {"component": self.component}
        return pd.DataFrame({"value": self.lower, **known})

    @property
    def exact(self):
        return self.lower is self.upper

    @property
    def width(self):
        """Cell width, data units; 0 where the values are exact."""
        return float(np.min(self.upper - self.lower))

    @property
    def value(self):
        """The values, or the middles of the cells, shape (M,)."""
        return self.lower if self.exact else (self.lower + self.upper) / 2

    @property
    def n(self):
        """N, observations."""
        return int(self.count.sum())

    @property
    def low(self):
        return float(self.lower.min())

    @property
    def high(self):
        return float(self.upper.max())

    def mean(self):
        return float(np.average(self.value, weights=self.count))

    def sd(self):
        """Standard deviation with N below the fraction line."""
        return float(np.sqrt(np.average((self.value - self.mean()) ** 2, weights=self.count)))

    def take(self, most, rng):
        """At most `most` observations, drawn without replacement, each as a row of its own."""
        if self.n <= most and self.exact:
            return self
        count = rng.multivariate_hypergeometric(self.count, min(most, self.n), method="marginals")
        return Sample.of_values(np.repeat(self.value, count))

    def quantile(self, q):
        """Quantiles by inverting the distribution function, shape of q."""
        return np.quantile(self.value, q, weights=self.count, method="inverted_cdf")


def random_stream(seed, step):
    """The random generator of one named step.

    Every step draws from a child of the root seed that depends on the step's
    name alone, so a new step leaves the draws of all others as they were.

    Parameters
    ----------
    seed : int
        Root seed.
    step : str
        Name of the step, such as "sample" or "prior".

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(step.encode()),)))


def component_counts(n, weights):
    """Observations per component: floor(weight x n), the remainder to the largest fractions.

    Returns
    -------
    ndarray of int, shape (K,)
        Adds up to n.
    """
    share = np.asarray(weights, float) / np.sum(weights) * n
    counts = np.floor(share + 1e-9).astype(int)  # 0.29 * 100 is a hair below 29
    counts[np.argsort(counts - share, kind="stable")[: n - counts.sum()]] += 1
    return counts


def simulate_mixture(n, weights, means, sds, rng, counts="fixed"):
    """Draw values from a Gaussian mixture, in random order.

    Parameters
    ----------
    n : int
        Number of observations.
    weights, means, sds : array_like, shape (K,)
    rng : numpy.random.Generator
    counts : {"fixed", "random"}
        Observations per component: `component_counts`, or multinomial.

    Returns
    -------
    values : ndarray, shape (n,)
    component : ndarray of int, shape (n,)
        The component, 0-based, that each value was drawn from.
    """
    size = component_counts(n, weights) if counts == "fixed" else rng.multinomial(n, np.divide(weights, np.sum(weights)))
    component = rng.permutation(np.repeat(np.arange(len(size)), size))
    return rng.normal(np.asarray(means, float)[component], np.asarray(sds, float)[component]), component


def sort_components(weights, means, sds):
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
    weights, means, sds : ndarray, shape (..., K)
    """
    order = np.argsort(means, axis=-1, kind="stable")
    return tuple(np.take_along_axis(np.asarray(x, float), order, axis=-1) for x in (weights, means, sds))


def group_sample(sample, width, rounded=False):
    """Count the values in cells of one width; only cells that hold something are kept.

    Parameters
    ----------
    sample : Sample
        Of exact values.
    width : float
        Data units.
    rounded : bool
        Cells [(j - 1/2) h, (j + 1/2) h) around multiples of the width h, for
        values that were rounded to them; otherwise [j h, (j + 1) h).

    Returns
    -------
    Sample

    Raises
    ------
    InputError
        For cells too narrow to be told apart.
    """
    shift, finest = 0.5 if rounded else 0.0, 2.0**-50 * np.abs(sample.value).max()
    if width < finest:
        raise InputError(f"cell_width: given {width:g}; allowed: at least {finest:.3g}, or double precision loses the cells")
    index, count = np.unique(np.floor(sample.value / width + shift).astype(np.int64), return_counts=True)
    return Sample((index - shift) * width, (index + 1 - shift) * width, count, simulated=sample.simulated)


def find_rounding(sample, most_decimals=6):
    """The decimal step that all values are multiples of, where at least half of them are repeated.

    Returns
    -------
    float
        Data units; 0 where the values were not visibly rounded.
    """
    values = sample.value
    if not sample.exact or len(np.unique(values)) > len(values) / 2:
        return 0.0
    for decimals in range(-6, most_decimals + 1):
        step = 10.0**-decimals
        if step <= np.ptp(values) and np.allclose(values, np.round(values / step) * step, rtol=0, atol=1e-6 * step):
            return step
    return 0.0


def choose_likelihood(sample, smallest_sd, likelihood="auto", cell_width=None):
    """The sample as the likelihood will see it, and why.

    Parameters
    ----------
    sample : Sample
    smallest_sd : float
        Of a pilot EM's components, data units.
    likelihood : {"auto", "exact", "grouped"}
        auto groups values that were rounded, by the rounding, and large
        samples, where the cells are fewer than a quarter of the values.
    cell_width : float, optional
        Data units; by default a tenth of `smallest_sd`, which widens
        standard errors by at most 0.1% (Sheppard's correction).

    Returns
    -------
    sample : Sample
        The same, or grouped.
    reason : str
        A sentence for the report.
    """
    if cell_width is not None and cell_width > 0.5 * smallest_sd:
        raise InputError(f"cell_width: given {cell_width:g}; allowed: at most half the smallest sd, {0.5 * smallest_sd:.4g}, "
                         "since wider cells hide the shape of the narrowest component")
    if not sample.exact:
        if likelihood == "exact":
            raise InputError(f"likelihood: given exact; allowed: auto or grouped for {sample.n:,} values, which are kept as counts")
        cells = coarsen_sample(sample, cell_width or 0.1 * smallest_sd)
        return cells, (f"The values came as counts; the likelihood sees them in {len(cells.count):,} cells of width "
                       f"{cells.width:.4g}, {cells.width / smallest_sd:.2g} of the smallest sd: {_loss(cells.width, smallest_sd)}.")
    if likelihood == "exact":
        return sample, "Every value enters the likelihood as it is (likelihood: exact)."
    step = find_rounding(sample) if cell_width is None else 0.0
    if step > 0.02 * smallest_sd:
        grouped = group_sample(sample, step, rounded=True)
        return grouped, (f"The values are rounded to multiples of {step:g}, so each stands for a cell of that width: "
                         f"{len(grouped.count):,} cells; {_loss(step, smallest_sd)}.")
    width = cell_width or 0.1 * smallest_sd
    grouped = group_sample(sample, width)
    told = f"The values are counted in {len(grouped.count):,} cells of width {width:.4g}, {width / smallest_sd:.2g} of the smallest sd"
    if likelihood == "grouped":
        return grouped, f"{told} (likelihood: grouped): {_loss(width, smallest_sd)}."
    if sample.n > SMALL and 4 * len(grouped.count) < sample.n:
        return grouped, f"{told}: the fit is much cheaper, and {_loss(width, smallest_sd)}."
    return sample, "Every value enters the likelihood as it is: counting them in cells would save nothing."


def _loss(width, smallest_sd):
    """What grouping costs at the most: the information on an sd falls by about (h / sd)^2 / 6 (Sheppard)."""
    return f"standard errors grow by about {(width / smallest_sd) ** 2 / 12:.2%}"


def coarsen_sample(sample, width):
    """Merge cells in pairs, again and again, as long as they stay within a width.

    Cells keep their ends, so no value changes its side of one.

    Parameters
    ----------
    sample : Sample
        In cells of one width.
    width : float
        Data units.

    Returns
    -------
    Sample
    """
    fine = sample.width
    level = max(0, int(np.floor(np.log2(width / fine) + 1e-9)))
    origin = sample.lower[0] - np.floor(sample.lower[0] / fine) * fine
    index = np.round((sample.lower - origin) / fine).astype(np.int64) >> level
    merged, place = np.unique(index, return_inverse=True)
    lower = merged * 2**level * fine + origin
    return Sample(lower, lower + 2**level * fine, np.bincount(place, sample.count).astype(np.int64), simulated=sample.simulated)
