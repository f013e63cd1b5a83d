"""Numbers and checks in plain words: what a reader sees of a table or a verdict.

An estimate is shown to the digits that its uncertainty leaves it: two of the
uncertainty's own for an estimate, none that chance alone decides for a mean over draws.
"""

import math
import re

import numpy as np
import pandas as pd

NAMES = {"w": "weight", "mu": "mean", "sigma": "sd"}
PASSED, FAILED, CAUTION = "✓", "✗", "⚠"

# What a check means when it passes, when it fails, and which way its limit points.
CHECKS = {
    "largest R-hat": ("The chains agree with each other", "The chains do not agree with each other", "at most"),
    "smallest bulk ESS": ("Enough independent draws for the means", "Too few independent draws for the means", "at least"),
    "smallest tail ESS": ("Enough independent draws for the intervals", "Too few independent draws for the intervals",
                          "at least"),
    "smallest BFMI": ("The sampler reaches the tails", "The sampler creeps through the tails", "at least"),
    "divergences": ("No step went astray", "Steps went astray", "at most"),
    "draws at the largest tree depth": ("No path was cut short", "Paths were cut short", "at most"),
    "LOO-PIT uniformity, p": ("The mixture has the sample's shape", "The mixture does not have the sample's shape",
                              "at least"),
    "LOO-PIT tails, p": ("The mixture has the sample's tails", "The mixture does not have the sample's tails", "at least"),
    "largest Pareto k": ("No single value decides the fit", "Single values decide the fit", "at most"),
    "prior sensitivity": ("The priors hardly matter", "The priors matter", "at most"),
    "cell width in smallest sds": ("The cells are narrow enough", "The cells are too wide", "at most"),
    "distance to EM in posterior sds": ("The posterior mean is near EM's maximum",
                                        "The posterior mean is far from EM's maximum", "at most"),
}

# Why chains disagree (`classify_chains`), and what helps before anything else.
CAUSES = {
    "permuted labels": ("the chains give the same components different names",
                        "keep the means ordered, or give them different priors"),
    "different modes": ("the chains settled on different answers",
                        "lower n_components, or give tighter priors; longer chains would hardly help"),
    "slow mixing": ("no chain is stuck, yet together they have not settled", "raise tune and draws"),
}

# ArviZ's names for the columns of a summary.
COLUMNS = {"ess_bulk": "bulk ESS", "ess_tail": "tail ESS", "r_hat": "R\u2011hat", "mcse_mean": "error of mean"}


def decimals_for(error, digits=2):
    """Decimals that show an error to so many significant digits; 0 where it is zero, infinite or large.

    >>> decimals_for(0.0163), decimals_for(1.18), decimals_for(250.0)
    (3, 1, 0)
    """
    if not np.isfinite(error) or error <= 0:
        return 0
    return max(0, digits - 1 - math.floor(math.log10(float(f"{error:.{digits - 1}e}"))))


def fixed(value, decimals):
    """A number with so many decimals, thousands grouped and a true minus; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.{decimals}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "−")


def estimate(value, error):
    """A number to two significant digits of its error."""
    return fixed(value, decimals_for(error)) if error > 0 or not np.isfinite(value) else f"{value:.4g}"


def plus_minus(value, error):
    """A number and its error, not to be parted at a line's end."""
    return f"{estimate(value, error)}\u00a0±\u00a0{estimate(error, error)}"


def comparison_table(comparison):
    """The comparison for a reader: words for names, each row to two digits of its posterior sd.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `compare_fits`.

    Returns
    -------
    pandas.DataFrame
        Of text, one row a parameter and component.
    """
    rows = []
    for row in comparison.to_dict("records"):
        def shown(name, row=row):
            return estimate(row[name], row["posterior_sd"])

        rows.append({
            "": f"{NAMES[row['parameter']]} of component {row['component']}",
            **({"truth": shown("truth")} if "truth" in row else {}),
            "posterior mean": shown("posterior_mean"), "posterior sd": shown("posterior_sd"),
            "interval from": shown("interval_low"), "to": shown("interval_high"), "EM": shown("em"),
            **({"EM's error": estimate(row["em_se"], row["em_se"])} if "em_se" in row else {}),
            "apart, in sds": fixed(row["difference_in_sds"], 2)})
    return pd.DataFrame(rows).set_index("").rename_axis("parameter")


def posterior_table(summary):
    """ArviZ's summary without the digits that chance alone decides.

    Parameters
    ----------
    summary : pandas.DataFrame
        From ``az.summary(..., round_to="none")``, with mcse_mean.

    Returns
    -------
    pandas.DataFrame
        Of text: places as far as the Monte Carlo error of the mean reaches; the error of
        the sd is left out.
    """
    places = [column for column in summary if column in ("mean", "sd", "median", "mad") or column.endswith(("_lb", "_ub"))]
    shown = pd.DataFrame(index=summary.index)
    for column in summary.columns.drop("mcse_sd", errors="ignore"):
        if column in places:
            shown[column] = [fixed(value, decimals_for(error, 1)) if error > 0 else f"{value:.4g}"
                             for value, error in zip(summary[column], summary["mcse_mean"], strict=True)]
        elif column.startswith("ess"):
            shown[column] = [fixed(value, 0) for value in summary[column]]
        elif column == "r_hat":
            shown[column] = [fixed(value, 3) for value in summary[column]]
        else:
            shown[column] = [f"{value:.1g}" for value in summary[column]]
    words = COLUMNS | {column: {"_lb": "interval from", "_ub": "to"}.get(column[-3:], column) for column in places}
    return shown.rename(columns=words).set_axis([_component(name) for name in summary.index]).rename_axis("parameter")


def sensitivity_table(sensitivity):
    """How far each prior moves each parameter, for a reader.

    Parameters
    ----------
    sensitivity : pandas.DataFrame
        From `prior_sensitivity`.

    Returns
    -------
    pandas.DataFrame
        Of text, one row a parameter and component.
    """
    rows = [f"{NAMES[parameter]} of component {component}" for parameter, component in sensitivity.index]
    moved = {f"prior on {NAMES[block]}s": [fixed(value, 3) for value in sensitivity[block]] for block in sensitivity}
    return pd.DataFrame(moved, index=pd.Index(rows, name="parameter"))


def counts_table(counts):
    """The numbers of components side by side, for a reader.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `choose_component_count`.

    Returns
    -------
    pandas.DataFrame
        Of text, one row a number of components.
    """
    decimals = {"log_likelihood": ("log likelihood", 1), "bic": ("BIC", 1), "aic": ("AIC", 1), "icl": ("ICL", 1),
                "elpd": ("left out", 1), "elpd_se": ("its error", 1), "weight": ("stacking weight", 2)}
    shown = {words: [fixed(value, places) for value in counts[name]] for name, (words, places) in decimals.items()}
    chains = np.where(counts["trusted"].astype(bool), "trusted", "not trusted")
    return pd.DataFrame({**shown, "chains": chains}, index=counts.index)


def _component(name):
    """`mu[0]` as words."""
    stem, _, number = name.partition("[")
    return f"{NAMES.get(stem, stem)} of component {number.rstrip(']')}" if number else NAMES.get(stem, stem)


def _count(number, word):
    return f"{'no' if number == 0 else 'one' if number == 1 else number} {word}{'' if number == 1 else 's'}"


def _short(value):
    """Three decimals at most, one from ten on, none from a hundred on."""
    if not np.isfinite(value) or abs(value) >= 100:
        return fixed(value, 0)
    return f"{value:.{1 if abs(value) >= 10 else 3}f}".rstrip("0").rstrip(".")


def check_line(check, mark=FAILED):
    """One check as a Markdown list item, its mark first; what to do where it failed.

    Parameters
    ----------
    check : Check
    mark : str
        For a check that did not pass.
    """
    passes, fails, side = CHECKS.get(check.name, (check.name, check.name, "limit"))
    limit = "none allowed" if check.limit == 0 else f"{side} {_short(check.limit)}"
    number = f"{check.name} {_short(check.value)} ({limit})".replace("R-hat", "R\u2011hat")  # not to be broken
    if check.passed:
        return f"- {PASSED} {passes}: {number}."
    advice = f" *What to do:* {check.advice}." if check.advice else ""
    return f"- {mark} **{fails}:** {number}.{advice}"


def verdict_text(checks, cautions, kind="agree"):
    """The verdict as Markdown: a sentence, the checks (failed first), then the cautions about the model.

    Parameters
    ----------
    checks, cautions : list of Check
        From `judge_chains` and `judge_model`.
    kind : str
        From `classify_chains`.

    Returns
    -------
    str
    """
    failed, raised = (sum(not check.passed for check in some) for some in (checks, cautions))
    if failed:
        cause = " The cause: {}. *What to do first:* {}.".format(*CAUSES[kind]) if kind in CAUSES else ""
        first = f"**Not to be trusted.** {failed} of {len(checks)} checks of the chains failed.{cause}"
    else:
        first = f"**The chains agree and can be trusted.** All {len(checks)} checks passed."
    doubt = {0: "", 1: ": no fault of the chains, but a reason to doubt the answer"}.get(
        raised, ": no fault of the chains, but reasons to doubt the answer")
    second = f"**{_count(raised, 'caution').capitalize()}** about the model{doubt}."
    ordered = [sorted(some, key=lambda check: check.passed) for some in (checks, cautions)]
    return "\n\n".join([
        first, "\n".join(check_line(check) for check in ordered[0]),
        second, "\n".join(check_line(check, CAUTION) for check in ordered[1])])


def answer_text(n, weights, means, sds, errors, apart, trusted):
    """The answer in two sentences.

    Parameters
    ----------
    n : int
        Values in the sample.
    weights, means, sds : array_like, shape (K,)
        Posterior means.
    errors : tuple of array_like, shape (K,)
        Their posterior standard deviations.
    apart : float
        Largest difference to EM, in posterior sds.
    trusted : bool

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"{plus_minus(m, dm)} with sd {plus_minus(s, ds)}"
             + (f", holding {100 * w:.{decimals_for(100 * dw, 1)}f}% of the values" if len(weights) > 1 else "")
             for w, m, s, dw, dm, ds in zip(weights, means, sds, *errors, strict=True)]
    components = f"{len(parts)} Gaussian component{'s' if len(parts) > 1 else ''}"
    where = f"one around {parts[0]}" if len(parts) > 1 else f"around {parts[0]}"
    listed = "; ".join([where, *(f"one around {part}" for part in parts[1:])])
    agree = (f"agree to within {apart:.2f} posterior standard deviations" if apart < 1 else
             f"differ by up to {apart:.1f} posterior standard deviations")
    doubt = "" if trusted else "**Do not trust these numbers:** the chains behind them failed their checks. As they stand, "
    return f"{doubt}{'The' if trusted else 'the'} {n:,} values are described by **{components}**: {listed}. Bayes and EM {agree}."


def as_code(text):
    """A text as Markdown's inline code, with a fence that no backtick of its own can close."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"
