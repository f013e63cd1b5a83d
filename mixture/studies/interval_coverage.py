"""How often stored intervals contain the truth, by what is inferred and by what makes a mixture hard."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from mixture.studies.coverage import LEVEL

BETWEEN = (0.93, 0.97)  # what coverage is to lie in
KINDS = {"w": "weights", "mu": "means", "sigma": "sds", "mean": "mixture's mean", "log variance": "mixture's spread"}
STRATUM = {"separation": "separation {:g}", "n": "N = {:g}", "concentration": "weights' concentration {:g}"}
METHODS = ("equal tails", "highest density", "EM")


def with_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `cover` with columns kind (of quantity) and number ("given" or "found")."""
    names = table["quantity"].str.partition("[")[0]
    kind = names.map(KINDS).fillna(names.str.replace("density at .*", "density", regex=True))
    return table.assign(kind=kind, number=np.where(table["found"], "found", "given"))


def coverage_by(table: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    """Coverage in groups of rows, with its error.

    Parameters
    ----------
    table : pandas.DataFrame
        From `with_kinds`.
    groups : list of str
        Columns.

    Returns
    -------
    pandas.DataFrame
        Indexed by the groups: covered, samples, error (standard error; the intervals of one sample count as one
        observation, since they go together), missing (share without an interval), within (`BETWEEN`).
    """
    sample = ["separation", "n", "concentration", "found", "replicate"]
    rows = table.assign(missing=table["low"].isna())
    each = rows.groupby([*groups, *(name for name in sample if name not in groups)], sort=False)
    means = each[["covered", "missing"]].mean().groupby(level=groups, sort=False)
    found = means.mean().assign(samples=means.size(), error=means["covered"].std() / np.sqrt(means.size()))
    return found.assign(within=found["covered"].between(*BETWEEN))


def coverage_of_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Coverage by number of components (given or found), method and kind of quantity; `table` from `with_kinds`."""
    return coverage_by(table, ["number", "method", "kind"])


def coverage_of_strata(table: pd.DataFrame) -> pd.DataFrame:
    """Coverage by number of components, method and each value of each of what makes a mixture hard; `table` from `with_kinds`.

    Returns
    -------
    pandas.DataFrame
        As `coverage_by`, the third level of the index called stratum.
    """
    parts = []
    for column, words in STRATUM.items():
        part = coverage_by(
            table.assign(stratum=table[column].map(words.format)), ["number", "method", "stratum", column]
        )
        parts.append(part.droplevel(column).sort_index(level="stratum", sort_remaining=False))
    return pd.concat(parts)


def judge_coverage(parts: pd.DataFrame, prob: float = 0.99) -> dict[str, Any]:
    """Whether the posterior's coverage is as it should be in all of these parts.

    Parameters
    ----------
    parts : pandas.DataFrame
        From `coverage_of_kinds` and `coverage_of_strata`, run together.
    prob : float
        That all parts are found exact if all are.

    Returns
    -------
    dict
        By method, of the posterior's: parts, within (how many lie in `BETWEEN`), lowest, highest, largest_z (difference
        from the level in standard errors), limit (of it, shared out among the parts) and exact (whether it is kept).
    """
    found = {}
    for method, rows in parts.groupby(level="method", sort=False):
        # As if each sample had one interval, times what it helps that it has several, where samples differ at all.
        by_chance, alone = (np.sqrt(share * (1 - share) / rows["samples"]) for share in (LEVEL, rows["covered"]))
        z = (rows["covered"] - LEVEL) / (by_chance * (rows["error"] / alone).where(rows["error"] > 0, 1.0))
        limit = float(stats.norm.isf((1 - prob) / 2 / len(rows)))
        found[method] = {
            "parts": len(rows),
            "within": int(rows["within"].sum()),
            "lowest": float(rows["covered"].min()),
            "highest": float(rows["covered"].max()),
            "largest_z": float(z[z.abs().idxmax()]),
            "limit": limit,
            "exact": bool(z.abs().max() <= limit),
        }
    return found


def number_found(table: pd.DataFrame) -> float:
    """The share of samples in which the number of components that was found is the true one; `table` from `cover`."""
    one = table[table["found"]].drop_duplicates(["separation", "n", "concentration", "replicate"])
    return float(one["right"].mean())
