"""A run's report.html: when it is stale, and writing it with the manifest that vouches for it."""

import functools
import os
from pathlib import Path
from typing import Any

from mixture.code_hash import file_hash, project_files, value_hash
from runner.folder import MANIFEST, PDF, REPORT, locked, write_json, write_text
from runner.stages import ROOT
from runner.stored import read_finished

ASSETS = Path(__file__).parent
RENDERER = "runner.page.render"  # imported late: an up-to-date folder needs none of it


@functools.cache
def page_sources() -> list[Path]:
    """What decides the page, notebooks apart: the renderer with all that it imports, the schema among it, and its assets."""
    assets = (path for kind in ("*.html.j2", "*.css", "*.js") for path in ASSETS.glob(kind))
    return sorted([*project_files(ROOT, [RENDERER], left_out=()), *assets])


def page_hash(folder: Path, names: list[str], parameters: dict[str, Any]) -> str:
    """The hash of all that goes into the page, but for the provenance at its foot."""
    sources = [file_hash(path) for path in page_sources()]
    return value_hash([sources, [file_hash(folder / f"{name}.ipynb") for name in names], parameters])


def write_report(folder: Path, manifest: dict[str, Any], notebooks: dict[str, dict]) -> dict[str, Any]:
    """Write the page of the executed notebooks (by name, in order), then the manifest that vouches for it; the manifest."""
    from runner.page import render

    (folder / PDF).unlink(missing_ok=True)  # it is of the page before
    write_text(folder / REPORT, render.render(list(notebooks.items()), manifest))
    hashes = {"page": page_hash(folder, list(notebooks), manifest["parameters"]), REPORT: file_hash(folder / REPORT)}
    manifest = {**manifest, "hashes": {**manifest["hashes"], **hashes}}
    write_json(folder / MANIFEST, manifest)
    return manifest


def rewrite_report(folder: str | os.PathLike) -> dict[str, Any]:
    """Write the page of a finished run anew, from its executed notebooks; its manifest.

    Raises
    ------
    InputError
        The folder holds no finished run, or a damaged one.
    """
    folder = Path(folder)
    manifest, notebooks = read_finished(folder)
    with locked(folder):
        return write_report(folder, manifest, notebooks)
