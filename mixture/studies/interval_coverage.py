"""How often stored intervals contain the truth, and how far the estimates are off: Bayes against EM."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mixture.studies.coverage import LEVELS

SCENARIO = ["separation", "n", "weight"]


def summarise_coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Coverage with its standard error, bias in units of the estimates' own spread, and how often there was no interval.

    Returns
    -------
    pandas.DataFrame
        Indexed by separation, n, weight, method, parameter and level:
        covered, error, bias, missing (shares), far (whether coverage is more
        than three standard errors from the level).
    """
    groups = table.groupby(["separation", "n", "weight", "method", "parameter", "level"])
    found = groups.agg(
        covered=("covered", "mean"), samples=("covered", "size"), missing=("low", lambda low: low.isna().mean())
    )
    level = found.index.get_level_values("level")
    found["error"] = np.sqrt(level * (1 - level) / found["samples"])
    found["far"] = abs(found["covered"] - level) > 3 * found["error"]
    off = groups.agg(estimate=("estimate", "mean"), spread=("estimate", "std"), truth=("truth", "first"))
    found["bias"] = (off["estimate"] - off["truth"]) / off["spread"]
    return found.drop(columns="samples")


def coverage_by_method(found: pd.DataFrame) -> pd.DataFrame:
    """Coverage, missing intervals and coverage far from its level, averaged over the scenarios.

    Parameters
    ----------
    found : pandas.DataFrame
        From `summarise_coverage`.
    """
    return found.groupby(["method", "level"])[["covered", "missing", "far"]].mean()


def bias_by_method(found: pd.DataFrame) -> pd.DataFrame:
    """Bias of each estimate: one row a scenario and parameter, one column a method."""
    return found["bias"].xs(LEVELS[0], level="level").unstack("method")


class TopLevel(NamedTuple):
    """What became of the intervals of the highest level, over scenarios and parameters.

    Attributes
    ----------
    level : float
    cases : int
    em_failed : int
        Cases in which EM's coverage is more than three standard errors too low.
    posterior_failed : int
    rescued : int
        Cases in which EM's fails and the posterior's does not.
    worst : dict
        Where EM's coverage is lowest: separation, n, weight, parameter, em, posterior.
    posterior_lowest : float
    em_missing : float
        Share of fits that left no interval.
    """

    level: float
    cases: int
    em_failed: int
    posterior_failed: int
    rescued: int
    worst: dict[str, Any]
    posterior_lowest: float
    em_missing: float


def compare_intervals(found: pd.DataFrame) -> TopLevel:
    """`TopLevel` of a summary from `summarise_coverage`."""
    level = max(LEVELS)
    em, posterior = (found.xs((method, level), level=("method", "level")) for method in ("EM", "posterior"))
    em_short, posterior_short = (each["covered"] < level - 3 * each["error"] for each in (em, posterior))
    place = em["covered"].idxmin()
    worst = dict(zip(em.index.names, place, strict=True)) | {
        "em": em["covered"][place],
        "posterior": posterior["covered"][place],
    }
    return TopLevel(
        level,
        len(em),
        int(em_short.sum()),
        int(posterior_short.sum()),
        int((em_short & ~posterior_short).sum()),
        worst,
        posterior["covered"].min(),
        em["missing"].mean(),
    )
