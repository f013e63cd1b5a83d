"""The posterior of the number of components, by telescoping sampling.

Fruehwirth-Schnatter, Malsiner-Walli & Gruen (2021, "Generalized mixtures of finite mixtures and telescoping
sampling"), by default under the priors of Richardson & Green (1997), for which p(K | galaxies) is published.
"""

import time
from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy import special

from mixture.bayes import kernels
from mixture.bayes.chains import BLOCK_OPERATIONS, Stop, enough_limits, run_chains
from mixture.bayes.counts import MOST, QUANTITIES, convergence, log_count_prior
from mixture.bayes.jumps import JumpLearner, Jumps
from mixture.bayes.kernels_unknown import run_telescoping
from mixture.bayes.priors import choose_priors
from mixture.bayes.target import Target
from mixture.data.sample import Sample

LARGEST_ERROR = 0.003  # of a probability of K: what a run is lengthened for
MOST_OPERATIONS = 6e8  # sweeps x rows x filled components of a chain: about half a minute on one core
FIRST = (1, 3, 6, 10)  # components that chains start with
TUNED = 1.05  # R-hat of chains that agree roughly; others learn to jump between numbers
MOST_JUMPED, JUMP_ROUNDS = 6, 5  # components that are jumped to; rounds of learning, each twice as long
RAREST = 1e-3  # the probability of a number that is worth learning to jump to


def sample_component_counts(
    sample: Sample,
    rng: np.random.Generator,
    count_prior: str = "uniform",
    sd_prior: str = "hierarchical",
    sd_prior_scale: float | None = None,
    weight_concentration: float = 1.0,
    chains: int = 4,
    draws: int = 1000,
    tune: int = 1000,
    most: int = MOST,
    most_operations: float = MOST_OPERATIONS,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Draw the number of components along with all else.

    Parameters
    ----------
    sample : Sample
        Exact values or counts in cells.
    rng : numpy.random.Generator
    count_prior : {"uniform", "poisson", "bnb"}
        Of the number of components, on 1 to `most`.
    sd_prior, sd_prior_scale, weight_concentration :
        As in `choose_priors`; where the scale depends on K, it does so here.
    chains, draws, tune : int
        Kept per chain; sweeps of the first round of tuning.
    most : int
    most_operations : float
        Sweeps x rows x filled components of a chain, to which a run may be lengthened.
    progress : callable, optional
        Called a few times a second with the sweeps done and those planned so far, of all chains.

    Returns
    -------
    xarray.Dataset
        Over dims chain and draw: k, k_filled (components that hold values),
        log_likelihood, log_smallest_sd and squared_shares (of the filled
        components; standardised units); with dim components (1 to `most`) too:
        p_k, the probability of each number given the assignments, and p_filled,
        how often each was filled, on average over the sweeps since the draw
        before. Attributes count_prior, sweeps_between_draws, sweeps, seconds.
    """
    begun = time.perf_counter()
    target = _Target(sample, count_prior, sd_prior, sd_prior_scale, weight_concentration, most)
    *streams, learning = rng.spawn(chains + 1)
    firsts = [min(FIRST[c % len(FIRST)], most) for c in range(chains)]
    run = _Chains([_Chain(target, *each) for each in zip(streams, firsts, strict=True)], progress)
    tuned, spaced = run.tune(tune, most_operations / 16), 1
    if convergence(tuned)[0] > TUNED:  # where telescoping alone settles, it is the quicker way
        tuned, spaced = run.learn_jumps(tune, JumpLearner(target.given[:MOST_JUMPED], sample, learning))
    thin = _sweeps_between_draws(tuned, spaced)
    kept = run.run(draws, thin)
    while not is_enough(kept) and run.operations(2 * draws * thin) <= most_operations:
        kept = _joined(kept, run.run(draws, thin))
        thin *= 2
    return kept.assign_attrs(
        count_prior=count_prior,
        sweeps_between_draws=thin,
        sweeps=run.chains[0].done,
        seconds=time.perf_counter() - begun,
    )


def is_enough(kept: xr.Dataset) -> bool:
    """Whether chains agree, and p(K) and p(K filled) are known well enough."""
    rhat, ess, error = convergence(kept)
    rhat_limit, ess_limit = enough_limits(kept.sizes["chain"], kept.sizes["draw"])
    few = max(1.0, (1000 / kept.sizes["draw"]) ** 0.5)  # who asks for few draws has no time for the last digit
    return bool(rhat <= rhat_limit and ess >= ess_limit and error <= few * LARGEST_ERROR)


class _Target:
    """What the compiled sweeps take: the sample and the priors, with an entry for each number of components."""

    def __init__(self, sample, count_prior, sd_prior, sd_prior_scale, weight_concentration, most):
        priors = [
            choose_priors(sample, k, None, None, sd_prior, sd_prior_scale, weight_concentration)
            for k in range(1, most + 1)
        ]
        self.given = [Target.of(sample, each) for each in priors]
        target = self.given[-1]
        self.rows, self.cost, self.most = target.rows, target.cost, most
        a, m, t, family, _, floor = target.prior
        scales = np.array([each.sd_scale for each in priors]) / target.spread
        self.prior = a, m, t, family, scales, floor
        log_prior = log_count_prior(count_prior, most)
        self.log_counts = _log_counts(log_prior, a, sample.n)
        orders = special.gammaln(np.arange(1, most + 1) + 1)
        constants = np.array([each.log_prior_constant for each in self.given])
        self.log_numbers = np.concatenate([[-np.inf], log_prior + constants + orders])
        self.start = lambda k: (sample.quantile((np.arange(k) + 0.5) / k) - target.center) / target.spread


def _log_counts(log_prior, a, n):
    """Log p(K | filled components) up to what K does not change, shape (most + 1, most + 1): [filled, K]."""
    most, log_counts = len(log_prior), np.full((len(log_prior) + 1,) * 2, -np.inf)
    for filled in range(1, most + 1):
        k = np.arange(filled, most + 1)
        ways = special.gammaln(k + 1) - special.gammaln(k - filled + 1)
        log_counts[filled, filled:] = log_prior[k - 1] + ways + special.gammaln(a * k) - special.gammaln(n + a * k)
    return log_counts


class _Chain:
    """One chain: its generator, its point and what it has done."""

    def __init__(self, target, rng, k):
        self.target, self.rng, self.k, self.done = target, rng, k, 0
        self.jumps, self.bias, self.points = Jumps.none(target.most), np.zeros(target.most + 1), None
        log_sd = max(-np.log(k), target.prior[-1] + 0.1)  # above the smallest that there is
        self.point = np.full(target.most, 1.0 / k), np.zeros(target.most), np.full(target.most, log_sd)
        self.point[1][:k] = target.start(k)

    def begin_at(self, k: int, free: np.ndarray) -> None:
        """Go on from other free coordinates, with k components."""
        self.k = k
        kernels.from_free(free, *(part[:k] for part in self.point))

    def run(self, draws: int, thin: int, stop: Stop) -> np.ndarray:
        """Kept rows, shape (draws, 5 + 2 most); `stop` is looked at between blocks of them."""
        target, most = self.target, self.target.most
        block, parts, points = max(1, int(BLOCK_OPERATIONS / (target.cost * self.k * thin))), [], []
        for first in range(0, draws, block):
            stop.check()
            length = min(block, draws - first)
            out, p_k, p_filled = np.empty((length, 5)), np.empty((length, most + 1)), np.empty((length, most + 1))
            points.append(np.empty((length, self.jumps.centers.shape[1])))
            self.k = run_telescoping(
                self.rng,
                length * thin,
                thin,
                target.rows,
                target.prior,
                target.log_counts + self.bias,
                True,
                self.jumps.arrays,
                target.log_numbers + self.bias,
                self.k,
                *self.point,
                out,
                p_k,
                p_filled,
                points[-1],
            )
            parts.append(np.concatenate([out, p_k[:, 1:], p_filled[:, 1:]], axis=1))
            self.done += length * thin
        self.points = np.concatenate(points)
        return np.concatenate(parts)


class _Chains:
    """All chains, a thread each."""

    def __init__(self, chains, progress):
        self.chains, self.progress = chains, progress
        self.filled = np.mean([chain.k for chain in chains])

    def operations(self, sweeps: int) -> float:
        return float(sweeps) * self.chains[0].target.cost * self.filled

    def run(self, draws: int, thin: int) -> xr.Dataset:
        """So many draws of each chain, as a Dataset."""
        planned = sum(chain.done for chain in self.chains) + draws * thin * len(self.chains)
        rows = run_chains(self.chains, lambda chain, stop: chain.run(draws, thin, stop), planned, self.progress)
        self.filled = max(1.0, rows[..., 1].mean())
        return _dataset(rows)

    def tune(self, sweeps: int, most_operations: float) -> xr.Dataset:
        """Rounds, each twice as long as the one before, until the chains agree roughly; the last of them."""
        while True:
            kept = self.run(sweeps, 1)
            sweeps *= 2
            if convergence(kept)[0] < TUNED or self.operations(sweeps) > most_operations:
                return kept

    def learn_jumps(self, sweeps: int, learner: JumpLearner) -> tuple[xr.Dataset, int]:
        """Rounds of jumps, each twice as long and by what the round before has seen; then one to see how they do.

        That last one is returned, and the sweeps between its draws. While learning, the numbers are weighed so that each
        is drawn about as often: rare ones need proposals too. The chains begin anew at modes with several numbers: from
        where too many components are filled, no jump leads.
        """
        most, starts = self.chains[0].target.most, learner.starts(self.chains[0].target.log_numbers)
        for c, chain in enumerate(self.chains):
            chain.begin_at(*starts[c % len(starts)])
        bias, p_k = np.zeros(most + 1), np.empty(0)
        self._let_jump(learner.jumps(np.empty(0, int), np.empty((0, 3 * MOST_JUMPED - 1)), np.ones(most)), bias)
        for longer in range(JUMP_ROUNDS):
            kept = self.run(sweeps, 2**longer)
            k, points = kept["k"].values.ravel(), np.concatenate([chain.points for chain in self.chains])
            p_k = kept["p_k"].mean(("chain", "draw")).values * np.exp(-bias[1:])
            p_k /= p_k.sum()
            bias[1 : MOST_JUMPED + 1] = -np.log(np.maximum(p_k[:MOST_JUMPED], RAREST))
            self._let_jump(learner.jumps(k, points, np.ones(most)), bias)
        self._let_jump(learner.jumps(k, points, p_k), np.zeros(most + 1))
        return self.run(sweeps, 2**longer), 2**longer

    def _let_jump(self, jumps, bias):
        for chain in self.chains:
            chain.jumps, chain.bias = jumps, bias


def _dataset(rows):
    most = (rows.shape[-1] - len(QUANTITIES)) // 2
    data = {name: (("chain", "draw"), rows[..., i]) for i, name in enumerate(QUANTITIES)}
    for i, name in enumerate(("p_k", "p_filled")):
        first = len(QUANTITIES) + i * most
        data[name] = (("chain", "draw", "components"), rows[..., first : first + most])
    coords = {"chain": np.arange(len(rows)), "draw": np.arange(rows.shape[1]), "components": np.arange(1, most + 1)}
    kept = xr.Dataset(data, coords)
    return kept.assign(k=kept["k"].astype(int), k_filled=kept["k_filled"].astype(int))


def _joined(first, second):
    """Two runs after one another with half as many draws: every second one, probabilities by the mean of two."""
    both = xr.concat([first, second], dim="draw")
    both = both.assign_coords(draw=np.arange(both.sizes["draw"]))
    averaged = both[["p_k", "p_filled"]].coarsen(draw=2).mean()
    kept = both[list(QUANTITIES)].isel(draw=slice(1, None, 2))
    return xr.merge([part.assign_coords(draw=first["draw"]) for part in (kept, averaged)])


def _sweeps_between_draws(tuned, spaced):
    """So many that kept draws are about a third as good as independent ones; those given are `spaced` sweeps apart."""
    memory = spaced * tuned["k"].size / convergence(tuned)[1]
    return int(np.clip(np.ceil(memory / 3), 1, 200))
