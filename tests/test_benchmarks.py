"""The table of speed in the documents is that of the stored benchmarks."""

import json

import pytest

from benchmarks import documents
from benchmarks.results import FOLDER, PAGE, with_table

STORED = sorted(FOLDER.glob("*.json"))


def test_the_table_is_the_stored_one():
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text and text.count("| [") >= len(STORED)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_result_has_its_benchmark_and_both_sides(path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert (FOLDER.parent / f"{path.stem}.py").exists()
    assert len(stored["rows"]) >= 2 and all(ratio["wanted"] > 0 for ratio in stored["ratios"].values())


@pytest.mark.parametrize("name", dict.fromkeys(document for document, _ in documents.PARTS))
def test_what_a_document_says_of_stored_results_is_what_is_stored(name):
    text = (documents.ROOT / name).read_text(encoding="utf-8")
    assert documents.with_parts(name, text) == text, "run `make documents`"
