"""`by`: a report for each group by the machinery of sweeps, and all of them checked before any runs."""

import pandas as pd
import pytest
import tiny

from mixture.atomic import read_json
from runner.folder import MANIFEST, REPORT
from runner.sweep.results import RESULTS

OUT = "runs/t-v-by_g"


@pytest.fixture
def run(tmp_path):
    notebooks = tiny.write_chain(tmp_path)
    rows = [(value + shift, label) for shift, label in ((0, "a"), (9, "b/ü")) for value in range(12)]
    pd.DataFrame(rows, columns=["v", "g"]).to_csv(tmp_path / "t.csv", index=False)

    def act(*options, by="g"):
        given = ["-p", "data", "t.csv", "-p", "column", "v", "-p", "by", by, *options]
        return tiny.command("run", *given, "--notebooks", notebooks, cwd=tmp_path)

    return act


@pytest.mark.longer
def test_each_group_has_a_report_of_its_own_rows(run, tmp_path):
    done = run()
    assert done.returncode == 0, done.stderr
    assert "2 groups: 2 trusted" in done.stdout
    out = tmp_path / OUT
    described = read_json(out / "sweep.json")
    assert sorted(described["groups"].values()) == ["a", "b/ü"] and described["by"] == "g"
    for point, label in described["groups"].items():
        manifest = read_json(out / "points" / point / MANIFEST)
        assert manifest["parameters"]["title"] == f"Gaussian components of v in t.csv: g {label}"
        assert (out / "points" / point / REPORT).exists()
    files = [pd.read_parquet(path)["v"].tolist() for path in sorted((out / "groups").iterdir())]
    assert files == [list(range(12)), [9 + value for value in range(12)]]
    assert len(pd.read_parquet(out / RESULTS)) == 2
    again = run()
    assert "2 points: 2 done\n" in again.stderr and again.returncode == 0


def test_a_group_too_small_is_named_before_anything_runs(run, tmp_path):
    done = run("-p", "n_components", "7")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "by: group 'a' of column 'g': data: column 'v' holds 12 values; allowed: at least 2 x n_components = 14\n"
    )
    assert not (tmp_path / "runs").exists()


def test_groups_of_nothing_are_refused(run, tmp_path):
    done = run(by="v")
    assert done.returncode == 2 and done.stderr.startswith("by: given 'v'; allowed: a column of 't.csv'")
    (tmp_path / "s.yml").write_text("fixed: {data: t.csv, column: v, by: g}\n")
    done = tiny.command("sweep", "s.yml", cwd=tmp_path)
    assert done.returncode == 2 and "by: given 'g' in a sweep; allowed: with the command run" in done.stderr
