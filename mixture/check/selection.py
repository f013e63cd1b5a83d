"""How many components: EM's criteria and leave-one-out prediction, for K = 1 to k_max."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixture.bayes.draws import add_log_likelihood
from mixture.bayes.fit import choose_sampler, draw_posterior
from mixture.bayes.priors import choose_priors
from mixture.check.likelihood import compare_posteriors
from mixture.check.verdict import judge_chains
from mixture.data.cells import group_sample
from mixture.data.sample import Sample
from mixture.em import compare_component_counts, fit_em_proper
from mixture.messages import InputError
from mixture.parallel import available_cores

MOST_COMPARED = 8  # components, where the comparison was not asked for
MOST_OPERATIONS = 1.5e8  # a fit's, see `draw_posterior`: a tenth of the report's own
NEAR = 4.0  # a difference in elpd that decides nothing (Sivula, Magnusson & Vehtari 2020)


def open_k_max(components: dict[str, Any], k_max: int | None) -> int | None:
    """The largest number of components to compare: as given, or the largest that the sample leaves open."""
    if k_max is not None or components["given"]:
        return k_max
    return min(MOST_COMPARED, max(*components["open"], components["chosen"] + 1))


def singular_bic(log_likelihoods: np.ndarray, n: int) -> np.ndarray:
    """The singular BIC of mixtures of 1, 2, ... components, natural log, larger is better.

    Drton & Plummer (2017, equation 6.11): where a mixture has more components
    than the sample needs, its penalty is that of the smaller one, and a half
    of log n more for each component too many.

    Parameters
    ----------
    log_likelihoods : array_like, shape (K,)
        At EM's maxima.
    n : int
        Observations.

    Returns
    -------
    ndarray, shape (K,)
    """
    log_likelihoods = np.asarray(log_likelihoods, float)
    top, found = np.nanmax(log_likelihoods), np.full(len(log_likelihoods), np.nan)
    for i in range(len(found)):
        smaller = [j for j in range(i) if np.isfinite(found[j])]
        penalties = np.array([(3 * (j + 1) - 1 + i - j) / 2 for j in [*smaller, i]]) * np.log(n)
        *below, own = np.exp(log_likelihoods[i] - top - penalties)
        b = np.sum([found[j] for j in smaller]) - own
        found[i] = (-b + np.sqrt(b**2 + 4 * np.dot(below, [found[j] for j in smaller]))) / 2
    with np.errstate(divide="ignore"):  # hopeless numbers of components vanish
        return np.log(found) + top


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
    components: dict[str, Any] | None = None,
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
    components : dict, optional
        What components.json holds.

    Returns
    -------
    pandas.DataFrame
        Indexed by K, up to k_max or the last before EM collapses
        from all starts: the columns of `compare_component_counts` and
        `compare_posteriors`, trusted, sbic (see `singular_bic`), p_k where
        the number of components was drawn, and could_win (see `could_win`).
    """
    own, streams = tree["posterior"].sizes["component"], rng.spawn(k_max)
    scored, width = _in_cells(sample, float(tree["posterior"]["sigma"].mean(("chain", "draw")).min()))

    fits = {}
    for k in range(1, k_max + 1):
        try:
            fits[k] = fit_em_proper(sample, k, streams[k - 1], starts, tolerance, variance)
        except InputError:  # EM collapses from everywhere; with more components there are fewer values for each
            if k <= own:
                raise
            break

    def posterior(k):
        if k == own:
            return add_log_likelihood(xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset()}), scored)
        priors = choose_priors(sample, k, sd_prior=sd_prior, weight_concentration=weight_concentration)
        few = {"chains": chains, "draws": draws, "tune": draws, "most_operations": MOST_OPERATIONS}
        return add_log_likelihood(draw_posterior(sample, priors, fits[k], streams[k - 1], **few), scored)

    # PyMC compiles and forks where NUTS samples: one after the other, then.
    with ThreadPoolExecutor(available_cores() if choose_sampler(sample, k_max) == "gibbs" else 1) as pool:
        trees = dict(zip(fits, pool.map(posterior, fits), strict=True))
    trusted = {k: all(check.passed for check in judge_chains(tree if k == own else trees[k])) for k in trees}
    predictive = compare_posteriors(trees, trusted, rng)
    predictive["elpd"] -= sample.n * np.log(width)
    table = compare_component_counts(fits, variance).join(predictive).assign(trusted=trusted)
    table.insert(3, "sbic", singular_bic(table["log_likelihood"], sample.n))
    if components and not components["given"]:
        table["p_k"] = [components["p_k"].get(str(k), 0.0) for k in table.index]
    return table.assign(could_win=could_win(table))


def could_win(table: pd.DataFrame) -> pd.Series:
    """Which numbers of components have untrusted chains, and could predict best all the same.

    Where there is one, the best of the others by prediction is not the best of all.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by K: elpd, trusted, bic, aic, icl, sbic, and p_k if there is one.

    Returns
    -------
    pandas.Series of bool
        Untrusted, and either predicting as well as the best of the trusted as far as its chains
        went (within `NEAR`), or the choice of another criterion.
    """
    trusted, elpd = table["trusted"].astype(bool), table["elpd"].astype(float)
    best = elpd[trusted].max() if trusted.any() else -np.inf
    chosen = [table[name].astype(float).idxmin() for name in ("bic", "aic", "icl") if table[name].notna().any()]
    chosen += [
        table[name].astype(float).idxmax() for name in ("sbic", "p_k") if name in table and table[name].notna().any()
    ]
    return ~trusted & (~(elpd <= best - NEAR) | table.index.isin(chosen))


def _in_cells(sample, smallest_sd):
    """The sample as predictions of it are scored, and the width that makes densities of the cells' masses.

    To leave a row out costs as much for one value as for many, and cells so fine move the score by a tenth or two.
    """
    if not sample.exact:
        return sample, 1.0
    width = 0.03 * smallest_sd
    grouped = group_sample(sample, width)
    return (grouped, width) if 2 * len(grouped.count) < sample.n else (sample, 1.0)
