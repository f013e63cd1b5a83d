"""How input is refused: the error, and how a value is shown in its one line.

Imports nothing of this project, so that everything may import it.
"""

import itertools
import reprlib
from collections.abc import Collection
from typing import Any


class InputError(ValueError):
    """What the user gave cannot be used; the message is the one line to show."""


class _BoundedRepr(reprlib.Repr):
    """A short repr; an integer with more digits than Python prints is described."""

    def repr_int(self, number: int, level: int) -> str:
        try:
            return super().repr_int(number, level)
        except ValueError:
            return f"a number of about {number.bit_length() * 3 // 10:,} digits"


_bounded_repr = _BoundedRepr(maxlevel=3, maxstring=100, maxother=100, maxlong=40, maxlist=8, maxdict=8)


def format_value(value: Any) -> str:
    """A value as a message shows it: its repr, at most some 400 characters."""
    text = _bounded_repr.repr(value)
    return text if len(text) <= 400 else f"{text[:400]}..."


def format_name(name: Any) -> str:
    """A name as a message shows it: as it is if that is short and printable, else its repr."""
    text = str(name)
    return text if text.isprintable() and 0 < len(text) <= 100 else format_value(text)


def format_names(names: Collection[Any], most: int = 5) -> str:
    """Names as a message lists them, the first of many."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(format_name, itertools.islice(names, most))) + more


def to_one_line(text: Any, max_length: int = 300) -> str:
    """The beginning of a text as one printable line."""
    line = " ".join(str(text).split())[:max_length]
    return "".join(character if character.isprintable() else "?" for character in line)


USABLE_RANGE = "a range between 1e-100 and 1e100, and more than 1e-9 of the largest value"


def is_usable_range(low: float, high: float) -> bool:
    """Whether double precision can square the range from `low` to `high` and distinguish values within it."""
    low, high = float(low), float(high)  # NumPy's own numbers would warn of a range that overflows
    return 1e-100 < high - low < 1e100 and high - low > 1e-9 * max(abs(low), abs(high))
