"""One warm kernel for many notebooks.

Starting a kernel and importing PyMC costs seconds; running one more notebook
in a kernel that is already up costs tenths. A `WarmKernel` is started once,
imports what the notebooks will need while its parent imports papermill (see
`runner.launcher`), and is wiped clean between notebooks. It talks over sockets
in a folder of its own (ports would be raced for by parallel runs), and when it
ends, for whatever reason, its whole process group ends: the process that stands
by and samplers' workers live there. The guard of its folder sees to that (see
`runner.scratch`), also where the parent itself is killed.
runner.papermill_engine is imported late: papermill takes a second, which the
kernel uses to import.
"""

import asyncio
import contextlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from queue import Empty
from typing import Any

import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.utils import run_sync

from mixture.show import UNATTENDED
from runner.errors import KernelDied, NotebookError
from runner.scratch import GuardedFolder, announced

READY_SECONDS = 300  # a cold machine without bytecode may import for minutes
# Our matrices are small: threads that share their algebra wait for each other, which has doubled a fit's seconds.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# Removes what would reach the next notebook: names, open figures, matplotlib's and the inline backend's settings.
# What was imported or compiled stays, frozen, so that no collection of garbage walks through it again; garbage goes first.
WIPE = """
import gc, sys
if "matplotlib.pyplot" in sys.modules:
    sys.modules["matplotlib.pyplot"].close("all")
    sys.modules["matplotlib"].rcdefaults()
if "matplotlib_inline.config" in sys.modules:
    inline = sys.modules["matplotlib_inline.config"].InlineBackend.instance()
    inline.figure_formats, inline.print_figure_kwargs = {"png"}, {"bbox_inches": "tight"}
gc.collect()
gc.freeze()
"""


class _ThisPython(KernelSpecManager):
    """Kernels of the running interpreter, whatever specs a user has installed, announced to a folder's guard."""

    def __init__(self, folder, modules):
        super().__init__()
        self.folder, self.modules = folder, modules

    def get_kernel_spec(self, kernel_name):
        command = [sys.executable, "-m", "runner.launcher", ",".join(self.modules), "-f", "{connection_file}"]
        return KernelSpec(argv=announced(command, self.folder), display_name="Python 3", language="python")


def kernel_environment(folder: Path) -> dict[str, str]:
    """The environment of a kernel whose temporary files go to `folder`; what a user has set stays."""
    env = ONE_THREAD | {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    flags = env.get("PYTENSOR_FLAGS", "")
    if "base_compiledir" not in flags:
        # PyTensor's compiled code carries no version stamp, so its folder must.
        cache = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        compiled = cache / "pytensor" / importlib.metadata.version("pytensor")
        env["PYTENSOR_FLAGS"] = ",".join(filter(None, [flags, f"base_compiledir={compiled}"]))
    # ipykernel sets the same, but only after what draws was imported.
    env.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    return env | {"IPYTHONDIR": str(folder), "TMPDIR": str(folder), UNATTENDED: "1"}


class WarmKernel:
    """A running kernel that executes one notebook after another.

        with WarmKernel(["pymc"]) as kernel:
            kernel.run("01_simulation.ipynb", "out.ipynb", {"seed": 1}, "runs/default")

    On leaving, by whatever way, the kernel and every process it started are gone.

    Parameters
    ----------
    modules : iterable of str
        What it imports before it begins; nobody waits for it until a notebook is run.
    environment : dict, optional
        Variables that the kernel sees beside its parent's.
    """

    def __init__(self, modules: Iterable[str] = (), environment: dict[str, str] | None = None):
        self.modules, self.environment = list(modules), environment or {}
        self.on_progress = None  # called with each line that tells how far a long cell has come

    def __enter__(self):
        self.scratch = GuardedFolder("chain-")
        self.folder = self.scratch.folder
        self.manager = AsyncKernelManager(
            transport="ipc",
            ip=str(self.folder / "k"),
            connection_file=str(self.folder / "k.json"),
            kernel_spec_manager=_ThisPython(self.folder, self.modules),
        )
        self.client, self._is_ready = None, False
        try:
            run_sync(self.manager.start_kernel)(
                cwd=str(self.folder),
                env=kernel_environment(self.folder) | self.environment,
                # It would say on the terminal that its parent is gone.
                extra_arguments=["--HistoryManager.enabled=False", "--IPKernelApp.log_level=ERROR"],
            )
            self.client = self.manager.client()
            self.client.start_channels()
            self.client.allow_stdin = False
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        loop = asyncio.get_event_loop()
        pending = asyncio.all_tasks(loop)
        for task in pending:  # an interrupted wait, which would complain at exit
            task.cancel()
        with contextlib.suppress(BaseException):
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        if self.client is not None:
            self.client.stop_channels()
        run_sync(self.manager.cleanup_resources)()

    def kill(self) -> None:
        """End the kernel with all that it started, and remove its folder; leaving still has to clear up."""
        # Before the kernel is waited for: its process number may then be given to another process.
        self.scratch.remove()
        provisioner = self.manager.provisioner
        if provisioner is not None and provisioner.process is not None:
            provisioner.process.wait()

    def is_alive(self) -> bool:
        """Whether the kernel's process is there."""
        provisioner = self.manager.provisioner
        return provisioner is not None and provisioner.process is not None and provisioner.process.poll() is None

    def memory(self) -> int:
        """Bytes of memory that the kernel's process holds; 0 if it is not there."""
        try:
            return psutil.Process(self.manager.provisioner.pid).memory_info().rss if self.is_alive() else 0
        except psutil.NoSuchProcess:
            return 0

    def run(
        self,
        notebook: str | os.PathLike,
        output: str | os.PathLike,
        parameters: dict[str, Any],
        folder: str | os.PathLike,
    ) -> None:
        """Execute one notebook with `folder` as the kernel's working directory.

        Parameters
        ----------
        notebook, output : path-like
            What to execute, and where papermill writes it when it has ended.
        parameters : dict
            Plain Python values for the cell tagged `parameters`.
        folder : path-like

        Raises
        ------
        NotebookError
            A cell raised; the output shows it.
        KernelDied
            The kernel's process ended. The output's last started cell carries
            an error output; nothing else in it says so.
        """
        from runner import papermill_engine

        self.warm_up()
        run_sync(self._wipe)(os.path.realpath(folder))
        papermill_engine.execute(self, notebook, output, parameters)

    def warm_up(self) -> None:
        """Import papermill while the kernel imports, then wait for the kernel."""
        from runner import papermill_engine  # noqa: F401

        if not self._is_ready:
            run_sync(self._wait_until_ready)()

    async def _wipe(self, folder):
        # It leaves no names; the last run's folder may be gone.
        code = f"__import__('os').chdir({folder!r}); get_ipython().reset(new_session=True); exec({WIPE!r}, {{}})"
        reply = await self._ask(self.client.execute(code, silent=True))
        if reply["content"]["status"] != "ok":
            raise NotebookError(reply["content"]["ename"], reply["content"]["evalue"])

    async def _wait_until_ready(self):
        """Wait for an answer on both channels: outputs sent before iopub is connected are lost."""
        for _ in range(READY_SECONDS):
            await self._ask(self.client.kernel_info())
            with contextlib.suppress(Empty):
                await self.client.get_iopub_msg(timeout=1)
                self._is_ready = True
                return
        raise KernelDied("the kernel did not start")

    async def _ask(self, message):
        """The reply to a message already sent, or `KernelDied`."""
        while True:
            try:
                reply = await self.client.get_shell_msg(timeout=0.5)
            except Empty:
                if not await self.manager.is_alive():
                    raise KernelDied("the kernel died before the first cell") from None
            else:
                if reply["parent_header"].get("msg_id") == message:
                    return reply
