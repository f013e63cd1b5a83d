"""How far to trust a fit: the chains, then the model."""

import math
from typing import Any, NamedTuple

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from mixture.bayes.chains import ESS_PER_CHAIN, RHAT_LIMIT
from mixture.bayes.counts import convergence
from mixture.bayes.draws import as_dataset, observed_sample, posterior_draws
from mixture.bayes.labels import match_components
from mixture.bayes.modes import LEAST_SHARE
from mixture.check.comparison import compare_fits, monte_carlo_distance
from mixture.check.likelihood import LeaveOneOut, total_log_likelihood
from mixture.components import NAMES, Components, mixture_log_density

BFMI_LIMIT = 0.3  # Betancourt 2018; those of R-hat and ESS are what the samplers aim at
SETTLED_RHAT = 1.05  # of a witness: short, but near enough to compare
MISSED_LIMIT = 0.01  # of the posterior, in modes that were not visited
P_LIMIT = 0.01  # of the tests that leave-one-out ranks are uniform
SENSITIVITY_LIMIT = 0.05  # Kallioinen et al. 2024
CELL_LIMIT = 0.5  # widths of a cell in the smallest sd
EM_LIMIT = 1.0  # posterior sds between the posterior mean and EM
PRIOR_LIMIT = 0.01  # of each mean's prior, within the sample's range
FLOOR_LIMIT = 2.0  # smallest sds that are allowed: see `Sample.resolution`


class Check(NamedTuple):
    """One row of a verdict.

    Attributes
    ----------
    name : str
    value, limit : float
    passed : bool
    advice : str
        What to do; empty when passed.
    """

    name: str
    value: float
    limit: float
    passed: bool
    advice: str


def _check(name, value, limit, passed, advice):
    """A `Check` of plain Python values, with advice only where it is needed; NaN never passes."""
    passed = bool(passed) and bool(np.isfinite(value))
    return Check(name, float(value), float(limit), passed, "" if passed else advice)


# ---------------------------------------------------------------- the chains


class Verdict(NamedTuple):
    """What is thought of a fit.

    Attributes
    ----------
    checks, cautions : list of Check
        Of the chains, which decide whether they are trusted; and of model, priors and EM, which do not.
    kind : str
    modes : pandas.DataFrame
        Both from `classify_chains`.
    parameters : pandas.DataFrame
        From `parameter_diagnostics`.
    posterior_modes : pandas.DataFrame
        From `describe_modes`.
    """

    checks: list[Check]
    cautions: list[Check]
    kind: str
    modes: pd.DataFrame
    parameters: pd.DataFrame
    posterior_modes: pd.DataFrame

    @property
    def trusted(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """As verdict.json holds it."""
        return {
            "trusted": self.trusted,
            "checks": [check._asdict() for check in self.checks],
            "cautions": [check._asdict() for check in self.cautions],
            "chains": self.kind,
            "modes": self.modes.to_dict("records"),
            "parameters": self.parameters.to_dict("records"),
            "posterior_modes": self.posterior_modes.to_dict("records"),
        }


def judge(tree: xr.DataTree, loo: LeaveOneOut, ranks: np.ndarray, sensitivity: pd.DataFrame) -> Verdict:
    """The `Verdict` on a fit; arguments as in `judge_model`."""
    kind, modes = classify_chains(tree)
    return Verdict(
        judge_chains(tree),
        judge_model(tree, loo, ranks, sensitivity),
        kind,
        modes,
        parameter_diagnostics(tree),
        describe_modes(tree),
    )


def judge_beside(tree: xr.DataTree) -> dict[str, Any] | None:
    """What the witness in group beside says.

    Returns
    -------
    dict or None
        None where there is no witness. sampler; largest_rhat, its own;
        modes, those with a share of the draws, and visited, those of them that
        it found; settled, whether it found all and its R-hat is small enough for
        it to say anything; apart, in Monte Carlo standard errors, see
        `monte_carlo_distance`.
    """
    if "beside" not in tree:
        return None
    beside = tree["beside"]
    rhat = _worst(az.rhat, judged_quantities(beside), np.max)
    modes = np.flatnonzero(tree["modes"]["held"].values >= LEAST_SHARE)
    visited = np.isin(modes, beside["sample_stats"]["mode"].values)
    return {
        "sampler": beside.attrs["sampler"],
        "largest_rhat": rhat,
        "modes": len(modes),
        "visited": int(visited.sum()),
        "settled": bool(rhat <= SETTLED_RHAT and visited.all()),
        "apart": monte_carlo_distance(tree, beside),
    }


def describe_moves(tree: xr.DataTree) -> dict[str, Any]:
    """How the sampler moved: the attributes of a tree by `sample_by_gibbs`, its jumps and steps; empty for NUTS."""
    names = ("sampler", "sweeps", "sweeps_between_draws", "jumps_accepted", "steps_accepted", "named_by")
    return {name: tree.attrs[name] for name in names if name in tree.attrs}


def describe_modes(tree: xr.DataTree) -> pd.DataFrame:
    """The modes of the posterior, and what the draws hold of each.

    Parameters
    ----------
    tree : xarray.DataTree
        From `fit_posterior`.

    Returns
    -------
    pandas.DataFrame
        One row a mode, the one with most draws first: held (share of the
        draws), least and most (of any one chain's draws), laplace (share by
        Laplace's approximation), missed, weights, means, sds (lists).
    """
    modes, nearest = tree["modes"].to_dataset(), tree["sample_stats"]["mode"].values
    by_chain = np.array([(nearest == mode).mean(axis=1) for mode in range(modes.sizes["mode"])])
    table = pd.DataFrame(
        {
            "held": modes["held"].values,
            "least": by_chain.min(axis=1),
            "most": by_chain.max(axis=1),
            "laplace": modes["share"].values,
            "missed": modes["missed"].values > 0,
            **{name: modes[name].values.tolist() for name in Components._fields},
        }
    )
    return table.sort_values("held", ascending=False, ignore_index=True)


def judged_quantities(tree: xr.DataTree) -> xr.Dataset:
    """What the chains are judged on: the parameters and what no relabelling changes.

    Returns
    -------
    xarray.Dataset
        w (two or more components), mu, sigma; log_likelihood, summed over the
        sample; density, the mixture's at seven quantiles of the sample.
    """
    posterior, sample = tree["posterior"].to_dataset(), observed_sample(tree)
    names = NAMES if posterior.sizes["component"] > 1 else NAMES[1:]
    points = sample.quantile([0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
    density = np.exp(mixture_log_density(points, *posterior_draws(tree)))
    return posterior[list(names)].assign(
        log_likelihood=(("chain", "draw"), total_log_likelihood(tree)), density=(("chain", "draw", "point"), density)
    )


def _worst(statistic, quantities, end, **options):
    found = statistic(quantities, **options)
    return float(end([end(found[name].values) for name in found.data_vars]))


def judge_chains(tree: xr.DataTree) -> list[Check]:
    """Whether the chains can be trusted to have found the posterior.

    Parameters
    ----------
    tree : xarray.DataTree
        Groups posterior, sample_stats, log_likelihood, observed_data.

    Returns
    -------
    list of Check
        R-hat, bulk and tail ESS (the worst over `judged_quantities`); of NUTS
        BFMI, divergences and tree depth; where the modes are known, the share
        of those that no chain visited; and, where the number of components was
        drawn too, R-hat and ESS of that.
    """
    quantities, sampling = judged_quantities(tree), tree["sample_stats"].to_dataset()
    ess_limit = ESS_PER_CHAIN * quantities.sizes["chain"]
    rhat = _worst(az.rhat, quantities, np.max)
    bulk, tail = (_worst(az.ess, quantities, np.min, method=method) for method in ("bulk", "tail"))
    longer = "run longer: raise draws" if tree.attrs.get("sampler") == "gibbs" else "run longer, or with sampler: gibbs"
    return [
        _check(
            "largest R-hat",
            rhat,
            RHAT_LIMIT,
            rhat <= RHAT_LIMIT,
            "see in chapter 3 on what the chains disagree, and what helps",
        ),
        _check(
            "smallest bulk ESS", bulk, ess_limit, bulk >= ess_limit, _more_draws(longer, ess_limit, bulk, quantities)
        ),
        _check(
            "smallest tail ESS", tail, ess_limit, tail >= ess_limit, _more_draws(longer, ess_limit, tail, quantities)
        ),
        *(_judge_nuts(tree) if "diverging" in sampling else []),
        *(_judge_modes(tree) if "modes" in tree and "missed" in tree["modes"] else []),
        *(_judge_counts(tree) if "components" in tree else []),
    ]


def _more_draws(longer, limit, found, quantities):
    """The advice with the number of draws that will do, half as many again for chance."""
    if not found > 0:
        return longer
    draws = quantities.sizes["draw"] * limit / found * 1.5
    return f"{longer} to {math.ceil(draws / 100) * 100:,}"


def _judge_nuts(tree):
    """What NUTS tells of its own paths."""
    sampling = tree["sample_stats"].to_dataset()
    bfmi = float(az.bfmi(tree)["energy"].min())
    divergences, deepest = (int(sampling[name].sum()) for name in ("diverging", "reached_max_treedepth"))
    return [
        _check("smallest BFMI", bfmi, BFMI_LIMIT, bfmi >= BFMI_LIMIT, "raise tune, or give a tighter sd_prior"),
        _check(
            "divergences",
            divergences,
            0,
            divergences == 0,
            "raise target_accept towards 0.99: steps are too long for the posterior's shape",
        ),
        _check(
            "draws at the largest tree depth",
            deepest,
            0,
            deepest == 0,
            "lower target_accept or raise tune: steps are too short to cross the posterior",
        ),
    ]


def _judge_modes(tree):
    """Whether a mode of some mass was missed by every chain."""
    modes = tree["modes"].to_dataset()
    missed = float(modes["share"].where(modes["missed"] > 0, 0).sum())
    return [
        _check(
            "share of modes that no chain visited",
            missed,
            MISSED_LIMIT,
            missed <= MISSED_LIMIT,
            "take sampler: gibbs, which jumps between modes"
            if tree.attrs.get("sampler") != "gibbs"
            else "raise tune and draws",
        )
    ]


def _judge_counts(tree):
    """Whether the chains agree on the number of components, and on what does not depend on names."""
    kept = tree["components"].to_dataset()
    rhat, ess, _ = convergence(kept)
    limit = ESS_PER_CHAIN * kept.sizes["chain"]
    advice = "give n_components, or run longer: raise draws and tune"
    return [
        _check("largest R-hat of the number of components", rhat, RHAT_LIMIT, rhat <= RHAT_LIMIT, advice),
        _check("smallest ESS of the number of components", ess, limit, ess >= limit, advice),
    ]


def parameter_diagnostics(tree: xr.DataTree) -> pd.DataFrame:
    """R-hat and effective sample sizes, parameter by parameter.

    Returns
    -------
    pandas.DataFrame
        One row for each parameter (w, mu, sigma) and component (from 1):
        rhat, ess_bulk, ess_tail; NaN for what never moves.
    """
    posterior = tree["posterior"].to_dataset()[list(NAMES)]
    found = {"rhat": az.rhat(posterior), **{f"ess_{part}": az.ess(posterior, method=part) for part in ("bulk", "tail")}}
    table = pd.DataFrame({name: each.to_dataframe()[list(NAMES)].T.stack() for name, each in found.items()})
    return table.rename_axis(["parameter", "component"]).reset_index()


def relabel(tree: xr.DataTree) -> xr.DataTree:
    """Give the components the same names in every draw: each is matched to the likeliest draw's.

    The matching minimises the squared distance in means, sds (both in units of
    the sample's sd) and weights (Hungarian algorithm); it undoes whole chains that came out permuted as well as
    switches within a chain.

    Returns
    -------
    xarray.DataTree
        A copy with the posterior relabelled.
    """
    draws, scale = posterior_draws(tree), observed_sample(tree).sd()
    shape = draws.weights.shape
    features = np.stack([draws.weights, draws.means / scale, draws.sds / scale], axis=-1).reshape(-1, *shape[2:], 3)
    pivot = features[total_log_likelihood(tree).argmax()]
    pivot = pivot[np.argsort(pivot[:, 1])]
    costs = ((features[:, None, :, :] - pivot[None, :, None, :]) ** 2).sum(axis=-1)
    flat = draws.map(lambda values: values.reshape(-1, shape[2]))
    matched = match_components(flat, costs).map(lambda values: values.reshape(shape))
    copy = tree.copy()
    copy["posterior"] = tree["posterior"].to_dataset().assign(as_dataset(matched))
    return copy


def classify_chains(tree: xr.DataTree) -> tuple[str, pd.DataFrame]:
    """Why the chains disagree, if they do.

    Parameters
    ----------
    tree : xarray.DataTree
        Groups posterior, log_likelihood, log_prior, observed_data.

    Returns
    -------
    kind : {"agree", "permuted labels", "different modes", "slow mixing"}
        permuted labels: agreement after `relabel`. different modes: chains
        whose log likelihoods or densities differ although each is steady.
    modes : pandas.DataFrame
        For different modes, one row a group of chains: chains, log_posterior
        (mean over draws, up to a constant), weights, means, sds. Empty otherwise.
    """
    empty = pd.DataFrame()
    if _worst(az.rhat, judged_quantities(tree), np.max) <= RHAT_LIMIT:
        return "agree", empty
    matched = relabel(tree)
    quantities = judged_quantities(matched)
    if _worst(az.rhat, quantities, np.max) <= RHAT_LIMIT:
        return "permuted labels", empty
    groups = _group_chains(quantities)
    if len(groups) == 1:
        return "slow mixing", empty
    log_posterior = total_log_likelihood(tree) + sum(
        density.sum([d for d in density.dims if d not in ("chain", "draw")]).values
        for density in tree["log_prior"].data_vars.values()
    )
    rows = [
        {
            "chains": ", ".join(map(str, group)),
            "log_posterior": log_posterior[group].mean(),
            **{
                name: draws[group].mean(axis=(0, 1)).tolist()
                for name, draws in posterior_draws(matched)._asdict().items()
            },
        }
        for group in groups
    ]
    return "different modes", pd.DataFrame(rows).sort_values("log_posterior", ascending=False, ignore_index=True)


def _group_chains(quantities):
    """Chains that found the same mode, as lists of chain numbers.

    Two chains are apart where their R-hat is above 1.1, the classical limit,
    and its excess over 1 is more than twice that between the halves of either:
    chains that mix slowly differ as much from themselves as from each other.
    """
    chains = [quantities.isel(chain=[c]) for c in range(quantities.sizes["chain"])]
    half = quantities.sizes["draw"] // 2

    def excess(one, other):
        return _worst(az.rhat, xr.concat([one, other], "chain", join="override"), np.max) - 1

    drift = [excess(c.isel(draw=slice(half)), c.isel(draw=slice(half, 2 * half))) for c in chains]
    groups = []
    for chain in range(len(chains)):
        for group in groups:
            first = group[0]
            if excess(chains[first], chains[chain]) <= max(0.1, 2 * drift[first], 2 * drift[chain]):
                group.append(chain)
                break
        else:
            groups.append([chain])
    return groups


# ---------------------------------------------------------------- the model


def prior_sensitivity(tree: xr.DataTree) -> pd.DataFrame:
    """How far a slightly stronger or weaker prior moves each parameter, prior block by block.

    Power scaling (Kallioinen et al. 2024) through `arviz.psense`.
    `arviz.psense_summary` joins along a dimension that it calls "component" too,
    so it cannot be used here.

    Returns
    -------
    pandas.DataFrame
        One row per parameter and component, one column per block (w, mu,
        sigma); above 0.05 counts as sensitive. A flat prior has nothing to scale: 0.
    """
    posterior, blocks = tree["posterior"].to_dataset()[list(NAMES)], {}
    for block in (name for name in NAMES if name in tree["log_prior"]):
        density = tree["log_prior"][block].values
        if np.ptp(density.reshape(*density.shape[:2], -1).sum(axis=-1)) < 1e-9:
            moved = 0 * posterior.mean(("chain", "draw"))
        else:
            moved = az.psense(tree, var_names=list(NAMES), group="prior", group_var_names=[block])
        blocks[block] = moved.to_dataframe()[list(NAMES)].T.stack().rename_axis(["parameter", "component"])
    return pd.DataFrame(blocks)


def judge_model(tree: xr.DataTree, loo: LeaveOneOut, ranks: np.ndarray, sensitivity: pd.DataFrame) -> list[Check]:
    """Whether the model, its priors or EM raise a caution beside chains that may be sound.

    Parameters
    ----------
    tree : xarray.DataTree
        With group em, the maximum-likelihood fit.
    loo : LeaveOneOut
    ranks : ndarray
        From `loo_pit`.
    sensitivity : pandas.DataFrame
        From `prior_sensitivity`.

    Returns
    -------
    list of Check
    """
    ranks = xr.DataArray(ranks, dims="observation")
    uniform, tails = (float(ranks.azstats.uniformity_test(dim="observation", method=m)[0]) for m in ("pot_c", "piet_c"))
    pareto, moved = float(loo.pareto_k.max()), float(np.nanmax(sensitivity.values))
    sample, narrowest = observed_sample(tree), float(tree["posterior"]["sigma"].mean(("chain", "draw")).min())
    width = 0.0 if sample.exact else sample.width / narrowest
    distance = float(compare_fits(tree, posterior_draws(tree, "em"))["difference_in_sds"].abs().max())
    return [
        _check("LOO-PIT uniformity, p", uniform, P_LIMIT, uniform >= P_LIMIT, "try another n_components"),
        _check(
            "LOO-PIT tails, p",
            tails,
            P_LIMIT,
            tails >= P_LIMIT,
            "do not take every component for a group: one may be standing in for a tail that is not Gaussian",
        ),
        _check(
            "largest Pareto k",
            pareto,
            loo.good_k,
            pareto <= loo.good_k,
            "look for outliers, or a component with few members",
        ),
        _check(
            "prior sensitivity",
            moved,
            SENSITIVITY_LIMIT,
            moved <= SENSITIVITY_LIMIT,
            "state why you believe the priors, or collect more data",
        ),
        *(
            []
            if sample.exact
            else [
                _check(
                    "cell width in smallest sds",
                    width,
                    CELL_LIMIT,
                    width <= CELL_LIMIT,
                    "give a smaller cell_width if you gave one; values that came so rounded or counted leave the narrowest "
                    "component's shape open, and its intervals say how far",
                )
            ]
        ),
        *_judge_given(tree, sample, narrowest),
        _check(
            "distance to EM in posterior sds",
            distance,
            EM_LIMIT,
            distance <= EM_LIMIT,
            "show the whole posterior, not its mean alone: it is skewed or has several modes, or a prior is strong",
        ),
    ]


def _judge_given(tree, sample, narrowest):
    """Cautions of what was given: priors of the means beside the sample, and values that are equal."""
    found, floor = [], sample.resolution() / 2
    if "prior" in tree:
        means = tree["prior"]["mu"]
        inside = float(((means >= sample.low) & (means <= sample.high)).mean(("chain", "draw")).min())
        found.append(
            _check(
                "share of a mean's prior within the sample",
                inside,
                PRIOR_LIMIT,
                inside >= PRIOR_LIMIT,
                "give mean_prior_mean for this sample, or leave it open",
            )
        )
    if floor:
        found.append(
            _check(
                "narrowest sd in smallest allowed",
                narrowest / floor,
                FLOOR_LIMIT,
                narrowest >= FLOOR_LIMIT * floor,
                "take the equal values out and fit the others: the smallest sd allowed is half the smallest difference "
                "between values, and it decides this component",
            )
        )
    return found
