"""Every public function and method says the types of what it takes and of what it returns."""

import ast

import pytest

from runner.stages import ROOT

COMPILED = {"njit", "compiled"}  # decorators of functions for Numba, which infers the types itself
FILES = [
    *sorted((ROOT / "mixture").rglob("*.py")),
    ROOT / "helpers.py",
]


def public_functions(body):
    """The functions and methods without an underscore, but for compiled ones and those within functions."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            decorators = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
            if not decorators & COMPILED:
                yield node


def missing_annotations(function):
    """The names of the parameters without an annotation, and "return"."""
    arguments = function.args
    each = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    missing = [one.arg for one in each if one.annotation is None and one.arg not in ("self", "cls")]
    return missing + ["return"] * (function.returns is None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_public_functions_are_annotated(path):
    functions = public_functions(ast.parse(path.read_text(encoding="utf-8")).body)
    assert {each.name: missing for each in functions if (missing := missing_annotations(each))} == {}


def test_a_missing_annotation_is_found():
    code = """
class A:
    def f(self, x, *, y: int): ...
@njit(nogil=True)
def g(x): ...
def _h(x): ...
def k(x: int) -> int: ...
"""
    found = {each.name: missing_annotations(each) for each in public_functions(ast.parse(code).body)}
    assert found == {"f": ["x", "return"], "k": []}
