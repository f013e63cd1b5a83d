"""A run as an archive: the same bytes each time, described as RO-Crate asks, and reproduced from anywhere."""

import json
import shutil
import zipfile

import pytest
import tiny

from mixture.code_hash import file_hash
from runner.bundle import CRATE


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the tiny chain on a file of the user's, and its archive."""
    root = tmp_path_factory.mktemp("bundle")
    notebooks = tiny.write_chain(root / "project")
    (root / "here").mkdir()
    (root / "here" / "t.csv").write_text("x\n" + "".join(f"{i}\n" for i in range(20)))
    given = ["-p", "data", "t.csv", "-p", "title", "A title", "--out", "runs/deep/r", "--notebooks", notebooks]
    done = tiny.command("run", *given, cwd=root / "here")
    assert done.returncode == 0, done.stderr
    done = tiny.command("bundle", "runs/deep/r", cwd=root / "here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("runs/deep/r.zip: ")
    return root, notebooks


@pytest.mark.longer
def test_the_same_run_gives_the_same_bytes(finished, tmp_path):
    root, _ = finished
    done = tiny.command("bundle", "runs/deep/r", "--out", tmp_path / "again.zip", cwd=root / "here")
    assert done.returncode == 0
    assert file_hash(tmp_path / "again.zip") == file_hash(root / "here/runs/deep/r.zip")


@pytest.mark.longer
def test_the_archive_describes_all_that_is_in_it(finished):
    root, _ = finished
    with zipfile.ZipFile(root / "here/runs/deep/r.zip") as archive:
        names, described = archive.namelist(), json.loads(archive.read(CRATE))
    entities = {each["@id"]: each for each in described["@graph"]}
    assert described["@context"] == "https://w3id.org/ro/crate/1.1/context" and len(entities) == len(
        described["@graph"]
    )
    assert entities[CRATE]["about"] == {"@id": "./"}
    assert entities[CRATE]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    dataset = entities["./"]
    assert dataset["name"] == "A title" and {"description", "datePublished", "license"} <= dataset.keys()
    parts = {each["@id"] for each in dataset["hasPart"]}
    assert parts == set(names) - {CRATE} and {"t.csv", "run/run/run/manifest.json"} <= parts
    assert entities["t.csv"]["sha256"] == file_hash(root / "here" / "t.csv")
    references = {each["@id"] for each in [*entities["#run"]["object"], *entities["#run"]["result"]]}
    assert references <= entities.keys() and {"t.csv", "#seed"} <= references
    assert entities["#seed"]["value"] == 20160508


@pytest.mark.longer
def test_an_archive_is_reproduced_in_another_place_with_nothing_left_behind(finished, tmp_path):
    root, notebooks = finished
    shutil.copy(root / "here/runs/deep/r.zip", tmp_path / "moved.zip")
    done = tiny.command("reproduce", "moved.zip", "--notebooks", notebooks, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "reproduced: the same, bit by bit\n", done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["moved.zip"]


def changed(path, name, content):
    """An archive with one entry changed."""
    with zipfile.ZipFile(path) as old:
        entries = {each: old.read(each) for each in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for each, held in (entries | {name: content}).items():
            new.writestr(each, held)


BAD = {
    "no archive": (lambda path: path.write_text("x"), "allowed: the folder of a finished run, or its archive"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:400]), "or its archive by the command bundle"),
    "changed": (lambda path: changed(path, "t.csv", b"x\n1\n"), "damaged: t.csv is not as the archive describes"),
    "not described": (lambda path: changed(path, CRATE, b"{}"), "or its archive by the command bundle"),
}


@pytest.mark.parametrize("damage, line", BAD.values(), ids=BAD)
def test_a_bad_archive_is_refused_in_one_line(finished, tmp_path, damage, line):
    shutil.copy(finished[0] / "here/runs/deep/r.zip", tmp_path / "bad.zip")
    damage(tmp_path / "bad.zip")
    done = tiny.command("reproduce", "bad.zip", cwd=tmp_path)
    assert done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def test_a_run_that_is_not_what_it_was_is_not_packed(finished, tmp_path):
    shutil.copytree(finished[0] / "here", tmp_path / "here")
    (tmp_path / "here/t.csv").write_text("x\n1\n2\n3\n4\n")
    done = tiny.command("bundle", "runs/deep/r", "--out", "z.zip", cwd=tmp_path / "here")
    assert done.returncode == 2 and "t.csv was changed after the run; allowed: run it again" in done.stderr
    (tmp_path / "here/runs/deep/r/numbers.txt").write_text("0")
    done = tiny.command("bundle", "runs/deep/r", "--out", "z.zip", cwd=tmp_path / "here")
    assert done.returncode == 2 and "numbers.txt: damaged: not as its manifest says" in done.stderr
    assert not (tmp_path / "here/z.zip").exists()
