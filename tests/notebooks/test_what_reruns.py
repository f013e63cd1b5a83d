"""Which files each notebook of the chain rests on: what is edited decides what runs again."""

import importlib
import json
import shutil

import pytest

from parameters import check
from runner.folder import MANIFEST, REPORT
from runner.kernels import WarmKernel
from runner.provenance import TEXTS, project_code
from runner.run import run_chain
from runner.stages import read_chain

CHAIN = {stage.name[:2]: stage for stage in read_chain()}


def code_of(number):
    """The files that a change of reruns a notebook, relative to the project."""
    stage = CHAIN[number]
    paths = (path.relative_to(stage.root).as_posix() for path in project_code(stage))
    return {path for path in paths if not path.startswith(TEXTS)}


@pytest.mark.parametrize(
    "edited, reruns",
    {
        "mixture/check/verdict.py": ["03", "04"],
        "mixture/check/comparison.py": ["03", "04"],
        "mixture/bayes/gibbs.py": ["02", "04"],
        "mixture/bayes/kernels.py": ["02", "03", "04"],
        "mixture/em.py": ["02", "04"],
        "mixture/data/simulate.py": ["01", "02", "03", "04"],
        "mixture/show/interactive.py": ["04"],
        "mixture/show/text/chains.py": [],
        "runner/run.py": [],
        "parameters.py": [],
        "mixture/studies/calibration.py": [],
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_edit_reruns_the_notebooks_that_rest_on_it_and_no_other(edited, reruns):
    assert [number for number in CHAIN if edited in code_of(number)] == reruns


def test_notebook_3_writes_sentences_and_tables_that_can_be_written_anew():
    texts = {path.name for path in project_code(CHAIN["03"]) if TEXTS in path.as_posix()}
    assert {"wording.py", "chains.py", "fit.py"} <= texts


def test_a_changed_sentence_is_written_into_a_finished_report_without_a_kernel(real_run, monkeypatch):
    folder = real_run.parent / "reworded"
    shutil.copytree(real_run, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    values = manifest["parameters"] | {"data": str(folder / manifest["parameters"]["data"])}
    hashes = manifest["hashes"]["stages"]

    def refused(self):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(WarmKernel, "__enter__", refused)
    assert run_chain(check(values), folder).up_to_date
    monkeypatch.setattr("runner.run.texts_hash", lambda stage: "of other texts")
    text = importlib.import_module("mixture.show.text.wording")
    importlib.import_module("mixture.show.text.comparison")
    monkeypatch.setitem(text.FUNCTIONS, "answer_text", lambda **_: "The answer, in other words.")
    outcome = run_chain(check(values), folder)
    assert not outcome.up_to_date and outcome.manifest["hashes"]["stages"] == hashes
    assert "The answer, in other words." in (folder / REPORT).read_text(encoding="utf-8")
    assert run_chain(check(values), folder).up_to_date
    monkeypatch.setattr("runner.run.texts_hash", lambda stage: "of texts that take other values")
    monkeypatch.setitem(text.FUNCTIONS, "answer_text", lambda other: other)
    with pytest.raises(AssertionError, match="a kernel was started"):
        run_chain(check(values), folder)
