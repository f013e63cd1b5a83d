"""The verdict passes what is sound, and fails and names what is not."""

import functools
import itertools
import json

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fits import fit, simulated, tree_of
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from mixture.bayes.counts import QUANTITIES
from mixture.bayes.draws import as_dataset, posterior_draws
from mixture.bayes.priors import Priors, choose_priors
from mixture.check import likelihood
from mixture.check.likelihood import expected_log_predictive_density, loo_pit
from mixture.check.verdict import (
    Verdict,
    classify_chains,
    judge_chains,
    judge_model,
    judged_quantities,
    prior_sensitivity,
    relabel,
)
from mixture.components import mixture_cdf
from mixture.data.cells import group_sample
from mixture.data.sample import Sample

SAMPLE = simulated(200, means=(0.0, 8.0))
CENTER = np.array([0.4, 0.6]), np.array([0.0, 8.0]), np.array([1.0, 1.5])


def chains(draws=500, memory=0.0, seed=1):
    """Four chains of weights, means, sds near the truth, each a first-order autoregression with this memory."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(3, 4, draws, 2))
    for t in range(1, draws):
        noise[:, :, t] = memory * noise[:, :, t - 1] + np.sqrt(1 - memory**2) * noise[:, :, t]
    first = CENTER[0][0] + 0.035 * noise[0, ..., 0]
    return np.stack([first, 1 - first], axis=-1), CENTER[1] + 0.1 * noise[1], CENTER[2] + 0.07 * noise[2]


def switched(components, where):
    """The components with their names swapped where told; where has shape (chain, draw)."""
    return tuple(np.where(where[..., None], a[..., ::-1], a) for a in components)


def moved(components, chain, mean):
    """One component's mean moved in one chain."""
    weights, means, sds = (a.copy() for a in components)
    means[chain, :, 1] += mean
    return weights, means, sds


def failures(checks):
    return [check.name for check in checks if not check.passed]


# ---------------------------------------------------------------- the chains


def test_good_chains_pass_every_check():
    checks = judge_chains(tree_of(SAMPLE, chains()))
    assert failures(checks) == []
    assert all(check.advice == "" for check in checks)
    assert json.loads(json.dumps(checks)) == [list(check) for check in checks]  # plain values


MIXING = {"largest R-hat", "smallest bulk ESS", "smallest tail ESS"}
CREEPING = np.random.default_rng(2).normal(size=(4, 500)).cumsum(axis=1)
BAD = {
    "a chain that sits apart": (lambda: tree_of(SAMPLE, moved(chains(), 0, 0.1)), {"largest R-hat"}),
    "too few draws": (lambda: tree_of(SAMPLE, chains(draws=80)), {"smallest bulk ESS", "smallest tail ESS"}),
    "slow mixing": (lambda: tree_of(SAMPLE, chains(memory=0.9)), MIXING),
    "divergences": (lambda: tree_of(SAMPLE, chains(), diverging=1), {"divergences"}),
    "tree depth": (lambda: tree_of(SAMPLE, chains(), too_deep=1), {"draws at the largest tree depth"}),
    "energy that creeps": (lambda: tree_of(SAMPLE, chains(), energy=CREEPING), {"smallest BFMI"}),
    "energy unknown": (lambda: tree_of(SAMPLE, chains(), energy=np.full((4, 500), np.nan)), {"smallest BFMI"}),
}


@pytest.mark.parametrize("make, names", BAD.values(), ids=BAD)
def test_bad_chains_fail_by_name_and_with_advice(make, names):
    checks = judge_chains(make())
    found = set(failures(checks))
    assert names <= found and (found == names or found <= MIXING)  # what mixes badly fails in more than one way
    assert all(check.advice for check in checks if not check.passed)


def autoregression(bfmi, draws=500, seed=3):
    """Energies of four chains whose BFMI is about this: the mean square of a step, in variances."""
    rng, memory = np.random.default_rng(seed), 1 - bfmi / 2
    energy = rng.normal(size=(4, draws))
    for t in range(1, draws):
        energy[:, t] = memory * energy[:, t - 1] + np.sqrt(1 - memory**2) * energy[:, t]
    return energy


def with_modes(missed):
    """Good chains beside a second mode that none of them visited, with this share of the posterior."""
    tree = tree_of(SAMPLE, chains())
    tree["modes"] = xr.Dataset({"share": ("mode", [1 - missed, missed]), "missed": ("mode", [0.0, 1.0])})
    return tree


def with_counts(shift=0.0, draws=500, quantity="k"):
    """Good chains with a number of components that was drawn too, one chain of it shifted by so many sds."""
    tree, rng = tree_of(SAMPLE, chains()), np.random.default_rng(4)
    values = {name: rng.normal(size=(4, draws)) for name in QUANTITIES}
    values[quantity][0] += shift
    kept = xr.Dataset({name: (("chain", "draw"), each) for name, each in values.items()})
    shares = xr.DataArray(rng.dirichlet([8, 2], (4, draws)), dims=("chain", "draw", "components"))
    tree["components"] = kept.assign(p_k=shares, p_filled=shares)
    return tree


# On either side of each limit, as published: the check that decides, a tree that just passes, one that just fails.
LIMITS = {
    "R-hat 1.01": ("largest R-hat", lambda: tree_of(SAMPLE, moved(chains(), 0, 0.02)), lambda: tree_of(SAMPLE, moved(chains(), 0, 0.04))),
    "100 draws a chain": ("smallest bulk ESS", lambda: tree_of(SAMPLE, chains(draws=140)), lambda: tree_of(SAMPLE, chains(draws=95))),
    "BFMI 0.3": ("smallest BFMI", lambda: tree_of(SAMPLE, chains(), autoregression(0.4)), lambda: tree_of(SAMPLE, chains(), autoregression(0.22))),
    "a hundredth missed": ("share of modes that no chain visited", lambda: with_modes(0.009), lambda: with_modes(0.011)),
    "R-hat of K": ("largest R-hat of the number of components", lambda: with_counts(0.1), lambda: with_counts(0.4)),
    "ESS of K": ("smallest ESS of the number of components", lambda: with_counts(draws=140), lambda: with_counts(draws=95)),
    "R-hat of what is filled": ("largest R-hat of the number of components", lambda: with_counts(), lambda: with_counts(0.4, quantity="squared_shares")),
}  # fmt: skip


@pytest.mark.parametrize("name, sound, doubtful", LIMITS.values(), ids=LIMITS)
def test_a_check_turns_at_its_limit(name, sound, doubtful):
    (passes,), (fails,) = ([c for c in judge_chains(make()) if c.name == name] for make in (sound, doubtful))
    assert passes.passed and not fails.passed and passes.limit == fails.limit
    assert min(passes.value, fails.value) < passes.limit < max(passes.value, fails.value)


def test_chains_are_judged_by_their_parameters_and_by_what_no_relabelling_changes():
    components = chains(draws=20)
    found = judged_quantities(tree_of(SAMPLE, components))
    assert set(found) == {"w", "mu", "sigma", "log_likelihood", "density"}
    points = np.quantile(SAMPLE.value, [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99], method="inverted_cdf")
    for c, d in itertools.product(range(4), (0, 19)):
        weights, means, sds = (each[c, d] for each in components)
        at = stats.norm(means, sds)
        assert found["log_likelihood"][c, d] == pytest.approx(np.log(at.pdf(SAMPLE.value[:, None]) @ weights).sum())
        assert_allclose(found["density"][c, d], at.pdf(points[:, None]) @ weights)
    swapped = judged_quantities(tree_of(SAMPLE, switched(components, np.ones((4, 20), bool))))
    for name in ("log_likelihood", "density"):
        assert_allclose(swapped[name], found[name])


@pytest.mark.parametrize("apart", ["w", "mu", "sigma", "log_likelihood"])
def test_the_worst_of_all_quantities_decides(apart):
    """One chain moves away in one of them."""
    tree = tree_of(SAMPLE, chains(draws=150))
    posterior, x = (tree[group].to_dataset() for group in ("posterior", "log_likelihood"))
    first = xr.DataArray([1.0, 0, 0, 0], dims="chain")
    if apart == "log_likelihood":
        tree["log_likelihood"] = x + first * 0.01  # of each of two hundred values
    else:
        tree["posterior"] = posterior.assign(
            {apart: posterior[apart] + first * posterior[apart].std(("chain", "draw"))}
        )
    quantities = judged_quantities(tree)
    worst = {each: float(az.rhat(quantities)[each].max()) for each in quantities.data_vars}
    assert max(worst.values()) == worst[apart]
    checks = {check.name: check for check in judge_chains(tree)}
    assert checks["largest R-hat"].value == pytest.approx(worst[apart]) and not checks["largest R-hat"].passed
    for kind in ("bulk", "tail"):
        ess = az.ess(quantities, method=kind)
        smallest = min(float(ess[each].min()) for each in quantities.data_vars)
        assert checks[f"smallest {kind} ESS"].value == pytest.approx(smallest)


def test_one_failed_check_is_enough_and_cautions_are_none():
    checks = judge_chains(tree_of(SAMPLE, chains()))
    bad = checks[0]._replace(passed=False, advice="run longer")
    empty = pd.DataFrame()

    def told(*parts):
        verdict = Verdict(*parts, "agree", empty, empty, empty)
        assert verdict.as_json()["trusted"] is verdict.trusted
        return verdict.trusted

    assert told(checks, [bad]) and told(checks, [])
    for place in range(len(checks)):
        assert not told([*checks[:place], bad, *checks[place + 1 :]], [])


def test_chains_that_never_move_are_not_trusted():
    still = tuple(np.broadcast_to(a, (4, 500, 2)).copy() for a in CENTER)
    assert "largest R-hat" in failures(judge_chains(tree_of(SAMPLE, still)))


@pytest.mark.longer
def test_chains_of_a_real_fit_pass(exact_fit, grouped_fit, single_fit):
    for found in (exact_fit, grouped_fit, single_fit):
        assert failures(judge_chains(found.tree)) == []


# ---------------------------------------------------------------- why they disagree


def test_chains_that_agree_are_said_to():
    kind, modes = classify_chains(tree_of(SAMPLE, chains()))
    assert kind == "agree" and modes.empty


@pytest.mark.parametrize(
    "where",
    [
        np.array([[True], [False], [True], [False]]) & (np.arange(500) >= 0),
        np.array([[True], [False], [False], [False]]) & (np.arange(500) < 250),
    ],
    ids=["whole chains", "within a chain"],
)
def test_permuted_labels_are_named_and_undone(where):
    good = chains()
    tree = tree_of(SAMPLE, switched(good, where))
    assert "largest R-hat" in failures(judge_chains(tree))
    kind, modes = classify_chains(tree)
    assert kind == "permuted labels" and modes.empty
    matched = relabel(tree)
    assert failures(judge_chains(matched)) == []
    assert_allclose(posterior_draws(matched), good)


def test_relabelling_by_mean_beyond_six_components_leaves_no_other_order():
    rng = np.random.default_rng(3)
    means = rng.permuted(np.arange(7) * 10 + rng.normal(size=(2, 50, 7)), axis=-1)
    tree = tree_of(SAMPLE, (np.full(means.shape, 1 / 7), means, np.ones(means.shape)))
    assert (np.diff(posterior_draws(relabel(tree))[1]) > 0).all()


def test_modes_are_told_apart_with_their_log_densities_best_first():
    tree = tree_of(SAMPLE, moved(moved(chains(), 1, 1.0), 3, 1.0))
    kind, modes = classify_chains(tree)
    assert kind == "different modes"
    assert modes["chains"].tolist() == ["0, 2", "1, 3"]
    total = tree["log_likelihood"]["x"].sum("observation").mean("draw").values  # the prior is flat
    assert_allclose(modes["log_posterior"], [total[[0, 2]].mean(), total[[1, 3]].mean()])
    assert_allclose(modes["means"].tolist(), [[0, 8], [0, 9]], atol=0.05)


@pytest.mark.parametrize("memory", [0.8, 0.95, 0.99])
def test_slow_mixing_is_not_taken_for_modes(memory):
    kind, modes = classify_chains(tree_of(SAMPLE, chains(memory=memory)))
    assert kind == "slow mixing" and modes.empty


@pytest.mark.longer
def test_a_fit_that_switches_on_purpose_is_found_permuted_and_relabelled():
    """Without the order and with the same prior for both, a few values let the names swap now and then."""
    sample = simulated(14, weights=(0.5, 0.5), means=(0.0, 2.2), sds=(1.0, 1.0))
    priors = Priors(np.full(2, 1.1), np.full(2, 0.1), "uniform", 1.2, 100.0)
    start = {"w": np.array([0.5, 0.5]), "mu": np.array([0.0, 2.2]), "sigma": np.ones(2)}
    tree = fit(sample, priors=priors, starts=[start] * 4, draws=700, ordering=False).tree
    swapped = np.diff(posterior_draws(tree)[1])[..., 0] < 0
    assert (swapped.any(axis=1) & ~swapped.all(axis=1)).all()  # within every chain
    assert "largest R-hat" in failures(judge_chains(tree))
    assert classify_chains(tree)[0] == "permuted labels"
    assert failures(judge_chains(relabel(tree))) == []


@pytest.mark.longer
def test_a_fit_trapped_by_different_priors_is_found_in_two_modes():
    """The post's priors without an order: reversed starts stay reversed, where the priors pull at the wrong means."""
    sample = simulated(300, weights=(0.7, 0.3), means=(150.0, 200.0), sds=(10.0, 20.0))
    priors = choose_priors(sample, 2, [145, 210], [0.01, 0.02], "uniform", 100)
    start = {"w": np.array([0.7, 0.3]), "mu": np.array([150.0, 200.0]), "sigma": np.array([10.0, 20.0])}
    reverse = {name: a[::-1] for name, a in start.items()}
    kind, modes = classify_chains(fit(sample, priors=priors, starts=[start, reverse], draws=300, ordering=False).tree)
    assert kind == "different modes"
    assert modes["chains"].tolist() == ["0", "1"]
    assert modes["log_posterior"][0] > modes["log_posterior"][1] + 5


# ---------------------------------------------------------------- the model


@pytest.fixture(scope="module")
def wrong():
    """One Normal for a sample with heavy tails."""
    return fit(Sample.of_values(np.random.default_rng(4).standard_t(2.5, 300)), k=1)


def judged(tree):
    loo = likelihood.left_out(tree)
    ranks = loo_pit(tree, loo, np.random.default_rng(5))
    return judge_model(tree, loo, ranks, prior_sensitivity(tree))


@pytest.mark.parametrize("which", ["exact_fit", pytest.param("grouped_fit", marks=pytest.mark.longer)])
def test_leave_one_out_ranks_are_uniform_for_the_right_model(which, request):
    tree = request.getfixturevalue(which).tree
    ranks = loo_pit(tree, likelihood.left_out(tree), np.random.default_rng(5))
    assert ranks.shape == (200,) and (ranks >= 0).all() and (ranks <= 1).all()
    assert stats.kstest(ranks, "uniform").pvalue > 0.05
    assert failures(judged(tree)) == []


N = SAMPLE.n
UNIFORM = (np.arange(N) + 0.5) / N
OUTLIER = Sample.of_values(np.append(SAMPLE.value, 18.0))


@functools.cache
def good_chains(sample):
    """Good chains around a sample, and its leave-one-out predictions."""
    tree = tree_of(sample, chains(draws=150))
    return tree, likelihood.left_out(tree)


def cautions(sample=SAMPLE, ranks=UNIFORM, moved_by=0.0, em_off=0.0, prior=None):
    """The cautions that are raised of good chains, given leave-one-out ranks, a sensitivity, EM's distance in sds, a prior."""
    tree, loo = good_chains(sample)
    tree = tree if prior is None else tree.assign({"prior": xr.DataTree(xr.Dataset({"mu": prior}))})
    tree["em"] = as_dataset(tuple(a.mean(axis=(0, 1)) + em_off * a.std(axis=(0, 1)) for a in posterior_draws(tree)))
    sensitivity = pd.DataFrame({"w": [0.0, np.nan], "mu": [0.0, moved_by]})
    return set(failures(judge_model(tree, loo, ranks, sensitivity)))


def prior_around(middle):
    """Draws of two means' priors, sd 1, the first in the middle of the sample."""
    draws = np.random.default_rng(3).normal([SAMPLE.value.mean(), middle], 1, (1, 1000, 2))
    return xr.DataArray(draws, dims=("chain", "draw", "component"))


def rounded_to(step):
    """The sample rounded; the narrowest sd of the chains stays 1."""
    return Sample.of_values(np.round(SAMPLE.value / step) * step)


CAUTIONS = {
    "nothing": ({}, set()),
    "ranks that are a little uneven": ({"ranks": stats.beta(1, 1.05).ppf(UNIFORM)}, set()),
    "ranks that lean": ({"ranks": stats.beta(1, 1.5).ppf(UNIFORM)}, {"LOO-PIT uniformity, p"}),
    "ranks at the ends": (
        {"ranks": np.concatenate([[1e-5], UNIFORM[1:-1], [1 - 1e-5]])},
        {"LOO-PIT tails, p"},
    ),
    "a prior that moves a little": ({"moved_by": 0.045}, set()),
    "a prior that moves": ({"moved_by": 0.055}, {"prior sensitivity"}),
    "EM a little off": ({"em_off": 0.9}, set()),
    "EM off": ({"em_off": 1.1}, {"distance to EM in posterior sds"}),
    "EM off to the other side": ({"em_off": -1.1}, {"distance to EM in posterior sds"}),
    "narrow cells": ({"sample": group_sample(SAMPLE, 0.45)}, set()),
    "wide cells": ({"sample": group_sample(SAMPLE, 0.55)}, {"cell width in smallest sds"}),
    "an outlier": ({"sample": OUTLIER}, {"largest Pareto k"}),
    "a prior's mean within, now and then": ({"prior": prior_around(SAMPLE.high + 2)}, set()),
    "a prior's mean nowhere near": (
        {"prior": prior_around(SAMPLE.high + 6)},
        {"share of a mean's prior within the sample"},
    ),
    "values a little rounded": ({"sample": rounded_to(0.5)}, set()),
    "values rounded to sds": ({"sample": rounded_to(2.0)}, {"narrowest sd in smallest allowed"}),
}


@pytest.mark.parametrize("given, expected", CAUTIONS.values(), ids=CAUTIONS)
def test_a_caution_is_raised_beyond_its_limit_and_no_other(given, expected):
    """The narrowest sd is 1."""
    assert cautions(**given) == expected


def test_leave_one_out_ranks_are_weighted_distribution_functions_by_a_literal_loop(exact_fit):
    tree, loo = exact_fit.tree, az.loo(exact_fit.tree, pointwise=True)
    ranks, draws = loo_pit(tree, loo, np.random.default_rng(5)), posterior_draws(tree)
    for i in (0, 7, 199):
        weights = np.exp(loo.log_weights.isel(observation=i))
        assert float(weights.sum()) == pytest.approx(1)
        value, total = exact_fit.sample.value[i : i + 1], 0.0
        for c, d in itertools.product(range(4), range(500)):
            total += float(weights.sel(chain=c, draw=d)) * mixture_cdf(value, *(a[c, d] for a in draws))[0]
        assert ranks[i] == pytest.approx(total)


@pytest.mark.longer
def test_heavy_tails_are_caught(wrong):
    assert {"LOO-PIT uniformity, p", "LOO-PIT tails, p"} & set(failures(judged(wrong.tree)))


def assert_left_out_as_by_arviz(tree):
    ours, theirs = likelihood.left_out(tree), az.loo(tree, pointwise=True)
    for name in ("elpd_i", "pareto_k", "log_weights"):
        assert_allclose(getattr(ours, name), getattr(theirs, name).transpose(*getattr(ours, name).dims), rtol=1e-12)
    assert ours.good_k == theirs.good_k


@pytest.mark.parametrize("number", [1, 2])
def test_leave_one_out_is_arvizs_with_one_chain_and_with_two(exact_fit, number):
    few = exact_fit.tree.isel(chain=slice(number))
    assert few["log_likelihood"].sizes["chain"] == number
    assert_left_out_as_by_arviz(few)


@pytest.mark.longer
@pytest.mark.parametrize("which", ["grouped_fit", "single_fit"])
def test_leave_one_out_is_arvizs_on_cells_and_for_one_component(which, request):
    assert_left_out_as_by_arviz(request.getfixturevalue(which).tree)


@pytest.mark.longer
def test_elpd_is_arvizs_for_values_and_counts_cells_as_often_as_they_hold(exact_fit, grouped_fit):
    exact, cells = (az.loo(found.tree, pointwise=True) for found in (exact_fit, grouped_fit))
    elpd, se = expected_log_predictive_density(exact_fit.tree, exact)
    assert (elpd, se) == pytest.approx((float(exact.elpd), float(exact.se)))
    each = np.repeat(cells.elpd_i.values, grouped_fit.sample.count)
    on_cells, se_on_cells = expected_log_predictive_density(grouped_fit.tree, cells)
    assert (on_cells, se_on_cells) == pytest.approx((each.sum(), each.std(ddof=1) * np.sqrt(len(each))))
    assert on_cells - 200 * np.log(grouped_fit.sample.width) == pytest.approx(
        elpd, abs=0.5
    )  # mass over width is density


def test_a_flat_prior_moves_nothing_and_a_weak_one_little(exact_fit):
    sensitivity = prior_sensitivity(exact_fit.tree)
    assert_array_equal(sensitivity["w"], 0)
    assert 0 < sensitivity[["mu", "sigma"]].max(axis=None) < 0.05
    assert list(sensitivity.loc["mu"].index) == [1, 2]


@pytest.mark.longer
def test_a_strong_prior_at_the_wrong_place_is_flagged():
    priors = Priors(np.array([6.0]), np.array([25.0]), "lognormal", 1.0, 1.0)
    tree = fit(simulated(30), k=1, priors=priors).tree
    assert prior_sensitivity(tree)["mu"].max() > 0.05
    assert {"prior sensitivity", "distance to EM in posterior sds"} <= set(failures(judged(tree)))
