"""What is no file, no folder or no usable number is refused in one line, at once, without a warning."""

import os

import pytest
import tiny
from generated import contents
from refused import refusal

from mixture.data import files
from runner.stages import read_chain

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a pipe that nobody writes to, a file, a tiny chain and data of unusable numbers."""
    monkeypatch.chdir(tmp_path)
    for name in ("pipe", "pipe.csv", "pipe.parquet"):
        os.mkfifo(name)
    (tmp_path / "file").write_text("title: x\n")
    for name, values in {
        "huge": ["1e308", "-1e308", "0"],
        "far": ["1e308", "1.1e308", "1.2e308"],
        "endless": ["1e400", "1", "2"],
        "long": ["9" * 400, "1", "2"],
        "tiny": ["1e-308", "2e-308", "5e-324"],
        "close": ["1e300", "1e300", "1.0000000000000002e300"],
    }.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["x", *values, ""]))
    (tmp_path / "units.csv").write_text("x,y\nmm,s\n1,2\n3,4\n")
    (tmp_path / "bare.csv").write_text("3.7\n4\n5\n")
    (tmp_path / "blank.csv").write_text("")
    (tmp_path / "weights.csv").write_text("x,w\n1,0.5\n2,1.5\n")
    (tmp_path / "weights.yml").write_text("fixed: {data: weights.csv, counts: w}\ngrid: {draws: [10, 20]}\n")
    tiny.write_chain(tmp_path)
    return tmp_path


# What is given, and how the one line begins.
CASES = {
    "params pipe": (["run", "pipe"], "pipe: cannot be read"),
    "params device": (["run", "/dev/zero"], "/dev/zero: cannot be read"),
    "params folder": (["run", "."], ".: cannot be read"),
    "params empty": (["run", ""], "params: given ''; allowed: a name"),
    "sweep pipe": (["sweep", "pipe"], "pipe: cannot be read"),
    "sweep device": (["sweep", "/dev/zero"], "/dev/zero: cannot be read"),
    "data pipe": (["run", "-p", "data", "pipe.csv"], "data: given 'pipe.csv'; allowed: a file, folder or glob"),
    "data pipe, parquet": (["run", "-p", "data", "pipe.parquet"], "data: given 'pipe.parquet'; allowed: a file,"),
    "data glob of pipes": (["run", "-p", "data", "pipe*"], "data: given 'pipe*'; allowed: a file, folder or glob"),
    "data device": (["run", "-p", "data", "/dev/zero"], "data: given '/dev/zero'; allowed: a file, folder"),
    "data everything": (["run", "-p", "data", "/"], "data: given '/', which names more than"),
    "out empty": (["run", "--out", ""], "out: given ''; allowed: a name"),
    "out pipe": (["run", "--notebooks", "notebooks", "--out", "pipe"], "out: given pipe, a file; allowed: "),
    "out device": (["run", "--notebooks", "notebooks", "--out", "/dev/zero"], "out: given "),
    "notebooks empty": (["run", "--notebooks", ""], "notebooks: given ''; allowed: a name"),
    "render file": (["render", "file"], "file: allowed: the folder of a finished run"),
    "render pipe": (["render", "pipe"], "pipe: allowed: the folder of a finished run"),
    "render empty": (["render", ""], "run_dir: given ''; allowed: a name"),
    "render nothing": (["render", "nothing"], "nothing: allowed: the folder of a finished run"),
    "reproduce file": (["reproduce", "file"], "file: allowed: the folder of a finished run"),
    "index file": (["index", "file"], "folder: given file; allowed: a folder with run folders in it"),
    "huge": (["run", "-p", "data", "huge.csv"], "data: column 'x' runs from -1e+308 to 1e+308; allowed: a range"),
    "far": (["run", "-p", "data", "far.csv"], "data: column 'x' runs from 1e+308 to 1.2e+308; allowed: a range"),
    "endless": (
        ["run", "-p", "data", "endless.csv"],
        "data: column 'x' holds infinite values, 1 in all, the first in row ",
    ),
    "long": (["run", "-p", "data", "long.csv"], "data: column 'x' holds infinite values, 1 in all, the first in row "),
    "tiny": (["run", "-p", "data", "tiny.csv"], "data: column 'x' runs from 5e-324 to 2e-308; allowed: a range"),
    "close": (["run", "-p", "data", "close.csv"], "data: column 'x' runs from 1e+300 to 1.0000000000000002e+300;"),
    "units": (
        ["run", "-p", "data", "units.csv", "-p", "column", "y"],
        "data: line 2 of 'units.csv' holds 's' in column 'y'",
    ),
    "bare": (["run", "-p", "data", "bare.csv"], "data: 'bare.csv' begins with '3.7', a number, where the names"),
    "blank": (["run", "-p", "data", "blank.csv"], "data: 'blank.csv' is empty; allowed: a line of names, and below it"),
    "counts": (
        ["run", "-p", "data", "weights.csv", "-p", "counts", "w"],
        "counts: column 'w' holds 0.5; allowed: whole",
    ),
    "swept weights": (["sweep", "weights.yml"], "counts: column 'w' holds 0.5; allowed: whole"),
    "half a bin": (
        ["run", "-p", "data", "weights.csv", "-p", "lower", "x"],
        "upper: not given; allowed: the columns of",
    ),
    "means": (["run", "-p", "means", "[1e308, -1e308]"], "means, sds: given values from -1e+308 to 1e+308; allowed"),
    "sds": (["run", "-p", "sds", "[1.0e+308, 1]"], "sds[0]: given 1e+308; allowed: a number between"),
    "n_samples": (["run", "-p", "n_samples", "1.0e+308"], "n_samples: given 1e+308; allowed: "),
    "width": (["run", "-p", "cell_width", "1.0e+308"], "cell_width: given 1e+308; allowed: a number between"),
    "narrow": (["run", "-p", "cell_width", "1.0e-308"], "cell_width: given 1e-308; allowed: a number between"),
    "scale": (["run", "-p", "sd_prior_scale", "1.0e+308"], "sd_prior_scale: given 1e+308; allowed: a number"),
    "center": (["run", "-p", "mean_prior_mean", "[1.0e+308, 0]"], "mean_prior_mean[0]: given 1e+308; allowed: "),
    "weights": (["run", "-p", "weight_concentration", "1.0e+308"], "weight_concentration: given 1e+308; allowed"),
    "arguments": (["run", "file", *(f"x{i}" for i in range(1000))], "x0, x1, x2, x3, x4 and 995 more: no such arg"),
    "command": (["x" * 10_000], "argument command: invalid choice: 'xxx"),
}


@pytest.mark.parametrize("case", CASES)
def test_odd_input_is_refused_in_one_line_and_nothing_touched(here, case):
    arguments, begin = CASES[case]
    before = contents(here)
    assert refusal(*arguments).startswith(begin)
    assert contents(here) == before


def test_a_params_file_of_a_huge_number_is_refused(here):
    (here / "p.yml").write_text("means: [1.0e+308, -1.0e+308]\nsds: [1, 1]\nweights: [0.5, 0.5]\n")
    assert refusal("run", "p.yml").startswith("means, sds: given values from -1e+308 to 1e+308; allowed: a range")


def test_of_a_thousand_unknown_names_some_are_listed(here):
    path = here / "notebooks" / "01_draw.ipynb"
    many = "; ".join(f"unknown_{i:03} = 1" for i in range(1000))
    path.write_text(path.read_text().replace("seed = 0", f"seed = 0; {many}"))
    with pytest.raises(Exception, match="unknown_003, unknown_004 and 995 more, which the schema does not have$"):
        read_chain(here / "notebooks")


def test_a_folder_of_very_many_files_is_left_at_some_point(here, monkeypatch):
    monkeypatch.setattr(files, "MOST_ENTRIES", 5)
    for data in (".", "'**'"):
        assert "which names more than 5 files and folders" in refusal("run", "-p", "data", data)


def test_files_below_a_folder_are_found_whatever_is_hidden(here):
    for place in ("in", "in/below", "in/.hidden", "in/_log"):
        (here / place).mkdir()
        (here / place / "a.csv").write_text("x\n1\n")
    (here / "in" / ".b.csv").write_text("x\n1\n")
    assert files.find_files("in") == files.matching_files("in") == ["in/a.csv", "in/below/a.csv"]
