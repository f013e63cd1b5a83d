"""The command that compares two runs: its page, and what it refuses."""

import json
import shutil

import pytest
import tiny
from markup import check_page
from refused import refusal

from runner.folder import MANIFEST


@pytest.fixture
def pair(real_run, tmp_path):
    """A run, and a copy of it that says other parameters."""
    one, other = tmp_path / "one", tmp_path / "other"
    for each in (one, other):
        shutil.copytree(real_run, each)
    edit(other, lambda manifest: manifest["parameters"].update(draws=999))
    return one, other


def edit(folder, change):
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.longer
def test_two_runs_have_a_page_and_a_table(pair, tmp_path):
    done = tiny.command("compare", *pair, cwd=tmp_path)
    assert done.returncode == 3, "a run of few draws is not to be trusted"
    assert "same sample and one parameter that differs. The posteriors agree" in done.stdout
    assert "mean of component 2" in done.stdout and done.stdout.endswith("compare-one-other.html\n")
    page = (tmp_path / "compare-one-other.html").read_text(encoding="utf-8")
    check_page(page)
    assert 'href="other/report.html"' in page and "<td>999</td>" in page.replace(' class="words"', "")


REFUSED = {
    "no run": (lambda other: shutil.rmtree(other), "other: allowed: the folder of a finished run"),
    "damaged": (lambda other: (other / "posterior.nc").write_text("x"), "posterior.nc: damaged or missing"),
    "logarithms": (
        lambda other: edit(other, lambda manifest: manifest["parameters"].update(transform="log")),
        "transform: given None in one run and 'log' in the other",
    ),
}


@pytest.mark.parametrize("change, line", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compared_is_refused_in_one_line(pair, tmp_path, monkeypatch, change, line):
    change(pair[1])
    monkeypatch.chdir(tmp_path)
    assert line in refusal("compare", *pair)
    assert not list(tmp_path.glob("*.html"))
