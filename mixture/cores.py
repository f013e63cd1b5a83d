"""The processors that this process may use, and long calls at once on them."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def available_cores():
    """Processors that this process may use; MIXTURE_CORES lowers it (sweeps set 1)."""
    return int(os.environ.get("MIXTURE_CORES", len(os.sched_getaffinity(0))))


def at_once(calls):
    """What functions without arguments return, called at the same time as far as there are processors.

    Each call gets its share of the processors, in a forked process that sees all that this one has loaded; it must
    pickle (a `functools.partial` does), as must its result. Elsewhere than on Linux, where a fork may not be safe,
    and on one processor, the calls follow one another here.

    Parameters
    ----------
    calls : list of callable

    Returns
    -------
    list
        The results, in order.

    Raises
    ------
    concurrent.futures.process.BrokenProcessPool
        A process was killed.
    Exception
        What a call raised.
    """
    cores = available_cores()
    if min(cores, len(calls)) < 2 or sys.platform != "linux":
        return [call() for call in calls]
    with ProcessPoolExecutor(min(cores, len(calls)), get_context("fork"), _keep_to, (max(1, cores // len(calls)),)) as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)


def _keep_to(cores):
    os.environ["MIXTURE_CORES"] = str(cores)
