"""One page over all runs and sweeps in a folder: the verdict of each, and a link to it.

sweep
    a folder of run folders; its runs are one table, without pictures
"""

import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from parameters import Parameters
from runner.folder import MANIFEST, REPORT, VERDICT, is_manifest, read_json, write_text
from runner.page import render
from runner.stages import join_lines, tags

INDEX = "index.html"
TEMPLATE = render.HERE / "index.html.j2"
NOT_LISTED = {"title"}  # stands elsewhere on the card


def _thumbnail(folder, names):
    """The small image stored with the main figure and its alt text, or two times None."""
    for name in reversed(names):
        for cell in (read_json(folder / f"{name}.ipynb") or {"cells": []})["cells"]:
            if "summary-figure" in tags(cell):
                for output in cell.get("outputs", []):
                    data = join_lines(output.get("data", {}).get("image/png", "")).replace("\n", "")
                    if re.fullmatch(r"[A-Za-z0-9+/]+=*", data):
                        return data, output["metadata"].get("image/png", {}).get("alt", "")
    return None, None


def _difference(values):
    """Name and value of each parameter that is not at its default."""
    default = Parameters().model_dump()
    return {name: render.format_parameter(value) for name, value in values.items()
            if name in default and name not in NOT_LISTED and value != default[name]}


def describe_run(folder: Path, top: Path) -> dict[str, Any] | None:
    """What the index shows of one finished run, or None if there is none in the folder.

    Parameters
    ----------
    folder, top : Path
        The run folder, and the folder of the index.

    Returns
    -------
    dict
        title, place (its path below `top`), link (None without a report),
        date, trusted, failed and cautions (names of checks), parameters,
        thumbnail (PNG, base64) and alt.
    """
    manifest = read_json(folder / MANIFEST)
    if not is_manifest(manifest):
        return None
    finished, verdict = manifest["status"] == "finished", read_json(folder / VERDICT) or {}
    place = folder.relative_to(top).as_posix()
    thumbnail, alt = _thumbnail(folder, sorted(manifest["hashes"].get("stages", {})))
    return {
        "title": manifest["parameters"].get("title") or place, "place": place,
        "link": quote(f"{place}/{REPORT}") if (folder / REPORT).exists() else None,
        "date": time.strftime("%Y-%m-%d %H:%M", time.localtime((folder / MANIFEST).stat().st_mtime)),
        "finished": finished, "trusted": finished and manifest.get("trusted") is True, "error": manifest.get("error", ""),
        "failed": [check["name"] for check in verdict.get("checks", []) if not check["passed"]],
        "cautions": [check["name"] for check in verdict.get("cautions", []) if not check["passed"]],
        "parameters": _difference(manifest["parameters"]), "thumbnail": thumbnail, "alt": alt}


def collect(top: str | os.PathLike) -> tuple[list[dict], dict[str, list[dict]]]:
    """The runs of a folder, newest first, and its sweeps by name, each a list of runs in order of their names.

    A sweep's own report is one of the runs; its points lie a folder deeper.
    """
    runs, sweeps = [], {}
    for path in sorted(Path(top).rglob(MANIFEST)):
        described = describe_run(path.parent, Path(top))
        if described and path.parent != Path(top):
            above = path.parent.parent.parent if path.parent.parent.name == "points" else path.parent.parent
            place = runs if above == Path(top) else sweeps.setdefault(above.relative_to(top).as_posix(), [])
            place.append(described)
    return sorted(runs, key=lambda run: run["date"], reverse=True), sweeps


def write_index(top: str | os.PathLike) -> Path:
    """Write `index.html` over all runs in a folder; its path."""
    runs, sweeps = collect(top)
    script = render.SCRIPT.read_text(encoding="utf-8")
    path = Path(top) / INDEX
    os.makedirs(top, exist_ok=True)
    write_text(path, render.fill(TEMPLATE, [script], runs=runs, sweeps={
        name: {"runs": some, "columns": sorted({key for run in some for key in run["parameters"]})}
        for name, some in sweeps.items()}, image=lambda data: Markup(f"data:image/png;base64,{data}")))
    return path
