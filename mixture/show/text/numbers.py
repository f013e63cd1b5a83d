"""Numbers as a reader sees them.

An estimate is shown to the digits that its uncertainty leaves it: two of the
uncertainty's own for an estimate, none that chance alone decides for a mean over draws.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

QUANTITIES = {"w": "weight", "mu": "mean", "sigma": "sd"}


def decimals_for(error: float, digits: int = 2) -> int:
    """Decimals that show an error to so many significant digits; 0 where it is zero, infinite or large.

    >>> decimals_for(0.0163), decimals_for(1.18), decimals_for(250.0)
    (3, 1, 0)
    """
    if not np.isfinite(error) or error <= 0:
        return 0
    return max(0, digits - 1 - math.floor(math.log10(float(f"{error:.{digits - 1}e}"))))


def fixed(value: float | None, decimals: int) -> str:
    """A number with so many decimals, thousands grouped and a true minus; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def estimate(value: float, error: float) -> str:
    """A number to two significant digits of its error."""
    return fixed(value, decimals_for(error)) if error > 0 or not np.isfinite(value) else f"{value:.4g}"


def plus_minus(value: float, error: float) -> str:
    """A number and its error, not to be parted at a line's end."""
    return f"{estimate(value, error)}\u00a0±\u00a0{estimate(error, error)}"


def short(value: float) -> str:
    """Three decimals at most, one from ten on, none from a hundred on."""
    if not np.isfinite(value) or abs(value) >= 100:
        return fixed(value, 0)
    return f"{value:.{1 if abs(value) >= 10 else 3}f}".rstrip("0").rstrip(".")


def counted(number: int, word: str) -> str:
    """ "no cautions", "one caution", "2 cautions"."""
    return f"{'no' if number == 0 else 'one' if number == 1 else number} {word}{'' if number == 1 else 's'}"


def listed(parts: Iterable[Any]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = map(str, parts)
    return f"{', '.join(first)} and {last}" if first else last


def component_name(name: str) -> str:
    """`mu[0]` as words."""
    stem, _, number = name.partition("[")
    return f"{QUANTITIES.get(stem, stem)} of component {number.rstrip(']')}" if number else QUANTITIES.get(stem, stem)


def as_code(text: str) -> str:
    """A text as Markdown's inline code, with a fence that no backtick of its own can close."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"
