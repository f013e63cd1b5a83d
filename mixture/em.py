"""Maximum likelihood by expectation-maximisation, and how exact it is."""

import contextlib
import time
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, special
from scipy.differentiate import jacobian
from sklearn.cluster import kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from mixture.components import (
    Components,
    component_log_likelihood,
    log_sum_components,
    membership_probabilities,
    mixture_log_likelihood,
    sort_components,
    stack_components,
)
from mixture.data.sample import Sample
from mixture.data.simulate import simulate_mixture
from mixture.messages import InputError

MOST_ITERATIONS, MOST_LEAPS = 20_000, 3_000
ROUGH = 1e-7  # gain of the mean log likelihood below which EM creeps, and `_polish` takes over
MOST_POLISHED, MOST_REACHES = 8, 4  # starts, and times that one is
NEAR = 0.05  # distance of log weights, means and log sds of a standardised sample
SAME = 0.02  # log units: maxima that no sample can tell from one another
PILOT_STARTS, PILOT_MOST = 5, 6
# Cell widths in the smallest sd, below which the bootstrap draws values: errors grow by a third of a percent.
NARROW = 0.2
MOST_TERMS = 4_000_000  # starts x rows x components that climb at once


@dataclass(frozen=True, eq=False)
class EMFit:
    """A maximum-likelihood mixture, its components by increasing mean.

    Attributes
    ----------
    components : Components, shape (K,)
        Their weights, means and sds are attributes of the fit too.
    log_likelihood : float
        Natural log, summed over the sample.
    n : int
        Observations.
    equal_variance : bool
        One sd for all components.
    entropy : float
        Of the memberships, natural log, summed over the sample.
    starts, best_starts, collapsed_starts : int
        Starts tried, starts that reached this maximum, and starts that were
        thrown away because a component collapsed onto one or two values.
    converged : bool
        The tolerance was met.
    seconds : float
        That the fit took.
    maxima : list of (Components, float)
        Where each proper start ended, and the log likelihood there, the best
        included; those far below the best stand near a maximum, not on it.
    """

    components: Components
    log_likelihood: float
    n: int
    equal_variance: bool
    entropy: float
    starts: int
    best_starts: int
    collapsed_starts: int
    converged: bool
    seconds: float
    maxima: list[tuple[Components, float]]

    @property
    def weights(self) -> np.ndarray:
        return self.components.weights

    @property
    def means(self) -> np.ndarray:
        return self.components.means

    @property
    def sds(self) -> np.ndarray:
        return self.components.sds

    @property
    def n_parameters(self) -> int:
        k = len(self.weights)
        return (k - 1) + k + (1 if self.equal_variance else k)

    @property
    def bic(self) -> float:
        """Schwarz's criterion, smaller is better (mclust prints its negative)."""
        return -2 * self.log_likelihood + self.n_parameters * np.log(self.n)

    @property
    def aic(self) -> float:
        """Akaike's criterion, smaller is better."""
        return -2 * self.log_likelihood + 2 * self.n_parameters

    @property
    def icl(self) -> float:
        """BIC with the memberships' entropy as a further penalty (Biernacki et al. 2000)."""
        return self.bic + 2 * self.entropy

    def as_json(self, errors: dict[str, np.ndarray], counts: pd.DataFrame | None = None) -> dict[str, Any]:
        """As em.json holds it, with standard errors (from `em_standard_errors`) and a table of numbers of components."""
        return {
            **{name: values.tolist() for name, values in self.components._asdict().items()},
            "standard_errors": {name: error.tolist() for name, error in errors.items()},
            "log_likelihood": self.log_likelihood,
            "bic": self.bic,
            "aic": self.aic,
            "icl": self.icl,
            "n": self.n,
            "components": [] if counts is None else counts.reset_index().to_dict("records"),
        }


class CollapseError(ValueError):
    """Every start of EM collapsed: the likelihood has no proper maximum that could be found."""


def fit_em(
    sample: Sample,
    n_components: int,
    rng: np.random.Generator,
    starts: int = 20,
    tolerance: float = 1e-8,
    variance: str = "free",
) -> EMFit:
    """Fit a mixture by EM from many starts and keep the best proper maximum.

    All starts climb at once, on standardised data, so that units do not matter. The
    best of exact values is scikit-learn's `GaussianMixture`, begun there. The likelihood of
    free variances is unbounded where a component shrinks onto one value: such
    a start is counted and thrown away.

    Parameters
    ----------
    sample : Sample
    n_components : int
    rng : numpy.random.Generator
    starts : int
        Random starts.
    tolerance : float
        Stop when the mean log likelihood gains less than this in an iteration.
    variance : {"free", "equal"}

    Returns
    -------
    EMFit

    Raises
    ------
    CollapseError
        If no start led to a proper maximum.
    """
    begun, equal = time.perf_counter(), variance == "equal"
    standard, in_data_units = _standardised(sample)
    rough = _climb_from(standard, _random_starts(standard, n_components, rng, starts), max(tolerance, ROUGH), equal)
    found = _polish_best(standard, rough, equal)
    proper = [components for components in found if not _collapsed(standard, components, equal)]
    if not proper:
        raise CollapseError(
            f"EM with {n_components} components collapsed from each of {starts} starts: lower n_components"
        )
    reached = np.array([_total(standard, components) for components in proper])
    # The best start climbs on, so that the answer does not show where the tolerance stopped it.
    best, converged = _finish(standard, proper[reached.argmax()], tolerance, equal)
    components = in_data_units(*best)
    share = membership_probabilities(sample, *components)
    same = reached > reached.max() - SAME - 10 * tolerance * sample.n
    return EMFit(
        components,
        _total(sample, components),
        sample.n,
        equal,
        float(sample.count @ special.entr(share).sum(axis=1)),
        starts,
        int(same.sum()),
        starts - len(proper),
        bool(converged),
        time.perf_counter() - begun,
        [(in_data_units(*p), _total(sample, in_data_units(*p))) for p in proper],
    )


def rough_maxima(sample: Sample, n_components: int, rng: np.random.Generator, starts: int = 20) -> list[Components]:
    """Where EM comes in its quick first steps from random starts, the highest first; what collapsed is left out.

    Good enough to climb on from, by the likelihood or by a posterior.
    """
    standard, in_data_units = _standardised(sample)
    rough = _climb_from(standard, _random_starts(standard, n_components, rng, starts), ROUGH, False)
    proper = [components for components, _ in rough if not _collapsed(standard, components, False)]
    return [in_data_units(*each) for each in sorted(proper, key=lambda each: -_total(standard, each))]


def fit_em_proper(
    sample: Sample,
    n_components: int,
    rng: np.random.Generator,
    starts: int = 20,
    tolerance: float = 1e-8,
    variance: str = "free",
) -> EMFit:
    """`fit_em`, with one variance for all components where every start with free ones collapsed.

    ``equal_variance`` of the result tells which it is. Raises `InputError`
    where these collapse too: the sample holds too few different values.
    """
    try:
        return fit_em(sample, n_components, rng, starts, tolerance, variance)
    except CollapseError:
        try:
            return fit_em(sample, n_components, rng, starts, tolerance, "equal")
        except CollapseError:
            raise InputError(
                f"n_components: given {n_components}; allowed: fewer, or another sample: on this one EM collapses "
                f"from each of {starts} starts, even with equal variances"
            ) from None


def fit_pilot(sample: Sample, n_components: int | str, rng: np.random.Generator, starts: int = PILOT_STARTS) -> EMFit:
    """A first fit from few starts, which tells how narrow the narrowest component is.

    Parameters
    ----------
    sample : Sample
    n_components : int or "auto"
        auto takes the number up to `PILOT_MOST` with the smallest BIC.
    rng : numpy.random.Generator
    starts : int
        At most `PILOT_STARTS` of them are made.

    Returns
    -------
    EMFit
    """
    starts = min(starts, PILOT_STARTS)
    if n_components != "auto":
        return fit_em_proper(sample, n_components, rng, starts)
    fits = [fit_em_proper(sample, 1, rng, starts)]
    for k in range(2, min(PILOT_MOST, sample.n // 2) + 1):
        with contextlib.suppress(CollapseError):
            fits.append(fit_em(sample, k, rng, starts))
    return min(fits, key=lambda fit: fit.bic)


def _standardised(sample):
    """The sample in units of its own mean and sd, and the way back for components."""
    center, scale = sample.mean(), sample.sd()
    if not scale > 0:
        raise CollapseError("EM needs at least two different values")
    lower = (sample.lower - center) / scale
    standard = Sample(lower, lower if sample.exact else (sample.upper - center) / scale, sample.count)
    return standard, lambda w, m, s: sort_components(w, center + scale * m, scale * s)


def _random_starts(sample, n_components, rng, starts):
    """(weights, means, sds) to climb from: k-means++ centers, equal weights, sds as if K components filled the range."""
    points = []
    for _ in range(starts):
        centers, _ = kmeans_plusplus(
            sample.value[:, None], n_components, sample_weight=sample.count, random_state=int(rng.integers(2**31))
        )
        sds = np.full(n_components, np.exp(rng.normal(0, 0.3)) / n_components)  # in sds of the sample
        points.append((np.full(n_components, 1 / n_components), centers[:, 0], sds))
    return points


def _total(sample, components):
    return float(sample.count @ mixture_log_likelihood(sample, *components))


def _em_on_values(values, points, tolerance, equal):
    """EM for values, shape (N,) or a sample for each point (S, N), from all points at once; returns as `_climb`.

    A component a row: NumPy is quick along the values, slow along a few components.
    """

    def step(on, w, m, s):
        z = ((values if values.ndim == 1 else values[on])[..., None, :] - m[..., None]) / s[..., None]
        joint = np.log(np.maximum(w, 1e-300) / s)[..., None] - z**2 / 2
        largest = joint.max(axis=1, keepdims=True)
        share = np.exp(joint - largest)
        row = share.sum(axis=1, keepdims=True)
        share /= row
        total = np.maximum(share.sum(axis=-1), 1e-300)
        first, second = np.einsum("skn,skn->sk", share, z) / total, np.einsum("skn,skn,skn->sk", share, z, z) / total
        variance = s**2 * (second - first**2)
        if equal:
            variance = np.broadcast_to((total * variance).sum(axis=1, keepdims=True) / z.shape[-1], variance.shape)
        reached = (largest + np.log(row)).mean(axis=(1, 2)) - np.log(2 * np.pi) / 2
        return reached, (total / z.shape[-1], m + s * first, np.sqrt(np.maximum(variance, 1e-12)))

    return _climb(step, points, tolerance)


def _climb_from(sample, points, tolerance, equal):
    """EM from each point, as many at once as memory is kind to; returns as `_climb`."""
    k = len(points[0][0])
    pieces = np.array_split(np.arange(len(points)), max(1, len(points) * k * len(sample.count) // MOST_TERMS))
    em = partial(_em_on_values, sample.value) if sample.exact else partial(_em_on_cells, sample)
    return [each for piece in pieces if len(piece) for each in em([points[i] for i in piece], tolerance, equal)]


def _polish_best(sample, rough, equal):
    """The points of `_climb`, the best of those that differ brought to their maxima; the others as they are."""
    points, polished = [components for components, _ in rough], {}
    lines = _to_line(stack_components([sort_components(*components) for components in points]))
    for i in np.argsort([-_total(sample, components) for components in points]):
        near = [j for j in polished if np.abs(lines[i] - lines[j]).max() < NEAR]
        if near:
            points[i] = polished[near[0]]
        elif len(polished) < MOST_POLISHED and not _collapsed(sample, points[i], equal):
            points[i] = polished[i] = _polish(sample, points[i], equal)
    return points


def _finish(sample, point, tolerance, equal):
    """The maximum that a point is next to: by L-BFGS where EM creeps, and by scikit-learn's own last steps."""
    best, converged = _climb_from(sample, [_polish(sample, point, equal)], tolerance * 1e-4, equal)[0]
    return _gaussian_mixture(sample, best, tolerance, equal) if sample.exact else (best, converged)


def _gaussian_mixture(sample, point, tolerance, equal):
    w, m, s = point
    model = GaussianMixture(
        len(w),
        covariance_type="tied" if equal else "spherical",
        tol=tolerance,
        max_iter=MOST_ITERATIONS,
        reg_covar=1e-12,
        weights_init=w / np.sum(w),
        means_init=m[:, None],
        precisions_init=s[:1, None] ** -2.0 if equal else s**-2.0,
    )
    with warnings.catch_warnings():  # the result says whether it converged
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(sample.value[:, None])
    variances = np.broadcast_to(np.ravel(model.covariances_), len(w))
    return Components(model.weights_, model.means_[:, 0], np.sqrt(variances)), model.converged_


def _polish(sample, point, equal):
    """The maximum next to a point by L-BFGS, where that is higher, proper and near; otherwise the point itself.

    EM's last steps towards a flat maximum are thousands, each a little shorter than the one before.
    """
    k, c = len(point.weights), sample.count / sample.n
    if k == 1 or np.min(point.weights) < 1e-12:
        return point

    def components(theta):
        weights = special.softmax(np.append(theta[: k - 1], 0.0))
        return Components(weights, theta[k - 1 : 2 * k - 1], np.exp(np.broadcast_to(theta[2 * k - 1 :], k)))

    def objective(theta):
        w, m, s = components(theta)
        joint = component_log_likelihood(sample, w, m, s)
        row = log_sum_components(joint)
        share = c[:, None] * np.exp(joint - row[:, None])
        by_mean, by_sd = _slopes(sample, joint - np.log(w), share, m, s)
        gradient = [(share.sum(axis=0) - w)[:-1], by_mean / s, by_sd.sum(keepdims=True) if equal else by_sd]
        return -row @ c, -np.concatenate(gradient)

    start = np.concatenate(
        [np.log(point.weights[:-1] / point.weights[-1]), point.means, np.log(point.sds[: 1 if equal else k])]
    )
    # A collapse is far away: what lies within reach of a point, and from there again, is not on the way to one.
    reach = np.append(np.full(k - 1, 6.0), np.full(len(start) - k + 1, 1.0))
    lowest, best = objective(start)[0], start
    with np.errstate(all="ignore"):
        for _ in range(MOST_REACHES):
            climbed = optimize.minimize(
                objective,
                best,
                jac=True,
                method="L-BFGS-B",
                bounds=np.stack([best - reach, best + reach], 1),
                options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-9},
            )
            if not climbed.fun <= lowest or _collapsed(sample, components(climbed.x), equal):
                break
            within = np.all(np.abs(climbed.x - best) < reach)
            lowest, best = climbed.fun, climbed.x
            if within:
                break
    return components(best)


def _slopes(sample, log_mass, share, m, s):
    """Of the log likelihood, by each mean in units of its sd and by each log sd; `share` weighs the rows, shape (M, K)."""
    if sample.exact:
        z = (sample.value[:, None] - m) / s
        return (share * z).sum(axis=0), (share * (z**2 - 1)).sum(axis=0)
    first, second = _cell_moments(sample, log_mass, share, m, s)
    return (share * first).sum(axis=0), (share * (second - 1)).sum(axis=0)


def _em_on_cells(sample, points, tolerance, equal):
    """EM for grouped data (McLachlan & Jones 1988) from all points at once; returns as `_climb`.

    The M step needs the mean and variance of a Normal within each cell, which
    are those of a truncated Normal. scikit-learn takes no weights, so this
    one is ours.
    """
    c = sample.count / sample.n

    def step(_, w, m, s):
        joint = component_log_likelihood(sample, w, m, s)
        row = log_sum_components(joint)
        return row @ c, _m_step(sample, c, np.exp(joint - row[..., None]), joint, w, m, s, equal)

    return _climb(step, points, tolerance)


def _climb(step, points, tolerance):
    """EM from many points at once, its slow end shortened by SQUAREM (Varadhan & Roland 2008).

    Two steps of EM tell the direction and how they shorten; a leap of many follows, and is kept if it is not lower.

    Parameters
    ----------
    step : callable
        Takes which points still climb and their weights, means and sds, shape (S, K) each; returns their mean log
        likelihoods and their next weights, means and sds.
    points : list of (weights, means, sds)
    tolerance : float
        Of the gain of the mean log likelihood from one leap to the next.

    Returns
    -------
    list of (Components, converged)
    """
    now, last = _to_line(stack_components(points)), np.full(len(points), -np.inf)
    done, longest = np.zeros(len(points), bool), np.ones((len(points), 1, 1))
    for _ in range(MOST_LEAPS):
        on = np.flatnonzero(~done)
        start = now[on]
        low, first = step(on, *_from_line(start))
        high, second = step(on, *_from_line(_to_line(first)))
        first, second = _to_line(first), _to_line(second)
        slope = first - start
        bend = second - first - slope
        length = np.linalg.norm(slope, axis=(1, 2)) / np.maximum(np.linalg.norm(bend, axis=(1, 2)), 1e-300)
        length = np.clip(length[:, None, None], 1.0, longest[on])
        leapt, after = step(on, *_from_line(start + 2 * length * slope + length**2 * bend))
        kept = (leapt >= high)[:, None, None]  # false for what is not a number, too
        now[on] = np.where(kept, _to_line(after), second)
        longest[on] = np.where(
            kept, np.where(length < longest[on], longest[on], 4 * longest[on]), np.maximum(1.0, length / 4)
        )
        done[on], last[on] = low - last[on] < tolerance, low
        if done.all():
            break
    return [(Components(*each), bool(finished)) for each, finished in zip(_from_line(now).transpose(1, 0, 2), done)]


def _to_line(components):
    """Log weights, means and log sds, shape (S, 3, K): where straight lines stay mixtures."""
    w, m, s = components
    return np.stack([np.log(np.maximum(w, 1e-300)), m, np.log(s)], axis=1)


def _from_line(line):
    """The inverse of `_to_line`, shape (3, S, K); weights are brought to sum to one."""
    with np.errstate(over="ignore"):
        return np.stack([special.softmax(line[:, 0], axis=-1), line[:, 1], np.clip(np.exp(line[:, 2]), 1e-6, 1e6)])


def _m_step(sample, c, share, joint, w, m, s, equal):
    """New weights, means and sds from memberships and the moments of truncated Normals."""
    total = np.maximum(np.einsum("m,smk->sk", c, share), 1e-300)
    each = c[:, None] * share / total[:, None, :]
    first, second = _cell_moments(sample, joint - np.log(w)[:, None, :], share, m[:, None, :], s[:, None, :])
    mean = m + s * (each * first).sum(axis=1)
    step = ((m - mean) / s)[:, None, :]
    variance = s**2 * (each * (second + 2 * step * first + step**2)).sum(axis=1)
    if equal:
        variance = np.broadcast_to((total * variance).sum(axis=1, keepdims=True), variance.shape)
    return total, mean, np.sqrt(np.maximum(variance, 1e-12))


def _cell_moments(sample, log_mass, share, m, s):
    """First and second moment within each cell of (x - m) / s, if x is Normal: of truncated Normals, shape (..., M, K)."""
    left, right = ((edge[:, None] - m) / s for edge in (sample.lower, sample.upper))
    with np.errstate(over="ignore", invalid="ignore"):
        at_left, at_right = (np.exp(-np.square(e) / 2 - np.log(2 * np.pi) / 2 - log_mass) for e in (left, right))
        left, right = (np.where(np.isinf(e), 0, e) for e in (left, right))  # at an open end z phi(z) is 0
        first, second = at_left - at_right, 1 + left * at_left - right * at_right
    far = ~np.isfinite(first) | ~np.isfinite(second) | (share < 1e-14)  # no member there: its moments do not matter
    return np.where(far, 0, first), np.where(far, 1, second)


def _collapsed(sample, components, equal):
    """Whether a component stands on fewer than three different values, or within one cell, or two components are one.

    One sd for all shrinks to nothing only where all components stand so.
    """
    _, means, sds = sort_components(*components)
    if sample.exact and len(means) == 1:
        return not sds[0] > 0  # one component has to stand on all values, be they only two
    if sample.exact:
        near = np.abs(sample.value[:, None] - means) < 4 * sds
        shrunk = np.array([len(np.unique(sample.value[own])) < 3 for own in near.T])
    else:
        shrunk = 4 * sds < _width_around(sample, means) / 2
    twins = (np.diff(means) < 1e-3 * sds[:-1]) & (np.abs(np.diff(np.log(sds))) < 1e-3)
    return (shrunk.all() if equal else shrunk.any()) or twins.any()


def _width_around(sample, means):
    """Width of the cell at each mean, or just below it; of an open cell that of its neighbour."""
    lower, upper = sample.closed
    order = np.argsort(lower)
    place = np.clip(np.searchsorted(lower[order], means, "right") - 1, 0, len(order) - 1)
    return (upper - lower)[order][place]


def em_standard_errors(sample: Sample, fit: EMFit) -> dict[str, np.ndarray]:
    """Standard errors of an EM fit from the observed information.

    The information is the negative Hessian of the log likelihood at the
    maximum, in free coordinates (log weight ratios, means in sds, log sds):
    numerical derivatives of the score; the delta method brings it back.

    Parameters
    ----------
    sample : Sample
    fit : EMFit

    Returns
    -------
    dict of ndarray, shape (K,)
        Keys weights, means, sds. All NaN where the information is not
        positive definite: the fit is then no strict maximum.
    """
    k, n_sds = len(fit.weights), 1 if fit.equal_variance else len(fit.weights)

    def components(theta):
        log_ratio = np.concatenate([theta[: k - 1], np.zeros((1, theta.shape[1]))])
        weights = special.softmax(np.log(fit.weights / fit.weights[-1])[:, None] + log_ratio, axis=0)
        means = fit.means[:, None] + fit.sds[:, None] * theta[k - 1 : 2 * k - 1]
        sds = fit.sds[:, None] * np.exp(theta[2 * k - 1 :])
        return weights.T, means.T, sds.T

    def score(theta):
        """Of the mean log likelihood by theta, from what EM's E step knows (Fisher's identity)."""
        points = zip(*components(theta.reshape(len(theta), -1)), strict=True)
        return np.stack([slopes(*point) for point in points], axis=1).reshape(theta.shape)

    def slopes(w, m, s):
        joint = component_log_likelihood(sample, w, m, s)
        share = np.exp(joint - log_sum_components(joint)[:, None]) * (sample.count / sample.n)[:, None]
        by_mean, by_log_sd = _slopes(sample, joint - np.log(w), share, m, s)
        by_log_sd = by_log_sd.sum(keepdims=True) if fit.equal_variance else by_log_sd
        return np.concatenate([(share.sum(axis=0) - w)[:-1], by_mean * fit.sds / s, by_log_sd])

    curvature = jacobian(score, np.zeros(2 * k - 1 + n_sds), initial_step=0.1, maxiter=4).df
    information = -sample.n * (curvature + curvature.T) / 2
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0:
        return {name: np.full(k, np.nan) for name in ("weights", "means", "sds")}
    covariance = np.linalg.inv(information)
    slope = (np.diag(fit.weights) - np.outer(fit.weights, fit.weights))[:, : k - 1]  # of the softmax
    relative = np.sqrt(np.diag(covariance))
    return {
        "weights": np.sqrt(np.einsum("ij,jk,ik->i", slope, covariance[: k - 1, : k - 1], slope)),
        "means": fit.sds * relative[k - 1 : 2 * k - 1],
        "sds": fit.sds * relative[2 * k - 1 :],
    }


def bootstrap_errors(
    fit: EMFit, rng: np.random.Generator, replicates: int = 200, tolerance: float = 1e-8, cells: Sample | None = None
) -> dict[str, np.ndarray]:
    """Standard errors by parametric bootstrap: the spread of EM over samples drawn from the fit.

    Each replicate is fitted from the fit itself, so that its components keep
    their names, and left out where a component collapsed; the check on
    `em_standard_errors`, which trusts a quadratic likelihood.

    Parameters
    ----------
    fit : EMFit
    rng : numpy.random.Generator
    replicates : int
    tolerance : float
        As in `fit_em`; a loose one stops near the start and makes errors too small.
    cells : Sample, optional
        As the likelihood saw it: what is drawn is counted in its cells, unless they are too narrow to matter.

    Returns
    -------
    dict of ndarray, shape (K,)
        Keys weights, means, sds.
    """
    center = fit.weights @ fit.means
    scale = np.sqrt(fit.weights @ (fit.sds**2 + (fit.means - center) ** 2))
    standard = fit.weights, (fit.means - center) / scale, fit.sds / scale
    values = np.stack([simulate_mixture(fit.n, *standard, rng, "random")[0] for _ in range(replicates)])
    if cells is None or cells.exact or (cells.regular and cells.width < NARROW * fit.sds.min()):
        samples = list(map(Sample.of_values, values))
        found = _em_on_values(values, [standard] * replicates, tolerance, fit.equal_variance)
    else:
        cells = Sample((cells.lower - center) / scale, (cells.upper - center) / scale, cells.count)
        samples = list(map(cells.recount, values))
        found = [_em_on_cells(each, [standard], tolerance, fit.equal_variance)[0] for each in samples]
    drawn = [
        sort_components(*components)
        for sample, (components, _) in zip(samples, found, strict=True)
        if not _collapsed(sample, components, fit.equal_variance)
    ]
    weights, means, sds = np.std(drawn, axis=0, ddof=1)
    return {"weights": weights, "means": scale * means, "sds": scale * sds}


def compare_component_counts(fits: dict[int, EMFit], variance: str = "free") -> pd.DataFrame:
    """EM's criteria side by side.

    Parameters
    ----------
    fits : dict of int to EMFit
        By the number of components; from `fit_em_proper`.
    variance : {"free", "equal"}
        What they were asked for.

    Returns
    -------
    pandas.DataFrame
        Indexed by K: log_likelihood, parameters, bic, aic, icl (smaller is
        better), collapsed (starts thrown away); NaN where every start with
        free variances collapsed.
    """
    rows = {}
    for k, fit in fits.items():
        if fit.equal_variance and variance == "free":
            rows[k] = {"collapsed": fit.starts}
            continue
        rows[k] = {
            "log_likelihood": fit.log_likelihood,
            "parameters": fit.n_parameters,
            "bic": fit.bic,
            "aic": fit.aic,
            "icl": fit.icl,
            "collapsed": fit.collapsed_starts,
        }
    names = ["log_likelihood", "parameters", "bic", "aic", "icl", "collapsed"]
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=names).rename_axis("K")
