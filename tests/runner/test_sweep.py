"""Sweeps: their files, their points, their table, and what is not run twice."""

import contextlib
import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import psutil
import pytest
import tiny
from markup import check_page

from mixture.show.text import sweep as say
from mixture.studies import sweeps as accounts
from parameters import Parameters
from runner.errors import ChainError
from runner.folder import MANIFEST, REPORT, locked
from runner.page import index
from runner.stages import NOTEBOOKS, Stage
from runner.sweep import grid, results, workers
from runner.sweep import run as sweeps
from sweeps import TOLD, House, write

pytestmark = pytest.mark.timeout(600)

UNSURE = {
    "trusted": False,
    "cautions": [],
    "checks": [{"name": "size", "value": 3, "limit": 2, "passed": False, "advice": "less"}],
}


@pytest.fixture
def read(tmp_path):
    """A sweep file's text as a checked sweep."""
    return lambda text: grid.read_sweep(write(tmp_path, text))


# -- the file ---------------------------------------------------------------------------------


def test_each_point_meets_each_cell_of_the_grid(read):
    sweep = read(
        "points: [{means: [0, 1], n_samples: 10}, {means: [0, 2]}]\ngrid: {draws: [10, 20], tune: [10, 20, 30]}"
    )
    assert sweep.swept == ("means", "n_samples", "draws", "tune") and len(sweep.points) == 12
    met = {
        (point.parameters.means[1], point.parameters.n_samples, point.parameters.draws, point.parameters.tune)
        for point in sweep.points
    }
    assert len(met) == 12 and {n for mean, n, *_ in met if mean == 2} == {Parameters().n_samples}


def test_a_point_keeps_its_folder_however_wide_the_sweep(read):
    names = {point.name for point in read("grid: {draws: [10, 20]}").points}
    wide = read("title: Wider\nfixed: {tune: 1000}\ngrid: {draws: [10, 20, 30], chains: [4, 2]}\nreplicates: 1")
    assert names < {point.name for point in wide.points}
    assert len({point.name for point in wide.points}) == 6


def test_the_same_point_twice_is_one(read):
    assert len(read("grid: {means: [[1, 2], [1.0, 2.0]]}").points) == 1


def test_replicates_have_seeds_of_their_own_and_more_leave_them_as_they_are(read):
    few, many = (read(f"fixed: {{seed: 5}}\ngrid: {{draws: [10, 20]}}\nreplicates: {n}").points for n in (3, 40))
    seeds = [point.parameters.seed for point in many if point.parameters.draws == 10]
    assert len(set(seeds)) == 40 and [point.replicate for point in few] == [0, 1, 2] * 2
    assert {point.name for point in few} < {point.name for point in many}
    spawned = np.random.SeedSequence(5).spawn(2)[1].generate_state(1, np.uint64)[0]
    assert seeds[1] == int(spawned) // 2
    assert read("fixed: {seed: 5}").points[0].parameters.seed == 5


BAD = {
    "unknown entry": ("grids: {draws: [10]}", "grids: no such parameter; did you mean grid?"),
    "unknown parameter": ("grid: {drows: [10]}", "drows: no such parameter; did you mean draws? (at drows 10)"),
    "impossible point": ("grid: {n_samples: [100, 3]}", "at least 2 x n_components = 4 (at n_samples 3)"),
    "values that do not fit": ("points: [{means: [1, 2, 3]}]", "the same number in each (at means [1, 2, 3])"),
    "no list": ("grid: {draws: 10}", "grid draws: given 10; allowed: a valid list"),
    "empty list": ("grid: {draws: []}", "grid draws: given []"),
    "no replicate": ("replicates: 0", "replicates: given 0"),
    "twice": ("fixed: {draws: 10}\ngrid: {draws: [10]}", "draws: given in fixed and in grid; allowed: one of them"),
    "title": ("fixed: {title: x}", "title: given for points; allowed: at the top of the sweep file"),
    "no params file": ("params: nowhere.yml", "nowhere.yml: no such file"),
    "no data": ("grid: {data: [nowhere.csv]}", "data: given 'nowhere.csv'"),
    "data unfit": ("fixed: {data: bad.csv, column: y}", "column: given 'y'"),
    "study": ("study: none_such", "study: given 'none_such'; allowed: a notebook in"),
    "study of no sweep": ("study: 02_bayesian_fit", "study: given '02_bayesian_fit'; allowed: a notebook in"),
    "name twice": ("grid: {draws: [10]}\ngrid: {tune: [10]}", "s.yml: not valid YAML (grid is given twice"),
    "no path": ('params: "\\0"', "'\\x00': cannot be read (ValueError)"),
    "not YAML": ("grid: [1", "s.yml: not valid YAML"),
}


@pytest.mark.parametrize("text, line", BAD.values(), ids=BAD)
def test_bad_sweeps_are_one_line_status_2_and_touch_nothing(tmp_path, text, line):
    write(tmp_path, "x\n1\n2\n3\n4\n", "bad.csv")
    write(tmp_path, text)
    before = sorted(tmp_path.rglob("*"))
    done = tiny.command("sweep", "s.yml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr and done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    write(tmp_path, "grid: {draws: [10]}")
    (tmp_path / "runs" / "s").mkdir(parents=True)
    (tmp_path / "runs" / "s" / "thesis.txt").write_text("mine")
    done = tiny.command("sweep", "s.yml", cwd=tmp_path)
    assert done.returncode == 2 and "holds other files" in done.stderr


@pytest.mark.parametrize("path", sorted((tiny.ROOT / "sweeps").glob("*.yml")), ids=lambda path: path.stem)
def test_the_sweep_files_are_valid(path, monkeypatch):
    monkeypatch.chdir(tiny.ROOT)
    sweep = grid.read_sweep(path)
    assert len(sweep.points) >= 4 and sweeps.read_stages(sweep, NOTEBOOKS)


# -- the estimate and the table ---------------------------------------------------------------


def finished(folder, seconds=10.0, **more):
    """A run folder as a finished run leaves it, as far as a sweep reads it."""
    folder.mkdir(parents=True)
    manifest = {
        "status": "finished",
        "trusted": True,
        "parameters": {"title": "x"},
        "seed": 0,
        "versions": {},
        "commit": None,
        "dirty": None,
        "hashes": {"stages": {"01_draw": "x"}, "outputs": {}},
        "seconds": {"01_draw": seconds, "total": seconds},
        **more,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_the_estimate_says_what_it_is_judged_by(tmp_path):
    stages = [Stage("01_draw", tmp_path, [], (), (), ())]
    folder = tmp_path / "sweep"
    assert sweeps.estimate(folder, stages, 6, 2) == (None, "")
    finished(tmp_path / "other", 5.0)
    finished(tmp_path / "unlike", 500.0, hashes={"stages": {"09_other": "x"}, "outputs": {}})
    assert sweeps.estimate(folder, stages, 6, 2) == (15.0, "the runs beside it")
    finished(folder / sweeps.POINTS / "a", 8.0)
    assert sweeps.estimate(folder, stages, 6, 2) == (24.0, "the points that are done")


def test_a_row_holds_what_the_run_folder_says(tmp_path):
    point = grid.Point(Parameters(seed=3), 2)
    finished(tmp_path / "a")
    comparison = pd.DataFrame(
        {
            "parameter": ["mu", "mu", "w"],
            "component": [0, 1, 1],
            "truth": [1.0, 2.0, np.nan],
            "posterior_mean": [1.1, 2.1, 0.5],
            **dict.fromkeys(
                ["posterior_sd", "interval_low", "interval_high", "em", "difference_in_sds"], [0.1, 0.2, 0.3]
            ),
        }
    )
    comparison.to_csv(tmp_path / "a" / "comparison.csv", index=False)
    (tmp_path / "a" / "verdict.json").write_text(
        json.dumps({**UNSURE, "parameters": [{"parameter": "mu", "component": 0, "rhat": 1.5}]})
    )
    (tmp_path / "a" / "cost.json").write_text(json.dumps({"seconds_em": 0.5}))
    first, second = results.point_rows(point, tmp_path / "a")
    assert (first["mu_truth"], first["mu_rhat"], first["size"], first["seconds_em"]) == (1.0, 1.5, 3, 0.5)
    assert (second["w_truth"], second["w_posterior_mean"], second["component"]) == (None, 0.5, 1)
    assert (first["point"], first["seed"], first["replicate"], first["failed_checks"]) == (point.name, 3, 2, "size")
    assert (first["status"], first["verdict"], first["error"]) == ("finished", "trusted", None)


@pytest.mark.parametrize(
    "manifest, error, status, verdict",
    [
        ({"trusted": True}, "", "finished", "trusted"),
        ({"trusted": False}, "", "finished", "untrusted"),
        ({"trusted": None}, "", "failed", None),  # a damaged one
        ({"trusted": True}, "its worker died", "failed", None),
        ({"status": "failed", "trusted": True}, "", "failed", None),
    ],
)
def test_a_point_is_trusted_only_if_it_finished_and_its_manifest_says_so(tmp_path, manifest, error, status, verdict):
    finished(tmp_path / "a", **manifest)
    (row,) = results.point_rows(grid.Point(Parameters(), 0), tmp_path / "a", error)
    assert (row["status"], row["verdict"], row["error"] is None) == (status, verdict, status == "finished")
    assert sweeps.point_outcome(row) == (verdict or status)


def test_failed_checks_and_cautions_have_columns_of_their_own(tmp_path):
    finished(tmp_path / "a", trusted=False)
    made = {
        name: [
            {"name": f"{name} {kind}", "value": 3, "limit": 2, "passed": kind == "passed", "advice": ""}
            for kind in ("passed", "failed")
        ]
        for name in ("checks", "cautions")
    }
    (tmp_path / "a" / "verdict.json").write_text(json.dumps({**made, "trusted": False, "chains": "slow mixing"}))
    (row,) = results.point_rows(grid.Point(Parameters(), 0), tmp_path / "a")
    assert (row["failed_checks"], row["cautions"], row["chains_verdict"]) == (
        "checks failed",
        "cautions failed",
        "slow mixing",
    )
    assert [row[f"{name} {kind}"] for name in made for kind in ("passed", "failed")] == [3] * 4


def test_a_point_without_a_result_has_a_row_too(tmp_path):
    point = grid.Point(Parameters(), 0)
    (row,) = results.point_rows(point, tmp_path / "none")
    assert (row["status"], row["component"]) == ("not run", None)
    (row,) = results.point_rows(point, tmp_path / "none", "its worker died")
    assert (row["status"], row["error"]) == ("failed", "its worker died")
    finished(tmp_path / "b", status="failed", stage="02_double", error="ZeroDivisionError")
    (row,) = results.point_rows(point, tmp_path / "b")
    assert (row["status"], row["stage"], row["error"]) == ("failed", "02_double", "02_double: ZeroDivisionError")


def test_the_table_takes_any_values_and_is_whole_or_none(tmp_path, monkeypatch):
    path = tmp_path / "results.parquet"
    rows = [{"a": 1, "b": [1.0, 2.0], "c": None}, {"a": 0.5, "b": None, "d": "x"}, {"c": "all", "d": 3}]
    results.write_results(path, rows)
    read = pd.read_parquet(path)
    assert read["a"].tolist()[:2] == [1.0, 0.5] and read["b"][0].tolist() == [1.0, 2.0]
    assert read["d"].tolist()[1:] == ['"x"', "3"] and read["c"].tolist()[2] == "all"
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        results.write_results(path, rows[:1])
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["results.parquet"]


# -- the account ------------------------------------------------------------------------------


def test_coverage_is_that_of_honest_intervals():
    rng, n = np.random.default_rng(0), 2000
    estimate = rng.normal(size=n)
    made = pd.DataFrame(
        {
            "point": [f"p{i}" for i in range(n)],
            "status": "finished",
            "outcome": "trusted",
            "component": 0,
            "mu_truth": 0.0,
            "mu_posterior_mean": estimate,
            "mu_em": 2 * estimate,
            "mu_interval_low": estimate - 1.96,
            "mu_interval_high": estimate + 1.96,
        }
    )
    table = accounts.recovery_table(made).set_index("of")
    assert table.loc["trusted", "coverage_low"] < 0.95 < table.loc["trusted", "coverage_high"]
    assert table.loc["trusted", "em_rmse"] == pytest.approx(2 * table.loc["trusted", "rmse"])
    assert accounts.recovery_table(made.drop(columns="mu_truth")).empty


def laid_out(**columns):
    points = pd.DataFrame(columns).assign(point=lambda frame: [f"p{i}" for i in frame.index])
    return points.assign(status="finished", error=None)


def test_the_map_shows_the_worst_of_each_cell_and_how_many_can_be_trusted():
    made = laid_out(
        n_samples=[10, 10, 2000, 2000, 30],
        sds=[[1, 2]] * 3 + [[3, 4]] * 2,
        outcome=["trusted", "untrusted", "failed", "trusted", "trusted"],
    )
    worst, shares = accounts.map_outcomes(made, ["sds", "n_samples"])
    assert list(worst.columns) == ["10", "30", "2,000"] and list(worst.index) == ["sds [1, 2]", "sds [3, 4]"]
    assert worst.values.tolist() == [[1, -1, 2], [-1, 0, 0]]
    assert shares.values.tolist() == [["1/2", "", "!"], ["", "✓", "✓"]]
    assert accounts.draw_outcomes(worst, shares).axes


def test_points_are_pooled_by_each_swept_value():
    """Honest posteriors of unit sd at N = 10; at N = 1,000 their means are two sds too high and their intervals too short."""
    rng, n = np.random.default_rng(1), 1000
    made = laid_out(n_samples=np.repeat([1000, 10], n), sds=[[1, 2], [3, 4]] * n, outcome=["trusted", "untrusted"] * n)
    off = rng.normal(size=2 * n) + np.repeat([2.0, 0.0], n)
    made = made.assign(component=1, seconds_total=np.repeat([5.0, 3.0], n), mu_truth=7.0, mu_posterior_sd=1.0)
    made = made.assign(mu_posterior_mean=7 + off, mu_interval_low=7 + off - 1.96, mu_interval_high=7 + off + 1.96)
    table = accounts.by_value(made, ["n_samples", "sds"])
    assert list(zip(table["parameter"], table["value"], strict=True)) == [
        ("n_samples", "10"),
        ("n_samples", "1,000"),
        ("sds", "[1, 2]"),
        ("sds", "[3, 4]"),
    ]
    np.testing.assert_allclose(table["bias"][:2], [0, 2], atol=0.15)
    np.testing.assert_allclose(table["coverage"][:2], [0.95, 0.484], atol=0.05)
    assert table["trusted"].tolist() == [0.5, 0.5, 1.0, 0.0] and table["seconds"].tolist()[:2] == [3.0, 5.0]
    words = say.by_value_table(table)
    assert words.loc["n_samples = 1,000", "points"] == "1,000" and words.loc["sds = [3, 4]", "trusted"] == "0%"
    assert accounts.longest_axis(table) == "n_samples"
    assert [ax.get_xscale() for ax in accounts.draw_by_value(table, "n_samples", 0.95).axes] == ["log"] * 3
    unknown = accounts.by_value(made.drop(columns="mu_truth"), ["n_samples"])
    assert "coverage" not in unknown and len(accounts.draw_by_value(unknown, "n_samples", 0.95).axes) == 1
    assert "Nothing was swept" in say.by_value_table(accounts.by_value(made, []))
    none = accounts.by_value(made.assign(status="failed", outcome="failed", seconds_total=np.nan), ["n_samples"])
    assert accounts.can_be_drawn(table) and not accounts.can_be_drawn(none) and len(none)
    assert not accounts.can_be_drawn(accounts.by_value(made, []))


def test_the_list_of_points_links_to_what_shows_why(tmp_path):
    made = laid_out(n_samples=[10, 20, 30], seed=1, outcome=["failed", "trusted", "failed"], stage=["02_x", None, None])
    made["error"] = ["a | b\nc", None, "its worker died"]
    lines = say.failed_points_text(*accounts.list_points(made, ["n_samples"], "failed", tmp_path)).splitlines()
    assert lines[0] == "| n_samples | why | see |"
    assert lines[2:] == [
        "| 10 | a / b c | [02_x.ipynb](points/p0/02_x.ipynb) |",
        "| 30 | its worker died | points/p2 |",
    ]
    (tmp_path / "points" / "p0").mkdir(parents=True)
    (tmp_path / "points" / "p0" / "report.html").touch()
    shown = say.failed_points_text(*accounts.list_points(made, ["n_samples"], "failed", tmp_path))
    assert "[report.html](points/p0/report.html)" in shown
    cut = say.failed_points_text(*accounts.list_points(made, ["n_samples"], "failed", tmp_path, limit=1))
    assert cut.endswith("and 1 more in results.parquet")
    assert (
        say.failed_points_text(*accounts.list_points(made, ["n_samples"], "untrusted", tmp_path)) == "No point failed."
    )


# -- the worker -------------------------------------------------------------------------------


@pytest.fixture
def pid(tmp_path):
    """Runs one more point in this thread, as a worker would; the number of the kernel that it ran in."""
    notebooks = tiny.write_chain(tmp_path, draw="import os, json\nopen('../pid', 'w').write(str(os.getpid()))")
    (tmp_path / "json.py").write_text("a = 1")  # a name that the kernel has loaded long ago
    seeds = itertools.count()

    def run():
        parameters = Parameters(seed=next(seeds))
        assert workers.run_point(parameters, str(tmp_path / f"p{parameters.seed}"), str(notebooks)) == ""
        return int((tmp_path / "pid").read_text())

    yield run
    workers._thread_kernel.close()


@pytest.mark.longer
def test_a_worker_keeps_its_kernel_until_it_is_stale_large_or_gone(pid, tmp_path, monkeypatch):
    first = pid()
    assert pid() == first
    (tmp_path / "json.py").write_text("a = 2")
    second = pid()
    assert second != first and not psutil.pid_exists(first)
    os.kill(second, signal.SIGKILL)
    third = pid()
    assert third != second and pid() == third
    monkeypatch.setattr(workers, "MAX_BYTES", 1)
    assert pid() != third
    monkeypatch.undo()
    monkeypatch.setattr(workers, "IDLE_SECONDS", 0.1)
    last, end = pid(), time.monotonic() + 60
    while psutil.pid_exists(last) and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(last)


def test_a_worker_waits_its_turn(pid, tmp_path):
    (tmp_path / "p0").mkdir()
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(tmp_path / "p0"))
        threading.Timer(1.0, stack.pop_all().close).start()
        assert pid()


# -- running ----------------------------------------------------------------------------------


@pytest.mark.longer
def test_a_widened_sweep_runs_what_is_new_and_pages_are_made_on_request(tmp_path):
    house = House(tmp_path)
    done = house.sweep("grid: {n_samples: [10, 20]}")
    assert (done.returncode, done.stdout) == (0, "2 points: 2 trusted\nruns/s/results.parquet\n")
    assert "2 points: 0 done, 2 to run; nothing tells yet how long that takes" in done.stderr
    assert "dashboard http://127.0.0.1:" in done.stderr and "2 trusted; 0 left" in done.stderr
    assert house.ran() == [10, 20]
    done = house.sweep("grid: {n_samples: [10, 20, 30]}", "--html")
    assert done.returncode == 0 and house.ran() == [30]
    assert len(list(house.out.glob(f"points/*/{REPORT}"))) == 3
    assert house.table()["n_samples"].tolist() == [10, 20, 30]
    done = house.sweep("grid: {n_samples: [10, 20, 30]}")
    assert (done.returncode, done.stderr) == (0, "3 points: 3 done\n") and house.ran() == []


def test_failed_points_are_named_and_run_again(tmp_path):
    house = House(tmp_path, draw="assert n_samples != 20, 'twenty'\n")
    done = house.sweep("grid: {n_samples: [10, 20, 30]}")
    assert done.returncode == 1
    assert "3 points: 1 failed, 2 trusted" in done.stdout
    assert "(n_samples 20, seed 20160508): 01_draw: AssertionError: twenty" in done.stdout
    assert house.table()["status"].tolist() == ["finished", "failed", "finished"]
    (failed,) = [path for path in house.out.glob("points/*/01_draw.ipynb") if "AssertionError" in path.read_text()]
    house.ran()
    tiny.write_chain(tmp_path, draw=TOLD + "assert n_samples != 20, 'twenty'\n", verdict=UNSURE)
    done = house.sweep("grid: {n_samples: [10, 30]}")
    assert (done.returncode, done.stdout.splitlines()[0]) == (3, "2 points: 2 untrusted")
    assert house.ran() == [], "only the last notebook had changed"


def test_two_sweeps_on_one_folder_are_one_too_many(tmp_path):
    house = House(tmp_path)
    (house.out / sweeps.POINTS).mkdir(parents=True)
    (house.out / sweeps.SWEEP).write_text("{}")
    with locked(house.out):
        done = house.sweep("grid: {n_samples: [10]}")
    assert (done.returncode, done.stderr) == (1, "another run is at work in runs/s\n")
    assert house.ran() == []


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeps, "WAIT_SECONDS", 1)
    with pytest.raises(ChainError, match="scheduler tcp://127.0.0.1:9: cannot be reached, or has no worker"):
        with sweeps.connected("tcp://127.0.0.1:9", 1):
            pass


def test_who_ends_a_sweep_whose_workers_are_starting_ends_whole_workers(monkeypatch):
    """A cluster that is left halfway goes on starting, and writes where its folder was."""
    seen = []

    class Starting:
        def __init__(self, **_):
            self.folder = dask.config.get("temporary-directory")
            signal.raise_signal(signal.SIGTERM)
            self.whole = True

        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen.append((self.whole, Path(self.folder).is_dir()))

    def told(number, frame):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "LocalCluster", Starting)
    before = signal.signal(signal.SIGTERM, told)
    try:
        with pytest.raises(KeyboardInterrupt), sweeps.connected(None, 1):
            pytest.fail("the sweep went on")
        assert seen == [(True, True)] and signal.getsignal(signal.SIGTERM) is told
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.longer
def test_the_report_joins_study_and_account_and_the_index_shows_both(tmp_path):
    house = House(tmp_path)
    for name, question in (("study_toy", "Why?"), (grid.Sweep.account, "What came of them?")):
        writes = ["verdict.json"] if name == grid.Sweep.account else []
        notebook = tiny.notebook(
            tiny.text(f"# {question}"),
            tiny.cell("run_dir = 'x'", "parameters"),
            tiny.cell(
                f"import pathlib\nassert pathlib.Path(run_dir, 'results.parquet').exists()\n"
                f"open('{'verdict.json' if writes else '.x'}', 'w').write({json.dumps(tiny.VERDICT)!r})"
            ),
            reads=["results.parquet"],
            writes=writes,
        )
        (house.notebooks / f"{name}.ipynb").write_text(json.dumps(notebook))
    text = "title: All of them\nstudy: study_toy\ngrid: {n_samples: [10, 20]}"
    assert house.sweep(text).stdout.splitlines()[-1] == "runs/s/report.html"
    page = (house.out / REPORT).read_text()
    assert "<h1>All of them</h1>" in page and page.index("Why?") < page.index("What came of them?")
    assert "<td>10, 20</td>" in page, "what was swept is shown as such"
    before = (house.out / MANIFEST).stat().st_mtime_ns
    assert house.sweep(text).returncode == 0
    assert (house.out / MANIFEST).stat().st_mtime_ns == before
    shown = index.write_index(tmp_path / "runs").read_text()
    assert 'href="s/report.html">All of them' in shown and "Sweep s" in shown and "2 runs, 2 of them trusted" in shown


@pytest.mark.longer
def test_a_sweep_over_a_data_file_finds_it_from_its_workers(tmp_path):
    house = House(tmp_path)
    text = (house.notebooks / "01_draw.ipynb").read_text()
    (house.notebooks / "01_draw.ipynb").write_text(
        text.replace("seed = 0", "data = None\\nseed = 0").replace("leak = 1", "assert open(data).read()")
    )
    write(tmp_path, "x\n1\n2\n3\n4\n", "mine.csv")
    done = house.sweep("fixed: {data: mine.csv}\ngrid: {draws: [10]}")
    assert done.returncode == 0, done.stdout
    (manifest,) = house.out.glob("points/*/manifest.json")
    assert json.loads(manifest.read_text())["parameters"]["data"] == "../../../../mine.csv"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_of_the_real_notebooks_fills_every_column_and_its_page(tmp_path):
    write(tmp_path, (tiny.ROOT / "sweeps" / "smoke.yml").read_text().replace("params/", f"{tiny.ROOT}/params/"))
    done = tiny.command("sweep", "s.yml", cwd=tmp_path, timeout=800)
    assert done.returncode in (0, 3), done.stderr
    table, swept = accounts.load_results(tmp_path / "runs" / "s")
    assert len(table) == 8 and swept == ["n_samples", "sds"]
    told = [
        "truth",
        "posterior_mean",
        "posterior_sd",
        "interval_low",
        "interval_high",
        "em",
        "em_se",
        "rhat",
        "ess_bulk",
        "ess_tail",
    ]
    wanted = [f"{name}_{what}" for name in ("w", "mu", "sigma") for what in told]
    wanted += [
        "share of modes that no chain visited",
        "largest R-hat",
        "seconds_02_bayesian_fit",
        "seconds_sampling",
        "seconds_em",
        "acceptance",
    ]
    assert table[wanted].notna().all().all()
    check_page((tmp_path / "runs" / "s" / REPORT).read_text())
