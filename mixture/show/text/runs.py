"""Two runs side by side: what they were given, and what came of it."""

from typing import Any

import pandas as pd

from mixture.show.text.numbers import QUANTITIES, component_name, counted, estimate, fixed
from mixture.show.text.wording import caption, wording


@wording
def runs_text(
    comparison: pd.DataFrame, names: list[str], trusted: list[bool], same_sample: bool, differing: int, same: float
) -> str:
    """What two runs have in common, and whether their posteriors differ by more than chance.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `compare_posteriors`.
    names : list of str
        Of the two runs.
    trusted : list of bool
    same_sample : bool
    differing : int
        Parameters that are not the same in both.
    same : float
        Monte Carlo errors below which a difference is chance.
    """
    doubtful = [f"`{name}`" for name, sound in zip(names, trusted, strict=True) if not sound]
    doubt = f" **The chains of {' and '.join(doubtful)} are not to be trusted.**" if doubtful else ""
    sample = "the same sample" if same_sample else "different samples"
    given = f"{counted(differing, 'parameter')} that differ{'s' if differing == 1 else ''}"
    given = "the same parameters" if not differing else given
    row = comparison.loc[comparison["in_errors"].abs().idxmax()]
    errors, where = abs(row["in_errors"]), f"{QUANTITIES[row['parameter']]} of component {row['component']}"
    sds = comparison["in_sds"].abs().max()
    if errors < same:
        answer = (
            f"**The posteriors agree within Monte Carlo error:** they are at most {errors:.1f} of it apart ({where})"
        )
    else:
        answer = (
            f"**The posteriors differ by more than chance:** the {where} by {errors:.1f} Monte Carlo errors (chance stays below "
            f"{same:g})"
        )
    return (
        f"The two runs have {sample} and {given}. {answer}, and at most {sds:.2f} posterior standard deviations.{doubt}"
    )


@wording
def parameters_table(differing: dict[str, list[str]], names: list[str]) -> pd.DataFrame | str:
    """The parameters that differ; each a list of its two values as text."""
    if not differing:
        return "All parameters are the same."
    table = pd.DataFrame.from_dict(differing, orient="index", columns=names)
    return table.rename_axis("parameter")


@wording
def posteriors_table(comparison: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Both posteriors, each number to two digits of its posterior sd; `comparison` is from `compare_posteriors`."""
    return pd.DataFrame([_row(row, names) for row in comparison.to_dict("records")]).set_index("parameter")


def _row(row: dict[str, Any], names):
    values = {"parameter": component_name(f"{row['parameter']}[{row['component']}]")}
    for number, name in enumerate(names, 1):
        mean, low, high = (estimate(row[f"{what}_{number}"], row[f"sd_{number}"]) for what in ("mean", "low", "high"))
        values |= {name: mean, f"{name}: interval": f"{low} to {high}"}
    return values | {"apart, in errors": fixed(row["in_errors"], 1), "in sds": fixed(row["in_sds"], 2)}


@caption
def runs_caption(interval: float, trusted: list[bool]) -> str:
    """Of the forest plot."""
    hollow = "" if all(trusted) else " Hollow marks are of chains that are not to be trusted."
    return f"Posterior mean and {interval:.0%} interval of each parameter; a colour is a component, by mean.{hollow}"


@wording
def runs_alt() -> str:
    """Of the same, for who cannot see it."""
    return "Three panels, weights, means and standard deviations, each with a row for each of the two runs."
