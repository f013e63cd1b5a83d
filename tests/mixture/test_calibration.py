"""Calibration finds what is wrong, planted errors among it, and finds nothing where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from planted import plant
from refitter import Recipe, Refitter, rank_truth, statistics
from scipy import stats

from mixture.bayes import gibbs, kernels
from mixture.bayes import model as room
from mixture.components import Components, mixture_log_likelihood
from mixture.data.sample import Sample
from mixture.messages import InputError
from mixture.studies import calibration, many_fits
from mixture.studies.calibration import CASES, RANKED_DRAWS, Case, calibrate, fit_truth, quantities, rank_of
from mixture.studies.calibration import rank_truth as rank_case
from mixture.studies.rank_uniformity import bands, judge_ranks, rank_differences

# Small samples and wide components, so that the prior matters.
SMALL = Recipe(n=15, sd_median=3.0, concentration=5.0, cell_width=2.0, tune=200, draws=400)
FITS = 100


def table_of(ranks, case="c", quantity="q"):
    return pd.DataFrame({"case": case, "quantity": quantity, "rank": ranks})


# -- ranks ------------------------------------------------------------------------------------


def test_ranks_of_one_among_its_like_are_uniform_ties_or_not():
    rng = np.random.default_rng(1)
    for draw in (lambda size: rng.normal(size=size), lambda size: rng.integers(3, size=size).astype(float)):
        ranks = [rank_of(*each, rng) for each in ((draw(1)[0], draw(20)) for _ in range(2000))]
        assert stats.kstest(ranks, "uniform").pvalue > 0.001


def test_uniform_ranks_pass_and_others_do_not():
    rng = np.random.default_rng(2)
    shapes = {
        "uniform": (1, 1, True),
        "biased": (1.5, 1, False),
        "too narrow": (0.6, 0.6, False),
        "too wide": (2, 2, False),
    }
    table = pd.concat([table_of(rng.beta(a, b, 150), quantity=name) for name, (a, b, _) in shapes.items()])
    verdict = judge_ranks(table).set_index("quantity")
    assert verdict["passed"].to_dict() == {name: fine for name, (*_, fine) in shapes.items()}
    assert verdict.loc["biased", "largest_difference"] < 0


def test_the_bands_hold_all_of_a_uniform_distribution_as_often_as_they_say():
    rng, (x, low, high) = np.random.default_rng(3), bands(100, 0.9)
    ecdf = np.array([np.searchsorted(np.sort(rng.uniform(size=100)), x, side="right") / 100 for _ in range(2000)])
    inside = ((ecdf >= low) & (ecdf <= high)).all(axis=1).mean()
    assert abs(inside - 0.9) < 0.04


def test_truths_are_ordered_together_with_their_weights_and_sds():
    """Weight and sd of a component do not depend on its place, nor its place on them."""
    rng = np.random.default_rng(4)
    w, mu, sigma = (np.array(each) for each in zip(*(Recipe().draw(rng) for _ in range(4000))))
    assert (np.diff(mu) > 0).all() and np.allclose(w.sum(axis=1), 1)
    assert stats.kstest(mu.ravel(), stats.norm(0, 10).cdf).pvalue > 0.001  # together they are the prior's again
    assert stats.ks_2samp(sigma[:, 0], sigma[:, 1]).pvalue > 0.001
    assert stats.kstest(w[:, 0], stats.beta(3, 3).cdf).pvalue > 0.001


def test_what_is_ranked():
    rng, recipe = np.random.default_rng(5), Recipe()
    truth = recipe.draw(rng)
    sample = recipe.simulate(truth, rng)
    ranked = statistics(sample, truth)
    assert list(ranked) == ["w[1]", "mu[1]", "mu[2]", "sigma[1]", "sigma[2]", "log likelihood"]
    assert np.isclose(ranked["log likelihood"], mixture_log_likelihood(sample, *truth).sum())
    many = statistics(sample, tuple(np.stack([each] * 3) for each in truth))
    assert all(np.allclose(many[name], ranked[name]) and many[name].shape == (3,) for name in ranked)


class Drifting:
    """A chain that forgets slowly: its draws rise steadily, so that no part of it stands for the whole."""

    kind, recipe = "drifting", Recipe()

    def observe(self, sample):
        return sample

    def fit(self, sample, start, rng):
        steady = np.linspace(0, 1, self.recipe.draws)[:, None]
        first = 0.2 + 0.6 * steady
        return Components(np.hstack([first, 1 - first]), 40 * steady + [-30, -10], 0.1 + [3, 2] * steady)


def test_a_truth_is_ranked_among_draws_from_all_of_the_chain():
    drawn = statistics(Sample.of_values([0.0, 1.0]), Drifting().fit(None, None, None))
    for replicate in range(5):
        for row in rank_truth(Drifting(), replicate, 7):
            if row["quantity"] != "log likelihood":  # of another sample each time
                assert row["rank"] == pytest.approx((drawn[row["quantity"]] < row["truth"]).mean(), abs=0.025)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_so_does_the_study_of_calibration(case, monkeypatch):
    steady = np.linspace(-100, 100, 800).reshape(2, 400)  # the second chain above the first
    drawn = dict.fromkeys(("mean", "log variance"), steady)
    monkeypatch.setattr(calibration, "fit_long_enough", lambda case, sample, rng: (0, drawn))
    rows = rank_case(case, 0, 7)
    assert [row["quantity"] for row in rows] == list(drawn)
    for row in rows:
        assert row["rank"] == pytest.approx((steady < row["truth"]).mean(), abs=0.025)


def test_many_calibrated_parameters_pass_together():
    """All of 25 pass with the probability that is asked for, and their curves stay in the bands as often."""
    rng, passed = np.random.default_rng(8), 0
    for _ in range(6):
        ranks = pd.concat([table_of(rng.uniform(size=20), quantity=str(i)) for i in range(25)])
        passed += judge_ranks(ranks, 0.9)["passed"].all()
    assert passed >= 4  # fewer in one case of sixty; by bands for one alone, nearly always
    curves = rank_differences(ranks, 0.9)
    inside = curves["difference"].between(curves["low"], curves["high"]).groupby(curves["quantity"], sort=False).all()
    assert inside.tolist() == judge_ranks(ranks, 0.9)["passed"].tolist()


# -- planted errors ---------------------------------------------------------------------------


def failures(model, priors=None):
    """The parameters whose ranks are not uniform in a small calibration."""
    refitter = Refitter(model, SMALL, priors)
    verdict = judge_ranks(pd.DataFrame([row for i in range(FITS) for row in rank_truth(refitter, i, 7)]))
    assert (verdict["fits"] == FITS).all() and len(verdict) == 6
    return set(verdict[~verdict["passed"]]["quantity"])


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", ["marginal", "grouped", "latent"])
def test_a_right_model_passes(model):
    assert failures(model) == set()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_wrong_prior_precision_is_caught():
    """The means' sd taken for a variance: precision 1 / sd where it should be 1 / sd^2."""
    wrong = replace(SMALL.priors, mean_precision=np.sqrt(SMALL.priors.mean_precision))
    assert failures("marginal", wrong) & {"mu[1]", "mu[2]"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_sd_used_as_a_variance_is_caught(monkeypatch):
    right = room._log_density
    monkeypatch.setattr(room, "_log_density", lambda value, w, mu, sigma: right(value, w, mu, pt.sqrt(sigma)))
    assert failures("marginal") >= {"sigma[1]", "sigma[2]"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_lost_factor_in_the_grouped_likelihood_is_caught(monkeypatch):
    """Each cell counted once, whatever it holds."""
    right = room._log_counts
    monkeypatch.setattr(room, "_log_counts", lambda count, *others: right(pt.minimum(count, 1), *others))
    assert failures("grouped")


QUICK = Case("quick", n=15)


@pytest.mark.longer
def test_a_calibration_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(many_fits, "FITS_PER_TASK", 2)
    one = calibrate(tmp_path, fits=3, cases=(QUICK,))
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(parts) == 2 and len(one) == 3 * (5 + 6)
    next(iter(parts)).unlink()
    again = calibrate(tmp_path, fits=3, cases=(QUICK,))
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), again.drop(columns="seconds"))
    assert sum(path.stat().st_mtime_ns == parts[path] for path in (tmp_path / "parts").iterdir()) == 1


# -- the default sampler ----------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_fit_has_more_effective_draws_than_its_truth_is_ranked_among(case):
    rows = rank_case(case, 0, 3)
    assert min(row["ess"] for row in rows) >= RANKED_DRAWS
    assert all(0 < row["rank"] < 1 and np.isfinite(row["truth"]) for row in rows)
    assert {"log likelihood", "mean", "log variance"} < {row["quantity"] for row in rows}
    assert ({"K", "K filled"} < {row["quantity"] for row in rows}) == case.unknown


def test_truths_of_priors_in_order_come_from_the_prior_cut_off():
    """Not from the sorted one: by quadrature, of two Normals given that the first is the smaller."""
    (case,) = (case for case in CASES if case.name == "in order")
    rng = np.random.default_rng(6)
    first = np.array([case.draw(rng).components.means[0] for _ in range(4000)])
    x = np.linspace(-12, 12, 4001)
    density = stats.norm.pdf(x, -1.5, 2) * stats.norm.sf(x, 1.5, 2)
    assert stats.kstest(first, lambda at: np.interp(at, x, np.cumsum(density) / density.sum())).pvalue > 0.001


def test_a_sample_in_which_em_collapses_is_refused_and_another_drawn():
    rng, seen = np.random.default_rng(1), []

    def fit(case, sample, rng):
        seen.append(sample)
        if len(seen) < 3:
            raise InputError("EM collapses")
        return "fitted"

    truth, found = fit_truth(QUICK, rng, fit)
    assert found == "fitted" and len(seen) == 3 and truth.sample is seen[-1]


def test_the_quantities_that_are_ranked():
    sample, one = (
        Sample.of_values([-1.0, 0.0, 3.0]),
        Components(np.array([0.25, 0.75]), np.array([-1.0, 1.0]), np.array([1.0, 2.0])),
    )
    found = quantities(sample, one)
    assert list(found)[:5] == ["w[1]", "mu[1]", "mu[2]", "sigma[1]", "sigma[2]"]
    assert np.isclose(found["mean"], 0.5) and np.isclose(
        np.exp(found["log variance"]), 0.25 * (1 + 2.25) + 0.75 * (4 + 0.25)
    )
    assert np.isclose(found["log likelihood"], mixture_log_likelihood(sample, *one).sum())
    assert np.isclose(found["density at 50%"], mixture_log_likelihood(Sample.of_values([0.0]), *one)[0])


# Errors in single moves, whatever the rest of the sampler does about them: the case whose ranks are to tell, the module
# whose kernels are replaced, and one expression of theirs with what stands in its place.
PLANTED = {
    "assignments": (
        "K = 2",
        kernels,
        "threshold, j = rng.random() * total, 0",
        "threshold, j = rng.random() ** 2 * total, 0",
    ),
    "weights": (
        "K = 2",
        kernels,
        "max(rng.standard_gamma(a + n[j]), 1e-290)",
        "max(rng.standard_gamma(a + 2.0 + n[j]), 1e-290)",
    ),
    "sds": ("K = 2", kernels, "prior - n * u - 0.5 * squares", "prior - (n - 6.0) * u - 0.5 * squares"),
    "split of cells": (
        "cells",
        kernels,
        "share = min(1.0, terms[i, j] / total)",
        "share = min(1.0, 0.6 * terms[i, j] / total)",
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case, module, right, wrong", PLANTED.values(), ids=PLANTED)
def test_ranks_find_an_error_planted_in_a_move(case, module, right, wrong, tmp_path, monkeypatch):
    """With jumps and steps, which are right, beside it: they hide a part of what the wrong move does."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (chosen,) = (each for each in CASES if each.name == case)
    monkeypatch.setattr(gibbs, "kernels", plant(module, right, wrong, tmp_path))
    rows = [row for i in range(150) for row in rank_case(chosen, i, 5)]
    assert not judge_ranks(pd.DataFrame(rows))["passed"].all()
