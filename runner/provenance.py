"""What a result was made from: hashes of parameters, code and data; versions, machine and git commit."""

import functools
import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mixture.code_hash import code_hashes, file_hash, imported_names, project_files, value_hash
from mixture.data.files import matching_files
from parameters import Parameters
from runner.stages import Stage, code_cells, join_lines, tags

PROJECT = "gaussian-mixtures-two-ways"
LOCK = "requirements.lock"
TEXTS = "mixture/show/text/"  # sentences and tables, which can be written anew without a kernel

__all__ = [
    "code_hash",
    "data_files",
    "data_hashes",
    "file_hash",
    "folder_parameters",
    "git_state",
    "machine",
    "project_code",
    "stage_hash",
    "texts_hash",
    "value_hash",
    "versions",
]


# -- code -------------------------------------------------------------------------------------


def _names(stage):
    """The names that a stage's cells import."""
    return [name for cell in code_cells(stage.cells) for name in imported_names(join_lines(cell["source"]))]


def project_code(stage: Stage) -> list[Path]:
    """The project's own files that a stage's cells rest on: what they import, and so on from there.

    The schema is not among them: the values that it lets through are hashed themselves.
    """
    return project_files(stage.root, _names(stage))


def code_hash(stages: Iterable[Stage]) -> str:
    """The hash of the project's own code that the stages rest on, schema included: a kernel that imported other is stale."""
    return value_hash(
        sorted(
            (str(path), file_hash(path))
            for path in {path for stage in stages for path in project_files(stage.root, _names(stage), left_out=())}
        )
    )


# -- data and parameters ----------------------------------------------------------------------


def data_files(data: str) -> list[Path]:
    """The files that `data` (file, folder or glob) stands for, sorted."""
    return list(map(Path, matching_files(data)))


def data_hashes(files: Iterable[Path]) -> dict[str, str]:
    """The hash of each of the user's files, by its name; of two files of one name, the first has it."""
    return {path.name: file_hash(path) for path in reversed(list(files))}


def folder_parameters(parameters: Parameters, folder: Path) -> dict[str, Any]:
    """The parameters as the notebooks in a run folder see them.

    Returns
    -------
    dict
        Plain values; `data` relative to the folder, so that no machine's path
        gets into an executed notebook.
    """
    values = parameters.model_dump()
    if values["data"] is not None:
        values["data"] = os.path.relpath(os.path.abspath(values["data"]), os.path.realpath(folder))
    return values | {"run_dir": "."}


def stage_hash(stage: Stage, values: dict[str, Any], folder: Path, data: Iterable[Path]) -> str:
    """The hash of all that goes into a stage: parameters, cells that run, code and lock, files it reads.

    Parameters
    ----------
    stage : Stage
    values : dict
        From `folder_parameters`.
    folder : Path
        The run folder, with the files that the stage reads.
    data : iterable of Path
        The user's files; they count where the stage takes the parameter `data`.
    """
    return value_hash(
        {
            "parameters": {name: values[name] for name in stage.parameters},
            "cells": [(join_lines(cell["source"]), sorted(tags(cell))) for cell in code_cells(stage.cells)],
            "writes": stage.writes,
            "code": {
                path: content
                for path, content in code_hashes(stage.root, _names(stage), LOCK).items()
                if not path.startswith(TEXTS)
            },
            "reads": {name: file_hash(folder / name) for name in stage.reads},
            "data": [(path.name, file_hash(path)) for path in data] if "data" in stage.parameters else [],
        }
    )


def texts_hash(stage: Stage) -> str:
    """The hash of the sentences and tables that a stage's outputs are written by."""
    return value_hash(
        {path: content for path, content in code_hashes(stage.root, _names(stage)).items() if path.startswith(TEXTS)}
    )


# -- where it ran -----------------------------------------------------------------------------


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and the direct dependencies."""
    names = (re.match(r"[\w.-]+", line).group() for line in importlib.metadata.requires(PROJECT))
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def machine() -> dict[str, str]:
    """What of this machine decides how numbers are rounded: system, architecture and kind of processor."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": model.group(1).strip() if model else platform.processor(),
    }


def git_state(root: Path) -> tuple[str | None, bool | None]:
    """The commit that `root` is at and whether it was changed since; two times None outside git."""
    if not (root / ".git").exists():
        return None, None
    commands = ["rev-parse", "HEAD"], ["status", "--porcelain"]
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=True).stdout
            for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit.strip(), bool(changes.strip())
