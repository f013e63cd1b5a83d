"""From the points' run folders to one tidy table: a row for each point and component.

Nothing here computes a statistic: the numbers are those that the notebooks left in
comparison.csv, verdict.json, em.json, cost.json and the manifest.
"""

import csv
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from runner import chain

RESULTS = "results.parquet"
FINISHED, FAILED, NOT_RUN = "finished", "failed", "not run"


def _number(text):
    """A number where a table's text is one, None where it is empty."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return text or None


def read_table(path):
    """The rows of a CSV file as dicts, none if there is no such file."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]


def point_status(manifest, error):
    """Status, verdict and error of a point, by its manifest (or None) and by what the sweep saw (a line or "")."""
    if chain.is_manifest(manifest) and manifest["status"] != "finished":  # it knows more than the sweep does
        return {"status": FAILED, "verdict": None, "error": f"{manifest.get('stage')}: {manifest.get('error')}"}
    if error:
        return {"status": FAILED, "verdict": None, "error": error}
    if not chain.is_manifest(manifest):
        return {"status": NOT_RUN, "verdict": None, "error": None}
    return {"status": FINISHED, "verdict": "trusted" if manifest["trusted"] else "untrusted", "error": None}


def point_rows(point, folder, error=""):
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
        component and, by parameter (w, mu, sigma), what comparison.csv and the
        verdict say of it: `mu_truth`, `mu_posterior_mean`, `mu_rhat` and so on.
    """
    manifest = chain.read_json(folder / chain.MANIFEST)
    about = {"point": point.name, "replicate": point.replicate, **point.parameters.model_dump(exclude={"title"}),
             **point_status(manifest, error)}
    if about["status"] != FINISHED:
        return [about | {"component": None, "stage": (manifest or {}).get("stage")}]
    verdict, cost, em = (chain.read_json(folder / name) or {} for name in (chain.VERDICT, "cost.json", "em.json"))
    about |= {f"seconds_{name}": seconds for name, seconds in manifest["seconds"].items()} | _told(verdict) | cost
    about |= {f"em_{name}": value for name, value in em.items() if isinstance(value, (int, float))}
    components = _by_component([*read_table(folder / "comparison.csv"), *verdict.get("parameters", [])])
    return [about | {"component": number} | values for number, values in components] or [about | {"component": None}]


def _by_component(rows):
    """What tables with a row for each parameter and component say, as (component, {parameter_name: value}) pairs."""
    components = {}
    for row in rows:
        values = components.setdefault(int(row["component"]), {})
        for name in row.keys() - {"parameter", "component"}:
            values[f"{row['parameter']}_{name}"] = row[name]
    return [(number, dict(sorted(values.items()))) for number, values in sorted(components.items())]


def _told(verdict):
    """The checks and cautions of a verdict: the names of those that failed, and the value of each."""
    checks, cautions = verdict.get("checks", []), verdict.get("cautions", [])
    failed, warned = ([check["name"] for check in some if not check["passed"]] for some in (checks, cautions))
    return {"chains_verdict": verdict.get("chains"), "failed_checks": "; ".join(failed), "cautions": "; ".join(warned),
            **{check["name"]: check["value"] for check in [*checks, *cautions]}}


def write_results(path, rows):
    """Write the rows as Parquet, whole, with all columns that any row has."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    table = pa.table({name: _column(values) for name, values in columns.items()})
    part = path.with_name(f".{path.name}.part")
    try:
        pq.write_table(table, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _column(values):
    """An Arrow column; whole numbers among fractions become fractions, and what has no one type becomes text."""
    if any(isinstance(value, float) for value in values):
        values = [float(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else json.dumps(value) for value in values])
