"""The compiled part of the Gibbs sampler: every move of a chain, and the density that it leaves invariant.

Everything here is numba on plain arrays, one kernel for any number of values and components and any prior.
It is compiled once on a machine: what was compiled is kept in the user's cache by the content of this file.

point
    weights, means and log sds of K components
free coordinates
    log weight ratios to the last component (K - 1), means (K), log sds (K): D = 3 K - 1 numbers
terms
    of a row, by component: weight x density, or weight x mass of the row's cell; their sum is the row's likelihood
"""

import hashlib
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit
from numba.core.caching import AppDirs, CompileResultCacheImpl, FunctionCache, UserWideCacheLocator
from numba.core.dispatcher import Dispatcher

UNIFORM, HALFNORMAL, LOGNORMAL, HIERARCHICAL = range(4)
# Richardson & Green 1997: precisions ~ Gamma(2, beta), beta ~ Gamma(0.2, 10 / range^2).
PRECISION_SHAPE, BETA_SHAPE, BETA_RATE = 2.0, 0.2, 10.0
SQRT2, LOG_2PI, SQRT_2PI = math.sqrt(2.0), math.log(2.0 * math.pi), math.sqrt(2.0 * math.pi)
T_DF = 5.0  # degrees of freedom of the jumps' proposals
CELL_STEPS = (0.6, 1.7, 4.0)  # widths of the Metropolis steps on cells, in approximate posterior sds


# -- where compiled code is kept --------------------------------------------------------------


class _ContentLocator(UserWideCacheLocator):
    """A folder of the user's, the same for every copy of the kernels with the same content; a temporary one if need be."""

    def __init__(self, py_func, py_file):
        super().__init__(py_func, py_file)
        name = Path("gaussian-mixtures", self.get_source_stamp().hex()[:24])
        for folder in (AppDirs(appname="numba", appauthor=False).user_cache_dir, tempfile.gettempdir()):
            self._cache_path = os.path.join(folder, name)
            try:
                self.ensure_cache_path()
                if os.stat(self._cache_path).st_uid == os.getuid():  # what another user put there is not to be run
                    return
            except OSError:
                continue

    def get_source_stamp(self) -> bytes:
        """A digest of the function's file and of this one, which other kernels call into."""
        return hashlib.sha256(Path(self._py_file).read_bytes() + Path(__file__).read_bytes()).digest()


class _Impl(CompileResultCacheImpl):
    _locator_classes = [_ContentLocator]


class _Cache(FunctionCache):
    _impl_class = _Impl


def compiled(function: Callable) -> Dispatcher:
    """`njit` without the GIL, kept for the next process."""
    dispatcher = njit(nogil=True)(function)
    dispatcher._cache = _Cache(function)
    return dispatcher


# -- density ----------------------------------------------------------------------------------


@njit(nogil=True)
def log_survival(z):
    """log P(Z > z) of a standard Normal, for z >= 0."""
    if z < 30.0:
        return math.log(0.5 * math.erfc(z / SQRT2))
    return -0.5 * z * z - 0.5 * LOG_2PI - math.log(z) + math.log1p(-1.0 / (z * z) + 3.0 / z**4)


@njit(nogil=True)
def is_narrow(left, right):
    """Whether `excess` is exact to ten digits: cells as narrow as that are the most."""
    return right - left < 0.5 and abs(right - left) * abs(right + left) < 2.0


@njit(nogil=True)
def excess(left, right):
    """P(left < Z < right) / (phi(middle) (right - left)), less one, by the Taylor series of the density (Hermite polynomials)."""
    s, b = 0.25 * (left + right) ** 2, 0.25 * (right - left) ** 2
    fourth = s * s - 6.0 * s + 3.0
    sixth = ((s - 15.0) * s + 45.0) * s - 15.0
    eighth = (((s - 28.0) * s + 210.0) * s - 420.0) * s + 105.0
    return b * ((s - 1.0) / 6.0 + b * (fourth / 120.0 + b * (sixth / 5040.0 + b * eighth / 362880.0)))


@njit(nogil=True)
def log_height(left, right):
    """log(phi(middle) (1 + `excess`)) of a narrow cell: the log of its mass, less that of its width."""
    e = excess(left, right)
    correction = e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - 0.25 * e))) if abs(e) < 1e-3 else math.log1p(e)
    return correction - 0.125 * (left + right) ** 2 - 0.5 * LOG_2PI


@njit(nogil=True)
def log_cell_mass(left, right):
    """log P(left < Z < right) of a standard Normal, exact far into both tails."""
    if is_narrow(left, right):
        return math.log(right - left) + log_height(left, right)
    if right < 0.0:
        left, right = -right, -left
    if left <= 0.0:
        return math.log(0.5 * (math.erf(right / SQRT2) - math.erf(left / SQRT2)))
    near = log_survival(left)
    gap = 0.5 * (right - left) * (right + left)
    if right == math.inf or gap > 40.0:
        return near
    if left < 30.0:
        return near + math.log(-math.expm1(log_survival(right) - near))
    return near + math.log(-math.expm1(math.log(left / right) - gap))


@njit(nogil=True)
def cell_mass(left, right):
    """P(left < Z < right) of a standard Normal."""
    if is_narrow(left, right):
        return (right - left) * (1.0 + excess(left, right)) * math.exp(-0.125 * (left + right) ** 2) / SQRT_2PI
    if right < 0.0:
        left, right = -right, -left
    if left <= 0.0:
        return 0.5 * (math.erf(right / SQRT2) - math.erf(left / SQRT2))
    return 0.5 * (math.erfc(left / SQRT2) - math.erfc(right / SQRT2))


@njit(nogil=True)
def log_likelihood(lower, upper, count, exact, w, mu, u, terms):
    """Log likelihood of the sample; fills the terms of each row, up to a factor of the row's own."""
    rows, k = len(lower), len(w)
    total, product = 0.0, 1.0
    narrow, height = np.exp(-u), w * np.exp(-u)
    for i in range(rows):
        row = 0.0
        for j in range(k):
            if exact:
                z = (lower[i] - mu[j]) * narrow[j]
                term = height[j] * math.exp(-0.5 * z * z)
            else:
                term = w[j] * cell_mass((lower[i] - mu[j]) * narrow[j], (upper[i] - mu[j]) * narrow[j])
            terms[i, j] = term
            row += term
        if row < 1e-270:  # far from every component: by logarithms
            largest = -math.inf
            for j in range(k):
                if exact:
                    z = (lower[i] - mu[j]) * narrow[j]
                    terms[i, j] = math.log(w[j]) - u[j] - 0.5 * z * z
                else:
                    log_mass = log_cell_mass((lower[i] - mu[j]) * narrow[j], (upper[i] - mu[j]) * narrow[j])
                    terms[i, j] = math.log(w[j]) + log_mass
                largest = max(largest, terms[i, j])
            if largest == -math.inf:
                return -math.inf
            row = 0.0
            for j in range(k):
                terms[i, j] = math.exp(terms[i, j] - largest)
                row += terms[i, j]
            total += count[i] * largest
        if exact:  # one logarithm for many rows
            product *= row
            if product < 1e-30 or product > 1e30:
                total += math.log(product)
                product = 1.0
        else:
            total += count[i] * math.log(row)
    total += math.log(product)
    return total - 0.5 * LOG_2PI * rows if exact else total


@njit(nogil=True)
def log_sd_prior(u, family, scale, floor):
    """Log density of one log sd, up to a constant; the hierarchical family is `log_sds_prior`'s."""
    if u < floor:
        return -math.inf
    if family == UNIFORM:
        return u if u < math.log(scale) else -math.inf
    if family == HALFNORMAL:
        return u - 0.5 * (math.exp(u) / scale) ** 2
    return -0.5 * (u - math.log(scale)) ** 2


@njit(nogil=True)
def log_sds_prior(u, family, scale, floor):
    """Log density of all log sds, up to a constant; beta of the hierarchical family is integrated out."""
    total = 0.0
    if family == HIERARCHICAL:
        precisions = 0.0
        for j in range(len(u)):
            if u[j] < floor:
                return -math.inf
            total -= 2.0 * PRECISION_SHAPE * u[j]
            precisions += math.exp(-2.0 * u[j])
        return total - (BETA_SHAPE + PRECISION_SHAPE * len(u)) * math.log(BETA_RATE / scale**2 + precisions)
    for j in range(len(u)):
        total += log_sd_prior(u[j], family, scale, floor)
    return total


@njit(nogil=True)
def log_prior(w, mu, u, a, m, t, family, scale, floor):
    """Log prior density in free coordinates, up to a constant: with the weights' and the sds' Jacobian."""
    total = log_sds_prior(u, family, scale, floor)
    for j in range(len(w)):
        total += a * math.log(w[j]) - 0.5 * t[j] * (mu[j] - m[j]) ** 2
    return total


@njit(nogil=True)
def copy_point(w, mu, u, w2, mu2, u2):
    """A point's numbers into another's arrays, one by one: to compile an assignment of slices takes numba seconds."""
    for j in range(len(w)):
        w2[j], mu2[j], u2[j] = w[j], mu[j], u[j]


@njit(nogil=True)
def to_free(w, mu, u, y):
    k = len(w)
    for j in range(k - 1):
        y[j] = math.log(w[j] / w[k - 1])
    for j in range(k):
        y[k - 1 + j], y[2 * k - 1 + j] = mu[j], u[j]


@njit(nogil=True)
def from_free(y, w, mu, u):
    k = len(w)
    largest = 0.0
    for j in range(k - 1):
        largest = max(largest, y[j])
    total = 0.0
    for j in range(k):
        w[j] = math.exp((y[j] if j < k - 1 else 0.0) - largest)
        total += w[j]
    for j in range(k):
        w[j] = max(w[j] / total, 1e-300)
        mu[j], u[j] = y[k - 1 + j], y[2 * k - 1 + j]


@compiled
def log_posterior_of_points(lower, upper, count, exact, a, m, t, family, scale, floor, points, out):
    """Log posterior density in free coordinates, up to a constant, of points of shape (S, D)."""
    k = len(m)
    w, mu, u, terms = np.empty(k), np.empty(k), np.empty(k), np.empty((len(lower), k))
    for s in range(len(points)):
        from_free(points[s], w, mu, u)
        prior = log_prior(w, mu, u, a, m, t, family, scale, floor)
        out[s] = prior + log_likelihood(lower, upper, count, exact, w, mu, u, terms) if prior > -math.inf else prior


@compiled
def log_posterior_gradient(lower, upper, count, exact, a, m, t, family, scale, floor, y, gradient):
    """Log posterior density in free coordinates, up to a constant, and its gradient, of one point."""
    rows, k = len(lower), len(m)
    w, mu, u, terms = np.empty(k), np.empty(k), np.empty(k), np.empty((rows, k))
    from_free(y, w, mu, u)
    prior = log_prior(w, mu, u, a, m, t, family, scale, floor)
    for j in range(len(gradient)):
        gradient[j] = 0.0
    if prior == -math.inf:
        return prior
    likelihood = log_likelihood(lower, upper, count, exact, w, mu, u, terms)
    n, sds = 0.0, np.exp(u)
    for i in range(rows):
        row = 0.0
        for j in range(k):
            row += terms[i, j]
        n += count[i]
        for j in range(k):
            share, sd = count[i] * terms[i, j] / row, sds[j]
            if share == 0.0:
                continue
            if exact:
                z = (lower[i] - mu[j]) / sd
                by_mean, by_sd = z / sd, z * z - 1.0
            else:
                left, right = (lower[i] - mu[j]) / sd, (upper[i] - mu[j]) / sd
                log_mass = log_cell_mass(left, right)
                at_left = math.exp(-0.5 * left * left - 0.5 * LOG_2PI - log_mass) if left > -math.inf else 0.0
                at_right = math.exp(-0.5 * right * right - 0.5 * LOG_2PI - log_mass) if right < math.inf else 0.0
                by_mean = (at_left - at_right) / sd
                by_sd = (left * at_left if at_left > 0.0 else 0.0) - (right * at_right if at_right > 0.0 else 0.0)
            if j < k - 1:
                gradient[j] += share
            gradient[k - 1 + j] += share * by_mean
            gradient[2 * k - 1 + j] += share * by_sd
    precisions = 0.0
    for j in range(k):
        precisions += math.exp(-2.0 * u[j])
    for j in range(k):
        if j < k - 1:
            gradient[j] += -n * w[j] + a * (1.0 - k * w[j])
        gradient[k - 1 + j] -= t[j] * (mu[j] - m[j])
        if family == UNIFORM:
            by_sd = 1.0
        elif family == HALFNORMAL:
            by_sd = 1.0 - (math.exp(u[j]) / scale) ** 2
        elif family == LOGNORMAL:
            by_sd = -(u[j] - math.log(scale))
        else:
            by_sd = -2.0 * PRECISION_SHAPE + (BETA_SHAPE + PRECISION_SHAPE * k) * 2.0 * math.exp(-2.0 * u[j]) / (
                BETA_RATE / scale**2 + precisions
            )
        gradient[2 * k - 1 + j] += by_sd
    return prior + likelihood


@compiled
def ordered_log_posterior_gradient(lower, upper, count, exact, a, m, t, family, scale, floor, x, gradient):
    """As `log_posterior_gradient`, in coordinates that keep the means in order: the first, and the logs of the gaps."""
    k, y = len(m), x.copy()
    for j in range(k, 2 * k - 1):
        y[j] = y[j - 1] + math.exp(x[j])
    density = log_posterior_gradient(lower, upper, count, exact, a, m, t, family, scale, floor, y, gradient)
    for j in range(2 * k - 2, k - 1, -1):  # a gap moves all means that follow it
        gradient[j - 1] += gradient[j]
        gradient[j] = gradient[j] * math.exp(x[j]) + 1.0
        density += x[j]
    return density


# -- moves given the assignments --------------------------------------------------------------


@njit(nogil=True)
def truncated_normal(rng, mean, sd, low, high):
    """A Normal number between low and high (Robert 1995)."""
    a, b = (low - mean) / sd, (high - mean) / sd
    if a > 0.0 or b < 0.0:  # a tail
        flip = b < 0.0
        if flip:
            a, b = -b, -a
        rate = 0.5 * (a + math.sqrt(a * a + 4.0))
        if (b - a) * rate < 1.0:
            while True:
                z = a + (b - a) * rng.random()
                if rng.random() < math.exp(0.5 * (a * a - z * z)):
                    break
        else:
            while True:
                z = a - math.log(1.0 - rng.random()) / rate
                if z < b and rng.random() < math.exp(-0.5 * (z - rate) ** 2):
                    break
        return mean + sd * (-z if flip else z)
    if b - a > 2.5:
        while True:
            z = rng.standard_normal()
            if a < z < b:
                return mean + sd * z
    while True:
        z = a + (b - a) * rng.random()
        if rng.random() < math.exp(-0.5 * z * z):
            return mean + sd * z


@njit(nogil=True)
def draw_mean(rng, center, precision, low, high):
    """A Normal number, between its neighbours where the means are kept in order."""
    sd = 1.0 / math.sqrt(precision)
    if low == -math.inf and high == math.inf:
        return center + sd * rng.standard_normal()
    return truncated_normal(rng, center, sd, low, high)


@njit(nogil=True)
def draw_log_sd_from_prior(rng, family, scale, floor, beta):
    """A log sd from its prior; nearly all of it is above the floor."""
    while True:
        u = draw_log_sd(rng, family, scale, beta)
        if u >= floor:
            return u


@njit(nogil=True)
def draw_log_sd(rng, family, scale, beta):
    if family == UNIFORM:
        return math.log(scale * (1.0 - rng.random()))
    if family == HALFNORMAL:
        return math.log(max(scale * abs(rng.standard_normal()), 1e-300))
    if family == LOGNORMAL:
        return math.log(scale) + rng.standard_normal()
    return -0.5 * math.log(rng.standard_gamma(PRECISION_SHAPE) / beta)


@njit(nogil=True)
def slice_log_sd(rng, u, n, squares, family, scale, floor, beta):
    """One slice-sampling step on a log sd given n values with this sum of squares around their mean (Neal 2003)."""
    level = log_sd_given(u, n, squares, family, scale, floor, beta) + math.log(1.0 - rng.random())
    width = 3.0 / math.sqrt(2.0 * n + 1.0)
    left = u - width * rng.random()
    right = left + width
    while log_sd_given(left, n, squares, family, scale, floor, beta) > level:
        left -= width
    while log_sd_given(right, n, squares, family, scale, floor, beta) > level:
        right += width
    while True:
        new = left + (right - left) * rng.random()
        if new == u or log_sd_given(new, n, squares, family, scale, floor, beta) > level:
            return new  # rounding can leave nothing but u above the level
        if new < u:
            left = new
        else:
            right = new


@njit(nogil=True)
def log_sd_given(u, n, squares, family, scale, floor, beta):
    prior = log_sd_given_beta(u, family, scale, floor, beta)
    return prior if prior == -math.inf else prior - n * u - 0.5 * squares * math.exp(-2.0 * u)


@njit(nogil=True)
def log_sd_given_beta(u, family, scale, floor, beta):
    """Log density of a log sd, up to a constant, beta of the hierarchical family known."""
    if family == HIERARCHICAL:
        return -2.0 * PRECISION_SHAPE * u - beta * math.exp(-2.0 * u) if u >= floor else -math.inf
    return log_sd_prior(u, family, scale, floor)


@njit(nogil=True)
def draw_weights(rng, n, a, w):
    total = 0.0
    for j in range(len(w)):
        w[j] = max(rng.standard_gamma(a + n[j]), 1e-290)
        total += w[j]
    for j in range(len(w)):
        w[j] = max(w[j] / total, 1e-300)


@njit(nogil=True)
def draw_beta(rng, u, scale):
    rate = BETA_RATE / scale**2
    for j in range(len(u)):
        rate += math.exp(-2.0 * u[j])
    return rng.standard_gamma(BETA_SHAPE + PRECISION_SHAPE * len(u)) / rate


@njit(nogil=True)
def neighbours(mu, j, exchangeable):
    """Between which means the j-th must stay."""
    if exchangeable:
        return -math.inf, math.inf
    return mu[j - 1] if j > 0 else -math.inf, mu[j + 1] if j < len(mu) - 1 else math.inf


@njit(nogil=True)
def sweep_values(rng, x, terms, w, mu, u, a, m, t, family, scale, floor, exchangeable):
    """Assignments from their exact conditional, then weights, means and sds given them; how many each component got."""
    k = len(w)
    n, first, second = np.zeros(k), np.zeros(k), np.zeros(k)
    for i in range(len(x)):
        total = 0.0
        for j in range(k):
            total += terms[i, j]
        threshold, j = rng.random() * total, 0
        threshold -= terms[i, 0]
        while threshold >= 0.0 and j < k - 1:
            j += 1
            threshold -= terms[i, j]
        away = x[i] - mu[j]  # sums around the mean as it is: a narrow component's squares would cancel otherwise
        n[j] += 1.0
        first[j] += away
        second[j] += away * away
    draw_weights(rng, n, a, w)
    beta = draw_beta(rng, u, scale) if family == HIERARCHICAL else 0.0
    for j in range(k):
        low, high = neighbours(mu, j, exchangeable)
        precision = math.exp(-2.0 * u[j])
        posterior = t[j] + n[j] * precision
        old = mu[j]
        mu[j] = draw_mean(rng, (t[j] * m[j] + (first[j] + n[j] * old) * precision) / posterior, posterior, low, high)
        moved = mu[j] - old
        squares = max(second[j] - 2.0 * moved * first[j] + n[j] * moved * moved, 0.0)
        if n[j] == 0.0:
            u[j] = draw_log_sd_from_prior(rng, family, scale, floor, beta)
        else:
            u[j] = slice_log_sd(rng, u[j], n[j], squares, family, scale, floor, beta)
    return n


@njit(nogil=True)
def log_mass_of_members(lower, upper, log_width, members, j, mean, log_sd):
    """Log likelihood of one component's members, cell by cell."""
    total, narrow = 0.0, math.exp(-log_sd)
    for i in range(len(lower)):
        if members[i, j] > 0.0:
            left, right = (lower[i] - mean) * narrow, (upper[i] - mean) * narrow
            if is_narrow(left, right):
                total += members[i, j] * (log_width[i] - log_sd + log_height(left, right))
            else:
                total += members[i, j] * log_cell_mass(left, right)
    return total


@njit(nogil=True)
def sweep_cells(rng, lower, upper, count, terms, members, w, mu, u, a, m, t, family, scale, floor, exchangeable):
    """Each row's count split among the components, then weights given the split, means and sds by Metropolis steps.

    The steps' width depends on the split alone, so that they are symmetric. Returns how many each component got.
    """
    rows, k = len(lower), len(w)
    n, log_width = np.zeros(k), np.log(upper - lower)
    for i in range(rows):
        rest, total = count[i], 0.0
        for j in range(k):
            total += terms[i, j]
        for j in range(k):
            drawn = rest
            if j < k - 1 and rest > 0:
                share = min(1.0, terms[i, j] / total) if total > 0.0 else 0.0
                drawn = rng.binomial(rest, share)
                total -= terms[i, j]
            members[i, j] = drawn
            n[j] += drawn
            rest -= drawn
    draw_weights(rng, n, a, w)
    beta = draw_beta(rng, u, scale) if family == HIERARCHICAL else 0.0
    for j in range(k):
        low, high = neighbours(mu, j, exchangeable)
        if n[j] == 0.0:
            mu[j] = draw_mean(rng, m[j], t[j], low, high)
            u[j] = draw_log_sd_from_prior(rng, family, scale, floor, beta)
            continue
        first, second = 0.0, 0.0
        for i in range(rows):
            if members[i, j] > 0.0:
                left = lower[i] if lower[i] > -math.inf else upper[i]
                right = upper[i] if upper[i] < math.inf else left
                middle = 0.5 * (left + right)
                first += members[i, j] * middle
                second += members[i, j] * (middle * middle + (right - left) ** 2 / 12.0)
        spread = math.sqrt(max(second / n[j] - (first / n[j]) ** 2, 1e-12))
        now = log_mass_of_members(lower, upper, log_width, members, j, mu[j], u[j]) - 0.5 * t[j] * (mu[j] - m[j]) ** 2
        now += log_sd_given_beta(u[j], family, scale, floor, beta)
        for step in CELL_STEPS:
            mean = mu[j] + step * spread / math.sqrt(n[j]) * rng.standard_normal()
            log_sd = u[j] + step / math.sqrt(2.0 * n[j]) * rng.standard_normal()
            prior = log_sd_given_beta(log_sd, family, scale, floor, beta) - 0.5 * t[j] * (mean - m[j]) ** 2
            if not low < mean < high or prior == -math.inf:
                continue
            new = prior + log_mass_of_members(lower, upper, log_width, members, j, mean, log_sd)
            if math.log(1.0 - rng.random()) < new - now:
                mu[j], u[j], now = mean, log_sd, new
    return n


# -- moves on the marginal likelihood ---------------------------------------------------------


@njit(nogil=True)
def sort_point(w, mu, u):
    """By increasing mean, in place."""
    for i in range(1, len(mu)):
        j = i
        while j > 0 and mu[j - 1] > mu[j]:
            mu[j - 1], mu[j] = mu[j], mu[j - 1]
            w[j - 1], w[j] = w[j], w[j - 1]
            u[j - 1], u[j] = u[j], u[j - 1]
            j -= 1


@njit(nogil=True)
def is_ordered(y, k):
    for j in range(k - 1):
        if not y[k - 1 + j] < y[k + j]:
            return False
    return True


@njit(nogil=True)
def log_proposal(y, centers, inverse_factors, log_weights, work):
    """Log density of the mixture of t distributions that jumps are proposed from, up to a constant.

    `inverse_factors` are the inverses of the scales' Cholesky factors; their determinants are in `log_weights`.
    """
    d, largest, total = len(y), -math.inf, 0.0
    for c in range(len(log_weights)):
        distance = 0.0
        for i in range(d):
            z = 0.0
            for j in range(i + 1):
                z += inverse_factors[c, i, j] * (y[j] - centers[c, j])
            distance += z * z
        work[c] = log_weights[c] - 0.5 * (T_DF + d) * math.log1p(distance / T_DF)
        largest = max(largest, work[c])
    for c in range(len(log_weights)):
        total += math.exp(work[c] - largest)
    return largest + math.log(total)


@njit(nogil=True)
def propose_jump(rng, centers, factors, shares, y, work):
    """A point from the mixture of t distributions, into y; `shares` are cumulative."""
    d, threshold, c = len(y), rng.random(), 0
    while c < len(shares) - 1 and threshold >= shares[c]:
        c += 1
    stretch = math.sqrt(0.5 * T_DF / rng.standard_gamma(0.5 * T_DF))
    for i in range(d):
        work[i] = stretch * rng.standard_normal()
    for i in range(d):
        y[i] = centers[c, i]
        for j in range(i + 1):
            y[i] += factors[c, i, j] * work[j]


@njit(nogil=True)
def propose_step(rng, y, factor, scale, out, work):
    """A symmetric step away from y, into out."""
    for i in range(len(y)):
        work[i] = scale * rng.standard_normal()
    for i in range(len(y)):
        out[i] = y[i]
        for j in range(i + 1):
            out[i] += factor[i, j] * work[j]


@compiled
def run_sweeps(
    rng,
    sweeps,
    thin,
    lower,
    upper,
    count,
    exact,
    a,
    m,
    t,
    family,
    scale,
    floor,
    exchangeable,
    with_likelihood,
    conditionals,
    centers,
    factors,
    inverse_factors,
    shares,
    log_weights,
    step_factor,
    adapt,
    w,
    mu,
    u,
    state,
    out,
):
    """Sweeps of one chain: a jump and a step on the marginal likelihood, then all conditionals; in place.

    Parameters
    ----------
    rng : numpy.random.Generator
    sweeps, thin : int
        One sweep in `thin` is kept.
    lower, upper, count : ndarray, shape (M,)
        The sample's rows; exact says that lower holds values.
    a, m, t, family, scale : prior
        Concentration; centers and precisions of the means, shape (K,); family and scale of the sds, and the smallest
        log sd that there is.
    exchangeable : bool
        All means have one prior; otherwise the means are kept in order.
    with_likelihood, conditionals : bool
        False samples the prior, and by jumps and steps alone: for tests.
    centers, factors, inverse_factors, shares, log_weights :
        Of the jumps' proposals: shape (C, D), (C, D, D) twice, (C,) twice. None are tried where C is 0.
    step_factor : ndarray, shape (D, D)
        Cholesky factor of the steps' covariance.
    adapt : bool
        Whether the steps' scale is still tuned.
    w, mu, u : ndarray, shape (K,)
        The chain's point.
    state : ndarray, shape (5,)
        Log scale of the steps; then counts, over the chain's life: jumps tried and accepted, steps tried and accepted.
    out : ndarray, shape (sweeps // thin, 3 K + 3)
        Weights, means, sds, log posterior in free coordinates, jumps and steps accepted since the row before.
    """
    rows, k = len(lower), len(w)
    d = 3 * k - 1
    terms, other = np.empty((rows, k)), np.empty((rows, k))
    members = np.empty((rows, k)) if not exact else np.empty((0, k))
    w2, mu2, u2 = np.empty(k), np.empty(k), np.empty(k)
    y, y2, work = np.empty(d), np.empty(d), np.empty(max(d, len(shares), 1))
    jumped, stepped = 0.0, 0.0
    for sweep in range(sweeps):
        if exchangeable:
            sort_point(w, mu, u)
        to_free(w, mu, u, y)
        log_like = log_likelihood(lower, upper, count, exact, w, mu, u, terms) if with_likelihood else 0.0
        log_post = log_like + log_prior(w, mu, u, a, m, t, family, scale, floor)
        if sweep % thin == 0:
            row = sweep // thin
            for j in range(k):
                out[row, j], out[row, k + j], out[row, 2 * k + j] = w[j], mu[j], math.exp(u[j])
            out[row, 3 * k], out[row, 3 * k + 1], out[row, 3 * k + 2] = log_post, jumped, stepped
            jumped, stepped = 0.0, 0.0
        for move in range(2):
            if move == 0:
                if len(shares) == 0:
                    continue
                propose_jump(rng, centers, factors, shares, y2, work)
            else:
                propose_step(rng, y, step_factor, math.exp(state[0]), y2, work)
            threshold = math.log(1.0 - rng.random())
            accepted, probability = False, 0.0
            if is_ordered(y2, k):
                from_free(y2, w2, mu2, u2)
                new = log_prior(w2, mu2, u2, a, m, t, family, scale, floor)
                if new > -math.inf:
                    if with_likelihood:
                        new += log_likelihood(lower, upper, count, exact, w2, mu2, u2, other)
                    ratio = new - log_post
                    if move == 0:
                        ratio += log_proposal(y, centers, inverse_factors, log_weights, work)
                        ratio -= log_proposal(y2, centers, inverse_factors, log_weights, work)
                    probability = math.exp(min(ratio, 0.0))
                    accepted = threshold < ratio
            if accepted:
                copy_point(w2, mu2, u2, w, mu, u)
                for i in range(d):
                    y[i] = y2[i]
                log_post = new
                terms, other = other, terms
            state[1 + 2 * move] += 1.0
            state[2 + 2 * move] += accepted
            if move == 0:
                jumped += accepted
            else:
                stepped += accepted
                if adapt:  # towards the acceptance that suits a random walk
                    state[0] += (probability - 0.27) / math.sqrt(1.0 + 0.1 * state[3])
        if not conditionals:
            continue
        if not with_likelihood:
            sweep_prior(rng, w, mu, u, a, m, t, family, scale, floor, exchangeable)
        elif exact:
            sweep_values(rng, lower, terms, w, mu, u, a, m, t, family, scale, floor, exchangeable)
        else:
            sweep_cells(rng, lower, upper, count, terms, members, w, mu, u, a, m, t, family, scale, floor, exchangeable)


@njit(nogil=True)
def sweep_prior(rng, w, mu, u, a, m, t, family, scale, floor, exchangeable):
    """The conditionals without a sample."""
    draw_weights(rng, np.zeros(len(w)), a, w)
    beta = draw_beta(rng, u, scale) if family == HIERARCHICAL else 0.0
    for j in range(len(w)):
        low, high = neighbours(mu, j, exchangeable)
        mu[j] = draw_mean(rng, m[j], t[j], low, high)
        u[j] = draw_log_sd_from_prior(rng, family, scale, floor, beta)
