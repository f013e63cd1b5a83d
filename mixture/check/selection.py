"""How many components: EM's criteria and leave-one-out prediction, for K = 1 to k_max."""

from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from mixture.bayes.fit import draw_posterior
from mixture.bayes.model import add_log_likelihood, choose_priors
from mixture.check.likelihood import compare_posteriors
from mixture.check.verdict import judge_chains
from mixture.data.sample import Sample
from mixture.em import compare_component_counts, fit_em_proper
from mixture.parallel import run_parallel


def choose_component_count(
    sample: Sample,
    k_max: int,
    tree: xr.DataTree,
    rng: np.random.Generator,
    starts: int = 20,
    tolerance: float = 1e-8,
    variance: str = "free",
    sd_prior: str = "lognormal",
    weight_concentration: float = 1.0,
    chains: int = 4,
    draws: int = 500,
) -> pd.DataFrame:
    """Compare numbers of components by EM's criteria and by prediction.

    The report's own number keeps its posterior; the others are fitted with
    priors scaled to the sample (`choose_priors`) and fewer draws.

    Parameters
    ----------
    sample : Sample
        As the likelihood saw it.
    k_max : int
    tree : xarray.DataTree
        The report's posterior.
    rng : numpy.random.Generator
    starts, tolerance, variance :
        As in `fit_em`.
    sd_prior, weight_concentration :
        As in `choose_priors`.
    chains, draws : int

    Returns
    -------
    pandas.DataFrame
        Indexed by K: the columns of `compare_component_counts` and
        `compare_posteriors`, and trusted.
    """
    own, streams = tree["posterior"].sizes["component"], rng.spawn(k_max)
    others = [k for k in range(k_max, 0, -1) if k != own]  # the longest first
    fits = run_parallel(
        [
            partial(
                _fit,
                sample,
                k,
                streams[k - 1],
                starts,
                tolerance,
                variance,
                sd_prior,
                weight_concentration,
                chains,
                draws,
            )
            for k in others
        ]
    )
    known = [(own, tree)] if own <= k_max else []
    trees = dict(sorted(known + list(zip(others, fits, strict=True))))
    counts = compare_component_counts(sample, k_max, rng, starts, tolerance, variance)
    trusted = {k: all(check.passed for check in judge_chains(fit)) for k, fit in trees.items()}
    return counts.join(compare_posteriors(trees, trusted, rng)).assign(trusted=trusted)


def _fit(sample, k, rng, starts, tolerance, variance, sd_prior, weight_concentration, chains, draws):
    priors = choose_priors(sample, k, sd_prior=sd_prior, weight_concentration=weight_concentration)
    em = fit_em_proper(sample, k, rng, starts, tolerance, variance)
    return add_log_likelihood(draw_posterior(sample, priors, em, rng, chains, draws, draws), sample)
