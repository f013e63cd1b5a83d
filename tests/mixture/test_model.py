"""The PyMC model is the mixture that it claims to be, and its draws are those of its posterior."""

import itertools

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from fits import fit, simulated
from numpy.testing import assert_allclose, assert_array_equal
from pymc.model.transform.conditioning import remove_value_transforms
from scipy import stats

from helpers import load_posterior
from mixture.atomic import write_atomically
from mixture.bayes.draws import add_log_likelihood, as_dataset, observed_sample, posterior_draws
from mixture.bayes.model import build_model
from mixture.bayes.nuts import starting_points
from mixture.bayes.priors import Priors, choose_priors
from mixture.bayes.pymc_sampling import sample_posterior
from mixture.check.likelihood import total_log_likelihood
from mixture.components import NAMES, mixture_log_likelihood, sort_components
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.em import fit_em

SD_PRIORS = {
    "uniform": lambda scale: stats.uniform(0, scale),
    "halfnormal": lambda scale: stats.halfnorm(scale=scale),
    "lognormal": lambda scale: stats.lognorm(1, scale=scale),
}


def log_prior(priors, weights, means, sds):
    """Log density of the priors, by SciPy."""
    concentration = np.full(len(means), priors.weight_concentration)
    return (
        (stats.dirichlet(concentration).logpdf(weights) if len(means) > 1 else 0)
        + stats.norm.logpdf(means, priors.mean_center, priors.mean_precision**-0.5).sum()
        + SD_PRIORS[priors.sd_family](priors.sd_scale).logpdf(sds).sum()
    )


def log_density(model):
    """The model's log density as a function of w, mu and sigma themselves."""
    return remove_value_transforms(model).compile_logp(mode="FAST_COMPILE")


# ---------------------------------------------------------------- the model


@pytest.mark.parametrize("k, family, cells", [*itertools.product((1, 2, 3), SD_PRIORS, (False, True))])
def test_the_models_density_is_likelihood_times_priors(k, family, cells):
    rng = np.random.default_rng(k)
    sample = group_sample(simulated(60), 0.7) if cells else simulated(60)
    priors = Priors(rng.normal(2, 1, k), rng.uniform(0.1, 1, k), family, 4.0, 1.7)
    weights, means, sds = rng.dirichlet(np.ones(k)), np.sort(rng.normal(2, 2, k)), rng.uniform(0.5, 2, k)
    point = {"mu": means, "sigma": sds} | ({"w": weights} if k > 1 else {})
    expected = log_prior(priors, weights, means, sds) + sample.count @ mixture_log_likelihood(
        sample, weights, means, sds
    )
    assert log_density(build_model(sample, priors))(point) == pytest.approx(expected, rel=1e-9)


def test_cells_with_gaps_and_a_cell_around_the_mean_have_their_density_and_a_finite_gradient():
    sample = Sample(np.array([-30.0, -1.0, 5.0]), np.array([-28.0, 1.0, 7.0]), np.array([1, 4, 2]))
    priors, components = choose_priors(sample, 1), (np.ones(1), np.zeros(1), np.full(1, 2.0))
    model = build_model(sample, priors)
    expected = log_prior(priors, *components) + sample.count @ mixture_log_likelihood(sample, *components)
    assert log_density(model)({"mu": components[1], "sigma": components[2]}) == pytest.approx(expected, rel=1e-9)
    assert np.isfinite(model.compile_dlogp()({"mu_ordered__": np.zeros(1), "sigma_log__": np.zeros(1)})).all()


def test_the_latent_models_density_is_that_of_values_and_assignments():
    sample, rng = simulated(30), np.random.default_rng(2)
    priors, assignment = choose_priors(sample, 2), rng.integers(2, size=30)
    weights, means, sds = np.array([0.3, 0.7]), np.array([0.0, 5.0]), np.array([1.0, 2.0])
    each = np.log(weights[assignment]) + stats.norm.logpdf(sample.value, means[assignment], sds[assignment])
    density = log_density(build_model(sample, priors, latent=True))
    assert density({"w": weights, "mu": means, "sigma": sds, "assignment": assignment}) == pytest.approx(
        log_prior(priors, weights, means, sds) + each.sum()
    )


# ---------------------------------------------------------------- priors and starts


def test_priors_fill_the_range():
    priors = choose_priors(Sample.of_values([10.0, 12.0, 40.0]), 5)
    assert_allclose(priors.mean_center, np.full(5, 25))
    assert_allclose(priors.mean_precision, np.full(5, 30.0**-2))
    assert (priors.sd_family, priors.sd_scale) == ("lognormal", 1.0)
    for family in ("uniform", "halfnormal"):
        assert choose_priors(Sample.of_values([10.0, 12.0, 40.0]), 5, sd_prior=family).sd_scale == 15


def test_priors_that_are_given_are_kept():
    priors = choose_priors(simulated(50), 2, [145, 210], [0.01, 0.02], "uniform", 100, 2)
    assert_array_equal([priors.mean_center, priors.mean_precision], [[145, 210], [0.01, 0.02]])
    assert (priors.sd_family, priors.sd_scale, priors.weight_concentration) == ("uniform", 100, 2)


@pytest.mark.parametrize("family", SD_PRIORS)
def test_scaled_priors_follow_the_units(family):
    sample, a, b = simulated(50), 32, 1.8
    one, other = (choose_priors(s, 3, sd_prior=family) for s in (sample, Sample.of_values(a + b * sample.value)))
    assert_allclose(other.mean_center, a + b * one.mean_center)
    assert_allclose(other.mean_precision, one.mean_precision / b**2)
    assert other.sd_scale == pytest.approx(b * one.sd_scale)


def test_prior_draws_are_the_priors_with_the_means_in_order():
    priors = Priors(np.array([0.0, 3.0]), np.array([1.0, 0.25]), "lognormal", 2.0, 1.0)
    w, mu, sigma = priors.draw(1000, np.random.default_rng(3))
    assert (np.diff(mu) >= 0).all()
    assert_allclose(w.sum(axis=1), 1)
    assert stats.kstest(w[:, 0], "uniform").pvalue > 0.001
    assert stats.kstest(sigma.ravel(), SD_PRIORS["lognormal"](2.0).cdf).pvalue > 0.001
    either = stats.kstest(mu.ravel(), lambda x: (stats.norm.cdf(x, 0, 1) + stats.norm.cdf(x, 3, 2)) / 2)
    assert either.pvalue > 0.001


@pytest.mark.parametrize("family", SD_PRIORS)
def test_prior_draws_are_those_of_the_model(family):
    priors = Priors(np.array([0.0, 3.0]), np.array([1.0, 0.25]), family, 2.0, 1.5)
    model = build_model(simulated(20), priors, ordering=False)
    theirs = sort_components(*pm.draw([model[name] for name in NAMES], draws=2000, random_seed=5, mode="FAST_COMPILE"))
    for ours, other in zip(priors.draw(2000, np.random.default_rng(3)), theirs, strict=True):
        for k in range(2):
            assert stats.ks_2samp(ours[:, k], other[:, k]).pvalue > 0.001


@pytest.mark.parametrize("k", [1, 3])
def test_chains_start_at_mixtures_near_maxima(k):
    sample, rng = simulated(100), np.random.default_rng(4)
    priors, em = choose_priors(sample, k, sd_prior="uniform", sd_prior_scale=1.2), fit_em(sample, k, rng)
    starts = starting_points(priors, em, 5, rng)
    assert len(starts) == 5
    for start in starts:
        assert (np.diff(start["mu"]) > 0).all()
        assert (start["sigma"] > 0).all() and (start["sigma"] < 1.2).all()
        assert start["w"].sum() == pytest.approx(1) if k > 1 else "w" not in start
    for start in starts[::2]:
        assert (np.abs(start["mu"] - em.means) < 5 * em.sds).all()


# ---------------------------------------------------------------- the posterior


def assert_same_posterior(one, other):
    """Posterior means and sds agree to four Monte Carlo standard errors."""
    for name, kind in itertools.product(("w", "mu", "sigma"), ("mean", "sd")):
        a, b = (
            getattr(t["posterior"][name], {"mean": "mean", "sd": "std"}[kind])(("chain", "draw")) for t in (one, other)
        )
        error = np.hypot(*(az.mcse(t["posterior"].to_dataset(), method=kind)[name] for t in (one, other)))
        assert (abs(a - b) < 4 * error).all(), (name, kind)


@pytest.mark.longer
def test_draws_depend_on_the_stream_alone_and_not_on_the_cores(monkeypatch):
    sample = simulated(50)
    priors = choose_priors(sample, 2)
    model, em = build_model(sample, priors), fit_em(sample, 2, np.random.default_rng(5))
    starts = starting_points(priors, em, 2, np.random.default_rng(5))
    trees = []
    for cores in "12":
        monkeypatch.setenv("MIXTURE_CORES", cores)
        tree = sample_posterior(model, sample, starts, np.random.default_rng(6), 30, 30, progressbar=False)
        trees.append(add_log_likelihood(tree, sample))
        trees[-1].attrs.pop("seconds")
    assert trees[0].identical(trees[1])
    mu = trees[0]["posterior"]["mu"].values
    assert not np.isin(mu[0], mu[1]).any()  # each chain has a stream of its own


@pytest.mark.longer
def test_the_posterior_of_one_component_is_that_of_a_grid(single_fit):
    found = single_fit
    mu, sigma = np.meshgrid(np.linspace(1, 4, 200), np.linspace(1.5, 4, 200), indexing="ij")
    points = np.ones((mu.size, 1)), mu.reshape(-1, 1), sigma.reshape(-1, 1)
    log_posterior = (
        mixture_log_likelihood(found.sample, *points).sum(axis=1)
        + stats.norm.logpdf(mu.ravel(), found.priors.mean_center, found.priors.mean_precision**-0.5)
        + SD_PRIORS["lognormal"](found.priors.sd_scale).logpdf(sigma.ravel())
    )
    mass = np.exp(log_posterior - log_posterior.max())
    posterior = found.tree["posterior"].to_dataset()[["mu", "sigma"]]
    for name, points in (("mu", mu.ravel()), ("sigma", sigma.ravel())):
        mean = np.average(points, weights=mass)
        sd = np.sqrt(np.average((points - mean) ** 2, weights=mass))
        assert abs(float(posterior[name].mean()) - mean) < 4 * float(az.mcse(posterior)[name].squeeze())
        assert abs(float(posterior[name].std()) - sd) < 4 * float(az.mcse(posterior, method="sd")[name].squeeze())


@pytest.mark.longer
def test_exact_and_grouped_posteriors_agree_to_monte_carlo_error(exact_fit, grouped_fit):
    assert_same_posterior(exact_fit.tree, grouped_fit.tree)


@pytest.mark.longer
def test_pymcs_sampler_draws_the_same_posterior_and_tells_as_much(exact_fit):
    theirs = fit(exact_fit.sample, draws=300, sampler="pymc").tree
    assert_same_posterior(exact_fit.tree, theirs)
    told = {"energy", "diverging", "tree_depth", "reached_max_treedepth", "acceptance_rate", "n_steps"}
    assert all(told <= set(tree["sample_stats"].data_vars) for tree in (exact_fit.tree, theirs))


@pytest.mark.longer
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_one_component_has_all_the_weight_in_every_draw(exact_fit, sampler):
    posterior = fit(exact_fit.sample, k=1, draws=200, sampler=sampler).tree["posterior"]
    assert dict(posterior.sizes) == {"chain": 2, "draw": 200, "component": 1} and (posterior["w"] == 1).all()
    mean, error = exact_fit.sample.mean(), exact_fit.sample.sd() / np.sqrt(exact_fit.sample.n)
    assert abs(float(posterior["mu"].mean()) - mean) < 0.5 * error < float(posterior["mu"].std())


@pytest.mark.longer
def test_each_chain_starts_where_it_is_told():
    """Free labels, far apart: a chain that starts with the components the other way round stays so."""
    sample = simulated(60, means=(0.0, 30.0))
    one = {"w": np.array([0.4, 0.6]), "mu": np.array([0.0, 30.0]), "sigma": np.array([1.0, 1.5])}
    other = {name: values[::-1].copy() for name, values in one.items()}
    tree = fit(sample, starts=[one, other, one], draws=100, ordering=False).tree
    assert np.sign(np.diff(tree["posterior"]["mu"].mean("draw"), axis=1)).ravel().tolist() == [1, -1, 1]


def test_pymc_can_replicate_the_sample_from_the_model(exact_fit):
    with exact_fit.model:
        drawn = pm.sample_posterior_predictive(exact_fit.tree, random_seed=1, progressbar=False)[
            "posterior_predictive"
        ]["x"]
    assert drawn.sizes["observation"] == exact_fit.sample.n
    means, sds = drawn.mean("observation"), drawn.std("observation")
    assert abs(float(means.mean()) - exact_fit.sample.mean()) < float(means.std())
    assert abs(float(sds.mean()) - exact_fit.sample.sd()) < float(sds.std())


def test_means_are_in_order_in_every_draw(exact_fit):
    assert (np.diff(posterior_draws(exact_fit.tree)[1]) > 0).all()


# ---------------------------------------------------------------- what is kept of it


@pytest.mark.parametrize("which", ["exact_fit", pytest.param("grouped_fit", marks=pytest.mark.longer)])
def test_kept_densities_are_the_models(which, request):
    found = request.getfixturevalue(which)
    density, draws = log_density(found.model), posterior_draws(found.tree)
    each = found.tree["log_likelihood"]["x"].values
    for chain, draw in ((0, 0), (0, 17), (1, 499)):
        weights, means, sds = (a[chain, draw] for a in draws)
        assert_allclose(each[chain, draw], mixture_log_likelihood(found.sample, weights, means, sds), rtol=1e-5)
        prior = sum(float(d.isel(chain=chain, draw=draw).sum()) for d in found.tree["log_prior"].data_vars.values())
        assert prior == pytest.approx(log_prior(found.priors, weights, means, sds))
        whole = density({"w": weights, "mu": means, "sigma": sds})
        assert prior + each[chain, draw].astype(float) @ found.sample.count == pytest.approx(whole, rel=1e-5)


def test_what_is_kept_of_many_values_tells_draws_apart_as_the_values_do():
    """More than twenty thousand are kept in cells: log likelihoods differ as the exact ones, but for a constant."""
    truth = (0.4, 0.6), (0.0, 4.0), (1.0, 1.5)
    sample, rng = simulated(20_500, *truth), np.random.default_rng(5)
    w = 0.4 + 0.01 * rng.normal(size=(2, 6))
    draws = np.stack([w, 1 - w], -1), *(np.array(a) + 0.05 * rng.normal(size=(2, 6, 2)) for a in truth[1:])
    tree = add_log_likelihood(xr.DataTree.from_dict({"posterior": as_dataset(draws)}), sample)
    assert tree["observed_data"]["count"].sum() == 20_500 and tree["observed_data"].sizes["observation"] < 1000
    exact = mixture_log_likelihood(sample, *draws).sum(axis=-1)
    assert np.ptp(exact) > 20
    off = total_log_likelihood(tree) - exact
    assert_allclose(off, off.mean(), atol=1.5)


def test_chains_start_at_every_mode_that_may_hold_something():
    """Three like clusters and two components: two maxima, mirror images of each other."""
    z = stats.norm.ppf((np.arange(40) + 0.5) / 40)
    sample, rng = Sample.of_values(np.concatenate([z - 10, z, z + 10])), np.random.default_rng(1)
    starts = starting_points(choose_priors(sample, 2), fit_em(sample, 2, rng), 12, rng)
    assert {start["mu"][0] < -7.5 for start in starts} == {True, False}


@pytest.mark.parametrize("which", ["exact_fit", pytest.param("grouped_fit", marks=pytest.mark.longer)])
def test_a_posterior_survives_its_file(which, request, tmp_path):
    found = request.getfixturevalue(which)
    path = tmp_path / "posterior.nc"
    write_atomically(path, lambda part: found.tree.to_netcdf(part, engine="netcdf4"))
    back = load_posterior(tmp_path)
    assert isinstance(back, xr.DataTree)
    for group in ("posterior", "sample_stats", "log_prior", "log_likelihood", "observed_data", "em"):
        xr.testing.assert_equal(back[group].to_dataset(), found.tree[group].to_dataset())
    path.unlink()  # in memory: the file is free
    kept = observed_sample(back)
    assert kept.exact == found.sample.exact
    for field in ("lower", "upper", "count"):
        assert_array_equal(getattr(kept, field), getattr(found.sample, field))


def test_thinning_keeps_evenly_spaced_whole_draws(exact_fit):
    draws = posterior_draws(exact_fit.tree)
    some = draws.thin(100)
    assert [a.shape for a in some] == [(100, 2)] * 3
    chosen = np.searchsorted(np.arange(2000), np.linspace(0, 1999, 100).round())
    for kept, every in zip(some, draws, strict=True):
        assert_array_equal(kept, every.reshape(-1, 2)[chosen])
    assert len(draws.thin(10**6)[0]) == 2000
