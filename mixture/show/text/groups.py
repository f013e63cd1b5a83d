"""The report over the groups of a sample: the verdict of each, their components, and where they differ."""

from typing import Any

import pandas as pd

from mixture.show.text.numbers import QUANTITIES, counted, estimate, fixed
from mixture.show.text.wording import caption, wording

NOTICED = 3.0  # sds of a difference: with some comparisons at once, two would be chance


@wording
def groups_text(by: str, counts: dict[str, int], unit: str, differences: pd.DataFrame) -> str:
    """How many groups there are, what came of them, and how far they differ.

    Parameters
    ----------
    by : str
        The column that the sample was split by.
    counts : dict of str to int
        From `count_outcomes`.
    unit : str
        Of what was fitted.
    differences : pandas.DataFrame
        From `largest_differences`.
    """
    total = sum(counts.values())
    doubt = "" if counts.get("trusted", 0) == total else " Groups that are not trusted are left out of what follows."
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"The sample is split by **{_plain(by)}** into {total} groups ({outcomes}).{doubt} {_furthest(differences, unit)}"


def _furthest(differences, unit):
    if differences.empty:
        return "Their components are not compared in pairs: that takes two trusted groups with as many components as each other."
    row = differences.loc[differences["sds"].idxmax()]
    name = f"{QUANTITIES[row['parameter']]} of component {row['component']}"
    amount = estimate(row["difference"], row["sd"]) + ("" if row["parameter"] == "w" else f" {unit}")
    if row["sds"] < NOTICED:
        return (
            f"**No parameter differs noticeably between groups:** the furthest apart is the {name}, by {row['sds']:.1f} "
            "standard deviations of the difference."
        )
    return (
        f"**They differ most in the {name}:** it is {amount} larger in {_plain(row['higher'])} than in {_plain(row['lower'])}, "
        f"{row['sds']:.1f} standard deviations of the difference."
    )


def _plain(text):
    """A label of the user's within Markdown, as it is and in one line."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>()#+-.!|$&" else sign for sign in " ".join(str(text).split()))


@wording
def verdicts_text(groups: list[dict[str, Any]]) -> str:
    """The verdict of each group, with a link to its report, then why some failed; `groups` is from `group_verdicts`."""
    lines = ["| group | values | components | verdict | report |", "| --- | ---: | ---: | --- | --- |"]
    for each in groups:
        place = f"points/{each['point']}"
        link = f"[report.html]({place}/report.html)" if each["components"] else place
        number = "–" if each["n"] is None else f"{each['n']:,}"
        lines.append(
            f"| {_plain(each['group'])} | {number} | {each['components'] or '–'} | {each['outcome']} | {link} |"
        )
    failed = [f"- {_plain(each['group'])} failed: {_plain(each['error'])}" for each in groups if each["error"]]
    return "\n".join([*lines, *(["", *failed] if failed else [])])


@wording
def group_components_table(table: pd.DataFrame, unit: str) -> pd.DataFrame | str:
    """Each component of each group, with intervals; `table` is from `load_groups`."""
    rows = []
    for row in table.dropna(subset=["component"]).to_dict("records"):
        values = {"group": row["group"], "component": str(int(row["component"]))}
        for parameter, words in QUANTITIES.items():
            error = row[f"{parameter}_posterior_sd"]
            shown = [estimate(row[f"{parameter}_{name}"], error) for name in ("interval_low", "interval_high")]
            title = words if parameter == "w" else f"{words} ({unit})"
            values[title] = estimate(row[f"{parameter}_posterior_mean"], error)
            values[f"{words}: interval"] = " to ".join(shown)
        rows.append(values)
    return pd.DataFrame(rows).set_index(["group"]) if rows else "No group has a result."


@wording
def differences_table(differences: pd.DataFrame) -> pd.DataFrame | str:
    """For each parameter the two groups that differ most; `differences` is from `largest_differences`."""
    if differences.empty:
        return "Nothing to compare in pairs."
    rows = {
        f"{QUANTITIES[row['parameter']]} of component {row['component']}": {
            "larger in": row["higher"],
            "than in": row["lower"],
            "by": estimate(row["difference"], row["sd"]),
            "sd of that": estimate(row["sd"], row["sd"]),
            "in sds": fixed(row["sds"], 1),
        }
        for row in differences.to_dict("records")
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")


@caption
def groups_caption(interval: float, counts: dict[str, int]) -> str:
    """Of the forest plot."""
    doubtful = counts.get("untrusted", 0)
    hollow = f" Hollow marks: {counted(doubtful, 'group')} whose chains are not to be trusted." if doubtful else ""
    return (
        f"Posterior mean and {interval:.0%} interval of each parameter by group; a colour is a component, counted from the "
        f"smallest mean within its group.{hollow}"
    )


@wording
def groups_alt(groups: int) -> str:
    """Of the same, for who cannot see it."""
    return f"Three panels, weights, means and standard deviations, each with a row for each of {groups} groups."
