"""The index calls a run trusted only if its manifest does, and a run that did not finish never."""

import json

import pytest

from parameters import Parameters
from runner.folder import MANIFEST, VERDICT
from runner.page.index import describe_run, write_index
from runner.stored import DamagedFile

FAILED = {"name": "largest R-hat", "value": 2, "limit": 1.01, "passed": False, "advice": "run longer"}
PASSED = {"name": "divergences", "value": 0, "limit": 0, "passed": True, "advice": ""}


def run_folder(top, name, status="finished", trusted=True, checks=(PASSED,), **parameters):
    """A run folder as far as the index reads it."""
    folder = top / name
    folder.mkdir()
    manifest = {
        "status": status,
        "trusted": trusted,
        "parameters": {"title": "One", **parameters},
        "seed": 1,
        "versions": {},
        "commit": None,
        "dirty": None,
        "hashes": {"stages": {}, "outputs": {}},
        "seconds": {"total": 1.0},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / VERDICT).write_text(json.dumps({"trusted": trusted, "checks": checks, "cautions": []}))
    return folder


@pytest.mark.parametrize(
    "status, trusted, said",
    [
        ("finished", True, True),
        ("finished", False, False),
        ("failed", False, False),
        ("failed", True, False),
    ],
)
def test_a_run_is_trusted_only_if_it_finished_and_its_manifest_says_so(tmp_path, status, trusted, said):
    assert describe_run(run_folder(tmp_path, "one", status, trusted), tmp_path)["trusted"] is said


@pytest.mark.parametrize("trusted", [None, "false", 1])
def test_a_run_that_says_neither_is_damaged(tmp_path, trusted):
    with pytest.raises(DamagedFile, match="trusted: given"):
        describe_run(run_folder(tmp_path, "one", trusted=trusted), tmp_path)


def test_the_index_names_what_failed_and_what_is_not_at_its_default(tmp_path):
    folder = run_folder(tmp_path, "one", trusted=False, checks=[PASSED, FAILED], draws=7, tune=Parameters().tune)
    described = describe_run(folder, tmp_path)
    assert described["failed"] == ["largest R-hat"] and described["parameters"] == {"draws": "7"}
    assert "largest R-hat" in write_index(tmp_path).read_text(encoding="utf-8")
