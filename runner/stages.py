"""The chain of notebooks: its stages, and what of an executed notebook is theirs.

stage
    a notebook of the chain, which reads and writes files of the run folder
markdown
    a notebook's cells that are read and not run: to change them runs nothing, and they are
    merged into the executed notebook
"""

import ast
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from mixture.code_hash import imported_modules, imported_names
from mixture.messages import format_names
from parameters import NAMES
from runner.errors import ChainError
from runner.stored import join_lines, read_stored

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"


@dataclass(frozen=True)
class Stage:
    """One notebook of the chain.

    `cells` are its cells as stored; `reads` and `writes` name files of the run
    folder; `parameters` are the names its parameters cell sets.
    """

    name: str
    path: Path
    cells: list[dict]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    parameters: tuple[str, ...]

    @property
    def notebook(self) -> str:
        """The executed notebook's name in the run folder."""
        return f"{self.name}.ipynb"

    @property
    def root(self) -> Path:
        """The folder that the notebook's code and requirements.lock lie in."""
        return self.path.parent.parent


def tags(cell: dict) -> list[str]:
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def code_cells(cells: Iterable[dict]) -> list[dict]:
    """Those of a notebook's cells that run."""
    return [cell for cell in cells if cell["cell_type"] == "code"]


def read_chain(folder: str | os.PathLike = NOTEBOOKS) -> list[Stage]:
    """The stages in `folder`, in the order of their numbers.

    A numbered notebook without a `chain` entry in its metadata stands beside
    the chain and is left out.

    Raises
    ------
    ChainError
        A notebook has not exactly one parameters cell, sets a name the schema
        does not have, or reads what no earlier one writes.
    """
    stages = read_stages(sorted(Path(folder).glob("[0-9][0-9]_*.ipynb")))
    if not stages:
        raise ChainError(f"no notebook of a chain in {os.path.relpath(folder)}")
    return stages


def read_stages(paths: Iterable[Path], given: Collection[str] = ()) -> list[Stage]:
    """The stages in notebooks, as `read_chain`; `given` are names of files that they find in the folder."""
    stages, written = [], set(given)
    for path in paths:
        notebook = read_stored(path)
        if "chain" not in notebook["metadata"]:
            continue
        declared = notebook["metadata"]["chain"]
        stage = Stage(
            path.stem,
            path,
            notebook["cells"],
            tuple(declared.get("reads", ())),
            tuple(declared.get("writes", ())),
            _parameter_names(path.name, notebook["cells"]),
        )
        if unknown := set(stage.parameters) - {*NAMES, "run_dir"}:
            raise ChainError(f"{path.name}: sets {format_names(sorted(unknown))}, which the schema does not have")
        if missing := set(stage.reads) - written:
            raise ChainError(f"{path.name}: reads {format_names(sorted(missing))}, which no earlier notebook writes")
        written.update(stage.writes)
        stages.append(stage)
    return stages


def _parameter_names(notebook, cells):
    tagged = [cell for cell in cells if "parameters" in tags(cell)]
    if len(tagged) != 1:
        raise ChainError(f"{notebook}: has {len(tagged)} cells tagged parameters; allowed: one")
    assignments = ast.parse(join_lines(tagged[0]["source"])).body
    return tuple(target.id for node in assignments if isinstance(node, ast.Assign) for target in node.targets)


def stage_modules(stages: Iterable[Stage]) -> list[str]:
    """The modules that the stages' cells import, in order of appearance; then the project's own that they import from packages."""
    sources = [(stage.root, join_lines(cell["source"])) for stage in stages for cell in code_cells(stage.cells)]
    modules = [name for _, source in sources for name in imported_modules(source)]
    own = [
        name
        for root, source in sources
        for name in imported_names(source)
        if (root / name.replace(".", "/")).with_suffix(".py").exists()
    ]
    return list(dict.fromkeys([*modules, *own]))


# -- markdown ---------------------------------------------------------------------------------


def ran_all(stage: Stage, executed: dict) -> bool:
    """Whether an executed notebook has all cells of its stage that run, and what papermill injected."""
    injected = sum("parameters" in tags(cell) for cell in stage.cells)
    return len(code_cells(executed["cells"])) == len(code_cells(stage.cells)) + injected


def markdown_matches(stage: Stage, executed: dict) -> bool:
    """Whether an executed notebook's markdown is the stage's, cell by cell."""
    given = [cell for cell in executed["cells"] if "injected-parameters" not in tags(cell)]
    return _markdown(stage.cells) == _markdown(given)


def _markdown(cells):
    return [None if cell["cell_type"] == "code" else (cell["cell_type"], join_lines(cell["source"])) for cell in cells]


def merge_markdown(stage: Stage, executed: dict) -> dict:
    """An executed notebook with the stage's markdown between the cells that ran."""
    ran, cells = (cell for cell in executed["cells"] if cell["cell_type"] == "code"), []
    for cell in stage.cells:
        if cell["cell_type"] == "code":
            cells.append(next(ran))
        else:
            source = join_lines(cell["source"]).splitlines(keepends=True)
            cells.append({**cell, "metadata": {**cell["metadata"], "tags": tags(cell)}, "source": source})
        if "parameters" in tags(cell):
            cells.append(next(ran))  # what papermill injected
    return {**executed, "cells": cells}
