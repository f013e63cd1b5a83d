"""A call in the background gives what it gives here, whoever makes it, and its process never outlives this one."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import psutil
import pytest

from mixture import background
from mixture.background import start_in_background
from mixture.show import figures
from runner.kernels import ONE_THREAD
from runner.stages import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setenv("MIXTURE_CORES", "2")


def begun(*arguments):
    """A call that the other process is about to make: nobody takes it back."""
    call = start_in_background(*arguments)
    while not (call._waiting.running() or call._waiting.done()):
        time.sleep(0.01)
    return call


def process_after(seconds=0.0):
    time.sleep(seconds)
    return os.getpid()


def test_one_core_makes_the_call_where_its_result_is_asked_for(monkeypatch):
    monkeypatch.setenv("MIXTURE_CORES", "1")
    assert start_in_background(process_after).result() == os.getpid()


@pytest.mark.longer
def test_a_call_that_was_not_begun_is_made_here_and_the_others_there():
    first, second = begun(process_after, 2), start_in_background(process_after)
    assert second.result() == os.getpid() != first.result()
    assert begun(process_after).result() == first.result()


def refuse():
    raise ValueError("no such mixture")


def warn():
    warnings.warn("only one component", UserWarning)


def test_what_a_call_raises_or_warns_of_is_told_where_its_result_is_asked_for():
    with pytest.raises(ValueError, match="no such mixture"):
        begun(refuse).result()
    with pytest.warns(UserWarning, match="only one component"):
        begun(warn).result()


def test_its_random_numbers_are_those_of_this_process():
    rng, same = np.random.default_rng(1), np.random.default_rng(1)
    assert begun(rng.random, 5).result().tolist() == same.random(5).tolist()


def test_a_relative_path_means_the_same_there(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("here")
    begun(os.getcwd).result()  # the process is there, in another folder
    monkeypatch.chdir(tmp_path)
    assert begun(Path("x").read_text).result() == "here"


def some_figure(values):
    figure, ax = plt.subplots()
    ax.plot(values)
    return figure


def test_a_drawing_is_the_figure_that_is_drawn_here():
    values, open_before = np.arange(50) ** 2, plt.get_fignums()
    there = begun(figures.drawing, some_figure, values).result()
    assert there == figures.drawing(some_figure, values)
    assert plt.get_fignums() == open_before


@pytest.mark.longer
def test_a_killed_process_leaves_the_call_to_this_one(monkeypatch):
    background._process.cache_clear()  # this test's own
    there = begun(process_after).result()
    long = begun(process_after, 3)
    os.kill(there, signal.SIGKILL)
    assert long.result() == os.getpid()
    background._process.cache_clear()


@pytest.mark.parametrize(
    "before, has_them", [("", True), ("threading.Thread(target=time.sleep, args=[30], daemon=True).start()", False)]
)
def test_the_process_has_the_imports_of_this_one_unless_a_thread_forbids_to_fork(before, has_them):
    code = f"import os, threading, time, wave; from mixture import background\n{before}\n"
    code += (
        'background.stand_by(); call = background.start_in_background(eval, \'"wave" in __import__("sys").modules\')\n'
    )
    code += "while not call._waiting.done(): time.sleep(0.05)\nprint(call.result(), flush=True); os._exit(0)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=60
    )
    assert told.stdout.split() == [str(has_them)], told.stderr


@pytest.mark.longer
@pytest.mark.parametrize("early", ["", "background.stand_by(); "])
def test_the_process_ends_with_a_killed_parent(early):
    code = f"from mixture import background; import os, time; {early}call = background.start_in_background(os.getpid)\n"
    code += "time.sleep(2); print(call.result(), flush=True); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True
    )
    there = psutil.Process(int(parent.stdout.readline()))
    assert there.pid != parent.pid
    parent.kill()
    parent.wait()
    there.wait(timeout=10)
