"""The report of a sweep: what came of its points, which they are, what was recovered, and what it took."""

from typing import Any

import pandas as pd

from mixture.show.text.numbers import QUANTITIES, fixed
from mixture.show.text.wording import caption, wording

NONE_UNTRUSTED = "No finished point is untrusted."


@wording
def sweep_text(points: int, counts: dict[str, int]) -> str:
    """How many points there are, and what came of them by outcome."""
    good = counts.get("trusted", 0) == points
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    return f"**{'Every point can be trusted' if good else 'Not every point can be trusted'}.** {points:,} points: {outcomes}."


@caption
def outcomes_caption(points: int, counts: dict[str, int]) -> str:
    """Below the map of outcomes."""
    return (
        f"{counts.get('trusted', 0) / points:.0%} of the points finished and can be trusted; a fraction in a cell counts "
        "its trusted points."
    )


@wording
def outcomes_alt(rows: int, columns: int) -> str:
    """For who cannot see the map of outcomes."""
    return f"Grid of {rows} by {columns} cells over what was swept, each with the outcome of its points."


@wording
def failed_checks_table(counts: dict[str, int]) -> pd.DataFrame | str:
    """How many untrusted points failed each check."""
    if not counts:
        return NONE_UNTRUSTED
    return pd.DataFrame({"points": list(counts.values())}, pd.Index(list(counts), name="check that failed"))


def _points_table(rows, left):
    """Points as a Markdown table, each with a link to the notebook that shows why."""
    names = [name for name in rows[0] if name not in ("why", "shows", "folder")]
    reasons = ["why"] if any(row["why"] for row in rows) else []
    lines = [f"| {' | '.join([*names, *reasons, 'see'])} |", f"|{' --- |' * (len(names) + len(reasons) + 1)}"]
    for row in rows:
        why = " ".join(row["why"].replace("|", "/").split())
        shows, folder = row["shows"], row["folder"]
        link = f"[{shows}]({folder}/{shows})" if shows else folder
        lines.append(f"| {' | '.join([*(row[name] for name in names), *([why] if reasons else []), link])} |")
    return "\n".join(lines) + (f"\n\nand {left} more in results.parquet" if left else "")


@wording
def failed_points_text(rows: list[dict[str, Any]], left: int) -> str:
    """The points that failed; arguments as `list_points` returns them."""
    return _points_table(rows, left) if rows else "No point failed."


@wording
def trusted_points_text(rows: list[dict[str, Any]], left: int) -> str:
    """The points that can be trusted; arguments as `list_points` returns them."""
    return _points_table(rows, left) if rows else "No point can be trusted."


@wording
def untrusted_points_text(rows: list[dict[str, Any]], left: int) -> str:
    """The points that finished and cannot be trusted; arguments as `list_points` returns them."""
    return _points_table(rows, left) if rows else NONE_UNTRUSTED


@wording
def by_value_table(table: pd.DataFrame) -> pd.DataFrame | str:
    """The points by swept value; `table` is from `by_value`."""
    if table.empty:
        return "Nothing was swept: the points differ by chance alone."
    columns = {
        "points": [fixed(n, 0) for n in table["points"]],
        "trusted": [f"{share:.0%}" for share in table["trusted"]],
        **{
            words: [fixed(value, 2) for value in table[name]]
            for name, words in (("bias", "bias (sds)"), ("rmse", "error (sds)"))
            if name in table
        },
        **({"coverage": [f"{c:.0%}" for c in table["coverage"]]} if "coverage" in table else {}),
        "seconds": [fixed(s, 1) for s in table["seconds"]],
    }
    rows = [f"{name} = {value}" for name, value in zip(table["parameter"], table["value"], strict=True)]
    return pd.DataFrame(columns, index=pd.Index(rows, name="points with"))


@caption
def by_value_caption(name: str, interval: float) -> str:
    """Below the figure of what came of the points by value."""
    return (
        f"Over {name}: what the posterior mean is off on average, in posterior sds, the share of {interval:.0%} intervals that "
        "hold the truth, and seconds; dotted what is promised."
    )


@wording
def by_value_alt(name: str) -> str:
    """For who cannot see it."""
    return f"Bias, coverage and seconds against {name}, a panel each."


@wording
def recovery_table(recovery: pd.DataFrame) -> pd.DataFrame | str:
    """Bias, error and coverage of each parameter; `recovery` is empty where the truth is not known."""
    if recovery.empty:
        return "The truth is not known."
    names = [
        f"{QUANTITIES[name]} of component {component}"
        for name, component in zip(recovery["parameter"], recovery["component"], strict=True)
    ]
    left_out = ["parameter", "component", "coverage_low", "coverage_high"]
    table = recovery.drop(columns=left_out).rename(columns={"em_rmse": "rmse of EM", "of": "over"})
    return table.set_axis(pd.Index(names, name="parameter")).round(3)


@caption
def recovery_caption(interval: float, recovery: pd.DataFrame) -> str:
    """Below the figure of coverage."""
    lowest = recovery.loc[recovery["coverage"].idxmin()]
    return (
        f"Coverage of the {interval:.0%} intervals; the lowest is {lowest['coverage']:.0%}, of "
        f"the {QUANTITIES[lowest['parameter']]} of component {lowest['component']} over the {lowest['of']} points."
    )


@wording
def recovery_alt() -> str:
    """For who cannot see the figure of coverage."""
    return "Share of intervals that hold the truth by parameter, with error bars, beside the nominal share."


@wording
def seconds_table(seconds: pd.DataFrame) -> pd.DataFrame | str:
    """Seconds of each notebook; `seconds` is empty where no point has finished."""
    return seconds.round({"median": 2, "largest": 2, "share": 3}) if len(seconds) else "No point has finished."


@wording
def seconds_text(total: float, heaviest: str | None) -> str:
    """Seconds of all points, and the notebook that took most of them, if any did."""
    return (
        f"{total / 60:.1f} minutes of notebooks in all, most of it in {heaviest or 'none'}. Compilation is paid by the "
        "first points of each worker and is in their time."
    )
