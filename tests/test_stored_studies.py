"""Every stored study and benchmark is of the code as it is; rewording makes none stale, another number does."""

import json
import shutil
from pathlib import Path

import pytest

from mixture.studies import stored
from mixture.studies.stored import BENCHMARKS, FOLDER, ROOT, STUDIES, changes_since, code_of


@pytest.mark.parametrize("name", STUDIES)
def test_a_stored_study_is_of_the_code_as_it_is(name):
    modules, remedy = STUDIES[name]
    changed = changes_since(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["code"], modules)
    assert not changed, f"run `{remedy}`: since it was stored, these changed: {', '.join(changed)}"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.json")), ids=lambda path: path.stem)
def test_a_stored_benchmark_is_of_the_code_as_it_is(path):
    code = json.loads(path.read_text(encoding="utf-8"))["code"]
    changed = changes_since(code, stored.benchmark_modules(path.stem))
    assert not changed, f"run `make bench`: since it was stored, these changed: {', '.join(changed)}"


@pytest.fixture
def copy(tmp_path):
    """The project's code alone."""
    shutil.copytree(ROOT / "mixture", tmp_path / "mixture", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    return tmp_path


def edited(folder: Path, name: str, right: str, other: str):
    text = (folder / name).read_text(encoding="utf-8")
    assert right in text
    (folder / name).write_text(text.replace(right, other), encoding="utf-8")


CALIBRATION = STUDIES["calibration"][0]


def test_a_key_covers_the_sampler_and_no_words_or_figures():
    files = code_of(CALIBRATION)["files"]
    bayes = {
        f"mixture/bayes/{name}.py" for name in ("gibbs", "kernels", "kernels_unknown", "jumps", "proposals", "modes")
    }
    data = {f"mixture/data/{name}.py" for name in ("sample", "cells", "simulate")}
    assert bayes | data | {"mixture/em.py", "mixture/studies/calibration.py", "requirements.lock"} <= files.keys()
    assert not [path for path in files if path.startswith(("mixture/show", "mixture/check", "mixture/messages"))]


def test_another_number_in_a_kernel_makes_a_study_stale(copy):
    before = code_of(CALIBRATION, copy)
    edited(copy, "mixture/bayes/kernels.py", "T_DF = 5.0", "T_DF = 6.0")
    assert changes_since(before, CALIBRATION, copy) == ["mixture/bayes/kernels.py"]


@pytest.mark.parametrize(
    "name, right, other",
    [
        ("mixture/bayes/kernels.py", "degrees of freedom of the jumps' proposals", "of the t distributions"),
        ("mixture/bayes/gibbs.py", "The posterior by Gibbs sampling", "Gibbs sampling"),
        ("mixture/messages.py", "def ", "def other_"),
        ("mixture/show/text/studies.py", "calibrated", "in order"),
    ],
)
def test_rewording_makes_no_study_stale(copy, name, right, other):
    before = code_of(CALIBRATION, copy)
    edited(copy, name, right, other)
    assert changes_since(before, CALIBRATION, copy) == []
