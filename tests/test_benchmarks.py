"""The table of speed in the documents is that of the stored benchmarks."""

import json

import pytest

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
