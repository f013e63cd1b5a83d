"""No two values change places on the way to a function, in the modules and in the notebooks.

Two numbers that change places, such as draws and tune, are numbers still, and their names are all that shows it.
"""

import ast
import importlib
import inspect
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [*(ROOT / "mixture").rglob("*.py"), *(ROOT / "runner").rglob("*.py"), ROOT / "helpers.py"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OWN = "mixture", "runner", "helpers", "parameters"
COPYING = {"copy_point"}  # from one point into another: either may be either


def resolve(node, names):
    """What a dotted name stands for, or None."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    return getattr(resolve(node.value, names), node.attr, None) if isinstance(node, ast.Attribute) else None


def given_arguments(call, names):
    """(name of the parameter, value) pairs of a call of one of the project's own functions."""
    function = resolve(call.func, names)
    if not callable(function) or str(getattr(function, "__module__", "")).split(".")[0] not in OWN:
        return []
    if function.__name__ in COPYING:
        return []
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []
    plain = next((i for i, value in enumerate(call.args) if isinstance(value, ast.Starred)), len(call.args))
    return [*zip(parameters, call.args[:plain]), *((each.arg, each.value) for each in call.keywords)]


def swapped(code, names):
    """Values that changed places: each given for a parameter, or under a key, of another's name."""
    for node in ast.walk(ast.parse(code)):
        pairs = []
        if isinstance(node, ast.Call):
            pairs = given_arguments(node, names)
        elif isinstance(node, ast.Dict):
            pairs = [(key.value, value) for key, value in zip(node.keys, node.values) if isinstance(key, ast.Constant)]
        away = {name: value.id for name, value in pairs if isinstance(value, ast.Name) and value.id != name}
        for name, value in away.items():
            if name in away.values() and value in away:
                yield f"line {node.lineno}: {value} given as {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_swaps_arguments(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    assert list(swapped(path.read_text(encoding="utf-8"), vars(importlib.import_module(name)))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_swaps_arguments(path):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    imports = [node for node in ast.parse(code).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {}
    exec(compile(ast.Module(imports, []), path.name, "exec"), names)
    assert list(swapped(code, names)) == []


def draw(chains, draws, tune=0): ...


@pytest.mark.parametrize(
    "code, found",
    [
        ("draw(chains, draws, tune)", 0),
        ("draw(chains, tune, draws)", 2),
        ("draw(4, tune, tune=draws)", 2),
        ("draw(draws, tune, chains)", 3),
        ("draw(chains, draws, draws)", 0),
        ("draw(4, other, tune=tune)", 0),
        ("draw(*both, draws)", 0),
        ("{'draws': tune, 'tune': draws}", 2),
        ("{'draws': few, 'tune': tune}", 0),
    ],
)
def test_a_swap_is_found(code, found, monkeypatch):
    monkeypatch.setattr(draw, "__module__", "mixture")
    assert len(list(swapped(code, {"draw": draw}))) == found
