"""Chapter 4: EM beside the posterior, memberships, the number of components, and the answer."""

from typing import Any

import numpy as np
import pandas as pd

from mixture.show.text.numbers import QUANTITIES, counted, decimals_for, estimate, fixed, listed, plus_minus
from mixture.show.text.wording import caption, component_numbers, wording


@wording
def maximum_table(
    weights: list[float], means: list[float], sds: list[float], errors: dict[str, list[float]]
) -> pd.DataFrame:
    """EM's maximum with standard errors; `errors` has the keys weights, means and sds."""
    columns = {}
    for name, values, field in (("weight", weights, "weights"), ("mean", means, "means"), ("sd", sds, "sds")):
        columns[name] = [estimate(*each) for each in zip(values, errors[field], strict=True)]
        columns[f"error of {name}"] = [estimate(error, error) for error in errors[field]]
    return pd.DataFrame(columns, index=component_numbers(len(weights)))


@wording
def maximum_text(
    log_likelihood: float,
    bic: float,
    aic: float,
    icl: float,
    starts: int,
    best_starts: int,
    collapsed_starts: int,
    converged: bool,
    fell_back: bool,
) -> str:
    """How EM ended; `fell_back` says that variances had to be equal where free ones were asked for."""
    collapsed = f", {collapsed_starts} collapsed onto a value or two and were thrown away" if collapsed_starts else ""
    equal = " Every start with free variances collapsed, so all components share one here." if fell_back else ""
    return (
        f"Log likelihood **{log_likelihood:.4f}**, BIC {bic:.2f}, AIC {aic:.2f}, ICL {icl:.2f} (smaller is better for all "
        f"three). {best_starts} of {starts} starts ended at this maximum{collapsed}; EM "
        f"{'converged' if converged else '**did not converge**'}.{equal}"
    )


@wording
def bootstrap_text(
    n: int, replicates: int, errors: dict[str, list[float]], bootstrap: dict[str, list[float]] | None
) -> str:
    """Whether the bootstrap agrees with the curvature.

    Parameters
    ----------
    n, replicates : int
    errors, bootstrap : dict of list
        Standard errors by the two, keys weights, means and sds; bootstrap is
        None where it was left out.
    """
    if bootstrap is None:
        return f"With {n:,} values the bootstrap is left out: the curvature is exact enough."
    if not np.isfinite(errors["means"]).all():
        return "The curvature is **not** that of a maximum: EM stopped at a saddle, or the components cannot be told apart."
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = max(
            np.nanmax(np.abs(np.log(np.divide(bootstrap[name], errors[name]))))
            for name in errors
            if name != "weights" or len(errors["weights"]) > 1
        )
    return (
        f"Over {replicates} bootstrap samples the standard errors {'agree' if ratio < 0.3 else '**disagree**'}: they differ "
        f"by a factor of up to {np.exp(ratio):.2f}."
    )


@wording
def comparison_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """Bayes and EM side by side: words for names, each row to two digits of its posterior sd.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From `compare_fits`.
    """
    rows = []
    for row in comparison.to_dict("records"):

        def rounded(name, row=row):
            return estimate(row[name], row["posterior_sd"])

        rows.append(
            {
                "": f"{QUANTITIES[row['parameter']]} of component {row['component']}",
                **({"truth": rounded("truth")} if "truth" in row else {}),
                "posterior mean": rounded("posterior_mean"),
                "posterior sd": rounded("posterior_sd"),
                "interval from": rounded("interval_low"),
                "to": rounded("interval_high"),
                "EM": rounded("em"),
                **({"EM's error": estimate(row["em_se"], row["em_se"])} if "em_se" in row else {}),
                "apart, in sds": fixed(row["difference_in_sds"], 2),
            }
        )
    return pd.DataFrame(rows).set_index("").rename_axis("parameter")


@caption
def fits_caption(interval: float, components: int, apart: float, beyond: dict[str, Any] | None = None) -> str:
    """Of the main figure; `apart` is the largest difference of the two fits in posterior sds, `beyond` from `describe_beyond`."""
    return (
        f"Posterior mean density with its {interval:.0%} band, the {counted(components, 'component')} and EM; the two fits "
        f"differ by at most {apart:,.2f} posterior standard deviations.{_beyond(beyond)}"
    )


def _beyond(beyond):
    """What the figure leaves out, as a sentence."""
    if not beyond or not beyond["values"]:
        return ""
    numbers = beyond["components"]
    left = f", and component{'s' if len(numbers) > 1 else ''} {listed(numbers)}" if numbers else ""
    return f" Far off, outside the figure: {counted(beyond['values'], 'value')}{left}."


@wording
def fits_alt(n: int) -> str:
    """Of the same, for who cannot see it."""
    return f"Histogram of {n:,} values with the posterior's mixture density, its components, and EM's density."


@caption
def membership_caption(
    interval: float,
    unsure: float,
    outside: float,
    furthest: float,
    cutoffs: int,
    beyond: dict[str, Any] | None = None,
) -> str:
    """Of the memberships.

    Parameters
    ----------
    interval : float
    unsure : float
        Share of values without a likely component.
    outside, furthest : float
        Share of values with a mean visibly outside its interval, and the largest distance to one.
    cutoffs : int
        How many are drawn.
    beyond : dict, optional
        From `describe_beyond`.
    """
    lines = (
        " Dotted lines with bands are the cutoffs." if cutoffs > 1 else " The dotted line with its band is the cutoff."
    )
    skewed = (
        f" The interval is the shortest, which can leave the mean of a very skewed probability out: it does so visibly for "
        f"{outside:.1%} of the values, by {furthest:.1g} at most."
        if outside
        else ""
    )
    return (
        f"Posterior mean membership probability with its {interval:.0%} interval; {unsure:.1%} of the values have no "
        f"component with probability 0.9 or more.{lines if cutoffs else ''}{skewed}{_beyond(beyond)}"
    )


@wording
def membership_table(membership: pd.DataFrame) -> pd.DataFrame:
    """Rows of `summarise_memberships`, probabilities to four decimals."""
    probabilities = [name for name in membership if name.startswith("p_")]
    rounded = membership[probabilities].map(lambda p: fixed(p, 4))
    return membership.astype(object).assign(**rounded, entropy=membership["entropy"].map(lambda h: fixed(h, 4)))


@wording
def membership_alt(components: int, cutoffs: int) -> str:
    """Of the same, for who cannot see it."""
    lines = f" Dotted lines mark {cutoffs} {'cutoff' if cutoffs == 1 else 'cutoffs'}." if cutoffs else ""
    return f"Histogram of the sample above {components} curves with bands, the probability of each component by value.{lines}"


@wording
def counts_table(counts: pd.DataFrame) -> pd.DataFrame:
    """The numbers of components side by side.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `choose_component_count`.
    """
    decimals = {
        "log_likelihood": ("log likelihood", 1),
        "bic": ("BIC", 1),
        "aic": ("AIC", 1),
        "icl": ("ICL", 1),
        "sbic": ("sBIC", 1),
        "elpd": ("left out", 1),
        "elpd_se": ("its error", 1),
        "weight": ("stacking weight", 2),
    }
    decimals |= {"p_k": ("posterior of K", 3)} if "p_k" in counts else {}
    table = {words: [fixed(value, places) for value in counts[name]] for name, (words, places) in decimals.items()}
    return pd.DataFrame(
        {**table, "chains": ["trusted" if each else "not trusted" for each in counts["trusted"]]}, index=counts.index
    )


@wording
def counts_text(counts: pd.DataFrame | None, k_max: int | None = None) -> str:
    """Which number of components each criterion prefers, and what to make of it where they disagree.

    Parameters
    ----------
    counts : pandas.DataFrame or None
        From `choose_component_count`; None where no other number was fitted.
    k_max : int, optional
        The largest number that was to be compared.
    """
    if counts is None:
        return "Other numbers of components were not compared: give `k_max` to compare them."
    counts = counts.astype({name: float for name in ("bic", "aic", "icl", "sbic", "elpd", "weight")})
    best = {name.upper(): int(counts[name].idxmin()) for name in ("bic", "aic", "icl")}
    best["sBIC"] = int(counts["sbic"].idxmax())
    sound, rivals = counts[counts["trusted"].astype(bool)], counts.index[counts["could_win"].astype(bool)]
    if "p_k" in counts:
        best["the posterior"] = int(counts["p_k"].idxmax())
    settled = len(sound) > 0 and not len(rivals)
    if settled:
        best["leave-one-out"] = int(sound["elpd"].idxmax())
    agree = len(set(best.values())) == 1
    choices = ", ".join(f"{name} {k}" for name, k in best.items())
    words = [
        f"The criteria **agree on** **{best['BIC']}** components."
        if agree
        else f"The criteria **disagree** on the number of components: {choices}."
    ]
    if not agree:
        words.append(
            "BIC looks for the number that generated the sample, and sBIC does so with a penalty that is right where "
            "components coincide; AIC and leave-one-out look for the best prediction, ICL for well separated groups, and the "
            "posterior of K weighs every number by all of its parameters' prior."
        )
    words += _settled_words(counts, sound) if settled else _unsettled_words(sound, rivals)
    collapsed = [int(k) for k in counts.index[counts["bic"].isna()]]
    if collapsed:
        words.append(f"Every start of EM collapsed for K = {listed(collapsed)}.")
    largest = int(counts.index.max())
    if k_max and largest < k_max:
        words.append(
            f"With {largest + 1} components EM collapses from every start: so many, and more, were not compared."
        )
    return " ".join(words)


def _settled_words(counts, sound):
    """What leave-one-out prediction says, where no untrusted number of components could be its best."""
    best, words = int(sound["elpd"].idxmax()), []
    near = [int(k) for k in sound.index[sound["elpd"] > sound["elpd"].max() - 4] if k != best]
    if near:
        words.append(
            f"By leave-one-out prediction {', '.join(map(str, near))} would do as well (within 4 of the best)."
        )
    doubtful = [int(k) for k in counts.index if k not in sound.index]
    if doubtful:
        words.append(
            f"**The chains of K = {listed(doubtful)} are not to be trusted** and are left out of the comparison by "
            "prediction; no criterion prefers them."
        )
    if len(sound) > 1:
        words.append(
            f"Stacking gives K = {int(sound['weight'].idxmax())} the largest weight, {sound['weight'].max():.2f}."
        )
    return words


def _unsettled_words(sound, rivals):
    """Why leave-one-out prediction says nothing."""
    if not len(sound):
        return ["**Prediction does not decide:** no chains of any number of components can be trusted."]
    best = int(sound["elpd"].idxmax())
    return [
        f"**Prediction does not decide:** the chains of K = {listed(map(int, rivals))} are not to be trusted, and "
        f"{'it' if len(rivals) == 1 else 'each'} could be better than K = {best}, which predicts best of those that are. "
        f"*What to do:* give `n_components` {'this number' if len(rivals) == 1 else 'each of these numbers'}, and raise `draws`."
    ]


@caption
def counts_caption(k_max: int, settled: bool) -> str:
    """Of the criteria; `settled` says whether prediction decides."""
    ring = "" if settled else "; prediction has none, because chains that are not trusted could be its best"
    return (
        f"Criteria for 1 to {k_max} components, the best of each in a larger ring{ring}. Hollow marks are of chains that are "
        "not trusted. Predictions of many values are scored in narrow cells."
    )


@wording
def counts_alt(k_max: int, settled: bool) -> str:
    """Of the same, for who cannot see it."""
    marked = "the best of each marked" if settled else "the best of each criterion of EM marked, none of prediction"
    return f"BIC, AIC, ICL and leave-one-out predictive density for 1 to {k_max} components, {marked}."


@wording
def answer_text(
    n: int,
    means: dict[str, list[float]],
    sds: dict[str, list[float]],
    apart: float,
    trusted: bool,
    transform: str | None = None,
    components: dict[str, Any] | None = None,
) -> str:
    """The answer in two sentences.

    Parameters
    ----------
    n : int
        Values in the sample.
    means, sds : Components, shape (K,)
        Over the posterior.
    apart : float
        Largest difference to EM, in posterior sds.
    trusted : bool
    transform : {None, "log"}
        With log, all numbers are of logarithms.
    components : dict, optional
        What components.json holds: how probable this number is, where it was drawn.
    """
    rows = zip(*(values[field] for field in ("weights", "means", "sds") for values in (means, sds)), strict=True)
    parts = [
        f"{plus_minus(m, dm)} with sd {plus_minus(s, ds)}"
        + (f", holding {fixed(100 * w, decimals_for(100 * dw, 1))}% of the values" if len(means["weights"]) > 1 else "")
        for w, dw, m, dm, s, ds in rows
    ]
    named = f"{len(parts)} Gaussian component{'s' if len(parts) > 1 else ''}"
    where = f"one around {parts[0]}" if len(parts) > 1 else f"around {parts[0]}"
    places = "; ".join([where, *(f"one around {part}" for part in parts[1:])])
    agree = (
        f"agree to within {apart:.2f} posterior standard deviations"
        if apart < 1
        else f"differ by up to {apart:,.1f} posterior standard deviations"
    )
    doubt = (
        "" if trusted else "**Do not trust these numbers:** the chains behind them failed their checks. As they stand, "
    )
    what = f"{'The' if trusted else 'the'} {'' if transform is None else 'logarithms of the '}{n:,} values"
    probability = (components or {}).get("p_k_filled", {}).get(str(len(parts)))
    likely = "" if probability is None else f" (the most probable number, with probability {probability:.2f})"
    return f"{doubt}{what} are described by **{named}**{likely}: {places}. Bayes and EM {agree}."


@wording
def truth_text(inside: int | None, intervals: int, interval: float, apart: float, trusted: bool) -> str:
    """How many intervals hold the truth; `inside` is None where it is not known."""
    if inside is None:
        return "The truth is not known here: what the sample can say is in the intervals above" + (
            "." if trusted else ", once the chains can be trusted."
        )
    return (
        f"The truth is known here: {inside} of {intervals} intervals of {interval:.0%} hold it. The post found EM and MCMC in "
        f"agreement; this report {'does too' if apart < 1 and trusted else 'does not'}."
    )
