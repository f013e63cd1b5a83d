"""Real fits for the tests, from sample to judged posterior."""

from typing import NamedTuple

import numpy as np
import pymc as pm
import xarray as xr

from mixture.bayes.draws import add_log_likelihood, add_log_prior, as_dataset
from mixture.bayes.model import build_model
from mixture.bayes.nuts import starting_points
from mixture.bayes.priors import Priors, choose_priors
from mixture.bayes.pymc_sampling import sample_posterior
from mixture.components import mixture_log_likelihood
from mixture.data.sample import Sample
from mixture.data.simulate import simulate_mixture
from mixture.em import EMFit, fit_em_proper


class Fit(NamedTuple):
    """All that a fit consists of."""

    sample: Sample
    priors: Priors
    em: EMFit
    model: pm.Model
    tree: xr.DataTree


def simulated(n, weights=(0.4, 0.6), means=(0.0, 4.0), sds=(1.0, 1.5), seed=1):
    """A sample of two components, somewhat overlapping unless told otherwise."""
    return Sample.of_values(simulate_mixture(n, weights, means, sds, np.random.default_rng(seed))[0])


def fit(sample, k=2, seed=1, chains=2, draws=500, priors=None, starts=None, latent=False, ordering=True, **options):
    """Fit a sample as notebook 2 does: priors, EM, starting points, MCMC, densities."""
    rng = np.random.default_rng(seed)
    priors, em = priors or choose_priors(sample, k), fit_em_proper(sample, k, rng)
    marginal = build_model(sample, priors, ordering=ordering)
    model = build_model(sample, priors, latent, ordering) if latent else marginal
    starts = starts or starting_points(priors, em, chains, rng)
    tree = sample_posterior(model, sample, starts, rng, draws, draws, progressbar=False, **options)
    tree["em"] = as_dataset(em.components)
    return Fit(sample, priors, em, model, add_log_prior(add_log_likelihood(tree, sample), priors))


def tree_of(sample, components, energy=None, diverging=0, too_deep=0):
    """A tree like a sampler's around draws made by hand, under flat priors.

    Parameters
    ----------
    sample : Sample
    components : tuple of ndarray, shape (chain, draw, K)
    energy : ndarray, shape (chain, draw), optional
        Independent draws by default.
    diverging, too_deep : int
        How many of the draws of the first chain diverged, or reached the largest tree depth.
    """
    posterior, dims = as_dataset(components), ("chain", "draw")
    shape = posterior.sizes["chain"], posterior.sizes["draw"]
    if energy is None:
        energy = np.random.default_rng(0).normal(size=shape)
    flags = np.arange(shape[0] * shape[1]).reshape(shape)
    return xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": xr.Dataset(
                {
                    "energy": (dims, energy),
                    "diverging": (dims, flags < diverging),
                    "reached_max_treedepth": (dims, flags < too_deep),
                }
            ),
            "log_prior": xr.zeros_like(posterior),
            "log_likelihood": xr.Dataset({"x": ((*dims, "observation"), mixture_log_likelihood(sample, *components))}),
            "observed_data": xr.Dataset(
                {name: ("observation", getattr(sample, name)) for name in ("lower", "upper", "count")}
            ),
        }
    )
