"""Counting any size in one pass: exact whatever the order, the chunks and the place where it runs."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

import mixture.data.read as reading
from mixture.bayes.draws import as_dataset, posterior_draws
from mixture.bayes.model import build_model
from mixture.bayes.nuts import starting_points
from mixture.bayes.priors import choose_priors
from mixture.bayes.pymc_sampling import sample_posterior
from mixture.check.membership import summarise_memberships, write_memberships
from mixture.components import mixture_cdf
from mixture.data.cells import (
    Cells,
    Grid,
    cells_to_sample,
    choose_likelihood,
    coarsen_sample,
    find_rounding,
    group_sample,
    merge_cells,
)
from mixture.data.read import count_batches, read_sample
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_cells, simulate_mixture
from mixture.em import fit_em
from mixture.messages import InputError

TRUTH = [0.7, 0.3], [150.0, 200.0], [10.0, 20.0]


@pytest.fixture(scope="module")
def values():
    return simulate_mixture(60_000, *TRUTH, random_stream(3, "cells"))[0]


@pytest.fixture
def counted(monkeypatch):
    """Count above 10,000 values, in many small pieces."""
    monkeypatch.setattr(reading, "MOST_VALUES", 10_000)
    monkeypatch.setattr(reading, "ROWS_A_PIECE", 7_000)


def same(one, other):
    return (
        np.array_equal(one.index, other.index) and np.array_equal(one.count, other.count) and one.level == other.level
    )


def test_order_and_chunks_do_not_matter(values):
    rng, grid = np.random.default_rng(0), Grid.for_values(values[:1000])
    whole, _ = count_batches([values], grid)
    for pieces in (1, 7, 100):
        shuffled = np.array_split(rng.permutation(values), pieces)
        assert same(whole, count_batches(shuffled, grid)[0])
        parts = [count_batches([part], grid)[0] for part in shuffled]
        rng.shuffle(parts)
        merged = parts[0]
        for part in parts[1:]:
            merged = merge_cells(merged, part)
        assert same(whole, merged)


def test_counts_are_those_of_a_literal_loop(values):
    grid = Grid.for_values(values[:1000], width=2.5)
    sample = cells_to_sample(count_batches([values], grid)[0], grid)
    for low, high, count in zip(sample.lower, sample.upper, sample.count):
        assert count == ((values >= low) & (values < high)).sum()
    assert sample.n == len(values)


def test_far_outliers_cost_nothing_and_are_not_lost(values):
    far = np.concatenate([values, [-1e9, 1e9, 1e12]])
    grid = Grid.for_values(values[:1000])
    sample = cells_to_sample(count_batches([far], grid)[0], grid)
    assert sample.n == len(far)
    assert len(sample.count) <= len(cells_to_sample(count_batches([values], grid)[0], grid).count) + 3
    assert sample.lower[0] <= -1e9 < sample.upper[0] and sample.lower[-1] <= 1e12 < sample.upper[-1]


def test_coarser_levels_merge_exactly(values):
    grid = Grid.for_values(values[:1000])
    fine, _ = count_batches([values], grid)
    coarse, _ = count_batches([values], Grid(grid.width * 8, 0.0, grid.first // 8, grid.size))
    assert np.array_equal(fine.coarser(3).index, coarse.index) and np.array_equal(fine.coarser(3).count, coarse.count)
    assert same(merge_cells(fine.coarser(2), fine).coarser(5), merge_cells(fine, fine).coarser(5))
    assert len(Cells(np.arange(1000), np.ones(1000, int)).within(100).index) <= 100


def test_a_file_is_counted_as_its_values_are(counted, values, tmp_path):
    table = pa.table({"x": values})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=5_000)
    pd.DataFrame({"x": values}).to_csv(tmp_path / "v.csv", index=False)
    (tmp_path / "parts").mkdir()
    for i, part in enumerate(np.array_split(values, 3)):
        pq.write_table(pa.table({"x": part}), tmp_path / "parts" / f"{i}.parquet", row_group_size=3_000)
    read = {name: read_sample(str(tmp_path / name))[0] for name in ("v.parquet", "v.csv", "parts")}
    for sample in read.values():
        assert sample.n == len(values) and not sample.exact
        wide = coarsen_sample(sample, 1.0)
        for low, high, count in list(zip(wide.lower, wide.upper, wide.count))[::10]:
            assert count == ((values >= low) & (values < high)).sum()


def test_rounded_values_keep_their_rounding_as_the_cell(counted, values, tmp_path):
    pd.DataFrame({"x": np.round(values)}).to_parquet(tmp_path / "r.parquet")
    sample, _ = read_sample(str(tmp_path / "r.parquet"))
    assert sample.width == 1.0 and np.array_equal(sample.value, np.unique(np.round(values)))


def test_bad_values_late_in_a_long_file_are_named(counted, values, tmp_path):
    late = values.copy()
    late[-1] = np.inf
    pq.write_table(pa.table({"x": late}), tmp_path / "late.parquet", row_group_size=5_000)
    with pytest.raises(InputError, match="infinite values"):
        read_sample(str(tmp_path / "late.parquet"))
    late[-1] = np.nan
    pq.write_table(pa.table({"x": late}), tmp_path / "gap.parquet", row_group_size=5_000)
    assert read_sample(str(tmp_path / "gap.parquet"), missing="drop")[1] == 1


@pytest.mark.longer
def test_a_dask_cluster_counts_the_same(counted, values, tmp_path):
    from distributed import LocalCluster

    pq.write_table(pa.table({"x": values}), tmp_path / "v.parquet", row_group_size=5_000)
    here, _ = read_sample(str(tmp_path / "v.parquet"))
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        there, _ = read_sample(str(tmp_path / "v.parquet"), scheduler=cluster.scheduler_address)
    assert np.array_equal(here.lower, there.lower) and np.array_equal(here.count, there.count)


def test_simulated_counts_follow_the_mixture():
    sample = simulate_cells(10**12, *TRUTH, random_stream(1, "s"))
    assert sample.n == 10**12 and sample.simulated
    assert abs(sample.mean() - 165) < 4 * 26.7 / 1e6 + sample.width
    small = simulate_cells(20_000, *TRUTH, random_stream(2, "s"), "random")
    wide = coarsen_sample(small, 5.0)
    mass = np.diff(mixture_cdf(np.append(wide.lower, wide.upper[-1]), *TRUTH))
    kept = wide.count >= 5
    assert stats.chisquare(wide.count[kept], mass[kept] / mass[kept].sum() * wide.count[kept].sum()).pvalue > 1e-3


def fitted(sample, draws=400):
    """Posterior of a sample in cells with the post's priors."""
    em = fit_em(sample, 2, random_stream(1, "em"), starts=5)
    priors = choose_priors(sample, 2, [145, 210], [0.01, 0.02], "uniform", 100)
    model = build_model(sample, priors)
    tree = sample_posterior(
        model,
        sample,
        starting_points(priors, em, 2, random_stream(1, "st")),
        random_stream(1, "n"),
        draws,
        draws,
        progressbar=False,
    )
    return tree["posterior"].to_dataset()


def far_apart(one, other):
    """Largest difference of means, in posterior sds; and of sds, as a ratio."""
    means = max(
        float(
            (
                abs(one[n].mean(("chain", "draw")) - other[n].mean(("chain", "draw"))) / other[n].std(("chain", "draw"))
            ).max()
        )
        for n in ("w", "mu", "sigma")
    )
    sds = max(
        float(abs(np.log(one[n].std(("chain", "draw")) / other[n].std(("chain", "draw")))).max())
        for n in ("w", "mu", "sigma")
    )
    return means, sds


@pytest.mark.longer
@pytest.mark.parametrize(
    "width", [1.0, pytest.param(0.5, marks=pytest.mark.slow), pytest.param(5.0, marks=pytest.mark.slow)]
)
def test_grouped_posterior_is_the_exact_one_at_several_widths(values, width):
    exact = Sample.of_values(values[:10_000])
    means, sds = far_apart(fitted(group_sample(exact, width)), fitted(exact))
    assert means < 0.35 and sds < 0.25


def test_cells_stay_unbiased_where_midpoints_fail():
    sample = coarsen_sample(simulate_cells(10**7, *TRUTH, random_stream(5, "s")), 5.0)
    assert 4.9 < sample.width <= 5.0  # as many cells in one as fit
    right = fit_em(sample, 2, random_stream(1, "em"), starts=5)
    errors = np.array([0.0036, 0.009])  # of the sds at this size
    assert (abs(right.sds - [10, 20]) < 5 * errors).all()
    midpoints = Sample(sample.value - 1e-6, sample.value + 1e-6, sample.count)  # all mass at the middle
    assert abs(fit_em(midpoints, 2, random_stream(1, "em"), starts=5).sds[0] - 10) > 8 * errors[0]


def test_halving_the_width_changes_nothing_visible(values):
    fine = group_sample(Sample.of_values(values), 0.5)
    wide, half = coarsen_sample(fine, 1.0), fine
    one, other = (fit_em(s, 2, random_stream(1, "em"), starts=5) for s in (wide, half))
    assert np.allclose(one.means, other.means, atol=0.02) and np.allclose(one.sds, other.sds, atol=0.02)


def test_auto_groups_what_is_large_or_rounded_and_says_so(values):
    large, reason = choose_likelihood(Sample.of_values(values), 10.0)
    assert not large.exact and "0.1 of the smallest sd" in reason and "0.08%" in reason
    rounded, reason = choose_likelihood(Sample.of_values(np.round(values[:1500])), 10.0)
    assert rounded.width == 1.0 and "rounded to multiples of 1" in reason
    small, reason = choose_likelihood(Sample.of_values(values[:500]), 10.0)
    assert small.exact
    with pytest.raises(InputError, match="cell_width: given 6; allowed: at most half the smallest sd, 5"):
        choose_likelihood(Sample.of_values(values), 10.0, cell_width=6.0)


def test_memberships_of_a_file_are_streamed_and_right(values, tmp_path):
    pd.DataFrame({"x": values[:5000]}).to_csv(tmp_path / "v.csv", index=False)
    rng = np.random.default_rng(0)
    draws = [np.asarray(a) * np.exp(0.01 * rng.standard_normal((2, 50, 2))) for a in TRUTH]
    draws[0] /= draws[0].sum(axis=-1, keepdims=True)
    tree = {"posterior": as_dataset(draws)}
    write_memberships(str(tmp_path / "v.csv"), "x", tree, tmp_path / "m.parquet")
    written = pd.read_parquet(tmp_path / "m.parquet")
    right = summarise_memberships(values[:5000], posterior_draws(tree).thin(1000))
    assert np.allclose(written["value"], values[:5000])
    assert np.abs(written["p_1"] - right["p_1"]).max() < 1e-5
    assert (
        np.abs(written[["p_1_low", "p_2_high"]] - right[["p_1_low", "p_2_high"]]).max().max() < 0.01
    )  # limits jump by a draw


@pytest.mark.longer
def test_memory_is_bounded(tmp_path):
    """Five million values in pieces take no more than a few pieces' room."""
    writer = pq.ParquetWriter(tmp_path / "big.parquet", pa.schema([("x", pa.float64())]))
    for seed in range(10):
        writer.write_table(pa.table({"x": simulate_mixture(500_000, *TRUTH, random_stream(seed, "m"))[0]}))
    writer.close()
    code = (
        "import resource, sys; from mixture.data.read import read_sample\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"sample, _ = read_sample({str(tmp_path / 'big.parquet')!r})\n"
        "assert sample.n == 5_000_000\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 150_000, "kB beyond what the imports took"


@pytest.mark.parametrize("step", [0.05, 0.2, 1.0, 2.0, 5.0, 50.0])
def test_the_rounding_of_a_sample_is_found(step):
    values = step * np.round(np.random.default_rng(1).normal(100, 8, 400))
    assert find_rounding(Sample.of_values(values)) == pytest.approx(step)


def test_a_few_even_numbers_are_whole_numbers():
    assert find_rounding(Sample.of_values(np.repeat([10.0, 12.0, 16.0, 18.0], 5))) == 1.0


def test_cells_wider_than_a_component_have_no_absurd_loss():
    sample = Sample.of_values(np.repeat([1.0, 2.0, 3.0, 7.0], 30))
    assert "known by the prior alone" in choose_likelihood(sample, 1e-6)[1]
