"""From the points' run folders to one tidy table: a row for each point and component.

Nothing here computes a statistic: the numbers are those that the notebooks left in
comparison.csv, verdict.json, components.json, em.json, cost.json and the manifest.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mixture.atomic import write_atomically
from runner.folder import MANIFEST, VERDICT
from runner.stored import COMPARISON, COMPONENTS, COST, EM, DamagedFile, read_stored
from runner.sweep.grid import Point

RESULTS = "results.parquet"
FINISHED, FAILED, NOT_RUN = "finished", "failed", "not run"


def _parse_number(text):
    """A number where a table's text is one, None where it is empty."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return text or None


def point_status(manifest: dict[str, Any] | None, error: str) -> dict[str, str | None]:
    """Status, verdict and error of a point, by its manifest (or None) and by what the sweep saw (a line or "")."""
    if manifest is not None and manifest["status"] != "finished":  # the manifest knows more than the sweep
        return {"status": FAILED, "verdict": None, "error": f"{manifest.get('stage')}: {manifest.get('error')}"}
    if error:
        return {"status": FAILED, "verdict": None, "error": error}
    if manifest is None:
        return {"status": NOT_RUN, "verdict": None, "error": None}
    return {"status": FINISHED, "verdict": "trusted" if manifest["trusted"] else "untrusted", "error": None}


def point_rows(point: Point, folder: Path, error: str = "") -> list[dict[str, Any]]:
    """The rows of one point: one a component, or one alone where there is no result.

    Parameters
    ----------
    point : grid.Point
    folder : Path
        Its run folder.
    error : str
        What the sweep saw go wrong, if anything.

    Returns
    -------
    list of dict
        point, replicate, the parameters, status, verdict, error, failed_checks,
        cautions, the value of each check, seconds of each stage and other costs;
        components_found and p_components_1, ... where the number was drawn;
        component and, by parameter (w, mu, sigma), what comparison.csv and the
        verdict say of it: `mu_truth`, `mu_posterior_mean`, `mu_rhat` and so on.
    """
    row = {"point": point.name, "replicate": point.replicate, **point.parameters.model_dump(exclude={"title"})}
    try:
        manifest = read_stored(folder / MANIFEST)
        row |= point_status(manifest, error)
        if row["status"] == FINISHED:
            return _finished_rows(row, manifest, folder)
        return [row | {"component": None, "stage": (manifest or {}).get("stage")}]
    except DamagedFile as damage:
        return [row | point_status(None, error or str(damage)) | {"component": None, "stage": None}]


def _finished_rows(row, manifest, folder):
    """`row`, with all that the folder says, for each component."""
    verdict, cost, em = (read_stored(folder / name) or {} for name in (VERDICT, COST, EM))
    row |= (
        {f"seconds_{name}": seconds for name, seconds in manifest["seconds"].items()} | _verdict_columns(verdict) | cost
    )
    row |= count_columns(read_stored(folder / COMPONENTS))
    row |= {f"em_{name}": value for name, value in em.items() if isinstance(value, (int, float))}
    table = [
        {name: _parse_number(text) for name, text in line.items()} for line in read_stored(folder / COMPARISON) or []
    ]
    components = _by_component([*table, *verdict.get("parameters", [])])
    return [row | {"component": number} | values for number, values in components] or [row | {"component": None}]


def count_columns(components: dict[str, Any] | None) -> dict[str, float]:
    """The number of components that was found, and the probability of each, where it was drawn; by components.json."""
    if components is None or components["given"]:
        return {}
    likely = {number: p for number, p in components["p_k_filled"].items() if p >= 0.001}
    return {"components_found": components["chosen"]} | {f"p_components_{number}": p for number, p in likely.items()}


def _by_component(rows):
    """What tables with a row for each parameter and component say, as (component, {parameter_name: value}) pairs."""
    components = {}
    for row in rows:
        values = components.setdefault(int(row["component"]), {})
        for name in row.keys() - {"parameter", "component"}:
            values[f"{row['parameter']}_{name}"] = row[name]
    return [(number, dict(sorted(values.items()))) for number, values in sorted(components.items())]


def _verdict_columns(verdict):
    """The checks and cautions of a verdict: the names of those that failed, and the value of each."""
    checks, cautions = verdict.get("checks", []), verdict.get("cautions", [])
    failed, warned = ([check["name"] for check in some if not check["passed"]] for some in (checks, cautions))
    return {
        "chains_verdict": verdict.get("chains"),
        "failed_checks": "; ".join(failed),
        "cautions": "; ".join(warned),
        **{check["name"]: check["value"] for check in [*checks, *cautions]},
    }


def write_results(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows as Parquet, whole, with all columns that any row has."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    table = pa.table({name: _column(values) for name, values in columns.items()})
    write_atomically(path, lambda part: pq.write_table(table, part))


def _column(values):
    """An Arrow column; whole numbers among fractions become fractions, and what has no one type becomes text."""
    if any(isinstance(value, float) for value in values):
        values = [float(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else json.dumps(value) for value in values])
