"""Chapter 4, and the summary: cutoffs between components, the number of modes, and values far from all others."""

from typing import Any

from mixture.show.text.numbers import estimate, fixed, listed
from mixture.show.text.wording import wording

MOST_NAMED = 3  # lone values


@wording
def cutoffs_text(
    cutoffs: list[dict[str, Any]],
    modes: dict[str, float],
    interval: float,
    trusted: bool,
    transform: str | None = None,
    unit: str = "",
) -> str:
    """Where one component ends and the next begins, and how many peaks the density has.

    Parameters
    ----------
    cutoffs : list of dict
        From `describe_cutoffs`.
    modes : dict of str to float
        From `mode_probabilities`.
    interval : float
    trusted : bool
    transform : {None, "log"}
        With log, cutoffs and peaks are of the density in data units, whose name is `unit`.
    """
    pairs = {}
    for cutoff in cutoffs:
        pairs.setdefault(tuple(cutoff["between"]), []).append(cutoff)
    parts = [_cutoff_words(pair, some, interval if i == 0 else None) for i, (pair, some) in enumerate(pairs.items())]
    doubt = "" if trusted else "As the chains stand, which are not to be trusted: "
    scale = "" if transform is None else f"Told in {unit}, not in logarithms: "
    return doubt + scale + " ".join([*parts, _modes_words(modes, 1 + len(pairs))])


def _cutoff_words(pair, cutoffs, interval):
    """Of one pair of neighbours; the first one says what the numbers mean."""
    places = [cutoff for cutoff in cutoffs if cutoff["value"] is not None]
    wrong = _percent(cutoffs[0]["misplaced"])
    if not places:
        return (
            f"Components {listed(pair)} have **no cutoff** within the sample: the same one is likelier everywhere, which is "
            f"wrong for {wrong} of all values."
        )
    each = listed(
        f"{_place(cutoff['value'], cutoff)} ({_place(cutoff['low'], cutoff)} to {_place(cutoff['high'], cutoff)})"
        for cutoff in places
    )
    meaning = f", where membership is even ({interval:.0%} interval in brackets)" if interval else ""
    return (
        f"The {'cutoff' if len(places) == 1 else 'cutoffs'} between components {listed(pair)} "
        f"{'is' if len(places) == 1 else 'are'} **{each}**{meaning}; {'it puts' if len(places) == 1 else 'they put'} {wrong} "
        "of all values on the wrong side."
    )


def _place(value, cutoff):
    return estimate(value, (cutoff["high"] - cutoff["low"]) / 4)


def _percent(share):
    return f"{100 * share:.2g}%" if share >= 1e-4 else "less than 0.01%"


def _modes_words(modes, components):
    likely = sorted(modes.items(), key=lambda each: -each[1])
    number, probability = likely[0]
    peaks = f"{number} {'peak' if number == '1' else 'peaks'}"
    if components == 1:
        return "One component has one peak and no cutoff."
    others = "".join(f", {other} with {fixed(p, 2)}" for other, p in likely[1:] if p >= 0.005)
    how = (
        "in every posterior draw"
        if len(likely) == 1
        else f"with probability {fixed(min(probability, 0.99), 2)}{others}"
    )
    few = "; not every component has one of its own" if int(number) < components else ""
    return f"The mixture's density has **{peaks}** {how}{few}."


@wording
def lone_text(lone: list[dict[str, Any]]) -> str:
    """Values that are far from all groups, or nothing.

    Parameters
    ----------
    lone : list of dict
        From `lone_values`.
    """
    if not lone:
        return ""
    total = sum(each["count"] for each in lone)
    named = [
        f"{_exact(each['value'])} ({each['sds']:.0f} standard deviations away"
        + (f", {each['count']} times)" if each["count"] > 1 else ")")
        for each in lone[:MOST_NAMED]
    ]
    most = listed(named) if len(lone) <= MOST_NAMED else f"{', '.join(named)} and {len(lone) - MOST_NAMED} more"
    what = "One value is" if total == 1 else f"{total} values are"
    return (
        f"**{what} far from every component that holds more than two values:** {most}. An error of measurement or of typing "
        "would change the fit, so look at " + ("it" if total == 1 else "them") + " first."
    )


def _exact(value):
    """A value of the sample with all the digits that anyone types."""
    return f"{value:,.10g}".replace("-", "−")
