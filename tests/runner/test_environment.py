"""pyproject.toml, the locks, environment.yml and .python-version agree."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def named(requirements):
    """Requirements by the name of what they require."""
    return {canonicalize_name(r.name): r for r in map(Requirement, requirements)}


def pins(lock):
    """The version of each package in a lock's text; a package with one for each Python has its last."""
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", lock, re.MULTILINE))


RUNTIME, TEST = named(PROJECT["dependencies"]), named(PYPROJECT["dependency-groups"]["test"])
DIRECT = RUNTIME | TEST
LOCKS = {name: (ROOT / name).read_text() for name in ("requirements.lock", "requirements-test.lock")}
PINS = pins(LOCKS["requirements-test.lock"]) | pins(LOCKS["requirements.lock"])
CONDA_NAMES = {"dask-core": "dask", "matplotlib-base": "matplotlib"}
CONDA_ONLY = {"python", "pip", "setuptools", "netcdf4"}  # pip's own needs and arviz[netcdf4] spelled out


def conda():
    """The conda file's ranges by the names of PyPI."""
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    lines += lines.pop()["pip"] if isinstance(lines[-1], dict) else []  # what conda-forge does not have
    named = (re.match(r"([\w.-]+?)(?=[<>=!]|$)(.*)", line).groups() for line in lines)
    return {canonicalize_name(CONDA_NAMES.get(name, name)): SpecifierSet(limits) for name, limits in named}


@pytest.mark.parametrize("name", DIRECT)
def test_the_pin_is_within_the_range(name):
    assert DIRECT[name].specifier.contains(PINS[name])


def test_conda_has_the_same_dependencies_and_ranges():
    assert {name: limits for name, limits in conda().items() if name not in CONDA_ONLY} == {
        name: requirement.specifier for name, requirement in DIRECT.items()
    }
    assert CONDA_ONLY <= conda().keys()


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_every_pin_has_a_hash_and_the_lock_no_address(lock):
    blocks = re.split(r"^(?=[\w.-]+(?:\[[\w,]+\])?==)", lock, flags=re.MULTILINE)
    assert not blocks[0].strip()
    assert [block.split()[0] for block in blocks[1:] if "--hash=sha256:" not in block] == []
    assert not re.search(r"://|^\s*--(?!hash)|@ ", lock, re.MULTILINE)


def test_what_only_tests_need_is_not_in_the_runtime():
    assert not TEST.keys() & (RUNTIME.keys() | pins(LOCKS["requirements.lock"]).keys())


def test_the_locks_agree_where_both_pin():
    runtime, test = map(pins, LOCKS.values())
    assert {name: test[name] for name in runtime.keys() & test.keys()} == {
        name: runtime[name] for name in runtime.keys() & test.keys()
    }


def test_the_python_versions_agree():
    pinned = (ROOT / ".python-version").read_text().strip()
    assert SpecifierSet(PROJECT["requires-python"]).contains(pinned)
    assert conda()["python"] == SpecifierSet(PROJECT["requires-python"])


def test_the_installed_packages_are_the_locked_ones():
    from importlib.metadata import version

    assert {name: version(name) for name in DIRECT} == {name: PINS[name] for name in DIRECT}
