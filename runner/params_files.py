"""YAML files of parameters: read as plain values, and checked against the schema."""

import os
from collections import Counter
from typing import Any

import yaml

from mixture.atomic import read_text
from mixture.messages import InputError, format_name, to_one_line
from parameters import Parameters, check


class _PlainLoader(yaml.SafeLoader):
    """Plain values only, and no name twice in a mapping: PyYAML would take the last and say nothing."""

    def compose_mapping_node(self, anchor):
        node = super().compose_mapping_node(anchor)
        names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [name for name, count in names.items() if count > 1]:
            raise yaml.constructor.ConstructorError(
                None, None, f"{format_name(twice[0])} is given twice", node.start_mark
            )
        return node


def parse_yaml(text: str) -> Any:
    """The value that a YAML text stands for, plain values only; `yaml.YAMLError` for anything else.

    PyYAML lets through what Python says of a date, a number or a nesting that cannot be.
    """
    try:
        return _PlainLoader(text).get_single_data()
    except (ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from None


def read_yaml(path: str | os.PathLike) -> dict[str, Any]:
    """The mapping in a YAML file (empty for an empty file)."""
    try:
        values = parse_yaml(read_text(path))
    except FileNotFoundError:
        raise InputError(f"{format_name(path)}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: bytes that are no UTF-8, a path that cannot be one
        raise InputError(f"{format_name(path)}: cannot be read ({error.__class__.__name__})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{format_name(path)}: not valid YAML ({to_one_line(error)})") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{format_name(path)}: allowed: lines of the form `name: value`")
    return values


def load(path: str | os.PathLike | None = None, overrides: dict[str, Any] | None = None) -> Parameters:
    """The parameters in a params file, with overrides, checked.

    Parameters
    ----------
    path : path-like, optional
        A YAML file of `name: value` lines; names left out take their defaults.
    overrides : dict, optional
        Values that win over the file's.

    Raises
    ------
    InputError
        One line for each thing wrong.
    """
    return check({**({} if path is None else read_yaml(path)), **(overrides or {})})
