"""The latent assignments move by their exact conditional, and the latent model is the marginal one."""

import functools

import arviz as az
import numpy as np
import pytest
from fits import fit, simulated
from numpy.testing import assert_allclose, assert_array_equal
from pymc.blocking import DictToArrayBijection
from scipy import stats

from mixture.bayes.draws import posterior_draws
from mixture.bayes.latent import STEPS, draw_assignments, latent_steps
from mixture.bayes.model import build_model
from mixture.bayes.priors import Priors, choose_priors
from mixture.components import membership_probabilities, mixture_log_likelihood
from mixture.data.sample import Sample

pytestmark = pytest.mark.longer  # each compiles a model

VALUES = np.array([-0.5, 1.0, 2.2])
COMPONENTS = (np.array([0.5, 0.2, 0.3]), np.array([-1.0, 1.0, 2.0]), np.array([1.5, 1.0, 2.0]))


def assert_exact_conditional(drawn, components=COMPONENTS):
    """Chi-square of assignments of the first values, shape (repeats, 2 or 3), against their memberships' product."""
    n = drawn.shape[1]
    share = membership_probabilities(Sample.of_values(VALUES[:n]), *components)
    expected = functools.reduce(np.multiply.outer, share).ravel() * len(drawn)
    found = np.bincount(np.ravel_multi_index(drawn.T, (3,) * n), minlength=3**n)
    assert expected.min() > 5
    assert stats.chisquare(found, expected).pvalue > 0.001


def point_of(model, components):
    """A point of the latent model with these components, in the sampler's own coordinates."""
    point = model.initial_point()
    for name, value in zip(("w", "mu", "sigma"), components, strict=True):
        variable = model[name]
        transform = model.rvs_to_transforms[variable]
        point[model.rvs_to_values[variable].name] = transform.forward(np.array(value), *variable.owner.inputs).eval()
    return point


def model_of(values, components):
    """The latent model of as many components."""
    sample = Sample.of_values(values)
    return build_model(sample, choose_priors(sample, len(components[0]), sd_prior="lognormal"), latent=True)


def step_of(latent_step, values, components, seed):
    """A step of a real latent model, ready to move from a point with these components."""
    model = model_of(values, components)
    _, step = latent_steps(model, latent_step, target_accept=0.9)
    step.setup_chain(np.random.default_rng(seed), tune=0, draws=0)
    return step, point_of(model, components)


def walk(step, point, steps):
    """Assignments after each step, shape (steps, N), and the share that each moved."""
    assignments, moved = [], []
    for _ in range(steps):
        point, (recorded,) = step.step(point)
        assignments.append(point["assignment"])
        moved.append(recorded["moved"])
    return np.array(assignments), np.array(moved)


# ---------------------------------------------------------------- one step


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_assignments_are_drawn_from_their_exact_conditional_whatever_the_labels(order):
    rng, components = np.random.default_rng(1), tuple(a[order] for a in COMPONENTS)
    drawn = np.array([draw_assignments(VALUES, *components, rng) for _ in range(20_000)])
    assert_exact_conditional(drawn, components)
    assert_exact_conditional(np.array(order)[drawn])  # under their old names, as if never permuted


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [0, 2, 1]])
def test_a_component_far_away_changes_nothing_for_the_others(order):
    values = np.full(20_000, 0.3)
    near = np.array([0.2, 0.3]), np.array([0.0, 1.0]), np.array([0.5, 1.0])
    share = membership_probabilities(Sample.of_values(values[:1]), *near)[0, 0]
    components = (np.append(a, b)[order] for a, b in zip(near, (0.5, 100.0, 1.0), strict=True))
    drawn = np.array(order)[draw_assignments(values, *components, np.random.default_rng(8))]
    assert abs((drawn == 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(values))
    assert (drawn != 2).all()


def test_an_empty_component_is_never_drawn_and_far_values_find_theirs():
    rng = np.random.default_rng(2)
    weights, means, sds = np.array([0.0, 0.5, 0.5]), np.array([0.0, 0.0, 5.0]), np.ones(3)
    assert (draw_assignments(np.zeros(1000), weights, means, sds, rng) == 1).all()
    assert_array_equal(draw_assignments(np.array([-1e4, 1e4]), weights, means, sds, rng), [1, 2])


@pytest.mark.parametrize("latent_step, apart", [("gibbs", 1), ("categorical-gibbs", 8), ("metropolis", 20)])
def test_each_step_leaves_the_exact_conditional_invariant(latent_step, apart):
    step, point = step_of(latent_step, VALUES[:2], COMPONENTS, seed=3)
    assignments, _ = walk(step, point, 600 * apart)
    assert_exact_conditional(assignments[::apart])


def test_one_gibbs_step_forgets_where_it_was():
    step, point = step_of("gibbs", VALUES, COMPONENTS, seed=4)
    for start in (np.zeros(3, int), np.full(3, 2)):
        drawn = np.array([step.step({**point, "assignment": start})[0]["assignment"] for _ in range(3000)])
        assert_exact_conditional(drawn)


def test_each_step_records_how_many_moved():
    values = simulated(20).value
    for latent_step in STEPS:
        step, point = step_of(latent_step, values, ([0.4, 0.6], [0.0, 4.0], [1.0, 1.5]), seed=5)
        assignments, moved = walk(step, point, 50)
        before = np.vstack([point["assignment"], assignments[:-1]])
        assert_array_equal(moved, (assignments != before).mean(axis=1))


def test_a_whole_vector_of_assignments_hardly_moves_by_metropolis():
    """The post's slow sampler: one decision for 300 assignments moves next to nothing."""
    sample, components = simulated(300), tuple(map(np.array, ([0.4, 0.6], [0.0, 4.0], [1.0, 1.5])))
    moved = {}
    for latent_step in ("gibbs", "metropolis"):
        step, point = step_of(latent_step, sample.value, components, seed=6)
        point["assignment"] = draw_assignments(sample.value, *components, np.random.default_rng(6))
        moved[latent_step] = walk(step, point, 1000)[1][500:].mean()
    assert moved["metropolis"] < 0.002 < 0.02 < moved["gibbs"]


@pytest.mark.parametrize("used", [[0, 1, 2], [0, 2], [1]])
def test_given_the_assignments_nuts_needs_no_more_than_a_summary_of_each_component(used):
    """The density and gradient that it moves by are the model's own, empty components or not."""
    values = np.array([*VALUES, 40.0, -3.0, 0.1])
    model = model_of(values, COMPONENTS)
    nuts, _ = latent_steps(model, "gibbs", target_accept=0.9)
    point = point_of(model, COMPONENTS) | {"assignment": np.resize(used, len(values))}
    continuous = [variable for variable in model.value_vars if variable.name in nuts.var_names]
    whole = model.logp_dlogp_function(continuous, ravel_inputs=True)
    whole.set_extra_values(point)
    nuts.step(point)  # summarises
    here = DictToArrayBijection.map({name: point[name] for name in nuts.var_names})
    for found, expected in zip(nuts._logp_dlogp_func(here), whole(here), strict=True):
        assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


# ---------------------------------------------------------------- the posterior

# Few values and firm priors, or Metropolis would need an hour.
SMALL = simulated(12, means=(0.0, 2.0), sds=(1.0, 1.0))
PRIORS = Priors(np.array([0.0, 2.0]), np.array([16.0, 16.0]), "lognormal", 1.0, 8.0)


@pytest.fixture(scope="module")
def reference():
    """Posterior means and their standard errors by draws from the ordered prior, weighted by likelihood; no chain."""
    rng, size = np.random.default_rng(7), 200_000
    mu = rng.normal(PRIORS.mean_center, PRIORS.mean_precision**-0.5, (size, 2))
    draws = rng.dirichlet([8, 8], size), mu, rng.lognormal(0, 1, (size, 2))
    draws = [a[mu[:, 0] < mu[:, 1]] for a in draws]
    total = mixture_log_likelihood(SMALL, *draws).sum(axis=1)
    share = np.exp(total - total.max())
    share /= share.sum()
    means = np.array([share @ a for a in draws])
    errors = np.sqrt([share**2 @ (a - m) ** 2 for a, m in zip(draws, means, strict=True)])
    assert 1 / (share**2).sum() > 1000
    return means, errors


@pytest.mark.parametrize(
    "options",
    [
        {"draws": 400},
        {"draws": 400, "latent": True, "latent_step": "gibbs"},
        {"draws": 250, "latent": True, "latent_step": "categorical-gibbs"},
        pytest.param({"draws": 1000, "latent": True, "latent_step": "metropolis"}, marks=pytest.mark.slow),
    ],
    ids=["marginal", *STEPS],
)
def test_all_ways_lead_to_the_same_posterior(reference, options):
    posterior = fit(SMALL, priors=PRIORS, seed=3, **options).tree["posterior"].to_dataset()
    assert "assignment" not in posterior  # only when asked for
    found, error = posterior.mean(("chain", "draw")), az.mcse(posterior)
    for name, mean, spread in zip(("w", "mu", "sigma"), *reference, strict=True):
        assert (np.abs(found[name] - mean) < 4 * np.hypot(error[name], spread)).all(), name


def test_kept_assignments_are_small_and_name_components_by_their_mean():
    """Free labels and reversed starts: the draws come back sorted, and the assignments with them."""
    sample = simulated(40, means=(0.0, 8.0))
    start = {"w": np.array([0.6, 0.4]), "mu": np.array([8.0, 0.0]), "sigma": np.array([1.0, 1.0])}
    tree = fit(sample, draws=20, starts=[start, start], latent=True, ordering=False, keep_assignments=True).tree
    assert (np.diff(posterior_draws(tree)[1]) > 0).all()
    kept = tree["posterior"]["assignment"]
    assert kept.dtype == np.uint8 and kept.shape == (2, 20, 40)
    assert (kept.values == (sample.value > 4)).mean() > 0.97


def test_one_component_needs_no_assignment_but_may_have_one():
    posterior = fit(simulated(20), k=1, draws=20, latent=True, keep_assignments=True).tree["posterior"]
    assert not posterior["assignment"].any()
