"""The layers of mixture/: nothing imports from a layer above its own, nor the runner or the notebooks' words."""

import subprocess
import sys

import pytest

from mixture.code_hash import imported_names
from runner.stages import ROOT, read_chain, stage_modules

LAYERS = (
    "messages atomic code_hash components parallel background".split(),
    ["data"],
    ["em"],
    ["bayes"],
    ["check"],
    ["show"],
    ["studies"],
)
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
FILES = sorted(
    path for path in (ROOT / "mixture").rglob("*.py") if path.parent.name != "mixture" or path.stem in HEIGHT
)


def layer_of(path):
    return path.relative_to(ROOT / "mixture").parts[0].removesuffix(".py")


def test_every_file_has_a_layer():
    assert {layer_of(path) for path in (ROOT / "mixture").rglob("*.py")} == HEIGHT.keys() | {"__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_imports_from_above(path):
    package = ".".join(path.relative_to(ROOT).parent.parts)
    names = [name.split(".") for name in imported_names(path.read_text(encoding="utf-8"), package)]
    assert not {name[0] for name in names} & {"helpers", "report", "runner"}
    used = {name[1] for name in names if name[0] == "mixture" and len(name) > 1} & HEIGHT.keys()
    assert {name for name in used if HEIGHT[name] > HEIGHT[layer_of(path)]} == set()


@pytest.mark.longer
def test_the_chains_notebooks_start_without_pymc():
    """It takes a second to import; what a default report runs is our own sampler."""
    code = f"""
import importlib, sys
for name in {stage_modules(read_chain())!r}:
    importlib.import_module(name)
print({{"pymc", "pytensor"}} & set(sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.stdout == "set()\n", ran.stderr
