"""How many components: EM's criteria and leave-one-out prediction, for K = 1 to k_max."""

from functools import partial

from mixture.comparison import compare_posteriors
from mixture.cores import at_once
from mixture.em import compare_component_counts, fit_em_proper
from mixture.model import add_log_likelihood, build_model, choose_priors
from mixture.sampling import sample_posterior, starting_points
from mixture.verdict import judge_chains


def choose_component_count(sample, k_max, tree, rng, starts=20, tolerance=1e-8, variance="free", sd_prior="lognormal",
                           weight_concentration=1.0, chains=4, draws=500):
    """Compare numbers of components, and say in words where the criteria disagree.

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
    counts : pandas.DataFrame
        Indexed by K: the columns of `compare_component_counts` and
        `compare_posteriors`, and trusted.
    opinion : str
        Markdown.
    """
    own, streams = tree["posterior"].sizes["component"], rng.spawn(k_max)
    others = [k for k in range(k_max, 0, -1) if k != own]  # the longest first
    fits = at_once([partial(_fit, sample, k, streams[k - 1], starts, tolerance, variance, sd_prior, weight_concentration,
                            chains, draws) for k in others])
    known = [(own, tree)] if own <= k_max else []
    trees = dict(sorted(known + list(zip(others, fits, strict=True))))
    counts = compare_component_counts(sample, k_max, rng, starts, tolerance, variance)
    trusted = {k: all(check.passed for check in judge_chains(fit)) for k, fit in trees.items()}
    counts = counts.join(compare_posteriors(trees, trusted, rng)).assign(trusted=trusted)
    return counts, describe_component_counts(counts)


def _fit(sample, k, rng, starts, tolerance, variance, sd_prior, weight_concentration, chains, draws):
    priors = choose_priors(sample, k, sd_prior=sd_prior, weight_concentration=weight_concentration)
    em = fit_em_proper(sample, k, rng, starts, tolerance, variance)
    model = build_model(sample, priors)
    tree = sample_posterior(model, sample, starting_points(priors, em, chains, rng), rng, draws, draws, progressbar=False)
    return add_log_likelihood(tree, sample)


def describe_component_counts(counts):
    """Which K each criterion prefers, and what to make of it where they disagree.

    Parameters
    ----------
    counts : pandas.DataFrame
        Columns bic, aic, icl, elpd, elpd_se, weight, trusted.

    Returns
    -------
    str
        Markdown.
    """
    best = {name.upper(): int(counts[name].idxmin()) for name in ("bic", "aic", "icl")}
    sound = counts[counts["trusted"].astype(bool)]
    if len(sound):
        best["leave-one-out"] = int(sound["elpd"].idxmax())
    told = ", ".join(f"{name} {k}" for name, k in best.items())
    near = [int(k) for k in sound.index[sound["elpd"] > sound["elpd"].max() - 4] if k != best["leave-one-out"]]
    words = [f"The criteria **{'agree on' if len(set(best.values())) == 1 else 'disagree'}**"
             + (f" **{best['BIC']}** components." if len(set(best.values())) == 1 else f" on the number of components: {told}.")]
    if len(set(best.values())) > 1:
        words.append("BIC looks for the number that generated the sample, AIC and leave-one-out for the best prediction, ICL for "
                     "well separated groups.")
    if near:
        words.append(f"By leave-one-out prediction {', '.join(map(str, near))} would do as well (within 4 of the best).")
    doubtful = [int(k) for k in counts.index[~counts["trusted"].astype(bool)]]
    if doubtful:
        words.append(f"**The chains of K = {', '.join(map(str, doubtful))} are not to be trusted** and are left out of the "
                     "comparison by prediction.")
    collapsed = [int(k) for k in counts.index[counts["bic"].isna()]]
    if collapsed:
        words.append(f"Every start of EM collapsed for K = {', '.join(map(str, collapsed))}.")
    if len(sound) > 1:
        words.append(f"Stacking gives K = {int(sound['weight'].idxmax())} the largest weight, {sound['weight'].max():.2f}.")
    return " ".join(words)
