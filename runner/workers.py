"""A point in a worker process, and the warm kernel that the worker keeps from point to point.

home
    what one thread of a worker keeps: a kernel, and the context that its sockets live in

A kernel ends when its worker does, however that ends (see `runner.kernels`), when
the code that it has imported is edited, when it has grown too large, and after a
while without a point, so that a cluster that outlives the sweep does not keep it.
"""

import contextvars
import threading
import time
from pathlib import Path

from runner import chain
from runner.kernels import WarmKernel

IDLE_SECONDS = 60.0   # without a point, after which a kernel ends
MOST_BYTES = 2 << 30  # of memory, beyond which a kernel is replaced: it keeps all that it has compiled
PATIENCE = 600.0      # seconds to wait for another run that is at work on the same point
# Points run side by side, so that each has one core.
ONE_CORE = dict.fromkeys(("MIXTURE_CORES", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                          "NUMBA_NUM_THREADS"), "1")


class _Home(threading.local):
    """What this thread keeps."""

    def __init__(self):
        self.kernel = self.code = self.timer = None
        # Dask gives each task a context of its own; an event loop is found again only in the one that it was made in.
        self.context = contextvars.copy_context()

    def open(self, stages):
        """This thread's kernel, started if there is none that can run these stages."""
        if self.timer is not None:
            self.timer.cancel()
        code = chain.code_hash(stages)
        if self.kernel is not None and not (self.code == code and self.kernel.memory() in range(1, MOST_BYTES)):
            self.close()
        if self.kernel is None:
            kernel = WarmKernel(ONE_CORE).__enter__()
            kernel.preload(chain.imported_modules(stages))
            self.kernel, self.code = kernel, code
        return self.kernel

    def rest(self):
        """Keep the kernel for the next point, for a while."""
        if self.kernel is not None:
            self.timer = threading.Timer(IDLE_SECONDS, self.kernel.kill)
            self.timer.daemon = True
            self.timer.start()

    def close(self):
        """End the kernel and clear up after it."""
        kernel, self.kernel = self.kernel, None
        kernel.__exit__()


_home = _Home()


def run_point(parameters, folder, notebooks, page=False, force=False):
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
    return _home.context.run(_run_point, parameters, Path(folder), Path(notebooks), page, force)


def _run_point(parameters, folder, notebooks, page, force):
    try:
        _run_in_kernel(parameters, folder, notebooks, page, force)
    except Exception as error:  # whatever it is, it is this point's alone
        lines = str(error).strip().splitlines() or [""]
        known = isinstance(error, (chain.ChainError, chain.InputError))
        return lines[0] if known else f"{type(error).__name__}: {lines[0]}"
    finally:
        _home.rest()
    return ""


def _run_in_kernel(parameters, folder, notebooks, page, force):
    """Run the chain; once more in a new kernel if the kernel died, and once the folder is free if it was not."""
    stages, deadline, died = chain.read_chain(notebooks), time.monotonic() + PATIENCE, False
    while True:
        kernel = _home.open(stages)
        try:
            return chain.run(parameters, folder, notebooks, force, kernel, page=page)
        except chain.Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        except Exception:
            if died or kernel.is_alive():
                raise
            died = True
