"""Cutoffs, modes and lone values, against what can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import integrate, stats

from mixture.check.decisions import (
    count_modes,
    describe_cutoffs,
    even_points,
    lone_values,
    misplaced_share,
    mode_probabilities,
)
from mixture.components import Components, mixture_log_density
from mixture.data.cells import group_sample
from mixture.data.sample import Sample


def mixture(weights, means, sds):
    return Components(*(np.array(values, float) for values in (weights, means, sds)))


def as_draws(*some):
    return Components(*(np.array(values, float) for values in zip(*some)))


def even_by_bisection(one, low, high):
    """The sign of the log ratio of two components changes between low and high, and where."""

    def ratio(x):
        parts = stats.norm.logpdf(x, one.means, one.sds) + np.log(one.weights)
        return parts[1] - parts[0]

    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if ratio(low) * ratio(middle) <= 0 else (middle, high)
    return low


# -- cutoffs ----------------------------------------------------------------------------------


def test_equal_weights_and_sds_part_at_the_midpoint_and_misplace_a_normal_tail():
    one = mixture([0.5, 0.5], [100.0, 130.0], [10.0, 10.0])
    rising, falling = even_points(one)
    assert rising == pytest.approx(115) and falling == np.inf
    assert misplaced_share(one) == pytest.approx(stats.norm.sf(1.5))


def test_equal_sds_part_nearer_to_the_smaller_weight():
    """Midpoint + sd^2 / distance * log(w1 / w2)."""
    one = mixture([0.8, 0.2], [0.0, 3.0], [1.0, 1.0])
    rising, _ = even_points(one)
    assert rising == pytest.approx(1.5 + np.log(4) / 3)
    assert misplaced_share(one) == pytest.approx(0.8 * stats.norm.sf(rising) + 0.2 * stats.norm.cdf(rising - 3))


def test_wide_around_narrow_has_two_cutoffs_or_none():
    """Same mean: x^2 = 2 log(w1 s2 / (w2 s1)) / (1/s1^2 - 1/s2^2)."""
    two = mixture([0.5, 0.5], [7.0, 7.0], [1.0, 4.0])
    rising, falling = even_points(two)
    reach = np.sqrt(2 * np.log(4) / (1 - 1 / 16))
    assert_allclose([falling, rising], [7 - reach, 7 + reach])
    inside, outside = 1 - 2 * stats.norm.sf(reach / 4), 2 * stats.norm.sf(reach)
    assert misplaced_share(two) == pytest.approx(0.5 * inside + 0.5 * outside)
    none = mixture([0.1, 0.9], [7.0, 7.0], [1.0, 4.0])  # 0.1 / 1 is below 0.9 / 4
    assert np.isnan(even_points(none)).all() and misplaced_share(none) == pytest.approx(0.1)
    assert misplaced_share(mixture([0.9, 0.1], [7.0, 7.0], [4.0, 1.0])) == pytest.approx(0.1), "either way round"
    assert misplaced_share(mixture([0.6, 0.4], [7.0, 7.0], [4.0, 4.0])) == pytest.approx(0.4), "two of a kind"
    assert misplaced_share(mixture([1.0, 0.0], [7.0, 9.0], [2.0, 4.0])) == pytest.approx(0, abs=1e-12), (
        "nothing to misplace"
    )


@given(
    st.floats(0.02, 0.98),
    st.floats(-3, 3),
    st.floats(0.2, 5).filter(lambda ratio: abs(ratio - 1) > 0.01),
    st.sampled_from([0.0, 1e6]),
)
def test_at_every_cutoff_membership_is_even_and_the_misplaced_are_those_of_an_integral(weight, distance, ratio, offset):
    one = mixture([weight, 1 - weight], [offset, offset + 2 * distance], [2.0, 2 * ratio])
    rising, falling = even_points(one)
    for point, direction in ((rising, 1), (falling, -1)):
        if np.isfinite(point):
            logs = [
                stats.norm.logpdf(point + step, one.means, one.sds) + np.log(one.weights) for step in (0.0, -1e-3, 1e-3)
            ]
            apart, before, after = (parts[1] - parts[0] for parts in logs)
            assert apart == pytest.approx(0, abs=1e-5 * (1 + abs(logs[0]).max()))
            assert direction * (after - before) > -1e-9 * abs(logs[0]).max()
    x = offset + 2 * distance * np.r_[0, 1].mean() + np.linspace(-120, 120, 200_001)
    parts = stats.norm.pdf(x[:, None], one.means, one.sds) * one.weights
    assert misplaced_share(one) == pytest.approx(integrate.simpson(parts.min(axis=1), x=x), abs=1e-4)


def test_a_reversed_pair_of_equal_sds_has_its_cutoff_too():
    one = mixture([0.5, 0.5], [4.0, 0.0], [1.0, 1.0])
    rising, falling = even_points(one)
    assert rising == -np.inf and falling == pytest.approx(2)
    assert misplaced_share(one) == pytest.approx(stats.norm.sf(2))


SAMPLE = Sample.of_values([80.0, 120.0, 260.0])


@pytest.mark.longer
def test_cutoffs_have_the_medians_and_intervals_of_the_draws_and_lie_within_the_sample():
    rng = np.random.default_rng(1)
    means = np.array([150.0, 200.0]) + rng.normal(size=(400, 2))
    draws = Components(np.tile([0.7, 0.3], (400, 1)), means, np.tile([10.0, 20.0], (400, 1)))
    by_draw = [even_by_bisection(mixture([0.7, 0.3], each, [10.0, 20.0]), *each) for each in means]
    falling, rising = describe_cutoffs(draws, SAMPLE, 0.9)
    assert rising["between"] == falling["between"] == [1, 2]
    assert rising["value"] == pytest.approx(np.median(by_draw))
    assert_allclose([rising["low"], rising["high"]], np.quantile(by_draw, [0.05, 0.95], method="nearest"))
    assert falling["value"] == pytest.approx(94.3, abs=0.5), "where the wide component takes over again"
    assert falling["misplaced"] == rising["misplaced"] == pytest.approx(0.035, abs=0.01)
    (only,) = describe_cutoffs(draws, Sample.of_values([120.0, 260.0]), 0.9)
    assert only == rising, "no value is beyond the other"


def test_neighbours_without_a_cutoff_are_said_to_have_none():
    one = [0.1, 0.85, 0.05], [7.0, 7.1, 30.0], [1.0, 4.0, 1.0]
    first, second = describe_cutoffs(as_draws(*[one] * 20), Sample.of_values([0.0, 32.0]))
    assert first == {"between": [1, 2], "value": None, "low": None, "high": None, "misplaced": pytest.approx(0.1)}
    assert second["between"] == [2, 3] and 20 < second["value"] < 30
    assert describe_cutoffs(as_draws(([1.0], [0.0], [1.0])), SAMPLE) == []


# -- modes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e9])
@pytest.mark.parametrize(
    "sds_apart, modes", [(0.0, 1), (1.99, 1), (1.9999, 1), (2.0001, 2), (2.01, 2), (5, 2), (200, 2)]
)
def test_two_equal_components_have_two_modes_beyond_two_sds(sds_apart, modes, offset):
    sd = 3.0 if not offset else 4096.0  # far from zero, digits end
    assert count_modes(as_draws(([0.5, 0.5], [offset, offset + sds_apart * sd], [sd, sd]))).tolist() == [modes]


def test_a_small_bump_on_a_slope_is_found():
    """A narrow component on the flank of a wide one: two modes, by the density on a grid of a million points."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        one = mixture([0.97, 0.03], [0.0, rng.uniform(0.5, 2.5)], [1.0, rng.uniform(0.1, 0.4)])
        density = np.exp(mixture_log_density(np.linspace(-4, 4, 400_001), *one))
        expected = ((density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:])).sum()
        assert count_modes(as_draws(one)) == [expected], one


def test_a_bump_counts_from_the_weight_on_at_which_the_slope_reaches_zero():
    """At that weight maximum and minimum fall together, between any two places that are looked at."""
    x = np.linspace(1.2, 2.0, 200_001)

    def bump(weight):
        return mixture([1 - weight, weight], [0.0, 1.7], [1.0, 0.3])

    def rises(weight):
        parts = stats.norm.pdf(x[:, None], [0.0, 1.7], [1.0, 0.3]) * [1 - weight, weight]
        return (parts * ([0.0, 1.7] - x[:, None]) / [1.0, 0.09]).sum(axis=1).max() > 0

    ends = {}
    for name, found in (("by counting", lambda w: count_modes(as_draws(bump(w)))[0] == 2), ("by slope", rises)):
        low, high = 0.001, 0.5
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if found(middle) else (middle, high)
        ends[name] = low
    assert ends["by counting"] == pytest.approx(ends["by slope"], rel=1e-7)


def test_many_components_far_apart_are_as_many_modes_and_one_place_is_one():
    apart = np.ones(9) / 9, 1e4 * np.arange(9.0), np.linspace(0.1, 3, 9)
    together = np.ones(9) / 9, np.full(9, 5.0), np.linspace(0.1, 3, 9)
    assert count_modes(as_draws(apart, together)).tolist() == [9, 1]
    assert count_modes(as_draws(([1.0], [3.0], [2.0]))).tolist() == [1]


def test_draws_are_counted_by_number():
    two, one = ([0.5, 0.5], [0.0, 3.0], [1.0, 1.0]), ([0.5, 0.5], [0.0, 1.0], [1.0, 1.0])
    assert mode_probabilities(as_draws(two, two, two, one)) == {"1": 0.25, "2": 0.75}


def test_many_draws_are_counted_as_each_alone():
    rng = np.random.default_rng(4)
    draws = Components(
        rng.dirichlet(np.ones(12), 900), np.sort(rng.normal(0, 4, (900, 12))), rng.uniform(0.2, 2, (900, 12))
    )
    together = count_modes(draws)  # in several pieces
    for i in (0, 450, 899):
        assert together[i] == count_modes(draws.map(lambda values, i=i: values[i : i + 1]))[0]
    assert len(set(together)) > 3


# -- lone values ------------------------------------------------------------------------------

NORMAL = stats.norm.ppf((np.arange(300) + 0.5) / 300)  # no value is further out than 2.94
ONE = mixture([1.0], [0.0], [1.0])


def test_one_far_value_is_named_with_its_distance():
    sample = Sample.of_values([*NORMAL, 50.0])
    expected = [{"value": 50.0, "count": 1, "sds": 50.0}]
    assert lone_values(sample, ONE) == expected
    captured = mixture([0.995, 0.005], [0.0, 45.0], [1.0, 9.0])  # a component of its own, drawn to it
    assert lone_values(sample, captured) == expected


def test_a_group_is_no_outlier_and_neither_is_a_tail():
    group = mixture([0.99, 0.01], [0.0, 50.0], [1.0, 1.0])
    assert lone_values(Sample.of_values([*NORMAL, 49.0, 50.0, 51.0]), group) == []
    assert lone_values(Sample.of_values(NORMAL), ONE) == []
    assert lone_values(Sample.of_values([0.0, 10.0]), mixture([0.5, 0.5], [0.0, 10.0], [1.0, 1.0])) == [], (
        "no group at all"
    )


def test_far_grows_with_the_sample():
    few, many = (Sample.of_values([*NORMAL[::step], 4.6]) for step in (10, 1))
    assert [each["value"] for each in lone_values(few, ONE)] == [4.6]
    assert lone_values(many, ONE) == []


def test_the_farthest_comes_first_and_a_cell_stands_for_its_values():
    found = lone_values(group_sample(Sample.of_values([*NORMAL, -9.0, 20.0, 20.0]), 0.1), ONE)
    assert [each["count"] for each in found] == [2, 1]
    assert_allclose([each["value"] for each in found], [20, -9], atol=0.051)
