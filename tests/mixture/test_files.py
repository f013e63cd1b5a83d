"""A reader sees whole files or none, and is told how to make what is missing."""

import json
import os
import stat
from pathlib import Path

import pytest
from fits import simulated
from numpy.testing import assert_array_equal

from helpers import load_components, load_posterior, load_sample, load_verdict
from mixture.atomic import read_json, write_atomically, write_json
from mixture.data.cells import group_sample
from mixture.studies.sweeps import load_results

ROOT = Path(__file__).resolve().parents[2]


def write(text):
    """A writer of one text."""
    return lambda part: Path(part).write_text(text, encoding="utf-8")


def test_a_file_is_written_into_its_folder_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "notes.txt"
    write_atomically(path, write("one"))
    write_atomically(path, write("two"))
    assert path.read_text() == "two"
    assert os.listdir(path.parent) == ["notes.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_writer_that_fails_leaves_the_old_file_whole_and_no_temporary(tmp_path, error):
    path = tmp_path / "notes.txt"
    write_atomically(path, write("old"))

    def half(part):
        write("ne")(part)
        raise error

    with pytest.raises(error):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_the_old_file_stays_readable_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "notes.txt"
    write_atomically(path, write("old"))

    def look(part):
        write("new")(part)
        assert path.read_text() == "old"

    write_atomically(path, look)
    assert path.read_text() == "new"


def test_json_is_plain_and_knows_no_nan(tmp_path):
    content = {"a": [1, 2.5, float("nan")], "b": {"c": float("inf"), "d": "Ünïcode", "e": True, "f": None}}
    write_json(tmp_path / "x.json", content)
    back = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert back == {"a": [1, 2.5, None], "b": {"c": None, "d": "Ünïcode", "e": True, "f": None}}


@pytest.mark.parametrize(
    "load, name, notebook",
    [
        (load_sample, "sample.parquet", 1),
        (load_components, "components.json", 2),
        (load_posterior, "posterior.nc", 2),
        (load_verdict, "verdict.json", 3),
    ],
)
def test_what_is_missing_is_named_with_the_notebook_that_writes_it(tmp_path, load, name, notebook):
    with pytest.raises(FileNotFoundError, match=f"{name} is missing: run notebook {notebook} first, which writes it$"):
        load(tmp_path)
    (path,) = (ROOT / "notebooks").glob(f"0{notebook}_*.ipynb")
    assert name in read_json(path)["metadata"]["chain"]["writes"]


def test_a_sweep_that_has_not_run_is_told_apart_from_a_report(tmp_path):
    with pytest.raises(FileNotFoundError, match="results.parquet is missing: run the sweep first, by `make sweep`"):
        load_results(tmp_path)


def test_a_run_folder_gives_back_what_was_put_in(tmp_path):
    sample, verdict = group_sample(simulated(50), 0.5), {"trusted": True, "checks": []}
    write_atomically(tmp_path / "sample.parquet", sample.frame().to_parquet)
    write_json(tmp_path / "verdict.json", verdict)
    back = load_sample(tmp_path)
    for field in ("lower", "upper", "count"):
        assert_array_equal(getattr(back, field), getattr(sample, field))
    assert back.n == 50 and not back.exact
    assert load_verdict(tmp_path) == verdict
