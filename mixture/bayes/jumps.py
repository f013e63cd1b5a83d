"""Jumps between numbers of components, learnt from a sampler that rarely changes the number by itself.

A component of a large sample never empties by chance, so that telescoping sampling stays at the number it began with.
A jump proposes a number and all its parameters at once, from distributions that were fitted to draws with that number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy import special

from mixture.bayes.modes import find_modes
from mixture.bayes.proposals import Proposals
from mixture.bayes.target import Target
from mixture.data.sample import Sample
from mixture.em import rough_maxima

FEWEST_DRAWS = 40  # for each free coordinate, to fit a proposal to
EM_STARTS = 8
NEAR = 10.0  # natural log units: numbers no further below the best one may hold something


@dataclass(frozen=True, eq=False)
class Jumps:
    """Proposals of numbers of up to L components and of their parameters, as `run_telescoping` takes them, in order.

    Attributes
    ----------
    first : ndarray, shape (L + 2,)
        The first proposal of each number of components; how many there are, from the last on.
    number_shares : ndarray, shape (L + 1,)
        How often each number is proposed, cumulative.
    centers, factors, inverse_factors, shares, log_weights : ndarray
        As in `Proposals`, shape (C, D), (C, D, D) twice, (C,) twice; D fits the largest number, those with fewer
        components use the first of their coordinates. Shares are cumulative within a number; log weights are
        normalised, over all numbers.
    """

    first: np.ndarray
    number_shares: np.ndarray
    centers: np.ndarray
    factors: np.ndarray
    inverse_factors: np.ndarray
    shares: np.ndarray
    log_weights: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """In order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def none(cls, most: int) -> "Jumps":
        """No jumps between up to `most` numbers."""
        nothing = np.empty(0)
        return cls(
            np.zeros(most + 2, np.int64),
            np.zeros(most + 1),
            np.empty((0, 0)),
            *(np.empty((0, 0, 0)) for _ in range(2)),
            nothing,
            nothing,
        )

    @classmethod
    def between(cls, proposals: dict[int, Proposals], p_k: np.ndarray) -> "Jumps":
        """To each number by its own proposals: the more often the more probable it is, p(K) of shape (most,), but all."""
        most, widest = len(p_k), 3 * max(proposals) - 1
        p_number, numbers = np.zeros(most + 1), np.array(sorted(proposals))
        p_number[numbers] = (1 + p_k[numbers - 1]) / (1 + p_k[numbers - 1]).sum()
        first, centers, factors, inverses, shares, log_weights = [0], [], [], [], [], []
        for k in range(most + 1):
            each = proposals.get(k)
            first.append(first[-1] + (len(each.shares) if each else 0))
            if not each:
                continue
            d = 3 * k - 1
            wider = (0, 0), (0, widest - d)
            centers.append(np.pad(each.centers, wider))
            factors.append(np.pad(each.factors, (*wider, (0, widest - d))))
            inverses.append(np.pad(each.inverse_factors, (*wider, (0, widest - d))))
            shares.append(each.shares)
            log_weights.append(each.log_weights + each.log_constant + np.log(p_number[k]))
        return cls(
            np.array(first, np.int64),
            np.cumsum(p_number),
            *(np.ascontiguousarray(np.concatenate(parts)) for parts in (centers, factors, inverses)),
            np.concatenate(shares),
            np.concatenate(log_weights),
        )


class JumpLearner:
    """Knows the posterior's modes for each number of components, and fits proposals to what chains have seen.

    Parameters
    ----------
    targets : sequence of Target
        With 1, 2, ... components.
    sample : Sample
    rng : numpy.random.Generator
    """

    def __init__(self, targets: Sequence[Target], sample: Sample, rng: np.random.Generator):
        self.rng, self.modes, self.seen = rng, {}, {}
        for k, target in enumerate(targets, 1):
            if 2 * k > max(len(sample.count), 2):
                break  # too few different values for EM
            if starts := rough_maxima(sample, k, rng, EM_STARTS):
                self.modes[k] = find_modes(
                    target, target.within_prior(np.array([target.to_free(each) for each in starts]))
                )
        self.proposals = {k: Proposals.around_modes(modes) for k, modes in self.modes.items()}

    def starts(self, log_numbers: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Numbers that may hold something and their largest modes, the most probable first, by Laplace's approximation.

        `log_numbers`, shape (most + 1,), is the log prior of the numbers as `run_telescoping` takes it.
        """
        weight = {k: special.logsumexp(modes.log_mass) + log_numbers[k] for k, modes in self.modes.items()}
        numbers = sorted(weight, key=lambda k: -weight[k])
        return [(k, self.modes[k].points[0]) for k in numbers if weight[k] > weight[numbers[0]] - NEAR]

    def jumps(self, k: np.ndarray, points: np.ndarray, p_k: np.ndarray) -> Jumps:
        """From draws of the number, shape (S,), and their free coordinates, shape (S, D), NaN beyond those in use.

        `p_k`, shape (most,), is how probable each number is thought to be. A number that was drawn too seldom keeps the
        proposals that it has, around its modes at first.
        """
        for number, modes in self.modes.items():
            d = 3 * number - 1
            seen = self.seen[number] = np.concatenate(
                [self.seen.get(number, np.empty((0, d))), points[k == number, :d]]
            )
            if len(seen) >= FEWEST_DRAWS * d:
                self.proposals[number] = Proposals.fitted(modes, seen, self.rng)
        return Jumps.between(self.proposals, p_k)
