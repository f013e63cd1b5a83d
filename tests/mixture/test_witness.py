"""NUTS beside the Gibbs sampler: its density and gradient, and that it finds the same posterior, or says nothing."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mixture.bayes import witness
from mixture.bayes.fit import fit_posterior
from mixture.bayes.priors import choose_priors
from mixture.bayes.target import Target
from mixture.check.verdict import judge_beside
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream
from mixture.em import fit_em_proper
from mixture.show.text.chains import beside_text

RNG = np.random.default_rng(5)
TWO = Sample.of_values(np.concatenate([RNG.normal(0, 1, 120), RNG.normal(6, 2, 80)]))
AROUND = RNG.normal(0, 1, 30)
HALVES = np.concatenate([AROUND, -AROUND])
MIRRORED = Sample.of_values(
    np.concatenate([HALVES - 10, HALVES, HALVES + 10])
)  # K = 2: two modes that mirror each other


@pytest.mark.parametrize("family", ["uniform", "halfnormal", "lognormal", "hierarchical"])
@pytest.mark.parametrize("sample", [TWO, group_sample(TWO, 0.5)], ids=["values", "cells"])
def test_the_gradient_is_that_of_the_density_in_ordered_coordinates(sample, family):
    target = Target.of(sample, choose_priors(sample, 3, sd_prior=family))
    nuts = witness.TargetNutpie(target)
    start = {"w": np.array([0.5, 0.3, 0.2]), "mu": np.array([0.1, 3.0, 6.5]), "sigma": np.array([1.1, 2.0, 1.5])}
    x = np.concatenate(nuts.forward(**start))
    for name, there in zip(("w", "mu", "sigma"), nuts.backward(x[None]), strict=True):
        assert_allclose(there[0], start[name])
    density, gradient = nuts.density_and_gradient(x)
    log_gaps = np.log(np.diff(start["mu"]) / target.spread)
    free = target.to_free(nuts.backward(x[None]))
    assert density == pytest.approx(target.log_density(free)[0] + log_gaps.sum())
    steps = 1e-5 * np.eye(len(x))
    rises = [(nuts.density_and_gradient(x + s)[0] - nuts.density_and_gradient(x - s)[0]) / 2e-5 for s in steps]
    assert_allclose(gradient, rises, rtol=1e-4, atol=1e-4)


def fitted(sample, k):
    stream = lambda name: random_stream(1, name)  # noqa: E731
    em = fit_em_proper(sample, k, stream("em"))
    return fit_posterior(sample, sample, choose_priors(sample, k), em, stream, draws=400, tune=400)


def test_it_agrees_where_there_is_one_mode():
    found = judge_beside(fitted(TWO, 2))
    assert found["settled"] and found["modes"] == found["visited"] == 1 and found["apart"] < 4
    assert "finds the same posterior" in beside_text(found)


def test_nothing_tells_when_it_was_drawn():
    """The same draws give the same file."""
    assert not any("at" in name or "time" in name for node in fitted(TWO, 2).subtree for name in node.attrs)


def test_it_says_nothing_where_it_cannot_cross():
    tree = fitted(MIRRORED, 2)
    found = judge_beside(tree)
    assert found["modes"] == 2 and tree["modes"]["held"].values[:2] == pytest.approx(0.5, abs=0.1)
    assert not found["settled"] and "nothing for or against" in beside_text(found)
