"""Numbers as a reader sees them.

An estimate is shown to the digits that its uncertainty leaves it: two of the
uncertainty's own for an estimate, none that chance alone decides for a mean over draws.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

QUANTITIES = {"w": "weight", "mu": "mean", "sigma": "sd"}
MOST_DECIMALS, LONG = 6, 1e7  # beyond, a number is written with a power of ten


def decimals_for(error: float, digits: int = 2) -> int:
    """Decimals that show an error to so many significant digits, negative where it is large; 0 where it is zero or infinite.

    >>> decimals_for(0.0163), decimals_for(1.18), decimals_for(250.0)
    (3, 1, -1)
    """
    if not math.isfinite(error) or error <= 0:
        return 0
    return digits - 1 - math.floor(math.log10(float(f"{error:.{digits - 1}e}")))


def fixed(value: float | None, decimals: int) -> str:
    """A number with so many decimals, thousands grouped and a true minus; a dash where there is none.

    With more than `MOST_DECIMALS`, and where digits before the point mean nothing in a number beyond `LONG`, it has a
    power of ten.

    >>> fixed(9.8962e-9, 12), fixed(150.66, 1), fixed(1234.5, -1), fixed(9.8962e11, -9)
    ('9.896e−09', '150.7', '1,234', '9.90e+11')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if decimals > MOST_DECIMALS or (decimals < 0 and abs(value) >= LONG):
        digits = decimals + math.floor(math.log10(abs(value))) if value else 0
        return f"{value:.{max(0, digits)}e}".replace("-", "−") if digits >= 0 and value else "0"
    text = f"{value:,.{max(0, decimals)}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def estimate(value: float, error: float) -> str:
    """A number to two significant digits of its error."""
    return fixed(value, decimals_for(error)) if error > 0 or not math.isfinite(value) else f"{value:.4g}"


def on_axis(value: float, spread: float, digits: int = 4) -> str:
    """A place on the sample's axis, told from others there: to so many digits of a spread, wherever the axis begins.

    >>> on_axis(1000000001.2345, 0.5), on_axis(150.66, 10.4), on_axis(-1.5e-8, 2e-9)
    ('1,000,000,001.2345', '150.66', '−1.5000e−08')
    """
    return fixed(value, decimals_for(spread, digits)) if spread > 0 else f"{value:.4g}"


def as_latex(number: str) -> str:
    r"""A number as a formula has it: a power of ten, and no gap after the comma of thousands.

    >>> as_latex("1.5e−08"), as_latex("1,234")
    ('1.5 \\times 10^{-8}', '1{,}234')
    """
    text = number.replace("−", "-").replace(",", "{,}")
    return re.sub(r"e([+-]?)0*(\d+)$", lambda power: rf" \times 10^{{{power[1].strip('+')}{power[2]}}}", text)


def plus_minus(value: float, error: float) -> str:
    """A number and its error, not to be parted at a line's end."""
    return f"{estimate(value, error)}\u00a0±\u00a0{estimate(error, error)}"


def short(value: float) -> str:
    """Three decimals at most, one from ten on, none from a hundred on."""
    if not math.isfinite(value) or abs(value) >= 100:
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
    """`mu[1]` as words."""
    stem, _, number = name.partition("[")
    return f"{QUANTITIES.get(stem, stem)} of component {number.rstrip(']')}" if number else QUANTITIES.get(stem, stem)


def as_code(text: str) -> str:
    """A text as Markdown's inline code, with a fence that no backtick of its own can close."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"
