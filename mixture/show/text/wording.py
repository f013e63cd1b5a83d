"""Texts and tables that remember the values they were made from, so that they can be written anew without them.

record
    the function's name and its arguments as plain JSON values; an output of a notebook
    keeps it in its metadata
"""

import functools
import importlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

CHAPTERS = (
    "sample",
    "components",
    "fit",
    "chains",
    "comparison",
    "decisions",
    "units",
    "groups",
    "runs",
    "sweep",
    "studies",
    "proof",
)
RECORD, ALT_RECORD = "wording", "alt"
FUNCTIONS = {}


def component_numbers(k: int) -> pd.RangeIndex:
    """The components of a table, counted from 1."""
    return pd.RangeIndex(1, k + 1, name="component")


class Text(str):
    """Markdown."""

    def __new__(cls, text: str, record: dict[str, Any]) -> "Text":
        made = super().__new__(cls, text)
        made.record = record
        return made

    def _repr_mimebundle_(self, **_):
        return {"text/markdown": str(self), "text/plain": str(self)}, {RECORD: self.record}


class Table(pd.DataFrame):
    """A table of text."""

    _metadata = ["record"]

    def _repr_mimebundle_(self, **_):
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}, {RECORD: self.record}


def wording(function: Callable[..., str | pd.DataFrame]) -> Callable[..., Text | Table]:
    """Make a function's text (a str) or table (a DataFrame) remember its arguments.

    The function is always given what is left of its arguments in JSON: lists for
    arrays and tuples, dicts for named tuples; a DataFrame stays one. That is what its
    annotations name, not what a caller may pass.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def worded(*args, **kwargs):
        values = {name: _encode(value) for name, value in signature.bind(*args, **kwargs).arguments.items()}
        return _make({"function": function.__name__, "values": values})

    known = FUNCTIONS.get(function.__name__, function)
    if known.__module__ != function.__module__:
        raise ValueError(f"{function.__name__} is in {known.__module__} already: a record names the function alone")
    FUNCTIONS[function.__name__] = function
    return worded


def caption(function: Callable[..., str]) -> Callable[..., Text | Table]:
    """`wording` for what stands below a figure, in italics."""

    @functools.wraps(function)
    def italic(*args, **kwargs):
        return f"*{function(*args, **kwargs)}*"

    return wording(italic)


def _make(record):
    made = FUNCTIONS[record["function"]](**{name: _decode(value) for name, value in record["values"].items()})
    if isinstance(made, str):
        return Text(made, record)
    table = Table(made)
    table.record = record
    return table


def write_anew(output: dict[str, Any]) -> dict[str, Any]:
    """A stored output of a notebook as today's functions word it; the same where nothing is recorded in it.

    Parameters
    ----------
    output : dict
        As stored in a notebook.

    Returns
    -------
    dict

    Raises
    ------
    LookupError, TypeError, ValueError
        The function is gone, or takes other values: the notebook has to run again.
    """
    for chapter in CHAPTERS:
        importlib.import_module(f"mixture.show.text.{chapter}")
    metadata = output.get("metadata", {})
    if RECORD in metadata:
        data, _ = _make(metadata[RECORD])._repr_mimebundle_()
        return {
            **output,
            "data": {**output["data"], **{kind: text.splitlines(keepends=True) for kind, text in data.items()}},
        }
    images = {kind: about for kind, about in metadata.items() if isinstance(about, dict) and ALT_RECORD in about}
    if images and ALT_RECORD in metadata.get("records", {}):
        alt = str(_make(metadata["records"][ALT_RECORD]))
        return {
            **output,
            "data": {**output["data"], "text/plain": [alt]},
            "metadata": {**metadata, **{kind: {**about, ALT_RECORD: alt} for kind, about in images.items()}},
        }
    return output


def _encode(value):
    """A value as JSON holds it."""
    if isinstance(value, pd.DataFrame):
        frame = value.to_dict("split")
        return {
            "frame": {part: _encode(frame[part]) for part in ("index", "columns", "data")},
            "name": value.index.name,
        }
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _encode(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _decode(value):
    """The inverse of `_encode`, but for the kinds of sequences."""
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"float"}:
        return float(value["float"])
    if value.keys() == {"frame", "name"}:
        index, columns, data = (_decode(value["frame"][part]) for part in ("index", "columns", "data"))
        if index and isinstance(index[0], list):
            return pd.DataFrame(data, pd.MultiIndex.from_tuples([tuple(each) for each in index]), columns)
        return pd.DataFrame(data, pd.Index(index, name=value["name"]), columns)
    return {name: _decode(each) for name, each in value.items()}
