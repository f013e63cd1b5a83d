"""Two posteriors side by side: differences against what the draws were made from."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from mixture.bayes.draws import as_dataset
from mixture.check.runs import SAME, compare_posteriors, same_values
from mixture.data.sample import Sample
from mixture.messages import InputError
from mixture.show.forest import draw_runs
from mixture.show.text import runs as say

NAMES = ["one", "two"]


def posterior(means, seed=1, draws=1000):
    """Independent draws of as many components, sds 0.1 about each parameter."""
    rng, k = np.random.default_rng(seed), len(means)
    weights = rng.dirichlet([50] * k, (4, draws))
    mu, sigma = rng.normal(means, 0.1, (4, draws, k)), rng.normal([2.0] * k, 0.1, (4, draws, k))
    return xr.DataTree.from_dict({"/posterior": as_dataset((weights, mu, sigma))})


def test_two_samplings_of_one_posterior_are_apart_by_chance_alone():
    found = compare_posteriors(posterior([0, 9]), posterior([0, 9], seed=2))
    assert found["in_errors"].abs().max() < SAME and found["in_sds"].abs().max() < 0.1
    assert_allclose(found.loc[found["parameter"] == "mu", "sd_1"], 0.1, rtol=0.05)
    text = say.runs_text(found, NAMES, [True, True], True, 0, SAME)
    assert "have the same sample and the same parameters" in text and "agree within Monte Carlo error" in text


def test_a_shift_is_told_in_errors_and_in_sds_whatever_the_components_are_called():
    one, other = posterior([0, 9]), posterior([9.2, 0], seed=2)
    found = compare_posteriors(one, other).set_index(["parameter", "component"])
    row = found.loc[("mu", 2)]
    assert row["difference"] == pytest.approx(0.2, abs=0.01) and row["in_sds"] == pytest.approx(2, abs=0.1)
    assert row["in_errors"] == pytest.approx(0.2 / (0.1 * (2 / 4000) ** 0.5), rel=0.1)
    text = say.runs_text(found.reset_index(), NAMES, [True, False], False, 2, SAME)
    assert "differ by more than chance:** the mean of component 2" in text and "chains of `two` are not" in text
    assert len(say.posteriors_table(found.reset_index(), NAMES)) == 6
    assert draw_runs(found.reset_index(), NAMES, [True, False], "mm").startswith("<svg")


def test_one_component_has_a_weight_that_nothing_is_open_of():
    found = compare_posteriors(posterior([3.0]), posterior([3.0], seed=2))
    assert found.loc[found["parameter"] == "w", ["in_errors", "in_sds"]].to_numpy().tolist() == [[0, 0]]


def test_components_without_counterparts_are_refused():
    with pytest.raises(InputError, match="2 in one run and 3 in the other"):
        compare_posteriors(posterior([0, 9]), posterior([0, 5, 9]))


def test_a_sample_is_the_same_in_whatever_unit_it_is_said_to_be():
    sample = Sample.of_values([1.0, 2.0, 4.0])
    assert same_values(sample, replace(sample, unit="mm", name="length"))
    assert not same_values(sample, Sample.of_values([1.0, 2.0, 5.0]))
    assert not same_values(sample, Sample.of_values([1.0, 2.0]))
