"""What the chain's own notebooks write is what the parameters ask for, and its verdict is the same wherever it is told.

The run has so few draws that its verdict has to be that it cannot be trusted.
"""

import re
import subprocess
import sys

import arviz as az
import numpy as np
import pandas as pd
import pytest
from fits import simulated
from numpy.testing import assert_allclose
from tiny import ROOT

from helpers import load_posterior, load_sample
from mixture.atomic import read_json
from mixture.bayes.draws import observed_sample, posterior_draws
from mixture.check.decisions import describe_cutoffs, mode_probabilities
from mixture.check.membership import summarise_memberships
from mixture.check.verdict import judge_chains
from mixture.em import fit_em_proper
from parameters import Parameters
from runner.folder import MANIFEST, REPORT, VERDICT
from runner.page.index import describe_run
from runner.stored import COMPONENTS
from runner.sweep.grid import Point
from runner.sweep.results import point_rows


@pytest.fixture(scope="module")
def tree(real_run):
    return load_posterior(real_run)


def test_the_verdict_is_that_on_the_posterior_beside_it(real_run, tree):
    verdict, checks = read_json(real_run / VERDICT), judge_chains(tree)
    assert [check["name"] for check in verdict["checks"]] == [check.name for check in checks]
    assert_allclose([check["value"] for check in verdict["checks"]], [check.value for check in checks])
    assert [check["passed"] for check in verdict["checks"]] == [check.passed for check in checks]
    assert not all(check.passed for check in checks), "two hundred draws are too few"
    assert verdict["trusted"] is False


def test_what_cannot_be_trusted_is_said_to_be_so_wherever_it_is_told(real_run):
    verdict, manifest = read_json(real_run / VERDICT), read_json(real_run / MANIFEST)
    failed = [check["name"] for check in verdict["checks"] if not check["passed"]]
    described = describe_run(real_run, real_run.parent)
    rows = point_rows(Point(Parameters(), 0), real_run)
    page = (real_run / REPORT).read_text(encoding="utf-8")
    assert failed and manifest["trusted"] is False
    assert described["trusted"] is False and described["failed"] == failed
    assert {row["verdict"] for row in rows} == {"untrusted"}
    assert {row["failed_checks"] for row in rows} == {"; ".join(failed)}
    assert 'class="verdict doubt"' in page and "Do not trust these numbers" in page


def test_the_chains_have_the_length_and_the_number_that_were_asked_for(real_run, tree):
    asked = read_json(real_run / MANIFEST)["parameters"]
    assert asked["draws"] != asked["tune"]
    assert (tree["posterior"].sizes["draw"], tree["posterior"].sizes["chain"]) == (asked["draws"], asked["chains"])
    tuned = tree.attrs["sweeps"] - asked["draws"] * tree.attrs["sweeps_between_draws"]
    assert np.log2(tuned / asked["tune"]) % 1 == 0  # the first round twice, then each twice as long


def test_em_has_the_variance_that_was_asked_for(real_run, tree):
    asked, em = read_json(real_run / MANIFEST)["parameters"], read_json(real_run / "em.json")
    assert asked["em_variance"] == "equal"
    expected = fit_em_proper(
        observed_sample(tree), 2, np.random.default_rng(1), asked["em_starts"], variance=asked["em_variance"]
    )
    assert em["sds"][0] == pytest.approx(em["sds"][1]) and em["n"] == 150
    assert (em["bic"], em["log_likelihood"]) == pytest.approx((expected.bic, expected.log_likelihood), abs=1e-3)
    assert tree["em"]["sigma"].values == pytest.approx(em["sds"])


def test_intervals_have_the_probability_that_was_asked_for(real_run, tree):
    interval = read_json(real_run / MANIFEST)["parameters"]["interval"]
    assert interval != Parameters().interval
    comparison = pd.read_csv(real_run / "comparison.csv").set_index(["parameter", "component"])
    for name, draws in zip(("w", "mu", "sigma"), posterior_draws(tree), strict=True):
        for k in (0, 1):
            row = comparison.loc[(name, k + 1)]
            assert_allclose([row["posterior_mean"], row["posterior_sd"]], [draws[..., k].mean(), draws[..., k].std()])
            bounds = az.hdi(draws[..., k].ravel(), prob=interval)
            assert_allclose(row[["interval_low", "interval_high"]].astype(float), bounds)
    membership = pd.read_parquet(real_run / "membership.parquet")
    expected = summarise_memberships(observed_sample(tree), posterior_draws(tree).thin(1000), interval)
    assert_allclose(membership[["p_1", "p_1_low", "p_1_high"]], expected[["p_1", "p_1_low", "p_1_high"]])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run on a file of which no number of components is given, from the command line."""
    folder = tmp_path_factory.mktemp("found")
    pd.DataFrame({"length": simulated(60, means=(0.0, 9.0)).value}).to_csv(folder / "x.csv", index=False)
    few = ["-p", "data", "x.csv", "-p", "draws", "60", "-p", "tune", "60", "-p", "em_starts", "3", "-p", "unit", "mm"]
    done = subprocess.run(
        [sys.executable, ROOT / "report.py", "run", *few], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode in (0, 3), done.stderr
    return folder / "runs" / "x", done.stdout


@pytest.mark.slow
def test_a_fit_of_logarithms_is_told_in_data_units_everywhere(tmp_path):
    values = np.exp(simulated(60, means=(0.0, 9.0)).value / 3)
    pd.DataFrame({"pay": values}).to_csv(tmp_path / "x.csv", index=False)
    few = {"data": "x.csv", "transform": "log", "unit": "EUR", "n_components": "2", "draws": "60", "tune": "60"}
    options = [part for name, value in few.items() for part in ("-p", name, value)]
    done = subprocess.run(
        [sys.executable, ROOT / "report.py", "run", *options, "--out", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode in (0, 3), done.stderr
    assert "means and sds are of logarithms" in done.stdout
    run = tmp_path / "run"
    assert_allclose(load_sample(run).value, np.log(values))
    assert_allclose(pd.read_parquet(run / "membership.parquet")["value"], values, rtol=1e-11)
    (cutoff,) = read_json(run / "answers.json")["cutoffs"]
    (expected,) = describe_cutoffs(posterior_draws(load_posterior(run)).thin(1000), load_sample(run))
    assert cutoff["value"] == pytest.approx(np.exp(expected["value"]))
    page = (run / REPORT).read_text(encoding="utf-8")
    for words in ("log of pay (log EUR)", "pay (EUR)", "fits the natural logarithm of pay", "factor of spread"):
        assert words in page


@pytest.mark.slow
def test_a_number_of_components_that_was_not_given_is_found_and_told_everywhere(found):
    folder, printed = found
    components, kept = read_json(folder / COMPONENTS), load_posterior(folder)["components"]
    p_k = kept["p_k"].mean(("chain", "draw")).values
    assert_allclose([components["p_k"][str(k)] for k in range(1, len(p_k) + 1)], p_k, atol=1e-9)
    assert components["given"] is False and components["chosen"] == 2
    assert len(pd.read_csv(folder / "comparison.csv")) == 3 * components["chosen"]
    page = (folder / REPORT).read_text(encoding="utf-8")
    assert "<h1>Gaussian components of x.csv</h1>" in page and "length (mm)" in page
    assert f"the report describes {components['chosen']}" in printed
    (row, *_) = point_rows(Point(Parameters(), 0), folder)
    assert row["components_found"] == 2 and row["p_components_2"] == pytest.approx(components["p_k_filled"]["2"])


def test_answers_are_those_of_the_posterior_beside_them(real_run, tree):
    answers, interval = read_json(real_run / "answers.json"), read_json(real_run / MANIFEST)["parameters"]["interval"]
    sample, draws = load_sample(real_run), posterior_draws(tree).thin(1000)
    assert answers["cutoffs"] == describe_cutoffs(draws, sample, interval) and len(answers["cutoffs"]) >= 1
    assert answers["modes"] == mode_probabilities(draws) and answers["lone"] == []
    page = (real_run / REPORT).read_text(encoding="utf-8")
    summary = page[page.index('<section id="summary"') : page.index('<section id="play"')]
    assert "between components 1 and 2" in summary and "The mixture's density has" in summary
    assert "dotted line" in page.split('<section id="play"')[1].split("</section>")[0].lower(), "in the caption"


def test_the_page_links_to_files_that_lie_beside_it(real_run):
    page = (real_run / REPORT).read_text(encoding="utf-8")
    links = re.findall(r'<li><a href="([^"#]+)">', page)
    assert links == ["comparison.csv", "membership.csv", "membership.parquet", "answers.json", "em.json"]
    assert all((real_run / name).stat().st_size > 0 for name in links)
