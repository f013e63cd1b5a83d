"""pyproject.toml, requirements.lock, environment.yml and .python-version tell one story."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DIRECT = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
LOCK = (ROOT / "requirements.lock").read_text()
PINS = dict(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", LOCK, re.MULTILINE))
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
        name: requirement.specifier for name, requirement in DIRECT.items()}
    assert CONDA_ONLY <= conda().keys()


def test_every_pin_has_a_hash_and_the_lock_no_address():
    blocks = re.split(r"^(?=[\w.-]+(?:\[[\w,]+\])?==)", LOCK, flags=re.MULTILINE)
    assert not blocks[0].strip()
    assert [block.split()[0] for block in blocks[1:] if "--hash=sha256:" not in block] == []
    assert not re.search(r"://|^\s*--(?!hash)|@ ", LOCK, re.MULTILINE)


def test_the_python_versions_agree():
    pinned = (ROOT / ".python-version").read_text().strip()
    assert SpecifierSet(PROJECT["requires-python"]).contains(pinned)
    assert conda()["python"] == SpecifierSet(PROJECT["requires-python"])


def test_the_installed_packages_are_the_locked_ones():
    from importlib.metadata import version

    assert {name: version(name) for name in DIRECT} == {name: PINS[name] for name in DIRECT}
