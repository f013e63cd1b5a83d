"""A report for each group of a sample, and one that compares them: the groups are the points of a sweep.

Each group's rows lie in a file of the sweep's folder, so that its report is an ordinary run of an ordinary file.
"""

import functools
import os
import re
from pathlib import Path

import pyarrow.parquet as pq

from mixture.atomic import write_atomically
from mixture.data.groups import Groups, read_groups
from mixture.data.read import check_source
from mixture.messages import InputError, format_value, to_one_line
from parameters import Parameters
from runner.scratch import GuardedFolder
from runner.sweep.grid import Point, Sweep, SweepFile

FOLDER, ACCOUNT = "groups", "groups_report"


def read_group_sweep(parameters: Parameters, folder: Path) -> Sweep:
    """The sweep over the groups of a sample, each checked as a sample of its own; nothing is written.

    Parameters
    ----------
    parameters : Parameters
        With `data` and `by`.
    folder : Path
        Where the sweep will be.

    Raises
    ------
    InputError
        One line, with the group that it is about.
    """
    columns = {"column": parameters.column} if parameters.lower is None else {}
    columns |= {name: getattr(parameters, name) for name in ("lower", "upper", "counts") if getattr(parameters, name)}
    groups = read_groups(parameters.data, parameters.by, columns, parameters.missing)
    if parameters.lower is None:  # a fault is named by its row in the file; bins of several groups do not touch
        check_source(parameters)
    files = _file_names(groups.rows)
    _check_groups(parameters, groups, files)
    points = {
        label: Point(_of_group(parameters, label, str(folder / FOLDER / name)), 0) for label, name in files.items()
    }
    about = {"by": parameters.by, "groups": {point.name: label for label, point in points.items()}}
    write = functools.partial(_write_groups, groups, files)
    file = SweepFile(title=parameters.title)
    return Sweep(file, (), tuple(points.values()), ACCOUNT, parameters, about, write)


def _file_names(labels):
    """A file name for each label, readable and each once."""
    return {
        label: f"{number:02d}-{re.sub(r'[^\w.-]+', '_', label)[:40]}.parquet" for number, label in enumerate(labels, 1)
    }


def _of_group(parameters, label, data):
    """The parameters of one group, which is a file of its own."""
    title = to_one_line(f"{parameters.title}: {parameters.by} {label}", 200)
    return parameters.model_copy(update={"data": data, "by": None, "scheduler": None, "title": title})


def _check_groups(parameters, groups, files):
    """Each group as `check_source` reads it; an `InputError` names the group."""
    with GuardedFolder("groups-") as scratch:
        _write_groups(groups, files, scratch.folder)
        for label, name in files.items():
            try:
                check_source(_of_group(parameters, label, str(scratch.folder / FOLDER / name)))
            except InputError as error:
                where = f"by: group {format_value(label)} of column {format_value(parameters.by)}"
                raise InputError("\n".join(f"{where}: {line}" for line in str(error).split("\n"))) from None


def _write_groups(groups: Groups, files: dict[str, str], folder: str | os.PathLike) -> None:
    """Write each group's file into a folder."""
    place = Path(folder) / FOLDER
    place.mkdir(exist_ok=True)
    for label, name in files.items():
        write_atomically(place / name, lambda part, label=label: pq.write_table(groups.table(label), part))
