"""One page over all runs and sweeps in a folder: the verdict of each, and a link to it.

sweep
    a folder of run folders; its runs are one table, without pictures
"""

import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from parameters import Parameters
from runner.folder import MANIFEST, REPORT, VERDICT, write_text
from runner.page.render import format_parameter
from runner.page.template import fill, page_script
from runner.stages import join_lines, tags
from runner.stored import read_if_sound, read_stored

INDEX = "index.html"
NOT_LISTED = {"title"}  # stands elsewhere on the card


def _thumbnail(folder, names):
    """The small image stored with the main figure and its alt text, or two times None."""
    for name in reversed(names):
        for cell in (read_stored(folder / f"{name}.ipynb") or {"cells": []})["cells"]:
            if "summary-figure" in tags(cell):
                for output in cell.get("outputs", []):
                    if png := output.get("data", {}).get("image/png"):
                        return join_lines(png).replace("\n", ""), output["metadata"].get("image/png", {}).get("alt", "")
    return None, None


def _difference(values):
    """Name and value of each parameter that is not at its default."""
    default = Parameters().model_dump()
    return {
        name: format_parameter(value)
        for name, value in values.items()
        if name in default and name not in NOT_LISTED and value != default[name]
    }


def _is_run(folder):
    """Whether a folder with a manifest.json is a run's, be it damaged: other projects name their files so too."""
    return any(folder.glob("*.ipynb")) or read_if_sound(folder / MANIFEST) is not None


def describe_run(folder: Path, top: Path) -> dict[str, Any]:
    """What the index shows of one run.

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

    Raises
    ------
    DamagedFile
    """
    manifest = read_stored(folder / MANIFEST)
    finished, verdict = manifest["status"] == "finished", read_stored(folder / VERDICT) or {}
    place = folder.relative_to(top).as_posix()
    thumbnail, alt = _thumbnail(folder, sorted(manifest["hashes"]["stages"]))
    return {
        "title": manifest["parameters"]["title"],
        "place": place,
        "link": quote(f"{place}/{REPORT}") if (folder / REPORT).exists() else None,
        "date": time.strftime("%Y-%m-%d %H:%M", time.localtime((folder / MANIFEST).stat().st_mtime)),
        "finished": finished,
        "trusted": finished and manifest["trusted"],
        "error": manifest.get("error", ""),
        "failed": [check["name"] for check in verdict.get("checks", []) if not check["passed"]],
        "cautions": [check["name"] for check in verdict.get("cautions", []) if not check["passed"]],
        "parameters": _difference(manifest["parameters"]),
        "thumbnail": thumbnail,
        "alt": alt,
    }


def collect(top: str | os.PathLike) -> tuple[list[dict], dict[str, list[dict]]]:
    """The runs of a folder, newest first, and its sweeps by name, each a list of runs in order of their names.

    A sweep's own report is one of the runs; its points lie a folder deeper.
    """
    runs, sweeps = [], {}
    for path in sorted(Path(top).rglob(MANIFEST)):
        if path.parent != Path(top) and _is_run(path.parent):
            above = path.parent.parent.parent if path.parent.parent.name == "points" else path.parent.parent
            place = runs if above == Path(top) else sweeps.setdefault(above.relative_to(top).as_posix(), [])
            place.append(describe_run(path.parent, Path(top)))
    return sorted(runs, key=lambda run: run["date"], reverse=True), sweeps


def write_index(top: str | os.PathLike) -> Path:
    """Write `index.html` over all runs in a folder; its path."""
    runs, sweeps = collect(top)
    path = Path(top) / INDEX
    os.makedirs(top, exist_ok=True)
    write_text(
        path,
        fill(
            "index.html.j2",
            [page_script()],
            runs=runs,
            sweeps={
                name: {"runs": some, "columns": sorted({key for run in some for key in run["parameters"]})}
                for name, some in sweeps.items()
            },
            image=lambda data: Markup(f"data:image/png;base64,{data}"),
        ),
    )
    return path
