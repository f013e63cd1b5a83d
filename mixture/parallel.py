"""The processors that this process may use, and long calls that run on them side by side."""

import os
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import joblib


def available_cores() -> int:
    """Processors that this process may use; MIXTURE_CORES lowers it (sweeps set 1)."""
    return int(os.environ.get("MIXTURE_CORES") or joblib.cpu_count())


def run_parallel[T](calls: list[Callable[[], T]]) -> list[T]:
    """What functions without arguments return, called at the same time as far as there are processors.

    Each call gets its share of the processors, in a forked process that sees all that this one has; its result must
    pickle. Elsewhere than on Linux, where a fork may not be safe, and on one processor, the calls follow one another
    here.

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
    share = max(1, cores // len(calls))
    with ProcessPoolExecutor(min(cores, len(calls)), get_context("fork"), _settle, (calls, share)) as pool:
        futures = [pool.submit(_call, number) for number in range(len(calls))]
        try:
            return [warn_again(*future.result()) for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)


_calls = []  # of a forked process: what it may be asked to do, which a fork need not pickle


def _settle(calls, cores):
    os.environ["MIXTURE_CORES"] = str(cores)
    _calls[:] = calls


def _call(number):
    return call_and_catch(_calls[number])


def call_and_catch[T](call: Callable[[], T]) -> tuple[T, list[Warning]]:
    """What a call returns, and what it warned of, for another process."""
    with warnings.catch_warnings(record=True) as caught:
        result = call()
    return result, [each.message for each in caught]


def warn_again[T](result: T, warned: list[Warning]) -> T:
    """What a call in another process returned; its warnings are issued here, where they are seen."""
    for message in warned:
        warnings.warn(message, stacklevel=3)
    return result
