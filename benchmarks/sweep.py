"""Sweeps against a plain loop over papermill's command line, a second worker against one, and the engine's own share.

Claims: points per minute at least 12 times those of a loop that runs the same four
notebooks through papermill's command line one after the other; at least 1.7 times
from the second worker; at most 0.1 s a point for the engine itself, which is a
sweep of notebooks that do nothing against the same notebooks in one warm kernel.
All sides run here, in turn, on the same points, by their command lines; starting a cluster counts, and the sweep's report.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from benchmarks.results import keep
from runner.provenance import folder_parameters
from runner.run import run_chain
from runner.stages import ROOT, read_chain
from runner.sweep import grid
from runner.sweep import run as sweeps
from runner.sweep.results import RESULTS
from runner.sweep.workers import ONE_CORE, WarmKernel

POINT = {"chains": 2, "draws": 100, "tune": 100, "em_starts": 3}
EMPTY = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"chain": {}, "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {
            "cell_type": "code",
            "id": "p",
            "metadata": {"tags": ["parameters"]},
            "outputs": [],
            "execution_count": None,
            "source": "seed = 0\nrun_dir = '.'",
        }
    ],
}


def points(folder, count, **fixed):
    """A sweep of so many points that differ in their seed."""
    path = Path(folder) / "sweep.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "params": str(ROOT / "params" / "default.yml"),
                "fixed": fixed,
                "grid": {"seed": list(range(1, count + 1))},
            }
        )
    )
    return grid.read_sweep(path)


def swept(folder, count, workers):
    """Seconds of a sweep's command from nothing, its cluster and its report included; all of its points must have finished."""
    folder.mkdir()
    points(folder, count, **POINT)
    command = [sys.executable, "report.py", "sweep", str(folder / "sweep.yml"), "--out", str(folder / "out")]
    begun = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, "MIXTURE_CORES": str(workers)}, capture_output=True)
    seconds = time.perf_counter() - begun
    rows = pd.read_parquet(folder / "out" / RESULTS)
    assert set(rows["status"]) == {"finished"} and rows["point"].nunique() == count
    return seconds


def looped(sweep, folder):
    """Seconds of papermill's command line over the four notebooks, point after point, with all cores."""
    os.environ.pop("MIXTURE_CORES", None)
    begun = time.perf_counter()
    for point in sweep.points:
        place = Path(folder) / point.name
        place.mkdir(parents=True)
        values = folder_parameters(point.parameters, place)
        for stage in read_chain():
            given = yaml.safe_dump({name: values[name] for name in stage.parameters})
            command = [sys.executable, "-m", "papermill", stage.path, stage.notebook, "-y", given, "--no-progress-bar"]
            subprocess.run(command, cwd=place, check=True, capture_output=True)
    return time.perf_counter() - begun


class Clock(sweeps.SweepListener):
    """Remembers when each point ended."""

    def __init__(self):
        self.ends = []

    def point(self, counts, left, seconds):
        self.ends.append(time.perf_counter())


def engine_share(folder, count):
    """Seconds a point of the engine alone: an empty chain in a sweep with one worker, less the same in one kernel.

    Medians over the points after the first, which waits for the kernel.
    """
    notebooks = Path(folder) / "notebooks"
    notebooks.mkdir()
    (notebooks / "01_empty.ipynb").write_text(json.dumps(EMPTY))
    sweep, clock = points(folder, count), Clock()
    os.environ["MIXTURE_CORES"] = "1"
    sweeps.run_sweep(sweep, Path(folder) / "empty", notebooks, listener=clock)
    alone = []
    with WarmKernel(environment=ONE_CORE) as kernel:
        kernel.warm_up()
        for point in sweep.points:
            begun = time.perf_counter()
            run_chain(point.parameters, Path(folder) / "alone" / point.name, notebooks, kernel=kernel, page=False)
            alone.append(time.perf_counter() - begun)
    swept_each, alone_each = float(np.median(np.diff(clock.ends))), float(np.median(alone[1:]))
    return {"empty chain in a sweep": swept_each, "in one kernel": alone_each, "share": swept_each - alone_each}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--points", type=int, default=44, help="of a sweep; that is how many the studies' sweeps have, on average"
    )
    parser.add_argument("--looped", type=int, default=3, help="of the plain loop")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        share = engine_share(folder, 40)
        loop = looped(points(folder, wanted.looped, **POINT), folder / "loop") / wanted.looped
        two = swept(folder / "two", wanted.points, 2) / wanted.points
        one = swept(folder / "one", wanted.points, 1) / wanted.points
    rows = [
        {"points": "papermill's command line", "seconds": loop},
        {"points": "sweep, one worker", "seconds": one},
        {"points": "sweep, two workers", "seconds": two},
        {"points": "empty chain", **share},
    ]
    keep(
        "sweep",
        rows,
        {
            "points per minute against papermill's command line": (loop / two, 12),
            "two workers against one": (one / two, 1.7),
            "0.1 s against what the engine adds to a point": (0.1 / max(share["share"], 1e-3), 1),
        },
    )


if __name__ == "__main__":
    main()
