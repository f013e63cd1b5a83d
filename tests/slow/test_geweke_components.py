"""Every move of the sampler that draws the number of components leaves the joint distribution as it is; wrong ones do not.

As in `test_geweke`, by independent pairs of a mixture and a sample; here the number of components is drawn too.
"""

import numpy as np
import pytest
from counts import log_numbers, wide_jumps
from planted import plant
from scipy import special

from mixture.bayes import components_unknown as unknown
from mixture.bayes import kernels, kernels_unknown

pytestmark = pytest.mark.slow

N, MOST, SWEEPS, PAIRS = 10, 4, 2, 12_000
LIMIT, PLANTED_LIMIT = 4.5, 5.5  # standard errors
A, CENTER, PRECISION = 1.3, 0.3, 0.5
LOG_PRIOR = np.log([0.2, 0.4, 0.3, 0.1])
EDGES = np.array([-np.inf, -2.0, -0.8, -0.3, 0.4, 1.0, 2.5, np.inf])
SCALE = {kernels.UNIFORM: 2.0, kernels.HALFNORMAL: 1.5, kernels.LOGNORMAL: 1.0, kernels.HIERARCHICAL: 4.0}


def scales_of(family):
    """The scale of the sds' prior by the number of components; the hierarchical family has one for all."""
    return np.full(MOST, SCALE[family]) / (1 if family == kernels.HIERARCHICAL else np.arange(1, MOST + 1))


def draw_sds(family, scale, k, rng):
    if family == kernels.UNIFORM:
        return rng.uniform(0, scale, k)
    if family == kernels.HALFNORMAL:
        return np.abs(rng.normal(0, scale, k))
    if family == kernels.LOGNORMAL:
        return scale * np.exp(rng.normal(size=k))
    beta = max(rng.gamma(kernels.BETA_SHAPE) * scale**2 / kernels.BETA_RATE, 1e-300)
    return (rng.gamma(kernels.PRECISION_SHAPE, size=k) / beta) ** -0.5


def functions(k, w, mu, u, value):
    """Bounded functions of a mixture and a sample, the same for any order of the components."""
    spread = np.arctan(u[:k])
    return np.array(
        [
            k,
            k == 1,
            k * spread.mean(),
            spread.mean(),
            np.arctan(mu[:k]).mean(),
            (w[:k] ** 2).sum(),
            w[:k] @ spread,
            k * value,
            value * (w[:k] @ np.arctan(mu[:k])),
            (w[:k] @ spread) * (k == 2),
            (k - 2) * (w[:k] @ spread),
            np.arctan(np.abs(mu[:k] - CENTER)).mean(),
        ]
    )


def largest_change(module, family, exact, n=N, seed=1):
    """The largest average change of a function in standard errors."""
    rng, scales = np.random.default_rng(seed), scales_of(family)
    log_counts, jumps = unknown._log_counts(LOG_PRIOR, A, n), wide_jumps(MOST, np.random.default_rng(9)).arrays
    numbers = log_numbers(LOG_PRIOR, A, CENTER, PRECISION, family, scales)
    m, t, changes = np.full(MOST, CENTER), np.full(MOST, PRECISION), np.empty((PAIRS, 12))
    out, p_k, p_filled = np.empty((SWEEPS, 5)), np.empty((SWEEPS, MOST + 1)), np.empty((SWEEPS, MOST + 1))
    points = np.empty((SWEEPS, 3 * MOST - 4))
    for pair in range(PAIRS):
        k = 1 + rng.choice(MOST, p=np.exp(LOG_PRIOR))
        w, mu, u = np.ones(MOST), np.zeros(MOST), np.zeros(MOST)
        w[:k], mu[:k] = rng.dirichlet(np.full(k, A)), rng.normal(CENTER, PRECISION**-0.5, k)
        u[:k] = np.log(np.maximum(draw_sds(family, scales[k - 1], k, rng), 1e-150))
        component = rng.choice(k, n, p=w[:k])
        values = rng.normal(mu[component], np.exp(u[component]))
        rows = values, values, np.ones(n, np.int64)
        if not exact:
            count = np.histogram(values, EDGES)[0]
            rows = EDGES[:-1][count > 0].copy(), EDGES[1:][count > 0].copy(), count[count > 0].astype(np.int64)
        value = np.arctan(np.where(np.isfinite(rows[0]), rows[0], rows[1])) @ rows[2] / n
        before = functions(k, w, mu, u, value)
        prior = A, m, t, family, scales, -np.inf
        k = module.run_telescoping(
            rng, SWEEPS, 1, (*rows, exact), prior, log_counts, True, jumps, numbers, k, w, mu, u, out, p_k, p_filled, points
        )  # fmt: skip
        changes[pair] = functions(k, w, mu, u, value) - before
    error = changes.std(axis=0) / np.sqrt(PAIRS)
    return float(np.max(np.abs(changes.mean(axis=0)) / np.where(error > 0, error, 1)))


@pytest.mark.parametrize("exact", [True, False], ids=["values", "cells"])
@pytest.mark.parametrize("family", SCALE, ids=["uniform", "halfnormal", "lognormal", "hierarchical"])
def test_no_sweep_changes_the_joint_distribution(family, exact):
    assert largest_change(kernels_unknown, family, exact) < LIMIT


PLANTED = {
    "the scale's factor is left out": ("if scales[0] != scales[-1]:", "if False:", kernels.LOGNORMAL),
    "its normalisation is left out": ("weight[j] -= filled * math.log(scales[j - 1])", "pass", kernels.UNIFORM),
    "an empty component's mean": ("mu[j] = m[j] + rng.standard_normal() / math.sqrt(t[j])\n            u", "mu[j] = m[j] + rng.standard_normal()\n            u", kernels.LOGNORMAL),
    "an empty component's sd": ("u[j] = draw_log_sd_from_prior(rng, family, scales[k - 1]", "u[j] = draw_log_sd_from_prior(rng, family, scales[0]", kernels.LOGNORMAL),
    "weights by the counts alone": ("draw_weights(rng, n[:k], a, w[:k])", "draw_weights(rng, n[:k], 0.3 * a, w[:k])", kernels.LOGNORMAL),
    "a jump without the number's prior": ("ratio += new_like + log_numbers[new_k] - log_like - log_numbers[k]", "ratio += new_like - log_like", kernels.HIERARCHICAL),
    "a jump by the proposals of where it leads alone": ("ratio += log_proposal(y,", "0.0 * log_proposal(y,", kernels.LOGNORMAL),
    "beta of another shape": ("beta = draw_beta(rng, u[:filled], scale) if", "beta = 3.0 * draw_beta(rng, u[:filled], scale) if", kernels.HIERARCHICAL),
    "one component too many": ("weight[j] = log_counts[filled, j]", "weight[j] = log_counts[filled, j] + 0.2 * j", kernels.LOGNORMAL),
}  # fmt: skip


@pytest.mark.parametrize("right, wrong, family", PLANTED.values(), ids=PLANTED)
def test_planted_errors_are_found(right, wrong, family, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    planted = plant(kernels_unknown, right, wrong, tmp_path)
    assert largest_change(planted, family, True, n=4) > PLANTED_LIMIT  # fewer values: more jumps are accepted


@pytest.mark.parametrize("left_out", ["number", "ways", "concentration"])
def test_a_wrong_weight_of_a_number_given_how_many_are_filled_is_found(left_out, monkeypatch):
    """What the compiled K step is given: without the number's prior, the ways to fill it, or the weights' share."""
    right = unknown._log_counts

    def wrong(log_prior, a, n):
        found, k = right(log_prior, a, n), np.arange(MOST + 1)
        if left_out == "number":
            return found - np.concatenate([[0.0], log_prior])
        if left_out == "ways":
            filled = np.arange(MOST + 1)[:, None]
            return found - special.gammaln(k + 1) + special.gammaln(np.maximum(k - filled, 0) + 1)
        return found - np.concatenate([[0.0], special.gammaln(a * k[1:]) - special.gammaln(n + a * k[1:])])

    monkeypatch.setattr(unknown, "_log_counts", wrong)
    assert largest_change(kernels_unknown, kernels.LOGNORMAL, True, n=4) > PLANTED_LIMIT
