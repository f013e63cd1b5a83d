"""EM finds the published maxima, obeys the laws of maximum likelihood, and knows when it has failed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from mixture.components import (
    Components,
    component_log_density,
    component_log_likelihood,
    mixture_log_likelihood,
)
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import simulate_mixture
from mixture.em import (
    CollapseError,
    _collapsed,
    _em_on_cells,
    _em_on_values,
    _m_step,
    _slopes,
    bootstrap_errors,
    compare_component_counts,
    em_standard_errors,
    fit_em,
    fit_em_proper,
    fit_pilot,
)

SPIKE = np.append(
    np.random.default_rng(0).normal(size=100), np.full(20, 7.0)
)  # one value twenty times, far from the rest


def fit(sample, k=2, seed=1, **options):
    return fit_em(sample, k, np.random.default_rng(seed), **options)


@pytest.fixture(scope="module")
def waiting_fit(waiting):
    return fit(waiting)


@pytest.fixture(scope="module")
def galaxies_fit(galaxies):
    return fit(galaxies, 3)


# ---------------------------------------------------------------- published numbers


def published(found, weights, means, sds, log_likelihood):
    for ours, theirs in zip(found.components, (weights, means, sds), strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-4)
    assert found.converged


def test_waiting_with_equal_sds_is_as_mixtools_has_it(waiting):
    found = fit(waiting, variance="equal")
    published(found, [0.36085, 0.63915], [54.61364, 80.09031], [5.86909, 5.86909], -1034.00176)


def test_waiting_with_free_sds(waiting_fit):
    published(waiting_fit, [0.36088, 0.63912], [54.6148, 80.0910], [5.8712, 5.8678], -1034.0017)


def test_galaxies_with_three_components(galaxies_fit):
    published(
        galaxies_fit, [0.08537, 0.87805, 0.03658], [9.7101, 21.4039, 33.0444], [0.4225, 2.2038, 0.9217], -203.4820
    )
    assert galaxies_fit.bic == pytest.approx(442.2177, abs=1e-4)


def test_galaxies_as_misprinted_are_as_mclusts_vignette_has_them(galaxies):
    values = np.where(galaxies.value == 26.960, 26.690, galaxies.value)
    assert fit(Sample.of_values(values), 3).log_likelihood == pytest.approx(-203.1792, abs=1e-4)


def test_the_posts_simulation_comes_back_within_four_standard_errors():
    truth = [0.7, 0.3], [150.0, 200.0], [10.0, 20.0]
    sample = Sample.of_values(simulate_mixture(1000, *truth, np.random.default_rng(20160508))[0])
    found = fit(sample)
    errors = em_standard_errors(sample, found)
    for estimate, error, true in zip(found.components, errors.values(), truth, strict=True):
        assert (np.abs(estimate - true) < 4 * error).all()


# ---------------------------------------------------------------- laws of maximum likelihood


@pytest.mark.parametrize("a, b", [(32, 1.8), (0, 1e-6), (1e6, 1)])
@pytest.mark.parametrize("variance", ["free", "equal"])
def test_other_units_give_the_same_fit_in_those_units(waiting, a, b, variance):
    one, other = fit(waiting, variance=variance), fit(Sample.of_values(a + b * waiting.value), variance=variance)
    assert_allclose(other.weights, one.weights, rtol=1e-5)
    assert_allclose(other.means, a + b * one.means, rtol=1e-5)
    assert_allclose(other.sds, b * one.sds, rtol=1e-5)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - one.n * np.log(b), abs=1e-3)


def test_the_mirrored_sample_has_the_mirrored_fit(galaxies, galaxies_fit):
    mirrored = fit(Sample.of_values(-galaxies.value), 3)
    for found, once in zip(
        mirrored.components, (galaxies_fit.weights, -galaxies_fit.means, galaxies_fit.sds), strict=True
    ):
        assert_allclose(found, once[::-1], rtol=1e-4)


def test_the_order_of_rows_does_not_matter(galaxies, galaxies_fit):
    shuffled = fit(Sample.of_values(np.random.default_rng(5).permutation(galaxies.value)), 3)
    assert_allclose(shuffled.components, galaxies_fit.components, rtol=1e-5)


def test_one_component_is_mean_and_sd(waiting):
    found = fit(waiting, 1)
    assert_allclose([*found.means, *found.sds, *found.weights], [waiting.value.mean(), waiting.value.std(), 1])


@pytest.mark.parametrize("width", [0, 1], ids=["values", "cells"])
@pytest.mark.parametrize("size", [1e-4, 1e-2])
def test_no_mixture_nearby_is_likelier(waiting, waiting_fit, width, size):
    sample, rng = (group_sample(waiting, width, rounded=True) if width else waiting), np.random.default_rng(3)
    found = fit(sample) if width else waiting_fit
    nearby = [a * np.exp(rng.normal(0, size, (200, 2))) for a in found.components]
    nearby[0] /= nearby[0].sum(axis=1, keepdims=True)
    assert (mixture_log_likelihood(sample, *nearby) @ sample.count).max() <= found.log_likelihood


def test_the_likelihood_never_falls_with_more_components(galaxies):
    fits = {k: fit_em_proper(galaxies, k, np.random.default_rng(1)) for k in range(1, 6)}
    table = compare_component_counts(fits)
    assert (table["log_likelihood"].diff().dropna() > 0).all()
    assert list(table["parameters"]) == [2, 5, 8, 11, 14]


def test_the_criteria_are_their_formulas(galaxies, galaxies_fit):
    joint = component_log_density(galaxies.value, *galaxies_fit.components)
    share = np.exp(joint - special.logsumexp(joint, axis=1, keepdims=True))
    entropy = -sum(p * np.log(p) for p in share.ravel() if p > 0)
    assert galaxies_fit.n_parameters == 8
    assert galaxies_fit.log_likelihood == pytest.approx(special.logsumexp(joint, axis=1).sum())
    assert galaxies_fit.aic == pytest.approx(-2 * galaxies_fit.log_likelihood + 16)
    assert galaxies_fit.bic == pytest.approx(-2 * galaxies_fit.log_likelihood + 8 * np.log(82))
    assert galaxies_fit.icl == pytest.approx(galaxies_fit.bic + 2 * entropy)


def test_equal_variances_cost_one_parameter(waiting):
    assert fit(waiting, variance="equal").n_parameters == 4


# ---------------------------------------------------------------- cells


def test_on_cells_em_converges_to_em_on_values_with_the_square_of_their_width(galaxies, galaxies_fit):
    off = []
    for width in (0.2, 0.1, 0.05):
        around = Sample(galaxies.value - width / 2, galaxies.value + width / 2, galaxies.count)
        off.append([a - b for a, b in zip(fit(around, 3).components, galaxies_fit.components, strict=True)])
    assert np.abs(off[-1]).max() < 1e-3
    assert_allclose(np.linalg.norm(off[:-1], axis=(1, 2)) / np.linalg.norm(off[1:], axis=(1, 2)), 4, rtol=0.1)


def test_on_rounded_values_em_takes_the_rounding_out_of_the_sd(waiting, waiting_fit):
    """Sheppard: rounding to a unit adds 1/12 to the variance of each component."""
    cells = fit(group_sample(waiting, 1, rounded=True))
    assert_allclose(cells.sds**2, waiting_fit.sds**2 - 1 / 12, rtol=1e-4)
    assert_allclose(cells.means, waiting_fit.means, rtol=1e-5)


# ---------------------------------------------------------------- its parts, each by itself: the others hide its errors


@pytest.mark.parametrize("equal", [False, True], ids=["free", "equal"])
@pytest.mark.parametrize("width", [0, 3], ids=["values", "cells"])
def test_em_climbs_to_the_maximum_without_help(width, equal):
    rng = np.random.default_rng(2)  # spreads that are far from equal
    values = Sample.of_values(np.concatenate([rng.normal(50, 3, 100), rng.normal(80, 9, 200)]))
    sample = group_sample(values, width) if width else values
    best = fit(sample, variance="equal" if equal else "free")
    start = np.array([0.5, 0.5]), np.array([50.0, 85.0]), np.array([8.0, 8.0])
    climb = partial(_em_on_cells, sample) if width else partial(_em_on_values, sample.value)
    ((found, converged),) = climb([start], 1e-13, equal)
    assert converged
    assert_allclose(found, best.components, rtol=1e-4)


@pytest.mark.parametrize("equal", [False, True], ids=["free", "equal"])
def test_a_step_of_em_on_cells_has_the_moments_of_truncated_normals(waiting, equal):
    sample = group_sample(waiting, 6)
    c, w, m, s = sample.count / sample.n, *(np.array(each) for each in ([0.3, 0.7], [52.0, 79.0], [7.0, 5.0]))
    joint = component_log_likelihood(sample, w, m, s)
    share = special.softmax(joint, axis=1)
    within = [
        [stats.truncnorm((a - m[k]) / s[k], (b - m[k]) / s[k], m[k], s[k]) for k in (0, 1)]
        for a, b in zip(sample.lower, sample.upper)
    ]
    first = np.array([[each.mean() for each in row] for row in within])
    second = np.array([[each.var() for each in row] for row in within]) + first**2
    members = c[:, None] * share
    total = members.sum(axis=0)
    means = (members * first).sum(axis=0) / total
    variances = (members * second).sum(axis=0) / total - means**2
    one = [each[None] for each in (w, m, s)]
    found = _m_step(sample, c, share[None], joint[None], *one, equal)
    expected = total, means, np.sqrt(np.full(2, total @ variances) if equal else variances)
    assert_allclose([each[0] for each in found], expected, rtol=1e-6)


@pytest.mark.parametrize("width", [0, 6], ids=["values", "cells"])
def test_the_slopes_are_those_of_the_log_likelihood(waiting, width):
    """By a mean in its sds, and by a log sd."""
    sample, h = group_sample(waiting, width) if width else waiting, 1e-5
    w, m, s = np.array([0.3, 0.7]), np.array([52.0, 79.0]), np.array([7.0, 5.0])
    joint = component_log_likelihood(sample, w, m, s)
    share = sample.count[:, None] * special.softmax(joint, axis=1)
    found = _slopes(sample, joint - np.log(w), share, m, s)

    def rise(by_mean, by_log_sd):
        ends = [(w, m + e * s * by_mean, s * np.exp(e * by_log_sd)) for e in (h, -h)]
        return np.subtract(*(mixture_log_likelihood(sample, *end) @ sample.count for end in ends)) / (2 * h)

    none, each = np.zeros(2), np.eye(2)
    expected = [rise(one, none) for one in each], [rise(none, one) for one in each]
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- failures


def test_a_collapse_onto_a_repeated_value_is_counted_and_thrown_away(galaxies):
    found = fit(galaxies, 5)
    assert 0 < found.collapsed_starts < found.starts
    assert found.sds.min() > 0.1 and len(found.maxima) == found.starts - found.collapsed_starts


@pytest.mark.parametrize(
    "sample",
    [Sample.of_values(SPIKE), group_sample(Sample.of_values(SPIKE), 0.1, rounded=True)],
    ids=["values", "cells"],
)
def test_where_every_start_collapses_the_error_says_so(sample):
    with pytest.raises(CollapseError, match="EM with 2 components collapsed from each of 5 starts"):
        fit(sample, starts=5)


def test_a_collapse_with_free_sds_leads_to_equal_ones(waiting):
    found = fit_em_proper(Sample.of_values(SPIKE), 2, np.random.default_rng(1), starts=5)
    assert found.equal_variance
    assert_allclose(found.means, [SPIKE[:100].mean(), 7], atol=0.01)
    assert not fit_em_proper(waiting, 2, np.random.default_rng(1), starts=5).equal_variance


def test_the_criteria_are_missing_where_every_start_collapsed():
    spike = Sample.of_values(SPIKE)
    fits = {k: fit_em_proper(spike, k, np.random.default_rng(1), starts=5) for k in (1, 2)}
    table = compare_component_counts(fits)
    assert table["bic"].notna().tolist() == [True, False]
    assert table["collapsed"].tolist() == [0, 5]


def test_two_components_that_are_one_are_no_maximum(waiting, waiting_fit):
    """At the best single Normal, split in two, the likelihood is flat but not at its top."""
    center, spread = waiting.value.mean(), waiting.value.std()
    twins = np.array([0.4, 0.6]), np.full(2, center), np.full(2, spread)
    assert _collapsed(waiting, twins, equal=False) and _collapsed(waiting, twins, equal=True)
    assert not _collapsed(waiting, waiting_fit.components, equal=False)
    at_saddle = replace(waiting_fit, components=Components(*twins))
    assert all(np.isnan(error).all() for error in em_standard_errors(waiting, at_saddle).values())


# ---------------------------------------------------------------- a pilot


def test_a_pilot_takes_the_number_of_components_with_the_smallest_bic():
    rng = np.random.default_rng(9)
    clusters = Sample.of_values(np.concatenate([rng.normal(center, 1, 25) for center in (0, 10, 20)]))
    assert len(fit_pilot(clusters, "auto", rng, 2).weights) == 3
    assert len(fit_pilot(clusters, 2, rng, 2).weights) == 2


# ---------------------------------------------------------------- standard errors


def test_standard_errors_of_one_component_are_the_textbooks(waiting):
    errors = em_standard_errors(waiting, fit(waiting, 1))
    spread, n = waiting.value.std(), waiting.n
    assert_allclose([*errors["means"], *errors["sds"]], [spread / np.sqrt(n), spread / np.sqrt(2 * n)], rtol=1e-5)
    assert errors["weights"] == [0]


@pytest.mark.parametrize("variance", ["free", "equal"])
def test_standard_errors_of_far_apart_components_are_each_ones_own(variance):
    values, _ = simulate_mixture(900, [1 / 3, 2 / 3], [0.0, 1000.0], [1.0, 1.0], np.random.default_rng(4))
    sample = Sample.of_values(values)
    found = fit(sample, variance=variance)
    errors, own = em_standard_errors(sample, found), 900 * found.weights
    assert_allclose(errors["weights"], np.sqrt(1 / 3 * 2 / 3 / 900), rtol=1e-4)
    assert_allclose(errors["means"], found.sds / np.sqrt(own), rtol=1e-4)
    assert_allclose(errors["sds"], found.sds / np.sqrt(2 * own if variance == "free" else 2 * 900), rtol=1e-4)


@pytest.fixture(scope="module")
def overlapping():
    """Two components four sds apart."""
    return Sample.of_values(simulate_mixture(1500, [0.4, 0.6], [0.0, 4.0], [1.0, 1.0], np.random.default_rng(6))[0])


def test_standard_errors_are_those_of_a_hessian_in_other_coordinates(overlapping):
    found, step = fit(overlapping), 1e-3
    shifts = step * np.array(
        [[i, j] for i in np.vstack([np.eye(5), -np.eye(5)]) for j in np.vstack([np.eye(5), -np.eye(5)])]
    )
    theta = np.array([found.weights[0], *found.means, *found.sds]) + shifts.sum(axis=1)
    points = np.column_stack([theta[:, 0], 1 - theta[:, 0]]), theta[:, 1:3], theta[:, 3:]
    total = mixture_log_likelihood(overlapping, *points).sum(axis=1).reshape(2, 5, 2, 5)
    information = -(total[0, :, 0] + total[1, :, 1] - total[0, :, 1] - total[1, :, 0]) / (2 * step) ** 2
    by_hand = np.sqrt(np.diag(np.linalg.inv(information)))
    errors = em_standard_errors(overlapping, found)
    assert_allclose([errors["weights"][0], *errors["means"], *errors["sds"]], by_hand, rtol=1e-3)


@pytest.mark.parametrize("variance", ["free", "equal"])
def test_standard_errors_are_the_bootstraps(overlapping, variance):
    found, replicates = fit(overlapping, variance=variance), 200
    errors, spread = (
        em_standard_errors(overlapping, found),
        bootstrap_errors(found, np.random.default_rng(7), replicates),
    )
    for name in ("weights", "means", "sds"):
        assert_allclose(spread[name], errors[name], rtol=4 / np.sqrt(2 * replicates))


def test_the_bootstrap_knows_no_units(galaxies, galaxies_fit):
    once = bootstrap_errors(galaxies_fit, np.random.default_rng(7), 20)
    small = replace(
        galaxies_fit, components=Components(galaxies_fit.weights, 1e-6 * galaxies_fit.means, 1e-6 * galaxies_fit.sds)
    )
    again = bootstrap_errors(small, np.random.default_rng(7), 20)
    assert_allclose(again["sds"], 1e-6 * once["sds"], rtol=1e-6)
    assert_allclose(again["means"], 1e-6 * once["means"], rtol=1e-6)


def test_standard_errors_on_cells_are_hardly_wider(waiting, waiting_fit):
    cells = group_sample(waiting, 0.5)
    errors, exact = em_standard_errors(cells, fit(cells)), em_standard_errors(waiting, waiting_fit)
    for name in errors:
        assert_allclose(errors[name], exact[name], rtol=0.02)


@pytest.mark.parametrize("equal", [False, True])
def test_many_samples_climb_where_scikit_learn_climbs_from_each(equal):
    rng = np.random.default_rng(8)
    start = np.array([0.4, 0.6]), np.array([-1.0, 1.0]), np.array([0.6, 0.6])
    samples = np.stack([rng.normal(rng.choice([-1.0, 1.5], 300), 0.7) for _ in range(5)])
    together = _em_on_values(samples, [start] * 5, 1e-12, equal)
    assert all(converged for _, converged in together)
    for values, (components, _) in zip(samples, together, strict=True):
        ((expected, _),) = _em_on_values(values, [start], 1e-12, equal)
        assert_allclose(components, expected, rtol=1e-3, atol=1e-3)
