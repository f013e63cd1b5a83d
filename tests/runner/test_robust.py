"""Whatever is given, it is accepted or refused in clear lines: parameters, params files, command lines, sweep files.

What a data file may hold is test_robust_data.py's. The number of cases is the profile's
(see conftest.py): some dozens of each kind in `make test`, many more in `make test-all`.
"""

import contextlib
import io
import json
import shutil
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest
import tiny
from generated import (
    ODD_YAML,
    assert_clear,
    broken_files,
    contents,
    dumped,
    encoded,
    files,
    inside,
    lines,
    names,
    plausible,
    texts,
    values,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mixture.atomic import read_json
from mixture.messages import InputError
from parameters import NAMES, Parameters, check
from runner import cli
from runner.errors import ChainError
from runner.folder import MANIFEST, REPORT
from runner.params_files import load
from runner.sweep import grid
from runner.sweep import run as sweeps

pytestmark = pytest.mark.timeout(900)

# -- parameters -------------------------------------------------------------------------------


@given(st.dictionaries(names, values, max_size=6) | plausible())
def test_parameters_are_accepted_or_refused_in_clear_lines(given_values):
    try:
        accepted = check(given_values)
    except InputError as error:
        assert_clear(error)
    else:
        assert check(accepted.model_dump()) == accepted


def test_a_number_of_many_digits_is_refused_in_a_short_line():
    with pytest.raises(InputError, match="^draws: given a number of about 4,983 digits; allowed: "):
        check({"draws": 10**5_000})


# -- params files -----------------------------------------------------------------------------


@given(files)
def test_a_params_file_is_accepted_or_refused_in_clear_lines(content):
    with inside() as folder:
        (folder / "params.yml").write_bytes(content)
        try:
            accepted = load("params.yml")
        except InputError as error:
            assert_clear(error)
        else:
            assert isinstance(accepted, Parameters)


# -- the command line -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A tiny chain and its finished run folder."""
    house = tmp_path_factory.mktemp("finished")
    assert tiny.command("run", "--notebooks", tiny.write_chain(house), "--out", "run", cwd=house).returncode == 0
    return house


def call(*arguments):
    """report.main as the command line does: status, standard output and error."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        status = cli.main(list(arguments))
    return status, out.getvalue(), said.getvalue()


# What reruns none of the tiny notebooks: the page alone is written anew, so that thousands of cases take minutes.
cheap = st.sampled_from([name for name in NAMES if name not in ("seed", "n_samples", "draws", "interval")])
pairs = st.lists(st.tuples(cheap | names, texts | st.text(max_size=5)), min_size=1, max_size=3)
places = st.sampled_from(
    ["run"] * 6
    + ["new", "notebooks", "x" * 300, "params.yml", "params.yml/run", "\udcff", "a\nb", "", "..", "/proc/nowhere"]
)


@given(pairs, st.none() | files, places)
@example([("title", "'<b>\"ü\u2028'")], None, "run")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_command_line_runs_or_says_why_not_and_touches_nothing(finished, chosen, content, out):
    with inside() as folder:
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        if content is not None:
            (folder / "params.yml").write_bytes(content)
        before = contents(folder)
        overrides = [part for name, text in chosen for part in ("-p", name, text)]
        status, said, error = call(
            "run",
            *(["params.yml"] if content is not None else []),
            *overrides,
            "--notebooks",
            "notebooks",
            "--out",
            out,
        )
        assert "Traceback" not in error
        if status == 0:
            assert said.endswith("report.html\n")
            assert read_json(Path(out, MANIFEST))["status"] == "finished"
            assert Path(out, REPORT).stat().st_size > 1000
        else:
            assert (status, said) == (2, "")
            assert_clear(error.removesuffix("\n"))
            assert contents(folder) == before


# -- sweep files ------------------------------------------------------------------------------

# Values that a sweep may well try; a few of them never go, or not with others.
SENSIBLE = {
    "n_samples": st.integers(5, 40),
    "means": st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=2),
    "draws": st.integers(9, 40),
    "tune": st.integers(10, 40),
    "chains": st.integers(2, 4),
    "seed": st.integers(0, 9),
    "n_components": st.integers(1, 3),
    "column": st.sampled_from([None, "x", "x", "ü\u2028"]),
    "model": st.sampled_from(["marginal", "marginal", "latent"]),
    "interval": st.sampled_from([0.5, 0.89, 0.9, 1]),
    "likelihood": st.sampled_from(["auto", "exact", "grouped"]),
    "cell_width": st.sampled_from([None, None, 0.5, 2]),
    "data": st.sampled_from([None, None, "a.csv", "*.csv", "notebooks", "\0"]),
    "missing": st.sampled_from(["drop", "refuse"]),
}
few = st.fixed_dictionaries({}, optional={name: SENSIBLE[name] for name in ("draws", "seed", "tune", "chains")})


@st.composite
def sensible(draw):
    """A sweep that makes sense, but perhaps for a value here and there; each parameter in one place."""
    fixed, pointed, gridded = {}, {}, {}
    for name in draw(st.lists(st.sampled_from(list(SENSIBLE)), max_size=6, unique=True)):
        draw(st.sampled_from([fixed, pointed, gridded, gridded]))[name] = SENSIBLE[name]
    lists = {name: st.lists(each, min_size=1, max_size=3) for name, each in gridded.items()}
    entries = {
        "title": st.text(min_size=1, max_size=200),
        "params": st.sampled_from(["params.yml"] * 9 + ["", ".", "a.csv", "\0"]),
        "fixed": st.fixed_dictionaries(fixed),
        "grid": st.fixed_dictionaries(lists),
        "points": st.lists(st.fixed_dictionaries({}, optional=pointed), min_size=1, max_size=3),
        "replicates": st.sampled_from([1, 2, 3] * 4 + [0, 10**5 + 1, 10**400]),
        "study": st.sampled_from(
            ["study", grid.Sweep.account] * 4 + ["01_draw", "02_double", "aside", "none", "x" * 300, "../x"]
        ),
    }
    left_out = draw(st.sets(st.sampled_from(["title", "params", "replicates", "study"]), min_size=1))
    return {name: draw(entry) for name, entry in entries.items() if name not in left_out}


@st.composite
def spoiled(draw):
    """A sweep that made sense, with one thing in it replaced by anything."""
    made = draw(sensible())
    places = [made, *(made[name] for name in ("fixed", "grid") if name in made), *made["points"]]
    draw(st.sampled_from(places))[draw(st.sampled_from(list(grid.SweepFile.model_fields)) | names)] = draw(values)
    return made


wide = st.sets(st.sampled_from(NAMES), min_size=5).map(lambda chosen: {"grid": {name: [*range(20)] for name in chosen}})
odd = st.tuples(
    st.sampled_from(["fixed: {%s: %s}", "points: [{%s: %s}]", "grid: {%s: [%s]}", "grid: {%s: %s}"]),
    st.sampled_from(NAMES),
    st.sampled_from(ODD_YAML),
).map(lambda drawn: drawn[0] % drawn[1:])
senseless = st.one_of(
    broken_files,
    st.one_of(
        spoiled().map(dumped),
        wide.map(dumped),
        odd,
        st.dictionaries(st.sampled_from(list(grid.SweepFile.model_fields)), texts, min_size=1).map(lines),
    ).map(encoded),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A tiny chain with a study, an account and a notebook that is neither; and a data file."""
    root = tmp_path_factory.mktemp("house")
    notebooks = tiny.write_chain(root)
    reader = tiny.notebook(tiny.cell("run_dir = 'x'", "parameters"), reads=[sweeps.RESULTS])
    aside = {**reader, "metadata": {"kernelspec": reader["metadata"]["kernelspec"]}}
    for name, notebook in {"study": reader, grid.Sweep.account: reader, "aside": aside}.items():
        (notebooks / f"{name}.ipynb").write_text(json.dumps(notebook))
    (root / "a.csv").write_text("x\n1\n2\n3\n4\n5\n6\n")
    return root


@pytest.fixture(scope="module")
def before_workers():
    """Sweeps end where their first worker would start."""

    def refuse(*_):
        raise ChainError("no worker starts here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps, "connected", refuse)
        yield


def assert_planned_or_refused(house, sweep, params, out):
    """By the command line: each point has its row in the table, or there is a clear line and nothing else."""
    with inside() as folder:
        shutil.copytree(house, folder, dirs_exist_ok=True)
        (folder / "s.yml").write_bytes(sweep)
        (folder / "params.yml").write_bytes(params)
        before = contents(folder)
        status, said, error = call("sweep", "s.yml", "--notebooks", "notebooks", "--out", out)
        after = contents(folder)
        assert said == "" and before.items() <= after.items()
        if status == 1:
            plan, end = error.splitlines()
            assert end == "no worker starts here"
            made = Path(out)
            points = read_json(made / sweeps.SWEEP)["points"]
            assert plan.startswith(f"{len(points)} points: 0 done, {len(points)} to run")
            table = pd.read_parquet(made / sweeps.RESULTS)
            assert table["point"].tolist() == points and len(set(points)) == len(points)
            assert set(table["status"]) == {"not run"}
        else:
            assert status == 2
            assert_clear(error.removesuffix("\n"))
            assert after == before


@given(sensible().map(dumped).map(encoded), few.map(dumped).map(encoded), places)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_sensible_sweep_file_is_planned_or_refused_and_touches_nothing(house, before_workers, sweep, params, out):
    assert_planned_or_refused(house, sweep, params, out)


@given(senseless, few.map(dumped).map(encoded) | files, places)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_senseless_sweep_file_is_refused_and_touches_nothing(house, before_workers, sweep, params, out):
    assert_planned_or_refused(house, sweep, params, out)


NESTED_BOMB = "[&a [x, x, x, x, x, x, x, x, x], %s]" % ", ".join(
    f"&{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh")
)


@pytest.mark.parametrize(
    "text, line",
    [
        ("replicates: 1000000", "replicates: given 1000000; allowed: less than or equal to 100000"),
        (
            "replicates: 50000\ngrid: {draws: [10, 20, 30]}",
            "points, grid, replicates: given 150,000 points; allowed: at most 100,000",
        ),
        (
            "grid: {%s}" % ", ".join(f"p{i}: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]" for i in range(400)),
            "points, grid, replicates: given more than 10^400 points; allowed: at most 100,000",
        ),
        ("points: [{draws: %s}]" % NESTED_BOMB, "draws: given [['x', "),
    ],
    ids=["replicates", "product", "digits", "bomb"],
)
def test_a_sweep_that_would_fill_the_memory_is_refused_at_once(tmp_path, text, line):
    (tmp_path / "s.yml").write_text(text)
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as error:
            grid.read_sweep(tmp_path / "s.yml")
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert str(error.value).startswith(line)
    assert_clear(error.value)
