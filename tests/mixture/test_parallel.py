"""Calls at once give what they give one after the other, and what goes wrong in one is told."""

import os
import signal
import warnings
from concurrent.futures.process import BrokenProcessPool
from functools import partial

import psutil
import pytest

from mixture.parallel import available_cores, run_parallel

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def share_and_process(number):
    return number, available_cores(), os.getpid()


@pytest.mark.parametrize("cores, calls, share", [(1, 3, 1), (2, 1, 2), (2, 2, 1), (2, 3, 1), (5, 2, 2)])
def test_each_call_gets_its_share_of_the_processors(monkeypatch, cores, calls, share):
    monkeypatch.setenv("MIXTURE_CORES", str(cores))
    numbers, shares, processes = zip(*run_parallel([partial(share_and_process, i) for i in range(calls)]), strict=True)
    assert numbers == tuple(range(calls)) and set(shares) == {share}
    assert (os.getpid() in processes) == (min(cores, calls) == 1)
    assert available_cores() == cores


def refuse():
    raise ValueError("no such mixture")


@pytest.mark.parametrize("calls", [[refuse, int], [int, refuse]])
def test_what_a_call_raises_is_raised_and_no_process_stays(monkeypatch, calls):
    monkeypatch.setenv("MIXTURE_CORES", "2")
    before = set(psutil.Process().children())
    with pytest.raises(ValueError, match="no such mixture"):
        run_parallel(calls)
    assert set(psutil.Process().children()) <= before


def warn():
    warnings.warn("only one component", UserWarning)
    return 1


@pytest.mark.parametrize("cores", [1, 2])
def test_what_a_call_warns_of_is_told_where_its_result_is_asked_for(monkeypatch, cores):
    monkeypatch.setenv("MIXTURE_CORES", str(cores))
    with pytest.warns(UserWarning, match="only one component"):
        assert run_parallel([warn, int]) == [1, 0]


def test_a_call_need_not_pickle(monkeypatch):
    monkeypatch.setenv("MIXTURE_CORES", "2")
    number = 3
    assert run_parallel([lambda: number, lambda: number + 1]) == [3, 4]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_call_is_told(monkeypatch):
    monkeypatch.setenv("MIXTURE_CORES", "2")
    with pytest.raises(BrokenProcessPool):
        run_parallel([int, die])
