"""The study of the centers' priors: how far they move the posterior, and whether one fit could tell.

shift
    The distance of a posterior's means from those under the weakest prior of the same
    sample, in standard deviations of the latter; the larger of the components counts.
movement
    The distance to the refit whose prior is ten times as precise, in standard deviations.
"""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import spearmanr

from mixture.check.verdict import prior_sensitivity

MISLED = 2.0  # posterior sds; a shift beyond it is more than chance
SENSITIVE = 0.05  # the usual limit of power-scaling sensitivity
POSTS_PRECISION = (0.01, 0.1)  # as firm as the post's, which were 0.01 and 0.02
POSTS_N = 1000


def measure_shifts(results: pd.DataFrame) -> pd.DataFrame:
    """One row a finished point: point, n_samples, offset, precision, outcome and shift.

    Parameters
    ----------
    results : pandas.DataFrame
        From `load_results`.
    """
    rows = results[results["status"] == "finished"].copy()
    rows["precision"] = rows["mean_prior_precision"].str[0]
    rows["offset"] = rows["mean_prior_mean"].str[0] - rows["means"].str[0]
    weakest = rows[rows["precision"] == rows["precision"].min()].groupby(["n_samples", "component"]).first()
    reference = weakest.loc[pd.MultiIndex.from_frame(rows[["n_samples", "component"]])]
    distance = np.abs(rows["mu_posterior_mean"].values - reference["mu_posterior_mean"].values)
    rows["shift"] = distance / reference["mu_posterior_sd"].values
    return (
        rows.groupby("point")
        .agg({"n_samples": "first", "offset": "first", "precision": "first", "outcome": "first", "shift": "max"})
        .reset_index()
    )


def first_misled(points: pd.DataFrame) -> pd.DataFrame:
    """The smallest misleading precision by offset (rows) and N (columns); NaN where none misleads."""
    misled = points[points["shift"] > MISLED]
    return misled.groupby(["offset", "n_samples"])["precision"].min().unstack()


def border_table(border: pd.DataFrame) -> pd.DataFrame:
    """`first_misled` for readers."""
    table = border.astype(object).where(border.notna(), "none").rename_axis("offset (data units)")
    return table.rename_axis("first misleading precision at N =", axis=1)


def border_at_largest_offset(border: pd.DataFrame) -> dict[int, float]:
    """The first misleading precision by N, where there is one, at the largest offset."""
    return border.loc[border.index.max()].dropna().to_dict() if len(border) else {}


def center_sensitivity(tree: xr.DataTree) -> float:
    """Power-scaling sensitivity of the means to their own prior: the largest over components."""
    return float(prior_sensitivity(tree)["mu"].loc["mu"].max())


def pair_with_refits(points: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The points that have a refit with the next larger precision, with its name and the movement.

    Parameters
    ----------
    points : pandas.DataFrame
        From `measure_shifts`.
    results : pandas.DataFrame
        From `load_results`.

    Returns
    -------
    pandas.DataFrame
        The points' columns, following and moved.
    """
    means, sds = (
        results.pivot(index="point", columns="component", values=f"mu_posterior_{name}") for name in ("mean", "sd")
    )
    ordered = points.sort_values(["n_samples", "offset", "precision"])
    following = ordered.groupby(["n_samples", "offset"])["point"].shift(-1)
    pairs = ordered[following.notna()].assign(following=following.dropna())
    distance = np.abs(means.loc[pairs["following"]].values - means.loc[pairs["point"]].values)
    return pairs.assign(moved=(distance / sds.loc[pairs["point"]].values).max(axis=1))


def warnings_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """How many fits warned, against how many refits moved by a standard deviation or more."""
    warned = (pairs["sensitivity"] > SENSITIVE).map({True: "warned", False: "not warned"})
    moved = (pairs["moved"] >= 1).map({True: "moves", False: "stays"})
    return pd.crosstab(warned, moved).rename_axis("the fit").rename_axis("its refit", axis=1)


def rank_correlation(pairs: pd.DataFrame) -> float:
    """Of sensitivity and movement."""
    return float(spearmanr(pairs["sensitivity"], pairs["moved"]).statistic)


def misled_facts(points: pd.DataFrame) -> dict[str, float | None]:
    """The arguments of the sentence about the post's own priors."""
    misled = points["shift"] > MISLED
    like = (
        points["precision"].between(*POSTS_PRECISION)
        & (points["offset"] == points["offset"].min())
        & (points["n_samples"] == POSTS_N)
    )
    prior_sds = points["offset"] * np.sqrt(points["precision"])  # between center and truth
    return {
        "like_the_posts": points["shift"][like].max(),
        "limit": MISLED,
        "misled_share": misled.mean(),
        "least_wrong": prior_sds[misled].min() if misled.any() else None,
    }


def forecast_facts(pairs: pd.DataFrame) -> dict[str, float]:
    """The arguments of the sentence about what one fit foretells."""
    warned, moved = pairs["sensitivity"] > SENSITIVE, pairs["moved"] >= 1
    return {
        "caught": (warned & moved).sum() / max(moved.sum(), 1),
        "false": (warned & ~moved).sum() / max(warned.sum(), 1),
        "missed": int((~warned & moved).sum()),
        "correlation": rank_correlation(pairs),
    }
