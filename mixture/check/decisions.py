"""What a reader decides by a mixture: where one component ends and the next begins, how many peaks there are, what is an outlier.

cutoff
    a value that belongs to two neighbouring components with even chances
mode
    a local maximum of the mixture's density, a peak; a mixture can have fewer than components
lone value
    a value far from every component that holds more than `FEW` values
"""

from typing import Any

import numpy as np
from scipy import special

from mixture.components import Components, component_log_density, component_log_likelihood, log_sum_components
from mixture.data.sample import Sample

FEW = 2  # values that make no group
CHANCE = 0.001  # that a sample from the fitted mixture has any value as far out as a lone one
STEPS = 21  # places over two sds of a component, between which the density's slope is followed
MOST_NUMBERS = 1_000_000  # in one array: 8 MB
TINY = 1e-300  # a weight as small as makes no difference, and has a logarithm


def even_points(pair: Components) -> tuple[np.ndarray, np.ndarray]:
    """Where membership of two components is even: the roots of a parabola, the log ratio of their weighted densities.

    Parameters
    ----------
    pair : Components, shape (..., 2)

    Returns
    -------
    rising, falling : ndarray, shape (...)
        Data units: the point beyond which the second component is the likelier one, and the one
        beyond which the first is again. Where sds are equal only the first exists and the other is
        infinite; where one component is the likelier everywhere, both are NaN.
    """
    _, roots, _ = _parabola(pair)
    return tuple(pair.means[..., 0] + pair.sds[..., 0] * root for root in roots)


def _parabola(pair):
    """The log ratio in sds from the first mean: its curvature, its roots (rising, falling), its value at infinity."""
    distance = (pair.means[..., 1] - pair.means[..., 0]) / pair.sds[..., 0]
    ratio = pair.sds[..., 1] / pair.sds[..., 0]
    weights = np.maximum(pair.weights, TINY)
    with np.errstate(divide="ignore", invalid="ignore"):
        curvature = (1 - ratio**-2.0) / 2
        slope = distance / ratio**2
        level = np.log(weights[..., 1] / weights[..., 0] / ratio) - distance**2 / ratio**2 / 2
        root = np.sqrt(slope**2 - 4 * curvature * level)  # NaN where the parabola does not reach zero
        root = np.where(root > 0, root, np.nan)
        # Of two ways to write a root, the one that loses no digits and survives a curvature of zero.
        both = slope + np.copysign(root, slope)
        one = -2 * level / both
        other = np.where(np.isnan(root) | (curvature != 0), -both / 2 / curvature, np.copysign(np.inf, slope))
    roots = np.where(slope < 0, other, one), np.where(slope < 0, one, other)
    return curvature, roots, np.where(curvature == 0, level, curvature)


def misplaced_share(pair: Components) -> np.ndarray:
    """The share of all values that lie on the wrong side, if each is put to the likelier of two components.

    Parameters
    ----------
    pair : Components, shape (..., 2)
        The weights are those in the whole mixture, and need not sum to one.

    Returns
    -------
    ndarray, shape (...)
        Without an even point every value goes to the same component, and the other's weight is misplaced.
    """
    curvature, (rising, falling), end = _parabola(pair)
    distance = (pair.means[..., 1] - pair.means[..., 0]) / pair.sds[..., 0]
    ratio = pair.sds[..., 1] / pair.sds[..., 0]
    wider = curvature > 0  # the second: it has the values beyond both points
    first = special.ndtr(falling) - special.ndtr(rising) + wider
    second = special.ndtr((rising - distance) / ratio) - special.ndtr((falling - distance) / ratio) + ~wider
    parted = pair.weights[..., 0] * first + pair.weights[..., 1] * second
    return np.where(np.isnan(rising), pair.weights[..., 0] * (end > 0) + pair.weights[..., 1] * (end <= 0), parted)


def describe_cutoffs(draws: Components, sample: Sample, interval: float = 0.95) -> list[dict[str, Any]]:
    """The cutoffs between neighbouring components, with their posterior.

    Parameters
    ----------
    draws : Components, shape (S, K)
    sample : Sample
        Cutoffs beyond its ends part nothing, and are left out.
    interval : float
        Probability inside the interval, which has equal tails and so holds the median.

    Returns
    -------
    list of dict
        between (two components, from 1), value (posterior median), low, high, data units; misplaced
        (posterior mean of `misplaced_share`, of the two components' all cutoffs together). Two
        components can have two cutoffs, where one lies within the other. Where fewer than half of the
        draws have one, the two have one entry without: value, low and high are None.
    """
    ends, found = [(1 - interval) / 2, (1 + interval) / 2], []
    for k in range(draws.means.shape[-1] - 1):
        pair = draws.map(lambda values, k=k: values[..., k : k + 2])
        about = {"between": [k + 1, k + 2]}
        misplaced, places = float(misplaced_share(pair).mean()), []
        for points in even_points(pair):
            points = points[~np.isnan(points)]
            if 2 * len(points) >= len(pair.means) and sample.low <= np.median(points) <= sample.high:
                low, high = np.quantile(points, ends, method="nearest")  # a far point can be infinite
                places.append({"value": float(np.median(points)), "low": float(low), "high": float(high)})
        places = sorted(places, key=lambda place: place["value"]) or [dict.fromkeys(("value", "low", "high"))]
        found += [about | place | {"misplaced": misplaced} for place in places]
    return found


def count_modes(draws: Components) -> np.ndarray:
    """How many local maxima each mixture's density has.

    At a maximum the density curves downwards, which it does only within one sd of some mean: the
    slope is followed through those places, and where it comes close to zero and back between two of
    them, to the point where it is closest.

    Parameters
    ----------
    draws : Components, shape (S, K)

    Returns
    -------
    ndarray of int, shape (S,)
        From 1 to K.
    """
    size = STEPS * draws.means.shape[-1] ** 2
    parts = np.array_split(np.arange(len(draws.means)), -(-len(draws.means) * size // MOST_NUMBERS))
    return np.concatenate([_count_modes(draws.map(lambda values, rows=rows: values[rows])) for rows in parts])


def _count_modes(draws):
    near = draws.means[..., None] + draws.sds[..., None] * np.linspace(-1, 1, STEPS)
    x = np.sort(near.reshape(len(near), -1), axis=1)
    slope, bend = _slope_and_bend(x, draws)
    found = _falls(slope)
    # Between two places with slopes of one sign: closest to zero where the slope's own slope vanishes.
    same = np.sign(slope[:, :-1]) * np.sign(slope[:, 1:]) > 0
    towards = (np.sign(slope) * bend < 0)[:, :-1] & (np.sign(slope) * bend > 0)[:, 1:]
    rows, columns = np.nonzero(same & towards)
    if len(rows):
        some, sign = draws.map(lambda values: values[rows]), np.sign(slope[rows, columns])
        low, high = x[rows, columns], x[rows, columns + 1]
        for _ in range(50):  # halves
            middle = (low + high) / 2
            _, bent = _slope_and_bend(middle[:, None], some)
            before = sign * bent[:, 0] < 0
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        closest, _ = _slope_and_bend(low[:, None], some)
        np.add.at(found, rows, sign * closest[:, 0] < 0)
    return np.maximum(found, 1)  # all components in one place: no slope is left between


def _slope_and_bend(x, draws):
    """First and second derivative of the density over the density, shape (S, M): no tail is too thin for them."""
    log_parts = component_log_density(x, *draws)
    share = np.exp(log_parts - log_sum_components(log_parts)[..., None])
    means, sds = draws.means[:, None], draws.sds[:, None]
    z = (x[..., None] - means) / sds
    return -(share * z / sds).sum(axis=-1), (share * (z**2 - 1) / sds**2).sum(axis=-1)


def _falls(slope):
    """How often each row goes from above zero to below, zeros passed over."""
    count, last = np.zeros(len(slope), int), np.zeros(len(slope))
    for column in np.sign(slope).T:
        count += (last > 0) & (column < 0)
        last = np.where(column == 0, last, column)
    return count


def mode_probabilities(draws: Components) -> dict[str, float]:
    """The posterior of the number of modes: probability by number, as answers.json has it.

    Parameters
    ----------
    draws : Components, shape (S, K)
    """
    numbers, counts = np.unique(count_modes(draws), return_counts=True)
    return {str(number): float(count / counts.sum()) for number, count in zip(numbers, counts, strict=True)}


def lone_values(sample: Sample, fit: Components) -> list[dict[str, Any]]:
    """Values that no group explains: far from every component that holds more than `FEW` values.

    Parameters
    ----------
    sample : Sample
        Of cells, each stands for its middle.
    fit : Components, shape (K,)

    Returns
    -------
    list of dict
        value (data units), count, and sds: how many of its own sds the nearest such component is
        away. The farthest comes first. Far is what one in `CHANCE` samples of this size from a
        Gaussian would reach: 4.9 sds for 1,000 values.
    """
    parts = np.array_split(np.arange(len(sample.count)), max(1, len(sample.count) // 50_000))
    likeliest = np.concatenate([component_log_likelihood(sample.rows(rows), *fit).argmax(axis=-1) for rows in parts])
    held = np.bincount(likeliest, sample.count, len(fit.means))
    groups = held > FEW if (held > FEW).any() else held > 0
    distance = np.min([abs(sample.value - m) / s for m, s in zip(fit.means[groups], fit.sds[groups])], axis=0)
    far = np.flatnonzero(distance > -special.ndtri(CHANCE / 2 / sample.n))
    return [
        {"value": float(sample.value[i]), "count": int(sample.count[i]), "sds": float(distance[i])}
        for i in far[np.argsort(-distance[far], kind="stable")]
    ]
