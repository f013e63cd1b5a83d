"""The study of scaling: what a sweep over N and methods says of the cost of MCMC and EM."""

from typing import Any

import numpy as np
import pandas as pd

from mixture.studies.efficiency import growth
from mixture.studies.sweeps import points_of

METHODS = ("marginal", "marginal, cells", "gibbs", "categorical-gibbs", "metropolis")
POSTS_N = 1000  # observations in the post's sample
LARGEST = 3  # samples that an exponent is measured over
COLUMNS = ["n_samples", "seconds_per_sweep", "acceptance", "moved", "ess", "ess_per_second", "outcome"]


def measure_points(results: pd.DataFrame) -> pd.DataFrame:
    """The finished points with their method, seconds_per_sweep, ess and ess_per_second, by increasing N.

    Effective draws are those of the worst quantity of the verdict, the mean assignment among them.

    Parameters
    ----------
    results : pandas.DataFrame
        From `load_results`.
    """
    points = points_of(results[results["status"] == "finished"]).sort_values("n_samples")
    summed_out = np.where(points["likelihood"] == "grouped", "marginal, cells", "marginal")
    ess = points[["smallest bulk ESS", "label_ess"]].min(axis=1)
    return points.assign(
        method=np.where(points["model"] == "latent", points["latent_step"], summed_out),
        ess=ess,
        seconds_per_sweep=points["seconds_sampling"] / (points["chains"] * (points["draws"] + points["tune"])),
        ess_per_second=ess / points["seconds_sampling"],
    )


def costs_table(points: pd.DataFrame) -> pd.DataFrame:
    """The measured columns by method and N, rounded."""
    table = points.sort_values(["method", "n_samples"]).set_index("method")[COLUMNS]
    return table.round({"seconds_per_sweep": 6, "acceptance": 3, "moved": 4, "ess": 0, "ess_per_second": 2})


def growth_by_method(points: pd.DataFrame) -> pd.DataFrame:
    """The powers of N over the largest three samples of each method, and the largest N."""
    rows = {}
    for method in METHODS:
        some = points[points["method"] == method]
        last = some.sort_values("n_samples").tail(LARGEST)
        if len(some):
            rows[method] = {
                "up to N": some["n_samples"].max(),
                "seconds per sweep": growth(last["n_samples"], last["seconds_per_sweep"]),
                "effective draws per second": growth(last["n_samples"], last["ess_per_second"]),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def seconds_of_em(points: pd.DataFrame) -> pd.Series:
    """Median seconds of EM on exact values, by N."""
    exact = points[points["likelihood"] != "grouped"]
    return exact.groupby("n_samples")["seconds_em"].median().rename("seconds of EM")


def growth_of_em(seconds: pd.Series) -> float:
    """The power of N over the largest three samples; `seconds` from `seconds_of_em`."""
    return growth(seconds.index[-LARGEST:], seconds[-LARGEST:])


def rows_at_posts_size(points: pd.DataFrame) -> pd.DataFrame:
    """The points at the post's 1,000 values, by method."""
    return points[points["n_samples"] == POSTS_N].set_index("method")


def cells_facts(points: pd.DataFrame, exponents: pd.DataFrame) -> dict[str, Any]:
    """The arguments of the sentence about the fits to counts in cells."""
    cells = points[points["method"] == "marginal, cells"]
    small, large = cells.iloc[0], cells.iloc[-1]
    return {
        "exponent": exponents["seconds per sweep"]["marginal, cells"],
        "small_n": small["n_samples"],
        "small_seconds": small["seconds_sampling"],
        "large_n": large["n_samples"],
        "large_seconds": large["seconds_sampling"],
        "trusted": large["outcome"] == "trusted",
    }
