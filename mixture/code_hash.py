"""Which of the project's own files some code rests on, and their hash: what decides whether a result is stale.

The files are found by reading the code, not by running it: every `import` in it, wherever it stands
(a lazy one in a function counts), and so on from each file that it leads to. Imports nothing of this project.

>>> code_hash(".", ["mixture.check.verdict"])      # what a study rests on
>>> project_files(".", imported_names("from mixture.check import verdict"))
"""

import ast
import functools
import hashlib
import io
import json
import os
import stat
import tokenize
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Not part of any hash: a run hashes the parameters' values themselves, so that a new parameter redraws nothing.
LEFT_OUT = ("parameters",)


def imported_names(code: str, package: str = "") -> tuple[str, ...]:
    """The dotted names that code imports, in order of appearance.

    `import a.b` gives "a.b"; `from a import b` gives "a.b" too, as only the files can tell
    whether b is a module or a name in one; `from a import *` gives "a.*".

    Parameters
    ----------
    code : str
        A file's, or a notebook cell's: lines of IPython's own are skipped.
    package : str
        The package that relative imports start from.
    """
    return tuple(f"{name}.{part}" if part else name for name, part in _imports(code, package))


def imported_modules(code: str) -> tuple[str, ...]:
    """The modules that code imports, by the names that it gives them, relative ones left out."""
    return tuple(dict.fromkeys(name for name, _ in _imports(code, "")))


@functools.cache
def _imports(code, package):
    """Pairs of a module and the name imported from it ("" for the module itself)."""
    lines = [line for line in code.splitlines() if not line.startswith(("%", "!"))]
    try:
        nodes = list(ast.walk(ast.parse("\n".join(lines))))
    except SyntaxError:  # whoever runs the code will see it
        return ()
    found = [(alias.name, "") for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (module := _absolute(node, package)):
            found += [(module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and _is_import_call(node):
            found.append((node.args[0].value, ""))
    return tuple(found)


def _absolute(node, package):
    """The full name of the module that a `from` statement names; None where it leads out of the package."""
    if not node.level:
        return node.module
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if package else []
    return ".".join([*above, *([node.module] if node.module else [])]) if above else None


def _is_import_call(node):
    """Whether a call is `import_module("a.b")`."""
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    module = getattr(node.args[0], "value", None) if node.args else None
    return name == "import_module" and isinstance(module, str) and all(map(str.isidentifier, module.split(".")))


def project_files(root: str | os.PathLike, names: Iterable[str], left_out: Iterable[str] = LEFT_OUT) -> list[Path]:
    """The files below `root` that importing `names` leads to, sorted.

    Parameters
    ----------
    root : path-like
        The folder that the project's modules are imported from.
    names : iterable of str
        As from `imported_names`; those that are not the project's lead nowhere.
    left_out : iterable of str
        Top-level modules that do not count.
    """
    root, left_out = str(root), frozenset(left_out)
    found, seen, waiting = set(), set(), list(names)
    while waiting:
        name = waiting.pop()
        if name in seen or name.split(".")[0] in left_out:
            continue
        seen.add(name)
        for path, package in _files_of(root, name):
            if path not in found:
                found.add(path)
                waiting += _names_in(path, package)
    return sorted(map(Path, found))


def _files_of(root, name):
    """The files that are run when `name` is imported, each with the package that its relative imports start from."""
    files, folder, package = [], root, []
    for part in name.split("."):
        if part == "*":  # may import any module that the package lists
            names = sorted(each for each in os.listdir(folder) if each.endswith(".py")) if package else []
            return files + [(os.path.join(folder, each), ".".join(package)) for each in names]
        inside = os.path.join(folder, part)
        if _version(os.path.join(inside, "__init__.py")):
            files.append((os.path.join(inside, "__init__.py"), ".".join([*package, part])))
        elif _version(f"{inside}.py"):
            return [*files, (f"{inside}.py", ".".join(package))]
        elif not os.path.isdir(inside):  # a name in a module, or nothing of the project
            return files
        folder, package = inside, [*package, part]
    return files


def _names_in(path, package):
    version = _version(path)
    return _names_of_version(path, package, version) if version else ()


@functools.cache
def _names_of_version(path, package, _):
    return imported_names(Path(path).read_text(encoding="utf-8"), package)


def code_hash(root: str | os.PathLike, names: Iterable[str], *others: str, left_out: Iterable[str] = LEFT_OUT) -> str:
    """The hash of all that importing `names` leads to below `root`, and of `others` (files there, such as the lock)."""
    return value_hash(code_hashes(root, names, *others, left_out=left_out))


def code_hashes(
    root: str | os.PathLike, names: Iterable[str], *others: str, left_out: Iterable[str] = LEFT_OUT
) -> dict[str, str | None]:
    """The same file by file: path below `root` and hash."""
    files = [Path(root) / other for other in others] + project_files(root, names, left_out)
    return {path.relative_to(root).as_posix(): file_hash(path) for path in files}


def file_hash(path: str | os.PathLike) -> str | None:
    """The SHA-256 of a file's content, or None if there is no such file."""
    version = _version(path)
    return _hash_of_version(str(path), version) if version else None


def _version(path):
    """What changes with every change of a file; None if there is no such file: a folder, a pipe and a device are none."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None if not stat.S_ISREG(status.st_mode) else status.st_mtime_ns, status.st_size, status.st_ino


@functools.cache
def _hash_of_version(path, _):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bare_code(code: str) -> str:
    """What runs of a Python file: its tokens, a line each statement, without comments, docstrings and layout.

    Two files with the same bare code do the same, however they are worded.
    """
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, documented)]
    said = {(node.body[0].lineno, node.body[0].col_offset) for node in nodes if ast.get_docstring(node) is not None}
    ignored = (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER)
    ends = {tokenize.NEWLINE: "\n", tokenize.INDENT: "{", tokenize.DEDENT: "}"}  # whatever the indent's width is
    kept, after_docstring = [], False
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.STRING and token.start in said:
            after_docstring = True
        elif after_docstring and token.type == tokenize.NEWLINE:
            after_docstring = False
        elif token.type not in ignored:
            kept.append(ends.get(token.type, token.string))
    return " ".join(kept)


def value_hash(value: Any) -> str:
    """The SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
