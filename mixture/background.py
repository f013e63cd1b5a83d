"""Calls that another processor makes meanwhile: a second process stands by, with the same imports.

A report's kernel has it forked before it has a thread of its own (`stand_by`); elsewhere, as in JupyterLab, it is spawned
when it is first asked for anything. It lives as long as this process, from notebook to notebook in a warm kernel.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from mixture.parallel import available_cores, call_and_catch, warn_again

# Beside which a process may be forked: pyarrow's allocator takes its own locks for it, and gives them back after it.
SAFE_THREADS = {"jemalloc_bg_thd"}


class Background[T]:
    """A call that was asked for before its result is needed."""

    def __init__(self, call: Callable[[], T], waiting: Future | None = None):
        self._call, self._waiting = call, waiting

    def result(self) -> T:
        """What the call returns, or raises; made here if nobody has begun it."""
        if self._waiting is None or self._waiting.cancel():
            return self._call()
        try:
            return warn_again(*self._waiting.result())
        except BrokenProcessPool:  # killed, perhaps for its memory
            return self._call()


def start_in_background[T](function: Callable[..., T], *args: Any, **kwargs: Any) -> Background[T]:
    """Have a call made by the process that stands by, one after the other in the order they are asked for.

    Ask first for what is needed last: whoever needs a result that was not begun makes the call itself, so the two
    processes meet in the middle. On one processor each call is made where its result is asked for.

    Parameters
    ----------
    function : callable
        It and its arguments must pickle, as must what it returns. What is larger than some megabytes is better read there
        from a file: through the pipe between the processes it takes seconds, as each piece waits for this one's lock.
    *args, **kwargs

    Returns
    -------
    Background
    """
    call = partial(function, *args, **kwargs)
    if available_cores() < 2:
        return Background(call)
    return Background(call, _queue().submit(_call_there, partial(_call_in, os.getcwd(), call)))


def stand_by() -> None:
    """Start the second process now, if there is a processor for it: before this one has threads, so that it is forked."""
    if available_cores() > 1:
        _process().submit(int)


@cache
def _process():
    # A forked process has all imports at once, but waits forever for a lock that another thread held.
    way = "fork" if _threads() <= SAFE_THREADS else "spawn"
    return ProcessPoolExecutor(1, multiprocessing.get_context(way), _settle)


def _threads():
    """Names of this process's threads but the main one; where the system does not tell, a name that is not safe."""
    try:
        return {
            (task / "comm").read_text().strip()
            for task in Path("/proc/self/task").iterdir()
            if task.name != str(os.getpid())
        }
    except OSError:
        return {"unknown"}


@cache
def _queue():
    """Hands on one call at a time, so that those behind it can still be taken back."""
    return ThreadPoolExecutor(1, "background")


def _call_there(call):
    # A kernel that was reset has a main module without it, and to spawn a process asks for it.
    vars(sys.modules["__main__"]).setdefault("__spec__", None)
    return _process().submit(call_and_catch, call).result()


def _call_in(folder, call):
    """In the folder of who asks, so that relative paths mean the same."""
    os.chdir(folder)
    return call()


def _settle():
    """The second process has one processor, gives way to the first, and ends with it, however that one ended."""
    os.environ["MIXTURE_CORES"] = "1"
    os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who interrupts a cell means the first
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    wait([multiprocessing.parent_process().sentinel])
    os._exit(0)
