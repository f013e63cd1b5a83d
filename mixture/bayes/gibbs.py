"""The posterior by Gibbs sampling with jumps between its modes: the default for whatever a sweep is cheap for.

sweep
    one move of everything: a jump and a step on the marginal likelihood, then assignments, weights, means and sds
    from their conditionals (Diebolt & Robert 1994)
jump
    a proposal independent of where the chain is, from t distributions around all maxima that are known: it carries
    chains between modes that no small step connects
step
    a symmetric proposal near the chain's point (random-walk Metropolis), its covariance learnt while tuning: it helps
    where components overlap and the assignments hold each other in place

Chains run in threads, one each. How often they are tuned, thinned and lengthened depends on the draws alone, never on
a clock, so that the same seed gives the same draws on one core or many.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from mixture.bayes import kernels
from mixture.bayes.chains import BLOCK_OPERATIONS, Stop, enough_limits, run_chains
from mixture.bayes.draws import as_dataset
from mixture.bayes.labels import name_components
from mixture.bayes.modes import find_modes
from mixture.bayes.priors import Priors
from mixture.bayes.proposals import Proposals
from mixture.bayes.target import Target
from mixture.components import Components
from mixture.data.sample import Sample, close_cells

if TYPE_CHECKING:  # not at run time: it would bring scikit-learn along
    from mixture.em import EMFit

MOST_OPERATIONS = 1.5e9  # of a chain, see `_operations`: about a minute on one core
MOST_ROUNDS, QUICK = 5, 12  # of tuning, each twice as long; sweeps between draws that need no more of them
NEAR = 10.0  # natural log units: chains start at maxima no further below the best


class _Chain:
    """One chain: its generator, its point and what it has done."""

    def __init__(self, target, rng, start):
        self.target, self.rng = target, rng
        k = target.k
        self.point = np.empty(k), np.empty(k), np.empty(k)
        kernels.from_free(np.ascontiguousarray(start), *self.point)
        self.state = np.array([np.log(2.38 / np.sqrt(target.size)), 0, 0, 0, 0])
        self.done = 0

    def run(self, sweeps: int, thin: int, proposals: Proposals, adapt: bool, stop: Stop) -> np.ndarray:
        """Kept rows of so many sweeps; see `kernels.run_sweeps`. `stop` is looked at between blocks of them."""
        target, rows = self.target, []
        block = thin * max(1, int(BLOCK_OPERATIONS / _operations(target, thin)))
        for begun in range(0, sweeps, block):
            stop.check()
            length = min(block, sweeps - begun)
            out = np.empty((length // thin, 3 * target.k + 3))
            kernels.run_sweeps(
                self.rng,
                length,
                thin,
                *target.rows,
                *target.prior,
                target.exchangeable,
                True,
                True,
                proposals.centers,
                proposals.factors,
                proposals.inverse_factors,
                proposals.shares,
                proposals.log_weights,
                proposals.step_factor,
                adapt,
                *self.point,
                self.state,
                out,
            )
            rows.append(out)
            self.done += length
        return np.concatenate(rows)


class _Chains:
    """All chains, a thread each."""

    def __init__(self, chains, progress):
        self.chains, self.progress, self.planned = chains, progress, 0

    def run(self, sweeps: int, thin: int, proposals: Proposals, adapt: bool = False) -> np.ndarray:
        """Kept rows, shape (chain, draw, 3 K + 3)."""
        self.planned = max(self.planned, sum(chain.done for chain in self.chains) + sweeps * len(self.chains))
        return run_chains(
            self.chains,
            lambda chain, stop: chain.run(sweeps, thin, proposals, adapt, stop),
            self.planned,
            self.progress,
        )


def sample_by_gibbs(
    sample: Sample,
    priors: Priors,
    em: "EMFit",
    rng: np.random.Generator,
    chains: int = 4,
    draws: int = 1000,
    tune: int = 1000,
    most_operations: float = MOST_OPERATIONS,
    progress: Callable[[int, int], None] | None = None,
) -> xr.DataTree:
    """Draw from the posterior of `build_model(sample, priors)`.

    Parameters
    ----------
    sample : Sample
        Exact values or counts in cells: the cost is that of its rows.
    priors : Priors
    em : EMFit
        Its maxima are where modes are looked for first.
    rng : numpy.random.Generator
    chains, draws : int
        Draws are kept per chain.
    tune : int
        Sweeps of the first round in which the proposals are learnt; each further one is twice as long.
    most_operations : float
        Of a chain, to which a run may be lengthened: sweeps x rows x components, cells as often as they cost.
    progress : callable, optional
        Called a few times a second with the sweeps done and those planned so far, of all chains.

    Returns
    -------
    xarray.DataTree
        Groups posterior (w, mu, sigma), sample_stats (lp, the log posterior
        density up to a constant; mode, the number of the mode that the draw is
        nearest to; jumps, those accepted since the draw before) and modes
        (over dim mode: weights, means, sds, log_posterior, log_mass and share,
        by Laplace). Attributes seconds, sweeps_between_draws, sweeps (of a
        chain), jumps_accepted and steps_accepted (shares), named_by.
    """
    begun, target = time.perf_counter(), Target.of(sample, priors)
    streams = rng.spawn(chains + 1)
    maxima = [
        target.to_free(components.map(lambda v: np.maximum(v, 1e-12) if v is components.sds else v))
        for components, reached in em.maxima
        if reached > em.log_likelihood - 3 * NEAR
    ]
    maxima = target.within_prior(np.array([target.to_free(em.components), *maxima]))
    modes = find_modes(target, maxima)
    run = _Chains(
        [
            _Chain(target, stream, start)
            for stream, start in zip(streams, _starting_points(target, modes, chains, streams[-1]), strict=False)
        ],
        progress,
    )
    run.planned = chains * (3 * tune + draws)

    rows = run.run(tune, 1, Proposals.around_modes(modes), adapt=True)[:, tune // 2 :]
    points, best = _points(target, rows), rows[..., -3].argmax(axis=1)
    modes = find_modes(target, np.concatenate([modes.points, points[np.arange(chains), best]]))
    proposals = Proposals.fitted(modes, points.reshape(-1, target.size), streams[-1])
    for longer in range(MOST_ROUNDS):  # the proposals are fitted to what the round before has seen
        rows = run.run(tune * 2**longer, 2**longer, proposals, adapt=True)
        thin = _sweeps_between_draws(rows, 2**longer)
        if longer > 0 and thin <= QUICK:
            break
        proposals = Proposals.fitted(modes, _points(target, rows).reshape(-1, target.size), streams[-1])
    thin = min(thin, max(1, int(most_operations / 4 / _operations(target, draws))))
    rows = run.run(draws * thin, thin, proposals)
    named = _named(target, sample, rows, modes)
    while not _is_enough(named[0], rows[..., -3]) and _operations(target, 2 * draws * thin) <= most_operations:
        rows = np.concatenate([rows, run.run(draws * thin, thin, proposals)], axis=1)[:, ::2]
        named, thin = _named(target, sample, rows, modes), 2 * thin
    return _tree(target, rows, named, modes, run, thin, time.perf_counter() - begun)


def _starting_points(target, modes, chains, rng):
    """One a chain: around the modes near the best in turn, but for the last, which starts anywhere in the sample."""
    near = np.flatnonzero(modes.log_density >= modes.log_density.max() - NEAR)
    for chain in range(chains - 1):
        mode = near[chain % len(near)]
        for _ in range(20):
            point = rng.multivariate_normal(modes.points[mode], modes.covariances[mode], method="cholesky")
            if target.exchangeable or np.all(np.diff(target.from_free(point).means) > 0):
                break
        else:
            point = modes.points[mode]
        yield point if np.isfinite(target.log_density(point[None])[0]) else modes.points[mode]
    lower, upper = close_cells(*target.rows[:2])
    middles = rng.choice((lower + upper) / 2, target.k, p=target.rows[2] / target.rows[2].sum())
    means = np.sort(middles) + 1e-6 * np.arange(target.k)
    sds = np.full(target.k, max(1.0 / target.k, 1.1 * np.exp(target.prior[-1])))  # above the smallest that there is
    if target.prior[3] == kernels.UNIFORM:
        sds = np.minimum(sds, 0.9 * target.prior[4])
    yield np.concatenate([np.zeros(target.k - 1), means, np.log(sds)])


def _points(target, rows):
    """Free coordinates of kept rows, shape (..., D)."""
    k = target.k
    ratios = np.log(rows[..., : k - 1]) - np.log(rows[..., k - 1 : k])
    return np.concatenate([ratios, rows[..., k : 2 * k], np.log(rows[..., 2 * k : 3 * k])], axis=-1)


def _sweeps_between_draws(rows, apart):
    """So many that kept draws are about a third as good as independent ones; the rows are `apart` sweeps apart."""
    memory = apart * rows.shape[0] * rows.shape[1] / max(_effective_sizes(_moving(rows[..., :-2])).min(), 1.0)
    return int(np.ceil(memory / 3))


def _operations(target, sweeps):
    return float(sweeps) * target.cost * target.k


def _moving(rows):
    """What moves in kept rows, or in any other values of shape (chain, draw, Q), one by one."""
    return [column for column in np.moveaxis(rows, -1, 0) if np.ptp(column) > 0]


def _effective_sizes(moving):
    """Bulk and tail effective sizes, shape (2, Q)."""
    return np.array(
        [
            [array_stats.ess(column, **method) for column in moving]
            for method in ({"method": "bulk"}, {"method": "tail", "prob": (0.05, 0.95)})
        ]
    )


def _is_enough(draws, log_posterior):
    """Whether kept draws pass what a verdict asks of them, as far as so few can tell."""
    moving = _moving(np.concatenate([*draws, log_posterior[..., None]], axis=-1))
    rhat_limit, ess_limit = enough_limits(*log_posterior.shape)
    return max(map(array_stats.rhat, moving)) <= rhat_limit and _effective_sizes(moving).min() >= ess_limit


def _named(target, sample, rows, modes):
    """The components of kept rows in data units, with one name each throughout, and by what they are named."""
    k = target.k
    draws = Components(
        rows[..., :k], target.center + target.spread * rows[..., k : 2 * k], target.spread * rows[..., 2 * k : 3 * k]
    )
    if target.exchangeable and k > 1:
        return name_components(draws, target.from_free(modes.points[0]), sample)
    return draws, "mean"


def _tree(target, rows, named, modes, run, thin, seconds):
    k, points, (draws, named_by) = target.k, _points(target, rows), named
    jacobian = np.log(rows[..., :k]).sum(axis=-1) + np.log(rows[..., 2 * k : 3 * k]).sum(axis=-1)
    dims = ("chain", "draw")
    nearest = modes.nearest(points.reshape(-1, target.size)).reshape(points.shape[:2])
    stats = xr.Dataset(
        {"lp": (dims, rows[..., -3] - jacobian), "mode": (dims, nearest), "jumps": (dims, rows[..., -2])}
    )
    posterior = as_dataset(draws)
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": stats.assign_coords({d: posterior[d] for d in dims}),
            "modes": modes.dataset(target),
        }
    )
    counts = sum(chain.state[1:] for chain in run.chains)
    tree.attrs |= {
        "seconds": seconds,
        "sampler": "gibbs",
        "sweeps_between_draws": thin,
        "sweeps": run.chains[0].done,
        "jumps_accepted": float(counts[1] / max(counts[0], 1)),
        "named_by": named_by,
        "steps_accepted": float(counts[3] / max(counts[2], 1)),
    }
    return tree
