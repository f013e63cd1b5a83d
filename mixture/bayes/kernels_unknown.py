"""The compiled part of the sampler for an unknown number of components: telescoping sampling.

Fruehwirth-Schnatter, Malsiner-Walli & Gruen 2021. The moves given the number of components are those of
`mixture.bayes.kernels`; here the number itself is drawn, from its conditional given the assignments, and by jumps:
proposals of a number and of all its parameters, independent of where the chain is. In a large sample a component
rarely empties, and jumps are what changes the number.

filled
    said of a component that holds observations; the others are empty, and known by their prior alone
"""

import math

import numpy as np
from numba import njit

from mixture.bayes.kernels import (
    HIERARCHICAL,
    LOGNORMAL,
    compiled,
    copy_point,
    draw_beta,
    draw_log_sd_from_prior,
    draw_weights,
    from_free,
    is_ordered,
    log_likelihood,
    log_prior,
    log_proposal,
    log_sd_given_beta,
    propose_jump,
    sort_point,
    sweep_cells,
    sweep_values,
    to_free,
)


@njit(nogil=True)
def sweep_assignments_alone(rng, observations, w, mu, u, m, t, family, scale, floor):
    """What a sweep is without a likelihood: assignments by the weights, means and sds from their prior."""
    k = len(w)
    n, rest, share = np.zeros(k), observations, 1.0
    beta = draw_beta(rng, u, scale) if family == HIERARCHICAL else 0.0
    for j in range(k):
        n[j] = rng.binomial(rest, min(1.0, w[j] / share)) if j < k - 1 and rest > 0 else rest
        rest -= int(n[j])
        share = max(share - w[j], 1e-300)
        mu[j] = m[j] + rng.standard_normal() / math.sqrt(t[j])
        u[j] = draw_log_sd_from_prior(rng, family, scale, floor, beta)
    return n


@njit(nogil=True)
def fill_first(n, w, mu, u):
    """Move the filled components before the empty ones, in place; how many are filled."""
    filled = 0
    for j in range(len(n)):
        if n[j] > 0.0:
            n[filled], mu[filled], u[filled] = n[j], mu[j], u[j]
            filled += 1
    for j in range(filled, len(n)):
        n[j] = 0.0
    return filled


@njit(nogil=True)
def jump_to_number(rng, sample, prior, with_likelihood, jumps, log_numbers, k, w, mu, u, terms, other, log_like):
    """Try another number of components and all its parameters; the number after it, and the log likelihood.

    The terms of the rows are of the point after it, which is sorted by mean. Other arguments as in `run_telescoping`.
    """
    lower, upper, count, exact = sample
    a, m, t, family, scales, floor = prior
    first, number_shares, centers, factors, inverse_factors, shares, log_weights = jumps
    threshold, new_k = rng.random(), 1
    while threshold >= number_shares[new_k] and new_k < len(number_shares) - 1:
        new_k += 1
    if first[k + 1] == first[k]:  # no way back
        return k, log_like
    d, new_d = 3 * k - 1, 3 * new_k - 1
    y, new_y = np.empty(d), np.empty(new_d)
    work = np.empty(max(len(shares), d, new_d))
    here, there = slice(first[k], first[k + 1]), slice(first[new_k], first[new_k + 1])
    propose_jump(rng, centers[there, :new_d], factors[there, :new_d, :new_d], shares[there], new_y, work)
    threshold = math.log(1.0 - rng.random())
    if not is_ordered(new_y, new_k):
        return k, log_like
    new_w, new_mu, new_u = np.empty(new_k), np.empty(new_k), np.empty(new_k)
    from_free(new_y, new_w, new_mu, new_u)
    ratio = log_prior(new_w, new_mu, new_u, a, m[:new_k], t[:new_k], family, scales[new_k - 1], floor)
    if ratio == -math.inf:
        return k, log_like
    new_like = log_likelihood(lower, upper, count, exact, new_w, new_mu, new_u, other) if with_likelihood else 0.0
    to_free(w[:k], mu[:k], u[:k], y)
    ratio += new_like + log_numbers[new_k] - log_like - log_numbers[k]
    ratio -= log_prior(w[:k], mu[:k], u[:k], a, m[:k], t[:k], family, scales[k - 1], floor)
    ratio += log_proposal(y, centers[here, :d], inverse_factors[here, :d, :d], log_weights[here], work)
    ratio -= log_proposal(
        new_y, centers[there, :new_d], inverse_factors[there, :new_d, :new_d], log_weights[there], work
    )
    if not threshold < ratio:
        return k, log_like
    copy_point(new_w, new_mu, new_u, w, mu, u)
    for i in range(len(lower)):
        for j in range(new_k):
            terms[i, j] = other[i, j]
    return new_k, new_like


@compiled
def run_telescoping(
    rng,
    sweeps,
    thin,
    sample,
    prior,
    log_counts,
    with_likelihood,
    jumps,
    log_numbers,
    k,
    w,
    mu,
    u,
    out,
    p_k,
    p_filled,
    points,
):
    """Sweeps of one chain, in place; the number of components at the end.

    Parameters
    ----------
    rng : numpy.random.Generator
    sweeps, thin : int
        One sweep in `thin` is kept.
    sample : tuple
        lower, upper and count of shape (M,), and whether lower holds exact values.
    prior : tuple
        Concentration of the weights; center and precision of the means, shape (L,), the same for all of up to L
        components; family of the sds and its scale by the number of components, shape (L,) (one and the same for the
        hierarchical family), and the smallest log sd.
    log_counts : ndarray, shape (L + 1, L + 1)
        Log weight of K components, second index, given how many are filled, first index: from the prior of K and the
        number of ways in which the filled ones hold the sample.
    with_likelihood : bool
        False samples the prior: for tests.
    jumps : tuple
        As in `mixture.bayes.jumps.Jumps`. No jumps are tried where there are no proposals.
    log_numbers : ndarray, shape (L + 1,)
        Log prior of each number, with what the kernels' log prior leaves out and the log of its components' orders.
    k : int
        Components of the chain's point.
    w, mu, u : ndarray, shape (L,)
        The chain's point; what follows the k-th is not used.
    out : ndarray, shape (sweeps // thin, 5)
        Number of components, of filled ones, log likelihood, and of the filled ones the smallest log sd and the sum of
        squared shares.
    p_k, p_filled : ndarray, shape (sweeps // thin, L + 1)
        Probability of each number of components given the assignments, and how often each number was filled, on
        average over the sweeps since the row before.
    points : ndarray, shape (sweeps // thin, D)
        Free coordinates of the kept points, as far as there are proposals of their number; NaN elsewhere.
    """
    lower, upper, count, exact = sample
    a, m, t, family, scales, floor = prior
    first, most, observations = jumps[0], len(mu), count.sum()
    terms, other = np.empty((len(lower), most)), np.empty((len(lower), most))
    members = np.empty((len(lower), most)) if not exact else np.empty((0, most))
    weight, n = np.empty(most + 1), np.zeros(most)
    for row in range(len(out)):
        for j in range(most + 1):
            p_k[row, j], p_filled[row, j] = 0.0, 0.0
        for i in range(points.shape[1]):
            points[row, i] = math.nan
    for sweep in range(sweeps):
        row, log_like = sweep // thin, 0.0
        sort_point(w[:k], mu[:k], u[:k])
        if with_likelihood:
            log_like = log_likelihood(lower, upper, count, exact, w[:k], mu[:k], u[:k], terms)
        if first[-1] > 0:
            k, log_like = jump_to_number(
                rng, sample, prior, with_likelihood, jumps, log_numbers, k, w, mu, u, terms, other, log_like
            )
        scale = scales[k - 1]
        if not with_likelihood:
            found = sweep_assignments_alone(rng, observations, w[:k], mu[:k], u[:k], m, t, family, scale, floor)
        elif exact:
            found = sweep_values(rng, lower, terms, w[:k], mu[:k], u[:k], a, m, t, family, scale, floor, True)
        else:
            found = sweep_cells(
                rng, lower, upper, count, terms, members, w[:k], mu[:k], u[:k], a, m, t, family, scale, floor, True
            )
        filled = fill_first(found, w[:k], mu[:k], u[:k])
        for j in range(most):
            n[j] = found[j] if j < filled else 0.0
        beta = draw_beta(rng, u[:filled], scale) if family == HIERARCHICAL else 0.0
        # The number of components given the assignments and the filled ones.
        largest, total = -math.inf, 0.0
        for j in range(filled, most + 1):
            weight[j] = log_counts[filled, j]
            if scales[0] != scales[-1]:  # the prior of the filled ones' sds depends on the number of components
                if family != LOGNORMAL:
                    weight[j] -= filled * math.log(scales[j - 1])
                for i in range(filled):
                    weight[j] += log_sd_given_beta(u[i], family, scales[j - 1], floor, beta)
            largest = max(largest, weight[j])
        for j in range(filled, most + 1):
            weight[j] = math.exp(weight[j] - largest)
            total += weight[j]
        threshold, k = rng.random() * total, filled
        for j in range(filled, most + 1):
            p_k[row, j] += weight[j] / total / thin
        threshold -= weight[k]
        while threshold >= 0.0 and k < most:
            k += 1
            threshold -= weight[k]
        p_filled[row, filled] += 1.0 / thin
        for j in range(filled, k):
            mu[j] = m[j] + rng.standard_normal() / math.sqrt(t[j])
            u[j] = draw_log_sd_from_prior(rng, family, scales[k - 1], floor, beta)
        draw_weights(rng, n[:k], a, w[:k])
        if (sweep + 1) % thin == 0:
            narrowest, squares = math.inf, 0.0
            for j in range(filled):
                narrowest = min(narrowest, u[j])
                squares += (n[j] / observations) ** 2
            out[row, 0], out[row, 1], out[row, 2], out[row, 3], out[row, 4] = k, filled, log_like, narrowest, squares
            if first[k + 1] > first[k]:
                sort_point(w[:k], mu[:k], u[:k])
                to_free(w[:k], mu[:k], u[:k], points[row])
    return k
