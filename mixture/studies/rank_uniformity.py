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
        Columns case, quantity, rank.
    prob : float
        That all of them are found uniform if all are; shared out among them.

    Returns
    -------
    pandas.DataFrame
        One row a case and quantity: fits, largest_difference (of the
        distribution function from the uniform one), at (which rank), passed.
    """
    groups = table.groupby(["case", "quantity"], sort=False)["rank"]
    rows = []
    for (case, quantity), ranks in groups:
        x, low, high = bands(len(ranks), 1 - (1 - prob) / len(groups))
        ecdf = compute_ecdf(ranks.to_numpy(), x)
        worst = np.abs(ecdf - x).argmax()
        rows.append(
            {
                "case": case,
                "quantity": quantity,
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
        Columns case, quantity, rank.
    prob : float
        As in `judge_ranks`.

    Returns
    -------
    pandas.DataFrame
        Columns case, quantity, rank, difference, low, high.
    """
    groups, curves = table.groupby(["case", "quantity"], sort=False)["rank"], []
    for (case, quantity), ranks in groups:
        x, low, high = bands(len(ranks), 1 - (1 - prob) / len(groups))
        curves.append(
            pd.DataFrame(
                {
                    "case": case,
                    "quantity": quantity,
                    "rank": x,
                    "difference": compute_ecdf(ranks.to_numpy(), x) - x,
                    "low": low - x,
                    "high": high - x,
                }
            )
        )
    return pd.concat(curves, ignore_index=True)


def summarise_cases(table: pd.DataFrame, verdict: pd.DataFrame) -> pd.DataFrame:
    """One row a case: how many quantities passed, and whether the fits were long enough for their ranks to count.

    Parameters
    ----------
    table : pandas.DataFrame
        From `calibrate`.
    verdict : pandas.DataFrame
        From `judge_ranks`.

    Returns
    -------
    pandas.DataFrame
        Indexed by case: fits, passed and of (quantities), largest_difference, smallest_ess (of any quantity in any
        fit), short_fits (with fewer effective draws than they are ranked among), longer_fits (made longer), seconds
        (median of a fit).
    """
    fits = table.groupby(["case", "replicate"]).agg(
        ess=("ess", "min"), longer=("longer", "max"), seconds=("seconds", "first")
    )
    by_case, judged = fits.groupby("case"), verdict.groupby("case")
    summary = pd.DataFrame(
        {
            "fits": by_case.size(),
            "passed": judged["passed"].sum(),
            "of": judged.size(),
            "largest_difference": judged["largest_difference"].agg(lambda difference: difference.abs().max()),
            "smallest_ess": by_case["ess"].min(),
            "short_fits": (fits["ess"] < RANKED_DRAWS).groupby("case").sum(),
            "longer_fits": (fits["longer"] > 0).groupby("case").sum(),
            "seconds": by_case["seconds"].median(),
        }
    )
    return summary.loc[list(dict.fromkeys(table["case"]))]
