"""The notebooks: their parameters, their form, and that each runs and prints what it stored."""

import ast
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from parameters import NAMES, load

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAIN = [path for path in NOTEBOOKS if path.name[:2].isdigit()]


def cells(path, kind):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def text(cell):
    return "".join(cell["source"])


def tagged(path, tag):
    return [cell for cell in cells(path, "code") if tag in cell["metadata"].get("tags", [])]


each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_of_chain = pytest.mark.parametrize("path", CHAIN, ids=lambda path: path.stem)


@each_of_chain
def test_parameters_cell_agrees_with_the_schema_and_the_default_report(path):
    (cell,) = tagged(path, "parameters")
    given = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(text(cell)).body}
    assert given.pop("run_dir") == "../runs/default"
    assert set(given) <= set(NAMES)
    default = load(ROOT / "params" / "default.yml").model_dump()
    assert given == {name: default[name] for name in given}


@each
def test_every_parameter_has_a_unit_or_meaning_beside_it(path):
    (cell,) = tagged(path, "parameters")
    assert all(re.search(r"= .+ # \w", line) for line in text(cell).splitlines())


def test_every_parameter_of_the_schema_is_used_by_some_notebook():
    used = {node.targets[0].id for path in CHAIN for node in ast.parse(text(tagged(path, "parameters")[0])).body}
    assert set(NAMES) - used == {"title"}, "title is the page's alone"


@each_of_chain
def test_opening_says_what_is_read_and_written(path):
    chain = json.loads(path.read_text())["metadata"]["chain"]
    opening = text(cells(path, "markdown")[0])
    named = set(re.findall(r"`([\w.]+\.(?:parquet|nc|json|csv))`", opening))
    assert named == set(chain["reads"]) | set(chain["writes"])
    assert re.match(r"# \d · ", opening) and "?" in opening


@each
def test_cells_are_short(path):
    lengths = [len(text(cell).splitlines()) for cell in cells(path, "code") if cell not in tagged(path, "parameters")]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 6


@each
def test_stored_outputs_hold_no_error_warning_path_or_clock(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            shown = json.dumps({kind: data for kind, data in output.get("data", {}).items() if not kind.startswith("image/")})
            shown += "".join(output.get("text", ""))
            assert "Warning" not in shown
            assert not re.search(r"(?<![\w.])/(home|root|work|tmp|usr)/", shown)
        assert "papermill" not in cell["metadata"]


@each_of_chain
def test_every_stored_figure_says_what_it_shows(path):
    figures = [(kind, o) for cell in cells(path, "code") for o in cell["outputs"] for kind in o.get("data", {})
               if kind.startswith("image/")]
    assert all(len(figure["metadata"][kind]["alt"]) > 20 for kind, figure in figures)


def test_every_notebook_runs_by_itself_and_prints_what_it_stored(tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "-p", "no:cacheprovider",
         *(str(tmp_path / "notebooks" / path.name) for path in CHAIN)],
        cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]
    checked = [cell for path in CHAIN for cell in tagged(path, "nbval-check-output")]
    assert len(checked) >= 6 and all(cell["outputs"] for cell in checked), "nothing stored to check against"
