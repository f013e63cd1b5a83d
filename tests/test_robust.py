"""Whatever is given, it is accepted or refused in clear lines: generated parameters, params files and data files.

The number of cases is the profile's (see conftest.py): some dozens of each kind
in `make test`, many more in `make test-all`.
"""

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import report
from helpers import (
    choose_likelihood, choose_priors, fit_em_proper, mixture_log_likelihood, random_stream, read_sample, simulate_sample,
    sort_components, starting_points,
)
from mixture.source import check_source
from parameters import NAMES, InputError, Parameters, check, load
from runner import chain

pytestmark = pytest.mark.timeout(900)


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


# -- parameters -------------------------------------------------------------------------------

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
    chosen = {"means": draw(st.lists(st.floats(-1e300, 1e300), min_size=k, max_size=k)),
              "sds": draw(st.lists(positive, min_size=k, max_size=k)),
              "weights": draw(st.lists(positive, min_size=k, max_size=k).map(lambda w: [x / sum(w) for x in w])),
              "n_components": draw(st.integers(1, 4)), "n_samples": draw(st.integers(1, 40)),
              "component_counts": draw(st.sampled_from(["fixed", "random"])),
              "likelihood": draw(st.sampled_from(["auto", "exact", "grouped"])), "cell_width": draw(st.none() | positive)}
    return {
        name: value
        for name, value in chosen.items()
        if draw(st.booleans()) or name in ("means", "sds", "weights", "n_samples")
    }


@given(st.dictionaries(names, values, max_size=6) | plausible())
def test_parameters_are_accepted_or_refused_in_clear_lines(given_values):
    try:
        accepted = check(given_values)
    except InputError as error:
        assert_clear(error)
    else:
        assert check(accepted.model_dump()) == accepted


def test_a_number_of_many_digits_is_refused_in_a_short_line():
    with pytest.raises(InputError, match="^draws: given a number of about 4,983 digits; allowed: "):
        check({"draws": 10**5_000})


def deep(opening, closing="", times=5_000):
    return opening * times + closing * times


BOMB = "\n".join(["a: &a [x, x, x, x, x, x, x, x, x]", *(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefghij", "bcdefghijk"))])
ODD_YAML = [
    "2001-99-99",
    "0x_",
    "!!int a",
    "!!float x",
    "!!timestamp a",
    deep("["),
    deep("{a: "),
    deep("- "),
    "1" * 5_000,
    "&a [*a]",
    "&a {a: *a}",
    "!!set {a}",
    '"\\ud800"',
    "\ufeff1",
    "!!python/object/apply:os.system [ls]",
    "\0",
    "[1",
    "%",
    "@",
    "!!binary '*'",
    "0x" + "f" * 5_000,
    BOMB,
    "--- 1\n--- 2",
    "1e999",
    ".nan",
]
texts = st.one_of(
    st.sampled_from(ODD_YAML),
    st.text(max_size=40),
    values.map(lambda value: _dumped(value)),
    numbers.map(lambda n: f"{n:.3g}" if n == n and abs(n) < 1e300 else "-1"),
)


def _dumped(value):
    try:
        return yaml.safe_dump(value, allow_unicode=True)
    except (yaml.YAMLError, ValueError):  # an integer too long to print
        return "1"


files = st.one_of(
    st.binary(max_size=200),
    texts.map(
        str.encode,
    )
    | st.sampled_from([BOMB, "a: 1\na: 2", "- a", "1: 2", ""]).map(str.encode),
    st.dictionaries(names, values, max_size=4).map(_dumped).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.dictionaries(st.sampled_from(NAMES), texts, max_size=3).map(
        lambda d: "\n".join(f"{k}: {v}" for k, v in d.items()).encode("utf-8", "surrogatepass")
    ),
    st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig"]).map("title: Länge\n".encode),
)


@given(files)
def test_a_params_file_is_accepted_or_refused_in_clear_lines(content):
    with inside() as folder:
        (folder / "params.yml").write_bytes(content)
        try:
            accepted = load("params.yml")
        except InputError as error:
            assert_clear(error)
        else:
            assert isinstance(accepted, Parameters)


# -- the command line -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A tiny chain and its finished run folder."""
    house = tmp_path_factory.mktemp("finished")
    assert tiny.command("run", "--notebooks", tiny.write_chain(house), "--out", "run", cwd=house).returncode == 0
    return house


def call(*arguments):
    """report.main as the command line does: status, standard output and error."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        status = report.main(list(arguments))
    return status, out.getvalue(), said.getvalue()


# What reruns none of the tiny notebooks: the page alone is written anew, so that thousands of cases take minutes.
cheap = st.sampled_from([name for name in NAMES if name not in ("seed", "n_samples", "draws", "interval")])
pairs = st.lists(st.tuples(cheap | names, texts | st.text(max_size=5)), min_size=1, max_size=3)
places = st.sampled_from(
    ["run"] * 6 + ["new", "x" * 300, "params.yml", "params.yml/run", "\udcff", "a\nb", "", "..", "/proc/nowhere"]
)


@given(pairs, st.none() | files, places)
@example([("title", "'<b>\"ü\u2028'")], None, "run")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_command_line_runs_or_says_why_not_and_touches_nothing(finished, chosen, content, out):
    with inside() as folder:
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        if content is not None:
            (folder / "params.yml").write_bytes(content)
        before = contents(folder)
        overrides = [part for name, text in chosen for part in ("-p", name, text)]
        status, said, error = call("run", *(["params.yml"] if content is not None else []), *overrides,
                                   "--notebooks", "notebooks", "--out", out)
        assert "Traceback" not in error
        if status == 0:
            assert said.endswith("report.html\n")
            manifest = chain.read_json(Path(out) / chain.MANIFEST)
            assert manifest["status"] == "finished"
            assert (Path(out) / chain.REPORT).stat().st_size > 1000
        else:
            assert (status, said) == (2, "")
            assert_clear(error.removesuffix("\n"))
            assert contents(folder) == before


# -- data files -------------------------------------------------------------------------------

cells = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.integers(-9, 9).map(str),
    st.sampled_from(
        [
            "",
            "NA",
            "nan",
            "inf",
            "-inf",
            "1e400",
            "1e308",
            "-1e308",
            "1e-320",
            "1_000",
            "1,5",
            '"1"',
            '"',
            " 1 ",
            "0x10",
            "true",
            "2020-01-01",
            "9" * 30,
            "٣",
            "−1",
            "\0",
            "1;2",
            "x",
        ]
    ),
)
headers = st.one_of(
    st.sampled_from(["x", "value", '"a,b"', '"a\nb"', '"<b>"', "", "1", "ä" * 300, '"a ""quoted"""']),
    st.text(max_size=8),
)


@st.composite
def tables(draw):
    """A text file: mostly rows of mostly numbers, in some encoding, perhaps cut short."""
    columns = draw(st.integers(1, 3))
    separator, end = draw(st.sampled_from([",", ";", "\t", "|"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    content = draw(
        st.sampled_from(
            [cells, st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers(-3, 3).map(str)]
        )
    )
    rows = [draw(st.lists(headers, min_size=columns, max_size=columns))]
    rows += draw(st.lists(st.lists(content, min_size=columns, max_size=columns), max_size=14))
    text = end.join(separator.join(row) for row in rows)
    encoding = draw(st.sampled_from(["utf-8"] * 5 + ["utf-8-sig", "utf-16", "latin-1"]))
    return text.encode(encoding, "replace")[:draw(st.none() | st.integers(0, 40))]


ARROW = [
    pa.float64(),
    pa.float32(),
    pa.float16(),
    pa.int8(),
    pa.uint64(),
    pa.int64(),
    pa.bool_(),
    pa.string(),
    pa.binary(),
    pa.timestamp("ns"),
    pa.date32(),
    pa.decimal128(38, 3),
    pa.decimal256(76, 2),
    pa.null(),
    pa.list_(pa.float64()),
    pa.struct([("x", pa.float64())]),
    pa.dictionary(pa.int8(), pa.float64()),
    pa.duration("s"),
]
reals = st.one_of(st.floats(), st.floats(-1e3, 1e3), st.integers(-5, 5).map(float))


@st.composite
def parquets(draw):
    """A Parquet file of some types, the numbers odd, perhaps damaged."""
    size = draw(st.integers(0, 14))
    columns, titles = [], draw(st.lists(st.text(max_size=5), min_size=1, max_size=2))
    for _ in titles:
        kind = draw(st.sampled_from(ARROW[:3] * 4 + ARROW))
        numeric = pa.array(draw(st.lists(st.none() | reals, min_size=size, max_size=size)), pa.float64())
        try:
            columns.append(numeric.cast(kind))
        except pa.ArrowException:
            columns.append(pa.nulls(size, kind))
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, names=titles), buffer)
    content = bytearray(buffer.getvalue())
    for place in draw(st.lists(st.integers(0, len(content) - 1), max_size=3)) if draw(st.booleans()) else []:
        content[place] ^= 0xFF
    return bytes(content)[:draw(st.sampled_from([None] * 5 + [len(content) // 2, 4, 0]))]


def fit_begins(sample, values):
    """Notebook 2 up to its starting points: all that a sample's values can trip."""
    pilot = fit_em_proper(sample, values.n_components, random_stream(1, "pilot"), 3)
    seen, _ = choose_likelihood(sample, pilot.sds.min(), values.likelihood, values.cell_width)
    priors = choose_priors(sample, values.n_components, sd_prior=values.sd_prior)
    assert np.isfinite([*priors.mean_center, *priors.mean_precision, priors.sd_scale]).all() and priors.sd_scale > 0
    assert (priors.mean_precision > 0).all()
    em = fit_em_proper(seen, values.n_components, random_stream(1, "em"), 3, 1e-6, values.em_variance)
    for start in starting_points(priors, em, 4, random_stream(1, "starts")):
        assert (np.diff(start["mu"]) > 0).all() and (start["sigma"] > 0).all()
        assert np.isfinite(mixture_log_likelihood(seen, start.get("w", np.ones(1)), start["mu"], start["sigma"])).all()


def assert_usable(name, content, **options):
    """Refused in a clear line, before the fit or at its beginning; or fit for a fit."""
    with inside() as folder:
        (folder / name).write_bytes(content)
        try:
            values = check({"data": name, **options})
            check_source(values)
            sample, dropped = read_sample(name, values.column, values.missing, values.n_components)
            assert np.isfinite(sample.value).all() and sample.n >= 2 * values.n_components
            assert dropped == 0 or values.missing == "drop"
            fit_begins(sample, values)
        except InputError as error:
            assert_clear(error)


options = st.fixed_dictionaries(
    {"missing": st.sampled_from(["refuse", "drop"]), "n_components": st.integers(1, 3)},
    optional={"column": st.text(max_size=5) | st.just("x"), "likelihood": st.sampled_from(["exact", "grouped"]),
              "em_variance": st.just("equal"), "sd_prior": st.sampled_from(["uniform", "halfnormal"])})


@given(st.sampled_from(["a.csv", "a.tsv", "a.txt", "a.csv.gz", "a.xls", "a'\n\u202e<b>.csv"]), tables(), options)
def test_a_text_file_is_fitted_or_refused_in_a_clear_line(name, content, chosen):
    assert_usable(name, content, **chosen)


@given(parquets(), options)
def test_a_parquet_file_is_fitted_or_refused_in_a_clear_line(content, chosen):
    assert_usable("a.parquet", content, **chosen)


@given(st.one_of(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=12),
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.lists(st.integers(0, 3), min_size=2, max_size=20),
    st.tuples(st.lists(st.floats(-1, 1), min_size=4, max_size=20), positive, st.floats(-1e15, 1e15)).map(
        lambda drawn: [drawn[2] + drawn[1] * each for each in drawn[0]])), options)
@example([1.0, 2.0], {"n_components": 1})
@example([1.0, 2.0, 1.0, 2.0, 1.0], {"n_components": 2})
def test_any_numbers_are_fitted_or_refused_in_a_clear_line(numbers_given, chosen):
    content = pd.DataFrame({"x": numbers_given}).to_csv(index=False).encode()
    assert_usable("a.csv", content, **chosen)


@given(plausible())
def test_any_simulation_is_fitted_or_refused_in_a_clear_line(given_values):
    try:
        values = check(given_values)
        components = sort_components(values.weights, values.means, values.sds)
        sample = simulate_sample(values.n_samples, *components, random_stream(1, "sample"), values.component_counts)
        fit_begins(sample, values)
    except InputError as error:
        assert_clear(error)
