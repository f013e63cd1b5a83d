"""A point in a worker process, and the warm kernel that the worker keeps from point to point.

A kernel ends when its worker does, however that ends (see `runner.kernels`), when
the code that it has imported is edited, when it has grown too large, and after a
while without a point, so that a cluster that outlives the sweep does not keep it.
"""

import contextvars
import threading
import time
from pathlib import Path

from mixture.messages import InputError
from parameters import Parameters
from runner.errors import ChainError, FolderBusy
from runner.kernels import ONE_THREAD, WarmKernel
from runner.provenance import code_hash
from runner.run import run_chain
from runner.stages import read_chain, stage_modules

IDLE_SECONDS = 60.0  # without a point, after which a kernel ends
MAX_BYTES = 2 << 30  # of memory, beyond which a kernel is replaced: it keeps all that it has compiled
BUSY_SECONDS = 600.0  # seconds to wait for another run that is at work on the same point
# Points run in parallel, each on one core.
ONE_CORE = {**ONE_THREAD, "MIXTURE_CORES": "1", "NUMBA_NUM_THREADS": "1"}


class _ThreadKernel(threading.local):
    """The kernel that this thread of a worker keeps, and the context that the kernel's sockets live in."""

    def __init__(self):
        self.kernel = self.code = self.timer = None
        # Dask gives each task a context of its own; an event loop is found again only in the one that it was made in.
        self.context = contextvars.copy_context()

    def start(self, stages):
        """The kernel, started if there is none that can run these stages."""
        if self.timer is not None:
            self.timer.cancel()
        code = code_hash(stages)
        if self.kernel is not None and not (self.code == code and self.kernel.memory() in range(1, MAX_BYTES)):
            self.close()
        if self.kernel is None:
            self.kernel, self.code = WarmKernel(stage_modules(stages), ONE_CORE).__enter__(), code
        return self.kernel

    def end_later(self):
        """End the kernel unless a next point comes within `IDLE_SECONDS`."""
        if self.kernel is not None:
            self.timer = threading.Timer(IDLE_SECONDS, self.kernel.kill)
            self.timer.daemon = True
            self.timer.start()

    def close(self):
        """End the kernel and clear up after it."""
        kernel, self.kernel = self.kernel, None
        kernel.__exit__()


_thread_kernel = _ThreadKernel()


def run_point(parameters: Parameters, folder: str, notebooks: str, page: bool = False, force: bool = False) -> str:
    """Bring one point's run folder up to date in this thread's warm kernel.

    Parameters
    ----------
    parameters : Parameters
    folder, notebooks : str
        Absolute, on a file system that all workers share.
    page : bool
        Whether to write the point's report.html too.
    force : bool
        Run every stage, whatever its record says.

    Returns
    -------
    str
        What went wrong, in one line; empty if nothing did. A point that fails is a
        result of the sweep, not its end.
    """
    return _thread_kernel.context.run(_run_point, parameters, Path(folder), Path(notebooks), page, force)


def _run_point(parameters, folder, notebooks, page, force):
    try:
        _run_in_kernel(parameters, folder, notebooks, page, force)
    except Exception as error:  # it ends this point only
        lines = str(error).strip().splitlines() or [""]
        known = isinstance(error, (ChainError, InputError))
        return lines[0] if known else f"{type(error).__name__}: {lines[0]}"
    finally:
        _thread_kernel.end_later()
    return ""


def _run_in_kernel(parameters, folder, notebooks, page, force):
    """Run the chain; once more in a new kernel if the kernel died, and once the folder is free if it was not."""
    stages, deadline, died = read_chain(notebooks), time.monotonic() + BUSY_SECONDS, False
    while True:
        kernel = _thread_kernel.start(stages)
        try:
            return run_chain(parameters, folder, notebooks, force, kernel, page=page)
        except FolderBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        except Exception:
            if died or kernel.is_alive():
                raise
            died = True
