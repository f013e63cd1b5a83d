"""Whole reports on samples that are hard to sample, against a bare script on an easy one.

Claims: forced, on warm caches, galaxies with 2 to 6 components take at most 1.5
times as long as the bare script, 500 rounded values with 7 components 2.5
times, and params/overlapping.yml with its comparison of numbers of components
twice as long; and every one of them can be trusted.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.results import keep
from benchmarks.whole_report import BARE, ROOT, seconds_of

REPEATS = 3


def heaps(folder):
    """500 values in two groups, rounded to whole numbers."""
    rng = np.random.default_rng(20160508)
    values = np.round(np.concatenate([rng.normal(50, 3, 250), rng.normal(60, 5, 250)]))
    path = Path(folder) / "heaps.csv"
    pd.DataFrame({"value": values}).to_csv(path, index=False)
    return path


def timed_report(arguments, out):
    """Seconds of a forced report, and whether it is trusted."""
    command = [sys.executable, "report.py", "run", *map(str, arguments), "--out", str(out), "--force"]
    begun = time.perf_counter()
    status = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).returncode
    return time.perf_counter() - begun, status == 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        reports = {
            f"galaxies, K = {k}": (["-p", "data", "data/galaxies.csv", "-p", "n_components", k], 1.5)
            for k in range(2, 7)
        }
        reports["heaps, K = 7"] = (["-p", "data", heaps(folder), "-p", "n_components", 7], 2.5)
        reports["overlapping"] = (["params/overlapping.yml"], 2.0)
        seconds_of([sys.executable, BARE], ROOT), timed_report(["params/default.yml"], Path(folder) / "warm")
        found = {name: [] for name in ("bare script", *reports)}
        for _ in range(REPEATS):  # in turn, so that a slow minute of the machine hits all
            found["bare script"].append((seconds_of([sys.executable, BARE], ROOT), True))
            for name, (arguments, _) in reports.items():
                found[name].append(timed_report(arguments, Path(folder) / name.replace(" ", "")))
    rows = [
        {
            "what": name,
            "seconds": statistics.median(seconds for seconds, _ in each),
            "trusted": sum(trusted for _, trusted in each) / len(each),
        }
        for name, each in found.items()
    ]
    time_of = {row["what"]: row["seconds"] for row in rows}
    ratios = {
        f"bare script against {name}, times {limit:g}": (limit * time_of["bare script"] / time_of[name], 1)
        for name, (_, limit) in reports.items()
    }
    ratios["share of hard reports that are trusted"] = (float(np.mean([row["trusted"] for row in rows])), 1)
    keep("hard_reports", rows, ratios)


if __name__ == "__main__":
    main()
