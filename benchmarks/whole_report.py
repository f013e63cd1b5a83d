"""The whole report against a bare script, a new sentence and a new sample against the whole report, and peak memory.

Claims: forced, on warm caches, four notebooks and the page take no longer than
a bare script that fits the same model; a changed sentence in notebook 3 takes
under 6 seconds; no stage needs more than 1 GiB. With ``--cold``, a clean clone
to a finished report, set-up included, against `pip install` of the same
packages and the bare script: at most 0.4 times.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks.results import keep

ROOT = Path(__file__).resolve().parent.parent
BARE = ROOT / "benchmarks" / "bare_script.py"
REPEATS = 5


def seconds_of(command, folder, **options):
    """Wall seconds of a command; status 3, a report not to be trusted, is a report."""
    begun = time.perf_counter()
    status = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, **options)
    if status.returncode not in (0, 3):
        raise RuntimeError(status.stderr[-2000:])
    return time.perf_counter() - begun


def watched(command, folder):
    """Peak memory in MiB of a command and all its children, by the stage that stderr told last; shared pages count once."""
    process = subprocess.Popen(
        list(map(str, command)), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    lines, peaks = [], {}
    threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True).start()
    while process.poll() is None:
        stage = len([line for line in lines if "…" in line])
        peaks[stage] = max(peaks.get(stage, 0.0), _memory(process.pid))
        time.sleep(0.05)
    return [
        {"stage": ("01", "02", "03", "04", "page")[stage], "peak_MiB": peak} for stage, peak in sorted(peaks.items())
    ]


def _memory(pid):
    try:
        main = psutil.Process(pid)
        parts = [main, *main.children(recursive=True)]
        return sum(part.memory_full_info().pss for part in parts) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def copied_project(folder):
    """The project's files in a folder of their own, where they can be changed."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def edit(project, kind, text):
    """End the first cell of a kind (markdown, code) in notebook 3 with another text."""
    file = project / "notebooks" / "03_trace_diagnostics.ipynb"
    notebook = json.loads(file.read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == kind)
    cell["source"] = [*cell["source"], f"\n{text}"]
    file.write_text(json.dumps(notebook), encoding="utf-8")


def warm(project):
    """Bare script, report, and report on another seed or notebook, in turn; a row a kind with its median."""
    report = [sys.executable, "report.py", "run", "params/default.yml", "--out", "runs/bench"]
    seconds_of([sys.executable, BARE], project), seconds_of([*report, "--force"], project)
    found = {
        "bare script": [],
        "whole report": [],
        "another seed": [],
        "reworded notebook 3": [],
        "changed code in notebook 3": [],
    }
    for repeat in range(REPEATS):
        found["bare script"].append(seconds_of([sys.executable, BARE], project))
        found["another seed"].append(seconds_of([*report, "-p", "seed", repeat], project))
        found["whole report"].append(seconds_of([*report, "--force"], project))
        edit(project, "markdown", f"Sentence {repeat}.")
        found["reworded notebook 3"].append(seconds_of(report, project))
        edit(project, "code", f"# version {repeat}")
        found["changed code in notebook 3"].append(seconds_of(report, project))
    return [{"what": what, "seconds": statistics.median(seconds)} for what, seconds in found.items()]


def cold(project):
    """Clean clone to report, and `pip install` to bare script, both without any cache of compiled code; seconds of each."""
    with tempfile.TemporaryDirectory() as caches:
        env = {**os.environ, "XDG_CACHE_HOME": caches, "PYTENSOR_FLAGS": f"base_compiledir={caches}/theirs"}
        theirs = seconds_of([sys.executable, "-m", "venv", "bare"], project)
        # pip compiles all bytecode, as it does unless told otherwise; ours is compiled as it is imported.
        theirs += seconds_of(["bare/bin/pip", "install", "-q", "-r", "requirements.lock"], project, env=env)
        theirs += seconds_of(["bare/bin/python", BARE], project, env=env)
        ours = seconds_of(["make", "report"], project, env={**env, "PYTENSOR_FLAGS": f"base_compiledir={caches}/ours"})
    return [
        {"what": "cold, pip install and bare script", "seconds": theirs},
        {"what": "cold, clone to report", "seconds": ours},
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cold", action="store_true", help="the cold path too: some minutes, and the network")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = copied_project(Path(folder))
        rows = warm(project)
        memory = watched(
            [sys.executable, "report.py", "run", "params/default.yml", "--out", "runs/bench", "--force"], project
        )
        rows += cold(project) if wanted.cold else []
    time_of = {row["what"]: row["seconds"] for row in rows}
    ratios = {
        "bare script against the whole report": (time_of["bare script"] / time_of["whole report"], 1),
        "6 seconds against a reworded notebook 3": (6 / time_of["reworded notebook 3"], 1),
        "1 GiB against the largest stage's memory": (1024 / max(row["peak_MiB"] for row in memory), 1),
    }
    if wanted.cold:
        ratios["cold: bare path against ours"] = (
            time_of["cold, pip install and bare script"] / time_of["cold, clone to report"],
            2.5,
        )
    keep("whole_report", [*rows, *memory], ratios)


if __name__ == "__main__":
    main()
