"""Figures of the studies."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixture.show import figures


def draw_over_n(ax: Axes, rows: pd.DataFrame, column: str, methods: Sequence[str], n: str = "n") -> None:
    """A line for each method over N; what is 0 has no place on a logarithmic axis.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    rows : pandas.DataFrame
        Columns method, the one named by `n`, and the one to draw.
    column : str
    methods : sequence of str
        In the order of their colours.
    n : str
    """
    for k, method in enumerate(methods):
        some = rows[(rows["method"] == method) & (rows[column] > 0)]
        ax.loglog(some[n], some[column], marker="o", color=figures.colour(k), label=method)


def draw_step_costs(table: pd.DataFrame) -> Figure:
    """Seconds per sweep and effective draws per second of each method over N; from `measure_methods`."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    for ax, column in ((left, "seconds_per_sweep"), (right, "ess_per_second")):
        draw_over_n(ax, table, column, table["method"].unique())
    left.set(title="What a sweep costs (EM: a whole fit)", xlabel="N, observations", ylabel="seconds")
    right.set(title="What a second is worth", xlabel="N, observations", ylabel="effective draws, worst parameter")
    left.legend(frameon=False)
    return figure


def draw_sweep_costs(points: pd.DataFrame, em: pd.Series, methods: Sequence[str]) -> Figure:
    """The same of a sweep's points, untrusted ones crossed out, beside EM.

    Parameters
    ----------
    points : pandas.DataFrame
        From `scaling.measure_points`.
    em : pandas.Series
        Seconds of EM by N.
    methods : sequence of str
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5))
    doubt = points[points["outcome"] != "trusted"]
    for ax, column in ((left, "seconds_per_sweep"), (right, "ess_per_second")):
        draw_over_n(ax, points, column, methods, n="n_samples")
        some = doubt[doubt[column] > 0]
        ax.loglog(some["n_samples"], some[column], "x", color=figures.TRUTH, markersize=9)
    left.loglog(em.index, em, "--", color=figures.EM, label="EM, a whole fit")
    left.set(title="What a sweep costs", xlabel="N, observations", ylabel="seconds")
    right.set(title="What a second is worth", xlabel="N, observations", ylabel="effective draws, worst quantity")
    left.legend(frameon=False, fontsize=9)
    return figure


def draw_shift_maps(points: pd.DataFrame, limit: float) -> Figure:
    """A map for each N: precision by offset, coloured by the shift, with the border of the misled region.

    Parameters
    ----------
    points : pandas.DataFrame
        From `measure_shifts`.
    limit : float
        The shift beyond which a posterior is misled.
    """
    sizes = sorted(points["n_samples"].unique())
    figure, axes = plt.subplots(1, len(sizes), figsize=(12, 3.2), sharey=True, squeeze=False, layout="constrained")
    for ax, n in zip(axes[0], sizes, strict=True):
        mesh = _draw_shift_map(ax, points[points["n_samples"] == n], limit)
        ax.set(title=f"N = {n:,}", xlabel="log10 of the precision")
    axes[0][0].set_ylabel("offset (data units)")
    figure.colorbar(mesh, ax=axes, label="log10 of the shift (posterior sds)")
    return figure


def _draw_shift_map(ax, points, limit):
    """One map; crosses where the chains cannot be trusted."""
    logarithm = np.log10(points["shift"].clip(0.01, 100))
    grid = points.assign(logarithm=logarithm).pivot(index="offset", columns="precision", values="logarithm")
    mesh = ax.pcolormesh(grid.values, vmin=-1, vmax=2, cmap="viridis")
    for row, offset in enumerate(grid.index):
        line = points[points["offset"] == offset].sort_values("precision")
        crosses = np.flatnonzero(line["outcome"] != "trusted") + 0.5
        ax.plot(crosses, np.full(len(crosses), row + 0.5), "x", color="white")
        misled = np.flatnonzero(line["shift"].values > limit)
        if len(misled):
            ax.plot([misled[0]] * 2, [row, row + 1], color=figures.TRUTH, linewidth=3)
    ax.set_xticks(np.arange(grid.shape[1]) + 0.5, [f"{np.log10(precision):.0f}" for precision in grid.columns])
    ax.set_yticks(np.arange(len(grid)) + 0.5, [f"{offset:g}" for offset in grid.index])
    return mesh


def draw_recovery(points: pd.DataFrame, sure: float) -> Figure:
    """The probability of the true number of components over N: a dot a sample, a line through the means of a separation.

    Parameters
    ----------
    points : pandas.DataFrame
        From `component_counts.measure_recovery`.
    sure : float
        The probability that a dotted line marks.
    """
    figure, ax = plt.subplots(figsize=(8, 4.2))
    for k, (separation, some) in enumerate(points.groupby("separation")):
        mean, away = some.groupby("n_samples")["p_true"].mean(), 1.03 ** (k - 1.5)  # dots of two lines side by side
        ax.plot(mean.index, mean, color=figures.colour(k), label=f"{separation:g} sds apart")
        ax.plot(some["n_samples"] * away, some["p_true"], ".", color=figures.colour(k))
        doubt = some[some["outcome"] != "trusted"]
        ax.plot(doubt["n_samples"] * away, doubt["p_true"], "x", color=figures.TRUTH, markersize=9)
    ax.axhline(sure, color=figures.TRUTH, linestyle=":")
    ax.set(
        xscale="log",
        ylim=(0, 1),
        xlabel="N, observations",
        ylabel="probability of two components",
        title="What the sample says of the number of components",
    )
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_forecast(pairs: pd.DataFrame, sensitive: float) -> Figure:
    """Sensitivity of each fit against the movement of its refit.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `pair_with_refits`, with sensitivity.
    sensitive : float
        The limit of sensitivity.
    """
    figure, ax = plt.subplots(figsize=(8, 4.2))
    for k, (n, some) in enumerate(pairs.groupby("n_samples")):
        ax.loglog(
            some["sensitivity"].clip(1e-4), some["moved"].clip(1e-3), "o", color=figures.colour(k), label=f"N = {n:,}"
        )
    ax.axvline(sensitive, color=figures.TRUTH, linestyle=":")
    ax.axhline(1, color=figures.TRUTH, linestyle=":")
    ax.set(
        title="Does one fit foretell the next?",
        xlabel="power-scaling sensitivity to the centers' prior",
        ylabel="movement at ten times\nthe precision (posterior sds)",
    )
    ax.legend(frameon=False)
    return figure


def draw_rank_differences(differences: pd.DataFrame) -> Figure:
    """A panel for each case: its quantities' ranks' difference from uniform, within their band; from `rank_differences`."""
    cases = list(dict.fromkeys(differences["case"]))
    rows = -(-len(cases) // 4)
    figure, axes = plt.subplots(
        rows, 4, figsize=(13, 2.9 * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for ax, case in zip(axes.flat, cases):
        some = differences[differences["case"] == case]
        for _, curve in some.groupby("quantity", sort=False):
            ax.plot(curve["rank"], curve["difference"], color=figures.colour(0), lw=0.8, alpha=0.7)
        ax.fill_between(curve["rank"], curve["low"], curve["high"], color="0.88")  # one for all that have as many fits
        ax.set_title(f"{case}: {some['quantity'].nunique()} quantities", fontsize=10)
    for ax in axes.flat[len(cases) :]:
        ax.set_axis_off()
    figure.supxlabel("rank of the truth")
    figure.supylabel("ECDF less uniform")
    return figure


def draw_strata(parts: pd.DataFrame, level: float, between: tuple[float, float]) -> Figure:
    """Coverage in each stratum, with two standard errors: a panel where the number is given, one where it is found.

    Parameters
    ----------
    parts : pandas.DataFrame
        From `coverage_of_strata`.
    level : float
        The intervals' own probability.
    between : tuple of float
        What coverage is to lie in.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), sharey=True)
    for ax, number in zip(axes, ("given", "found"), strict=True):
        some = parts.xs(number, level="number")
        strata = list(dict.fromkeys(some.index.get_level_values("stratum")))
        ax.axvspan(*between, color="0.92")
        ax.axvline(level, color=figures.TRUTH, linestyle=":")
        for i, (method, rows) in enumerate(some.groupby(level="method", sort=False)):
            rows = rows.droplevel("method").loc[strata]
            place = np.arange(len(strata)) + 0.2 * (i - 1)
            colour = figures.EM if method == "EM" else figures.CHAIN[i]
            ax.errorbar(rows["covered"], place, xerr=2 * rows["error"], fmt="o", ms=4, lw=1, label=method, color=colour)
        ax.set(title=f"K {number}", xlabel="share of intervals that hold the truth")
    axes[0].set_yticks(range(len(strata)), strata)
    axes[0].invert_yaxis()
    axes[0].legend(frameon=False, fontsize=9)
    return figure


def draw_way(ways: dict[str, pd.DataFrame]) -> Figure:
    """The log density on ways between two modes, by what the way is called; from `way_between`."""
    figure, ax = plt.subplots(figsize=(8, 4))
    highest = max(way["log_density"].max() for way in ways.values())
    for k, (name, way) in enumerate(ways.items()):
        ax.plot(way["position"], way["log_density"] - highest, color=figures.colour(k), label=name)
    for place, mode in ((0, "first mode"), (1, "second mode")):
        ax.axvline(place, color=figures.TRUTH, linestyle=":", linewidth=1)
        ax.text(place, 1.5, mode, ha="center", fontsize=9)
    lowest = min(way[way["position"].between(0, 1)]["log_density"].min() for way in ways.values()) - highest
    ax.set(
        ylim=(1.15 * lowest, 4),
        xlabel="position between the modes",
        ylabel="log density, less the highest",
        title="Two modes and a wall",
    )
    ax.legend(frameon=False, loc="lower right")
    return figure


def draw_attempts(sds: dict[str, np.ndarray]) -> Figure:
    """A panel for each attempt: four chains of a standard deviation, draw by draw.

    Parameters
    ----------
    sds : dict of str to ndarray, shape (chain, draw)
        Data units.
    """
    figure, axes = plt.subplots(1, len(sds), figsize=(13, 3.2), sharey=True, squeeze=False)
    for ax, (name, chains) in zip(axes[0], sds.items(), strict=True):
        every = max(1, chains.shape[1] // 500)
        for c, chain in enumerate(chains):
            at = np.arange(0, len(chain), every)
            ax.semilogy(at, chain[at], ".", ms=1.5, color=figures.CHAIN[c % len(figures.CHAIN)], rasterized=True)
        ax.set(xlabel="draw")
        ax.set_title(name, fontsize=10)
    axes[0][0].set_ylabel("sd of the component\nwith the smaller mean")
    return figure


def draw_reference_means(means: dict[str, np.ndarray]) -> Figure:
    """A panel for each posterior: the marginal density of each component's mean.

    Parameters
    ----------
    means : dict of str to ndarray, shape (S, K)
        Data units, by increasing mean.
    """
    rows = -(-len(means) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(13, 2.7 * rows), squeeze=False, layout="constrained")
    for ax, (name, draws) in zip(axes.flat, means.items()):
        bins = np.linspace(*np.quantile(draws, [0.002, 0.998]), 120)
        for k in range(draws.shape[1]):
            ax.hist(draws[:, k], bins, density=True, histtype="step", color=figures.colour(k))
        ax.set_title(name.replace("_", " "), fontsize=10)
        ax.set_yticks([])
    for ax in axes.flat[len(means) :]:
        ax.set_axis_off()
    figure.supxlabel("mean of a component (data units)")
    return figure
