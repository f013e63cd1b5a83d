"""Stopped at any moment by any signal, a run leaves no process, no half and no temporary file, and the next makes up for it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny
from tracked import Tracked

from helpers import load_posterior
from runner.folder import MANIFEST
from runner.reproduce import TIMED

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
MOMENTS = 20
# Stages that take a moment each, one with a child that would outlive its kernel.
PAUSE = "import time; time.sleep(0.3)"
CHILD = "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(0.5)"
FEW = {"n_samples": 100, "draws": 40, "tune": 40, "chains": 2, "em_starts": 3}


def untimed(manifest):
    """The hashes of a run's outputs that are the same each time."""
    return {name: content for name, content in manifest["hashes"]["outputs"].items() if name not in TIMED}


class Stoppable(Tracked):
    """A run that can be started, stopped after some seconds, and looked for among this machine's processes.

    Its temporary files go to a folder of their own, with a short name: the runner puts sockets there.
    """

    def __init__(self, root, *arguments):
        super().__init__()
        self.temporary = Path(tempfile.mkdtemp(prefix="stop-"))
        self.env["TMPDIR"] = str(self.temporary)
        self.root, self.folder = root, root / "run"
        self.command = [sys.executable, tiny.ROOT / "report.py", "run", "--out", self.folder, *arguments]

    def start(self):
        """The process of a new run, in a session of its own as in a terminal."""
        with open(self.root / "said", "w") as said:
            return subprocess.Popen(
                list(map(str, self.command)),
                cwd=self.root,
                env=self.env,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )

    def stop(self, number, seconds):
        """Send a signal after some seconds, SIGINT to all as Ctrl-C does; the exit status."""
        started = self.start()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(seconds)
        if started.poll() is None:
            (os.killpg if number == signal.SIGINT else os.kill)(started.pid, number)
        return started.wait(timeout=240)

    def kill(self):
        """End what is left, of processes and of files."""
        super().kill()
        shutil.rmtree(self.temporary)

    def assert_nothing_remains(self, after=""):
        """No process, soon, and then no temporary file."""
        assert self.nothing_remains(), f"{after} left {[p.cmdline() for p in self.processes()]}"
        left = [path.relative_to(self.temporary).as_posix() for path in self.temporary.rglob("*")]
        assert not left, f"{after} left {left}"

    def finish(self):
        """Run to the end; seconds taken."""
        begun = time.monotonic()
        assert self.start().wait(timeout=400) in (0, 3)
        return time.monotonic() - begun

    def outcome(self):
        """The hash of each stage and of each output, but for those that tell of time."""
        manifest = json.loads((self.folder / MANIFEST).read_text())
        assert manifest["status"] == "finished"
        assert not list(self.folder.glob(".*"))
        return manifest["hashes"]["stages"], untimed(manifest)


class StoppableSweep(Stoppable):
    """The same of a sweep of four points."""

    def __init__(self, root, *arguments):
        super().__init__(root)
        self.command = [sys.executable, tiny.ROOT / "report.py", "sweep", "s.yml", "--out", self.folder, *arguments]
        root.mkdir(exist_ok=True)
        (root / "s.yml").write_text("grid: {n_samples: [10, 20, 30, 40]}")

    def outcome(self):
        """What each point said, and the table without what a clock told."""
        points = {path.parent.name: json.loads(path.read_text()) for path in self.folder.glob(f"points/*/{MANIFEST}")}
        assert {manifest["status"] for manifest in points.values()} == {"finished"}
        assert not list(self.folder.glob("points/*/.*"))
        table = pq.read_table(self.folder / "results.parquet").to_pandas()
        told = table[[name for name in table if not name.startswith("seconds")]].to_json()
        return {name: untimed(manifest) for name, manifest in points.items()}, told


READERS = {
    ".json": lambda path: json.loads(path.read_text()),
    ".ipynb": lambda path: json.loads(path.read_text()),
    ".parquet": pq.read_table,
    ".nc": lambda path: load_posterior(path.parent),
    ".csv": lambda path: path.read_text(),
}


def read_all(folder):
    """Read every file that stands under its own name; what is half-written is hidden."""
    for path in filter(Path.is_file, [*folder.glob("[!.]*"), *folder.glob("points/*/[!.]*")]):
        READERS.get(path.suffix, lambda path: path.read_bytes())(path)
        if path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")


def shoot(each, number, seconds, expected):
    """Stop a run, see what is left, let another finish it, and hold that against an undisturbed one's outcome."""
    status = each.stop(number, seconds)
    each.assert_nothing_remains(f"{number!r} after {seconds:.2f} s (status {status})")
    if status == 128 + signal.SIGINT:
        said = (each.root / "said").read_text()
        assert said.endswith("interrupted; the next run continues\n") and "Traceback" not in said, said
    assert status in (0, 3, -number, 128 + number, 1 if number == signal.SIGINT else 0)  # 1: Ctrl-C while Python starts
    if each.folder.exists():
        read_all(each.folder)
    each.finish()
    assert each.outcome() == expected
    read_all(each.folder)
    each.assert_nothing_remains("the next run")


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_tiny_run_stopped_at_any_moment(tmp_path, tracked, number):
    notebooks = tiny.write_chain(tmp_path, draw=PAUSE, double=CHILD)
    undisturbed = tracked(Stoppable, tmp_path / "undisturbed", "--notebooks", notebooks)
    undisturbed.root.mkdir()
    length = undisturbed.finish()
    for i, moment in enumerate(np.random.default_rng(int(number)).uniform(0, length, MOMENTS)):
        root = tmp_path / str(i)
        root.mkdir()
        shoot(tracked(Stoppable, root, "--notebooks", notebooks), number, moment, undisturbed.outcome())


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_tiny_sweep_stopped_at_any_moment(tmp_path, tracked, number):
    notebooks = tiny.write_chain(tmp_path, draw=PAUSE, double=CHILD)
    undisturbed = tracked(StoppableSweep, tmp_path / "undisturbed", "--notebooks", notebooks)
    length = undisturbed.finish()
    for i, moment in enumerate(np.random.default_rng(int(number)).uniform(0, length, -(-MOMENTS // len(SIGNALS)))):
        shoot(
            tracked(StoppableSweep, tmp_path / str(i), "--notebooks", notebooks), number, moment, undisturbed.outcome()
        )


# The parent is killed while it ends its kernel, just after it has told the guard to.
DYING = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
import tiny
from tracked import Tracked
from runner.kernels import WarmKernel
from runner.folder import MANIFEST
open("n.ipynb", "w").write(json.dumps(tiny.notebook(
    tiny.cell("run_dir = ''", "parameters"), tiny.cell("import subprocess; subprocess.Popen(['sleep', '600'])"))))
with WarmKernel() as kernel:
    kernel.run("n.ipynb", "out.ipynb", {"run_dir": "."}, ".")
    kernel.scratch.guard.wait = lambda: os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kernel_is_ended_by_its_guard_alone(tmp_path, tracked):
    dying = tracked(Stoppable, tmp_path)
    dying.command = [sys.executable, "-c", DYING, tiny.ROOT / "tests" / "support"]
    assert dying.start().wait(timeout=240) == -signal.SIGKILL
    dying.assert_nothing_remains()


def test_the_real_chain_stopped_at_any_moment(tmp_path, tracked):
    arguments = [part for name, value in FEW.items() for part in ("-p", name, value)]
    undisturbed = tracked(Stoppable, tmp_path, *arguments)
    length = undisturbed.finish()
    expected = undisturbed.outcome()
    for number, moment in zip(SIGNALS, np.random.default_rng(1).uniform(0.2, 0.9, len(SIGNALS)) * length, strict=True):
        root = tmp_path / number.name
        root.mkdir()
        shoot(tracked(Stoppable, root, *arguments), number, moment, expected)
