"""Figures of the studies."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixture.components import NAMES
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
    """A panel for each model and parameter: the ranks' difference from uniform within its band; from `rank_differences`."""
    models, parameters = (list(dict.fromkeys(differences[name])) for name in ("model", "parameter"))
    figure, axes = plt.subplots(len(models), len(parameters), figsize=(13, 6), sharex=True, sharey=True, squeeze=False)
    for (model, parameter), curve in differences.groupby(["model", "parameter"]):
        row = models.index(model)
        ax = axes[row, parameters.index(parameter)]
        ax.fill_between(curve["rank"], curve["low"], curve["high"], color="0.88")
        ax.plot(curve["rank"], curve["difference"], color=figures.colour(row), lw=1)
    for ax, parameter in zip(axes[0], parameters, strict=True):
        ax.set_title(parameter)
    for ax, model in zip(axes[:, 0], models, strict=True):
        ax.set_ylabel(f"{model}\nECDF difference")
    figure.supxlabel("rank of the truth")
    return figure


def draw_scenarios(found: pd.DataFrame) -> Figure:
    """A panel for each scenario: coverage of each parameter by both methods, at every level; from `summarise_coverage`."""
    found = found.reset_index()
    panels = found.groupby(["n", "separation", "weight"])
    across = max(1, len(panels) // found["n"].nunique())
    figure, axes = plt.subplots(found["n"].nunique(), across, figsize=(13, 6), sharex=True, sharey=True, squeeze=False)
    for ax, ((n, separation, weight), rows) in zip(axes.flat, panels, strict=True):
        _draw_scenario(ax, rows)
        ax.set_title(f"N = {n}, {separation:g} sds apart, weight {weight:g}", fontsize=9)
    axes[0, 0].legend(frameon=False)
    figure.supylabel("share of intervals that hold the truth")
    return figure


def _draw_scenario(ax, rows):
    levels = sorted(rows["level"].unique())
    parameters = sorted(rows["parameter"].unique(), key=lambda name: (NAMES.index(name.partition("[")[0]), name))
    places = np.arange(len(parameters))
    for level in levels:
        ax.axhline(level, color="0.8", lw=0.8, zorder=0)
        for i, method in enumerate(("posterior", "EM")):
            each = rows[(rows["method"] == method) & (rows["level"] == level)].set_index("parameter").loc[parameters]
            ax.errorbar(
                places + 0.2 * i - 0.1,
                each["covered"],
                3 * each["error"],
                fmt="os"[i],
                ms=4,
                lw=0.6,
                color=figures.colour(i),
                label=method if level == levels[0] else None,
            )
    ax.set_xticks(places, parameters, rotation=60)
