"""The notebooks: their parameters, their form, and that each runs and prints what it stored."""

import ast
import contextlib
import io
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from papermill import inspect_notebook
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from parameters import NAMES
from runner.page.shots import open_browser
from runner.params_files import load

ROOT = Path(__file__).resolve().parents[2]
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
    given = {to.id: ast.literal_eval(node.value) for node in ast.parse(text(cell)).body for to in node.targets}
    assert given.pop("run_dir") == "../runs/lab"
    assert set(given) <= set(NAMES)
    default = load(ROOT / "params" / "default.yml").model_dump()
    assert given == {name: default[name] for name in given}


@each_of_chain
def test_papermill_understands_each_parameter(path, caplog):
    """What it cannot read it complains of, in the terminal of who runs the report."""
    (cell,) = tagged(path, "parameters")
    assert {to.id for node in ast.parse(text(cell)).body for to in node.targets} == set(inspect_notebook(str(path)))
    assert caplog.records == []


@each
def test_every_parameter_has_a_unit_or_meaning_beside_it(path):
    (cell,) = tagged(path, "parameters")
    assert all(re.search(r"= .+ # \w", line) for line in text(cell).splitlines())


def test_every_parameter_of_the_schema_is_used_by_some_notebook():
    cells_of_chain = [ast.parse(text(tagged(path, "parameters")[0])) for path in CHAIN]
    used = {to.id for tree in cells_of_chain for node in tree.body for to in node.targets}
    assert set(NAMES) - used == {"title", "by"}, "title is the page's alone, and by the runner's"


@each_of_chain
def test_opening_says_what_is_read_and_written(path):
    chain = json.loads(path.read_text())["metadata"]["chain"]
    opening = text(cells(path, "markdown")[0])
    named = set(re.findall(r"`([\w.]+\.(?:parquet|nc|json|csv))`", opening))
    assert named == set(chain["reads"]) | set(chain["writes"])
    assert re.match(r"# \d · ", opening) and "?" in opening


def without_comments(code):
    """Lines of code as they are, their comments cut off."""
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "\n".join(lines)


def closures(code):
    """The functions that code defines, but for a lambda that is nothing but one call."""
    return [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda))
        and not (isinstance(node, ast.Lambda) and isinstance(node.body, ast.Call))
    ]


def formatted_sentences(code):
    """The f-strings of more than three words that code holds."""
    strings = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.JoinedStr))
    parts = ([part.value for part in node.values if isinstance(part, ast.Constant)] for node in strings)
    return [" ".join(each) for each in parts if len(" ".join(each).split()) > 3]


@each
def test_cells_are_short(path):
    lengths = [len(text(cell).splitlines()) for cell in cells(path, "code") if cell not in tagged(path, "parameters")]
    assert statistics.median(lengths) <= 4
    assert max(lengths) <= 12
    assert [line for cell in cells(path, "code") for line in text(cell).splitlines() if len(line) > 100] == []


@each
def test_there_are_more_words_than_code(path):
    words = sum(len(text(cell).split()) for cell in cells(path, "markdown"))
    code = sum(len(without_comments(text(cell)).split()) for cell in cells(path, "code"))
    assert words > code


@each
def test_cells_define_no_function_and_write_no_sentence(path):
    for cell in cells(path, "code"):
        assert closures(text(cell)) == []
        assert formatted_sentences(text(cell)) == []
        assert "\\mathrm" not in text(cell)


@pytest.mark.parametrize(
    "code, found",
    [("def f(): pass", 1), ("f = lambda x: x + 1", 1), ("start(lambda: loo(tree))", 0), ("say.text(x)", 0)],
)
def test_a_closure_is_found(code, found):
    assert len(closures(code)) == found


def test_a_sentence_is_found_and_a_path_is_not():
    assert formatted_sentences('f"{n} values are misled by it"') and not formatted_sentences(
        'f"{run_dir}/points/{name}"'
    )


@each
def test_stored_outputs_hold_no_error_warning_path_or_clock(path):
    for cell in cells(path, "code"):
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            shown = json.dumps(
                {kind: data for kind, data in output.get("data", {}).items() if not kind.startswith("image/")}
            )
            shown += "".join(output.get("text", ""))
            assert "Warning" not in shown
            assert not re.search(r"(?<![\w.])/(home|root|work|tmp|usr)/", shown)
        assert "papermill" not in cell["metadata"]


@each_of_chain
def test_every_stored_figure_says_what_it_shows(path):
    figures = [
        (kind, o)
        for cell in cells(path, "code")
        for o in cell["outputs"]
        for kind in o.get("data", {})
        if kind.startswith("image/")
    ]
    assert all(len(figure["metadata"][kind]["alt"]) > 20 for kind, figure in figures)


@pytest.mark.longer
def test_every_notebook_runs_by_itself_and_prints_what_it_stored(tmp_path):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".*"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--nbval-lax",
            "--nbval-current-env",
            "-q",
            "-p",
            "no:cacheprovider",
            *(str(tmp_path / "notebooks" / path.name) for path in CHAIN),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    checked = [cell for path in CHAIN for cell in tagged(path, "nbval-check-output")]
    assert len(checked) >= 6 and all(cell["outputs"] for cell in checked), "nothing stored to check against"


def run_cells(path, folder, monkeypatch):
    """A notebook's code from the top, in an empty project."""
    (folder / "notebooks").mkdir()
    monkeypatch.chdir(folder / "notebooks")
    names = {}
    with plt.rc_context():
        for cell in cells(path, "code"):
            exec(text(cell), names)


@pytest.mark.parametrize("path", CHAIN[1:], ids=lambda path: path.stem)
def test_a_notebook_that_runs_before_its_turn_says_what_it_lacks(path, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError) as raised:
        run_cells(path, tmp_path, monkeypatch)
    assert str(raised.value) == "../runs/lab/sample.parquet is missing: run notebook 1 first, which writes it"


OF_SWEEPS = [path for path in NOTEBOOKS if "run_dir" in text(tagged(path, "parameters")[0]) and path not in CHAIN]


@pytest.mark.parametrize("path", OF_SWEEPS, ids=lambda path: path.stem)
def test_a_notebook_of_a_sweep_that_did_not_run_says_how_to_run_it(path, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"is missing: run (the sweep|a report with `by`) first"):
        run_cells(path, tmp_path, monkeypatch)


# -- in JupyterLab ----------------------------------------------------------------------------


@contextlib.contextmanager
def opened_lab(folder, root):
    """A JupyterLab on this machine alone, behind a token, with nothing of the user's own settings; its address."""
    places = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("RUNTIME", "CONFIG", "DATA")}
    token = secrets.token_hex(16)
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            "--port=0",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
            str(root),
        ],
        env=os.environ | places | {"JUPYTER_TOKEN": token},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    told = Path(places["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{server.pid}.json"
    try:
        begun = time.monotonic()
        while not told.exists():
            assert server.poll() is None and time.monotonic() - begun < 60, "JupyterLab did not start"
            time.sleep(0.1)
        yield f"{json.loads(told.read_text())['url']}lab/tree/{{}}?token={token}"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="no chromedriver on this machine")
def test_in_jupyterlab_the_handles_move_the_priors(real_run, tmp_path):
    source = ROOT / "notebooks" / "02_bayesian_fit.ipynb"
    notebook = json.loads(source.read_text())
    last = next(i for i, cell in enumerate(notebook["cells"]) if text(cell).startswith("explore_priors("))
    shutil.copytree(real_run, tmp_path / "runs" / "lab")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / source.name).write_text(json.dumps(notebook | {"cells": notebook["cells"][: last + 1]}))
    with opened_lab(tmp_path, tmp_path) as address:
        lab = open_browser()
        lab.set_window_size(1300, 1400)  # JupyterLab draws only the cells in view

        def found(selector):
            return WebDriverWait(lab, 60).until(lambda _: lab.find_elements(By.CSS_SELECTOR, selector))

        try:
            lab.get(address.format(f"notebooks/{source.name}"))
            WebDriverWait(lab, 60).until(lambda _: "| Idle" in found("#jp-main-statusbar")[0].text)
            next(menu for menu in found(".lm-MenuBar-item") if menu.text == "Run").click()
            found(".lm-Menu-item[data-command='runmenu:run-all']")[0].click()
            sliders, (picture, lines) = found(".widget-slider"), found(".widget-html-content")
            assert len(sliders) == 6 and all(slider.is_displayed() for slider in sliders)
            labels = "return [...document.querySelectorAll('.widget-label')].filter(l => l.scrollWidth > l.clientWidth)"
            assert lab.execute_script(labels) == [], "a label is cut off"
            before = [each.get_attribute("innerHTML") for each in (picture, lines)]
            assert "<svg" in before[0] and "mean_prior_mean: [145, 210]" in before[1]
            found(".widget-slider .noUi-handle")[0].send_keys(Keys.ARROW_LEFT * 3)
            WebDriverWait(lab, 30).until(lambda _: "[145, 210]" not in lines.get_attribute("innerHTML"))
            WebDriverWait(lab, 30).until(lambda _: picture.get_attribute("innerHTML") != before[0])
        finally:
            lab.quit()
