"""The marginal likelihood by bridge sampling: against the prior's average, published values, and telescoping sampling."""

import numpy as np
import pandas as pd
import pytest
from fits import simulated
from scipy import special

from mixture.bayes import components_unknown as unknown
from mixture.bayes import counts
from mixture.bayes.evidence import bridge_sampling
from mixture.bayes.gibbs import sample_by_gibbs
from mixture.bayes.priors import Priors, choose_priors
from mixture.components import mixture_log_likelihood
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.em import fit_em_proper

# Log marginal likelihoods of the galaxies in the vignette of the R package thamesmix, whose 78th value is 26.690.
PUBLISHED = {2: -235.254, 3: -226.677}


def evidence_of(sample, priors, draws=1000):
    rng = np.random.default_rng(1)
    em = fit_em_proper(sample, len(priors.mean_center), rng)
    return bridge_sampling(sample, priors, sample_by_gibbs(sample, priors, em, rng, draws=draws), rng)


@pytest.mark.parametrize(
    "family", ["uniform", pytest.param("halfnormal", marks=pytest.mark.longer), "lognormal", "hierarchical"]
)
@pytest.mark.parametrize("exact", [True, False], ids=["values", "cells"])
def test_it_is_the_likelihood_averaged_over_the_prior(exact, family, k=2):
    """Of eight values, whose likelihood a few hundred thousand draws from the prior can average."""
    sample = simulated(8) if exact else group_sample(simulated(8), 0.5)
    priors = Priors(np.full(k, 2.0), np.full(k, 0.25), family, 3.0, 1.5)
    found, rng, parts = evidence_of(sample, priors), np.random.default_rng(2), []
    for _ in range(12):
        drawn = priors.draw(20_000, rng)
        log_likelihood = mixture_log_likelihood(sample, *drawn) @ sample.count
        parts.append(special.logsumexp(log_likelihood) - np.log(20_000))
    expected = special.logsumexp(parts) - np.log(len(parts))
    error = np.std(np.exp(np.array(parts) - expected)) / np.sqrt(len(parts))
    assert found.error < 0.05 and error < 0.1
    assert abs(found.log - expected) < 4 * np.hypot(found.error, error)


def test_its_error_is_the_spread_of_estimates_by_one_chain_each():
    sample, rng = simulated(40), np.random.default_rng(3)
    priors = choose_priors(sample, 2)
    tree = sample_by_gibbs(sample, priors, fit_em_proper(sample, 2, rng), rng, chains=12, draws=300, tune=300)
    found = []
    for chain in range(12):
        alone = tree.map_over_datasets(lambda part, chain=chain: part.isel(chain=[chain], missing_dims="ignore"))
        found.append(bridge_sampling(sample, priors, alone, rng))
    spread, errors = np.std([each.log for each in found], ddof=1), np.array([each.error for each in found])
    assert 0.5 < spread / np.sqrt((errors**2).mean()) < 2


@pytest.mark.slow
def test_the_galaxies_have_the_published_values_and_the_engines_ratios():
    values = pd.read_csv("data/galaxies.csv")["velocity"].to_numpy()
    with_typo = values.copy()
    with_typo[77] = 26.690
    for k, published in PUBLISHED.items():
        sample = Sample.of_values(with_typo)
        found = evidence_of(sample, choose_priors(sample, k, sd_prior="hierarchical"), 2000)
        assert abs(found.log - published) < 0.02 + 4 * found.error  # they give no error of theirs

    sample = Sample.of_values(values)
    each = [evidence_of(sample, choose_priors(sample, k, sd_prior="hierarchical"), 2000) for k in range(1, 7)]
    kept = unknown.sample_component_counts(sample, np.random.default_rng(1))
    p_k, errors = kept["p_k"].mean(("chain", "draw")).values, counts.count_errors(kept["p_k"])
    for k in range(3, 6):  # fewer are too rare to be drawn
        ratio, error = np.log(p_k[k] / p_k[k - 1]), np.hypot(errors[k] / p_k[k], errors[k - 1] / p_k[k - 1])
        bridge = each[k].log - each[k - 1].log
        assert abs(ratio - bridge) < 3.5 * np.hypot(error, np.hypot(each[k].error, each[k - 1].error)), k + 1
    # Of one and two, no more than the sampler sees.
    assert each[0].log - each[2].log < -15 and p_k[0] == 0
    assert each[1].log - each[2].log < -7 and p_k[1] < 1e-3
