"""Our default fit, pm.sample, nutpie, NumPyro and scikit-learn's variational mixture on hard samples whose posterior is known.

Every sampler gets the same model, priors and draws (4 chains of 1,000 after 1,000), each fit in a fresh process; the
variational mixture has priors of its own, scikit-learn's. A fit is trusted if its own checks pass: R-hat at most 1.01,
bulk and tail effective sizes at least 400, no divergences; the variational fit, if it says that it converged. It is right
if no parameter's mean is far from the reference's.
Claim: ours is trusted and right on every one of them.
"""

import time

import numpy as np
import pymc as pm
from arviz_stats.base import array_stats
from sklearn.mixture import BayesianGaussianMixture

from benchmarks.results import in_own_process, keep
from mixture.bayes.draws import posterior_draws
from mixture.bayes.fit import draw_posterior
from mixture.components import Components, mixture_log_likelihood
from mixture.data.simulate import random_stream
from mixture.em import fit_em_proper
from mixture.studies.failing_fit import FAR, RHAT_LIMIT
from mixture.studies.hard_samples import BY_NAME, HARD
from mixture.studies.references import by_parameter, furthest_mean, read_reference

FITS = ("ours", "pm.sample", "nutpie", "NumPyro", "BayesianGaussianMixture")
SAMPLERS = {"pm.sample": "pymc", "nutpie": "nutpie", "NumPyro": "numpyro"}
ESS_LIMIT = 400


def ordered_model(hard):
    """The mixture as a user of PyMC would write it, the components told apart by the order of their means."""
    sample, priors = hard.sample, hard.priors
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.full(hard.k, priors.weight_concentration))
        transform = pm.distributions.transforms.ordered
        mu = pm.Normal("mu", priors.mean_center, tau=priors.mean_precision, shape=hard.k, transform=transform)
        sigma = pm.LogNormal("sigma", np.log(priors.sd_scale), 1, shape=hard.k)
        pm.NormalMixture("x", w, mu, sigma=sigma, observed=sample.value)
    return model


def fit_peer(hard, sampler):
    """Draws of a peer, and whether any transition diverged; its starting means are quantiles of the sample."""
    start = hard.sample.quantile((np.arange(hard.k) + 0.5) / hard.k)
    with ordered_model(hard):
        tree = pm.sample(
            nuts_sampler=sampler,
            chains=4,
            random_seed=1,
            progressbar=False,
            quiet=True,
            initvals={"mu": start + 1e-3 * np.arange(hard.k)},
            compute_convergence_checks=False,
        )
    draws = Components(*(tree["posterior"][name].values for name in ("w", "mu", "sigma")))
    return draws, int(tree["sample_stats"]["diverging"].sum())


def fit_ours(hard):
    """What a report does: EM, and the sampler that `auto` takes."""
    rng = random_stream(1, f"peers {hard.name}")
    tree = draw_posterior(hard.sample, hard.priors, fit_em_proper(hard.sample, hard.k, rng), rng)
    return posterior_draws(tree).sorted(), 0


def judge(hard, draws, divergences):
    """Whether a sampler's own checks pass, and how far its means are from the reference, in posterior sds."""
    by_name = by_parameter(draws)
    watched = [*by_name.values(), mixture_log_likelihood(hard.sample, *draws).sum(axis=-1)]
    rhat = max(float(array_stats.rhat(each)) for each in watched)
    methods = {"method": "bulk"}, {"method": "tail", "prob": (0.05, 0.95)}
    ess = min(float(array_stats.ess(each, **method)) for each in watched for method in methods)
    trusted = rhat <= RHAT_LIMIT and ess >= ESS_LIMIT and not divergences
    return {
        "r_hat": rhat,
        "ess": ess,
        "divergences": divergences,
        "trusted": trusted,
        "error": furthest_mean(read_reference(hard), by_name),
    }


def fit_variational(hard):
    """scikit-learn's, with ten starts, judged by what it says itself."""
    rng = np.random.RandomState(1)
    kind = "dirichlet_distribution"
    found = BayesianGaussianMixture(
        n_components=hard.k, weight_concentration_prior_type=kind, n_init=10, max_iter=2000, random_state=rng
    )
    found.fit(hard.sample.value[:, None])
    sds = np.sqrt(found.covariances_[:, 0, 0])
    one = Components(found.weights_, found.means_[:, 0], sds).map(lambda values: values[None, None]).sorted()
    return {"trusted": bool(found.converged_), "error": furthest_mean(read_reference(hard), by_parameter(one))}


def measure(fit, name):
    """Seconds of a fit in this process, compilation included, and how good it is."""
    hard, begun = BY_NAME[name], time.perf_counter()
    if fit == "BayesianGaussianMixture":
        found = fit_variational(hard)
        return {"seconds": time.perf_counter() - begun, **found}
    draws, divergences = fit_ours(hard) if fit == "ours" else fit_peer(hard, SAMPLERS[fit])
    return {"seconds": time.perf_counter() - begun, **judge(hard, draws, divergences)}


def main():
    rows = []
    for fit in FITS:
        in_own_process(measure, fit, "three_clusters_k2")  # warms the caches
        for hard in HARD:
            found = in_own_process(measure, fit, hard.name)[0]
            rows.append({"fit": fit, "sample": hard.name, **found, "right": found["trusted"] and found["error"] < FAR})
            print(rows[-1], flush=True)
    ours = [row["right"] for row in rows if row["fit"] == "ours"]
    keep("peers", rows, {"share of hard samples on which ours is trusted and right": (float(np.mean(ours)), 1)})


if __name__ == "__main__":
    main()
