"""Several chains at once, a thread each, and what they are lengthened for."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Protocol

import numpy as np

from mixture.parallel import available_cores

RHAT_LIMIT, ESS_PER_CHAIN = 1.01, 100  # Vehtari et al. 2021: the verdict's limits, which a run aims at with a margin
BLOCK_OPERATIONS = 1e6  # between two looks at whether to stop: a twentieth of a second


def enough_limits(chains: int, kept: int) -> tuple[float, float]:
    """The largest R-hat and the smallest ESS with which a run need not be lengthened, of so many kept draws a chain.

    What a verdict asks with a margin, as far as so few draws can tell: chance alone moves R-hat by about 1 / draws.
    """
    return max(RHAT_LIMIT - 0.001, 1 + 4 / kept), min(1.2 * ESS_PER_CHAIN * chains, 0.25 * chains * kept)


class Stopped(Exception):
    """The run was asked to stop."""


class Stop(threading.Event):
    """Tells chains to stop."""

    def check(self) -> None:
        """Raise `Stopped` if it is set."""
        if self.is_set():
            raise Stopped


class Chain(Protocol):
    """What counts its sweeps."""

    done: int


def run_chains(
    chains: Sequence[Chain],
    call: Callable[[Any, Stop], np.ndarray],
    planned: int,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """What `call(chain, stop)` returns for each chain, stacked; the compiled sweeps leave Python's lock free.

    Parameters
    ----------
    chains : sequence of Chain
    call : callable
        Is to call `stop.check()` now and then: it raises once the user interrupts.
    planned : int
        Sweeps of all chains, for progress alone.
    progress : callable, optional
        Called a few times a second with the sweeps done and those planned.
    """
    stop = Stop()
    with ThreadPoolExecutor(min(available_cores(), len(chains))) as pool:
        futures = [pool.submit(call, chain, stop) for chain in chains]
        try:
            while wait(futures, timeout=0.2).not_done:
                if progress:
                    progress(sum(chain.done for chain in chains), planned)
        except BaseException:
            stop.set()
            raise
    return np.stack([future.result() for future in futures])
