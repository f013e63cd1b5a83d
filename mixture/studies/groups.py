"""The groups of a sample side by side: the components of each with their intervals, and where the groups differ."""

import itertools
import os
from typing import Any

import numpy as np
import pandas as pd

from mixture.atomic import read_from, read_json
from mixture.show.text.numbers import QUANTITIES
from mixture.studies.sweeps import OUTCOMES, load_results

REMEDY = "run a report with `by` first"
NUMBERS = ("posterior_mean", "posterior_sd", "interval_low", "interval_high")


def load_groups(run_dir: str | os.PathLike) -> pd.DataFrame:
    """The components of all groups.

    Returns
    -------
    pandas.DataFrame
        One row a group and component, in order of the groups' labels: group, outcome, point, n (observations),
        component (from 1), and for w, mu and sigma `mu_posterior_mean`, `_posterior_sd`, `_interval_low` and
        `_interval_high`. A group whose report failed has one row without numbers.

    Raises
    ------
    FileNotFoundError
        Nothing was run by groups there.
    """
    described = read_from(run_dir, "sweep.json", read_json, REMEDY)
    labels, order = described["groups"], described["points"]
    results, _ = load_results(run_dir)
    names = [f"{parameter}_{number}" for parameter in QUANTITIES for number in NUMBERS]
    table = results.reindex(columns=["point", "outcome", "error", "em_n", "component", *names])
    rows = table.assign(group=table["point"].map(labels), place=table["point"].map(order.index))
    return rows.rename(columns={"em_n": "n"}).sort_values(["place", "component"], ignore_index=True)


def group_by(run_dir: str | os.PathLike) -> str:
    """The column that the sample was split by; errors as `load_groups`."""
    return read_from(run_dir, "sweep.json", read_json, REMEDY)["by"]


def group_verdicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict a group: group, n, components, outcome, error and point; `table` is from `load_groups`."""
    components = table.groupby("point")["component"].count()
    return [
        {
            "group": row["group"],
            "n": None if np.isnan(row["n"]) else int(row["n"]),
            "components": int(components[row["point"]]),
            "outcome": row["outcome"],
            "error": "" if pd.isna(row["error"]) else row["error"],
            "point": row["point"],
        }
        for row in table.drop_duplicates("point").to_dict("records")
    ]


def largest_differences(table: pd.DataFrame) -> pd.DataFrame:
    """For each parameter of each component, the two groups that differ most.

    The groups share no value, so their posteriors are independent: the sd of a difference is the root of the
    sum of both variances.

    Parameters
    ----------
    table : pandas.DataFrame
        From `load_groups`.

    Returns
    -------
    pandas.DataFrame
        One row a parameter (w, mu, sigma) and component: lower, higher (groups), difference, sd, and sds, the
        difference in its sds. Empty where trusted groups are fewer than two, or have different numbers of components.
    """
    sound = table[table["outcome"] == "trusted"].dropna(subset=["component"])
    numbers = sound.groupby("group")["component"].count()
    rows = []
    if len(numbers) > 1 and numbers.nunique() == 1:
        for parameter in QUANTITIES if numbers.iloc[0] > 1 else ("mu", "sigma"):
            for component, some in sound.groupby("component"):
                rows.append({"parameter": parameter, "component": int(component)} | _largest(some, parameter))
    return pd.DataFrame(rows, columns=["parameter", "component", "lower", "higher", "difference", "sd", "sds"])


def _largest(some, parameter):
    values = some[["group", f"{parameter}_posterior_mean", f"{parameter}_posterior_sd"]].to_numpy()
    pairs = []
    for (one, mean, sd), (other, mean_2, sd_2) in itertools.combinations(values, 2):
        low, high = (one, other) if mean <= mean_2 else (other, one)
        spread = float(np.hypot(sd, sd_2))
        pairs.append((abs(mean_2 - mean) / spread, low, high, abs(mean_2 - mean), spread))
    sds, low, high, difference, spread = max(pairs, key=lambda pair: pair[0])
    return {"lower": low, "higher": high, "difference": difference, "sd": spread, "sds": sds}


def count_outcomes(table: pd.DataFrame) -> dict[str, int]:
    """How many groups had each outcome, from good to bad."""
    counts = table.drop_duplicates("point")["outcome"].value_counts()
    return {outcome: int(counts[outcome]) for outcome in OUTCOMES if outcome in counts}
