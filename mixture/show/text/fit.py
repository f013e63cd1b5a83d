"""Chapter 2: the model, its priors, and what sampling took."""

import pandas as pd

from mixture.show.text.numbers import QUANTITIES, as_latex, component_name, decimals_for, fixed, on_axis
from mixture.show.text.wording import caption, component_numbers, wording

# ArviZ's names for the columns of a summary.
COLUMNS = {"ess_bulk": "bulk ESS", "ess_tail": "tail ESS", "r_hat": "R\u2011hat", "mcse_mean": "error of mean"}

SD_PRIORS = {
    "uniform": r"\mathrm{{Uniform}}(0, {0})",
    "halfnormal": r"\mathrm{{HalfNormal}}({0})",
    "lognormal": r"\mathrm{{LogNormal}}(\log({0}), 1)",
    "hierarchical": r"\beta^{{1/2}} \, \mathrm{{Gamma}}(2, 1)^{{-1/2}}, \quad \beta \sim \mathrm{{Gamma}}(0.2, 10 / ({0})^2)",
}


@wording
def likelihood_text(n: int, reason: str) -> str:
    """How many values there are, and how the likelihood sees them."""
    return f"{n:,} values. {reason}"


@wording
def priors_text(
    mean_center: list[float], mean_precision: list[float], sd_family: str, sd_scale: float, weight_concentration: float
) -> str:
    """The priors as formulas; arguments as the attributes of `Priors`."""
    concentrations = ", ".join([f"{weight_concentration:g}"] * len(mean_center))
    lines = [rf"w \sim \mathrm{{Dirichlet}}({concentrations})"]
    lines += [
        rf"\mu_{{{k}}} \sim \mathrm{{Normal}}({_place(center, precision**-0.5)}, {_size(precision**-0.5)})"
        for k, (center, precision) in enumerate(zip(mean_center, mean_precision, strict=True), 1)
    ]
    lines += [rf"\sigma_k \sim {SD_PRIORS[sd_family].format(_size(sd_scale))}"]
    return "\n\n".join(f"$${line}$$" for line in lines)


def _place(value, spread):
    text = on_axis(value, spread)
    return as_latex(text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text)


def _size(value):
    return as_latex(f"{value:.4g}")


@caption
def prior_caption(drawn: int, covered: float) -> str:
    """Of the mixtures drawn from the priors: how many, and the share of their means within the sample's range."""
    return (
        f"{drawn} mixtures drawn from the priors (lines) over the sample (grey); {covered:.0%} of the prior's component "
        "means lie within the range of the sample."
    )


@wording
def em_table(weights: list[float], means: list[float], sds: list[float]) -> pd.DataFrame:
    """EM's best maximum, which half of the chains start near."""
    columns = {
        "weight": [fixed(w, 2) for w in weights],
        "mean": [on_axis(m, s) for m, s in zip(means, sds, strict=True)],
        "sd": [on_axis(s, s) for s in sds],
    }
    return pd.DataFrame(columns, index=component_numbers(len(weights)))


@wording
def used_table(
    exact: bool,
    cell_width: float,
    sampler: str,
    mean_center: list[float],
    mean_precision: list[float],
    sd_family: str,
    sd_scale: float,
    weight_concentration: float,
) -> pd.DataFrame:
    """What stood for the parameters that may be left open, by name; the last ones as the attributes of `Priors`."""
    used = {
        "n_components": len(mean_center),
        "likelihood": "exact" if exact else "grouped",
        "cell_width": None if exact else cell_width,
        "mean_prior_mean": mean_center,
        "mean_prior_precision": mean_precision,
        "sd_prior": sd_family,
        "sd_prior_scale": sd_scale,
        "weight_concentration": weight_concentration,
        "sampler": sampler,
    }
    return pd.DataFrame({"used": map(_value, used.values())}, pd.Index(used, name="parameter"))


def _value(value):
    if isinstance(value, list):
        return f"{_value(value[0])} for each" if len(set(value)) == 1 < len(value) else ", ".join(map(_value, value))
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


@wording
def sampling_text(chains: int, draws: int, seconds: float) -> str:
    """What was drawn, and how long that took."""
    return f"**{chains} chains of {draws:,} draws** in {seconds:.1f} seconds of sampling."


@wording
def posterior_table(summary: pd.DataFrame, columns: list[str] | None = None) -> pd.DataFrame:
    """ArviZ's summary without the digits that chance alone decides.

    Parameters
    ----------
    summary : pandas.DataFrame
        From ``az.summary(..., round_to="none")``, with mcse_mean.
    columns : list of str, optional
        Of the summary, those to show; by default all but the error of the sd.
    """
    places = [
        column for column in summary if column in ("mean", "sd", "median", "mad") or column.endswith(("_lb", "_ub"))
    ]
    shown = pd.DataFrame(index=summary.index)
    for column in columns or summary.columns.drop("mcse_sd", errors="ignore"):
        if column in places:
            shown[column] = [
                fixed(value, decimals_for(error, 1)) if error > 0 else f"{value:.4g}"
                for value, error in zip(summary[column], summary["mcse_mean"], strict=True)
            ]
        elif column.startswith("ess"):
            shown[column] = [fixed(value, 0) for value in summary[column]]
        elif column == "r_hat":
            shown[column] = [fixed(value, 3) for value in summary[column]]
        else:
            shown[column] = [f"{value:.1g}" for value in summary[column]]
    words = COLUMNS | {column: {"_lb": "interval from", "_ub": "to"}.get(column[-3:], column) for column in places}
    return (
        shown.rename(columns=words).set_axis([component_name(name) for name in summary.index]).rename_axis("parameter")
    )


@wording
def sensitivity_table(sensitivity: pd.DataFrame) -> pd.DataFrame:
    """How far each prior moves each parameter.

    Parameters
    ----------
    sensitivity : pandas.DataFrame
        From `prior_sensitivity`: one row a parameter and component.
    """
    rows = [f"{QUANTITIES[parameter]} of component {component}" for parameter, component in sensitivity.index]
    moved = {
        f"prior on {QUANTITIES[block]}s": [fixed(value, 3) for value in sensitivity[block]] for block in sensitivity
    }
    return pd.DataFrame(moved, index=pd.Index(rows, name="parameter"))
