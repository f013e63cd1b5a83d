"""Reading a user's column: every format, and one clear line for every kind of bad file."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv

from mixture.data.read import read_column
from mixture.data.source import open_column
from mixture.data.text import is_number
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
        ("v.txt", lambda f, p: f.to_csv(p, index=False)),
        ("v.parquet", lambda f, p: f.to_parquet(p)),
        ("v.feather", lambda f, p: f.to_feather(p)),
        ("v.arrow", lambda f, p: f.to_feather(p)),
        ("v.xlsx", lambda f, p: f.to_excel(p, index=False)),
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
        InputError,
        match="missing: 3 of 6 values in column 'x' are missing, the first in row 2 of the data; allowed: none, or missing: drop",
    ):
        read_column("gaps.csv")


REFUSED = {
    "two numeric columns": ("t.csv", "a,b\n1,2\n3,4\n", {}, "column: not given; allowed: one of a, b"),
    "no such column": ("t.csv", "a,b\n1,2\n3,4\n", {"column": "c"}, "column: given 'c'; allowed: one of a, b"),
    "text": (
        "t.csv",
        "a,b\n1,x\n3,y\n",
        {"column": "b"},
        "data: line 2 of 't.csv' holds 'x' in column 'b'; allowed: numbers, and for a missing one an empty field or NA",
    ),
    "no numeric column": ("t.csv", "a\nx\ny\n", {}, "has no numeric column"),
    "infinities": (
        "t.csv",
        "a\n1\ninf\n3\n",
        {},
        "data: column 'a' holds infinite values, 1 in all, the first in row 2 of the data; allowed: finite numbers",
    ),
    "constant": (
        "t.csv",
        "a\n5\n5\n5\n",
        {},
        "data: all 3 values in column 'a' are 5; allowed: at least two different values",
    ),
    "too few": ("t.csv", "a\n5\n6\n7\n", {"n_components": 2}, "holds 3 values; allowed: at least 2 x n_components = 4"),
    "empty": ("t.csv", "", {}, "data: 't.csv' is empty; allowed: a line of names, and below it a line for each value"),
    "blank": ("t.csv", "\n\n  \n", {}, "data: 't.csv' is empty"),
    "header only": ("t.csv", "a\n", {}, "has no numeric column"),
    "text among numbers": (
        "t.csv",
        "a\n1\n\n2\nfoo\n",
        {},
        "data: line 5 of 't.csv' holds 'foo' in column 'a'; allowed:",
    ),
    "text far below": ("t.csv", "a\n" + "1\n" * 300_000 + "foo\n", {}, "data: line 300,002 of 't.csv' holds 'foo'"),
    "units row": (
        "t.csv",
        "a\nmm\n1\n2\n",
        {},
        "data: line 2 of 't.csv' holds 'mm' in column 'a'; allowed: numbers from the line below the names on; "
        "a unit is given as the parameter unit",
    ),
    "units row of several": ("t.csv", "a,b\nmm,s\n1,2\n3,4\n", {}, "column: not given; allowed: one of a, b"),
    "a gap not told": ("t.csv", "id,a\n1,3.5\n2,?\n3,4\n", {}, "column: not given; allowed: one of id, a"),
    "per cent": (
        "t.csv",
        "a\n4%\n5%\n",
        {},
        "line 2 of 't.csv' holds '4%' in column 'a'; allowed: numbers without a per",
    ),
    "comment below": (
        "t.csv",
        "a,b\n1,2\n# new\n3,4\n",
        {"column": "a"},
        "line 3 of 't.csv' is a comment; allowed: comm",
    ),
    "thousands": (
        "t.csv",
        "a;b\n1,234;x\n2,345;y\n",
        {},
        "holds '1,234' in column 'a'; allowed: numbers with a decimal",
    ),
    "both signs": (
        "t.csv",
        "a;b\n3,5;x\n3.5;y\n",
        {},
        "line 3 of 't.csv' holds '3.5' in column 'a'; allowed: one decimal",
    ),
    "points for thousands": (
        "t.csv",
        "a;b\n1.234,5;x\n1,5;y\n",
        {},
        "holds '1.234,5' in column 'a'; allowed: numbers with",
    ),
    "a decimal comma parts columns": (
        "t.csv",
        "a\n3,7\n4,2\n",
        {"column": "a"},
        "data: line 2 of 't.csv', '3,7', is parted in 2, and the names in 1; allowed: as many fields as names; "
        "for decimal commas, ; between the columns or the ending .tsv",
    ),
    "spaces": (
        "t.txt",
        "a b\n1 2\n3 4\n",
        {"column": "a b"},
        "holds '1 2' in column 'a b'; allowed: numbers, and columns",
    ),
    "names twice": (
        "t.csv",
        "a,a\n1,2\n3,4\n",
        {},
        "column: given 'a', the name of 2 columns of 't.csv'; allowed: a name",
    ),
    "no header": (
        "t.csv",
        "3.7\n4\n5\n",
        {},
        "data: 't.csv' begins with '3.7', a number, where the names of the columns should be; allowed: a line of names "
        "above the values, or column: '3.7' if it is one",
    ),
    "no header, decimal commas": ("t.csv", "3,7;a\n4,5;b\n", {}, "data: 't.csv' begins with '3,7', a number"),
    "header in a comment": ("t.csv", "# a\n3.7\n4\n5\n", {}, "data: 't.csv' begins with '3.7', a number"),
    "no header, one numeric": ("t.csv", "x,3.7\ny,4\n", {}, "data: 't.csv' begins with '3.7', a number"),
    "UTF-16 without its mark": (
        "t.csv",
        "a\0\n\01\0\n\0",
        {},
        "holds zero bytes, so is no text; allowed: text saved as",
    ),
    "dates": ("t.csv", "a\n2020-01-01\n2020-01-02\n", {}, "column: not given; 't.csv' has no numeric column"),
    "broken rows": (
        "t.csv",
        "a,b\n1,2\n1,2,3\n",
        {"column": "a"},
        "line 3 of 't.csv', '1,2,3', is parted in 3, and the na",
    ),
    "unknown ending": ("t.xls", "a\n1\n", {}, "allowed: files ending in .csv"),
    "no workbook": ("t.xlsx", "a\n1\n", {}, "data: 't.xlsx' cannot be read as an Excel workbook"),
    "no Feather": ("t.feather", "a\n1\n", {}, "data: 't.feather' cannot be read"),
    "corrupt Parquet": ("t.parquet", "PAR1 no parquet at all", {}, "data: 't.parquet' cannot be read"),
}


READ = {
    "decimal commas": ("t.csv", "a;b\n3,5;x\n4,25;y\n", {}, [3.5, 4.25]),
    "decimal commas, quoted": ("t.csv", 'a,b\n"3,5",x\n"4,25",y\n', {}, [3.5, 4.25]),
    "decimal commas, tabs": ("t.tsv", "a\n3,5\n4,25\n", {}, [3.5, 4.25]),
    "decimal commas that could be thousands": ("t.csv", "a;b\n3,500;x\n0,250;y\n", {}, [3.5, 0.25]),
    "Excel's first line": ("t.csv", "sep=;\na;b\n3,5;x\n4;y\n", {}, [3.5, 4]),
    "blank columns and lines": ("t.csv", ",,\n\na,b,\n1,x,\n2,y,\n", {}, [1, 2]),
    "comments above": ("t.csv", "# measured, in 2020\n#\na\n1\n2\n", {}, [1, 2]),
    "missing in all spellings": ("t.csv", "a,b\n1,x\n,x\nn/a,x\nNA,x\n#N/A,x\n2,x\n", {"missing": "drop"}, [1, 2]),
    "whole numbers, then others": ("t.csv", "a\n" + "1\n" * 600_000 + "1.5\n", {}, [*[1] * 600_000, 1.5]),
    "a name that is a number": ("t.csv", "2019,2020\n1,2\n3,4\n", {"column": "2020"}, [2, 4]),
    "commas in a .txt file": ("t.txt", "a,b\n1,2\n3,4\n", {"column": "b"}, [2, 4]),
    "old line ends": ("t.csv", "a\r1\r2\r", {}, [1, 2]),
    "a name of two lines": ("t.csv", '"a\n(mm)",b\n1,x\n2,y\n', {}, [1, 2]),
}


@pytest.mark.parametrize("case", READ)
def test_every_way_to_write_numbers_is_read(folder, case):
    name, content, options, values = READ[case]
    (folder / name).write_text(content, newline="")
    assert read_column(name, **options)[0].tolist() == values


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"])
def test_every_encoding_is_read_or_refused(folder, encoding):
    many = 200_000  # beyond one block
    (folder / "t.csv").write_text("Länge;Gerät\n" + "1,5;ä\n2,5;ö\n" * many, encoding=encoding)
    if encoding == "utf-16-le":
        with pytest.raises(InputError, match="zero bytes"):
            read_column("t.csv", "Länge")
    else:
        assert read_column("t.csv", "Länge")[0].tolist() == [1.5, 2.5] * many


@pytest.mark.parametrize(
    "text",
    "1|+1|-1.|.5| 1 |\t1|1e5|1E-05|inf|-Infinity|NaN|0x10|1_000|1e|.|-|- 1||1d5|٣|−1|1.2.3|1,5|true|1 2".split("|"),
)
@pytest.mark.parametrize("decimal", [".", ","])
def test_a_number_is_what_arrow_takes_for_one(text, decimal):
    text = text.replace(".", decimal) if decimal == "," else text
    options = csv.ConvertOptions(column_types={"0": pa.float64()}, null_values=["none"], decimal_point=decimal)
    form = csv.ParseOptions(delimiter=";")
    table = pa.BufferReader(f"{text};x\n".encode())
    try:
        csv.read_csv(table, csv.ReadOptions(column_names=["0", "1"]), form, options)
        assert is_number(text, decimal)
    except pa.ArrowInvalid:
        assert not is_number(text, decimal)


def test_each_file_is_read_as_it_is_written(folder):
    (folder / "a.csv").write_text("x,y\n1.5,2\n")
    (folder / "b.csv").write_text("y;x\n2;2,5\n")
    assert read_column("*.csv", "x")[0].tolist() == [1.5, 2.5]
    (folder / "c.csv").write_text("z\n1\n")
    with pytest.raises(InputError, match="column: given 'x'; allowed: one of z of 'c.csv'"):
        read_column("*.csv", "x", missing="drop")


def test_a_workbook_is_read_by_the_rules_of_text(folder):
    table(x=["mm", 1, 2.5]).to_excel("units.xlsx", index=False)
    with pytest.raises(InputError, match="line 2 of 'units.xlsx' holds 'mm' in column 'x'"):
        read_column("units.xlsx")
    pd.DataFrame([3.5, 4, 5]).to_excel("bare.xlsx", index=False, header=False)
    with pytest.raises(InputError, match="'bare.xlsx' begins with '3.5', a number"):
        read_column("bare.xlsx")
    table(x=[1.5, None, 2]).to_excel("gap.xlsx", index=False)
    assert read_column("gap.xlsx", missing="drop")[0].tolist() == [1.5, 2]
    with pd.ExcelWriter("two.xlsx") as book:
        for sheet in ("one", "other"):
            table(x=VALUES).to_excel(book, sheet_name=sheet, index=False)
    with pytest.raises(InputError, match=r"has 2 sheets that hold something \(one, other\); allowed: one"):
        read_column("two.xlsx")


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
    with pytest.raises(InputError, match="holds Parquet and text files; allowed: files of one format"):
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
