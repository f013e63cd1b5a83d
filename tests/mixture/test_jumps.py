"""Jumps between numbers of components: proposed as often and as densely as they are told to be, learnt from what was seen."""

import numpy as np
import pytest
from counts import wide_jumps
from numpy.testing import assert_allclose
from scipy import special, stats

from mixture.bayes.jumps import JumpLearner, Jumps
from mixture.bayes.kernels import T_DF, log_proposal
from mixture.bayes.priors import choose_priors
from mixture.bayes.proposals import Proposals
from mixture.bayes.target import Target
from mixture.data.sample import Sample

Z = stats.norm.ppf((np.arange(15) + 0.5) / 15)
CLUSTERS = Sample.of_values(np.concatenate([Z - 10, Z, Z + 10]))


@pytest.fixture(scope="module")
def learner():
    targets = [Target.of(CLUSTERS, choose_priors(CLUSTERS, k, sd_prior="hierarchical")) for k in (1, 2, 3, 4)]
    return JumpLearner(targets, CLUSTERS, np.random.default_rng(1))


def test_a_probable_number_is_proposed_more_often_and_a_rare_one_still():
    numbers = {k: Proposals.around([np.zeros(3 * k - 1)], [np.eye(3 * k - 1)], [1], np.eye(3 * k - 1)) for k in (1, 3)}
    jumps = Jumps.between(numbers, np.array([0.2, 0.5, 0.3, 0.0]))
    assert_allclose(np.diff(jumps.number_shares, prepend=0), [0, 1.2 / 2.5, 0, 1.3 / 2.5, 0])
    assert jumps.first.tolist() == [0, 0, 1, 1, 2, 2]


def test_the_density_of_a_jump_is_that_of_its_number_times_that_of_its_point():
    """By SciPy; two distributions for each number."""
    rng = np.random.default_rng(2)
    jumps, share = wide_jumps(4, rng), (1 + 1 / 4) / 3 / (1 + 1 / 4)
    for k in (1, 2, 3):
        d, some = 3 * k - 1, slice(jumps.first[k], jumps.first[k + 1])
        weights = np.diff(jumps.shares[some], prepend=0)
        factors = jumps.factors[some, :d, :d]
        for y in rng.normal(size=(3, d)):
            each = [
                stats.multivariate_t(center[:d], factor @ factor.T, df=T_DF).logpdf(y)
                for center, factor in zip(jumps.centers[some], factors)
            ]
            expected = np.log(share) + special.logsumexp(each, b=weights)
            inverses = np.ascontiguousarray(jumps.inverse_factors[some, :d, :d])
            centers = np.ascontiguousarray(jumps.centers[some, :d])
            found = log_proposal(y, centers, inverses, jumps.log_weights[some], np.empty(2))
            assert found == pytest.approx(expected)


def test_chains_begin_at_the_numbers_that_may_hold_something_the_most_probable_first(learner):
    starts = learner.starts(np.zeros(11))
    assert starts[0][0] == 3 and all(len(point) == 3 * k - 1 for k, point in starts)
    means = starts[0][1][2:5] * CLUSTERS.sd() + CLUSTERS.mean()
    assert_allclose(means, [-10, 0, 10], atol=0.5)
    by_prior = np.zeros(11)
    by_prior[2] = 1000
    assert [k for k, _ in learner.starts(by_prior)] == [2]
    near = {k: special.logsumexp(modes.log_mass) for k, modes in learner.modes.items()}
    level = np.zeros(11)
    level[[1, 2, 3, 4]] = [-near[1] - 9, -near[2], -near[3] - 11, -near[4] - 1]
    assert [k for k, _ in learner.starts(level)] == [2, 4, 1], "within ten log units of the best"


def test_a_number_that_was_drawn_often_is_proposed_where_it_was_drawn(learner):
    rng, before = np.random.default_rng(3), dict(learner.proposals)
    k = np.repeat([1, 2, 3], [300, 250, 20])  # of three components, too few
    points = np.full((570, 11), np.nan)
    for number in (1, 2, 3):
        d = 3 * number - 1
        points[k == number, :d] = 7.0 * number + 0.1 * rng.normal(size=((k == number).sum(), d))
    jumps = learner.jumps(k, points, np.full(10, 0.1))
    for number in (1, 2):
        assert np.abs(learner.proposals[number].centers - 7.0 * number).max(axis=1).min() < 0.5
    assert learner.proposals[3] is before[3] and learner.proposals[4] is before[4]
    assert jumps.first[1] == 0 and (np.diff(jumps.first[1:6]) > 0).all() and np.ptp(jumps.first[5:]) == 0
