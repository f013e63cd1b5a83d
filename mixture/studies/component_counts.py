"""The study of how many values it takes to find the number of components, by how far apart they are.

separation
    The distance of two means in units of the sds, which are equal.
found
    The true number of components is the most probable number that holds values.
"""

import pandas as pd

SURE = 0.9  # of the probability on the true number


def measure_recovery(results: pd.DataFrame) -> pd.DataFrame:
    """One row a finished point: point, separation, n_samples, outcome, found (bool) and p_true.

    Parameters
    ----------
    results : pandas.DataFrame
        From `load_results`, of samples with two components.
    """
    points = results[results["status"] == "finished"].drop_duplicates("point").copy()
    true = points["means"].str.len()
    points["separation"] = (points["means"].str[1] - points["means"].str[0]) / points["sds"].str[0]
    points["found"] = points["components_found"] == true
    columns = points.filter(like="p_components_").fillna(0.0)
    points["p_true"] = [row.get(f"p_components_{k}", 0.0) for k, (_, row) in zip(true, columns.iterrows(), strict=True)]
    return points[["point", "separation", "n_samples", "outcome", "found", "p_true"]].reset_index(drop=True)


def recovery_table(points: pd.DataFrame) -> pd.DataFrame:
    """How many of the samples have their number found, by separation (rows) and N (columns)."""
    table = points.pivot_table(index="separation", columns="n_samples", values="found", aggfunc=["sum", "count"])
    found, of = (table[name].fillna(0).astype(int) for name in ("sum", "count"))
    counts = (found.astype(str) + " of " + of.astype(str)).where(of > 0, "")
    return counts.rename_axis("separation (sds)").rename_axis("found at N =", axis=1)


def smallest_samples(points: pd.DataFrame) -> list[tuple[float, int, int | None]]:
    """Separations, the largest first, the largest N of each, and the smallest from which on the number is always found.

    None where there is no such N.
    """
    answer = []
    for separation, some in sorted(points.groupby("separation"), reverse=True):
        found = some.groupby("n_samples")["found"].min()
        enough = [n for n in found.index if found.loc[n:].all()]
        answer.append((float(separation), int(found.index.max()), int(min(enough)) if enough else None))
    return answer


def largest_probability(points: pd.DataFrame) -> float:
    """The mean probability of the true number over the samples that tell it best: those of one separation and N."""
    return float(points.groupby(["separation", "n_samples"])["p_true"].mean().max())
