"""What the studies make of their measurements: small tables with known answers."""

import subprocess

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mixture.show import study_figures
from mixture.show.text import studies as say
from mixture.show.text import sweep as say_of_sweep
from mixture.show.text.wording import FUNCTIONS, wording
from mixture.studies import (
    assignment_steps,
    calibration,
    component_counts,
    interval_coverage,
    priors,
    rank_uniformity,
    scaling,
    sweeps,
)
from mixture.studies.coverage import LEVELS, Scenario, scenarios


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


# -- assignment steps -------------------------------------------------------------------------


def steps_table():
    """Two methods at three sizes: one linear and one quadratic in N."""
    return pd.DataFrame(
        [
            {
                "method": method,
                "n": n,
                "seconds_per_sweep": n**power / 1e6,
                "ess_per_second": 1e6 / n**power,
                "moved": moved,
            }
            for n in (100, 1000, 3000)
            for method, power, moved in (
                ("gibbs", 1, 0.1),
                ("categorical-gibbs", 2, 0.08),
                ("metropolis", 1, 0.001),
                ("marginal", 1, np.nan),
            )
        ]
    )


def test_growth_is_the_power_of_n():
    growth = assignment_steps.growth_by_method(steps_table())
    assert growth.loc["gibbs"].tolist() == pytest.approx([1, -1])
    assert growth.loc["categorical-gibbs"].tolist() == pytest.approx([2, -2])


@pytest.mark.parametrize("sizes, n", [((100, 1000, 3000), 1000), ((100, 300), 300), ((3000, 5000), 3000)])
def test_the_posts_size_is_the_largest_up_to_a_thousand_or_the_smallest(sizes, n):
    table = pd.DataFrame({"method": "gibbs", "n": sizes})
    assert assignment_steps.rows_at_posts_size(table)["n"].tolist() == [n]


def test_the_steps_are_judged_both_ways():
    moved = {"metropolis": 0.001, "gibbs": 0.1, "categorical-gibbs": 0.08}
    exponents = {"categorical-gibbs": 2.0, "gibbs": 1.0, "marginal": 1.0}
    per_second = {"gibbs": 50.0, "marginal": 80.0}
    text = say.steps_text(1000, moved, per_second, exponents)
    assert "the post is right" in text and "acceptance is not the trouble" in text and "**marginal** with 80" in text
    other = say.steps_text(1000, moved | {"metropolis": 0.09, "categorical-gibbs": 0.01}, per_second, exponents)
    assert "the post is not right" in other and "acceptance is also the trouble" in other


def test_the_costs_have_a_line_for_each_method():
    left, right = study_figures.draw_step_costs(steps_table()).axes
    assert len(left.lines) == len(right.lines) == 4
    np.testing.assert_allclose(left.lines[1].get_ydata(), [0.01, 1.0, 9.0])


# -- scaling ----------------------------------------------------------------------------------


def scaling_results():
    """Cost in proportion to N but for cells; a failed point and a second row of each point that must not count."""
    rows = []
    for n in (10, 1000, 10_000, 100_000):
        for model, likelihood, step in (
            ("marginal", "exact", "gibbs"),
            ("marginal", "grouped", "gibbs"),
            ("latent", "exact", "gibbs"),
            ("latent", "exact", "metropolis"),
        ):
            cells = likelihood == "grouped"
            rows += [
                {
                    "point": f"{n} {model} {likelihood} {step}",
                    "component": k,
                    "n_samples": n,
                    "model": model,
                    "likelihood": likelihood,
                    "latent_step": step,
                    "chains": 2,
                    "draws": 400,
                    "tune": 100,
                    "seconds_sampling": 5.0 if cells else n / 100,
                    "smallest bulk ESS": 300.0,
                    "label_ess": np.nan if model == "marginal" else 0.0 if step == "metropolis" else 200.0,
                    "acceptance": 0.9,
                    "moved": 0.1,
                    "seconds_em": 7.0 if cells else n / 1e4,
                    "status": "finished",
                    "outcome": "untrusted" if step == "metropolis" else "trusted",
                }
                for k in (0, 1)
            ]
    return pd.DataFrame([*rows, {**rows[0], "point": "failed", "status": "failed"}])


def test_points_are_measured_once_and_by_their_worst_quantity():
    points = scaling.measure_points(scaling_results())
    assert len(points) == 16 and set(points["method"]) == {"marginal", "marginal, cells", "gibbs", "metropolis"}
    post = scaling.rows_at_posts_size(points)
    assert post["seconds_per_sweep"]["marginal"] == pytest.approx(10 / (2 * 500))
    assert post["ess_per_second"].to_dict() == {
        "marginal": 30.0,
        "marginal, cells": 60.0,
        "gibbs": 20.0,
        "metropolis": 0.0,
    }


def test_exponents_are_those_of_the_largest_three_samples():
    results = scaling_results()
    small = results["n_samples"] == 10
    results.loc[small, ["seconds_sampling", "seconds_em"]] = 1e4  # would turn the exponents if it counted
    points = scaling.measure_points(results)
    exponents = scaling.growth_by_method(points)
    assert exponents["seconds per sweep"].to_dict() == pytest.approx(
        {"marginal": 1, "marginal, cells": 0, "gibbs": 1, "metropolis": 1}, abs=1e-12
    )
    assert np.isnan(exponents["effective draws per second"]["metropolis"])
    assert scaling.growth_of_em(scaling.seconds_of_em(points)) == pytest.approx(1)
    assert list(scaling.costs_table(points).columns) == scaling.COLUMNS


def test_the_answer_on_scaling():
    points = scaling.measure_points(scaling_results())
    text = say.cells_text(**scaling.cells_facts(points, scaling.growth_by_method(points)))
    assert "hardly depends on N (to the power" in text and "100,000 values take 5.0 seconds" in text
    assert "10 take 5.0, 1 times less" in text and "can be trusted" in text
    slow, fast = ({"metropolis": per_second, "marginal": 30.0} for per_second in (1.0, 20.0))
    cost = {"categorical-gibbs": 2.0, "gibbs": 1.0, "marginal": 1.0}
    assert "MCMC does not scale" in say.scaling_text(slow, cost, 1.0) and "MCMC does scale" in say.scaling_text(
        fast, cost, 1.0
    )


def test_untrusted_points_are_crossed_out():
    points = scaling.measure_points(scaling_results())
    left, right = study_figures.draw_sweep_costs(points, scaling.seconds_of_em(points), scaling.METHODS).axes
    assert [len(line.get_xdata()) for line in left.lines if line.get_marker() == "x"] == [4]
    assert [len(line.get_xdata()) for line in right.lines if line.get_marker() == "x"] == [0], (
        "0 has no place on a logarithm"
    )


# -- number of components ---------------------------------------------------------------------


def count_results():
    """Two components, 2 and 4 sds apart: found from 1,000 and from 100 values on; one point failed."""
    rows = []
    for apart, enough in ((2.0, 1000), (4.0, 100)):
        for n in (30, 100, 1000):
            for seed in (1, 2):
                found = n >= enough or (n == 30 and seed == 2)  # a small sample may be right by chance
                rows += [
                    {
                        "point": f"{apart} {n} {seed}",
                        "component": k,
                        "means": np.array([1.0, 1.0 + 0.5 * apart]),
                        "sds": np.array([0.5, 0.5]),
                        "n_samples": n,
                        "status": "failed" if (apart, n, seed) == (2.0, 30, 1) else "finished",
                        "outcome": "untrusted" if (n, seed) == (100, 1) else "trusted",
                        "components_found": 2 if found else 1,
                        "p_components_1": 0.1 if found else 0.7,
                        "p_components_2": 0.8 if found else np.nan,
                    }
                    for k in range(2 if found else 1)
                ]
    return pd.DataFrame(rows)


def test_the_number_is_found_from_some_size_on():
    points = component_counts.measure_recovery(count_results())
    assert len(points) == 11 and set(points["separation"]) == {2.0, 4.0}
    assert set(points["p_true"]) == {0.8, 0.0}  # a number that was never drawn has no column of its own
    table = component_counts.recovery_table(points)
    assert table.loc[2.0].tolist() == ["1 of 1", "0 of 2", "2 of 2"] and table.loc[4.0, 30] == "1 of 2"
    smallest = component_counts.smallest_samples(points)
    assert smallest == [(4.0, 1000, 100), (2.0, 1000, 1000)]
    never = component_counts.smallest_samples(points.assign(found=points["found"] & (points["n_samples"] < 1000)))
    assert never == [(4.0, 1000, None), (2.0, 1000, None)]
    text = say.component_counts_text([*smallest, (1.0, 1000, None)], component_counts.largest_probability(points))
    assert "**100 at 4; 1,000 at 2;" in text and "more than 1,000 at 1" in text and "0.80" in text


def test_the_fits_that_cannot_be_trusted_are_crossed_out():
    points = component_counts.measure_recovery(count_results())
    (ax,) = study_figures.draw_recovery(points, component_counts.SURE).axes
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert sum(len(line.get_xdata()) for line in crosses) == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2 sds apart", "4 sds apart"]


# -- priors -----------------------------------------------------------------------------------


def prior_results():
    """Two samples, two offsets, four precisions; the posterior leaves the sample from a known precision on."""
    rows = []
    for n in (100, 1000):
        for offset in (5.0, 20.0):
            for precision in (0.0001, 0.01, 0.1, 1.0):
                moved = 6.0 if offset * precision * 100 / n >= 0.2 else 0.1 * precision
                rows += [
                    {
                        "point": f"{n} {offset} {precision}",
                        "component": k,
                        "status": "finished",
                        "outcome": "trusted",
                        "n_samples": n,
                        "means": [150.0, 200.0],
                        "mean_prior_mean": [150.0 + offset, 200.0],
                        "mean_prior_precision": [precision, precision],
                        "mu_posterior_mean": 150 + 50 * k + moved * (1 - k),
                        "mu_posterior_sd": 2.0,
                    }
                    for k in (0, 1)
                ]
    return pd.DataFrame([*rows, {**rows[0], "point": "failed", "status": "failed"}])


def test_shifts_are_counted_from_the_weakest_prior_in_its_sds():
    points = priors.measure_shifts(prior_results()).set_index("point")
    assert len(points) == 16 and "failed" not in points.index
    assert points["shift"]["100 5.0 1.0"] == pytest.approx((6 - 0.00001) / 2) and points["shift"]["100 5.0 0.0001"] == 0
    assert points["offset"]["1000 20.0 0.1"] == 20 and points["precision"]["1000 20.0 0.1"] == 0.1


def test_the_border_is_the_first_misleading_precision():
    border = priors.first_misled(priors.measure_shifts(prior_results()))
    assert border.loc[20.0].to_dict() == {100: 0.01, 1000: 0.1}
    assert border.loc[5.0].to_dict() == {100: 0.1, 1000: 1.0}
    assert priors.border_at_largest_offset(border) == {100: 0.01, 1000: 0.1}
    text = say.border_text(priors.border_at_largest_offset(border))
    assert "100 values are misled from precision 0.01 on, 1,000 values from 0.1" in text and "sample withstands" in text
    assert "nothing to compare" in say.border_text({100: 0.01})
    assert priors.border_table(border.where(border > 0.05)).loc[20.0, 100] == "none"


def test_a_point_is_paired_with_the_next_larger_precision_of_its_own_sample():
    results = prior_results()
    pairs = priors.pair_with_refits(priors.measure_shifts(results), results).set_index("point")
    assert len(pairs) == 12 and pairs["following"]["100 5.0 0.01"] == "100 5.0 0.1"
    assert pairs["moved"]["100 5.0 0.01"] == pytest.approx((6 - 0.001) / 2)
    assert "100 5.0 1.0" not in pairs.index, "no prior is firmer"


def test_warnings_are_counted_against_movements():
    pairs = pd.DataFrame({"sensitivity": [0.2, 0.2, 0.01, 0.01, 0.3], "moved": [2.0, 0.1, 3.0, 0.1, 1.0]})
    table = priors.warnings_table(pairs)
    assert table.loc["warned"].to_dict() == {"moves": 2, "stays": 1} and table.loc["not warned", "moves"] == 1
    facts = priors.forecast_facts(pairs)
    assert (facts["caught"], facts["false"], facts["missed"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3), 1)
    text = say.forecast_text(**facts)
    assert "does **not** reliably foretell it" in text and "It missed 1" in text
    assert "It missed" not in say.forecast_text(1.0, 0.0, 0, 0.9) and "does foretell" in say.forecast_text(
        1.0, 0.0, 0, 0.9
    )


def test_the_posts_own_priors_are_judged():
    facts = priors.misled_facts(priors.measure_shifts(prior_results()))
    assert facts["like_the_posts"] == pytest.approx((0.01 - 0.00001) / 2) and facts["misled_share"] == pytest.approx(
        8 / 16
    )
    assert facts["least_wrong"] == pytest.approx(5 * 0.1**0.5)
    assert "**not right**" in say.misled_text(**facts) and "**right**" in say.misled_text(
        **facts | {"like_the_posts": 2.1}
    )
    assert say.misled_text(0.1, 2.0, 0.0, None).endswith("0% of the posteriors are misled.")


def test_the_maps_mark_the_border_and_what_cannot_be_trusted():
    points = priors.measure_shifts(prior_results())
    points.loc[points["point"] == "100 5.0 1.0", "outcome"] = "untrusted"
    small, large, _ = study_figures.draw_shift_maps(points, priors.MISLED).axes
    assert small.get_title("left") + small.get_title() == "N = 100"
    crosses = [line.get_xydata().tolist() for line in small.lines if line.get_marker() == "x"]
    assert crosses == [[[3.5, 0.5]], []]
    assert [line.get_xdata()[0] for line in large.lines if line.get_marker() != "x"] == [3, 2]


# -- calibration ------------------------------------------------------------------------------


def ranks_table(fits=200):
    """One model with uniform ranks, one whose ranks are all small."""
    uniform = (np.arange(fits) + 0.5) / fits
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "model": model,
                    "replicate": range(fits),
                    "parameter": "mu[1]",
                    "rank": ranks,
                    "ess": ess,
                    "seconds": 2.0,
                }
            )
            for model, ranks, ess in (("marginal", uniform, 150.0), ("latent", uniform**2, 50.0))
        ]
    )


def test_rank_differences_stay_in_the_band_where_calibrated():
    table = ranks_table()
    differences = rank_uniformity.rank_differences(table)
    inside = (
        differences["difference"].between(differences["low"], differences["high"]).groupby(differences["model"]).all()
    )
    assert inside.to_dict() == {"marginal": True, "latent": False}
    verdict = rank_uniformity.judge_ranks(table)
    largest = differences[differences["model"] == "latent"]["difference"].max()
    assert (
        verdict.set_index("model")["largest_difference"]["latent"]
        == pytest.approx(largest)
        == pytest.approx(0.25, abs=0.01)
    )


def test_models_are_summarised_in_their_order():
    table = ranks_table()
    summary = rank_uniformity.summarise_models(table, rank_uniformity.judge_ranks(table))
    assert list(summary.index) == ["marginal", "latent"] and summary["passed"].tolist() == [1, 0]
    assert summary["fits with ESS of 100 or more"].tolist() == [1.0, 0.0]


def test_what_is_not_calibrated_is_named():
    verdict = rank_uniformity.judge_ranks(ranks_table())
    text = say.calibration_text(verdict, 0.99)
    assert "- The **marginal** model is **calibrated**." in text
    assert "The **latent** model is **NOT calibrated**; mu[1] leaves its band at rank 0.2" in text
    assert "Not all 2 distributions" in text
    good = say.calibration_text(verdict[verdict["passed"]], 0.99)
    assert "All 1 distributions" in good and "NOT" not in good


def test_the_panels_of_ranks():
    axes = study_figures.draw_rank_differences(rank_uniformity.rank_differences(ranks_table())).axes
    assert len(axes) == 2 and axes[1].get_ylabel() == "latent\nECDF difference"
    assert axes[1].lines[0].get_ydata().max() > 0.2 > axes[0].lines[0].get_ydata().max()


def test_a_key_names_the_parts_and_all_code_that_a_study_rests_on(tmp_path, monkeypatch):
    key = calibration.key("mixture.studies.calibration", 1)
    assert key != calibration.key("mixture.studies.calibration", 2) != calibration.key("mixture.studies.coverage", 2)
    source = calibration.ROOT / "mixture"
    subprocess.run(["cp", "-r", str(source), str(calibration.ROOT / calibration.LOCK), str(tmp_path)], check=True)
    monkeypatch.setattr(calibration, "ROOT", tmp_path)
    assert calibration.key("mixture.studies.calibration", 1) == key
    for name, changes in (("show/figures.py", False), ("studies/rank_uniformity.py", False), ("bayes/model.py", True)):
        file = tmp_path / "mixture" / name
        file.write_text(file.read_text() + "\n# changed\n")
        assert (calibration.key("mixture.studies.calibration", 1) != key) == changes, name


# -- coverage ---------------------------------------------------------------------------------


def coverage_table():
    """100 samples of two scenarios; EM's intervals of mu[1] hold the truth half as often as they should in the second."""
    rows = []
    for weight in (0.5, 0.8):
        for method in ("posterior", "EM"):
            for level in LEVELS:
                share = level / 2 if method == "EM" and weight == 0.8 else level
                rows += [
                    {
                        "separation": 2.0,
                        "n": 50,
                        "weight": weight,
                        "method": method,
                        "parameter": "mu[1]",
                        "level": level,
                        "truth": 0.0,
                        "estimate": 0.5 + (-1) ** i,
                        "low": np.nan if method == "EM" and i < 10 else -1.0,
                        "high": 1.0,
                        "covered": i >= round(100 * (1 - share)),
                    }
                    for i in range(100)
                ]
    return pd.DataFrame(rows)


def test_intervals_are_compared_where_they_fail():
    found = interval_coverage.summarise_coverage(coverage_table())
    top = interval_coverage.compare_intervals(found)
    assert (top.level, top.cases, top.em_failed, top.posterior_failed, top.rescued) == (0.95, 2, 1, 0, 1)
    assert (top.worst["weight"], top.worst["parameter"]) == (0.8, "mu[1]")
    assert (top.worst["em"], top.worst["posterior"]) == pytest.approx((0.48, 0.95), abs=0.011)
    assert top.em_missing == pytest.approx(0.1)
    text = say.coverage_text(top, 0.5, 0.4)
    assert "EM's 95% intervals **fail** in 1 of 2 cases; the posterior's hold in 1 of these." in text
    assert "lowest for mu[1] with N = 50, 2 sds apart, weight 0.8" in text and "hold everywhere" in text
    assert "in all 2 cases" in say.coverage_text(top._replace(em_failed=0, posterior_failed=1), 0.5, 0.4)


def test_bias_and_coverage_by_method():
    found = interval_coverage.summarise_coverage(coverage_table())
    bias = interval_coverage.bias_by_method(found)
    assert set(bias) == {"EM", "posterior"} and bias["EM"].iloc[0] == pytest.approx(0.5 / np.std([1, -1] * 50, ddof=1))
    by_method = interval_coverage.coverage_by_method(found)
    assert (
        by_method.loc[("EM", 0.95), "missing"] == pytest.approx(0.1) and by_method.loc[("posterior", 0.95), "far"] == 0
    )


def test_a_panel_for_each_scenario():
    found = interval_coverage.summarise_coverage(coverage_table())
    first, second = study_figures.draw_scenarios(found).axes
    assert second.get_title() + second.get_title("left") == "N = 50, 2 sds apart, weight 0.8"
    heights = [float(container[0].get_ydata()[0]) for container in second.containers]
    assert heights == pytest.approx([0.5, 0.25, 0.8, 0.4, 0.95, 0.48], abs=0.011)


def test_the_stored_coverage_can_be_drawn_again():
    """The name of a scenario's random streams is that under which the study was stored."""
    assert [each.stream for each in scenarios([2.0], [50, 300], [0.5])] == [
        "Cell(separation=2.0, n=50, weight=0.5)",
        "Cell(separation=2.0, n=300, weight=0.5)",
    ]
    assert Scenario(2.0, 50, 0.8).truth.weights.tolist() == pytest.approx([0.8, 0.2])


# -- sweeps -----------------------------------------------------------------------------------


def sweep_results():
    return pd.DataFrame(
        {
            "point": ["a", "a", "b", "c"],
            "status": ["finished"] * 3 + ["failed"],
            "outcome": ["untrusted"] * 3 + ["failed"],
            "failed_checks": ["largest R-hat; divergences"] * 2 + ["largest R-hat", None],
            "seconds_total": [30.0, 30.0, 90.0, 0.0],
            "seconds_01_a": [10.0, 10.0, 20.0, np.nan],
            "seconds_02_b": [20.0, 20.0, 70.0, np.nan],
        }
    )


def test_failed_checks_are_counted_by_point():
    assert sweeps.failed_checks(sweep_results()) == {"largest R-hat": 2, "divergences": 1}
    assert sweeps.failed_checks(sweep_results().assign(outcome="trusted")) == {}
    assert say_of_sweep.failed_checks_table({}) == "No finished point is untrusted."


def test_the_time_of_a_sweep():
    results = sweep_results()
    facts = sweeps.total_seconds(results, sweeps.stage_seconds(results))
    assert facts == {"total": 120.0, "heaviest": "02_b"}
    assert say_of_sweep.seconds_text(**facts).startswith("2.0 minutes of notebooks in all, most of it in 02_b.")


def test_the_verdict_of_a_sweep():
    verdict = sweeps.sweep_verdict(sweep_results())
    assert not verdict["trusted"] and [check["value"] for check in verdict["checks"]] == [1, 2, 0]
    assert sweeps.sweep_verdict(sweep_results().assign(outcome="trusted"))["trusted"]


def test_recovery_is_drawn_by_its_names():
    recovery = pd.DataFrame(
        [
            {
                "parameter": "mu",
                "component": 1,
                "of": kind,
                "points": 4,
                "bias": 0.1,
                "rmse": 0.2,
                "em_rmse": 0.3,
                "coverage": 0.75,
                "coverage_low": 0.3,
                "coverage_high": 0.95,
            }
            for kind in ("finished", "trusted")
        ]
    )
    (ax,) = sweeps.draw_coverage(recovery, 0.95).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mean of component 1"]
    assert "lowest is 75%, of the mean of component 1 over the finished points" in say_of_sweep.recovery_caption(
        0.95, recovery
    )
    assert say_of_sweep.recovery_table(pd.DataFrame()) == "The truth is not known."


# -- the register of texts --------------------------------------------------------------------


def test_two_texts_of_one_name_are_refused():
    """A stored record names its function only."""

    def sweep_text():
        return ""

    with pytest.raises(ValueError, match="sweep_text is in mixture.show.text.sweep already"):
        wording(sweep_text)
    assert FUNCTIONS["sweep_text"].__module__ == "mixture.show.text.sweep"
