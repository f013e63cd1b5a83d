"""What earlier runs left, read in one place: each file is as its type here says, or damaged, and one line says where.

The types name what the project reads; whatever else a file holds is kept as it is.

    read_stored(folder / "verdict.json")          # a dict; None where there is no such file; or DamagedFile
    read_if_sound(folder / "01_draw.ipynb")       # None where it is damaged too: of what can be run again

stored file
    a notebook, or one of those that `FILES` names; what only notebooks read is theirs to check
"""

import csv
import functools
import json
import os
import struct
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, TypeAdapter, ValidationError

from mixture.atomic import read_text
from mixture.messages import InputError, format_name, format_value, to_one_line
from parameters import Parameters

MANIFEST, REPORT, PDF, VERDICT = "manifest.json", "report.html", "report.pdf", "verdict.json"
COMPONENTS, COMPARISON, COST, EM = "components.json", "comparison.csv", "cost.json", "em.json"
PLAY = "application/vnd.gaussian-mixtures.play+json"  # the data of a figure to play with


class DamagedFile(InputError):
    """A stored file is not what the project wrote; the message names it, and the place in it."""


# -- notebooks --------------------------------------------------------------------------------

Text = str | list[str]  # the notebook format may store a text as a list of lines
FileName = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$")]


def join_lines(text: Text) -> str:
    """The text of a cell or an output, which the format may store as a list of lines."""
    return text if isinstance(text, str) else "".join(text)


def png_size(data: Text) -> tuple[int, int]:
    """Width and height in pixels of a PNG in base64; ValueError if it is none."""
    content = b64decode(join_lines(data).replace("\n", ""), validate=True)
    if not content.startswith(b"\x89PNG") or len(content) < 24:
        raise ValueError("should be a PNG in base64")
    return struct.unpack(">II", content[16:24])


def _check_png(data):
    png_size(data)
    return data


def _check_json(data):
    if not isinstance(data, dict):
        json.loads(join_lines(data))
    return data


def _check_play(data):
    if PLAY in data and not data.keys() & {"image/svg+xml", "image/png"}:
        raise ValueError("should hold a static figure beside the one to play with")
    return data


class Record(TypedDict):
    """What a stage says of itself in its executed notebook: in full when it succeeded, so that it need not run again."""

    reads: list[FileName]
    writes: list[FileName]
    hash: str
    texts: str
    outputs: dict[FileName, str]
    seconds: float


class Declaration(TypedDict):
    """The same of a notebook that was not run, or failed."""

    reads: NotRequired[list[FileName]]
    writes: NotRequired[list[FileName]]


class CellMetadata(TypedDict):
    tags: NotRequired[list[str]]


class TextCell(TypedDict):
    cell_type: Literal["markdown", "raw"]
    metadata: CellMetadata
    source: Text


class Stream(TypedDict):
    output_type: Literal["stream"]
    name: str
    text: Text


class Error(TypedDict):
    output_type: Literal["error"]
    ename: str
    evalue: str
    traceback: list[str]


class FigureNotes(TypedDict):
    alt: NotRequired[str]
    width: NotRequired[float]
    height: NotRequired[float]


_Data = TypedDict(
    "_Data",
    {
        "text/plain": NotRequired[Text],
        "text/html": NotRequired[Text],
        "text/markdown": NotRequired[Text],
        "text/latex": NotRequired[Text],
        "image/svg+xml": NotRequired[Text],
        "image/png": NotRequired[Annotated[Text, AfterValidator(_check_png)]],
        PLAY: NotRequired[Annotated[dict[str, Any] | Text, AfterValidator(_check_json)]],
    },
)
OutputMetadata = TypedDict(
    "OutputMetadata",
    {
        "alt": NotRequired[str],
        "caption": NotRequired[bool],
        "wording": NotRequired[dict[str, Any]],
        "records": NotRequired[dict[str, Any]],
        "image/svg+xml": NotRequired[FigureNotes],
        "image/png": NotRequired[FigureNotes],
    },
)


class Display(TypedDict):
    output_type: Literal["display_data", "execute_result"]
    data: Annotated[_Data, AfterValidator(_check_play)]
    metadata: OutputMetadata


class CodeCell(TypedDict):
    cell_type: Literal["code"]
    metadata: CellMetadata
    source: Text
    outputs: list[Annotated[Stream | Error | Display, Discriminator("output_type")]]


def _kind_of_record(record):
    return "done" if isinstance(record, dict) and "hash" in record else "declared"


class NotebookMetadata(TypedDict):
    chain: NotRequired[
        Annotated[
            Annotated[Record, Tag("done")] | Annotated[Declaration, Tag("declared")], Discriminator(_kind_of_record)
        ]
    ]


class Notebook(TypedDict):
    """A notebook in version 4 of its format, executed or not."""

    nbformat: Literal[4]
    nbformat_minor: int
    metadata: NotebookMetadata
    cells: list[Annotated[TextCell | CodeCell, Discriminator("cell_type")]]


# -- what a run says of itself ----------------------------------------------------------------

# Of a sweep, a parameter is the list of the values that it takes.
StoredParameters = TypedDict(
    "StoredParameters",
    {
        name: NotRequired[field.annotation | list[field.annotation]]
        for name, field in Parameters.model_fields.items()
        if name != "title"
    }
    | {"title": str},
)


class Hashes(TypedDict):
    stages: dict[FileName, str]
    outputs: dict[FileName, str]
    page: NotRequired[str]
    data: NotRequired[dict[FileName, str]]
    lock: NotRequired[str | None]


class Seconds(TypedDict):
    """Of all stages; and of each, by its name."""

    total: float


class Manifest(TypedDict):
    status: Literal["finished", "failed"]
    parameters: StoredParameters
    seed: int
    versions: dict[str, str]
    machine: NotRequired[dict[str, str]]
    commit: str | None
    dirty: bool | None
    hashes: Hashes
    seconds: Seconds
    trusted: bool
    stage: NotRequired[str]
    error: NotRequired[str]


Value = float | str | None  # null for a number that is not finite


class Check(TypedDict):
    name: str
    value: Value
    limit: Value
    passed: bool
    advice: str


class _Mode(TypedDict):
    held: float
    means: list[float]
    sds: list[float]


def _check_mode(mode):
    if len(mode["means"]) != len(mode["sds"]):
        raise ValueError("should be as many means as sds")
    return mode


Mode = Annotated[_Mode, AfterValidator(_check_mode)]


class ParameterDiagnostics(TypedDict):
    parameter: str
    component: int


class Verdict(TypedDict):
    trusted: bool
    checks: list[Check]
    cautions: NotRequired[list[Check]]
    chains: NotRequired[str]
    parameters: NotRequired[list[ParameterDiagnostics]]
    posterior_modes: NotRequired[list[Mode]]


class GivenComponents(TypedDict):
    chosen: int
    given: Literal[True]


class DrawnComponents(TypedDict):
    chosen: int
    given: Literal[False]
    p_k_filled: dict[str, float]


class EMResult(TypedDict):
    log_likelihood: float | None
    bic: float | None
    aic: float | None
    icl: float | None
    n: int


def _check_number(text):
    if text:
        float(text)
    return text


Number = Annotated[str, AfterValidator(_check_number)]  # empty where there is none


class ComparisonRow(TypedDict):
    """A row of text."""

    parameter: str
    component: Annotated[str, StringConstraints(pattern=r"^\d{1,6}(\.0)?$")]
    truth: NotRequired[Number]
    posterior_mean: Number
    posterior_sd: Number
    interval_low: Number
    interval_high: Number
    em: Number
    difference_in_sds: Number


FILES = {
    MANIFEST: Manifest,
    VERDICT: Verdict,
    COMPONENTS: Annotated[
        Annotated[GivenComponents, Tag("given")] | Annotated[DrawnComponents, Tag("drawn")],
        Discriminator(lambda found: "drawn" if isinstance(found, dict) and found.get("given") is False else "given"),
    ],
    COST: dict[str, float | None],
    EM: EMResult,
    COMPARISON: Annotated[list[ComparisonRow], Field(min_length=1)],
}

# -- reading ----------------------------------------------------------------------------------


@functools.cache
def _adapter(name):
    return TypeAdapter(Notebook if name == "ipynb" else FILES[name])


def is_stored(name: str) -> bool:
    """Whether a file of that name has a type here."""
    return name.endswith(".ipynb") or name in FILES


def read_stored(path: str | os.PathLike) -> Any:
    """The content of a stored file; its name tells its type.

    Returns
    -------
    dict, list or None
        As in the file, unchanged; None if there is no such file.

    Raises
    ------
    DamagedFile
        It is no file, cannot be read, or is not of its type.
    """
    path = Path(path)
    try:
        content = (_parse_csv if path.suffix == ".csv" else json.loads)(read_text(path))
        _adapter("ipynb" if path.suffix == ".ipynb" else path.name).validate_python(content, strict=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise _damaged(path, _first_mistake(error)) from None
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise _damaged(path, getattr(error, "strerror", None) or error) from None
    return content


def _parse_csv(text):
    """Rows of text by the names in the first line."""
    names, *rows = csv.reader(text.splitlines())
    return [dict(zip(names, row, strict=True)) for row in rows]


def read_if_sound(path: str | os.PathLike) -> Any:
    """As `read_stored`, but None for a damaged file too."""
    try:
        return read_stored(path)
    except DamagedFile:
        return None


def _damaged(path, reason):
    return DamagedFile(f"{format_name(os.path.relpath(path))}: damaged: {to_one_line(reason)}")


def _first_mistake(error):
    """One pydantic error as `place: given ...; allowed: ...`, or which name is missing."""
    first = error.errors(include_url=False, include_context=False)[0]
    # pydantic also names the one of several types that it tried.
    steps = [step for step in first["loc"] if "[" not in str(step)]
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{format_name(step)}" for step in steps)
    place = place.removeprefix(".") or "all of it"
    if first["type"] == "missing":
        return f"{place} is missing"
    allowed = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("should be ")
    return f"{place}: given {format_value(first['input'])}; allowed: {allowed}"


def read_finished(folder: Path) -> tuple[dict[str, Any], dict[str, dict]]:
    """The manifest of a finished run, and its executed notebooks by the names of their stages, in order.

    Raises
    ------
    InputError
        The folder holds no finished run, or a damaged one.
    """
    manifest = read_stored(folder / MANIFEST)
    finished = manifest is not None and manifest["status"] == "finished" and manifest["hashes"]["stages"]
    notebooks = {name: read_stored(folder / f"{name}.ipynb") for name in finished or ()}
    if not notebooks or None in notebooks.values():
        raise InputError(f"{format_name(os.path.relpath(folder))}: allowed: the folder of a finished run")
    return manifest, notebooks
