"""What is said of a number of components that was drawn: K is not the number that is filled, and each prior has its name."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy import stats

from mixture.bayes import components_unknown as unknown
from mixture.bayes import counts, kernels
from mixture.bayes.evidence import bridge_sampling
from mixture.bayes.gibbs import sample_by_gibbs
from mixture.bayes.priors import choose_priors
from mixture.bayes.target import Target
from mixture.components import mixture_log_likelihood
from mixture.data.sample import Sample
from mixture.em import fit_em_proper

P_K, P_FILLED = np.array([0.05, 0.15, 0.5, 0.3]), np.array([0.1, 0.6, 0.26, 0.04])


def kept_draws(draws=600, shift=0.0, shifted="k_filled", prior="uniform", **noise):
    """Independent draws with these mean probabilities, noise by name; one chain is shifted in one quantity, in sds."""
    rng = np.random.default_rng(1)
    values = {name: rng.normal(size=(4, draws)) for name in counts.QUANTITIES}
    values[shifted][0] += shift
    data = {name: (("chain", "draw"), each) for name, each in values.items()}
    for name, p in (("p_k", P_K), ("p_filled", P_FILLED)):
        off = noise.get(name, 0.01) * rng.normal(size=(4, draws, 4))
        off -= off.mean(axis=(0, 1))
        data[name] = (("chain", "draw", "components"), p + off - off.mean(axis=-1, keepdims=True))
    return xr.Dataset(data, {"components": [1, 2, 3, 4]}, {"count_prior": prior})


def numbered(values):
    return dict(zip("1234", values, strict=True))


@pytest.mark.parametrize("prior", counts.COUNT_PRIORS)
def test_each_probability_stands_by_its_number(prior):
    kept = kept_draws(prior=prior)
    found = counts.describe_components(kept, counts.most_probable(kept))
    assert (found["chosen"], found["prior"], found["given"]) == (2, prior, False), "of the filled ones"
    assert found["p_k"] == pytest.approx(numbered(P_K)) and found["p_k_filled"] == pytest.approx(numbered(P_FILLED))
    assert found["open"] == [1, 2, 3], "two and three hold less than nine tenths"
    assert found["p_k_by_prior"][prior] == pytest.approx(found["p_k"])
    masses = {"uniform": [1, 1, 1, 1], "poisson": [1, 1 / 2, 1 / 6, 1 / 24]}  # up to a constant
    masses["bnb"] = [stats.betanbinom.pmf(k, 1, 4, 3) for k in range(4)]
    for other, mass in masses.items():
        expected = P_K * np.array(mass) / masses[prior]
        assert found["p_k_by_prior"][other] == pytest.approx(numbered(expected / expected.sum()), rel=1e-6)
    for name, which in (("errors", "p_k"), ("errors_filled", "p_filled")):
        spread = kept[which].std(("chain", "draw")).values / np.sqrt(4 * 600)
        assert_allclose(list(found[name].values()), spread, rtol=0.15)
    assert found["largest_error"] == max(*found["errors"].values(), *found["errors_filled"].values())


@pytest.mark.parametrize(
    "given, enough",
    [
        ({}, True),
        ({"draws": 150}, True),
        ({"draws": 90}, True),  # more than so few can be worth is not asked
        *(({"shift": 0.5, "shifted": name}, False) for name in counts.QUANTITIES),
        ({"p_k": 0.1, "p_filled": 0.1}, True),  # errors of 0.002
        ({"p_k": 0.25}, False),
        ({"p_filled": 0.25}, False),
    ],
)
def test_a_run_is_long_enough_when_chains_agree_and_no_probability_is_vague(given, enough):
    assert unknown.is_enough(kept_draws(**given)) is enough


def test_two_runs_joined_keep_every_second_draw_and_all_that_was_averaged():
    first, second = (kept_draws(draws=10).isel(draw=slice(at, at + 4)) for at in (0, 4))
    numbers = {"chain": np.arange(4), "draw": np.arange(4)}
    joined = unknown._joined(first.assign_coords(numbers), second.assign_coords(numbers))
    both = kept_draws(draws=10).isel(draw=slice(0, 8))
    assert joined.sizes["draw"] == 4
    assert_allclose(joined["k"], both["k"][:, 1::2])
    assert_allclose(joined["p_k"].transpose("chain", "draw", ...), both["p_k"].values.reshape(4, 4, 2, 4).mean(axis=2))
    assert_allclose(joined["p_filled"].mean(("chain", "draw")), both["p_filled"].mean(("chain", "draw")))


@pytest.mark.parametrize("prior", counts.COUNT_PRIORS)
@pytest.mark.parametrize("family", ["uniform", "halfnormal", "lognormal", "hierarchical"])
def test_jumps_weigh_a_number_by_its_whole_prior(family, prior):
    """With what the kernels' log prior leaves out: of the number, of its components and of the ways to order them."""
    sample, rng = Sample.of_values([-3.0, 1.0, 2.0, 8.0, 9.0]), np.random.default_rng(1)
    given = [choose_priors(sample, k, sd_prior=family, weight_concentration=1.7) for k in range(1, 11)]
    target = unknown._Target(sample, given, prior)
    log_prior = np.log(counts_prior(prior, 10))
    for k in (1, 2, 5, 10):
        priors = given[k - 1]
        drawn = priors.draw(3, rng)
        drawn = drawn._replace(sds=np.clip(drawn.sds, 0.6, 3.0) if family != "uniform" else np.maximum(drawn.sds, 0.6))
        whole = sum(part.reshape(3, -1).sum(axis=1) for part in priors.log_density(drawn))
        standard = Target.of(sample, priors)
        jacobian = np.log(drawn.weights).sum(-1) + k * np.log(standard.spread) + np.log(drawn.sds).sum(-1)
        a, m, t, kind, scales, floor = target.prior
        for i, point in enumerate(standard.to_free(drawn)):
            w, mu, u = np.empty(k), np.empty(k), np.empty(k)
            kernels.from_free(point, w, mu, u)
            left = kernels.log_prior(w, mu, u, a, m[:k], t[:k], kind, scales[k - 1], floor)
            orders = np.log(np.arange(1, k + 1)).sum()
            expected = log_prior[k - 1] + orders + whole[i] + jacobian[i]
            assert target.log_numbers[k] + left == pytest.approx(expected, rel=1e-8)


def counts_prior(name, most):
    """The prior of 1 to `most` components, by SciPy."""
    k = np.arange(1, most + 1)
    mass = {
        "uniform": np.ones(most),
        "poisson": stats.poisson.pmf(k, 1),
        "bnb": stats.betanbinom.pmf(k - 1, 1, 4, 3),
    }[name]
    return mass / mass.sum()


# -- a real run -------------------------------------------------------------------------------


NEAR_GROUPS = Sample.of_values(np.concatenate([np.random.default_rng(4).normal(at, 1, 12) for at in (0, 4)]))
SHORT = {"count_prior": "poisson", "draws": 400, "tune": 200, "most": 10, "most_operations": 3e6}


@pytest.fixture(scope="module")
def kept():
    """Of a few values, which leave the number open."""
    return unknown.sample_component_counts(NEAR_GROUPS, np.random.default_rng(2), **SHORT)


def probabilities(kept, name="p_k"):
    return kept[name].mean(("chain", "draw")).values, np.maximum(counts.count_errors(kept[name]), 1e-3)


@pytest.mark.longer
def test_probabilities_are_those_of_the_numbers_that_were_drawn(kept):
    assert (kept["k_filled"] <= kept["k"]).all() and (kept["k_filled"] >= 1).all()
    for name, number in (("p_k", "k"), ("p_filled", "k_filled")):
        p, errors = probabilities(kept, name)
        seen = np.stack([kept[number].values == k for k in kept["components"].values], axis=-1)
        assert_allclose(p.sum(), 1)
        assert (np.abs(seen.mean(axis=(0, 1)) - p) < 5 * np.sqrt(errors**2 + p * (1 - p) / 300)).all()


def test_the_odds_of_two_components_are_the_prior_times_the_evidence(kept):
    """For one component by quadrature, for two by bridge sampling: of draws that know no other number."""
    (p, errors), rng = probabilities(kept), np.random.default_rng(1)
    one, two = (choose_priors(NEAR_GROUPS, k, sd_prior="hierarchical") for k in (1, 2))
    mu, u = np.meshgrid(np.linspace(-2, 6, 300), np.linspace(0, 2, 300), indexing="ij")
    at = np.ones((mu.size, 1)), mu.reshape(-1, 1), np.exp(u).reshape(-1, 1)
    log_each = mixture_log_likelihood(NEAR_GROUPS, *at).sum(axis=1) + u.ravel()
    log_each += sum(part.reshape(mu.size, -1).sum(axis=1) for part in one.log_density(at))
    alone = np.log(np.exp(log_each - log_each.max()).sum() * 8 / 299 * 2 / 299) + log_each.max()
    em = fit_em_proper(NEAR_GROUPS, 2, rng)
    both = bridge_sampling(NEAR_GROUPS, two, sample_by_gibbs(NEAR_GROUPS, two, em, rng, draws=400, tune=300), rng)
    prior = counts_prior("poisson", 10)
    expected = both.log - alone + np.log(prior[1] / prior[0])
    error = np.hypot(both.error, np.hypot(*(errors[:2] / p[:2])))
    assert error < 0.1 and abs(np.log(p[1] / p[0]) - expected) < 5 * error


def test_jumps_change_how_numbers_are_reached_and_not_how_often(kept, monkeypatch):
    monkeypatch.setattr(unknown, "TUNED", 0)  # as if the chains had not agreed
    jumped = unknown.sample_component_counts(NEAR_GROUPS, np.random.default_rng(3), **SHORT | {"tune": 60})
    for name in ("p_k", "p_filled"):
        (one, error), (other, its) = probabilities(kept, name), probabilities(jumped, name)
        assert (np.abs(one - other) < 5 * np.hypot(error, its)).all(), name
