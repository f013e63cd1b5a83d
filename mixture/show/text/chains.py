"""Chapter 3: whether the chains can be trusted, and the model after them."""

from typing import Any

import pandas as pd

from mixture.show.text.numbers import counted, fixed, listed, on_axis, plus_minus, short
from mixture.show.text.wording import caption, wording

PASSED, FAILED, CAUTION = "✓", "✗", "⚠"

# What a check means when it passes, when it fails, and which way its limit points.
CHECKS = {
    "largest R-hat": ("The chains agree with each other", "The chains do not agree with each other", "at most"),
    "smallest bulk ESS": (
        "Enough independent draws for the means",
        "Too few independent draws for the means",
        "at least",
    ),
    "largest R-hat of the number of components": (
        "The chains agree on the number of components",
        "The chains do not agree on the number of components",
        "at most",
    ),
    "smallest ESS of the number of components": (
        "Enough independent draws of the number of components",
        "Too few independent draws of the number of components",
        "at least",
    ),
    "smallest tail ESS": (
        "Enough independent draws for the intervals",
        "Too few independent draws for the intervals",
        "at least",
    ),
    "share of modes that no chain visited": ("Every mode was visited", "A mode was visited by no chain", "at most"),
    "smallest BFMI": ("The sampler reaches the tails", "The sampler creeps through the tails", "at least"),
    "divergences": ("No step went astray", "Steps went astray", "at most"),
    "draws at the largest tree depth": ("No path was cut short", "Paths were cut short", "at most"),
    "LOO-PIT uniformity, p": (
        "The mixture has the sample's shape",
        "The mixture does not have the sample's shape",
        "at least",
    ),
    "LOO-PIT tails, p": (
        "The mixture has the sample's tails",
        "The mixture does not have the sample's tails",
        "at least",
    ),
    "largest Pareto k": ("No single value decides the fit", "Single values decide the fit", "at most"),
    "prior sensitivity": ("The priors hardly matter", "The priors matter", "at most"),
    "cell width in smallest sds": (
        "The cells are narrow enough",
        "The cells are wide beside the narrowest component",
        "at most",
    ),
    "share of a mean's prior within the sample": (
        "The priors' means are where the sample is",
        "A prior puts a mean where no value is",
        "at least",
    ),
    "narrowest sd in smallest allowed": (
        "No component has shrunk onto equal values",
        "A component has shrunk onto equal values",
        "at least",
    ),
    "distance to EM in posterior sds": (
        "The posterior mean is near EM's maximum",
        "The posterior mean is far from EM's maximum",
        "at most",
    ),
}

# Why chains disagree (`classify_chains`): the cause, what helps before anything else, and what the modes' table shows.
CAUSES = {
    "permuted labels": (
        "the chains give the same components different names",
        "keep the means ordered, or give them different priors",
        "The chains disagree on the components' **names** only: put in the same order draw by draw, they agree.",
    ),
    "different modes": (
        "the chains settled on different answers",
        "take sampler: gibbs, which jumps between modes; longer chains would hardly help",
        "The chains found **different modes**, listed below with the mean log posterior of each. A mode lower by ten or more "
        "holds next to nothing and means that a chain was stuck; modes of similar height are both answers that the sample "
        "allows.",
    ),
    "slow mixing": (
        "no chain is stuck, yet together they have not settled",
        "take sampler: gibbs, or raise tune and draws",
        "No chain is stuck apart, yet together they have not settled.",
    ),
}


def check_line(check: dict[str, Any], mark: str = FAILED) -> str:
    """One check (a dict like `Check`) as a Markdown list item: `mark` if it failed, and what to do then."""
    passes, fails, side = CHECKS.get(check["name"], (check["name"], check["name"], "limit"))
    limit = "none allowed" if check["limit"] == 0 else f"{side} {short(check['limit'])}"
    value = "below 0.001" if check["name"].endswith(", p") and check["value"] < 0.001 else short(check["value"])
    number = f"{check['name']} {value} ({limit})".replace("R-hat", "R\u2011hat")  # not to be broken
    if check["passed"]:
        return f"- {PASSED} {passes}: {number}."
    advice = f" *What to do:* {check['advice']}." if check["advice"] else ""
    return f"- {mark} **{fails}:** {number}.{advice}"


@wording
def verdict_text(checks: list[dict[str, Any]], cautions: list[dict[str, Any]], kind: str = "agree") -> str:
    """The verdict: a sentence, the checks (failed first), then the cautions about the model.

    Parameters
    ----------
    checks, cautions : list of Check
        From `judge_chains` and `judge_model`.
    kind : str
        From `classify_chains`.
    """
    failed, raised = (sum(not check["passed"] for check in some) for some in (checks, cautions))
    if failed:
        cause = " The cause: {}. *What to do first:* {}.".format(*CAUSES[kind][:2]) if kind in CAUSES else ""
        first = f"**Not to be trusted.** {failed} of {len(checks)} checks of the chains failed.{cause}"
    else:
        first = f"**The chains agree and can be trusted.** All {len(checks)} checks passed."
    doubt = {0: "", 1: ": no fault of the chains, but a reason to doubt the answer"}.get(
        raised, ": no fault of the chains, but reasons to doubt the answer"
    )
    second = f"**{counted(raised, 'caution').capitalize()}** about the model{doubt}."
    ordered = [sorted(some, key=lambda check: check["passed"]) for some in (checks, cautions)]
    return "\n\n".join(
        [
            first,
            "\n".join(check_line(check) for check in ordered[0]),
            second,
            "\n".join(check_line(check, CAUTION) for check in ordered[1]),
        ]
    )


@wording
def agreement_text(kind: str) -> str:
    """Whether the chains agree, and how they disagree; `kind` is from `classify_chains`."""
    return "The chains agree." if kind == "agree" else f"{CAUSES[kind][2]} *What to do:* {CAUSES[kind][1]}."


SAMPLERS = {
    "gibbs": "Gibbs sampling",
    "nuts": "NUTS",
    "nutpie": "NUTS",
    "pymc": "NUTS",
    "latent": "NUTS and assignments in turn",
}


@wording
def beside_text(found: dict[str, Any] | None) -> str:
    """What the witness says; `found` is from `judge_beside`."""
    if found is None:
        return "No other sampler was run beside this one: it would have taken longer than the fit, or K is 1."
    other = SAMPLERS[found["sampler"]]
    if found["visited"] < found["modes"]:
        return (
            f"{other} was run beside it, but found {found['visited']} of the {found['modes']} modes in its few draws: it says "
            "nothing for or against."
        )
    if not found["settled"]:
        return (
            f"{other} was run beside it, but did not settle in its few draws (largest R\u2011hat "
            f"{found['largest_rhat']:.2f}): it says nothing for or against."
        )
    alike = "finds the same posterior" if found["apart"] < 4 else "finds **another** posterior"
    return (
        f"{other}, run beside it, {alike}: the means of all $\\mu_k$ and $\\sigma_k$ differ by at most {found['apart']:.1f} "
        f"Monte Carlo standard errors (its own largest R\u2011hat {found['largest_rhat']:.2f})."
    )


@wording
def moves_text(moves: dict[str, Any]) -> str:
    """How the sampler moved; `moves` is from `describe_moves`."""
    if moves.get("sampler") != "gibbs":
        return f"The draws come from {SAMPLERS.get(moves.get('sampler'), 'NUTS')}; what it tells of its paths is in the verdict."
    names = (
        ""
        if moves["named_by"] == "mean"
        else " Two components have nearly the same mean, so components are named by the values that belong to them, not by "
        "the order of their means."
    )
    return (
        f"The draws come from Gibbs sampling: {moves['sweeps']:,} sweeps a chain, {moves['sweeps_between_draws']:,} between two "
        f"draws that were kept. {moves['jumps_accepted']:.0%} of the jumps between modes were accepted, and "
        f"{moves['steps_accepted']:.0%} of the steps.{names}"
    )


@wording
def modes_table(modes: pd.DataFrame) -> pd.DataFrame:
    """The modes that hold draws or mass; `modes` is from `describe_modes`."""
    some = modes[(modes["held"] >= 0.005) | modes["missed"]]
    columns = {
        "share of draws": [f"{held:.1%}" for held in some["held"]],
        "by chain": [f"{least:.1%} to {most:.1%}" for least, most in zip(some["least"], some["most"], strict=True)],
        "weights": [_rounded(each) for each in some["weights"]],
        "means": [_on_axis(*each) for each in zip(some["means"], some["sds"], strict=True)],
        "sds": [_rounded(each) for each in some["sds"]],
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(some) + 1, name="mode"))


@wording
def modes_text(modes: pd.DataFrame) -> str:
    """What the sample leaves open; `modes` is from `describe_modes`."""
    large = modes[modes["held"] >= 0.05]
    if modes["missed"].any():
        return (
            f"**{counted(int(modes['missed'].sum()), 'mode').capitalize()}** of the posterior was visited by no chain: the draws "
            "tell one side only."
        )
    if len(large) < 2:
        return "With this number of components one mode holds nearly all of the posterior: there is no second answer to it."
    readings = "; ".join(
        f"{row['held']:.0%} for means around {_on_axis(row['means'], row['sds'])}" for row in large.to_dict("records")
    )
    return (
        f"The posterior has **{len(large)} modes** of weight, {'each' if len(large) > 2 else 'both'} an answer that the sample "
        f"allows: {readings}. The means and intervals below average over them, so read the modes where they differ; more "
        "values, or priors that rule one out, would decide."
    )


@wording
def groups_table(groups: pd.DataFrame) -> pd.DataFrame | str:
    """The groups of chains that disagree; `groups` is from `classify_chains`."""
    if not len(groups):
        return "No group of chains stands apart."
    means = [_on_axis(*each) for each in zip(groups["means"], groups["sds"], strict=True)]
    rounded = groups.rename(columns={"log_posterior": "log posterior"}).map(_rounded).assign(means=means)
    return rounded.set_index("chains")


@caption
def trace_caption(chains: int, draws: int) -> str:
    """Of the traces."""
    return f"Densities and traces of {chains} chains of {draws:,} draws, a colour a component."


@caption
def rank_caption(apart: int, components: list[int], k: int) -> str:
    """Of the ranks of draws so many apart, and of which of the K components this and the next two pictures show."""
    some = (
        ""
        if len(components) == k
        else (f" Here and in the next two pictures: components {listed(components)}, which mix most slowly of the {k}.")
    )
    return f"Difference between each chain's rank distribution and the uniform one, of draws {apart} apart.{some}"


@caption
def memory_caption(draws: float) -> str:
    """Of the autocorrelation: how many draws are worth one that is independent."""
    return (
        f"Autocorrelation by lag, one line a chain. For the means, {draws:.1f} draws at most are worth one independent "
        "draw."
    )


@caption
def growth_caption(limit: float, smallest: float) -> str:
    """Of the effective sample size as draws accumulate."""
    return (
        f"Bulk (dark) and tail (light) effective sample size as draws accumulate (limit {limit}); the smallest bulk value "
        f"of a mean or sd at the end is {smallest:,.0f}. The verdict also looks at the mixture's density and likelihood."
    )


@caption
def energy_caption(bfmi: float) -> str:
    """Of the energies."""
    return f"BFMI by chain and the two energy distributions; the smallest BFMI is {bfmi:.2f}."


@caption
def histograms_caption(quantity: str, means: list[float], sds: list[float]) -> str:
    """Of the posterior histograms of one quantity, a component each, with its posterior means and sds."""
    return f"Posterior of each component's {quantity}: {'; '.join(map(plus_minus, means, sds))}."


@wording
def histograms_alt(quantity: str, components: int) -> str:
    """Of the same, for who cannot see them."""
    return f"{components} histograms, one a component, of the posterior {quantity}."


@caption
def replicates_caption(replicates: int) -> str:
    """Of the replicated samples."""
    return f"Histograms of {replicates} samples drawn from the posterior (lines) and of the sample (grey)."


@caption
def prediction_caption(elpd: float, elpd_error: float, pareto_k: float) -> str:
    """Of the leave-one-out ranks."""
    return (
        f"Leave-one-out predictive ranks, difference from uniform; expected log predictive density "
        f"{plus_minus(elpd, elpd_error)}, largest Pareto k {fixed(pareto_k, 2)}."
    )


def _on_axis(means, sds):
    """Means, to two digits of their components' sds."""
    return "; ".join(on_axis(*each, 3) for each in zip(means, sds, strict=True))


def _rounded(value):
    """Numbers, alone or in a list, to four significant digits."""
    if isinstance(value, list):
        return ", ".join(map(_rounded, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
