"""The same parameters give the same report, bit by bit, on any number of cores; and what is not the same is named."""

import contextlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tiny
import xarray as xr

from helpers import load_posterior
from runner.folder import MANIFEST
from runner.provenance import file_hash
from runner.reproduce import Comparison, compare, reproduce

FEW = {"n_samples": 100, "draws": 60, "tune": 60, "chains": 2, "em_starts": 3}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A tiny chain with a finished run; working folder and notebooks."""
    monkeypatch.chdir(tmp_path)
    notebooks = tiny.write_chain(tmp_path)
    assert tiny.command("run", "--notebooks", notebooks, "--out", "run", cwd=tmp_path).returncode == 0
    return tmp_path


def again(house):
    return tiny.command("reproduce", "run", "--notebooks", "notebooks", cwd=house)


@pytest.mark.longer
def test_what_is_the_same_is_said_to_be_and_leaves_nothing_behind(house):
    before = {path: path.read_bytes() for path in house.rglob("*.*")}
    done = again(house)
    assert (done.returncode, done.stdout) == (0, "reproduced: the same, bit by bit\n")
    assert {path: path.read_bytes() for path in house.rglob("*.*")} == before


@pytest.mark.longer
def test_a_file_that_was_changed_afterwards_is_named(house):
    (house / "run" / "doubled.txt").write_text("0")
    done = again(house)
    assert done.returncode == 3
    assert done.stdout.splitlines()[:2] == [
        "NOT reproduced",
        "  the stored doubled.txt is not as its manifest says: it was changed after the run",
    ]


def test_an_output_that_chance_decides_is_named_and_the_fresh_run_kept(house):
    tiny.write_chain(house, double="import os; open('doubled.txt', 'w').close()")
    with contextlib.suppress(FileNotFoundError):
        path = house / "notebooks" / "02_double.ipynb"  # notebook 3 reads what it writes: a consequence, and no excuse
        path.write_text(path.read_text().replace("str(number * 2)", "os.urandom(8).hex()"))
    assert tiny.command("run", "--notebooks", "notebooks", "--out", "run", cwd=house).returncode == 0
    done = again(house)
    assert done.returncode == 3 and "  differs: doubled.txt" in done.stdout.splitlines()
    assert "not as then" not in done.stdout
    fresh = house / done.stdout.splitlines()[-1]
    assert (fresh / MANIFEST).exists()


@pytest.mark.longer
def test_other_versions_and_machines_are_named(house):
    path = house / "run" / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["versions"]["numpy"], manifest["machine"]["processor"] = "1.0", "Abacus"
    path.write_text(json.dumps(manifest))
    done = again(house)
    assert done.returncode == 0  # though nothing has to be the same elsewhere, everything is
    assert "not as then: numpy 1.0, here" in done.stdout and "Abacus" in done.stdout


def test_a_folder_without_a_finished_run_is_refused(tmp_path):
    done = tiny.command("reproduce", ".", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, ".: allowed: the folder of a finished run\n")


@pytest.mark.parametrize(
    "elsewhere, distance, fine",
    [([], 0.5, False), (["numpy"], 0.5, True), (["numpy"], 5.0, False), (["numpy"], None, False)],
)
def test_elsewhere_two_posteriors_may_differ_by_chance_alone(elsewhere, distance, fine):
    found = Comparison(elsewhere, [], ["posterior.nc"], distance)
    assert found.reproduced is fine
    assert found.lines()[0] == ("reproduced: within Monte Carlo error" if fine else "NOT reproduced")


@pytest.mark.longer
def test_posteriors_are_held_against_each_other_in_monte_carlo_errors(tmp_path, exact_fit):
    for name, shift in (("a", 0.0), ("b", 0.0), ("c", 1.0)):
        (tmp_path / name).mkdir()
        tree = exact_fit.tree.copy()
        draws = tree["posterior"].to_dataset().isel(draw=slice(None, None, -1) if name == "b" else slice(None))
        tree["posterior"] = xr.Dataset({key: (v.dims, v.values + shift) for key, v in draws.data_vars.items()})
        tree.to_netcdf(tmp_path / name / "posterior.nc", engine="netcdf4")
    hashes = {
        name: {"stages": {}, "outputs": {"posterior.nc": file_hash(tmp_path / name / "posterior.nc")}} for name in "abc"
    }
    manifests = {name: {"hashes": hashes[name], "versions": {"numpy": name}, "machine": {}} for name in "abc"}
    for other, fine in (("b", True), ("c", False)):
        found = compare(tmp_path / "a", manifests["a"], {}, tmp_path / other, manifests[other], {})
        assert found.differing == ["posterior.nc"] and found.reproduced is fine


def shown(kind, content, *tags):
    """A cell with one output of such a kind."""
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": "x", kind: content}}
    return tiny.cell("show()", *tags, outputs=[output])


NONE = tiny.cell("show()")
OTHERWISE = {
    "a drawing": (shown("image/svg+xml", "<svg/>"), shown("image/svg+xml", "<svg></svg>"), True),
    "a picture": (shown("image/png", "AA"), shown("image/png", "AB"), True),
    "a table": (shown("text/html", "<table>1"), shown("text/html", "<table>2"), True),
    "an interactive figure": (
        shown("application/vnd.gaussian-mixtures.play+json", {"x": 1}),
        shown("application/vnd.gaussian-mixtures.play+json", {"x": 2}),
        True,
    ),
    "a figure more": (NONE, shown("image/png", "AA"), True),
    "a figure less": (shown("image/png", "AA"), NONE, True),
    "the same": (shown("image/png", "AA"), shown("image/png", "AA"), False),
    "a text, which may hold times": (shown("text/plain", "1 s"), shown("text/plain", "2 s"), False),
    "a bar": (shown("text/html", "1", "progress"), shown("text/html", "2", "progress"), False),
}


@pytest.mark.parametrize("then, now, differs", OTHERWISE.values(), ids=OTHERWISE)
def test_figures_and_tables_count_as_files_do(tmp_path, then, now, differs):
    manifest = {"hashes": {"stages": {"01_x": "h"}, "outputs": {}}, "versions": {}, "machine": {}}
    stored, anew = ({"01_x": tiny.notebook(tiny.text("# 1"), cell, reads=[], writes=[])} for cell in (then, now))
    found = compare(tmp_path, manifest, stored, tmp_path, manifest, anew)
    assert found.differing == (["01_x.ipynb, output of cell 2"] if differs else [])
    assert found.reproduced is not differs


@pytest.mark.parametrize("file, differs", [("doubled.txt", True), ("cost.json", False)])
def test_a_file_that_is_new_gone_or_other_differs_unless_it_holds_times(tmp_path, file, differs):
    (tmp_path / file).write_text("x")
    none, one, other = ({}, {file: file_hash(tmp_path / file)}, {file: "another"})
    for then, now in ((one, none), (one, other), (none, one)):
        manifests = [{"hashes": {"stages": {}, "outputs": each}, "versions": {}, "machine": {}} for each in (then, now)]
        found = compare(tmp_path, manifests[0], {}, tmp_path, manifests[1], {})
        assert found.differing == ([file] if differs else []) and found.reproduced is not differs


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_real_chain_is_the_same_on_one_core_just_compiled_and_on_two_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = [part for name, value in FEW.items() for part in ("-p", name, str(value))]
    done = subprocess.run(
        [sys.executable, tiny.ROOT / "report.py", "run", *overrides, "--out", "runs/one"],
        capture_output=True,
        text=True,
        timeout=800,
        env=os.environ | {"MIXTURE_CORES": "1", "XDG_CACHE_HOME": str(tmp_path / "empty")},
    )
    assert done.returncode in (0, 3), done.stderr
    monkeypatch.setenv("MIXTURE_CORES", "2")
    found, fresh = reproduce("runs/one")
    assert found.lines() == ["reproduced: the same, bit by bit"] and fresh is None
    draws = load_posterior("runs/one")["posterior"]["mu"].values
    assert np.ptp(draws) > 0
