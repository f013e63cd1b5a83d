"""The command `mixture-report`: in the clone's environment, and from a wheel with nothing of the clone near it."""

import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from mixture.atomic import read_json
from runner.folder import MANIFEST
from runner.provenance import project_code
from runner.stages import read_chain

ROOT = Path(__file__).resolve().parents[2]
INSIDE = "mixture_report/project"
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_room_of_the_project_is_in_the_wheels_list():
    rooms = {path.parent for name in ("mixture", "runner") for path in (ROOT / name).rglob("*.py")}
    expected = {
        "project",
        "project.notebooks",
        *(f"project.{'.'.join(room.relative_to(ROOT).parts)}" for room in rooms),
    }
    assert set(SETUPTOOLS["packages"]) == {"mixture_report"} | {f"mixture_report.{name}" for name in expected}


def run(*command, cwd):
    return subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=300)


def test_the_clones_command_is_that_of_its_environment(tmp_path):
    done = run(Path(sysconfig.get_path("scripts")) / "mixture-report", "render", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "nowhere: allowed: the folder of a finished run\n")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The command in a fresh environment that holds the wheel, and by a path the packages that it needs."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for path in ("mixture", "mixture_report", "runner", "notebooks", "helpers.py", "parameters.py", "report.py"):
        (source / path).symlink_to(ROOT / path)
    for path in ("pyproject.toml", "requirements.lock", "README.md", "LICENSE"):
        (source / path).symlink_to(ROOT / path)
    build = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    made = run(sys.executable, "-c", build, folder, cwd=source)
    assert made.returncode == 0, made.stderr
    (wheel,) = folder.glob("*.whl")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder).returncode == 0
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    command = folder / "venv" / "bin" / "mixture-report"
    command.write_text(f"#!{folder}/venv/bin/python\nfrom mixture_report import main\nmain()\n")
    command.chmod(0o755)
    return command, packages


def test_a_wheel_holds_the_code_that_each_stage_rests_on(installed):
    inside = installed[1] / INSIDE
    for here, there in zip(read_chain(), read_chain(inside / "notebooks"), strict=True):
        names = [path.relative_to(ROOT).as_posix() for path in project_code(here)]
        assert [path.relative_to(inside).as_posix() for path in project_code(there)] == names
        assert all((inside / name).read_bytes() == (ROOT / name).read_bytes() for name in names)
    assert (inside / "requirements.lock").read_bytes() == (ROOT / "requirements.lock").read_bytes()


@pytest.mark.longer
def test_the_installed_command_writes_a_report_into_an_empty_folder(installed, tmp_path):
    few = {"n_samples": 60, "draws": 20, "tune": 20, "chains": 2, "em_starts": 2}
    options = [part for name, value in few.items() for part in ("-p", name, value)]
    done = run(installed[0], "run", *options, cwd=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    folder = tmp_path / "runs" / "simulation"
    assert "<h1>" in (folder / "report.html").read_text(encoding="utf-8")
    assert read_json(folder / MANIFEST)["status"] == "finished"
    again = run(installed[0], "run", *options, cwd=tmp_path)
    assert again.stdout.startswith("up to date\n")
