"""The number of components, drawn along with all else: its prior, the published posterior, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from counts import log_numbers, wide_jumps
from numpy.testing import assert_allclose
from scipy import special, stats

from mixture.bayes import components_unknown as unknown
from mixture.bayes import counts, kernels
from mixture.bayes.jumps import Jumps
from mixture.bayes.kernels_unknown import jump_to_number, run_telescoping
from mixture.bayes.model import build_model
from mixture.bayes.priors import Priors
from mixture.check.selection import open_k_max, singular_bic
from mixture.data.sample import Sample
from mixture.show.text import components as say

# Richardson & Green 1997, as transcribed in the vignette of the R package sBIC.
PUBLISHED = {3: 0.061, 4: 0.128, 5: 0.182, 6: 0.199, 7: 0.160, 8: 0.109, 9: 0.071, 10: 0.040, 11: 0.023, 12: 0.013}


@pytest.fixture(scope="module")
def galaxies():
    return Sample.of_values(pd.read_csv("data/galaxies.csv")["velocity"])


SLOW_FAMILIES = kernels.UNIFORM, kernels.HALFNORMAL  # the quick tests take one fixed and one hierarchical scale


@pytest.mark.slow
def test_the_galaxies_have_the_published_posterior(galaxies):
    kept = unknown.sample_component_counts(galaxies, np.random.default_rng(1))
    found = counts.describe_components(kept, counts.most_probable(kept))
    assert found["rhat"] < 1.01 and found["ess"] > 400
    for k, p in PUBLISHED.items():
        assert abs(found["p_k"][str(k)] - p) < 0.01 + 2 * found["errors"][str(k)], k
    assert found["open"][0] <= 4 and found["open"][-1] >= 8


@pytest.mark.longer
@pytest.mark.parametrize(
    "jumps, family",
    [
        pytest.param(jumps, family, marks=[pytest.mark.slow] if family in SLOW_FAMILIES else [])
        for jumps in (False, True)
        for family in (*SLOW_FAMILIES, kernels.LOGNORMAL, kernels.HIERARCHICAL)
    ],
)
def test_without_a_likelihood_the_prior_comes_out(jumps, family):
    """Of K, and of weights, means and sds; where the sds' scale depends on K, too."""
    most, n, rng = 5, 8, np.random.default_rng(family)
    scales = np.full(most, 3.0) if family == kernels.HIERARCHICAL else 3.0 / np.arange(1, most + 1)
    log_prior = np.log([0.1, 0.4, 0.2, 0.2, 0.1])
    log_counts = unknown._log_counts(log_prior, 1.3, n)
    count, edge = np.array([n]), np.zeros(1)
    k, w, mu, u = 1, np.ones(most), np.zeros(most), np.zeros(most)
    draws, means, sds, numbers = 60_000, [], [], []
    out, p_k, p_filled = np.empty((1, 5)), np.empty((1, most + 1)), np.empty((1, most + 1))
    jumps = wide_jumps(most, rng) if jumps else Jumps.none(most)
    points, numbered = np.empty((1, jumps.centers.shape[1])), log_numbers(log_prior, 1.3, 0.5, 4.0, family, scales)
    seen, which = np.zeros(most + 1), np.random.default_rng(1)
    for _ in range(draws):
        m, t = np.full(most, 0.5), np.full(most, 4.0)
        k = run_telescoping(
            rng, 1, 1, (edge, edge, count, True), (1.3, m, t, family, scales, -np.inf), log_counts, False, jumps.arrays, numbered, k, w, mu, u, out, p_k, p_filled, points
        )  # fmt: skip
        seen[k] += 1
        any_one = which.integers(k)  # they are sorted where a jump may lead away
        means.append(mu[any_one])
        sds.append(u[any_one])
        numbers.append(k)
    assert_allclose(seen[1:] / draws, np.exp(log_prior), atol=0.015)
    assert np.mean(means) == pytest.approx(0.5, abs=0.02) and np.std(means) == pytest.approx(0.5, abs=0.02)
    # Given the number of components: sds have the scale of that number, not of the one before.
    mean_log = {kernels.UNIFORM: -1.0, kernels.HALFNORMAL: -(np.euler_gamma + np.log(2)) / 2, kernels.LOGNORMAL: 0.0}
    for number in range(1, most + 1) if family in mean_log else []:
        found = np.array(sds)[np.array(numbers) == number]
        error = 4 * found.std() / np.sqrt(len(found) / 10)  # neighbours in the chain are alike
        assert found.mean() == pytest.approx(np.log(scales[number - 1]) + mean_log[family], abs=error)


@pytest.mark.slow  # compiles the jump alone, for half a minute
def test_a_jump_leaves_the_terms_of_where_it_led():
    """The assignments that follow are drawn by them."""
    most, rng, values = 4, np.random.default_rng(3), np.array([-0.4, 0.1, 0.9])
    m, t, scales = np.full(most, 0.3), np.full(most, 0.5), np.ones(most)
    numbers = log_numbers(np.log(np.full(most, 1 / most)), 1.3, 0.3, 0.5, kernels.LOGNORMAL, scales)
    rows, prior = (values, values, np.ones(3, np.int64)), (1.3, m, t, kernels.LOGNORMAL, scales, -np.inf)
    jumps, landed = wide_jumps(most, rng).arrays, 0
    for _ in range(200):
        k, w, mu, u = 1, np.ones(most), np.full(most, 0.2), np.zeros(most)
        terms, other, expected = np.full((3, most), np.nan), np.empty((3, most)), np.empty((3, most))
        before = kernels.log_likelihood(*rows, True, w[:k], mu[:k], u[:k], terms)
        k, after = jump_to_number(rng, (*rows, True), prior, True, jumps, numbers, k, w, mu, u, terms, other, before)
        landed += after != before
        assert after == kernels.log_likelihood(*rows, True, w[:k], mu[:k], u[:k], expected)
        assert_allclose(terms[:, :k], expected[:, :k])
    assert landed > 20


@pytest.mark.parametrize("values", [[1.0, 1, 1, 1, 2], [1.0, 2, 5], [0, 0.1, 0.2, 9, 9.1, 9.3, 20]], ids=str)
def test_a_few_values_and_ties_end(values, monkeypatch):
    """Also where jumps are learnt from them, and where no sd is as small as the chains would begin with."""
    monkeypatch.setattr(unknown, "TUNED", 0)
    sample = Sample.of_values(np.array(values))
    kept = unknown.sample_component_counts(sample, np.random.default_rng(1), draws=100, tune=100, most_operations=1e6)
    assert_allclose(kept["p_k"].sum("components"), 1)


def test_chains_begin_with_no_more_components_than_there_may_be():
    sample = Sample.of_values(np.array([0.0, 0.1, 5.0, 5.2]))
    kept = unknown.sample_component_counts(
        sample, np.random.default_rng(1), draws=20, tune=20, most=3, most_operations=1e5
    )
    assert kept.sizes["components"] == 3
    assert_allclose(kept["p_k"].sum("components"), 1)


def test_the_prior_of_k_is_as_published():
    assert_allclose(np.exp(counts.log_count_prior("uniform")), 1 / 30)
    poisson = np.exp(counts.log_count_prior("poisson"))
    assert_allclose(poisson[:4], stats.poisson.pmf(np.arange(1, 5), 1) / (1 - np.exp(-1)), rtol=1e-6)
    bnb = np.exp(counts.log_count_prior("bnb", 10_000))
    # Beta-negative-binomial (1, 4, 3): p(K) = Gamma(1 + k) B(1 + 4, k + 3) / (k! Gamma(1) B(4, 3)), k = K - 1.
    k = np.arange(4)
    assert_allclose(bnb[:4], special.beta(5, k + 3) / special.beta(4, 3), rtol=1e-3)


def test_another_prior_of_k_is_a_matter_of_weights():
    p = special.softmax(np.random.default_rng(0).normal(size=30))
    there = counts.reweigh_counts(p, "uniform", "bnb")
    assert_allclose(counts.reweigh_counts(there, "bnb", "uniform"), p)


def test_well_separated_groups_are_counted():
    rng = np.random.default_rng(4)
    sample = Sample.of_values(np.concatenate([rng.normal(0, 1, 60), rng.normal(12, 1, 60)]))
    kept = unknown.sample_component_counts(sample, rng, draws=300, most_operations=2e7)
    found = counts.describe_components(kept, counts.most_probable(kept))
    assert found["chosen"] == 2 and found["p_k_filled"]["1"] < 0.01
    assert sum(found["p_k"].values()) == pytest.approx(1) and sum(found["p_k_filled"].values()) == pytest.approx(1)
    assert open_k_max(found, None) >= 3 and open_k_max(found, 5) == 5 and open_k_max({"given": True}, None) is None
    for text in (say.components_text(found), say.priors_of_count_text(found), say.components_alt(found)):
        assert "nan" not in text and "2" in text
    assert len(say.components_table(found))


def test_the_answer_is_a_number_or_a_range():
    filled = {"1": 0.02, "2": 0.95, "3": 0.03}
    found = {"given": False, "chosen": 2, "p_k_filled": filled, "errors_filled": dict.fromkeys(filled, 0.001)}
    found |= {"open": [2], "prior": "uniform"}
    assert "**2 components** with probability 0.95" in say.components_text(found)
    filled = {"3": 0.2, "4": 0.3, "5": 0.3, "6": 0.2}
    found |= {"p_k_filled": filled, "errors_filled": dict.fromkeys(filled, 0.001), "chosen": 4, "open": [3, 4, 5, 6]}
    assert "leaves **3 to 6 components** open" in say.components_text(found)
    assert say.components_text({"given": True, "chosen": 3}) == "The number of components was given: **3**."


def test_the_singular_bic_is_the_published_one():
    """Of the galaxies (26.690), from the log likelihoods at R's maxima for 3 and 4 components; sBIC's vignette."""
    found = singular_bic([-240.338, -220.25, -203.1792, -197.454], 82)
    assert_allclose(found[1:], [-231.26, -220.80, -219.10], atol=0.03)


def test_nuts_has_the_hierarchical_prior_too():
    """The PyMC model's density is the prior's by NumPy, and the integral over beta is right."""
    priors = Priors(np.zeros(2), np.ones(2), "hierarchical", 4.0, 1.0)
    values = Sample.of_values(np.array([-1.0, 0.3, 1.2]))
    model = build_model(values, priors)
    logp = model.compile_logp(vars=model.potentials, jacobian=False)
    point = model.initial_point()
    name = next(name for name in point if name.startswith("sigma"))
    found = []
    for sds in ([0.7, 1.9], [0.2, 3.0]):
        point[name] = np.log(sds)
        found.append(float(logp(point)))
        beta = np.exp(np.linspace(-25, 8, 20_001))
        log_terms = stats.gamma(0.2, scale=16 / 10).logpdf(beta) + sum(
            stats.gamma(2, scale=1 / beta).logpdf(sd**-2.0) + np.log(2) - 3 * np.log(sd) for sd in sds
        )
        whole = np.trapezoid(np.exp(log_terms) * beta, np.log(beta))
        _, _, density = priors.log_density((np.full(2, 0.5), np.zeros(2), np.array(sds)))
        assert density[0] == pytest.approx(np.log(whole), abs=1e-3)
        assert found[-1] == pytest.approx(density[0], abs=1e-6)
