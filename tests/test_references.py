"""The stored references are whole, pass posteriordb's checks, are of the model in Stan, and of today's sampler."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from mixture.bayes.draws import posterior_draws
from mixture.bayes.gibbs import sample_by_gibbs
from mixture.bayes.target import log_posterior
from mixture.components import Components
from mixture.em import fit_em_proper
from mixture.studies import references
from mixture.studies.hard_samples import BY_NAME, HARD
from mixture.studies.references import FOLDER, by_parameter, errors_against, read_reference, read_zipped, stan_data

each = pytest.mark.parametrize("hard", HARD, ids=lambda hard: hard.name)
LIMIT = 4.5  # joint Monte Carlo standard errors
CHECKED = json.loads((FOLDER / "stan_density.json").read_text(encoding="utf-8"))


@each
def test_a_reference_is_as_posteriordb_has_it_and_passes_its_checks(hard):
    found = read_reference(hard)
    assert len(found.draws) == 3 * hard.k and all(values.shape == (10, 1000) for values in found.draws.values())
    assert list(found.draws) == found.info["diagnostics"]["diagnostic_information"]["names"]
    again, stored = references.diagnose(found.draws), found.info["diagnostics"]
    assert again.keys() == stored.keys() and again["diagnostic_information"] == stored["diagnostic_information"]
    for name in ("effective_sample_size_bulk", "effective_sample_size_tail", "r_hat", "mean_lag1_ac"):
        assert_allclose(again[name], stored[name])
    made = found.info["checks_made"]
    assert made == references.checks(found.info["diagnostics"])
    assert made.pop("efmi_above_0_2") is None and all(made.values())
    name = references.posterior_name(hard)
    posterior = json.loads((FOLDER / "posteriors" / f"{name}.json").read_text(encoding="utf-8"))
    assert posterior["reference_posterior_name"] == name and posterior["dimensions"] == dict.fromkeys(
        ("w", "mu", "sigma"), hard.k
    )
    for kind, key in (("data", "data_name"), ("models", "model_name")):
        assert (FOLDER / kind / "info" / f"{posterior[key]}.info.json").exists()


@each
def test_the_draws_are_mixtures_in_order(hard):
    draws = read_reference(hard).draws
    w, mu, sigma = (np.array([draws[f"{name}[{k + 1}]"] for k in range(hard.k)]) for name in ("w", "mu", "sigma"))
    assert_allclose(w.sum(axis=0), 1, atol=1e-5)
    assert (np.diff(mu, axis=0) >= 0).all() and (sigma > 0).all()


@each
def test_the_data_are_the_sample_and_the_default_priors(hard):
    assert read_zipped(FOLDER / "data" / "data" / f"{hard.name}.json.zip") == stan_data(hard)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    hard = BY_NAME["galaxies_k2"]
    references.write_reference(hard, read_reference(hard).draws, 20, tmp_path)
    written = [path for path in tmp_path.rglob("*.json*") if "info" not in path.name]
    assert len(written) == 5
    assert all(path.read_bytes() == (FOLDER / path.relative_to(tmp_path)).read_bytes() for path in written)


# -- the model in Stan ------------------------------------------------------------------------


def components_of(rows, k):
    values = np.array([row["values"] for row in rows])
    return Components(values[:, :k], values[:, k : 2 * k], values[:, 2 * k :])


@each
def test_stan_s_own_density_of_the_program_is_that_of_the_sampler(hard):
    """Evaluated by Stan, at random points, with references/evaluate_stan.py: up to a constant the same."""
    assert CHECKED["program_sha256"] == references.stan_hash(), "run references/evaluate_stan.py again"
    rows = [row for row in CHECKED["rows"] if row["data"] == hard.name]
    found = log_posterior(hard.sample, hard.priors, components_of(rows, hard.k))
    by_stan = np.array([row["log_density"] for row in rows])
    assert len(rows) >= 6 and np.ptp(by_stan) > 10
    assert_allclose(by_stan - by_stan[0], found - found[0], atol=1e-8)


@each
def test_the_program_means_what_it_says(hard):
    """The same from the statements of the program, one by one in SciPy, at the points where Stan was asked."""
    data, rows = stan_data(hard), [row for row in CHECKED["rows"] if row["data"] == hard.name]
    densities = []
    for w, mu, sigma in zip(*components_of(rows, hard.k)):
        density = stats.dirichlet.logpdf(w / w.sum(), np.full(hard.k, data["concentration"]))
        density += stats.norm.logpdf(mu, data["mean_center"], data["mean_scale"]).sum()
        density += stats.lognorm.logpdf(sigma, 1, scale=data["sd_median"]).sum()
        values = np.array(data["y"])[:, None]
        densities.append(density + np.log((w * stats.norm.pdf(values, mu, sigma)).sum(axis=1)).sum())
    by_stan = np.array([row["log_density"] for row in rows])
    assert_allclose(by_stan - by_stan[0], np.array(densities) - densities[0], atol=1e-7)


# -- a shorter run ----------------------------------------------------------------------------

QUICK = {"galaxies_k2", "faithful_k3", "three_clusters_k2"}


@pytest.mark.parametrize(
    "hard", [pytest.param(hard, id=hard.name, marks=() if hard.name in QUICK else pytest.mark.slow) for hard in HARD]
)
def test_a_run_as_long_as_a_report_s_agrees_with_the_reference(hard):
    rng = np.random.default_rng(214)
    tree = sample_by_gibbs(hard.sample, hard.priors, fit_em_proper(hard.sample, hard.k, rng), rng)
    errors = errors_against(read_reference(hard), by_parameter(posterior_draws(tree).sorted()))
    assert max(map(abs, errors.values())) < LIMIT, errors


def test_another_prior_would_not_agree():
    """The comparison can fail: with weights that are drawn to one half."""
    hard, rng = BY_NAME["galaxies_k2"], np.random.default_rng(214)
    priors = type(hard.priors)(**{**vars(hard.priors), "weight_concentration": 3.0})
    tree = sample_by_gibbs(hard.sample, priors, fit_em_proper(hard.sample, 2, rng), rng)
    errors = errors_against(read_reference(hard), by_parameter(posterior_draws(tree).sorted()))
    assert max(map(abs, errors.values())) > 2 * LIMIT
