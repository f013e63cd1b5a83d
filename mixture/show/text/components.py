"""How many components: what the draws of their number say, and the criteria beside them."""

from typing import Any

import pandas as pd

from mixture.show.text.numbers import fixed, listed
from mixture.show.text.wording import caption, wording

PRIORS = {
    "uniform": "uniform on 1 to {most}",
    "poisson": "Poisson(1), at least 1",
    "bnb": "K − 1 beta-negative-binomial(1, 4, 3)",
}
CERTAIN = 0.9  # probability from which one number is the answer


def _range(numbers):
    """ "4 to 8", or the numbers themselves where one is missing between."""
    first, last = numbers[0], numbers[-1]
    whole = last - first + 1 == len(numbers) > 2
    return f"{first} to {last}" if whole else listed(numbers)


@wording
def components_text(found: dict[str, Any]) -> str:
    """The answer to how many components there are; `found` is what components.json holds."""
    if found["given"]:
        return f"The number of components was given: **{found['chosen']}**."
    filled, errors, chosen = found["p_k_filled"], found["errors_filled"], str(found["chosen"])
    word = "component" if chosen == "1" else "components"
    best = f"{filled[chosen]:.2f} (Monte Carlo error {max(errors[chosen], 1e-4):.1g})"
    if filled[chosen] >= CERTAIN:
        said = f"**{chosen} {word}** with probability {best}."
    else:
        numbers, held = found["open"], sum(filled[str(k)] for k in found["open"])
        said = (
            f"The sample leaves **{_range(numbers)} components** open: together they have probability {held:.2f}. The most "
            f"probable number is {chosen}, with {best}; the rest of the report describes {chosen} {word}."
        )
    return f"{said} Components are counted that hold values, under a prior {PRIORS[found['prior']].format(most=len(filled))}."


@wording
def components_table(found: dict[str, Any]) -> pd.DataFrame:
    """Probabilities by number, of all and of filled components, and of all under each prior of their number."""
    numbers = [k for k in found["p_k"] if max(found["p_k"][k], found["p_k_filled"][k]) >= 0.001]
    columns = {
        "filled": [fixed(found["p_k_filled"][k], 3) for k in numbers],
        "its error": [fixed(found["errors_filled"][k], 4) for k in numbers],
        "all (K)": [fixed(found["p_k"][k], 3) for k in numbers],
        "error of K": [fixed(found["errors"][k], 4) for k in numbers],
    }
    for name, by_number in found["p_k_by_prior"].items():
        if name != found["prior"]:
            columns[f"K, prior {PRIORS[name].format(most=len(by_number))}"] = [fixed(by_number[k], 3) for k in numbers]
    return pd.DataFrame(columns, index=pd.Index(numbers, name="components"))


@wording
def priors_of_count_text(found: dict[str, Any]) -> str:
    """How far the answer moves between priors of the number of components, and whether the chains agree on it."""
    best = {name: max(by, key=lambda k: by[k]) for name, by in found["p_k_by_prior"].items()}
    most = len(found["p_k"])
    each = listed(f"{k} under {PRIORS[name].format(most=most)}" for name, k in best.items())
    agree = (
        f"The most probable K is **{next(iter(best.values()))} under every prior** of it that was tried ({listed(PRIORS[name].format(most=most) for name in best)})."
        if len(set(best.values())) == 1
        else f"The most probable K **depends on its prior**: {each}."
    )
    return (
        f"{agree} The chains, which began with different numbers of components, have a largest R\u2011hat of {found['rhat']:.4f} and a "
        f"smallest effective size of {found['ess']:,.0f}; no probability has an error above {max(found['largest_error'], 1e-4):.1g}."
    )


@caption
def components_caption(chains: int) -> str:
    """Of the bars and the dots of each chain."""
    return f"Posterior probability of each number of components; a dot for each of the {chains} chains, which should lie together."


@wording
def components_alt(found: dict[str, Any]) -> str:
    """Of the same, for who cannot see it."""
    numbers, held = found["open"], sum(found["p_k_filled"][str(k)] for k in found["open"])
    return f"Bars of the posterior of the number of components: {_range(numbers)} hold {held:.2f} of it."
