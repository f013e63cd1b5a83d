"""What the tests of generated input share: values, texts and files of all kinds, and what every refusal has to be."""

import contextlib
import tempfile
from pathlib import Path

import yaml
from hypothesis import strategies as st

from parameters import NAMES


def assert_clear(error):
    """Some short printable lines, not one of them empty."""
    lines = str(error).split("\n")
    assert 1 <= len(lines) <= 11
    for line in lines:
        assert line.strip() and line.isprintable() and len(line) < 2000, line


@contextlib.contextmanager
def inside():
    """A new folder, as the working one."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield Path(folder)


def contents(folder):
    """Every file below a folder with what it holds."""
    return {path: path.is_file() and path.read_bytes() for path in sorted(folder.rglob("*"))}


# -- values -----------------------------------------------------------------------------------

names = st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES).map(lambda name: name[:-1]), st.text(max_size=12))
numbers = st.one_of(
    st.integers(), st.integers(-3, 60), st.floats(), st.floats(0, 1), st.sampled_from([10**400, 1e308, 5e-324])
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    numbers.map(lambda n: n if abs(n) > 1e300 else str(n)),
    st.text(max_size=300),
    st.dates(),
    st.binary(max_size=9),
    st.sampled_from(["auto", "exact", "grouped", "latent", "marginal", "nutpie", "uniform", "equal", "drop", "."]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
positive = st.floats(1e-300, 1e300)


@st.composite
def plausible(draw):
    """Parameters of which most are fine, so that what is checked last is reached too."""
    k = draw(st.integers(1, 4))
    chosen = {
        "means": draw(st.lists(st.floats(-1e300, 1e300), min_size=k, max_size=k)),
        "sds": draw(st.lists(positive, min_size=k, max_size=k)),
        "weights": draw(st.lists(positive, min_size=k, max_size=k).map(lambda w: [x / sum(w) for x in w])),
        "n_components": draw(st.integers(1, 4)),
        "n_samples": draw(st.integers(1, 40)),
        "component_counts": draw(st.sampled_from(["fixed", "random"])),
        "likelihood": draw(st.sampled_from(["auto", "exact", "grouped"])),
        "cell_width": draw(st.none() | positive),
    }
    return {
        name: value
        for name, value in chosen.items()
        if draw(st.booleans()) or name in ("means", "sds", "weights", "n_samples")
    }


# -- YAML -------------------------------------------------------------------------------------


def deep(opening, closing="", times=5_000):
    return opening * times + closing * times


BOMB = "\n".join(
    [
        "a: &a [x, x, x, x, x, x, x, x, x]",
        *(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghij", "bcdefghijk")),
    ]
)
ODD_YAML = [
    "2001-99-99",
    "0x_",
    "!!int a",
    "!!float x",
    "!!timestamp a",
    "!!set {a}",
    "!!binary '*'",
    deep("["),
    deep("{a: "),
    deep("- "),
    "1" * 5_000,
    "0x" + "f" * 5_000,
    "[0x" + "f" * 5_000 + "]",
    "{? 0x" + "f" * 5_000 + " : 1}",
    "&a [*a]",
    "&a {a: *a}",
    '"\\ud800"',
    '"\\0"',
    '"a\\nb\\u2028c"',
    "\ufeff1",
    "\0",
    "[1",
    "%",
    "@",
    BOMB,
    "!!python/object/apply:os.system [touch evil]",
    "!!python/name:os.system ''",
    "--- 1\n--- 2",
    "1e999",
    ".nan",
    "-.inf",
    "{a: 1, a: 2}",
    "{null: 1}",
    "{[1]: 2}",
    "{<<: {a: 1}, a: 2}",
]
texts = st.one_of(
    st.sampled_from(ODD_YAML),
    st.text(max_size=40),
    values.map(lambda value: dumped(value)),
    numbers.map(lambda n: f"{n:.3g}" if n == n and abs(n) < 1e300 else "-1"),
)


def dumped(value):
    """A value as YAML."""
    try:
        return yaml.safe_dump(value, allow_unicode=True)
    except (yaml.YAMLError, ValueError):  # an integer too long to print
        return "1"


def lines(mapping):
    """Names and YAML texts as the lines of a file."""
    return "\n".join(f"{name}: {text}" for name, text in mapping.items())


def encoded(text):
    """A text as bytes, whatever is in it."""
    return text.encode("utf-8", "surrogatepass")


broken_files = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([BOMB, "a: 1\na: 2", "- a", "1: 2", ""]).map(encoded),
    texts.map(encoded),
    st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig"]).map("title: Länge\n".encode),
)
files = st.one_of(
    broken_files,
    st.dictionaries(names, values, max_size=4).map(dumped).map(encoded),
    st.dictionaries(st.sampled_from(NAMES), texts, max_size=3).map(lines).map(encoded),
)
