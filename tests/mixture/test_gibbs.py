"""The mixing sampler: its density is the model's, its draws are the posterior's, and nothing else decides them."""

import threading
import time

import numpy as np
import pymc as pm
import pytest
from fits import simulated
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import check_grad

from mixture.bayes import kernels
from mixture.bayes.chains import Stop, Stopped
from mixture.bayes.draws import posterior_draws
from mixture.bayes.fit import choose_sampler, draw_posterior, fit_posterior
from mixture.bayes.gibbs import _Chain, _Chains, _starting_points, sample_by_gibbs
from mixture.bayes.labels import match_components, name_components
from mixture.bayes.model import build_model
from mixture.bayes.modes import find_modes, is_isolated
from mixture.bayes.priors import Priors, choose_priors
from mixture.bayes.pymc_sampling import unconstrained_function
from mixture.bayes.target import Target, log_posterior
from mixture.check.verdict import judge_chains
from mixture.components import Components, mixture_log_likelihood
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream
from mixture.em import fit_em_proper

FAMILIES = ("uniform", "halfnormal", "lognormal")
SHARED = [0.5, 0.5], [0.2, 0.2]
DIFFERING = [0.0, 4.0], [1.0, 0.3]


def in_open_bins(sample):
    """Counted in bins of unequal width, the outermost open."""
    edges = np.array([-np.inf, -0.9, 0.1, 0.7, 2.2, 4.3, np.inf])
    return Sample(edges[:-1], edges[1:], np.histogram(sample.value, edges)[0])


# What a sample may come as.
KINDS = {
    "values": lambda sample: sample,
    "cells": lambda sample: group_sample(sample, 0.7),
    "open bins": in_open_bins,
}


def priors_of(family, means=SHARED, concentration=1.5):
    return Priors(np.array(means[0]), np.array(means[1]), family, 3.0, concentration)


def three_clusters(n=60):
    """Clusters at -10, 0 and 10, mirror images of each other."""
    z = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return Sample.of_values(np.concatenate([z - 10, z, z + 10]))


def gibbs(sample, k=2, seed=1, **options):
    rng = np.random.default_rng(seed)
    em, priors = fit_em_proper(sample, k, rng), choose_priors(sample, k)
    return sample_by_gibbs(sample, priors, em, rng, **options)


# -- density ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1e-6, 0.01, 0.3, 0.499, 0.501, 3.0])
@pytest.mark.parametrize("middle", [0.0, -0.2, 1.3, 3.9, -4.1, 9.0, 60.0])
def test_the_mass_of_a_cell_is_the_integral_of_the_density(middle, width):
    """By Gauss-Legendre quadrature, relative to the density at the end nearest to zero."""
    left, right = middle - width / 2, middle + width / 2
    middle, width = (left + right) / 2, right - left  # as they were rounded
    at, weights = np.polynomial.legendre.leggauss(40)
    z = middle + width / 2 * at
    nearest = np.abs(z).min()
    expected = np.log(width / 2 * weights @ np.exp((nearest**2 - z**2) / 2)) - nearest**2 / 2 - np.log(2 * np.pi) / 2
    assert_allclose(kernels.log_cell_mass(left, right), expected, rtol=1e-12, atol=1e-9)
    if middle < 30:
        assert_allclose(kernels.cell_mass(left, right), np.exp(expected), rtol=1e-9)


@pytest.mark.parametrize("means", [SHARED, DIFFERING], ids=["shared", "differing"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_density_is_that_of_the_pymc_model_up_to_a_constant(kind, family, means):
    sample, priors = KINDS[kind](simulated(40)), priors_of(family, means)
    model, rng = build_model(sample, priors, ordering=False), np.random.default_rng(2)
    draws, to_unconstrained = priors.draw(6, rng), unconstrained_function(model)
    density = model.compile_logp(jacobian=False, mode="FAST_COMPILE")
    names = [variable.name for variable in model.value_vars]
    theirs = [
        density(dict(zip(names, to_unconstrained(w=w, mu=mu, sigma=sigma), strict=True)))
        for w, mu, sigma in zip(*draws, strict=True)
    ]
    off = log_posterior(sample, priors, draws) - theirs
    assert_allclose(off, off[0], atol=1e-8)


@pytest.mark.parametrize("family", (*FAMILIES, "hierarchical"))
@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_slope_of_the_density(kind, family):
    sample = KINDS[kind](simulated(60))
    target = Target.of(sample, priors_of(family, DIFFERING))
    drawn = priors_of("halfnormal" if family == "hierarchical" else family, DIFFERING).draw(3, np.random.default_rng(1))
    for point in target.to_free(drawn._replace(sds=np.maximum(drawn.sds, 0.1))):
        off = check_grad(lambda x: target.negative_gradient(x)[0], lambda x: target.negative_gradient(x)[1], point)
        assert off < 1e-4 * max(1, np.abs(target.negative_gradient(point)[1]).max())


def test_beta_of_the_hierarchical_prior_is_integrated_out():
    """Against quadrature: sigma_k^-2 ~ Gamma(2, beta), beta ~ Gamma(0.2, 10 / R^2)."""
    scale, points = 3.0, [np.log([0.5, 1.2]), np.log([2.0, 0.3]), np.log([1.0, 1.0])]
    beta = np.exp(np.linspace(-40, 8, 200_001))
    found = []
    for u in points:
        precision = np.exp(-2 * u)
        each = stats.gamma.pdf(precision[:, None], 2, scale=1 / beta).prod(axis=0) * np.prod(2 * precision)
        whole = np.trapezoid(each * stats.gamma.pdf(beta, 0.2, scale=scale**2 / 10) * beta, np.log(beta))
        found.append(np.log(whole) - kernels.log_sds_prior(u, kernels.HIERARCHICAL, scale, -np.inf))
    assert_allclose(found, found[0], rtol=1e-5)


@pytest.mark.parametrize("exact", [True, False], ids=["values", "cells"])
@pytest.mark.parametrize("far", [1.0, 60.0, 3000.0])
def test_the_likelihood_is_exact_however_far_out(exact, far):
    values = np.array([-far, -1.0, 0.2, 0.3, far])
    sample = Sample.of_values(values) if exact else Sample(values - 0.05, values + 0.05, np.array([1, 3, 2, 1, 1]))
    w, mu, sigma = np.array([0.3, 0.7]), np.array([-1.0, 1.0]), np.array([0.5, 1.5])
    terms = np.empty((5, 2))
    found = kernels.log_likelihood(
        sample.lower, sample.upper, sample.count.astype(np.int64), exact, w, mu, np.log(sigma), terms
    )
    assert_allclose(found, mixture_log_likelihood(sample, w, mu, sigma) @ sample.count, rtol=1e-9)


@pytest.mark.parametrize(
    "low, high", [(-1, 1), (0.5, 0.6), (3, np.inf), (-np.inf, -4), (5, 5.5), (-8, 9), (-np.inf, 2)]
)
def test_a_truncated_normal_is_scipys(low, high):
    rng = np.random.default_rng(3)
    drawn = np.array([kernels.truncated_normal(rng, 1.0, 2.0, 1 + 2 * low, 1 + 2 * high) for _ in range(4000)])
    assert stats.kstest((drawn - 1) / 2, stats.truncnorm(low, high).cdf).pvalue > 1e-3


# -- draws ------------------------------------------------------------------------------------


def test_one_component_is_drawn_as_quadrature_says():
    sample = simulated(30, (1.0,), (2.0,), (1.5,))
    priors = choose_priors(sample, 1)
    mu, u = np.linspace(-1, 5, 400), np.linspace(-1.5, 2, 400)
    grid = np.stack(np.meshgrid(mu, np.exp(u), indexing="ij"), -1).reshape(-1, 2)
    at = Components(np.ones((len(grid), 1)), grid[:, :1], grid[:, 1:])
    weight = log_posterior(sample, priors, at) + np.log(grid[:, 1])
    weight = np.exp(weight - weight.max())
    rng = np.random.default_rng(1)
    draws = posterior_draws(sample_by_gibbs(sample, priors, fit_em_proper(sample, 1, rng), rng, draws=2000))
    for values, column in ((draws.means, grid[:, 0]), (draws.sds, grid[:, 1])):
        mean = np.average(column, weights=weight)
        sd = np.sqrt(np.average((column - mean) ** 2, weights=weight))
        assert abs(values.mean() - mean) < 5 * sd / np.sqrt(2000)
        assert values.std() == pytest.approx(sd, rel=0.06)


@pytest.mark.parametrize("exact", [True, False], ids=["values", "cells"])
def test_two_components_are_drawn_as_importance_sampling_says(exact):
    sample = simulated(120, means=(0.0, 7.0))  # apart, so that one proposal covers the posterior
    sample = sample if exact else group_sample(sample, 0.6)
    rng = np.random.default_rng(1)
    priors, em = choose_priors(sample, 2), fit_em_proper(sample, 2, rng)
    target = Target.of(sample, priors)
    modes = find_modes(target, target.to_free(em.components)[None])
    proposal = stats.multivariate_t(modes.points[0], 2.0 * modes.covariances[0], df=3)
    points = proposal.rvs(60_000, random_state=7)
    at = target.from_free(points)
    log_weight = target.log_density(points) - proposal.logpdf(points)
    weight = np.where(at.means[:, 0] < at.means[:, 1], np.exp(log_weight - log_weight.max()), 0)
    weight /= weight.sum()
    assert 1 / np.sum(weight**2) > 3000
    draws = posterior_draws(sample_by_gibbs(sample, priors, em, rng, draws=3000))
    # Sds by their logarithms: their own tails are too long for importance sampling.
    for found, wanted in zip((*draws[:2], np.log(draws.sds)), (*at[:2], np.log(at.sds)), strict=True):
        mean = weight @ wanted
        sd = np.sqrt(weight @ (wanted - mean) ** 2)
        assert_allclose(found.mean(axis=(0, 1)), mean, atol=0.12 * sd.max())
        assert_allclose(found.std(axis=(0, 1)), sd, rtol=0.15)


def test_two_equal_modes_are_visited_equally():
    tree = gibbs(three_clusters())
    upper = (tree["posterior"]["sigma"].isel(component=0) < tree["posterior"]["sigma"].isel(component=1)).values.mean()
    assert 0.45 < upper < 0.55
    assert tree["modes"].sizes["mode"] >= 2
    assert_allclose(tree["modes"]["share"].values[:2], 0.5, atol=0.05)


@pytest.mark.parametrize("scale, offset", [(1e-12, 0.0), (1e12, 0.0), (1.0, 1e9)])
def test_units_change_no_draw(exact_fit, scale, offset):
    """The sampler moves on standardised data: same draws, in other units, to what the digits of the data leave."""

    def fitted(values):
        sample = Sample.of_values(values)
        em = fit_em_proper(sample, 2, np.random.default_rng(1), starts=3)
        rng = np.random.default_rng(2)
        return posterior_draws(sample_by_gibbs(sample, choose_priors(sample, 2), em, rng, 2, 50, 50))

    values = exact_fit.sample.value
    plain, other = fitted(values), fitted(offset + scale * values)
    np.testing.assert_allclose(other.weights, plain.weights, rtol=1e-3)
    np.testing.assert_allclose((other.means - offset) / scale, plain.means, atol=1e-3)
    np.testing.assert_allclose(other.sds / scale, plain.sds, rtol=1e-3)


@pytest.mark.longer
@pytest.mark.slow
def test_differing_priors_keep_the_means_in_order_and_agree_with_nuts(exact_fit):
    sample, rng = exact_fit.sample, np.random.default_rng(4)
    priors = Priors(np.array([0.0, 4.0]), np.array([1.0, 0.5]), "uniform", 5.0, 1.0)
    em = fit_em_proper(sample, 2, rng)
    one = posterior_draws(sample_by_gibbs(sample, priors, em, rng))
    other = posterior_draws(draw_posterior(sample, priors, em, rng, sampler="nutpie"))
    assert (np.diff(one.means) > 0).all()
    for ours, theirs in zip(one, other, strict=True):
        assert_allclose(ours.mean(axis=(0, 1)), theirs.mean(axis=(0, 1)), atol=5 * theirs.std() / np.sqrt(800))


def test_the_same_seed_gives_the_same_draws_on_any_number_of_cores(monkeypatch):
    trees = []
    for cores in (1, 2):
        monkeypatch.setenv("MIXTURE_CORES", str(cores))
        trees.append(gibbs(simulated(50), draws=200, tune=100))
    assert_array_equal(trees[0]["posterior"]["mu"].values, trees[1]["posterior"]["mu"].values)


def test_other_units_give_the_same_draws_in_those_units():
    values = simulated(80).value
    one, other = (
        posterior_draws(gibbs(Sample.of_values(a + b * values), draws=300)) for a, b in ((0, 1), (3.0, 2.0**-20))
    )
    assert_allclose(other.means, 3 + 2.0**-20 * one.means, rtol=1e-6)


def test_a_run_that_lacks_draws_lengthens_itself_to_its_limit(monkeypatch):
    asked = []
    monkeypatch.setattr("mixture.bayes.gibbs._is_enough", lambda _, lp: asked.append(lp.shape) or len(asked) > 2)
    monkeypatch.setattr("mixture.bayes.gibbs._sweeps_between_draws", lambda *_: 1)
    tree = gibbs(simulated(50), draws=100, tune=100)
    assert asked == [(4, 100)] * 3
    assert tree.attrs["sweeps_between_draws"] == 4 and tree.attrs["sweeps"] == (1 + 1 + 2) * 100 + 4 * 100
    starved = gibbs(simulated(50), draws=100, tune=100, most_operations=1)
    assert starved.attrs["sweeps_between_draws"] == 1


def test_a_run_stops_within_a_second_and_says_how_far_it_is():
    target = Target.of(simulated(3000), choose_priors(simulated(3000), 2))
    modes = find_modes(
        target, target.to_free(Components(*(np.array(a) for a in ([0.4, 0.6], [0.0, 4.0], [1.0, 1.5]))))[None]
    )
    from mixture.bayes.proposals import Proposals

    stop, chain = Stop(), _Chain(target, np.random.default_rng(1), modes.points[0])
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(Stopped):
        chain.run(10**7, 1, Proposals.around_modes(modes), False, stop)
    assert time.monotonic() - begun < 5

    def interrupted(done, planned):
        seen.append((done, planned))
        raise KeyboardInterrupt

    seen = []
    with pytest.raises(KeyboardInterrupt):
        _Chains([chain, _Chain(target, np.random.default_rng(2), modes.points[0])], interrupted).run(
            10**6, 1, Proposals.around_modes(modes)
        )
    assert seen[0][1] >= 2 * 10**6


def test_tied_values_hold_no_component_of_their_own():
    values = np.concatenate([np.round(simulated(150).value, 1), np.full(30, 1.5)])
    draws = posterior_draws(gibbs(Sample.of_values(values), draws=300))
    assert draws.sds.min() >= 0.05 * (1 - 1e-9)


# -- modes and names --------------------------------------------------------------------------


def test_maxima_are_found_once_and_weighed():
    sample = three_clusters()
    target = Target.of(sample, choose_priors(sample, 2))
    starts = [
        Components(np.array([1 / 3, 2 / 3]), np.array([-10.0, 5.0]), np.array([1.0, 5.0])),
        Components(np.array([2 / 3, 1 / 3]), np.array([-5.0, 10.0]), np.array([5.0, 1.0])),
    ]
    modes = find_modes(target, np.array([target.to_free(each) for each in [*starts, *starts]]))
    assert len(modes.points) == 2
    assert_allclose(modes.shares, 0.5, atol=1e-4)
    for point in modes.points:
        assert np.abs(target.negative_gradient(point)[1]).max() < 0.05
        assert (np.linalg.eigvalsh(target.precision(point)) > 0).all()
    assert modes.nearest(modes.points).tolist() == [0, 1]


def test_chains_start_at_each_mode_and_one_of_them_anywhere():
    sample, rng = three_clusters(), np.random.default_rng(1)
    target = Target.of(sample, choose_priors(sample, 2))
    modes = find_modes(target, np.array([target.to_free(each) for each, _ in fit_em_proper(sample, 2, rng).maxima]))
    assert len(modes.points) == 2
    for _ in range(10):
        *starts, anywhere = _starting_points(target, modes, 5, rng)
        assert modes.nearest(np.array(starts)).tolist() == [0, 1, 0, 1]
        assert modes.distances(np.array(starts)).min(axis=1).max() < 30  # of five dimensions
        assert modes.distances(anywhere[None]).min() > 30 and np.isfinite(target.log_density(anywhere[None]))


def test_a_mode_behind_a_wall_is_isolated_and_one_without_is_not():
    sample = three_clusters()
    target = Target.of(sample, choose_priors(sample, 2))
    ends = [
        Components(np.array([1 / 3, 2 / 3]), np.array([-10.0, 5.0]), np.array([1.0, 5.0])),
        Components(np.array([2 / 3, 1 / 3]), np.array([-5.0, 10.0]), np.array([5.0, 1.0])),
    ]
    modes = find_modes(target, np.array([target.to_free(each) for each in ends]))
    assert all(is_isolated(target, modes, mode, np.random.default_rng(1)) for mode in (0, 1))
    one = simulated(200, (1.0,), (0.0,), (1.0,))
    flat = Target.of(one, choose_priors(one, 2))
    points = flat.to_free(choose_priors(one, 2).draw(2, np.random.default_rng(2)))
    from mixture.bayes.modes import Modes

    made = Modes(points, np.stack([np.eye(5) * 0.05] * 2), np.zeros(2), np.zeros(2))
    assert not all(is_isolated(flat, made, mode, np.random.default_rng(1)) for mode in (0, 1))


@pytest.mark.longer
def test_a_missed_mode_is_not_trusted_whatever_sampled_it():
    """NUTS from one side of the wall: its chains agree, and half of the posterior is missing."""
    sample, stream = three_clusters(), lambda step: random_stream(5, step)
    em, priors = fit_em_proper(sample, 2, stream("em")), choose_priors(sample, 2)
    best = max(em.maxima, key=lambda each: each[0].means[0])
    one_sided = type(em)(**{**vars(em), "components": best[0], "maxima": [best]})
    tree = fit_posterior(sample, sample, priors, one_sided, stream, sampler="nutpie", draws=200, tune=300)
    tree["modes"]  # EM's own maxima were kept from it, so the modes are looked for again with both
    whole = fit_posterior(sample, sample, priors, em, stream, draws=300, tune=300)
    assert all(check.passed for check in judge_chains(whole) if "ESS" not in check.name)
    kept = {check.name: check for check in judge_chains(_with_modes_of(tree, whole, sample, priors))}
    assert not kept["share of modes that no chain visited"].passed
    assert "gibbs" in kept["share of modes that no chain visited"].advice


def _with_modes_of(tree, whole, sample, priors):
    from mixture.bayes.modes import Modes, weigh_modes

    target = Target.of(sample, priors)
    modes = Modes.of_dataset(whole["modes"].to_dataset(), target)
    points = target.to_free(posterior_draws(tree))
    nearest = modes.nearest(points.reshape(-1, target.size)).reshape(points.shape[:2])
    tree["modes"] = modes.dataset(target)
    tree["sample_stats"] = tree["sample_stats"].to_dataset().assign(mode=(("chain", "draw"), nearest))
    tree["modes"] = weigh_modes(tree, target, np.random.default_rng(1))
    return tree


def test_matching_undoes_any_permutation():
    rng = np.random.default_rng(1)
    draws = Components(rng.dirichlet(np.ones(5), 50), np.arange(5) + 0.01 * rng.normal(size=(50, 5)), np.ones((50, 5)))
    order = np.array([rng.permutation(5) for _ in range(50)])
    mixed = draws.map(lambda values: np.take_along_axis(values, order, axis=1))
    costs = (mixed.means[:, None, :] - np.arange(5)[None, :, None]) ** 2
    for found, wanted in zip(match_components(mixed, costs), draws, strict=True):
        assert_array_equal(found, wanted)


def test_components_with_one_mean_are_named_by_their_members():
    rng = np.random.default_rng(2)
    sample = Sample.of_values(np.concatenate([rng.normal(0, 1, 300), rng.normal(0, 5, 300)]))
    draws = posterior_draws(gibbs(sample, draws=300))
    assert draws.sds.std(axis=(0, 1)).max() < 0.6, "narrow and wide never swap"
    pivot = Components(np.array([0.5, 0.5]), np.array([0.0, 0.05]), np.array([1.0, 5.0]))
    swapped = Components(*(np.stack([[a, a[::-1]]]) for a in pivot))
    named, how = name_components(swapped, pivot, sample)
    assert how == "members" and np.ptp(named.sds, axis=(0, 1)).max() == 0
    apart = pivot._replace(means=np.array([0.0, 9.0]))
    assert name_components(swapped, apart, sample)[1] == "mean"


@pytest.mark.parametrize(
    "rows, k, sampler, chosen",
    [
        (1000, 2, "auto", "gibbs"),
        (1000, 2, "pymc", "pymc"),
        (200_000, 2, "auto", "nutpie"),
        (200_000, 2, "gibbs", "gibbs"),
    ],
)
def test_auto_takes_the_sampler_whose_sweeps_are_cheap(rows, k, sampler, chosen):
    assert choose_sampler(Sample.of_values(np.zeros(rows)), k, sampler) == chosen


def test_log_prior_is_pymcs(exact_fit):
    with build_model(exact_fit.sample, exact_fit.priors, ordering=False):
        theirs = pm.stats.compute_log_prior(exact_fit.tree.copy(), progressbar=False)["log_prior"]
    for name in ("w", "mu", "sigma"):
        assert_allclose(theirs[name].values, exact_fit.tree["log_prior"][name].values, rtol=1e-6, atol=1e-8)
