"""A guarded folder goes with its process, and takes along what announced itself in it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from runner.scratch import GUARD, GuardedFolder, announced

pytestmark = pytest.mark.timeout(120)

# Owns a folder in which an announced process, and a child of it, write new files without end; then says so and waits.
OWNER = """
import subprocess, sys, time
from runner.scratch import GuardedFolder, announced
scratch = GuardedFolder("test-")
writing = 'write() { n=0; while :; do n=$((n + 1)); echo > "$1/$2$n"; done; }; write "$1" a & write "$1" b'
command = ["/bin/sh", "-c", writing, "writer", str(scratch.folder)]
writer = subprocess.Popen(announced(command, scratch.folder), start_new_session=True)
while not (scratch.folder / "b1").exists():
    time.sleep(0.01)
print(scratch.folder, writer.pid, flush=True)
time.sleep(600)
"""


def _wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _members(group):
    return [each for each in psutil.process_iter() if _group(each.pid) == group and each.status() != "zombie"]


def _group(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_a_folder_ends_with_its_block():
    with GuardedFolder("test-") as scratch:
        (scratch.folder / "below").mkdir()
        assert scratch.folder.stat().st_mode & 0o777 == 0o700
    assert not scratch.folder.exists() and scratch.guard.poll() == 0
    scratch.remove()  # harmless


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_neither_folder_nor_writer(number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    folder, group = owner.stdout.readline().split()
    assert len(_members(int(group))) >= 2
    owner.send_signal(number)
    owner.communicate()
    _wait_until(lambda: not list(Path(folder).parent.glob(f"{Path(folder).name}*")) and not _members(int(group)))


def test_who_comes_too_late_to_announce_itself_does_not_start(tmp_path):
    with GuardedFolder("test-") as scratch:
        command = announced(["touch", str(tmp_path / "started")], scratch.folder)
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0
    assert not (tmp_path / "started").exists()


def test_the_guard_of_who_is_gone_before_it_speaks_leaves_nothing(tmp_path):
    """Ctrl-C while the guard starts: nobody reads that the folder is made."""
    reads, writes = os.pipe()
    os.close(reads)
    guard = subprocess.Popen(
        ["/bin/sh", "-c", GUARD, str(tmp_path / "x")],
        stdin=subprocess.DEVNULL,
        stdout=writes,
        stderr=subprocess.DEVNULL,
    )
    os.close(writes)
    guard.wait(timeout=60)
    assert list(tmp_path.iterdir()) == []
