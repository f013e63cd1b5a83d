"""The mixture's density, at points and over cells, against SciPy, quadrature and laws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, special
from scipy.stats import norm

from mixture.components import (
    component_log_density,
    component_log_likelihood,
    log_normal_mass,
    membership_probabilities,
    mixture_cdf,
    mixture_log_density,
    mixture_log_likelihood,
)
from mixture.data.sample import Sample

MIXTURE = (np.array([0.2, 0.5, 0.3]), np.array([-1.0, 0.5, 4.0]), np.array([0.3, 1.0, 2.0]))
X = np.linspace(-6, 10, 33)


def cells(edges):
    """Neighbouring cells, one observation in each."""
    edges = np.asarray(edges, float)
    return Sample(edges[:-1], edges[1:], np.ones(len(edges) - 1, int))


def around(values, width):
    """A cell around each value."""
    return Sample(values - width / 2, values + width / 2, np.ones(len(values), int))


# ---------------------------------------------------------------- points


def test_the_density_is_scipys_by_a_literal_loop():
    for i, x in enumerate(X):
        each = [w * norm.pdf(x, m, s) for w, m, s in zip(*MIXTURE, strict=True)]
        assert_allclose(np.exp(component_log_density(X, *MIXTURE)[i]), each, rtol=1e-12)
        assert_allclose(mixture_log_density(X, *MIXTURE)[i], np.log(sum(each)), rtol=1e-12)
        assert_allclose(
            mixture_cdf(X, *MIXTURE)[i],
            sum(w * norm.cdf(x, m, s) for w, m, s in zip(*MIXTURE, strict=True)),
            rtol=1e-12,
        )


def test_leading_axes_are_independent():
    rng = np.random.default_rng(1)
    draws = rng.dirichlet(np.ones(3), (2, 5)), rng.normal(0, 3, (2, 5, 3)), rng.uniform(0.5, 2, (2, 5, 3))
    sample = cells(X)
    for function, where in (
        (mixture_log_density, X),
        (mixture_cdf, X),
        (mixture_log_likelihood, sample),
        (component_log_likelihood, sample),
        (membership_probabilities, sample),
    ):
        together = function(where, *draws)
        for index in np.ndindex(2, 5):
            assert_allclose(together[index], function(where, *(a[index] for a in draws)), rtol=1e-12)


def test_the_density_is_the_slope_of_the_distribution_function():
    h = 1e-5
    slope = (mixture_cdf(X + h, *MIXTURE) - mixture_cdf(X - h, *MIXTURE)) / (2 * h)
    assert_allclose(slope, np.exp(mixture_log_density(X, *MIXTURE)), rtol=1e-6, atol=1e-9)
    assert_allclose(mixture_cdf([-np.inf, np.inf], *MIXTURE), [0, 1])


def test_an_empty_component_changes_nothing():
    padded = tuple(np.append(a, b) for a, b in zip(MIXTURE, (0.0, 0.0, 1.0), strict=True))
    assert_allclose(mixture_log_density(X, *padded), mixture_log_density(X, *MIXTURE), rtol=1e-12)


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    "left, right", [(-3, -1), (-1, 0.5), (0, 1e-3), (0.5, 3), (-8, 8), (5, 5.1), (1, np.inf), (-np.inf, 1)]
)
def test_the_mass_of_a_cell_is_scipys(left, right):
    mean, sd = 10.0, 2.0
    expected = norm.sf(left) - norm.sf(right) if left > 0 else norm.cdf(right) - norm.cdf(left)
    assert_allclose(
        log_normal_mass(mean + sd * left, mean + sd * right, mean, sd), np.log(expected), rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize("far", [5, 30, 200])
@pytest.mark.parametrize("width", [1e-4, 0.1, 3])
def test_the_mass_far_out_is_exact_in_both_tails(far, width):
    """Against quadrature of the density relative to its value at the near end: exp(-far t - t^2 / 2)."""
    rest = integrate.quad(lambda t: np.exp(-far * t - t * t / 2), 0, min(width, 40 / far), epsabs=0, epsrel=1e-12)[0]
    expected = norm.logpdf(far) + np.log(rest)
    assert_allclose(log_normal_mass(far, far + width, 0.0, 1.0), expected, rtol=1e-10)
    assert_allclose(log_normal_mass(-far - width, -far, 0.0, 1.0), expected, rtol=1e-10)


@pytest.mark.parametrize("edges", [np.linspace(-30, 40, 71), [0.3], np.sort(np.random.default_rng(2).normal(0, 5, 20))])
def test_the_masses_of_a_partition_add_up_to_one(edges):
    line = cells([-np.inf, *edges, np.inf])
    assert np.exp(mixture_log_likelihood(line, *MIXTURE)).sum() == pytest.approx(1, abs=1e-12)


def test_finer_cells_converge_to_the_density_with_the_square_of_their_width():
    exact = mixture_log_density(X, *MIXTURE)
    widths = [0.1, 0.05, 0.025]
    off = [np.abs(mixture_log_likelihood(around(X, h), *MIXTURE) - np.log(h) - exact).max() for h in widths]
    assert_allclose(np.divide(off[:-1], off[1:]), 4, rtol=0.05)
    assert off[0] < 0.2


def test_cells_of_a_tenth_of_an_sd_widen_standard_errors_by_at_most_a_thousandth():
    """Fisher's information on mean and log sd of a Normal, over all cells, against 1 and 2 for exact values."""
    h, step, line = 0.1, 1e-4, cells(np.arange(-80, 81) / 10)
    mass = np.exp(mixture_log_likelihood(line, [1.0], [0.0], [1.0]))

    def slope(one, other):
        return (mixture_log_likelihood(line, *one) - mixture_log_likelihood(line, *other)) / (2 * step)

    by_mean = slope(([1.0], [step], [1.0]), ([1.0], [-step], [1.0]))
    by_sd = slope(([1.0], [0.0], [np.exp(step)]), ([1.0], [0.0], [np.exp(-step)]))
    for score, full in ((by_mean, 1), (by_sd, 2)):
        assert 1 <= np.sqrt(full / (mass @ score**2)) < 1.001
    assert mass @ by_mean**2 == pytest.approx(1 - h**2 / 12, abs=1e-5)  # Sheppard


# ---------------------------------------------------------------- memberships


def test_memberships_are_bayes_rule_by_a_literal_loop():
    share = membership_probabilities(Sample.of_values(X), *MIXTURE)
    for i, x in enumerate(X):
        joint = np.array([w * norm.pdf(x, m, s) for w, m, s in zip(*MIXTURE, strict=True)])
        assert_allclose(share[i], joint / joint.sum(), rtol=1e-10)


@pytest.mark.parametrize(
    "sample",
    [
        Sample.of_values([-1e4, 0.0, 1e4]),
        around(np.array([-1e4, 0.0, 1e4]), 0.1),
    ],
    ids=["values", "cells"],
)
def test_memberships_sum_to_one_however_far_out(sample):
    share = membership_probabilities(sample, *MIXTURE)
    assert_allclose(share.sum(axis=1), 1, rtol=1e-9)
    assert_allclose(share[[0, 2], 2], 1)  # the widest component owns both tails


def test_relabelling_permutes_memberships():
    order = [2, 0, 1]
    share = membership_probabilities(cells(X), *MIXTURE)
    assert_allclose(membership_probabilities(cells(X), *(a[order] for a in MIXTURE)), share[:, order], rtol=1e-10)


def test_log_weights_and_masses_are_the_cells_likelihood():
    """Both halves of the cells' likelihood, once more by logsumexp."""
    sample = cells(X)
    each = [np.log(w) + log_normal_mass(sample.lower, sample.upper, m, s) for w, m, s in zip(*MIXTURE, strict=True)]
    assert_allclose(mixture_log_likelihood(sample, *MIXTURE), special.logsumexp(each, axis=0), rtol=1e-12)
