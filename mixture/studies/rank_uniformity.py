"""Are the ranks of a calibration uniform? Simultaneous bands around their distribution functions."""

import functools

import numpy as np
import pandas as pd
from arviz_stats.ecdf_utils import compute_ecdf, get_pointwise_confidence_band, simulate_confidence_bands

from mixture.studies.calibration import RANKED_DRAWS


def judge_ranks(table: pd.DataFrame, prob: float = 0.99) -> pd.DataFrame:
    """Whether the ranks are uniform: their distribution function within simultaneous bands (Säilynoja et al. 2022).

    Parameters
    ----------
    table : pandas.DataFrame
        Columns model, parameter, rank.
    prob : float
        That all of them are found uniform if all are; shared out among them.

    Returns
    -------
    pandas.DataFrame
        One row a model and parameter: fits, largest_difference (of the
        distribution function from the uniform one), at (which rank), passed.
    """
    groups = table.groupby(["model", "parameter"], sort=False)["rank"]
    rows = []
    for (model, parameter), ranks in groups:
        x, low, high = bands(len(ranks), 1 - (1 - prob) / len(groups))
        ecdf = compute_ecdf(ranks.to_numpy(), x)
        worst = np.abs(ecdf - x).argmax()
        rows.append(
            {
                "model": model,
                "parameter": parameter,
                "fits": len(ranks),
                "largest_difference": ecdf[worst] - x[worst],
                "at": x[worst],
                "passed": bool(((ecdf >= low) & (ecdf <= high)).all()),
            }
        )
    return pd.DataFrame(rows)


@functools.cache
def bands(n: int, prob: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the distribution function of n uniform ranks lies, all along, with a probability: points, lower and upper ends."""
    x = np.arange(1, n) / n
    pointwise = simulate_confidence_bands(n, 1, x, prob, 20_000, np.random.default_rng(214))
    return x, *get_pointwise_confidence_band(pointwise, n, x)


def rank_differences(table: pd.DataFrame, prob: float = 0.99) -> pd.DataFrame:
    """The difference of each distribution function of ranks from the uniform one, with its band.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns model, parameter, rank.
    prob : float
        As in `judge_ranks`.

    Returns
    -------
    pandas.DataFrame
        Columns model, parameter, rank, difference, low, high.
    """
    groups, curves = table.groupby(["model", "parameter"], sort=False)["rank"], []
    for (model, parameter), ranks in groups:
        x, low, high = bands(len(ranks), 1 - (1 - prob) / len(groups))
        curves.append(
            pd.DataFrame(
                {
                    "model": model,
                    "parameter": parameter,
                    "rank": x,
                    "difference": compute_ecdf(ranks.to_numpy(), x) - x,
                    "low": low - x,
                    "high": high - x,
                }
            )
        )
    return pd.concat(curves, ignore_index=True)


def summarise_models(table: pd.DataFrame, verdict: pd.DataFrame) -> pd.DataFrame:
    """One row a model: how many parameters passed, and whether the chains sufficed.

    Parameters
    ----------
    table : pandas.DataFrame
        From `calibrate`.
    verdict : pandas.DataFrame
        From `judge_ranks`.
    """
    smallest = table.groupby(["model", "replicate"])["ess"].min().groupby("model")
    seconds = table.drop_duplicates(["model", "replicate"]).groupby("model")["seconds"].median()
    judged = verdict.groupby("model")
    summary = pd.DataFrame(
        {
            "passed": judged["passed"].sum(),
            "of": judged.size(),
            "largest difference": judged["largest_difference"].agg(lambda difference: difference.abs().max()),
            f"fits with ESS of {RANKED_DRAWS} or more": smallest.agg(lambda ess: (ess >= RANKED_DRAWS).mean()),
            "median seconds a fit": seconds,
        }
    )
    return summary.loc[list(dict.fromkeys(table["model"]))]
