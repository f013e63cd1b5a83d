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


def peers_row(fit, sample, trusted, error):
    return {
        "fit": fit,
        "sample": sample,
        "seconds": 12.4,
        "trusted": trusted,
        "error": error,
        "right": trusted and error < 0.15,
    }


def test_peers_are_told_side_by_side(monkeypatch):
    """Who claims trust and is wrong is seen to be: trusted, not right, and how far off."""
    rows = [peers_row("ours", "a", True, 0.01), peers_row("ours", "b", True, 0.02)]
    rows += [peers_row("BayesianGaussianMixture", "a", True, 1.5), peers_row("BayesianGaussianMixture", "b", True, 0.1)]
    rows += [peers_row("nutpie", name, False, 0.9) for name in "ab"]
    monkeypatch.setattr(documents, "stored", lambda name: {"rows": rows} if name == "peers" else None)
    told = {row[0]: row[1:] for row in documents.rows_of_peers()}
    assert told["this project's default"] == ["2 of 2", "2 of 2", "0.02", "12"]
    assert told["scikit-learn's `BayesianGaussianMixture`"] == ["2 of 2", "1 of 2", "1.50", "12"]
    assert told["nutpie"] == ["0 of 2", "0 of 2", "–", "12"]
    assert len(documents.why_to_believe_it()) == 1 + 2 + 3  # nothing is said of studies that are not stored
    assert sum(line.startswith("| ") for line in documents.peers_in_full()) == 1 + 6


def test_a_document_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="no markers of why to believe it"):
        documents.with_parts("README.md", "# A page")
