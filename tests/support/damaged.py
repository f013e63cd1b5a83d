"""Damage to stored files, made up: any value in a JSON text replaced by one of another type, or taken out."""

import copy
import json

OTHERS = {"null": None, "number": 7, "string": "x", "list": [], "object": {}}
TYPES = {type(None): "null", int: "number", float: "number", str: "string", list: "list", dict: "object"}


def places(value, path=()):
    """The paths of all values in a JSON value, itself first; of a long list of one kind of things, a few."""
    yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value[:2] if all(isinstance(each, (str, float)) for each in value) else value):
            yield from places(each, (*path, number))


def damages(text):
    """Pairs of what was done to a JSON text, in words, and the text after it."""
    whole = json.loads(text)
    for path in places(whole):
        value = whole
        for step in path:
            value = value[step]
        others = {kind: other for kind, other in OTHERS.items() if TYPES.get(type(value)) != kind}
        for kind, other in others.items():
            yield f"{path}: {kind}", json.dumps(changed(whole, path, other))
        if path:
            yield f"{path}: missing", json.dumps(changed(whole, path))
    yield "half of it", text[: len(text) // 2]
    yield "nothing", ""
    yield "a pit", "[" * 100_000


def changed(whole, path, *other):
    """A copy of a JSON value with another value at a path, or with none."""
    changed = {"": copy.deepcopy(whole)}
    holder = changed
    for step in ("", *path[:-1])[: len(path)]:
        holder = holder[step]
    last = path[-1] if path else ""
    if other:
        holder[last] = other[0]
    else:
        del holder[last]
    return changed[""]
