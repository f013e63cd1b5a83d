"""Calibration finds what is wrong, planted errors among it, and finds nothing where nothing is wrong."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytensor.tensor as pt
import pytest
from scipy import stats

from mixture.bayes import model as room
from mixture.components import Components, mixture_log_likelihood
from mixture.data.sample import Sample
from mixture.studies.calibration import Recipe, Refitter, calibrate, rank_of, rank_truth, statistics
from mixture.studies.coverage import LEVELS, cover_truth, scenarios
from mixture.studies.interval_coverage import summarise_coverage
from mixture.studies.rank_uniformity import bands, judge_ranks, rank_differences

# Small samples and wide components, so that the prior matters.
SMALL = Recipe(n=15, sd_median=3.0, concentration=5.0, cell_width=2.0, tune=200, draws=400)
FITS = 100


def table_of(ranks, model="m", parameter="p"):
    return pd.DataFrame({"model": model, "parameter": parameter, "rank": ranks})


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
    table = pd.concat([table_of(rng.beta(a, b, 150), parameter=name) for name, (a, b, _) in shapes.items()])
    verdict = judge_ranks(table).set_index("parameter")
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
            if row["parameter"] != "log likelihood":  # of another sample each time
                assert row["rank"] == pytest.approx((drawn[row["parameter"]] < row["truth"]).mean(), abs=0.025)


def test_many_calibrated_parameters_pass_together():
    """All of 25 pass with the probability that is asked for, and their curves stay in the bands as often."""
    rng, passed = np.random.default_rng(8), 0
    for _ in range(6):
        ranks = pd.concat([table_of(rng.uniform(size=20), parameter=str(i)) for i in range(25)])
        passed += judge_ranks(ranks, 0.9)["passed"].all()
    assert passed >= 4  # fewer in one case of sixty; by bands for one alone, nearly always
    curves = rank_differences(ranks, 0.9)
    inside = curves["difference"].between(curves["low"], curves["high"]).groupby(curves["parameter"], sort=False).all()
    assert inside.tolist() == judge_ranks(ranks, 0.9)["passed"].tolist()


# -- planted errors ---------------------------------------------------------------------------


def failures(model, priors=None):
    """The parameters whose ranks are not uniform in a small calibration."""
    refitter = Refitter(model, SMALL, priors)
    verdict = judge_ranks(pd.DataFrame([row for i in range(FITS) for row in rank_truth(refitter, i, 7)]))
    assert (verdict["fits"] == FITS).all() and len(verdict) == 6
    return set(verdict[~verdict["passed"]]["parameter"])


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


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_calibration_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    recipe = replace(SMALL, draws=120, tune=50)
    one = calibrate(tmp_path, recipe, fits=30, models=("latent",))
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(parts) == 2 and len(one) == 30 * 6
    next(iter(parts)).unlink()
    again = calibrate(tmp_path, recipe, fits=30, models=("latent",))
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), again.drop(columns="seconds"))
    assert sum(path.stat().st_mtime_ns == parts[path] for path in (tmp_path / "parts").iterdir()) == 1


# -- coverage ---------------------------------------------------------------------------------


def test_coverage_is_counted_against_the_level():
    rows = [
        {
            "separation": 1,
            "n": 10,
            "weight": 0.5,
            "method": "EM",
            "parameter": "mu[1]",
            "level": level,
            "truth": 0.0,
            "estimate": e,
            "low": e - stats.norm.ppf((1 + level) / 2),
            "high": e + stats.norm.ppf((1 + level) / 2),
            "covered": abs(e) <= stats.norm.ppf((1 + level) / 2),
        }
        for e in np.random.default_rng(6).normal(size=1000)
        for level in LEVELS
    ]
    found = summarise_coverage(pd.DataFrame(rows))
    assert not found["far"].any() and (found["missing"] == 0).all() and (abs(found["bias"]) < 0.15).all()
    short = summarise_coverage(pd.DataFrame(rows).assign(covered=lambda t: abs(t["estimate"]) < 0.1))
    assert short["far"].all()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_far_apart_and_many_both_kinds_of_interval_hold_the_truth_as_often_as_they_say():
    (scenario,) = scenarios([6.0], [200], [0.5])
    refitter = Refitter("marginal", Recipe(n=scenario.n, draws=500), scenario.priors)
    rows = [row for i in range(60) for row in cover_truth(refitter, scenario, i, 8)]
    found = summarise_coverage(pd.DataFrame(rows))
    assert set(found.index.get_level_values("method")) == {"posterior", "EM"}
    assert found["far"].mean() <= 0.1 and (found["missing"] == 0).all()
