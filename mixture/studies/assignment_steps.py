"""The study of the assignment steps: the same mixtures by every method, on samples of growing size."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mixture.bayes.nuts import starting_points
from mixture.bayes.priors import choose_priors
from mixture.components import Components
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_mixture
from mixture.em import fit_em
from mixture.studies.efficiency import METHODS, growth, measure_efficiency

POSTS_N = 1000  # observations in the post's sample


def measure_methods(
    n: int, truth: Components, prior: dict[str, Any], seed: int, seconds: float = 60.0, methods: Sequence[str] = METHODS
) -> list[dict[str, Any]]:
    """One row a method for a sample of n values.

    Parameters
    ----------
    n : int
    truth : Components, shape (K,)
    prior : dict
        Given to `choose_priors`: mean_prior_mean, sd_prior and so on.
    seed : int
        Root of the random streams.
    seconds : float
        About as long as each method may sample.
    methods : sequence of str

    Returns
    -------
    list of dict
        From `measure_efficiency`.
    """
    sample = Sample.of_values(simulate_mixture(n, *truth, random_stream(seed, f"sample {n}"))[0])
    priors = choose_priors(sample, len(truth.means), **prior)
    em = fit_em(sample, len(truth.means), random_stream(seed, "em"))
    starts = starting_points(priors, em, 2, random_stream(seed, "starts"))
    return [
        measure_efficiency(sample, priors, em, starts, method, random_stream(seed, method), seconds)
        for method in methods
    ]


def growth_by_method(table: pd.DataFrame) -> pd.DataFrame:
    """The powers of N that the cost of a sweep and the effective draws per second grow with, by method."""
    groups = table.groupby("method")
    exponents = pd.DataFrame(
        {
            "seconds per sweep": {method: growth(rows["n"], rows["seconds_per_sweep"]) for method, rows in groups},
            "effective draws per second": {
                method: growth(rows["n"], rows["ess_per_second"]) for method, rows in groups
            },
        }
    )
    return exponents.rename_axis("growth with N, as the exponent of")


def rows_at_posts_size(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest sample up to the post's 1,000 values, or of the smallest, by method."""
    sizes = table["n"].unique()
    n = max([size for size in sizes if size <= POSTS_N], default=min(sizes))
    return table[table["n"] == n].set_index("method")
