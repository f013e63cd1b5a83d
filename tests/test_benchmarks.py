"""What the README says of speed is what the benchmarks stored."""

import json

import pytest

from benchmarks.results import FOLDER, README, with_table

STORED = sorted(FOLDER.glob("*.json"))


def test_the_readmes_table_is_the_stored_one():
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text and text.count("| [") >= len(STORED)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_result_has_its_benchmark_and_both_sides(path):
    told = json.loads(path.read_text(encoding="utf-8"))
    assert (FOLDER.parent / f"{path.stem}.py").exists()
    assert len(told["rows"]) >= 2 and all(ratio["wanted"] > 0 for ratio in told["ratios"].values())
