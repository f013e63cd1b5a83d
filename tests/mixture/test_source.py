"""Reading a user's column: every format, and one clear line for every kind of bad file."""

import re

import numpy as np
import pandas as pd
import pytest

from mixture.data.read import read_column
from mixture.data.source import open_column
from mixture.messages import InputError

VALUES = [1.0, 2.5, 4.0, 8.0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(**columns):
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    "name, write",
    [
        ("v.csv", lambda f, p: f.to_csv(p, index=False)),
        ("v.csv.gz", lambda f, p: f.to_csv(p, index=False)),
        ("v.tsv", lambda f, p: f.to_csv(p, index=False, sep="\t")),
        ("semicolons.csv", lambda f, p: f.to_csv(p, index=False, sep=";")),
        ("v.parquet", lambda f, p: f.to_parquet(p)),
    ],
)
def test_every_format_gives_the_same_values(folder, name, write):
    write(table(name=list("abcd"), length=VALUES), folder / name)
    values, dropped = read_column(name)
    assert values.tolist() == VALUES and dropped == 0


def test_folders_and_globs_are_read_in_order(folder):
    (folder / "parts").mkdir()
    table(x=VALUES[:2]).to_csv(folder / "parts" / "a.csv", index=False)
    table(x=VALUES[2:]).to_csv(folder / "parts" / "b.csv", index=False)
    (folder / "parts" / ".hidden.csv").write_text("not read")
    assert read_column("parts")[0].tolist() == read_column("parts/*.csv")[0].tolist() == VALUES


def test_integers_and_decimals_are_numbers(folder):
    table(n=[3, 4, 9]).to_parquet("n.parquet")
    assert read_column("n.parquet")[0].tolist() == [3, 4, 9]


def test_missing_values_are_counted_and_dropped_only_when_told(folder):
    (folder / "gaps.csv").write_text('x\n1\nNA\n2\nnan\n3\n""\n')
    values, dropped = read_column("gaps.csv", missing="drop")
    assert values.tolist() == [1, 2, 3] and dropped == 3
    with pytest.raises(
        InputError, match="missing: 3 of 6 values in column 'x' are missing; allowed: none, or missing: drop"
    ):
        read_column("gaps.csv")


REFUSED = {
    "two numeric columns": ("t.csv", "a,b\n1,2\n3,4\n", {}, "column: not given; allowed: one of a, b"),
    "no such column": ("t.csv", "a,b\n1,2\n3,4\n", {"column": "c"}, "column: given 'c'; allowed: one of a, b"),
    "text": ("t.csv", "a,b\n1,x\n3,y\n", {"column": "b"}, "column: given 'b', which holds string, not numbers"),
    "no numeric column": ("t.csv", "a\nx\ny\n", {}, "has no numeric column"),
    "infinities": ("t.csv", "a\n1\ninf\n3\n", {}, "data: column 'a' holds 1 infinite values; allowed: finite numbers"),
    "constant": (
        "t.csv",
        "a\n5\n5\n5\n",
        {},
        "data: all 3 values in column 'a' are 5; allowed: at least two different values",
    ),
    "too few": ("t.csv", "a\n5\n6\n7\n", {"n_components": 2}, "holds 3 values; allowed: at least 2 x n_components = 4"),
    "empty": ("t.csv", "", {}, "data: 't.csv' cannot be read"),
    "header only": ("t.csv", "a\n", {}, "has no numeric column"),
    "text among numbers": ("t.csv", "a\n1\n2\nfoo\n", {"column": "a"}, "which holds string, not numbers"),
    "broken rows": ("t.csv", "a,b\n1,2\n1,2,3\n", {"column": "a"}, "data: 't.csv' cannot be read"),
    "unknown ending": ("t.xlsx", "a\n1\n", {}, "allowed: files ending in .csv"),
    "corrupt Parquet": ("t.parquet", "PAR1 no parquet at all", {}, "data: 't.parquet' cannot be read"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_in_one_line(folder, case):
    name, content, options, message = REFUSED[case]
    (folder / name).write_text(content)
    with pytest.raises(InputError) as refused:
        read_column(name, **options)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_and_mixed_formats_are_refused(folder):
    with pytest.raises(InputError, match="data: given 'nothing.csv'; allowed: a file, folder or glob"):
        open_column("nothing.csv")
    table(x=VALUES).to_csv("a.csv", index=False)
    table(x=VALUES).to_parquet("a.parquet")
    with pytest.raises(InputError, match="holds text and Parquet files"):
        open_column(".")


def test_a_damaged_part_of_many_is_named(folder):
    table(x=np.arange(1000.0)).to_parquet("a.parquet")
    whole = (folder / "a.parquet").read_bytes()
    (folder / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=re.escape("b.parquet")):
        read_column("*.parquet")


def test_more_components_than_different_values_are_refused(folder):
    path = folder / "few.csv"
    path.write_text("x\n" + "1\n2\n" * 5)
    with pytest.raises(InputError, match="n_components: given 3; allowed: at most 2"):
        read_column(str(path), n_components=3)
    read_column(str(path), n_components=2)
