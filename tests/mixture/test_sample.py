"""Samples are drawn, named, counted in cells and told apart as their docstrings say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from mixture.components import mixture_log_density, sort_components
from mixture.data.cells import choose_likelihood, find_rounding, group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import component_counts, random_stream, simulate_mixture
from mixture.messages import InputError

positive = st.floats(0.01, 1)
POST = ([0.7, 0.3], [150.0, 200.0], [10.0, 20.0])


@pytest.fixture
def rng():
    return np.random.default_rng(20160508)


# ---------------------------------------------------------------- counts


@given(st.integers(0, 10**8), st.lists(positive, min_size=1, max_size=8))
def test_counts_add_up_and_are_less_than_one_off(n, ratios):
    weights = np.array(ratios) / sum(ratios)
    counts = component_counts(n, weights)
    assert counts.sum() == n
    assert np.abs(counts - weights * n).max() < 1 + 1e-6


@given(st.integers(2, 10**8), st.floats(-1e-6, 1e-6))
def test_counts_add_up_for_weights_that_sum_to_one_only_nearly(n, off):
    assert component_counts(n, [0.5, 0.5 + off]).sum() == n


@pytest.mark.parametrize(
    "n, weights, counts",
    [
        (1000, [0.7, 0.3], [700, 300]),
        (100, [0.29, 0.71], [29, 71]),  # 0.29 * 100 is 28.999999999999996
        (10, [0.55, 0.45], [6, 4]),  # 5.5 and 4.5: the remainder goes to one of two equal fractions, the first
        (10, [0.17, 0.83], [2, 8]),  # 1.7 and 8.3
        (2, [1 / 3, 1 / 3, 1 / 3], [1, 1, 0]),
    ],
)
def test_counts_are_the_floor_of_weight_times_n_and_the_remainder_to_the_largest_fractions(n, weights, counts):
    assert_array_equal(component_counts(n, weights), counts)


# ---------------------------------------------------------------- simulation


def test_one_seed_gives_one_sample_and_another_seed_another():
    def values(seed):
        return simulate_mixture(50, *POST, random_stream(seed, "sample"))[0]

    assert_array_equal(values(1), values(1))
    assert not np.isin(values(1), values(2)).any()


def test_a_step_keeps_its_stream_whatever_other_steps_draw():
    alone = random_stream(7, "sample").random(100)
    other = random_stream(7, "a step added later").random(100)
    assert_array_equal(random_stream(7, "sample").random(100), alone)
    assert not np.isin(alone, other).any()
    assert stats.pearsonr(alone, other).pvalue > 0.001


@pytest.mark.parametrize("counts", ["fixed", "random"])
def test_a_sample_has_the_moments_that_were_asked_for(rng, counts):
    values, component = simulate_mixture(20_000, *POST, rng, counts)
    for k, (weight, mean, sd) in enumerate(zip(*POST, strict=True)):
        own = values[component == k]
        spread = 0.5 if counts == "fixed" else 4 * np.sqrt(20_000 * weight * (1 - weight))
        assert abs(len(own) - 20_000 * weight) < spread
        assert abs(own.mean() - mean) < 4 * sd / np.sqrt(len(own))
        assert abs(own.std() - sd) < 4 * sd / np.sqrt(2 * len(own))


def test_a_sample_comes_in_random_order(rng):
    _, component = simulate_mixture(1000, *POST, rng)
    assert stats.spearmanr(component, np.arange(1000)).pvalue > 0.001


# ---------------------------------------------------------------- labels


@pytest.fixture
def mixtures(rng):
    """Weights, means, sds of shape (2, 3, 4)."""
    return rng.dirichlet(np.ones(4), (2, 3)), rng.normal(0, 3, (2, 3, 4)), rng.uniform(0.5, 2, (2, 3, 4))


def test_sorting_puts_means_in_order_and_twice_is_once(mixtures):
    once = sort_components(*mixtures)
    assert (np.diff(once[1]) > 0).all()
    assert_array_equal(sort_components(*once), once)


def test_sorting_treats_leading_axes_independently(mixtures):
    together = sort_components(*mixtures)
    for index in np.ndindex(2, 3):
        assert_array_equal(sort_components(*(a[index] for a in mixtures)), [a[index] for a in together])


def test_relabelling_leaves_the_density_unchanged(mixtures, rng):
    x = np.linspace(-9, 9, 50)
    density = mixture_log_density(x, *mixtures)
    assert_allclose(mixture_log_density(x, *sort_components(*mixtures)), density, rtol=1e-12)
    order = rng.permutation(4)
    assert_allclose(mixture_log_density(x, *(a[..., order] for a in mixtures)), density, rtol=1e-12)


# ---------------------------------------------------------------- values and cells


def test_a_sample_survives_its_data_frame(rng):
    values, component = simulate_mixture(30, *POST, rng)
    plain, known = Sample.of_values(values), Sample.of_values(values, component)
    for sample in (plain, known, group_sample(plain, 3.0), group_sample(known, 3.0)):
        back = Sample.of_frame(sample.frame())
        assert back.exact == sample.exact
        for field in ("lower", "upper", "count", "component", "simulated"):
            assert_array_equal(getattr(back, field), getattr(sample, field))


def test_moments_and_quantiles_are_numpys(rng):
    values = rng.normal(5, 2, 101)
    sample = Sample.of_values(values)
    assert_allclose(
        [sample.mean(), sample.sd(), sample.low, sample.high], [values.mean(), values.std(), values.min(), values.max()]
    )
    assert_allclose(sample.quantile([0.1, 0.5, 0.9]), np.quantile(values, [0.1, 0.5, 0.9], method="inverted_cdf"))


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=30), st.floats(0.01, 10), st.booleans())
def test_cells_hold_every_value_once(values, width, rounded):
    grouped = group_sample(Sample.of_values(values), width, rounded)
    assert grouped.n == len(values)
    slack = 1e-9 * max(1, *map(abs, values))
    inside = [((grouped.lower - slack <= v) & (v <= grouped.upper + slack)).any() for v in values]
    assert all(inside)
    assert (np.diff(grouped.lower) > 0.99 * width).all()  # cells do not overlap
    if rounded:
        assert_allclose(grouped.value / width, np.round(grouped.value / width), atol=1e-6)


def test_the_order_of_values_does_not_matter_to_cells(rng):
    values = rng.normal(0, 3, 200)
    one, other = (group_sample(Sample.of_values(v), 0.5) for v in (values, rng.permutation(values)))
    assert_array_equal(one.lower, other.lower)
    assert_array_equal(one.count, other.count)


@pytest.mark.parametrize("low, high, decimals", [(0, 1, 2), (0, 1e-3, 5), (-3, 8, 1), (1000, 1500, 0), (0, 5000, -2)])
def test_rounding_is_found(rng, low, high, decimals):
    values = np.round(rng.uniform(low, high, 2000), decimals)
    assert find_rounding(Sample.of_values(values)) == pytest.approx(10.0**-decimals)


def test_no_rounding_is_found_where_there_is_none(rng, galaxies):
    assert find_rounding(Sample.of_values(rng.random(2000))) == 0
    assert find_rounding(galaxies) == 0  # three decimals, but hardly a value twice


def test_auto_groups_what_was_rounded_and_what_is_large_and_nothing_else(rng, waiting):
    grouped, reason = choose_likelihood(waiting, 5.9)
    assert grouped.width == 1 and "rounded to multiples of 1" in reason
    large, small = (Sample.of_values(simulate_mixture(n, *POST, rng)[0]) for n in (50_000, 1000))
    grouped, reason = choose_likelihood(large, 10.0)
    assert grouped.width == pytest.approx(1.0) and grouped.n == 50_000 and "0.1 of the smallest sd" in reason
    assert choose_likelihood(small, 10.0)[0] is small


def test_the_likelihood_that_was_asked_for_is_the_one_that_comes(rng):
    sample = Sample.of_values(simulate_mixture(1000, *POST, rng)[0])
    assert choose_likelihood(sample, 10.0, "exact")[0] is sample
    grouped, _ = choose_likelihood(sample, 10.0, "grouped", cell_width=2.0)
    assert grouped.width == pytest.approx(2.0)
    with pytest.raises(InputError, match="cell_width: given 6"):
        choose_likelihood(sample, 10.0, "grouped", cell_width=6.0)


def test_counts_stay_counts_in_cells_no_wider_than_asked_for(rng):
    fine = group_sample(Sample.of_values(simulate_mixture(1000, *POST, rng)[0]), 0.3)
    coarse, _ = choose_likelihood(fine, 20.0)
    assert 1.0 < coarse.width <= 2.0 and coarse.n == 1000
    for lower, upper, count in zip(coarse.lower, coarse.upper, coarse.count, strict=True):
        inside = (fine.value > lower) & (fine.value < upper)
        assert fine.count[inside].sum() == count
    with pytest.raises(InputError, match="likelihood: given exact"):
        choose_likelihood(fine, 20.0, "exact")
