"""Sweeps that are shot at: no finished point is lost or run twice, nothing half-written is read, no process stays."""

import functools
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

import psutil
import pytest
import tiny
from distributed import Client
from tracked import Tracked

from mixture.atomic import read_json
from runner.folder import MANIFEST
from sweeps import House, write

pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow

SIZES = "grid: {n_samples: [10, 20, 30, 40, 50, 60]}"
# Notebook 2 of a point of 30 or more waits until it is told to go on.
WAIT = """
import os, time
size = int(open('numbers.txt').read()) - 20160508
while size >= 30 and not os.path.exists('../../../../go'): time.sleep(0.05)
"""


class Shot(Tracked):
    """A sweep of six tiny points, four of which wait; it can be watched and killed."""

    def __init__(self, root, draw="", double=WAIT, notebooks=True):
        super().__init__()
        self.root = root
        self.house = House(root, draw=draw, double=double) if notebooks else None
        self.env["DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT"] = "3s"
        self.env["MIXTURE_CORES"] = "2"  # two points at a time, whatever the other tests take

    def start(self, *arguments, text=SIZES):
        write(self.root, text)
        command = [sys.executable, tiny.ROOT / "report.py", "sweep", "s.yml", "--notebooks", self.house.notebooks]
        self.process = subprocess.Popen(
            list(map(str, [*command, *arguments])),
            cwd=self.root,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return self.process

    def until(self, ready, seconds=240):
        """Wait for something to be true, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := ready():
                return found
            time.sleep(0.05)
        raise AssertionError("waited in vain")

    def two_are_done(self):
        """Wait until the two points that need not wait are done, and two others are at it."""
        self.until(lambda: len(self.finished()) == 2 and len(list(self.house.out.glob("points/*/numbers.txt"))) == 4)

    def finished(self):
        """Name and time of each finished point."""
        return {
            path.parent.name: path.stat().st_mtime_ns
            for path in self.house.out.glob(f"points/*/{MANIFEST}")
            if (read_json(path) or {}).get("status") == "finished"
        }

    def go(self):
        (self.root / "go").touch()

    def end(self):
        """Let the points go on, and wait; status, and what was said on both channels."""
        self.go()
        out, err = self.process.communicate(timeout=400)
        return self.process.returncode, out, err

    def nothing_stays(self):
        assert self.nothing_remains()
        assert self.process.returncode < 0 or not list(self.house.out.glob("points/*/.*"))


@pytest.fixture
def shot(tmp_path, tracked):
    return functools.partial(tracked, Shot, tmp_path)


def ends_well(shot, again=()):
    """All six points are finished in the end, and each ran once, those that were shot at perhaps again."""
    status, out, said = shot.end()
    assert (status, out.splitlines()[0]) == (0, "6 points: 6 trusted")
    assert len(shot.finished()) == 6
    assert shot.house.table()["status"].tolist() == ["finished"] * 6
    ran = shot.house.ran()
    assert set(ran) == {10, 20, 30, 40, 50, 60} and ran.count(10) == ran.count(20) == 1
    assert all(ran.count(size) == 1 for size in set(ran) - set(again) - {30, 40})
    return said


# -- killed -----------------------------------------------------------------------------------


@pytest.mark.longer
@pytest.mark.parametrize("victim", ["worker", pytest.param("kernel", marks=slow)])
def test_a_worker_or_a_kernel_that_is_killed_costs_no_point(shot, victim):
    sweep = shot()
    sweep.start()
    sweep.two_are_done()
    kernels = sweep.processes("runner.launcher")
    killed = kernels[0] if victim == "kernel" else kernels[0].parent()
    killed.kill()
    if victim == "worker":
        sweep.until(lambda: not kernels[0].is_running() or kernels[0].status() == psutil.STATUS_ZOMBIE)
    ends_well(sweep)
    sweep.nothing_stays()


@pytest.mark.longer
@pytest.mark.parametrize(
    "name, status", [("SIGKILL", -9), pytest.param("SIGTERM", 143, marks=slow), pytest.param("SIGINT", 130, marks=slow)]
)
def test_a_sweep_that_is_stopped_continues_where_it_was(shot, name, status):
    sweep = shot()
    process = sweep.start()
    sweep.two_are_done()
    done = sweep.finished()
    process.send_signal(signal.Signals[name])
    _, said = process.communicate(timeout=240)
    assert process.returncode == status
    if status > 0:
        assert said.splitlines()[-1] == "interrupted; the next run continues"
        assert sorted(sweep.house.table()["status"]) == ["finished"] * 2 + ["not run"] * 4
    sweep.nothing_stays()
    sweep.start()
    assert "6 points: 2 done, 4 to run" in ends_well(sweep)
    assert done.items() <= sweep.finished().items()
    sweep.nothing_stays()


@slow
@pytest.mark.parametrize(
    "victim, why", [("os.getppid()", "its worker died 4 times"), ("os.getpid()", "the kernel died in cell")]
)
def test_a_point_that_kills_its_worker_or_kernel_each_time_is_given_up(shot, victim, why):
    twenty = "int(open('numbers.txt').read()) - 20160508 == 20"
    sweep = shot(double=f"import os, signal\nif {twenty}: os.kill({victim}, signal.SIGKILL)")
    sweep.start()
    status, out, _ = sweep.end()
    assert status == 1 and "6 points: 1 failed, 5 trusted" in out
    (line,) = re.findall("  failed: .*", out)
    assert "n_samples 20" in line and why in line
    assert sorted(sweep.house.table()["status"]) == ["failed"] + ["finished"] * 5
    sweep.nothing_stays()


# -- a scheduler of its own -------------------------------------------------------------------


@pytest.fixture
def cluster(shot):
    """A real scheduler and two workers on the loopback, in a sweep's environment; address and processes."""
    running = []

    def make(sweep):
        address = sweep.root / f"{uuid.uuid4().hex}.json"
        here = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(address)]
        quiet = {"cwd": "/", "env": sweep.env, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        scheduler, *workers = (
            subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{kind}", *here, *more], **quiet)
            for kind, more in (
                ("scheduler", ["--port", "0"]),
                *[("worker", ["--nthreads", "1", "--death-timeout", "30"])] * 2,
            )
        )
        running.extend([scheduler, *workers])
        found = sweep.until(lambda: (read_json(address) or {}).get("address"))
        with Client(
            found, timeout=120
        ) as client:  # a worker that came late could be given 20 behind a point that waits
            client.wait_for_workers(len(workers), timeout=120)
        return found, scheduler, workers

    yield make
    for process in running:
        process.kill()
        process.wait()


def ends_well_on(sweep, *processes):
    """The sweep ends well, and nothing of it stays once its cluster is told to go."""
    ends_well(sweep)
    for process in processes:
        process.terminate()
    sweep.nothing_stays()


@slow
def test_a_cluster_runs_the_points_and_a_scheduler_that_goes_takes_none_along(shot, cluster):
    sweep = shot()
    address, scheduler, _ = cluster(sweep)
    process = sweep.start("--scheduler", address)
    sweep.two_are_done()
    done = sweep.finished()
    listening = {
        where.laddr.ip
        for each in sweep.processes()
        for where in each.net_connections("inet")
        if where.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    scheduler.kill()
    _, said = process.communicate(timeout=240)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "the scheduler is gone; run the sweep again to continue"
    sweep.go()  # Dask's workers end when they find the scheduler gone and their point done
    sweep.nothing_stays()
    address, scheduler, workers = cluster(sweep)
    sweep.start("--scheduler", address)
    ends_well_on(sweep, *workers, scheduler)
    assert done.items() <= sweep.finished().items()


@slow
def test_a_worker_of_a_cluster_that_is_killed_costs_no_point(shot, cluster):
    sweep = shot()
    address, scheduler, workers = cluster(sweep)
    sweep.start("--scheduler", address)
    sweep.two_are_done()
    sweep.processes("runner.launcher")[0].parent().kill()
    ends_well_on(sweep, *workers, scheduler)


# -- no room, no turn -------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = (
        shutil.which("mount")
        and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True).returncode
        == 0
    )
    if not mounted:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@slow
def test_a_full_disk_fails_the_point_that_fills_it_and_no_other(shot, small_disk):
    sweep = shot(draw="\nif n_samples == 60: open('numbers.txt', 'wb').write(bytes(5_000_000))", double="")
    sweep.env["MIXTURE_CORES"] = "1"  # one point after the other, so that no other meets the full disk
    sweep.house.out = small_disk / "s"
    text = "grid: {n_samples: [10, 20, 60, 70]}"
    sweep.start("--out", sweep.house.out, text=text)
    status, out, _ = sweep.end()
    done = sweep.finished()
    assert status == 1 and "4 points: 1 failed, 3 trusted" in out and len(done) == 3
    (line,) = re.findall("  failed: .*", out)
    assert "n_samples 60" in line and "No space left on device" in line
    assert not [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000]
    sweep.nothing_stays()
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    sweep.start("--out", sweep.house.out, text=text)
    assert sweep.end()[0] == 0, "there is room now"
    assert done.items() <= sweep.finished().items()


@slow
def test_the_second_of_two_sweeps_on_one_folder_is_refused(shot):
    first, second = shot(), None
    first.start()
    first.two_are_done()
    second = shot(notebooks=False)
    second.house = first.house
    process = second.start()
    _, said = process.communicate(timeout=240)
    assert (process.returncode, said) == (1, "another run is at work in runs/s\n")
    ends_well(first)
    first.nothing_stays()
