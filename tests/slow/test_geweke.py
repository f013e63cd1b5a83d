"""Every move of the sampler leaves the posterior as it is, for every prior, values and cells; a wrong one does not.

After Geweke (2004, "Getting it right"): a mixture from the prior and a sample from the mixture
are a draw from the joint distribution, and so is the pair after a move of the mixture given the
sample. So no function of the pair may change on average. The pairs are independent: no chain has
to mix, and each change is held against its own standard error.
"""

import numpy as np
import pytest
from planted import plant

from mixture.bayes import kernels
from mixture.bayes.priors import Priors

pytestmark = pytest.mark.slow

N, K, SWEEPS = 12, 2, 3
PAIRS, LIMIT = 5_000, 4.5  # standard errors: 1 in 150,000 for one of about ten functions
PLANTED_LIMIT = 5.5
EDGES = np.array([-np.inf, -2.0, -0.8, -0.3, 0.4, 1.0, 2.5, np.inf])  # unequal, open at both ends
FAMILIES = {"uniform": 2.0, "halfnormal": 1.0, "lognormal": 0.7, "hierarchical": 4.0}
MEANS = {"shared": ([0.0, 0.0], [0.7, 0.7]), "differing": ([-0.5, 0.8], [1.0, 0.4])}
CODES = {"uniform": 0, "halfnormal": 1, "lognormal": 2, "hierarchical": 3}


STILL = -30.0  # log scale of steps that go nowhere
# Which moves are made: jumps, the log scale of the steps, the conditionals.
MOVES = {
    "all": (True, -1.0, True),
    "conditionals": (False, STILL, True),
    "jumps": (True, STILL, False),
    "steps": (False, -1.0, False),
}


def draw_truth(family, means, concentration, rng):
    """A mixture from the prior, by NumPy; with differing priors the means are kept in order by rejection."""
    while True:
        if family == "hierarchical":
            beta = rng.gamma(kernels.BETA_SHAPE) * FAMILIES[family] ** 2 / kernels.BETA_RATE
            sds = (rng.gamma(kernels.PRECISION_SHAPE, size=K) / max(beta, 1e-300)) ** -0.5
        else:
            sds = Priors(np.zeros(K), np.ones(K), family, FAMILIES[family], 1.0).draw(1, rng).sds[0]
        centers, precisions = MEANS[means]
        mu = rng.normal(centers, np.array(precisions) ** -0.5)
        if means == "shared" or mu[0] < mu[1]:
            return rng.dirichlet(np.full(K, concentration)), mu, np.log(np.maximum(sds, 1e-150))


def observe(w, mu, u, exact, rng):
    """A sample of the mixture: rows as the kernels take them."""
    component = rng.choice(K, N, p=w)
    values = rng.normal(mu[component], np.exp(u[component]))
    if exact:
        return values, values, np.ones(N, np.int64)
    count = np.histogram(values, EDGES)[0]
    held = count > 0
    return EDGES[:-1][held].copy(), EDGES[1:][held].copy(), count[held].astype(np.int64)


def functions(w, mu, u, lower, upper, count):
    """Bounded functions of a mixture and a sample that do not depend on the components' names."""
    order = np.argsort(mu)
    w, mu, u = w[order], np.arctan(mu[order]), np.arctan(u[order])
    middle = np.arctan(np.where(np.isfinite(lower), lower, upper) @ count / count.sum())
    return np.array([w[0], w[0] ** 2, *mu, mu[0] * mu[1], *u, u[0] * u[1], w[0] * u[0], middle * mu[0], middle * u[0]])


def largest_change(module, family, means, exact, jump=True, step=-1.0, conditionals=True, pairs=PAIRS, seed=1):
    """The largest average change of a function in standard errors, over independent pairs."""
    rng = np.random.default_rng(seed)
    centers, precisions = (np.array(a) for a in MEANS[means])
    exchangeable, d, concentration = means == "shared", 3 * K - 1, 1.3
    proposals = 2 if jump else 0
    where = np.zeros((proposals, d))
    where[:, K - 1 : 2 * K - 1] = [-0.6, 0.6]
    factors = np.stack([np.diag([1.2, 0.7, 0.7, 0.6, 0.6]), np.diag([0.5, 1.0, 1.0, 0.9, 0.9])])[:proposals]
    log_weights = np.log([0.4, 0.6])[:proposals] - np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    shares = np.cumsum([0.4, 0.6])[:proposals]
    prior = concentration, centers, precisions, CODES[family], FAMILIES[family], -np.inf
    changes = np.empty((pairs, 11))
    for pair in range(pairs):
        w, mu, u = draw_truth(family, means, concentration, rng)
        rows = observe(w, mu, u, exact, rng)
        before = functions(w, mu, u, *rows)
        out, state = np.empty((SWEEPS, 3 * K + 3)), np.array([step, 0.0, 0.0, 0.0, 0.0])
        module.run_sweeps(
            rng,
            SWEEPS,
            1,
            *rows,
            exact,
            *prior,
            exchangeable,
            True,
            conditionals,
            where,
            factors,
            np.linalg.inv(factors) if proposals else factors,
            shares,
            log_weights,
            0.6 * np.eye(d),
            False,
            w,
            mu,
            u,
            state,
            out,
        )
        changes[pair] = functions(w, mu, u, *rows) - before
    error = changes.std(axis=0) / np.sqrt(pairs)
    return float(np.max(np.abs(changes.mean(axis=0)) / np.where(error > 0, error, 1)))


@pytest.mark.parametrize("exact", [True, False], ids=["values", "cells"])
@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES)
def test_no_move_changes_the_joint_distribution(family, means, exact, moves):
    assert largest_change(kernels, family, means, exact, *moves) < LIMIT


# One expression of the kernels each, what stands in its place, and where that shows: family, means, exact, moves.
BY_CONDITIONALS, BY_JUMPS, BY_STEPS = (MOVES[name] for name in ("conditionals", "jumps", "steps"))
VALUES, CELLS = ("lognormal", "shared", True), ("lognormal", "shared", False)
PLANTED = {
    "assignment": (
        "threshold, j = rng.random() * total, 0",
        "threshold, j = rng.random() ** 2 * total, 0",
        *VALUES,
        BY_CONDITIONALS,
    ),
    "weights": (
        "max(rng.standard_gamma(a + n[j]), 1e-290)",
        "max(rng.standard_gamma(a + n[j] + 2.0 * j), 1e-290)",
        *VALUES,
        BY_CONDITIONALS,
    ),
    "means": (
        "posterior = t[j] + n[j] * precision",
        "posterior = 4.0 * t[j] + n[j] * precision",
        *VALUES,
        BY_CONDITIONALS,
    ),
    "order": (
        "return mu[j - 1] if j > 0 else -math.inf, mu[j + 1] if j < len(mu) - 1 else math.inf",
        "return -math.inf, math.inf",
        "lognormal",
        "differing",
        True,
        BY_CONDITIONALS,
    ),
    "sds": (
        "prior - n * u - 0.5 * squares",
        "prior - (n - 1.0) * u - 0.5 * squares",
        "halfnormal",
        "shared",
        True,
        BY_CONDITIONALS,
    ),
    "empty component": (
        "return math.log(scale) + rng.standard_normal()",
        "return math.log(scale) + 2.0 + rng.standard_normal()",
        *VALUES,
        BY_CONDITIONALS,
    ),
    "beta": (
        "rng.standard_gamma(BETA_SHAPE + PRECISION_SHAPE * len(u)) / rate",
        "rng.standard_gamma(BETA_SHAPE + len(u)) / rate",
        "hierarchical",
        "shared",
        True,
        BY_CONDITIONALS,
    ),
    "split": (
        "share = min(1.0, terms[i, j] / total)",
        "share = min(1.0, 0.7 * terms[i, j] / total)",
        *CELLS,
        BY_CONDITIONALS,
    ),
    "steps on cells": (
        "if math.log(1.0 - rng.random()) < new - now:",
        "if math.log(1.0 - rng.random()) < 0.5 * (new - now):",
        *CELLS,
        BY_CONDITIONALS,
    ),
    "jump": ("stretch = math.sqrt(", "stretch = 0.4 * math.sqrt(", *VALUES, BY_JUMPS),
    "step": ("ratio = new - log_post", "ratio = 0.0 * (new - log_post)", *VALUES, BY_STEPS),
    "jacobian": ("total += a * math.log(w[j]) - 0.5", "total += (a + 3.0) * math.log(w[j]) - 0.5", *VALUES, BY_STEPS),
    "density": (
        "term = height[j] * math.exp(-0.5 * z * z)",
        "term = height[j] * math.exp(-0.7 * z * z)",
        *VALUES,
        BY_STEPS,
    ),
    "cell's mass": ("term = w[j] * cell_mass(", "term = w[j] ** 2 * cell_mass(", *CELLS, BY_STEPS),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_in_a_move_is_found(name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    right, wrong, *where, moves = PLANTED[name]
    planted = plant(kernels, right, wrong, tmp_path)
    assert largest_change(planted, *where, *moves, pairs=4 * PAIRS) > PLANTED_LIMIT
