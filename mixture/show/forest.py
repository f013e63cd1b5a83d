"""Forest plots: posterior means and intervals of several fits, one below the other."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from mixture.show import figures
from mixture.show.text.numbers import QUANTITIES


def draw_forest(table: pd.DataFrame, unit: str) -> Figure:
    """Posterior mean and interval of each weight, mean and sd, a row a group, a colour a component.

    Marks are hollow where the chains are not to be trusted.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a group and component: group, outcome, component (from 1), and for w, mu and sigma
        `mu_posterior_mean`, `mu_interval_low` and `mu_interval_high`. A group without results has no component.
    unit : str
        Of what was fitted.

    Returns
    -------
    matplotlib.figure.Figure
    """
    groups = list(dict.fromkeys(table["group"]))
    found = table.dropna(subset=["component"])
    most = int(found["component"].max()) if len(found) else 1
    figure, axes = plt.subplots(1, 3, figsize=(10, 1.6 + 0.3 * max(len(groups), len(groups) * most / 2)), sharey=True)
    for ax, (parameter, words) in zip(axes, QUANTITIES.items(), strict=True):
        for row in found.to_dict("records"):
            _draw_interval(ax, row, parameter, groups.index(row["group"]), most)
        ax.set_title(words)
        figures.name_axes(ax, words if parameter == "w" else f"{words} ({unit})", "")
    axes[0].set_yticks(range(len(groups)), groups)
    for label in axes[0].get_yticklabels():
        label.set_parse_math(False)  # a group's label is a text
    axes[0].set_ylim(len(groups) - 0.4, -0.6)
    return figure


def _draw_interval(ax, row, parameter, place, most):
    """One component of one group; components stand a little below each other."""
    k = int(row["component"]) - 1
    mean, low, high = (row[f"{parameter}_{name}"] for name in ("posterior_mean", "interval_low", "interval_high"))
    look = {"color": figures.colour(k), "markerfacecolor": None if row["outcome"] == "trusted" else "white"}
    height = place + 0.6 * ((k + 0.5) / most - 0.5)
    ax.errorbar(mean, height, xerr=[[max(0, mean - low)], [max(0, high - mean)]], fmt="o", capsize=2, **look)


def draw_runs(comparison: pd.DataFrame, names: list[str], trusted: list[bool], unit: str) -> str:
    """The forest plot of two runs, as SVG.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `compare_posteriors`.
    names : list of str
        Of the runs.
    trusted : list of bool
    unit : str
    """
    figures.use_style()
    rows: list[dict[str, Any]] = []
    for number, (name, sound) in enumerate(zip(names, trusted, strict=True), 1):
        for component, some in comparison.groupby("component"):
            row = {"group": name, "outcome": "trusted" if sound else "untrusted", "component": component}
            for each in some.to_dict("records"):
                parts = zip(("posterior_mean", "interval_low", "interval_high"), ("mean", "low", "high"), strict=True)
                row |= {f"{each['parameter']}_{long}": each[f"{short}_{number}"] for long, short in parts}
            rows.append(row)
    figure = draw_forest(pd.DataFrame(rows), unit)
    drawn = figures.as_svg(figure)
    plt.close(figure)
    return drawn
