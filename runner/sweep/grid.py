"""From a sweep file to its points, each of them checked before anything runs.

point
    one set of parameters, and the run folder that is named after them: the same
    parameters have the same folder, however wide the sweep around them is
swept
    said of a parameter that the sweep's points or grid set
"""

import functools
import itertools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mixture.code_hash import value_hash
from mixture.messages import InputError, format_name, format_value, to_one_line
from parameters import Integer, Parameters, check
from runner.params_files import read_yaml

MAX_POINTS = 100_000  # some seconds to check, some 200 MB to hold, and more than a day on any one machine
# What the reading of a file depends on.
READ_BY = ("data", "column", "counts", "lower", "upper", "missing", "n_components", "transform")
Values = Annotated[list[Any], Field(min_length=1)]


class SweepFile(BaseModel):
    """What a sweep file may say; all of it may be left out.

    Attributes
    ----------
    title : str
    params : str, optional
        A params file to start from; relative to the working folder, as `data` is.
    fixed : dict
        Values that win over the params file's, in all points.
    points : list of dict
        Sets of values that belong together.
    grid : dict of str to list
        Values to try each with each, and with each of `points`.
    replicates : int
        How often to run each of these, with seeds of their own.
    study : str, optional
        A notebook of notebooks/ that reads the results and joins the report.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("A sweep", min_length=1, max_length=200)
    params: str | None = Field(None, min_length=1)
    fixed: dict[str, Any] = {}
    points: list[dict[str, Any]] = Field([{}], min_length=1)
    grid: dict[str, Values] = {}
    replicates: Integer = Field(1, ge=1, le=MAX_POINTS)
    study: str | None = Field(None, pattern=r"^\w+$")


@dataclass(frozen=True)
class Point:
    """One point: its parameters, the number of its replicate, and the name of its folder."""

    parameters: Parameters
    replicate: int

    @property
    def name(self) -> str:
        """A hash of all parameters but the title, which is the page's alone."""
        return value_hash(self.parameters.model_dump(exclude={"title"}))[:12]


@dataclass(frozen=True)
class Sweep:
    """A checked sweep.

    Attributes
    ----------
    file : SweepFile
        What its file says.
    swept : tuple of str
        The names of the swept parameters.
    points : tuple of Point
    account : str
        The notebook that reports on all points.
    report : Parameters, optional
        What its page says it is on; by default the first point's.
    about : dict
        More that sweep.json tells.
    prepare : callable, optional
        Given the sweep's folder, writes the data that the points read.
    """

    file: SweepFile
    swept: tuple[str, ...]
    points: tuple[Point, ...]
    account: str = "sweep_report"
    report: Parameters | None = None
    about: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None


def replicate_seeds(root: int, count: int) -> list[int]:
    """`count` independent seeds from one; more of them leave the first as they are."""
    children = np.random.SeedSequence(root).spawn(count)
    return [int(child.generate_state(1, np.uint64)[0] >> 1) for child in children]  # below 2^63


def read_sweep(path: str | os.PathLike) -> Sweep:
    """The sweep in a file, with every point checked, and its data files read if there are any.

    Raises
    ------
    InputError
        One line for each thing wrong.
    """
    file = check(read_yaml(path), SweepFile)
    _refuse_repeated_names(file)
    _refuse_too_many_points(file)
    given = {**({} if file.params is None else read_yaml(file.params)), **file.fixed, "title": file.title}
    combinations = [dict(zip(file.grid, values)) for values in itertools.product(*file.grid.values())]
    check_source = functools.cache(_check_source)  # once for the many points that read the same
    checked = [_check_point(given, point | values, check_source) for point in file.points for values in combinations]
    points = (
        Point(each.model_copy(update={"seed": seed}), number)
        for each in checked
        for number, seed in enumerate(_seeds(each.seed, file.replicates))
    )
    unique = {point.name: point for point in points}
    swept = dict.fromkeys([*(name for point in file.points for name in point), *file.grid])
    return Sweep(file, tuple(swept), tuple(unique.values()))


def _seeds(root, replicates):
    """One replicate has the root seed itself, and is what `run` would give."""
    return [root] if replicates == 1 else replicate_seeds(root, replicates)


def _refuse_repeated_names(file):
    """No name in two places of a sweep file, so that nobody has to know which one wins."""
    pointed = {name for point in file.points for name in point}
    places = {"fixed": set(file.fixed), "points": pointed, "grid": set(file.grid)}
    for (one, names), (other, others) in itertools.combinations(places.items(), 2):
        for name in sorted(names & others):
            raise InputError(f"{name}: given in {one} and in {other}; allowed: one of them")
    if "title" in set().union(*places.values()):
        raise InputError("title: given for points; allowed: at the top of the sweep file")


def _refuse_too_many_points(file):
    """Count the points before any is made."""
    count = len(file.points) * math.prod(map(len, file.grid.values())) * file.replicates
    if count > MAX_POINTS:
        number = f"{count:,}" if count < 10**15 else f"more than 10^{len(str(count)) - 1}"
        raise InputError(f"points, grid, replicates: given {number} points; allowed: at most {MAX_POINTS:,}")


def _check_point(given, values, check_source):
    """The parameters of one point, its data file checked; an `InputError` says which point it is about."""
    try:
        parameters = check(given | values)
        if parameters.by is not None:
            raise InputError(f"by: given {format_value(parameters.by)} in a sweep; allowed: with the command run")
        if parameters.data is not None:
            check_source(*(getattr(parameters, name) for name in READ_BY))
    except InputError as error:
        where = to_one_line(", ".join(f"{format_name(name)} {format_value(value)}" for name, value in values.items()))
        lines = (f"{line} (at {where})" if where else line for line in str(error).split("\n"))
        raise InputError("\n".join(lines)) from None
    return parameters


def _check_source(*values):
    """Check a data file, as the command `run` does."""
    from mixture.data.read import check_source  # only a file of the user's needs pyarrow here

    check_source(Parameters(**dict(zip(READ_BY, values, strict=True))))
