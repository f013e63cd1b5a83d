"""Numbers and checks in plain words: no digit too many, no failure hidden, nothing said of a colour alone."""

import importlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture.check.verdict import Check
from mixture.components import Components
from mixture.data.sample import Sample
from mixture.show.text.chains import CAUSES, CHECKS, check_line, modes_table, verdict_text
from mixture.show.text.comparison import (
    answer_text,
    comparison_table,
    counts_alt,
    counts_caption,
    counts_table,
    counts_text,
    fits_caption,
    membership_caption,
)
from mixture.show.text.decisions import cutoffs_text, lone_text
from mixture.show.text.fit import posterior_table, priors_text, sensitivity_table, used_table
from mixture.show.text.numbers import decimals_for, estimate, fixed, plus_minus
from mixture.show.text.sample import described_table
from mixture.show.text.wording import CHAPTERS, FUNCTIONS, write_anew

GOOD = Check("largest R-hat", 1.0011, 1.01, True, "")
BAD = Check("smallest bulk ESS", 87.3, 400.0, False, "run longer")
DOUBT = Check("prior sensitivity", 0.3459, 0.05, False, "state why")


@pytest.mark.parametrize(
    "value, error, text",
    [
        (150.6995, 0.4487, "150.70"),
        (202.98, 1.504, "203.0"),
        (0.7283, 0.0163, "0.728"),
        (-3.21, 0.5, "−3.21"),
        (12345.6, 250.0, "12,346"),
        (0.99996, 0.0996, "1.00"),
        (-0.001, 0.5, "0.00"),
        (1.0, 0.0, "1"),
    ],
)
def test_an_estimate_keeps_two_digits_of_its_error(value, error, text):
    assert estimate(value, error) == text


def test_what_stood_for_open_parameters_is_named_once_where_it_is_one_for_all():
    table = used_table(False, 0.25, "gibbs", [145.0, 145.0], [0.01, 0.02], "uniform", 100.0, 1.0)["used"]
    assert dict(table) == {
        "n_components": "2",
        "likelihood": "grouped",
        "cell_width": "0.25",
        "mean_prior_mean": "145 for each",
        "mean_prior_precision": "0.01, 0.02",
        "sd_prior": "uniform",
        "sd_prior_scale": "100",
        "weight_concentration": "1",
        "sampler": "gibbs",
    }
    assert used_table(True, 0.0, "gibbs", [0.0], [1.0], "uniform", 1.0, 1.0)["used"]["cell_width"] == "none"


@given(st.floats(1e-6, 1e6))
def test_the_last_place_shown_is_worth_less_than_the_error_and_not_much_less(error):
    place = 10.0 ** -decimals_for(error)
    assert place <= error * 1.0001 or decimals_for(error) == 0
    assert place > error / 101 or decimals_for(error) == 0


@pytest.mark.parametrize("value, text", [(np.nan, "–"), (np.inf, "–"), (-0.0001, "0.00"), (-1.0, "−1.00")])
def test_what_is_no_number_is_a_dash_and_minus_zero_is_zero(value, text):
    assert fixed(value, 2) == text


def test_the_comparison_is_for_readers():
    table = comparison_table(
        pd.DataFrame(
            [
                {
                    "parameter": "mu",
                    "component": 1,
                    "truth": 200.0,
                    "posterior_mean": 202.981,
                    "posterior_sd": 1.504,
                    "interval_low": 199.97,
                    "interval_high": 205.88,
                    "em": 202.86,
                    "em_se": 1.487,
                    "difference_in_sds": 0.0805,
                }
            ]
        )
    )
    assert table.index.tolist() == ["mean of component 1"]
    assert table.iloc[0].to_dict() == {
        "truth": "200.0",
        "posterior mean": "203.0",
        "posterior sd": "1.5",
        "interval from": "200.0",
        "to": "205.9",
        "EM": "202.9",
        "EM's error": "1.5",
        "apart, in sds": "0.08",
    }


def test_one_component_has_a_weight_without_uncertainty():
    table = comparison_table(
        pd.DataFrame(
            [
                {
                    "parameter": "w",
                    "component": 0,
                    "posterior_mean": 1.0,
                    "posterior_sd": 0.0,
                    "interval_low": 1.0,
                    "interval_high": 1.0,
                    "em": 1.0,
                    "em_se": np.nan,
                    "difference_in_sds": 0.0,
                }
            ]
        )
    )
    assert table.iloc[0]["posterior mean"] == "1" and table.iloc[0]["EM's error"] == "–"


def test_the_posterior_is_shown_as_far_as_chance_allows():
    table = posterior_table(
        pd.DataFrame(
            {
                "mean": [150.6995],
                "sd": [0.4487],
                "hdi95_lb": [149.8255],
                "ess_bulk": [3246.2],
                "r_hat": [1.00012],
                "mcse_mean": [0.0077],
                "mcse_sd": [0.0054],
            },
            index=["mu[0]"],
        )
    )
    assert table.loc["mean of component 0"].to_dict() == {
        "mean": "150.700",
        "sd": "0.449",
        "interval from": "149.826",
        "bulk ESS": "3,246",
        "R\u2011hat": "1.000",
        "error of mean": "0.008",
    }


def test_what_the_priors_move_is_in_words():
    index = pd.MultiIndex.from_tuples([("w", 0), ("sigma", 1)])
    table = sensitivity_table(pd.DataFrame({"mu": [0.0, 0.01349], "sigma": [np.nan, 0.3681]}, index=index))
    assert table.loc["weight of component 0"].to_dict() == {"prior on means": "0.000", "prior on sds": "–"}
    assert table.loc["sd of component 1"].to_dict() == {"prior on means": "0.013", "prior on sds": "0.368"}


def test_a_number_of_components_without_a_fit_has_dashes_and_says_whether_its_chains_count():
    numbers = {
        "log_likelihood": -203.482,
        "bic": 442.22,
        "aic": 422.96,
        "icl": np.nan,
        "sbic": np.nan,
        "elpd": -212.2,
        "elpd_se": 8.5,
        "weight": 1.0,
    }
    table = counts_table(pd.DataFrame([{**numbers, "trusted": True}, {**numbers, "trusted": False}], index=[3, 4]))
    assert table.loc[3].tolist() == ["−203.5", "442.2", "423.0", "–", "–", "−212.2", "8.5", "1.00", "trusted"]
    assert table.loc[4, "chains"] == "not trusted"


def test_a_verdict_names_failures_first_and_says_what_to_do():
    lines = verdict_text([GOOD, BAD], [DOUBT], "slow mixing").splitlines()
    assert lines[0] == (
        "**Not to be trusted.** 1 of 2 checks of the chains failed. The cause: no chain is stuck, yet together "
        "they have not settled. *What to do first:* take sampler: gibbs, or raise tune and draws."
    )
    assert [line[:3] for line in lines if line.startswith("- ")] == ["- ✗", "- ✓", "- ⚠"]
    assert "smallest bulk ESS 87.3 (at least 400). *What to do:* run longer." in lines[2]
    assert any(line.startswith("**One caution**") and "a reason" in line for line in lines)


def test_every_cause_of_disagreement_is_told_with_what_helps():
    for kind, (cause, remedy, _) in CAUSES.items():
        first = verdict_text([BAD], [DOUBT, DOUBT], kind).splitlines()[0]
        assert cause in first and remedy in first
    assert "cause" not in verdict_text([BAD], [DOUBT, DOUBT]), "chains that agree, yet are too short"


def test_a_trusted_verdict_says_so_and_gives_no_advice():
    text = verdict_text([GOOD], [])
    assert text.startswith("**The chains agree and can be trusted.** All 1 checks passed.")
    assert "What to do" not in text and "✗" not in text and "No cautions" in text


def test_a_check_without_words_keeps_its_name():
    assert "new one" not in CHECKS
    assert check_line(Check("new one", np.nan, 1.0, False, "")._asdict()) == "- ✗ **new one:** new one – (limit 1)."


def test_the_answer_is_two_sentences_with_numbers():
    text = answer_text(
        1000,
        Components([0.728, 0.272], [150.7, 203.0], [10.4, 17.8]),
        Components([0.016] * 2, [0.45, 1.5], [0.34, 1.2]),
        0.15,
        True,
    )
    answer = "**2 Gaussian components**: one around 150.70 ± 0.45 with sd 10.40 ± 0.34, holding 73% of the values"
    assert answer in text.replace("\u00a0±\u00a0", " ± ") and " ± " not in text, "no line ends within a number"
    assert "agree to within 0.15" in text and "trusted" not in text
    single = answer_text(9, Components([1.0], [5.0], [2.0]), Components([0.0], [0.5], [0.3]), 2.0, False)
    assert "**1 Gaussian component**: around 5.00\u00a0±\u00a00.50" in single
    assert "differ by up to 2.0" in single and single.startswith("**Do not trust these numbers:**")


def test_how_probable_the_number_is_stands_beside_it_where_it_was_drawn():
    one = Components([1.0], [5.0], [2.0]), Components([0.0], [0.5], [0.3]), 0.5, True, None
    drawn = {"given": False, "p_k_filled": {"1": 0.21, "2": 0.2}}
    assert "component** (the most probable number, with probability 0.21): around" in answer_text(9, *one, drawn)
    assert "probab" not in answer_text(9, *one, {"given": True, "chosen": 1})


def test_each_mode_stands_in_a_row_of_its_own_with_its_weights_and_sds():
    modes = pd.DataFrame(
        {
            "held": [0.7, 0.2, 0.001],
            "least": [0.6, 0.1, 0.0],
            "most": [0.8, 0.3, 0.002],
            "missed": False,
            "weights": [[0.4, 0.6], [0.1, 0.9], [0.5, 0.5]],
            "means": [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]],
            "sds": [[1.5, 2.5], [3.5, 4.5], [9.0, 9.0]],
        }
    )
    table = modes_table(modes)
    assert table.index.tolist() == [1, 2] and not table.isna().any(axis=None)
    assert table["weights"].tolist() == ["0.4, 0.6", "0.1, 0.9"] and table["sds"].tolist() == ["1.5, 2.5", "3.5, 4.5"]


def test_a_probability_below_all_digits_is_not_said_to_be_nothing():
    check = {"name": "LOO-PIT uniformity, p", "value": 5e-16, "limit": 0.01, "passed": False, "advice": ""}
    assert "uniformity, p below 0.001 (at least 0.01)" in check_line(check)


def test_what_lies_outside_the_figure_is_counted():
    assert "outside" not in fits_caption(0.95, 1, 0.1, {"values": 0, "components": []})
    text = fits_caption(0.95, 3, 0.1, {"values": 1, "components": [3]})
    assert "Far off, outside the figure: one value, and component 3." in text
    assert "the one component and EM" in fits_caption(0.95, 1, 0.1)


# -- written anew from what was recorded ------------------------------------------------------


def stored(made):
    """An output as a notebook stores it and reads it back."""
    data, metadata = made._repr_mimebundle_()
    return json.loads(json.dumps({"output_type": "display_data", "data": data, "metadata": metadata}, allow_nan=False))


EVERY = {
    "text": lambda: verdict_text([GOOD, BAD._replace(value=np.nan)], [DOUBT], "slow mixing"),
    "table": lambda: sensitivity_table(
        pd.DataFrame({"mu": [0.0, np.nan]}, pd.MultiIndex.from_tuples([("w", 0), ("sigma", 1)]))
    ),
    "components": lambda: answer_text(
        9, Components(*np.ones((3, 1))), Components(*np.zeros((3, 1))), np.float64(2), False
    ),
}


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_a_stored_text_is_the_same_when_written_anew(make):
    output = stored(make())
    again = write_anew(output)
    assert {kind: "".join(text) for kind, text in again["data"].items()} == output["data"]


def test_another_sentence_is_what_is_written_anew(monkeypatch):
    output = stored(verdict_text([GOOD], []))
    monkeypatch.setitem(FUNCTIONS, "verdict_text", lambda checks, **_: f"{len(checks)} checks, in other words")
    assert write_anew(output)["data"]["text/markdown"] == ["1 checks, in other words"]


def test_an_output_that_records_nothing_stays():
    output = {"output_type": "stream", "name": "stdout", "text": ["a line"]}
    assert write_anew(output) is output


@pytest.mark.parametrize(
    "record", [{"function": "gone", "values": {}}, {"function": "verdict_text", "values": {"other": 1}}]
)
def test_what_cannot_be_written_anew_is_an_error(record):
    with pytest.raises((LookupError, TypeError)):
        write_anew({"output_type": "display_data", "data": {}, "metadata": {"wording": record}})


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (9.8962e-9, 9.2e-11, "9.896e−09\u00a0±\u00a09.2e−11"),
        (9.8962e11, 9.2e9, "9.896e+11\u00a0±\u00a09.2e+09"),
        (1e9 + 0.98961, 0.0092, "1,000,000,000.9896\u00a0±\u00a00.0092"),
        (150.704, 0.45, "150.70\u00a0±\u00a00.45"),
        (12345.0, 250.0, "12,345\u00a0±\u00a0250"),
    ],
)
def test_numbers_of_any_scale_are_shown_to_the_digits_of_their_error(value, error, shown):
    assert plus_minus(value, error) == shown


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_a_sample_is_described_to_four_digits_of_its_spread_wherever_its_axis_begins(scale):
    for offset in (0.0, 1e3):
        values = scale * (offset + np.array([1.0, 2.0, 2.5, 4.0]))
        text = described_table(Sample.of_values(values).summary())
        mean = float(text.loc["mean"].item().replace(",", "").replace("−", "-"))
        assert mean == pytest.approx(values.mean(), abs=1e-3 * values.std())


def test_priors_are_formulas_at_any_scale():
    text = priors_text([1.6e-8, 145.0], [1 / 1.79e-8**2, 0.01], "lognormal", 1.495e-9, 1.0)
    assert r"\mathrm{Normal}(1.600 \times 10^{-8}, 1.79 \times 10^{-8})" in text
    assert r"\mu_{2} \sim \mathrm{Normal}(145, 10)" in text and r"\log(1.495 \times 10^{-9})" in text


def criteria(**best):
    """A table of 1 to 7 components in which each criterion is best at a number of its own."""
    numbers = np.arange(1, 8)
    smaller = {name: 10.0 * (numbers - best[name]) ** 2 for name in ("bic", "aic", "icl")}
    larger = {name: -10.0 * (numbers - best[name]) ** 2 for name in ("sbic", "elpd", "weight", "p_k")}
    return pd.DataFrame(
        {**smaller, **larger, "elpd_se": 1.0, "trusted": True, "could_win": False}, index=pd.Index(numbers, name="K")
    )


OWN = {"bic": 1, "aic": 2, "icl": 3, "sbic": 4, "p_k": 5, "elpd": 6, "weight": 7}


def test_each_criterion_prefers_the_number_that_is_its_best():
    said = counts_text(criteria(**OWN))
    assert "BIC 1, AIC 2, ICL 3, sBIC 4, the posterior 5, leave-one-out 6." in said
    assert "Stacking gives K = 7 the largest weight" in said and "would do as well" not in said
    assert "**agree on** **3** components" in counts_text(criteria(**dict.fromkeys(OWN, 3)))


def test_chains_that_are_not_trusted_take_no_part_in_the_comparison_by_prediction():
    said = counts_text(criteria(**OWN).assign(trusted=[True] * 5 + [False] * 2))
    assert "leave-one-out 5." in said and "Stacking gives K = 5" in said
    assert "The chains of K = 6 and 7 are not to be trusted" in said


def test_where_an_untrusted_number_could_be_best_prediction_names_none():
    doubted = criteria(**OWN).assign(trusted=[True] * 5 + [False] * 2, could_win=[False] * 5 + [True, False])
    said = counts_text(doubted)
    assert (
        "**Prediction does not decide:** the chains of K = 6 are not to be trusted, and it could be better than K = 5"
        in said
    )
    assert "leave-one-out 5" not in said and "Stacking" not in said and "would do as well" not in said
    assert "no chains of any number" in counts_text(doubted.assign(trusted=False, could_win=True))
    assert "has none" in counts_caption(7, False) and "has none" not in counts_caption(7, True)
    assert "none of prediction" in counts_alt(7, False) and "none" not in counts_alt(7, True)


def test_numbers_that_predict_nearly_as_well_are_named():
    close = criteria(**OWN)
    close["elpd"] /= 3.0  # a neighbour is 3.3 below the best
    assert "By leave-one-out prediction 5, 7 would do as well" in counts_text(close)


def cutoff(between, value=None, low=None, high=None, misplaced=0.0):
    return {"between": between, "value": value, "low": low, "high": high, "misplaced": misplaced}


def test_cutoffs_are_said_with_their_intervals_and_what_they_misplace():
    said = cutoffs_text([cutoff([1, 2], 172.31, 171.0, 173.6, 0.0614)], {"1": 0.17, "2": 0.83}, 0.9, True)
    assert said.startswith("The cutoff between components 1 and 2 is **172.31 (171.00 to 173.60)**")
    assert "(90% interval in brackets); it puts 6.1% of all values on the wrong side." in said
    assert said.endswith("The mixture's density has **2 peaks** with probability 0.83, 1 with 0.17.")


def test_two_cutoffs_and_none_are_told_apart_and_doubt_comes_first():
    found = [
        cutoff([1, 2], misplaced=0.1),
        cutoff([2, 3], 5.0, 4.0, 6.0, 0.2),
        cutoff([2, 3], 9.0, -np.inf, 10.0, 0.2),
    ]
    said = cutoffs_text(found, {"1": 1.0}, 0.95, False)
    assert said.startswith("As the chains stand, which are not to be trusted: Components 1 and 2 have **no cutoff**")
    assert "wrong for 10% of all values" in said
    assert "cutoffs between components 2 and 3 are **5.00 (4.00 to 6.00) and 9 (– to 10)**; they put 20%" in said
    assert said.endswith("has **1 peak** in every posterior draw; not every component has one of its own.")
    assert cutoffs_text([], {"1": 1.0}, 0.95, True) == "One component has one peak and no cutoff."
    rare = cutoffs_text([cutoff([1, 2], 5.0, 4.0, 6.0, 1e-9)], {"2": 0.999, "1": 0.001}, 0.95, True)
    assert "less than 0.01%" in rare and "with probability 0.99." in rare, "no certainty where one draw differs"


def test_a_lone_value_is_named_as_it_was_typed():
    said = lone_text([{"value": -1026.9605, "count": 1, "sds": 34.4}])
    assert (
        said.startswith("**One value is far from every component")
        and "−1,026.9605 (34 standard deviations away)" in said
    )
    many = lone_text([{"value": float(v), "count": 2, "sds": 9.0} for v in range(5)])
    assert "10 values are far" in many and "2 (9 standard deviations away, 2 times) and 2 more" in many
    assert lone_text([]) == ""


def test_means_outside_their_intervals_are_said_where_there_are_any():
    assert "shortest" not in membership_caption(0.95, 0.1, 0.0, 0.0002, 0)
    said = membership_caption(0.95, 0.1, 0.25, 0.0312, 2)
    assert "visibly for 25.0% of the values, by 0.03 at most" in said and "bands are the cutoffs" in said
    assert "its band is the cutoff." in membership_caption(0.95, 0.1, 0.0, 0.0, 1)


def test_all_chapters_can_be_imported_together():
    """As they are where an old report is worded anew: no two functions of them have one name."""
    for chapter in CHAPTERS:
        importlib.import_module(f"mixture.show.text.{chapter}")
