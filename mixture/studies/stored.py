"""What studies have stored, and whether it is of the code as it is: every result carries the key of what decided it.

key
    the hash of the code that decides a study's numbers, and of the lock: the files that its own module imports, and so
    on, down to the sampler. Comments, docstrings and layout do not count, nor does how a refusal is worded; sentences
    and figures are not imported by what computes. So rewording makes no study stale, and any change of what runs does.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixture.atomic import read_json, write_json
from mixture.code_hash import LEFT_OUT, bare_code, file_hash, project_files, value_hash

ROOT, LOCK = Path(__file__).resolve().parents[2], "requirements.lock"
FOLDER, BENCHMARKS = ROOT / "notebooks" / "results", ROOT / "benchmarks" / "results"
SAMPLER = ("mixture.bayes.gibbs", "mixture.bayes.components_unknown", "mixture.bayes.fit")
# Where what a result rests on decides no number: words, figures, how files are written.
NOT_COUNTED = (
    "mixture/messages.py",
    "mixture/parallel.py",
    "mixture/atomic.py",
    "mixture/code_hash.py",
    "mixture/studies/stored.py",
    "benchmarks/results.py",
    "mixture/show/",
)
# Studies of sweeps, and what decides the points of a sweep: sampler, verdict, and the number of components.
SWEEPS, SWEPT = ("scaling", "priors", "components"), (*SAMPLER, "mixture.check.verdict")
# What each stored study rests on, and how to make it again.
STUDIES = {
    "calibration": (("mixture.studies.calibration",), "make calibrate"),
    "coverage": (("mixture.studies.coverage",), "make coverage"),
    "references": (("mixture.studies.references",), "make references"),
    "failing_fit": (("mixture.studies.failing_fit",), "make failing-fit"),
    **dict.fromkeys(SWEEPS, (SWEPT, "make studies")),
    "assignment_steps": (("mixture.studies.assignment_steps",), "make studies"),
}


def benchmark_modules(name: str) -> tuple[str, ...]:
    """What a benchmark rests on: its own module, and the sampler that it measures."""
    return (f"benchmarks.{name}", *SAMPLER)


def code_files(modules: tuple[str, ...], root: Path = ROOT) -> dict[str, str]:
    """The files that decide what modules compute, by path below `root`: the hash of what runs in each, and of the lock."""
    files = {path.relative_to(root).as_posix(): path for path in project_files(root, modules, LEFT_OUT)}
    counted = {name: path for name, path in files.items() if not name.startswith(NOT_COUNTED)}
    found = {name: value_hash(bare_code(path.read_text(encoding="utf-8"))) for name, path in counted.items()}
    return {LOCK: file_hash(root / LOCK), **found}


def key_of(files: Mapping[str, str]) -> str:
    """The key of files with their hashes."""
    return value_hash(dict(files))[:16]


def code_of(modules: tuple[str, ...], root: Path = ROOT) -> dict[str, Any]:
    """What a stored result says of the code that it came from: its key, and the files by their hashes."""
    files = code_files(modules, root)
    return {"key": key_of(files), "files": {path: each[:16] for path, each in files.items()}}


def keep_study(name: str, found: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Store what a study found, under the key of the code as it is.

    Parameters
    ----------
    name : str
        In `STUDIES`.
    found : mapping
        Plain values: what the documents say of the study.
    folder : Path
    """
    folder.mkdir(exist_ok=True)
    plain = json.loads(json.dumps(dict(found), default=lambda value: value.item()))  # of NumPy's numbers
    write_json(folder / f"{name}.json", {"study": name, "found": plain, "code": code_of(STUDIES[name][0])}, end="\n")


def stored_study(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """What `keep_study` stored; FileNotFoundError where nothing is."""
    return read_json(folder / f"{name}.json")


def changes_since(stored: Mapping[str, Any], modules: tuple[str, ...], root: Path = ROOT) -> list[str]:
    """The files that are no longer what a stored result came from, sorted; empty where its key is that of the code.

    Parameters
    ----------
    stored : mapping
        From `code_of`, then.
    modules : tuple of str
        That the result rests on.
    root : Path
    """
    now = code_of(modules, root)
    if now["key"] == stored["key"]:
        return []
    before, after = stored["files"], now["files"]
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


if __name__ == "__main__":  # after their notebooks were run: their numbers are in these
    for given in sys.argv[1:]:
        keep_study(given, {})
