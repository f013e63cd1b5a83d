"""What draws of the number of components say: its priors, its posterior, and whether the chains agree.

The draws come from `mixture.bayes.components_unknown`; nothing here draws.
"""

from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from scipy import special, stats

MOST = 30  # components, as in Richardson & Green
QUANTITIES = ("k", "k_filled", "log_likelihood", "log_smallest_sd", "squared_shares")  # what chains are compared by

# log p(K) for K = 1, 2, ..., up to a constant.
COUNT_PRIORS = {
    "uniform": lambda k: np.zeros(len(k)),  # Richardson & Green 1997
    "poisson": lambda k: stats.poisson.logpmf(k, 1),  # Nobile 2005: Poisson(1), at least one
    "bnb": lambda k: stats.betanbinom.logpmf(k - 1, 1, 4, 3),  # Fruehwirth-Schnatter et al. 2021: K - 1 ~ BNB(1, 4, 3)
}


def log_count_prior(name: str, most: int = MOST) -> np.ndarray:
    """Log prior of 1 to `most` components, shape (most,); names as in `COUNT_PRIORS`."""
    return special.log_softmax(COUNT_PRIORS[name](np.arange(1, most + 1)))


def reweigh_counts(p_k: np.ndarray, given: str, other: str) -> np.ndarray:
    """The posterior of K under another prior of K: exact, since the sample speaks through K alone.

    Parameters
    ----------
    p_k : ndarray, shape (most,)
    given, other : str
        As in `COUNT_PRIORS`.

    Returns
    -------
    ndarray, shape (most,)
    """
    with np.errstate(divide="ignore"):
        return special.softmax(np.log(p_k) + log_count_prior(other, len(p_k)) - log_count_prior(given, len(p_k)))


def convergence(kept: xr.Dataset) -> tuple[float, float, float]:
    """Largest R-hat and smallest effective size of `QUANTITIES`, and the largest Monte Carlo error of a probability."""
    moving = [values for values in (kept[name].values for name in QUANTITIES) if np.ptp(values) > 0]
    rhat = max((array_stats.rhat(values) for values in moving), default=1.0)
    sizes = [array_stats.ess(values) for values in moving]
    errors = [count_errors(kept[name]).max() for name in ("p_k", "p_filled")]
    return float(rhat), float(min(sizes, default=kept["k"].size)), float(max(errors))


def count_errors(probabilities: xr.DataArray) -> np.ndarray:
    """Monte Carlo standard errors of mean probabilities, shape (most,), of an array over chain, draw and components."""
    columns = np.moveaxis(probabilities.transpose("chain", "draw", ...).values, -1, 0)
    return np.array([array_stats.mcse(column) if np.ptp(column) > 0 else 0.0 for column in columns])


def most_probable(kept: xr.Dataset) -> int:
    """The number of filled components that was drawn most often."""
    return int(kept["components"].values[kept["p_filled"].mean(("chain", "draw")).values.argmax()])


def probable_counts(probabilities: dict[int, float], share: float = 0.9) -> list[int]:
    """The fewest numbers of components that hold such a share of the probability, in order."""
    ranked, total, chosen = sorted(probabilities, key=lambda k: -probabilities[k]), 0.0, []
    for k in ranked:
        chosen.append(k)
        total += probabilities[k]
        if total >= share:
            break
    return sorted(chosen)


def describe_components(kept: xr.Dataset | None, n_components: int) -> dict[str, Any]:
    """The posterior of the number of components, as components.json holds it.

    Parameters
    ----------
    kept : xarray.Dataset or None
        From `sample_component_counts`; None where the number was given.
    n_components : int
        Of the rest of the report.

    Returns
    -------
    dict
        chosen; and, where it was drawn, prior (of K), p_k and p_k_filled by
        number, errors and errors_filled (Monte Carlo, same keys), open (the
        fewest filled numbers with nine tenths of the probability), p_k_by_prior
        (the same sample under each prior of K), rhat, ess and largest_error.
    """
    if kept is None:
        return {"chosen": n_components, "given": True}
    numbers = [str(k) for k in kept["components"].values]
    p_k, p_filled = (kept[name].mean(("chain", "draw")).values for name in ("p_k", "p_filled"))
    given = kept.attrs["count_prior"]
    rhat, ess, error = convergence(kept)

    def by_number(values):
        return dict(zip(numbers, map(float, values), strict=True))

    return {
        "chosen": n_components,
        "given": False,
        "prior": given,
        "p_k": by_number(p_k),
        "p_k_filled": by_number(p_filled),
        "errors": by_number(count_errors(kept["p_k"])),
        "errors_filled": by_number(count_errors(kept["p_filled"])),
        "open": probable_counts(dict(zip(map(int, numbers), p_filled, strict=True))),
        "p_k_by_prior": {name: by_number(reweigh_counts(p_k, given, name)) for name in COUNT_PRIORS},
        "rhat": rhat,
        "ess": ess,
        "largest_error": error,
    }
