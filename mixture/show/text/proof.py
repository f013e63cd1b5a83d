"""What the studies of the sampler prove: references, peers, and a fit that fails on purpose."""

from typing import Any

import pandas as pd

from mixture.show.text.wording import caption, wording


def _list(names):
    """Words in a row: one, two and three."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)


# -- a fit that fails on purpose --------------------------------------------------------------


@wording
def two_modes_table(modes: pd.DataFrame) -> pd.DataFrame:
    """The modes as numbers of two decimals; `modes` from `Posterior.describe_modes`."""
    return modes.round(2)


@wording
def wall_text(straight: float, bent: float, share: float, likelier: bool) -> str:
    """How high the wall is, and why no small step crosses it.

    Parameters
    ----------
    straight, bent : float
        Heights of the wall on the straight way and on the best bent one, natural log units.
    share : float
        Of the mass, that the first mode holds by Laplace's approximation.
    likelier : bool
        Whether the first mode has the higher density too.
    """
    lower = min(straight, bent)
    crossing = (
        "no chain of ordinary length can be expected to cross it" if lower > 8 else "chains will cross it now and then"
    )
    return (
        f"On the straight way the density falls by {straight:.1f} natural log units below the lower mode; on the lowest bent way "
        f"that was found, by {bent:.1f}. There the posterior is {pow(10, lower / 2.302585):,.0f} times thinner than at the lower "
        f"mode: {crossing}. The first mode holds {share:.0%} of the mass "
        f"{'and is the higher one too' if likelier else 'although the other one is higher: it is broad'}."
    )


@caption
def wall_caption(straight: float, bent: float) -> str:
    """Below the density on the way between the modes: heights of the wall, natural log units."""
    return (
        f"Between the modes the log density falls by {straight:.1f} on the straight way, by {bent:.1f} on the bent one."
    )


@wording
def wall_alt() -> str:
    """For who cannot see the density between the modes."""
    return "Log density on the way from one mode to the other, two curves: both have a deep valley between two peaks."


@wording
def attempt_text(found: dict[str, Any], limit: float) -> str:
    """What became of one attempt.

    Parameters
    ----------
    found : dict
        From `judge_attempt`.
    limit : float
        Of R-hat.
    """
    shares = _list([f"{share:.0%}" for share in found["shares"]])
    agree = "agree" if found["agree"] else "do **not** agree"
    if found["right"]:
        end = "and no mean is far from the reference: the fit is **right**"
    elif found["agree"]:
        end = f"yet a mean is {found['furthest']:.1f} posterior sds from the reference: the fit is **wrong, and R-hat cannot see it**"
    else:
        end = f"and a mean is {found['furthest']:.1f} posterior sds from the reference: the fit **fails**"
    return (
        f"The chains {agree}: largest R-hat {found['largest_r_hat']:.3f} (limit {limit:g}), smallest effective size "
        f"{found['smallest_ess']:,.0f} of {found['draws'] * len(found['shares']):,} draws. They spend {shares} of their draws at the "
        f"first mode, {end}."
    )


@caption
def attempts_caption(share: float, right: list[str]) -> str:
    """Below the chains of all attempts: the first mode's true share, and the attempts that are right."""
    return f"The first mode holds {share:.0%} of the reference; right are: {_list(right) if right else 'none'}."


@wording
def attempts_alt(names: list[str]) -> str:
    """For who cannot see the chains."""
    return f"A panel for each attempt ({_list(names)}): four chains of the smaller mean's sd, draw by draw."


@wording
def attempts_table(attempts: pd.DataFrame) -> pd.DataFrame:
    """The attempts side by side; `attempts` from `compare_attempts`."""
    return pd.DataFrame(
        {
            "draws a chain": attempts["draws"].map("{:,}".format),
            "largest R-hat": attempts["largest_r_hat"].map("{:.3f}".format),
            "smallest effective size": attempts["smallest_ess"].map("{:,.0f}".format),
            "share of the first mode": attempts["share"].map("{:.1%}".format),
            "furthest mean, posterior sds": attempts["furthest"].map("{:.2f}".format),
            "chains agree": attempts["agree"].map({True: "yes", False: "no"}),
            "right": attempts["right"].map({True: "yes", False: "no"}),
        }
    )


@wording
def failing_text(attempts: pd.DataFrame, share: float) -> str:
    """The answer: which remedies help.

    Parameters
    ----------
    attempts : pandas.DataFrame
        From `compare_attempts`.
    share : float
        Of the reference's draws at the first mode.
    """
    right = list(attempts.index[attempts["right"]])
    fooled = list(attempts.index[attempts["agree"] & ~attempts["right"]])
    failed = list(attempts.index[~attempts["agree"]])
    parts = [
        f"Of {len(attempts)} attempts {len(right)} {'is' if len(right) == 1 else 'are'} right: **{_list(right) or 'none'}**."
    ]
    if failed:
        parts.append(f"Seen to fail by R-hat: {_list(failed)}.")
    if fooled:
        parts.append(
            f"Not seen to fail by R-hat, though wrong: {_list(fooled)}. Chains that all sit at one mode agree with each other; "
            "only a look for other modes tells that they miss what holds "
            f"{share:.0%} of the posterior. This is why a report's verdict compares the modes that it knows with those that "
            "were visited."
        )
    return " ".join(parts)


# -- references -------------------------------------------------------------------------------


@wording
def references_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """How each reference fared in its checks; `rows` as `make references` stores them."""
    table = pd.DataFrame(rows).set_index("name")
    return pd.DataFrame(
        {
            "parameters": table["parameters"],
            "largest R-hat": table["largest_r_hat"].map("{:.4f}".format),
            "smallest effective size": table["smallest_ess"].map("{:,.0f}".format),
            "largest effective size": table["largest_ess"].map("{:,.0f}".format),
            "largest lag-1 autocorrelation": table["largest_lag1"].map("{:.3f}".format),
            "checks passed": table["passed"].map({True: "yes", False: "NO"}),
        }
    )


@wording
def references_text(rows: list[dict[str, Any]]) -> str:
    """Whether all references pass, and where chance alone refused a first try; `rows` as `make references` stores them."""
    failed = [row["name"] for row in rows if not row["passed"]]
    again = [row["name"] for row in rows if row["spacings_tried"] > 1]
    first = f"All {len(rows)} references pass" if not failed else f"**Not all references pass**: {_list(failed)} fails"
    return f"{first} the checks of posteriordb. " + (
        f"Drawn more than once, further apart each time, until they did: {_list(again)}."
        if again
        else "None was drawn twice."
    )


@caption
def references_caption(name: str, share: float) -> str:
    """Below the references' densities: the posterior in which a second place holds most, and how much."""
    return f"Means of all components; the widest marginal, relative to the sample's range, is in {name}: sd {share:.0%} of it."


@wording
def references_alt(panels: int) -> str:
    """For who cannot see the densities."""
    return f"{panels} panels, one a posterior: the marginal density of each component's mean, components in different colours."


@wording
def expectations_table(values: pd.DataFrame) -> pd.DataFrame:
    """Expected values with their Monte Carlo errors, a column a posterior; as `expectations` gives them."""
    return values
