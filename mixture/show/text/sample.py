"""Chapter 1: what the sample is, and where it comes from."""

from typing import Any

import pandas as pd

from mixture.show.text.numbers import as_code, fixed, on_axis
from mixture.show.text.wording import caption, component_numbers, wording


@wording
def sample_text(
    summary: dict[str, Any], data: str | None, n_true: int, seed: int, dropped: int, transform: str | None = None
) -> str:
    """What the sample holds.

    Parameters
    ----------
    summary : dict
        From `Sample.summary`.
    data : str or None
        The file that it was read from; None if it was simulated.
    n_true : int
        Components that it was drawn from, if it was.
    seed : int
    dropped : int
        Missing values left out.
    transform : {None, "log"}
        With log, the summary is of logarithms.
    """
    source = f"read from {as_code(data)}" if data else f"drawn from a mixture of {n_true} Gaussians with seed {seed}"
    kept = "" if summary["exact"] else f" {_cells_text(**summary)}"
    left_out = (
        f" {dropped:,} of {summary['n'] + dropped:,} rows hold no number there (empty, NA or the like) and were left out."
        if dropped
        else ""
    )
    low, high, mean, sd = (on_axis(summary[name], summary["sd"]) for name in ("low", "high", "mean", "sd"))
    what = "They run" if transform is None else "Their natural logarithms, which are fitted, run"
    return (
        f"The sample holds **{summary['n']:,} values** {source}. {what} from {low} to {high}, with mean {mean} and standard "
        f"deviation {sd}.{kept}{left_out}"
    )


def _cells_text(rows, width, regular=True, open=(False, False), **_):
    """Of a sample in counts; what was written before cells could be unequal or open says neither."""
    if regular:
        return f"They are kept as counts in {rows:,} cells {width:.3g} wide."
    ends = " and ".join(end for end, is_open in zip(("below", "above"), open, strict=True) if is_open)
    drawn = f"; what is open {ends} is described and drawn as if it were as wide as its neighbour" if ends else ""
    return f"They came as counts in {rows:,} cells, half of the values in cells of at most {width:.3g}{drawn}."


@wording
def scale_text(transform: str | None, name: str, unit: str, low: float, high: float, median: float) -> str:
    """What is fitted, and in which units it is told, where that are not data units; else nothing.

    Parameters
    ----------
    transform : {None, "log"}
    name, unit : str
        Of the values as they were read.
    low, high, median : float
        Of the same.
    """
    if transform is None:
        return ""
    return (
        f"**The report fits the natural logarithm of {name}.** What is Gaussian there is log-normal in {unit}: skewed, and "
        f"above 0 throughout. Where the logarithms stand, {name} runs from {low:.4g} to {high:.4g} {unit}, with median "
        f"{median:.4g}. Tables, figures and priors are of logarithms; notebook 4 also gives medians, factors of spread, "
        f"cutoffs and memberships in {unit}, and draws the mixture on both scales."
    )


@wording
def drawn_table(drawn: pd.DataFrame, weights: list[float], means: list[float], sds: list[float]) -> pd.DataFrame:
    """What was asked for and what was drawn, component by component.

    Parameters
    ----------
    drawn : pandas.DataFrame
        One row a component: size, mean and std of its values.
    weights, means, sds : list of float
        As asked for.
    """
    columns = {
        "observations": [f"{size:,.0f}" for size in drawn["size"]],
        "weight asked": weights,
        "weight drawn": drawn["size"] / drawn["size"].sum(),
        "mean asked": means,
        "mean drawn": drawn["mean"],
        "sd asked": sds,
        "sd drawn": drawn["std"],
    }
    rounded = {
        name: values
        if name == "observations"
        else [on_axis(value, sd if "mean" in name else value) for value, sd in zip(values, sds, strict=True)]
        for name, values in columns.items()
    }
    return pd.DataFrame(rounded, index=component_numbers(len(drawn)))


@wording
def described_table(summary: dict[str, Any]) -> pd.DataFrame:
    """Mean, sd and quantiles of a sample whose components nobody knows; `summary` is from `Sample.summary`."""
    numbers = {"mean": summary["mean"], "sd": summary["sd"], **summary["quantiles"]}
    return pd.DataFrame(
        {summary["unit"]: [on_axis(value, summary["sd"]) for value in numbers.values()]}, index=list(numbers)
    )


@caption
def sample_caption(n: int, simulated: bool) -> str:
    """Of the histogram."""
    truth = " The black line is the true mixture, the coloured ones its components." if simulated else ""
    return f"Histogram and kernel density of {fixed(n, 0)} values.{truth}"


@wording
def sample_alt(n: int, low: float, high: float, n_true: int) -> str:
    """Of the histogram, for who cannot see it; `n_true` is 0 where no component is known."""
    true = f" and the densities of {n_true} true components" if n_true else ""
    low, high = (on_axis(end, high - low, 3) for end in (low, high))
    return f"Histogram of {fixed(n, 0)} values between {low} and {high} with a kernel density{true}."
