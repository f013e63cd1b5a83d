"""The studies: the post's claims about acceptance, scaling and priors; calibration and coverage."""

from typing import Any

import pandas as pd

from mixture.show.text.wording import caption, wording

# -- assignment steps -------------------------------------------------------------------------


@caption
def steps_caption(n: int, per_second: dict[str, float]) -> str:
    """Below the costs of the methods.

    Parameters
    ----------
    n : int
        Observations.
    per_second : dict of str to float
        Effective draws per second of each method.
    """
    ratio = per_second["gibbs"] / per_second["categorical-gibbs"]
    return (
        f"At N = {n:,} the exact conditional gives {ratio:,.0f} times the effective draws per second of PyMC's "
        "categorical step."
    )


@wording
def steps_text(n: int, moved: dict[str, float], per_second: dict[str, float], exponents: dict[str, float]) -> str:
    """Whether the acceptance rate made the post's sampler slow.

    Parameters
    ----------
    n : int
        Observations.
    moved, per_second : dict of str to float
        By method: share of assignments changed in a sweep; effective draws per second.
    exponents : dict of str to float
        By method: the power of N that a sweep's cost grows with.
    """
    rejected = moved["metropolis"] < 0.1 * moved["gibbs"]
    one_moves = moved["categorical-gibbs"] > 0.5 * moved["gibbs"]
    best = max(per_second, key=per_second.get)
    return (
        f"With the whole vector proposed at once the post is {'right' if rejected else 'not right'}: a sweep changes "
        f"{moved['metropolis']:.2%} of the assignments, where the exact conditional changes {moved['gibbs']:.2%}. "
        f"With one assignment at a time acceptance is {'not' if one_moves else 'also'} the trouble "
        f"({moved['categorical-gibbs']:.2%} change), but the cost is: a sweep grows as N to the power "
        f"{exponents['categorical-gibbs']:.1f}, against {exponents['gibbs']:.1f} for the exact conditional and "
        f"{exponents['marginal']:.1f} for the marginal model. So the low acceptance rate is a property of the step, not of "
        f"the model: drawn from its exact conditional the same model gives {per_second['gibbs']:.0f} effective draws per "
        f"second on one core at N = {n:,}. The most efficient of all is **{best}** with {per_second[best]:.0f}."
    )


# -- scaling ----------------------------------------------------------------------------------


@caption
def scaling_caption(points: int, untrusted: int) -> str:
    """Below the costs of the methods: how many points there are, and how many cannot be trusted."""
    return f"Seconds per sweep and effective draws per second; {untrusted} of {points} points are crossed out."


@wording
def scaling_text(per_second: dict[str, float], exponents: dict[str, float], em_exponent: float) -> str:
    """Whether MCMC scales as the post did it.

    Parameters
    ----------
    per_second : dict of str to float
        By method: effective draws per second at N = 1,000.
    exponents : dict of str to float
        By method: the power of N that a sweep's cost grows with.
    em_exponent : float
        The same of EM's time.
    """
    slow = per_second["metropolis"] < 0.1 * per_second["marginal"]
    return (
        f"As the post did it, MCMC {'does not' if slow else 'does'} scale: at N = 1,000 the whole vector proposed at once "
        f"gives {per_second['metropolis']:.2g} effective draws per second, the marginal model {per_second['marginal']:.0f}. "
        f"One assignment after the other costs N to the power {exponents['categorical-gibbs']:.1f} a sweep, all at once from "
        f"the exact conditional {exponents['gibbs']:.1f}, and summed out {exponents['marginal']:.1f}; the time of EM grows as "
        f"N to the power {em_exponent:.1f}."
    )


@wording
def cells_text(
    exponent: float, small_n: int, small_seconds: float, large_n: int, large_seconds: float, trusted: bool
) -> str:
    """Whether the cost depends on N where values are counted in cells; `trusted` is of the largest sample."""
    flat = "hardly depends on N" if exponent < 0.15 else "still grows with N"
    return (
        f"Counted in cells the cost of a sweep {flat} (to the power {exponent:.2f}): {large_n:,} values take "
        f"{large_seconds:.1f} seconds of sampling, {small_n:,} take {small_seconds:.1f}, {large_seconds / small_seconds:.2g} "
        f"times less; the chains of the largest sample {'can be' if trusted else 'can **not** be'} trusted."
    )


@wording
def two_paragraphs(first: str, second: str) -> str:
    """Two texts as the paragraphs of one."""
    return f"{first}\n\n{second}"


# -- priors -----------------------------------------------------------------------------------


@wording
def finished_text(finished: int, points: int) -> str:
    """How many of the sweep's points have finished."""
    return f"{finished} of the sweep's {points} points have finished."


@caption
def map_caption(misled: int, untrusted: int, points: int) -> str:
    """Below the map of shifts."""
    return f"Shift of the posterior means; {misled} of {points} posteriors are misled, {untrusted} cannot be trusted."


@wording
def map_alt() -> str:
    """For who cannot see the map of shifts."""
    return (
        "One heat map for each N: offset by precision, coloured by the shift of the posterior, with the border of the "
        "misled region."
    )


@wording
def border_text(precisions: dict[str, float]) -> str:
    """Whether a larger sample withstands a firmer prior.

    Parameters
    ----------
    precisions : dict of int to float
        By N, in increasing order: the first misleading precision at the largest offset.
    """
    if len(precisions) < 2:
        return "No two samples are misled at the largest offset: there is nothing to compare."
    (small, low), *_, (large, high) = ((int(n), precision) for n, precision in precisions.items())
    withstands = "withstands a firmer prior" if high > low else "does not withstand a firmer prior"
    return (
        f"At the largest offset, {small:,} values are misled from precision {low:g} on, {large:,} values from {high:g}: a "
        f"larger sample {withstands}."
    )


@caption
def forecast_caption(correlation: float) -> str:
    """Below the scatter plot of sensitivity and movement."""
    return f"Sensitivity of one fit against the movement of the next; rank correlation {correlation:.2f}."


@wording
def misled_text(like_the_posts: float, limit: float, misled_share: float, least_wrong: float | None) -> str:
    """Whether the post was right about its priors.

    Parameters
    ----------
    like_the_posts : float
        Largest shift under priors like the post's, posterior sds.
    limit : float
        The shift beyond which a posterior is misled.
    misled_share : float
        Of all posteriors.
    least_wrong : float or None
        Distance of a misleading prior's center from the truth, in prior sds: the smallest.
    """
    right = "**right**" if like_the_posts > limit else "**not right** about its own priors"
    least = (
        ""
        if least_wrong is None
        else f"; the least wrong prior among them has its center {least_wrong:.2g} of its own sds from the truth"
    )
    return (
        f"Priors about as firm and as near the truth as the post's, at its 1,000 values, move the means by "
        f"{like_the_posts:.2g} posterior standard deviations: the post was {right}. Over the whole map "
        f"{misled_share:.0%} of the posteriors are misled{least}."
    )


@wording
def forecast_text(caught: float, false: float, missed: int, correlation: float) -> str:
    """Whether the sensitivity of one fit foretells the next.

    Parameters
    ----------
    caught, false : float
        Share of movements that were warned of, and of warnings without a movement.
    missed : int
        Movements without a warning.
    correlation : float
        Of the ranks of sensitivity and movement.
    """
    useful = "does" if correlation > 0.5 and caught > 0.8 else "does **not** reliably"
    blind = (
        f" It missed {missed}: it looks at small changes around one prior, and cannot see a jump that lies a decade "
        "away."
        if missed
        else ""
    )
    return (
        f"One fit's power-scaling sensitivity {useful} foretell it: it warned before {caught:.0%} of the movements of a "
        f"standard deviation or more, and {false:.0%} of its warnings came to nothing (rank correlation "
        f"{correlation:.2f}).{blind}"
    )


# -- calibration ------------------------------------------------------------------------------


@wording
def cases_table(cases: list[dict[str, Any]]) -> pd.DataFrame:
    """The cases of a calibration: their priors and their data; each as the attributes of `Case`."""
    family = {
        "lognormal": "lognormal, median {:g}",
        "hierarchical": "hierarchical, range {:g}",
        "uniform": "uniform to {:g}",
    }
    return pd.DataFrame(
        [
            {
                "case": case["name"],
                "components": f"1 to {case['k']}" if case["unknown"] else str(case["k"]),
                "N": case["n"],
                "means": "; ".join(f"Normal({center:g}, {case['mean_sd']:g})" for center in case["mean_centers"]),
                "sds": family[case["family"]].format(case["sd_scale"]) + (" / K" if case["by_number"] else ""),
                "data": f"cells of {case['cell_width']:g}" if case["cell_width"] else "values",
            }
            for case in cases
        ]
    ).set_index("case")


@caption
def ranks_caption(difference: float, quantity: str, case: str) -> str:
    """Below the panels of ranks: the largest difference, signed, and where it is."""
    return f"The largest difference is {difference:+.3f}, for {quantity} in the case {case}."


@wording
def ranks_alt(panels: int) -> str:
    """For who cannot see the panels of ranks."""
    return f"{panels} panels: a line around zero for each quantity, within a grey band where calibrated."


@wording
def lengths_text(fits: int, ranked: int, smallest: float, short: int, longer: int) -> str:
    """Whether all fits were long enough for their ranks to count.

    Parameters
    ----------
    fits : int
        Of all cases.
    ranked : int
        Draws that a truth is ranked among.
    smallest : float
        The smallest effective size of any quantity in any fit.
    short, longer : int
        Fits with fewer effective draws than that, and fits that were made longer so as not to have fewer.
    """
    if short:
        state = f"**{short} of {fits:,} fits are too short**: they have fewer effective draws than their truth is ranked among"
    else:
        state = (
            f"Every one of {fits:,} fits has more effective draws, of every quantity, than its truth is ranked among"
        )
    return f"{state} ({ranked}); the fewest are {smallest:.0f}. {longer:,} fits were made longer to get there."


@wording
def calibration_text(verdict: pd.DataFrame, prob: float) -> str:
    """Whether the sampler is calibrated in each case.

    Parameters
    ----------
    verdict : pandas.DataFrame
        From `judge_ranks`.
    prob : float
        That the bands hold all of calibrated ranks.
    """
    lines = []
    for case, rows in verdict.groupby("case", sort=False):
        failed = rows[~rows["passed"]]
        state = "calibrated" if failed.empty else "NOT calibrated"
        left = "".join(
            f"; {row.quantity} leaves its band, by {row.largest_difference:+.3f} at rank {row.at:.2f} at the most"
            for row in failed.itertuples()
        )
        lines.append(f"- **{case}**: **{state}** in {len(rows)} quantities{left}.")
    every = "All" if verdict["passed"].all() else "Not all"
    return "\n".join(lines) + (
        f"\n\n{every} {len(verdict)} distributions of ranks lie within their bands, which hold all of "
        f"calibrated ones with probability {prob:.0%}."
    )


# -- coverage ---------------------------------------------------------------------------------


@wording
def coverage_table(parts: pd.DataFrame) -> pd.DataFrame:
    """Coverage with its standard error, a row each part; `parts` from `coverage_of_kinds` or `coverage_of_strata`."""
    return pd.DataFrame(
        {
            "coverage": [f"{row.covered:.1%} ± {row.error:.1%}" for row in parts.itertuples()],
            "samples": parts["samples"].map("{:,}".format),
            "no interval": parts["missing"].map("{:.1%}".format),
        },
        index=parts.index,
    )


@caption
def coverage_caption(lowest: float, highest: float, em_lowest: float) -> str:
    """Below the panels of coverage: the posterior's lowest and highest, by equal tails, and EM's lowest."""
    return f"The posterior's intervals of equal tails hold {lowest:.1%} to {highest:.1%}; EM's, {em_lowest:.1%} at the worst."


@wording
def coverage_alt(strata: int) -> str:
    """For who cannot see the panels of coverage."""
    return f"Two panels, K given and K found: coverage in {strata} strata with error bars, by method, around 95%."


@wording
def coverage_text(
    judged: dict[str, Any], level: float, between: list[float], found_right: float, smallest_ess: float
) -> str:
    """Which intervals hold what they promise.

    Parameters
    ----------
    judged : dict
        From `judge_coverage`, by method.
    level : float
    between : list of float
        What coverage is to lie in.
    found_right : float
        Share of the samples in which the number found is the true one.
    smallest_ess : float
        Of any fit.
    """
    lines = []
    for method, each in judged.items():
        inside = f"within {between[0]:.0%} to {between[1]:.0%} in {each['within']} of {each['parts']} parts"
        exact = f"largest difference {each['largest_z']:+.1f} standard errors, limit {each['limit']:.1f}"
        state = "hold" if each["exact"] else "do **not** hold"
        lines.append(
            f"- **{method}**: {each['lowest']:.1%} to {each['highest']:.1%}, {inside}; the intervals {state} their {level:.0%} "
            f"as far as chance tells ({exact})."
        )
    return "\n".join(lines) + (
        f"\n\nThe number of components that was found is the true one in {found_right:.0%} of the samples; only these have "
        f"components to cover. The fewest effective draws of a fit are {smallest_ess:.0f}."
    )


# -- number of components ---------------------------------------------------------------------


@caption
def component_counts_caption(points: int, untrusted: int) -> str:
    """Below the probability of the true number: how many samples there are, and how many fits cannot be trusted."""
    return (
        f"A dot for each of {points} samples, lines through their means; {untrusted} fits cannot be trusted and are "
        "crossed out."
    )


@wording
def component_counts_alt() -> str:
    """Of the same, for who cannot see it."""
    return "Probability of two components against the number of observations, a line for each separation."


@wording
def component_counts_text(smallest: list[tuple[float, int, int | None]], largest_probability: float) -> str:
    """How many values it takes.

    Parameters
    ----------
    smallest : list of (float, int, int or None)
        Separations in sds, the largest N of each, and the smallest from which on the number is always found.
    largest_probability : float
        Of the true number, where it is told best.
    """
    parts = [f"{n:,} at {away:g}" if n else f"more than {largest:,} at {away:g}" for away, largest, n in smallest]
    return (
        "Values that it took to find the number in every sample, by the standard deviations between the means of two "
        f"equal components: **{'; '.join(parts)}**. Certainty is another matter: the "
        f"probability of the true number is at most {largest_probability:.2f} on average, since a component more, with a "
        "small weight or the same place as another, is hard to refute."
    )
