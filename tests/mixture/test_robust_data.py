"""Whatever a data file or a simulation holds, it is fitted or refused in a clear line.

The number of cases is the profile's (see conftest.py): some dozens of each kind
in `make test`, many more in `make test-all`.
"""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from generated import assert_clear, inside, plausible, positive
from hypothesis import example, given
from hypothesis import strategies as st

from mixture.bayes.nuts import starting_points
from mixture.bayes.priors import choose_priors
from mixture.components import mixture_log_likelihood, sort_components
from mixture.data.cells import choose_likelihood
from mixture.data.read import check_source, read_sample
from mixture.data.simulate import random_stream, simulate_sample
from mixture.em import fit_em_proper
from mixture.messages import InputError
from parameters import check

pytestmark = pytest.mark.timeout(900)


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
    return text.encode(encoding, "replace")[: draw(st.none() | st.integers(0, 40))]


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
    return bytes(content)[: draw(st.sampled_from([None] * 5 + [len(content) // 2, 4, 0]))]


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
            counted = {each: getattr(values, each) for each in ("counts", "lower", "upper")}
            sample, dropped = read_sample(name, values.column, values.missing, values.n_components, **counted)
            assert np.isfinite(sample.value).all() and sample.n >= 2 * values.n_components
            assert dropped == 0 or values.missing == "drop"
            fit_begins(sample, values)
        except InputError as error:
            assert_clear(error)


options = st.fixed_dictionaries(
    {"missing": st.sampled_from(["refuse", "drop"]), "n_components": st.integers(1, 3)},
    optional={
        "column": st.text(max_size=5) | st.just("x"),
        "likelihood": st.sampled_from(["exact", "grouped"]),
        "em_variance": st.just("equal"),
        "sd_prior": st.sampled_from(["uniform", "halfnormal"]),
    },
)


@given(
    st.sampled_from(["a.csv", "a.tsv", "a.txt", "a.csv.gz", "a.xls", "a.xlsx", "a.feather", "a'\n\u202e<b>.csv"]),
    tables(),
    options,
)
def test_a_text_file_is_fitted_or_refused_in_a_clear_line(name, content, chosen):
    assert_usable(name, content, **chosen)


@given(parquets(), options)
def test_a_parquet_file_is_fitted_or_refused_in_a_clear_line(content, chosen):
    assert_usable("a.parquet", content, **chosen)


@given(
    st.one_of(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=12),
        st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20),
        st.lists(st.integers(0, 3), min_size=2, max_size=20),
        st.tuples(st.lists(st.floats(-1, 1), min_size=4, max_size=20), positive, st.floats(-1e15, 1e15)).map(
            lambda drawn: [drawn[2] + drawn[1] * each for each in drawn[0]]
        ),
    ),
    options,
)
@example([1.0, 2.0], {"n_components": 1})
@example([1.0, 2.0, 1.0, 2.0, 1.0], {"n_components": 2})
def test_any_numbers_are_fitted_or_refused_in_a_clear_line(numbers_given, chosen):
    content = pd.DataFrame({"x": numbers_given}).to_csv(index=False).encode()
    assert_usable("a.csv", content, **chosen)


@st.composite
def bins(draw):
    """A table of bins, most of which touch, with odd counts here and there."""
    inner = draw(st.lists(st.floats(-1e3, 1e3) | st.integers(-9, 9).map(float), min_size=1, max_size=9, unique=True))
    ends = [
        draw(st.sampled_from(["", "-inf", "-2000"])),
        *map(repr, sorted(inner)),
        draw(st.sampled_from(["", "inf", "2000"])),
    ]
    count = st.sampled_from([0, 1, 3, 50, 10**6, 10**12]) | st.integers(0, 99)
    rows = [[*pair, str(draw(count))] for pair in zip(ends, ends[1:])]
    if draw(st.booleans()):
        rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, 2))] = draw(cells)
    return "\n".join(map(",".join, [["lo", "hi", "n"], *draw(st.permutations(rows))])).encode()


@pytest.mark.longer
@given(bins(), options)
def test_any_bins_are_fitted_or_refused_in_a_clear_line(content, chosen):
    assert_usable("a.csv", content, **{"lower": "lo", "upper": "hi", "counts": "n"} | chosen)


@given(bins(), options)
def test_any_counted_values_are_fitted_or_refused_in_a_clear_line(content, chosen):
    assert_usable("a.csv", content, **{"column": "lo", "counts": "n"} | chosen)


@given(plausible())
def test_any_simulation_is_fitted_or_refused_in_a_clear_line(given_values):
    try:
        values = check(given_values)
        components = sort_components(values.weights, values.means, values.sds)
        sample = simulate_sample(values.n_samples, *components, random_stream(1, "sample"), values.component_counts)
        fit_begins(sample, values)
    except InputError as error:
        assert_clear(error)
