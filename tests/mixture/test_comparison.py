"""The comparison shows what posterior and EM say, no more and no less."""

import functools

import arviz as az
import numpy as np
import pandas as pd
import pytest
from fits import simulated, tree_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from mixture.bayes.draws import posterior_draws
from mixture.check import selection
from mixture.check.comparison import compare_fits, monte_carlo_distance
from mixture.check.likelihood import compare_posteriors
from mixture.check.membership import means_outside, save_memberships, summarise_memberships
from mixture.check.selection import choose_component_count, could_win
from mixture.components import Components, membership_probabilities, sort_components
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.em import em_standard_errors
from mixture.messages import InputError
from mixture.show.text.comparison import counts_text

TRUTH = [0.6, 0.4], [4.0, 0.0], [1.5, 1.0]  # in another order than the fit's


def test_the_table_has_a_row_a_parameter_and_only_the_columns_that_are_known(exact_fit):
    tree, em = exact_fit.tree, exact_fit.em
    errors = em_standard_errors(exact_fit.sample, em)
    always = ["posterior_mean", "posterior_sd", "interval_low", "interval_high", "em"]
    assert list(compare_fits(tree, em.components).columns) == ["parameter", "component", *always, "difference_in_sds"]
    full = compare_fits(tree, em.components, errors, sort_components(*TRUTH))
    assert list(full.columns) == ["parameter", "component", "truth", *always, "em_se", "difference_in_sds"]
    assert full[["parameter", "component"]].values.tolist() == [
        [name, k] for name in ("w", "mu", "sigma") for k in (1, 2)
    ]
    assert full["truth"].tolist() == [0.4, 0.6, 0.0, 4.0, 1.0, 1.5]
    assert_allclose(full["em_se"], np.concatenate(list(errors.values())))


def test_the_tables_numbers_are_those_of_the_draws(exact_fit):
    table = compare_fits(exact_fit.tree, exact_fit.em.components, interval=0.8).set_index(["parameter", "component"])
    for name, draws, em in zip(
        ("w", "mu", "sigma"), posterior_draws(exact_fit.tree), exact_fit.em.components, strict=True
    ):
        for k in (0, 1):
            row, own = table.loc[(name, k + 1)], draws[..., k].ravel()
            assert_allclose(row[["posterior_mean", "posterior_sd", "em"]].astype(float), [own.mean(), own.std(), em[k]])
            assert_allclose(row[["interval_low", "interval_high"]].astype(float), az.hdi(own, prob=0.8))
            assert row["difference_in_sds"] == pytest.approx((own.mean() - em[k]) / own.std())


@pytest.mark.longer
def test_one_components_weight_differs_from_nothing(single_fit):
    table = compare_fits(single_fit.tree, single_fit.em.components)
    assert table["posterior_sd"][0] == 0 and table["difference_in_sds"][0] == 0


@pytest.mark.parametrize(
    "values",
    [
        [-1.0, 2.0, 7.0],
        simulated(20),
        group_sample(simulated(20), 0.5),
    ],
    ids=["new values", "a sample", "cells"],
)
def test_memberships_are_summarised_as_by_a_literal_loop(exact_fit, values):
    draws = posterior_draws(exact_fit.tree).thin(200)
    sample = values if isinstance(values, Sample) else Sample.of_values(values)
    frame = summarise_memberships(values, draws, 0.9)
    assert len(frame) == len(sample.count)
    for i in range(len(frame)):
        share = np.array([membership_probabilities(sample, *(a[s] for a in draws))[i] for s in range(200)])
        mean = share.mean(axis=0)
        assert_allclose(frame.loc[i, ["p_1", "p_2"]].astype(float), mean)
        assert_allclose(frame.loc[i, ["p_1_low", "p_1_high"]].astype(float), az.hdi(share[:, 0], prob=0.9))
        assert frame["entropy"][i] == pytest.approx(-(mean * np.log(mean)).sum())
    known = ["value"] if sample.exact else ["lower", "upper", "count"]
    assert_array_equal(frame[known], sample.frame()[known])


def test_many_memberships_are_those_of_each_value_alone(exact_fit):
    """They are worked off in pieces."""
    draws, values = posterior_draws(exact_fit.tree).thin(50), np.linspace(-3, 9, 1201)
    together = summarise_memberships(values, draws)
    for i in (0, 600, 1200):
        assert_allclose(together.iloc[i], summarise_memberships(values[i : i + 1], draws).iloc[0])
    assert_allclose(together["p_1"] + together["p_2"], 1)


def test_means_visibly_outside_their_intervals_are_counted():
    """One component in twenty draws holds the value, so the mean is 0.05 and the shortest interval 0 to 0."""
    draws = Components(np.full((100, 2), 0.5), np.tile([0.0, 9.0], (100, 1)), np.ones((100, 2)))
    draws.means[:4] = [0.0, 60.0]  # of these draws alone the first component holds 9
    sample = group_sample(Sample.of_values([0.0, 9.0, 9.0, 9.0]), 0.1)
    membership = summarise_memberships(sample, draws, 0.95)
    share, furthest = means_outside(membership, sample)
    assert share == 0.75, "three of four, which lie in one cell"
    assert furthest == pytest.approx(0.04, abs=1e-6)
    assert means_outside(summarise_memberships(sample, draws, 0.98), sample)[0] == 0


def test_memberships_are_saved_for_programs_and_for_spreadsheets(exact_fit, tmp_path):
    membership = summarise_memberships(1e-9 * np.arange(3.0), posterior_draws(exact_fit.tree).thin(50))
    save_memberships(membership, tmp_path)
    assert_array_equal(pd.read_parquet(tmp_path / "membership.parquet"), membership)
    as_text = pd.read_csv(tmp_path / "membership.csv")
    assert list(as_text) == list(membership) and as_text["value"].tolist() == membership["value"].tolist()
    assert_allclose(as_text, membership, atol=5.1e-7)


@pytest.mark.longer
def test_the_distance_of_two_posteriors_is_in_monte_carlo_errors(exact_fit, grouped_fit):
    assert monte_carlo_distance(exact_fit.tree, exact_fit.tree) == 0
    assert monte_carlo_distance(exact_fit.tree, grouped_fit.tree) < 4
    far = exact_fit.tree.copy()
    posterior = far["posterior"].to_dataset()
    far["posterior"] = posterior.assign(mu=posterior["mu"] + posterior["mu"].std(("chain", "draw")))
    assert monte_carlo_distance(exact_fit.tree, far) > 4


@pytest.mark.longer
def test_two_components_predict_better_than_one(exact_fit, single_fit):
    trees = {1: single_fit.tree, 2: exact_fit.tree}
    table = compare_posteriors(trees, {1: True, 2: True}, np.random.default_rng(1))
    assert table["elpd"][2] > table["elpd"][1] + 4
    assert table["weight"].sum() == pytest.approx(1, abs=1e-6) and table["weight"][2] > 0.9
    doubted = compare_posteriors(trees, {1: True, 2: False}, np.random.default_rng(1))
    assert doubted["weight"][1] == 1 and np.isnan(doubted["weight"][2])


def test_predictions_scored_in_cells_are_those_of_the_values():
    """Eight hundred values of one component: a cell's mass over its width is the density."""
    rng = np.random.default_rng(2)
    sample = Sample.of_values(rng.normal(5, 3, 800))
    center, spread = sample.mean(), sample.sd()
    means, sds = center + spread / 28 * rng.normal(size=(2, 60, 1)), spread * (1 + rng.normal(size=(2, 60, 1)) / 40)
    tree = tree_of(sample, (np.ones((2, 60, 1)), means, sds))
    drawn = {"given": False, "p_k": {"1": 0.7, "2": 0.3}}
    table = choose_component_count(sample, 1, tree, rng, starts=2, components=drawn)
    assert len(tree["log_likelihood"]["x"][0, 0]) == 800, "the report's own is on the values"
    density = stats.norm(center, spread).logpdf(sample.value)
    assert table["elpd"][1] == pytest.approx(density.sum() - 2, abs=1.5), "less one for each parameter"
    assert table["elpd_se"][1] == pytest.approx(density.std() * np.sqrt(800), rel=0.1)
    assert table["p_k"][1] == 0.7


def test_numbers_with_which_em_collapses_are_not_compared(exact_fit, monkeypatch):
    """Six values leave some open that EM cannot climb for; below the report's own number that is an error still."""
    climb = selection.fit_em_proper

    def collapsing(sample, k, *rest, fewest=4):
        if k >= fewest:
            raise InputError("EM collapses")
        return climb(sample, k, *rest)

    few = {"starts": 2, "draws": 50, "chains": 2}
    monkeypatch.setattr(selection, "fit_em_proper", collapsing)
    table = choose_component_count(exact_fit.sample, 6, exact_fit.tree, np.random.default_rng(1), **few)
    assert table.index.tolist() == [1, 2, 3]
    assert "With 4 components EM collapses from every start" in counts_text(table, 6)
    assert "collapses" not in counts_text(table, 3)
    monkeypatch.setattr(selection, "fit_em_proper", functools.partial(collapsing, fewest=2))
    with pytest.raises(InputError, match="EM collapses"):
        choose_component_count(exact_fit.sample, 6, exact_fit.tree, np.random.default_rng(1), **few)


def test_an_untrusted_number_could_win_by_its_prediction_or_as_another_criterions_choice():
    """As with acidity's lakes: one component is trusted and poor, two and three are neither."""
    table = pd.DataFrame(
        {
            "elpd": [-226.0, -199.0, -196.0, -231.0, -230.0],
            "trusted": [True, False, False, False, True],
            "bic": [461.0, 404.0, 405.0, 414.0, 425.0],
            "aic": [455.0, 388.0, 382.0, 383.0, 385.0],
            "icl": [461.0, 410.0, 420.0, 440.0, 450.0],
            "sbic": [-230.0, -202.0, -201.0, -203.0, -204.0],
        },
        index=[1, 2, 3, 4, 5],
    )
    assert could_win(table).tolist() == [False, True, True, False, False]
    assert could_win(table.assign(p_k=[0, 0.2, 0.3, 0.4, 0.1])).tolist() == [False, True, True, True, False]
    assert not could_win(table.assign(trusted=True)).any(), "what is trusted is compared"
    assert could_win(table.assign(trusted=False)).all(), "nothing is known to be better"
    assert could_win(table.assign(elpd=[-226.0, -199, -196, np.nan, -230]))[4], "no number is not a poor one"
