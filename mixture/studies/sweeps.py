"""The results of a finished sweep: the outcome of every point, the recovery of the truth, and the time it took."""

import os
from numbers import Real
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from scipy import stats

from mixture.atomic import read_from, read_json
from mixture.show import figures
from mixture.show.text.numbers import QUANTITIES

OUTCOMES = {"trusted": "✓", "untrusted": "✗", "failed": "!", "not run": "–"}  # from good to bad
_COLOURS = ["#0173b2", "#de8f05", "#a03030", "#949494"]  # apart in lightness too
MOST_ROWS = 40  # of an outcome map
REMEDY = "run the sweep first, by `make sweep` with its file, or `make studies`"


def load_results(run_dir: str | os.PathLike) -> tuple[pd.DataFrame, list[str]]:
    """The table of a finished sweep, and what it swept.

    Returns
    -------
    results : pandas.DataFrame
        results.parquet with a column outcome: trusted, untrusted, failed or not run.
    swept : list of str
        The swept parameters that take more than one value.

    Raises
    ------
    FileNotFoundError
        The sweep has not run; the message says how to run it.
    """
    results = read_from(run_dir, "results.parquet", pd.read_parquet, REMEDY)
    results["outcome"] = results["verdict"].fillna(results["status"])
    described = read_from(run_dir, "sweep.json", read_json, REMEDY)
    return results, [name for name in described["swept"] if results[name].map(format_parameter).nunique() > 1]


def format_parameter(value: Any) -> str:
    """A parameter's value as text; lists within brackets."""
    if isinstance(value, (list, np.ndarray)):
        return f"[{', '.join(map(format_parameter, value))}]"
    if isinstance(value, Real) and not isinstance(value, (bool, np.bool_)):
        return f"{value:,.0f}" if value == round(value) else f"{value:g}"
    return str(value)


def points_of(results: pd.DataFrame) -> pd.DataFrame:
    """One row a point."""
    return results.drop_duplicates("point")


def map_outcomes(results: pd.DataFrame, swept: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The outcome of every point, laid out over what was swept.

    Parameters
    ----------
    results, swept :
        From `load_results`.

    Returns
    -------
    worst : pandas.DataFrame of int
        Index into `OUTCOMES` of the worst outcome in each square, -1 where there
        is no point: columns are the values of the swept parameter that takes
        most of them, rows the combinations of the others.
    shares : pandas.DataFrame of str
        What to write into the squares: the outcome's sign, or how many of the
        square's points are trusted.
    """
    points = points_of(results)
    across = max(swept, key=lambda name: points[name].map(format_parameter).nunique(), default=None)
    others = [name for name in swept if name != across]
    order = list(OUTCOMES)
    labels = points[others].map(format_parameter)
    laid = pd.DataFrame(
        {
            "column": points[across].map(format_parameter) if across else "all",
            "row": [", ".join(f"{name} {value}" for name, value in row.items()) for row in labels.to_dict("records")],
            "worst": points["outcome"].map(order.index),
            "trusted": points["outcome"] == "trusted",
        }
    )
    columns, rows = (list(dict.fromkeys(laid[name])) for name in ("column", "row"))
    if across and pd.api.types.is_numeric_dtype(points[across]):
        columns = [format_parameter(value) for value in sorted(points[across].unique())]
    squares = laid.groupby(["row", "column"], sort=False)
    worst = squares["worst"].max().unstack().reindex(index=rows, columns=columns).fillna(-1).astype(int)
    signs = squares.apply(_square_sign, include_groups=False)
    worst.columns.name, worst.index.name = across, None
    return worst, signs.unstack().reindex(index=rows, columns=columns).fillna("")


def _square_sign(points):
    """The outcome's sign of a single point, or how many of the points are trusted."""
    if len(points) == 1:
        return list(OUTCOMES.values())[points["worst"].iloc[0]]
    return f"{points['trusted'].sum()}/{len(points)}"


def draw_outcomes(worst: pd.DataFrame, shares: pd.DataFrame) -> Figure:
    """The figure of `map_outcomes`: colour and sign of every square."""
    worst, shares = worst.iloc[:MOST_ROWS], shares.iloc[:MOST_ROWS]
    figure, ax = plt.subplots(figsize=(min(11, 4 + 0.6 * worst.shape[1]), 1.6 + 0.32 * len(worst)))
    colours = ListedColormap(["none", *_COLOURS])
    ax.pcolormesh(worst.values, cmap=colours, norm=BoundaryNorm(np.arange(-1.5, 4), 5), edgecolors="white", linewidth=1)
    for (row, column), sign in np.ndenumerate(shares.values):
        ax.text(column + 0.5, row + 0.5, sign, ha="center", va="center", color="white", fontsize=10)
    ax.set_xticks(
        np.arange(worst.shape[1]) + 0.5,
        worst.columns,
        rotation=45 if worst.shape[1] > 6 else 0,
        ha="right" if worst.shape[1] > 6 else "center",
    )
    ax.set_yticks(np.arange(len(worst)) + 0.5, worst.index, fontsize=9)
    ax.invert_yaxis()
    ax.set(xlabel=worst.columns.name or "", title="What came of each point")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS]
    found = [i for i in range(4) if (worst.values == i).any()]
    ax.legend(
        [handles[i] for i in found],
        [f"{list(OUTCOMES.values())[i]} {list(OUTCOMES)[i]}" for i in found],
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
    )
    return figure


def recovery_table(results: pd.DataFrame) -> pd.DataFrame:
    """How well the truth was recovered, parameter by parameter, where it is known.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter and component, and for all finished points
        and the trusted ones: points; bias and rmse of the posterior mean (data
        units); rmse of EM; coverage, the share of intervals that hold the
        truth, with its 95% interval (Wilson). Empty where no truth is known.
    """
    rows = []
    finished = results[results["status"] == "finished"]
    for name in (name for name in QUANTITIES if f"{name}_truth" in results):
        for component, each in finished.dropna(subset=[f"{name}_truth"]).groupby("component"):
            for kind, some in (("finished", each), ("trusted", each[each["outcome"] == "trusted"])):
                if len(some):
                    rows.append({"parameter": name, "component": int(component), "of": kind, **_recovery(some, name)})
    return pd.DataFrame(rows)


def _recovery(some, name):
    truth = some[f"{name}_truth"]
    off, em_off = some[f"{name}_posterior_mean"] - truth, some[f"{name}_em"] - truth
    held = (truth >= some[f"{name}_interval_low"]) & (truth <= some[f"{name}_interval_high"])
    bounds = stats.binomtest(int(held.sum()), len(held)).proportion_ci(method="wilson")
    rmse, em_rmse = (np.sqrt((each**2).mean()) for each in (off, em_off))
    return {
        "points": len(some),
        "bias": off.mean(),
        "rmse": rmse,
        "em_rmse": em_rmse,
        "coverage": held.mean(),
        "coverage_low": bounds.low,
        "coverage_high": bounds.high,
    }


def by_value(results: pd.DataFrame, swept: list[str]) -> pd.DataFrame:
    """What came of the points by each value of each swept parameter, the others pooled.

    Parameters
    ----------
    results, swept :
        From `load_results`.

    Returns
    -------
    pandas.DataFrame
        One row a parameter and value, in order of the values where these are numbers: points, trusted (share of the
        points), seconds (median of a finished point); and where the truth is known, over the finished points' weights,
        means and sds: bias and rmse of the posterior mean in posterior sds, coverage of the intervals.
    """
    rows, estimates = [], _estimates(results)
    for name in swept:
        numeric = pd.api.types.is_numeric_dtype(results[name])
        labels = results[name].map(format_parameter)
        order = results[name].sort_values() if numeric else results[name]
        for label in dict.fromkeys(order.map(format_parameter)):
            some = points_of(results[labels == label])
            row = {"parameter": name, "value": label, "number": float(some[name].iloc[0]) if numeric else np.nan}
            row |= {"points": len(some), "trusted": (some["outcome"] == "trusted").mean()}
            row |= {"seconds": some["seconds_total"].median() if "seconds_total" in some else np.nan}
            own = estimates[estimates["point"].isin(some["point"])]
            if len(own):
                off = own["off"]
                row |= {"bias": off.mean(), "rmse": np.sqrt((off**2).mean()), "coverage": own["held"].mean()}
            rows.append(row)
    return pd.DataFrame(rows)


def _estimates(results):
    """How far each posterior mean of a finished point is off the truth, in posterior sds, and whether its interval holds it."""
    finished, parts = results[results["status"] == "finished"], []
    for name in (name for name in QUANTITIES if f"{name}_truth" in results):
        some = finished.dropna(subset=[f"{name}_truth"])
        some = some[some[f"{name}_posterior_sd"] > 0]  # the weight of a single component is 1
        truth = some[f"{name}_truth"]
        off = (some[f"{name}_posterior_mean"] - truth) / some[f"{name}_posterior_sd"]
        held = truth.between(some[f"{name}_interval_low"], some[f"{name}_interval_high"])
        parts.append(pd.DataFrame({"point": some["point"], "off": off, "held": held}))
    return pd.concat(parts) if parts else pd.DataFrame({"point": [], "off": [], "held": []})


def can_be_drawn(table: pd.DataFrame) -> bool:
    """Whether `draw_by_value` has anything to show: values that are numbers, and a point that finished."""
    return len(table) > 0 and bool(table["number"].notna().any() and table["seconds"].notna().any())


def longest_axis(table: pd.DataFrame) -> str:
    """The swept parameter of the most numeric values; `table` is from `by_value`."""
    return table.dropna(subset=["number"])["parameter"].value_counts().index[0]


def draw_by_value(table: pd.DataFrame, name: str, interval: float) -> Figure:
    """Bias, coverage and seconds against a swept parameter whose values are numbers.

    Parameters
    ----------
    table : pandas.DataFrame
        From `by_value`.
    name : str
        The parameter.
    interval : float
        The intervals' own probability.
    """
    some = table[table["parameter"] == name]
    kinds = {
        "bias": ("bias, posterior sds", 0.0),
        "coverage": ("coverage", interval),
        "seconds": ("seconds of a point, median", None),
    }
    kinds = {column: about for column, about in kinds.items() if column in some and some[column].notna().any()}
    figure, axes = plt.subplots(1, len(kinds), figsize=(3.6 * len(kinds) + 0.4, 3.4), squeeze=False)
    positive = (some["number"] > 0).all() and some["number"].max() > 20 * some["number"].min()
    for ax, (column, (label, nominal)) in zip(axes[0], kinds.items(), strict=True):
        ax.plot(some["number"], some[column], "o-", color=figures.CHAIN[0])
        if nominal is not None:
            ax.axhline(nominal, color=figures.TRUTH, linestyle=":")
        ax.set(title=label, xlabel=name, xscale="log" if positive else "linear")
    return figure


def draw_coverage(table: pd.DataFrame, interval: float) -> Figure:
    """Coverage by parameter with its interval, beside the nominal `interval`.

    Parameters
    ----------
    table : pandas.DataFrame
        From `recovery_table`.
    """
    figure, ax = plt.subplots(figsize=(8, 1.2 + 0.4 * len(table[table["of"] == "finished"])))
    for offset, (kind, marker) in zip((-0.12, 0.12), (("finished", "o"), ("trusted", "D"))):
        some = table[table["of"] == kind]
        place = np.arange(len(some)) + offset
        low, high = some["coverage"] - some["coverage_low"], some["coverage_high"] - some["coverage"]
        ax.errorbar(
            some["coverage"],
            place,
            xerr=[low.clip(0), high.clip(0)],
            fmt=marker,
            linewidth=1.2,
            label=f"{kind} points",
            color=figures.CHAIN[0 if kind == "finished" else 2],
        )
    ax.axvline(interval, color=figures.TRUTH, linestyle=":", label=f"nominal, {interval:.0%}")
    first = table[table["of"] == "finished"]
    names = [f"{QUANTITIES[p]} of component {c}" for p, c in zip(first["parameter"], first["component"])]
    ax.set_yticks(np.arange(len(first)), names)
    ax.invert_yaxis()
    ax.set(xlabel="share of intervals that hold the truth", title="Do the intervals hold what they promise?")
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def stage_seconds(results: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each stage over the finished points: median, largest and share of the total.

    Returns
    -------
    pandas.DataFrame
        One row a stage, in order.
    """
    points = points_of(results[results["status"] == "finished"])
    columns = {
        name.removeprefix("seconds_"): points[name]
        for name in points
        if name.startswith("seconds_") and name[len("seconds_") : len("seconds_") + 2].isdigit()
    }
    total = sum(values.sum() for values in columns.values())
    rows = {
        name: {"median": values.median(), "largest": values.max(), "share": values.sum() / total}
        for name, values in columns.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("notebook")


def total_seconds(results: pd.DataFrame, seconds: pd.DataFrame) -> dict[str, Any]:
    """The arguments of the sentence about time: seconds of all points, and the notebook that took most.

    Parameters
    ----------
    results : pandas.DataFrame
        From `load_results`.
    seconds : pandas.DataFrame
        From `stage_seconds`.
    """
    if seconds.empty:
        return {"total": 0.0, "heaviest": None}
    return {"total": points_of(results)["seconds_total"].sum(), "heaviest": seconds["share"].idxmax()}


def list_points(
    results: pd.DataFrame,
    swept: list[str],
    outcome: str,
    run_dir: str | os.PathLike,
    notebook: str | None = None,
    limit: int = 50,
) -> tuple[list[dict[str, Any]], int]:
    """The points of one outcome, with the reason and a link to the notebook that shows it.

    Parameters
    ----------
    results, swept :
        From `load_results`.
    outcome : str
        One of `OUTCOMES`.
    run_dir : path-like
        The sweep's folder: a point that has a page there is linked to it, any other to its notebook.
    notebook : str, optional
        The stage to link to where the point does not name the one that failed.
    limit : int
        Rows at most.

    Returns
    -------
    rows : list of dict
        The swept parameters as text, why, shows (a page, a notebook or None) and folder.
    left : int
        Points beyond the limit.
    """
    points = points_of(results[results["outcome"] == outcome])
    with_seed = points["seed"].nunique() > 1 and "seed" not in swept
    names, rows = [*swept, *(["seed"] if with_seed else [])], []
    for _, point in points.head(limit).iterrows():
        stage = point.get("stage") if isinstance(point.get("stage"), str) else notebook
        why = point["error"] if outcome == "failed" else point.get("failed_checks", "")
        rows.append(
            {name: format_parameter(point[name]) for name in names}
            | {"why": str(why), **_place(Path(run_dir), f"points/{point['point']}", stage)}
        )
    return rows, max(0, len(points) - limit)


def _place(top, folder, stage):
    """Where a point's folder lies below the sweep's, and the file in it that shows what came of the point."""
    page = "report.html" if (top / folder / "report.html").exists() else None
    return {"folder": folder, "shows": page or (f"{stage}.ipynb" if stage else None)}


def failed_checks(results: pd.DataFrame) -> dict[str, int]:
    """How many untrusted points failed each check, most first."""
    points = points_of(results[results["outcome"] == "untrusted"])
    if points.empty:
        return {}
    return points["failed_checks"].str.split("; ").explode().value_counts().to_dict()


def sweep_checks(results: pd.DataFrame) -> list[dict[str, Any]]:
    """The sweep's own verdict: how many of its points failed, were not run or cannot be trusted.

    Returns
    -------
    list of dict
        name, value, limit, passed, advice, as in a run's verdict.json.
    """
    counts = points_of(results)["outcome"].value_counts()
    advice = {
        "failed": "read the notebooks that show why, below",
        "untrusted": "raise draws there, or take the points as lost",
        "not run": "run the sweep again: it continues",
    }
    return [
        {
            "name": f"points {outcome}",
            "value": int(counts.get(outcome, 0)),
            "limit": 0,
            "passed": not counts.get(outcome, 0),
            "advice": advice[outcome] if counts.get(outcome, 0) else "",
        }
        for outcome in ("failed", "untrusted", "not run")
    ]


def sweep_verdict(results: pd.DataFrame) -> dict[str, Any]:
    """The content of the sweep's verdict.json."""
    checks = sweep_checks(results)
    return {"trusted": all(check["passed"] for check in checks), "checks": checks, "cautions": []}
