"""Simulated samples, and the random stream of each step."""

import zlib

import numpy as np
from numpy.typing import ArrayLike

from mixture.components import log_normal_mass
from mixture.data.sample import MOST_CELLS, MOST_VALUES, Sample


def random_stream(seed: int, step: str) -> np.random.Generator:
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


def component_counts(n: int, weights: ArrayLike) -> np.ndarray:
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


def simulate_mixture(
    n: int, weights: ArrayLike, means: ArrayLike, sds: ArrayLike, rng: np.random.Generator, counts: str = "fixed"
) -> tuple[np.ndarray, np.ndarray]:
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
    size = (
        component_counts(n, weights) if counts == "fixed" else rng.multinomial(n, np.divide(weights, np.sum(weights)))
    )
    component = rng.permutation(np.repeat(np.arange(len(size)), size))
    return rng.normal(np.asarray(means, float)[component], np.asarray(sds, float)[component]), component


def simulate_sample(
    n: int, weights: ArrayLike, means: ArrayLike, sds: ArrayLike, rng: np.random.Generator, counts: str = "fixed"
) -> Sample:
    """Draw a sample: its values up to `MOST_VALUES`, beyond them counts in fine cells; arguments as `simulate_mixture`."""
    if n > MOST_VALUES:
        return simulate_cells(n, weights, means, sds, rng, counts)
    return Sample.of_values(*simulate_mixture(n, weights, means, sds, rng, counts))


def simulate_cells(
    n: int, weights: ArrayLike, means: ArrayLike, sds: ArrayLike, rng: np.random.Generator, counts: str = "fixed"
) -> Sample:
    """Draw a sample of any size straight into cells, without drawing its values.

    The counts of n independent values in cells are multinomial, so drawing
    them costs as much for 10^12 values as for 10^3. Cells are a hundredth of
    the smallest sd wide and reach 12 sds beyond the outermost mean on both sides.

    Parameters
    ----------
    n, weights, means, sds, rng, counts :
        As in `simulate_mixture`.

    Returns
    -------
    Sample
    """
    weights, means, sds = (np.asarray(a, float) for a in (weights, means, sds))
    size = component_counts(n, weights) if counts == "fixed" else rng.multinomial(n, weights / weights.sum())
    width = max(sds.min() / 100, (np.ptp(means) + 24 * sds.max()) / MOST_CELLS)
    edges = np.arange(
        np.floor((means.min() - 12 * sds.max()) / width), np.ceil((means.max() + 12 * sds.max()) / width) + 1
    )
    total = np.zeros(len(edges) - 1, np.int64)
    for each, mean, sd in zip(size, means, sds, strict=True):
        mass = np.exp(log_normal_mass(edges[:-1] * width, edges[1:] * width, mean, sd))
        total += rng.multinomial(each, mass / mass.sum())
    held = np.flatnonzero(total)
    return Sample(edges[held] * width, edges[held + 1] * width, total[held], simulated=True)
