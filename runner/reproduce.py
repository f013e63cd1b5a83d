"""Run a stored report again, in a fresh folder, and say what differs.

On the same machine with the same versions nothing may differ, not by a bit, whatever
the number of cores. Elsewhere other processors and libraries round otherwise, so
chains part, and the two posteriors must agree within their Monte Carlo error.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixture.code_hash import file_hash
from mixture.messages import InputError, format_name
from parameters import Parameters, check
from runner.run import ProgressListener, run_chain
from runner.stages import NOTEBOOKS, tags
from runner.stored import MANIFEST, read_finished

POSTERIOR = "posterior.nc"
TIMED = {"cost.json"}  # what a run cost is another each time
MAX_DISTANCE = 4.0  # Monte Carlo standard errors between two posteriors of the same model
FIGURES_AND_TABLES = ("image/", "text/html", "application/vnd.")  # and the data of interactive figures


@dataclass(frozen=True)
class Comparison:
    """What came of running a report again.

    Attributes
    ----------
    elsewhere : list of str
        What is not as it was when the report was written: machine, versions, code.
    changed : list of str
        Files of the stored report that are not as its manifest says.
    differing : list of str
        Files, figures and tables that the fresh run has otherwise.
    distance : float or None
        Between the posteriors' means, Monte Carlo standard errors; None where no bit differs, or there is none.
    """

    elsewhere: list
    changed: list
    differing: list
    distance: float | None

    @property
    def reproduced(self) -> bool:
        """Whether it is as it should be: the same here, within Monte Carlo error elsewhere."""
        if self.changed:
            return False
        return not self.differing or bool(self.elsewhere) and self.distance is not None and self.distance < MAX_DISTANCE

    def lines(self) -> list[str]:
        """The comparison in words."""
        found = [
            f"the stored {name} is not as its manifest says: it was changed after the run" for name in self.changed
        ]
        found += [f"not as then: {what}" for what in self.elsewhere]
        found += [f"differs: {what}" for what in self.differing]
        if self.distance is not None:
            found.append(
                f"the posteriors' means are at most {self.distance:.2f} Monte Carlo standard errors apart "
                f"(limit {MAX_DISTANCE:g})"
            )
        if not self.reproduced:
            return ["NOT reproduced", *(f"  {line}" for line in found)]
        how = "within Monte Carlo error" if self.differing else "the same, bit by bit"
        return [f"reproduced: {how}", *(f"  {line}" for line in found)]


def stored_parameters(folder: Path, manifest: dict[str, Any]) -> Parameters:
    """The parameters of a finished run, its data found from here."""
    values = dict(manifest["parameters"])
    if values.get("data") is not None:
        values["data"] = os.path.relpath(os.path.join(folder, values["data"]))
    try:
        return check(values)
    except InputError as error:
        first = str(error).split("\n")[0]
        raise InputError(f"{format_name(os.path.relpath(folder / MANIFEST))}: {first}") from None


def reproduce(
    folder: str | os.PathLike,
    notebooks: str | os.PathLike = NOTEBOOKS,
    listener: ProgressListener | None = None,
    kernel=None,
) -> tuple[Comparison, Path | None]:
    """Run a finished report again beside its folder and compare; the fresh folder stays only where they differ.

    Parameters
    ----------
    folder : path-like
        Of the finished report.
    notebooks, listener, kernel :
        As in `runner.run.run_chain`.

    Returns
    -------
    Comparison
    fresh : Path or None
        The fresh run folder, if it was kept.

    Raises
    ------
    InputError
        The folder holds no finished run, or a damaged one, or its data are gone; nothing runs.
    ChainError
        The fresh run failed.
    """
    folder = Path(folder)
    manifest, stored = read_finished(folder)
    values = stored_parameters(folder, manifest)
    # Beside the first, so that the way to the data is the same.
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.resolve().name}-again-", dir=folder.resolve().parent))
    keep = True
    try:
        run_chain(values, fresh, notebooks, kernel=kernel, listener=listener)
        comparison = compare(folder, manifest, stored, fresh, *read_finished(fresh))
        keep = not comparison.reproduced
    except KeyboardInterrupt:  # nobody will continue this folder
        keep = False
        raise
    finally:
        if not keep or not any(fresh.iterdir()):
            shutil.rmtree(fresh)
    return comparison, fresh if keep else None


def compare(
    folder: Path,
    manifest: dict[str, Any],
    notebooks: dict[str, dict],
    fresh: Path,
    again: dict[str, Any],
    anew: dict[str, dict],
) -> Comparison:
    """A stored run (folder, manifest and executed notebooks) against a fresh one."""
    stored, new = manifest["hashes"]["outputs"], again["hashes"]["outputs"]
    changed = [name for name, content in stored.items() if file_hash(folder / name) != content]
    differing = [name for name in sorted((stored.keys() | new.keys()) - TIMED) if stored.get(name) != new.get(name)]
    for name in anew:
        differing += _differing_outputs(f"{name}.ipynb", notebooks.get(name, {"cells": []}), anew[name])
    both = all((each / POSTERIOR).exists() for each in (folder, fresh))
    reads = {name: executed["metadata"]["chain"]["reads"] for name, executed in anew.items()}
    return Comparison(
        _elsewhere(manifest, again, reads), changed, differing, _distance(folder, fresh) if differing and both else None
    )


def _elsewhere(manifest, again, reads):
    """In words, what of machine, versions and code is not as it was; `reads` are the files that each stage reads.

    A stage whose input files differ is not listed: that difference is what has to be explained.
    """
    changed = []
    if manifest.get("machine") != again["machine"]:
        changed.append(f"the machine ({_machine(manifest.get('machine'))}; here {_machine(again['machine'])})")
    then, now = manifest["versions"], again["versions"]
    changed += [
        f"{name} {then.get(name, 'none')}, here {now.get(name, 'none')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    before, after = manifest["hashes"], again["hashes"]
    for name, content in after["stages"].items():
        same_input = all(before["outputs"].get(file) == after["outputs"].get(file) for file in reads.get(name, ()))
        if same_input and before["stages"].get(name) != content:
            changed.append(f"{name}: its notebook, code or data")
    return changed


def _machine(described):
    return ", ".join(described.values()) if described else "not recorded"


def _differing_outputs(name, *notebooks):
    """The figures and tables of a notebook that are not the same in both of its executions."""
    outputs = list(map(_figures_and_tables, notebooks))
    return [
        f"{name}, output of cell {number + 1}"
        for number in sorted(outputs[0].keys() | outputs[1].keys())
        if outputs[0].get(number) != outputs[1].get(number)
    ]


def _figures_and_tables(notebook):
    """Figures and tables by the number of their cell; other text may hold times."""
    found = {}
    for number, cell in enumerate(notebook["cells"]):
        held = [
            {kind: content for kind, content in output.get("data", {}).items() if kind.startswith(FIGURES_AND_TABLES)}
            for output in cell.get("outputs", [])
        ]
        if "progress" not in tags(cell) and any(held):
            found[number] = held
    return found


def _distance(folder, fresh):
    """Monte Carlo standard errors between two posteriors' means; infinite where they are not of the same shape."""
    from helpers import load_posterior
    from mixture.check.comparison import monte_carlo_distance

    try:
        return monte_carlo_distance(load_posterior(folder), load_posterior(fresh))
    except (ValueError, KeyError, OSError):
        return float("inf")
