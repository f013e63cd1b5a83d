"""A fit of logarithms: read or refused by the row, kept as it was read, and told in data units as SciPy has it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats

import mixture.data.read as read
from mixture.check import data_units
from mixture.check.decisions import count_modes, even_points
from mixture.components import Components
from mixture.data.cells import choose_likelihood
from mixture.data.read import check_source, read_sample
from mixture.data.rounded_logs import choose_transformed_likelihood
from mixture.data.sample import Sample
from mixture.data.transform import name_sample, sample_in_data_units, take_logs, to_data_units
from mixture.messages import InputError
from mixture.show import figures
from mixture.show.text import units
from parameters import check

BINS = {"counts": "n", "lower": "lo", "upper": "hi"}
TWO = Components(np.array([0.6, 0.4]), np.array([1.0, 3.0]), np.array([0.4, 0.5]))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def skewed(n=400, seed=3):
    rng = np.random.default_rng(seed)
    return np.exp(np.where(rng.random(n) < 0.6, rng.normal(1, 0.4, n), rng.normal(3, 0.5, n)))


def logs(values):
    """As notebook 1 hands them over."""
    return name_sample(Sample.of_values(np.log(values)), None, "log")


# -- reading ----------------------------------------------------------------------------------


def test_logarithms_are_read_and_given_back_as_they_were(folder):
    values = np.round(skewed(), 4)
    pd.DataFrame({"pay": values}).to_csv("t.csv", index=False)
    sample, dropped = read_sample("t.csv", transform="log")
    assert dropped == 0 and sample.exact
    assert_allclose(sample.value, np.log(values), rtol=1e-15)
    sample = name_sample(sample, "EUR", "log")
    assert (sample.axis, sample.density_axis) == ("log of pay (log EUR)", "density (per log EUR)")
    again = sample_in_data_units(sample, "log")
    assert_array_equal(again.value, values)
    assert again.exact and again.axis == "pay (EUR)"


def test_a_sample_of_no_logarithms_is_not_taken_for_one():
    with pytest.raises(InputError, match="sample.parquet holds values as they are; allowed: notebook 1 run with"):
        sample_in_data_units(Sample.of_values([1.0, 2.0]), "log")


def test_without_a_transform_nothing_changes(folder):
    sample = Sample.of_values([1.0, 2.0, 2.5])
    assert sample_in_data_units(sample, None) is sample and name_sample(sample, None, None).axis == sample.axis
    assert_array_equal(to_data_units(sample.value, None), sample.value)
    assert choose_transformed_likelihood(sample, None, 1.0) == choose_likelihood(sample, 1.0)


ROWS = {
    "zero": ("x\n1\n2\n0\n-1\n", {}, "row 3 of column 'x' holds 0"),
    "a gap before it": ("x\n1\nNA\n-2.5\n3\n", {"missing": "drop"}, "row 3 of column 'x' holds -2.5"),
    "counted": ("x,n\n1,3\n0,4\n", {"column": "x", "counts": "n"}, "row 2 of column 'x' holds 0"),
    "a bin below": ("lo,hi,n\n-2,0,5\n0,1,3\n1,2,3\n2,3,1\n", BINS, "hold a bin from -2 to 0"),
    "two open": ("lo,hi,n\n-2,1,5\n1,3,3\n", BINS, "fewer than two bins that hold values have two ends"),
}


@pytest.mark.parametrize("text, options, line", ROWS.values(), ids=ROWS)
def test_what_has_no_logarithm_is_refused_in_one_line(folder, text, options, line):
    (folder / "t.csv").write_text(text)
    for act in (lambda: read_sample("t.csv", transform="log", **options), lambda: check_source(given(**options))):
        with pytest.raises(InputError) as error:
            act()
        assert line in str(error.value) and "\n" not in str(error.value)


def given(**options):
    return check({"data": "t.csv", "transform": "log", **options})


def test_simulated_samples_are_refused():
    with pytest.raises(InputError, match="transform: given 'log' without data; allowed: with data"):
        check({"transform": "log"})


def test_bins_have_logarithms_of_their_ends_and_open_where_there_is_none(folder):
    (folder / "t.csv").write_text("lo,hi,n\n-5,-1,0\n-1,1,4\n1,2,5\n2,10,3\n10,,2\n")
    sample, _ = read_sample("t.csv", transform="log", **BINS)
    assert_allclose(sample.lower, [-np.inf, 0, np.log(2), np.log(10)])
    assert_allclose(sample.upper, [0, np.log(2), np.log(10), np.inf])
    again = sample_in_data_units(name_sample(sample, None, "log"), "log")
    assert_array_equal(again.lower, [0, 1, 2, 10])
    assert_array_equal(again.upper, [1, 2, 10, np.inf])


def test_many_values_are_counted_in_cells_of_their_logarithms(folder, monkeypatch):
    monkeypatch.setattr(read, "MOST_VALUES", 100)
    values = skewed(1000)
    pd.DataFrame({"x": values}).to_parquet("t.parquet")
    sample, _ = read_sample("t.parquet", transform="log")
    assert not sample.exact and sample.n == 1000
    assert sample.mean() == pytest.approx(np.log(values).mean(), abs=1e-3)


def test_of_many_values_the_first_without_a_logarithm_is_named_by_its_row_in_the_column(folder, monkeypatch):
    monkeypatch.setattr(read, "MOST_VALUES", 100)
    (folder / "parts").mkdir()
    for name, values in {"a": np.ones(150) + np.arange(150), "b": [1.0, 2.0, 0.0, -1.0]}.items():
        pd.DataFrame({"x": values}).to_csv(f"parts/{name}.csv", index=False)
    with pytest.raises(InputError, match="row 153 of column 'x' holds 0; allowed: values above 0"):
        read_sample("parts", transform="log", progress=False)


def test_a_missing_value_has_a_missing_logarithm():
    assert_array_equal(take_logs(np.array([1.0, np.nan, np.e]), "x"), [0, np.nan, 1])


# -- rounded values ---------------------------------------------------------------------------


def test_rounded_values_stand_for_the_logarithms_of_their_cells():
    values = np.round(skewed(2000)) + 1
    cells, reason = choose_transformed_likelihood(logs(values), "log", 0.4)
    assert cells.n == 2000 and len(cells.count) == len(np.unique(values))
    assert_allclose(np.exp(cells.upper) - np.exp(cells.lower), 1)
    assert_allclose(np.exp(cells.lower), np.unique(values) - 0.5)
    assert "rounded to multiples of 1 before" in reason


def test_rounding_that_nothing_notices_is_left_alone():
    values = np.round(np.repeat(skewed(200), 3) * 1e4) / 1e4
    sample = logs(values)
    seen, _ = choose_transformed_likelihood(sample, "log", 0.4)
    assert seen is sample
    exact, _ = choose_transformed_likelihood(logs(np.round(values) + 1), "log", 0.4, "exact")
    assert exact.exact


# -- in data units ----------------------------------------------------------------------------


def density(x):
    parts = [stats.lognorm.pdf(x, s, scale=np.exp(m)) * w for w, m, s in zip(*TWO, strict=True)]
    return np.sum(parts, axis=0)


def test_medians_and_factors_are_those_of_the_log_normal():
    comparison = pd.DataFrame(
        {
            "parameter": ["w", "w", "mu", "mu", "sigma", "sigma"],
            "interval_low": [0.5, 0.3, 0.9, 2.8, 0.3, 0.4],
            "interval_high": [0.7, 0.5, 1.1, 3.2, 0.5, 0.6],
            "em": [0.6, 0.4, 1.0, 3.0, 0.4, 0.5],
        }
    )
    found = data_units.describe_medians(comparison, TWO, "log")
    assert_allclose(found["median"], [stats.lognorm.median(s, scale=np.exp(m)) for _, m, s in zip(*TWO, strict=True)])
    between = [
        stats.lognorm.cdf(m * f, np.log(f), scale=m) - stats.lognorm.cdf(m / f, np.log(f), scale=m)
        for m, f in zip(found["median"], found["factor"], strict=True)
    ]
    assert_allclose(between, 0.6827, atol=1e-4)
    assert_allclose(found["median_low"], np.exp([0.9, 2.8]))
    assert_allclose(found["factor_em"], np.exp([0.4, 0.5]))
    table = units.medians_table(found, "EUR")
    assert list(table.columns[:2]) == ["median (EUR)", "median: interval from"] and len(table) == 2
    assert data_units.describe_medians(comparison, TWO, None) is None


def test_peaks_in_data_units_are_those_of_the_density_there():
    """Three mixtures whose peaks a fine grid counts."""
    x = np.exp(np.linspace(-6, 6, 200_001))
    wide = Components(np.array([0.5, 0.5]), np.array([0.0, 1.0]), np.array([0.2, 1.5]))
    near = Components(np.array([0.5, 0.5]), np.array([0.0, 1.2]), np.array([0.5, 0.5]))
    for mixture in (TWO, wide, near):
        parts = [stats.lognorm.pdf(x, s, scale=np.exp(m)) * w for w, m, s in zip(*mixture, strict=True)]
        falls = np.sum(np.diff(np.sign(np.diff(np.sum(parts, axis=0)))) < 0)
        one = mixture.map(lambda values: values[None])
        assert count_modes(data_units.as_density_in_data_units(one, "log"))[0] == falls


def test_cutoffs_are_even_in_data_units_too():
    rising, _ = even_points(TWO)
    (found,) = data_units.cutoffs_in_data_units([{"value": float(rising), "low": 1.0, "high": None}], "log")
    parts = [w * stats.lognorm.pdf(found["value"], s, scale=np.exp(m)) for w, m, s in zip(*TWO, strict=True)]
    assert parts[0] == pytest.approx(parts[1])
    assert found["low"] == pytest.approx(np.e) and found["high"] is None


def test_memberships_and_lone_values_have_the_values_that_were_read():
    frame = pd.DataFrame({"value": np.log([21.3, 0.07]), "p_1": [0.5, 1.0]})
    assert data_units.memberships_in_data_units(frame, "log")["value"].tolist() == [21.3, 0.07]
    cells = pd.DataFrame({"lower": [-np.inf], "upper": [0.0], "count": [3]})
    assert data_units.memberships_in_data_units(cells, "log").iloc[0].tolist() == [0, 1, 3]
    (lone,) = data_units.lone_in_data_units([{"value": np.log(1234.5), "count": 1, "sds": 6.0}], "log")
    assert lone == {"value": 1234.5, "count": 1, "sds": 6.0}


def test_the_density_in_data_units_is_drawn_with_its_jacobian():
    raw = Sample.of_values(skewed())
    figure = figures.draw_fits_in_data_units(raw, TWO.map(lambda values: np.tile(values, (3, 1))), TWO)
    (ax,) = figure.axes
    lines = {line.get_label(): line.get_xydata() for line in ax.lines}
    for name in ("posterior mean", "EM"):
        x, y = lines[name].T
        assert_allclose(y, density(x), rtol=1e-9)
    assert integrate.trapezoid(lines["EM"][:, 1], lines["EM"][:, 0]) == pytest.approx(0.99, abs=0.02)
    height, edges, _ = ax.patches[0].get_data()
    assert height @ np.diff(edges) == pytest.approx(0.99, abs=0.001)
