"""Data that were counted already: read as they are meant or refused, and fitted by the likelihood of their bins."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fits import simulated
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize, stats

import mixture.data.counted as counted
from helpers import load_sample
from mixture.bayes.model import build_model
from mixture.bayes.priors import choose_priors
from mixture.bayes.pymc_sampling import unconstrained_function
from mixture.bayes.target import log_posterior
from mixture.check.membership import summarise_memberships
from mixture.components import Components
from mixture.data.cells import choose_likelihood
from mixture.data.read import read_sample
from mixture.data.sample import Sample
from mixture.em import bootstrap_errors, em_standard_errors, fit_em_proper
from mixture.messages import InputError
from parameters import check

ROOT = Path(__file__).resolve().parents[2]
BINS = {"counts": "n", "lower": "lo", "upper": "hi"}
EDGES = np.array([-np.inf, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, np.inf])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def binned(values, edges=EDGES):
    """Values counted in bins that touch."""
    count = np.histogram(values, edges)[0]
    return Sample(edges[:-1][count > 0], edges[1:][count > 0], count[count > 0])


def as_text(sample):
    """The CSV of a sample in cells; an open end is empty."""
    frame = sample.frame().set_axis(["lo", "hi", "n"], axis=1)
    return frame.replace([np.inf, -np.inf], np.nan).to_csv(index=False)


@pytest.fixture(scope="module")
def sample():
    return binned(simulated(600).value)


# ---------------------------------------------------------------- reading


def test_counted_values_are_the_values_repeated(folder):
    (folder / "t.csv").write_text("n,length\n3,1.5\n0,7\n1,2.5\n2,1.5\n")
    sample, dropped = read_sample("t.csv", counts="n")
    assert sample.exact and sample.name == "length" and dropped == 0
    assert sorted(sample.value) == [1.5] * 5 + [2.5]


def test_more_than_are_kept_as_values_become_cells_around_them(folder, monkeypatch):
    monkeypatch.setattr(counted, "MOST_VALUES", 100)
    values = np.arange(20, 60)
    pd.DataFrame({"x": values / 10, "n": 10**9 + values}).to_csv("t.csv", index=False)
    sample, _ = read_sample("t.csv", "x", counts="n")
    assert not sample.exact and sample.width == pytest.approx(0.1)
    assert_allclose(sample.value, values / 10)
    assert_array_equal(sample.count, 10**9 + values)


def test_one_far_value_costs_only_the_finest_cells(folder, monkeypatch):
    monkeypatch.setattr(counted, "MOST_VALUES", 100)
    (folder / "t.csv").write_text("x,n\n0,1000\n1,1000\n2,1000\n8e16,5\n")
    sample, _ = read_sample("t.csv", "x", counts="n")
    assert sample.n == 3005 and sample.count[-1] == 5
    assert sample.lower[-1] <= 8e16 < sample.upper[-1]


@pytest.mark.parametrize("open_ends", [("", ""), ("-inf", "inf"), ("NA", "Infinity")])
def test_bins_may_be_open_and_unequal_and_in_any_order(folder, open_ends):
    low, high = open_ends
    (folder / "t.csv").write_text(f"lo,hi,n\n4,{high},2\n{low},1,3\n2,4,9\n1,2,5\n")
    sample, _ = read_sample("t.csv", **BINS)
    assert_array_equal(sample.lower, [-np.inf, 1, 2, 4])
    assert_array_equal(sample.upper, [1, 2, 4, np.inf])
    assert_array_equal(sample.count, [3, 5, 9, 2])
    assert sample.open == (True, True) and not sample.regular
    assert_array_equal(sample.value, [0.5, 1.5, 3, 5])  # what is open is as wide as its neighbour
    assert (sample.low, sample.high, sample.n, sample.width) == (0, 6, 19, 2)
    assert all(np.isfinite(list(sample.summary()["quantiles"].values())))


def test_empty_bins_hold_nothing_and_bins_of_one_width_are_regular(folder):
    (folder / "t.csv").write_text("lo,hi,n\n0,0.1,2\n0.1,0.2,0\n0.2,0.30000000000000004,4\n0.3,0.4,1\n")
    sample, _ = read_sample("t.csv", **BINS)
    assert_array_equal(sample.count, [2, 4, 1])
    assert sample.regular and sample.width == pytest.approx(0.1)


VALUES = {"counts": "n"}
REFUSED = {
    "weights": (
        "x,n\n1,0.5\n2,1\n",
        VALUES,
        "counts: column 'n' holds 0.5; allowed: whole numbers of 0 or more, since the",
    ),
    "negative": ("x,n\n1,-2\n2,1\n", VALUES, "counts: column 'n' holds -2; allowed: whole numbers of 0 or more"),
    "infinite": ("x,n\n1,inf\n2,1\n", VALUES, "counts: column 'n' holds inf; allowed: whole numbers of 0 or more"),
    "nothing": ("x,n\n1,0\n2,0\n", VALUES, "counts: column 'n' sums to 0; allowed: 1 to 1e15 observations"),
    "too many": ("x,n\n1,1e15\n2,1e15\n", VALUES, "counts: column 'n' sums to 2e+15; allowed: 1 to 1e15"),
    "no count": (
        "x,n\n1,\n2,1\n",
        VALUES,
        "missing: 1 of 2 rows lack their value or count, the first in row 1 of the data; allowed: none, or missing: drop",
    ),
    "infinite value": (
        "x,n\ninf,1\n2,1\n",
        VALUES,
        "data: column 'x' holds infinite values, 1 in all; allowed: finite numbers",
    ),
    "one column twice": (
        "x,n\n1,2\n2,1\n",
        {**VALUES, "column": "n"},
        "column, counts: 'n' is given twice; allowed: a column",
    ),
    "no such counts": ("x,m\n1,2\n2,1\n", VALUES, "counts: given 'n'; allowed: one of x, m"),
    "two columns": ("x,y,n\n1,2,3\n4,5,6\n", VALUES, "column: not given; allowed: one of x, y"),
    "text": ("x,n\n1,3\n2,few\n", VALUES, "data: line 3 of 't.csv' holds 'few' in column 'n'; allowed: numbers"),
    "one value": ("x,n\n1,3\n", VALUES, "data: all 3 values in column 'x' are 1; allowed: at least two different"),
    "few values": ("x,n\n1,3\n2,5\n", {**VALUES, "n_components": 3}, "n_components: given 3; allowed: at most 2"),
    "reversed": ("lo,hi,n\n1,0,3\n", BINS, "columns 'lo', 'hi' hold a bin from 1 to 0; allowed: lower below upper"),
    "no ends": ("lo,hi,n\n,,3\n", BINS, "columns 'lo', 'hi' hold a bin from -inf to inf; allowed: lower below upper"),
    "overlap": (
        "lo,hi,n\n0,2,3\n1,3,3\n",
        BINS,
        "overlap, where one ends at 2 and the next begins at 1; allowed: bins",
    ),
    "gap": (
        "lo,hi,n\n0,9,3\n10,19,3\n",
        BINS,
        "leave a gap, where one ends at 9 and the next begins at 10; allowed: bins",
    ),
    "two open below": (
        "lo,hi,n\n,2,3\n,3,3\n3,4,1\n",
        BINS,
        "overlap, where one ends at 2 and the next begins at -inf",
    ),
    "one bin": ("lo,hi,n\n,2,3\n2,3,3\n3,,1\n", BINS, "fewer than two bins that hold values have two ends"),
    "narrow": ("lo,hi,n\n0,1e-9,3\n1e-9,1,3\n", BINS, "hold a bin from 0 to 1e-09; allowed: bins at least 1e-07 times"),
    "no count of a bin": (
        "lo,hi,n\n0,1,3\n1,2,\n",
        BINS,
        "missing: 1 of 2 rows lack their count, the first in row 2 of the data; ",
    ),
    "few bins": (
        "lo,hi,n\n0,1,3\n1,2,4\n2,3,9\n",
        {**BINS, "n_components": 4},
        "n_components: given 4; allowed: at most 3",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_counts_are_refused_in_one_line(folder, case):
    content, options, message = REFUSED[case]
    (folder / "t.csv").write_text(content)
    with pytest.raises(InputError) as refused:
        read_sample("t.csv", **options)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_too_many_bins_are_refused(folder, monkeypatch):
    monkeypatch.setattr(counted, "MOST_BINS", 3)
    (folder / "t.csv").write_text("lo,hi,n\n" + "".join(f"{i},{i + 1},1\n" for i in range(4)))
    with pytest.raises(InputError, match="counts: column 'n' has more than 3 rows; allowed: as many at most"):
        read_sample("t.csv", **BINS)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"lower": "lo"}, "upper: not given; allowed: the columns of lower, upper and counts together"),
        ({"lower": "lo", "upper": "hi"}, "counts: not given; allowed: the columns of lower, upper and counts together"),
        ({**BINS, "column": "x"}, "column: given 'x'; allowed with lower and upper: column null"),
        ({**BINS, "likelihood": "exact"}, "likelihood: given 'exact'; allowed with lower and upper"),
        ({**BINS, "model": "latent", "n_components": 2}, "model: given 'latent'; allowed with lower and upper"),
        ({"counts": "n", "data": None}, "counts: given 'n' without data; allowed: with data"),
    ],
)
def test_parameters_of_counts_belong_together(folder, given, message):
    (folder / "t.csv").write_text("lo,hi,n\n0,1,2\n1,2,3\n")
    with pytest.raises(InputError, match=message):
        check({"data": "t.csv", **given})


# ---------------------------------------------------------------- the likelihood of open and unequal bins


def bin_mass(low, high, mean, sd):
    """Of a Normal, by the tail that is the shorter."""
    tail = stats.norm.sf if low > mean else stats.norm.cdf
    return abs(tail(high, mean, sd) - tail(low, mean, sd))


def literal_log_likelihood(sample, weights, means, sds):
    """Count x log of the mixture's mass in the bin, in a loop."""
    total = 0.0
    for low, high, count in zip(sample.lower, sample.upper, sample.count):
        total += count * np.log(sum(w * bin_mass(low, high, m, s) for w, m, s in zip(weights, means, sds)))
    return total


def test_em_finds_the_maximum_of_the_literal_likelihood(sample):
    fit = fit_em_proper(sample, 2, np.random.default_rng(1), 5)
    assert fit.log_likelihood == pytest.approx(literal_log_likelihood(sample, *fit.components), rel=1e-10)

    def negative(free):
        w = 1 / (1 + np.exp(-free[0]))
        return -literal_log_likelihood(sample, (w, 1 - w), free[1:3], np.exp(free[3:]))

    start = np.concatenate([[np.log(fit.weights[0] / fit.weights[1])], fit.means, np.log(fit.sds)])
    best = optimize.minimize(negative, start + 0.05, method="BFGS")
    assert -best.fun == pytest.approx(fit.log_likelihood, abs=1e-4)
    assert_allclose(best.x, start, atol=2e-3)


def test_the_bootstrap_draws_bins_where_the_likelihood_saw_bins():
    wide = binned(simulated(600).value, np.array([-np.inf, -2, 0, 2, 4, 6, 8, np.inf]))
    fit = fit_em_proper(wide, 2, np.random.default_rng(1), 5)
    curvature = em_standard_errors(wide, fit)
    drawn = bootstrap_errors(fit, np.random.default_rng(1), 60, cells=wide)
    as_values = bootstrap_errors(fit, np.random.default_rng(1), 60)
    assert abs(np.log(drawn["sds"] / curvature["sds"])).max() < 0.5
    assert (as_values["sds"] < drawn["sds"]).all()


def test_the_samplers_see_the_literal_likelihood(sample):
    priors = choose_priors(sample, 2)
    draws = priors.draw(6, np.random.default_rng(3))
    draws = draws._replace(sds=np.maximum(draws.sds, 0.5))
    w, mu, sigma = priors.log_density(draws)
    seen = log_posterior(sample, priors, draws) - w - mu.sum(axis=-1) - sigma.sum(axis=-1)
    literal = np.array([literal_log_likelihood(sample, *point) for point in zip(*draws)])
    assert_allclose(seen - seen[0], literal - literal[0], atol=1e-6)


def test_nuts_has_a_slope_at_open_bins(sample):
    model = build_model(sample, choose_priors(sample, 2))
    names = [variable.name for variable in model.value_vars]
    point = unconstrained_function(model)(w=np.array([0.3, 0.7]), mu=np.array([0.4, 3.1]), sigma=np.array([1.0, 2.0]))
    slope = model.compile_dlogp(mode="FAST_COMPILE")(dict(zip(names, point, strict=True)))
    density, step, found = model.compile_logp(mode="FAST_COMPILE"), 1e-5, []
    for which, value in enumerate(point):
        for direction in step * np.eye(len(value)):
            ends = [[*point[:which], value + sign * direction, *point[which + 1 :]] for sign in (1, -1)]
            high, low = (density(dict(zip(names, end, strict=True))) for end in ends)
            found.append((high - low) / (2 * step))
    assert_allclose(slope, found, rtol=1e-4, atol=1e-3)


def test_cells_that_cannot_be_merged_stay_as_they_came(sample):
    seen, reason = choose_likelihood(sample, 1.0)
    assert seen is sample and "14 cells that they came in" in reason
    with pytest.raises(
        InputError, match="cell_width: given 0.1; allowed: null for cells of unequal width or with open"
    ):
        choose_likelihood(sample, 1.0, cell_width=0.1)


def test_a_bin_belongs_to_a_component_by_its_mass(sample):
    point = Components(*(np.array([part]) for part in ([0.4, 0.6], [0.0, 4.0], [1.0, 1.5])))
    table = summarise_memberships(sample, point.map(lambda values: np.repeat(values, 2, axis=0)))
    ends = list(zip(sample.lower, sample.upper))
    mass = [w * np.array([bin_mass(*each, m, s) for each in ends]) for w, m, s in zip(*map(np.ravel, point))]
    assert_allclose(table["p_1"], mass[0] / sum(mass), rtol=1e-7)


def test_counting_again_in_the_same_bins_gives_the_same_counts(sample):
    values = simulated(600).value
    again = sample.recount(values)
    assert_array_equal(again.count, sample.count)
    assert_array_equal(again.lower, sample.lower)
    closed = binned(values[(values > -1) & (values < 6)], EDGES[2:-2])
    assert closed.recount(values).n == 600, "what lies beyond counts in the outermost"


# ---------------------------------------------------------------- the whole chain


@pytest.mark.longer
def test_bins_go_through_the_whole_report(folder, sample):
    (folder / "bins.csv").write_text(as_text(sample))
    values = {"data": "bins.csv", **BINS, "n_components": 2, "k_max": 2, "draws": 100, "tune": 100, "em_starts": 3}
    overrides = [part for name, value in values.items() for part in ("-p", name, json.dumps(value))]
    command = [sys.executable, ROOT / "report.py", "run", *overrides, "--out", "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 3), done.stderr
    kept = load_sample("run")
    assert_array_equal(kept.lower, sample.lower)
    assert_array_equal(kept.count, sample.count)
    table = pd.read_csv("run/comparison.csv")
    assert table["difference_in_sds"].abs().max() < 1
    assert len(pd.read_parquet("run/membership.parquet")) == len(sample.count)
    assert "open below and above" in Path("run/report.html").read_text()
