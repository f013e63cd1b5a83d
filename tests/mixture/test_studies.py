"""What the studies make of their measurements: small tables with known answers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from mixture.show import study_figures
from mixture.show.text import proof
from mixture.show.text import studies as say
from mixture.show.text import sweep as say_of_sweep
from mixture.show.text.wording import FUNCTIONS, wording
from mixture.studies import (
    assignment_steps,
    component_counts,
    failing_fit,
    interval_coverage,
    priors,
    rank_uniformity,
    scaling,
    sweeps,
)
from mixture.studies.hard_samples import BY_NAME


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
    """One case with uniform ranks, one whose ranks are all small and whose fits are short."""
    uniform = (np.arange(fits) + 0.5) / fits
    return pd.concat(
        [
            pd.DataFrame(
                {"case": case, "replicate": range(fits), "quantity": "mu[1]", "rank": ranks}
                | {"ess": ess, "longer": longer, "seconds": 2.0}
            )
            for case, ranks, ess, longer in (("K = 2", uniform, 150.0, 0), ("cells", uniform**2, 50.0, 6))
        ]
    )


@pytest.mark.longer
def test_rank_differences_stay_in_the_band_where_calibrated():
    differences = rank_uniformity.rank_differences(ranks_table())
    inside = (
        differences["difference"].between(differences["low"], differences["high"]).groupby(differences["case"]).all()
    )
    assert inside.to_dict() == {"K = 2": True, "cells": False}
    verdict = rank_uniformity.judge_ranks(ranks_table()).set_index("case")
    largest = differences[differences["case"] == "cells"]["difference"].max()
    assert verdict["largest_difference"]["cells"] == pytest.approx(largest) == pytest.approx(0.25, abs=0.01)


def test_cases_are_summarised_in_their_order():
    summary = rank_uniformity.summarise_cases(ranks_table(), rank_uniformity.judge_ranks(ranks_table()))
    assert list(summary.index) == ["K = 2", "cells"] and summary["passed"].tolist() == [1, 0]
    assert summary["short_fits"].tolist() == [0, 200] and summary["longer_fits"].tolist() == [0, 200]
    assert summary["smallest_ess"].tolist() == [150.0, 50.0]


def test_what_is_not_calibrated_is_named():
    verdict = rank_uniformity.judge_ranks(ranks_table())
    text = say.calibration_text(verdict, 0.99)
    assert "- **K = 2**: **calibrated** in 1 quantities." in text
    assert "- **cells**: **NOT calibrated** in 1 quantities; mu[1] leaves its band, by +0.25" in text
    assert "Not all 2 distributions" in text
    good = say.calibration_text(verdict[verdict["passed"]], 0.99)
    assert "All 1 distributions" in good and "NOT" not in good


def test_fits_that_are_too_short_are_said():
    assert "**3 of 10 fits are too short**" in say.lengths_text(10, 100, 50.0, 3, 4)
    assert "Every one of 10 fits has more" in say.lengths_text(10, 100, 150.0, 0, 4)


def test_the_panels_of_ranks():
    axes = study_figures.draw_rank_differences(rank_uniformity.rank_differences(ranks_table())).axes
    assert [ax.get_title() or ax.get_title("left") for ax in axes[:2]] == ["K = 2: 1 quantities", "cells: 1 quantities"]
    assert axes[1].lines[0].get_ydata().max() > 0.2 > axes[0].lines[0].get_ydata().max()


# -- coverage ---------------------------------------------------------------------------------


def coverage_table(samples=400):
    """Intervals of one stratum: equal tails hold 95%, EM's 80%."""
    level = {"equal tails": 0.95, "EM": 0.8}
    return pd.DataFrame(
        [
            {"separation": 2.0, "n": 50, "concentration": 1.0, "found": found, "replicate": i, "right": i % 4 > 0}
            | {"quantity": quantity, "method": method, "low": 0.0, "covered": i < level[method] * samples, "ess": 200.0}
            for method in level
            for found in ((False, True) if method != "EM" else (False,))
            for quantity in ("mu[1]", "mu[2]", "density at 10%")
            for i in range(samples)
        ]
    )


def judged_coverage():
    rows = interval_coverage.with_kinds(coverage_table())
    parts = [interval_coverage.coverage_of_kinds(rows), interval_coverage.coverage_of_strata(rows)]
    return parts, interval_coverage.judge_coverage(pd.concat(parts))


def test_coverage_is_counted_by_sample_and_judged_against_its_level():
    (kinds, by_stratum), judged = judged_coverage()
    assert kinds.loc[("given", "equal tails", "means"), "covered"] == pytest.approx(0.95)
    assert kinds.loc[("given", "equal tails", "means"), "samples"] == 400  # two means of a sample count once
    assert kinds.loc[("given", "equal tails", "means"), "error"] == pytest.approx(np.sqrt(0.95 * 0.05 / 400), rel=0.01)
    assert len(by_stratum) == 3 * 3  # three things that make it hard; K given by two methods, found by one
    assert judged["equal tails"]["exact"] and judged["equal tails"]["within"] == judged["equal tails"]["parts"]
    assert not judged["EM"]["exact"] and judged["EM"]["within"] == 0 and judged["EM"]["largest_z"] < -10
    assert interval_coverage.number_found(coverage_table()) == 0.75


def test_a_part_of_coverage_is_judged_by_how_much_its_samples_differ():
    index = pd.MultiIndex.from_tuples([("given", "EM", "means")], names=["number", "method", "kind"])
    part = pd.DataFrame({"covered": [0.94], "samples": [400], "error": [0.002], "within": [True]}, index)
    assert interval_coverage.judge_coverage(part)["EM"]["largest_z"] == pytest.approx(
        -5 * (0.94 * 0.06 / 0.95 / 0.05) ** 0.5
    )
    alike = part.assign(covered=1.0, error=0.0)
    assert interval_coverage.judge_coverage(alike)["EM"]["largest_z"] == pytest.approx(np.sqrt(400 * 0.05 / 0.95))


def test_the_text_of_coverage_says_who_holds():
    _, judged = judged_coverage()
    text = say.coverage_text(judged, 0.95, [0.93, 0.97], 0.75, 200.0)
    assert "**equal tails**: 95.0% to 95.0%" in text and "the intervals hold their 95%" in text
    assert "**EM**: 80.0% to 80.0%" in text and "do **not** hold" in text and "in 75% of the samples" in text


def test_the_panels_of_coverage():
    (_, by_stratum), _ = judged_coverage()
    given, found = study_figures.draw_strata(by_stratum, 0.95, (0.93, 0.97)).axes
    assert [label.get_text() for label in given.get_yticklabels()] == [
        "separation 2",
        "N = 50",
        "weights' concentration 1",
    ]
    assert given.get_title() == "K given" and len(given.containers) == 2 and len(found.containers) == 1


# -- the fit that fails on purpose ------------------------------------------------------------


def attempts(**others):
    one = {"draws": 1000, "largest_r_hat": 1.001, "smallest_ess": 900.0, "shares": [0.9, 1.0], "share": 0.95}
    one |= {"agree": True, "furthest": 0.02, "right": True}
    return failing_fit.compare_attempts({name: one | changes for name, changes in others.items()})


def test_an_attempt_is_told_for_every_outcome():
    fooled, failed = {"furthest": 3.0, "right": False}, {"agree": False, "furthest": 1.3, "right": False}
    table = attempts(good={}, fooled=fooled, failed=failed)
    texts = [proof.attempt_text({**row, "shares": row["shares"]}, 1.01) for row in table.to_dict("records")]
    assert "the fit is **right**" in texts[0] and "R-hat cannot see it" in texts[1] and "the fit **fails**" in texts[2]
    answer = proof.failing_text(table, 0.95)
    assert "Of 3 attempts 1 is right: **good**" in answer and "Seen to fail by R-hat: failed." in answer
    assert "Not seen to fail by R-hat, though wrong: fooled." in answer and "95%" in answer
    assert "Not seen" not in proof.failing_text(attempts(good={}), 0.95)


def test_a_wall_is_as_deep_as_the_way_goes_down_from_the_lower_mode():
    way = pd.DataFrame({"position": [-0.5, 0.0, 0.4, 1.0, 1.5], "log_density": [-90.0, -1.0, -30.0, -5.0, -70.0]})
    assert failing_fit.wall_height(way) == 25.0
    assert "crosses" not in proof.wall_text(25.0, 12.0, 0.9, True) and "12.0" in proof.wall_text(25.0, 12.0, 0.9, True)
    assert "now and then" in proof.wall_text(25.0, 2.0, 0.9, False)


def test_the_ways_between_the_galaxies_modes_have_a_wall():
    posterior = failing_fit.Posterior.of(BY_NAME["galaxies_k2"], 1)
    straight, bent = (failing_fit.way_between(posterior, bend) for bend in (None, failing_fit.lowest_wall(posterior)))
    heights = [failing_fit.wall_height(way) for way in (straight, bent)]
    assert heights[0] > heights[1] > 8  # the bent way is the easier one, and hard enough
    ends = straight["log_density"].iloc[[0, -1]]
    np.testing.assert_allclose(ends, posterior.modes.log_density[:2])
    assert posterior.describe_modes()["mu[1]"].round(1).tolist() == [19.5, 9.7]


def test_references_are_tabled_with_their_errors():
    row = {
        "name": "a",
        "parameters": 6,
        "spacing": 20,
        "spacings_tried": 1,
        "largest_r_hat": 1.0,
        "smallest_ess": 9000.0,
    }
    row |= {"largest_ess": 10_000.0, "largest_lag1": 0.01, "passed": True}
    assert proof.references_table([row]).loc["a", "checks passed"] == "yes"
    assert "All 1 references pass" in proof.references_text([row]) and "None was drawn twice" in proof.references_text(
        [row]
    )
    text = proof.references_text([row | {"passed": False, "spacings_tried": 4}])
    assert (
        "**Not all references pass**: a fails" in text
        and "Drawn more than once, further apart each time, until they did: a" in text
    )


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
