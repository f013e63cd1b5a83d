"""One call from a sample to all that the verdict needs: the posterior, its densities, and a fit beside it."""

import json

from mixture.bayes.model import add_log_likelihood, add_log_prior, as_dataset, build_model
from mixture.bayes.nuts import sample_posterior, sampling_cost, starting_points
from mixture.files import write_json, write_whole
from mixture.parallel import run_parallel

MOST_BESIDE = 2_000  # values: beyond, the latent model takes too long to be fitted beside
PRIOR_DRAWS = 500


def fit_posterior(sample, seen, priors, em, stream, model="marginal", chains=4, draws=1000, tune=1000, target_accept=0.9,
                  sampler="nutpie", latent_step="gibbs", keep_assignments=False):
    """Draw from the posterior, and from that of the other form of the model beside it where that is cheap.

    Parameters
    ----------
    sample, seen : Sample
        As it came, and as the likelihood is to see it.
    priors : Priors
    em : EMFit
    stream : callable
        From the name of a step to its random generator; see `random_stream`.
    model : {"marginal", "latent"}
    chains, draws, tune, target_accept, sampler, latent_step, keep_assignments :
        As in `sample_posterior`.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats, log_prior, log_likelihood,
        observed_data, prior, em; and beside, with the other model's, where it
        was fitted. Attribute seconds, spent in sampling.
    """
    marginal, settings = build_model(seen, priors), {"draws": draws, "tune": tune, "target_accept": target_accept}
    starts = starting_points(priors, em, chains, stream("starts"))

    def sample_marginal():
        tree = sample_posterior(marginal, seen, starts, stream("nuts"), sampler=sampler, **settings)
        return add_log_likelihood(tree, seen)

    def sample_latent():
        tree = sample_posterior(build_model(sample, priors, latent=True), sample, starts, stream("latent"), **settings,
                                latent_step=latent_step, keep_assignments=keep_assignments, progressbar=model == "latent")
        return add_log_likelihood(tree, sample)

    fits = [sample_marginal, sample_latent] if model == "marginal" else [sample_latent, sample_marginal]
    has_beside = len(em.weights) > 1 and sample.exact and sample.n <= MOST_BESIDE
    tree, *beside = run_parallel(fits if has_beside else fits[:1])
    add_log_prior(tree, marginal)
    for other in beside:
        del other.attrs["seconds"]  # the same draws give the same file
        tree["beside"] = other
    prior = priors.draw(PRIOR_DRAWS, stream("prior"))
    tree["prior"], tree["em"] = as_dataset(prior.map(lambda values: values[None])), as_dataset(em.components)
    tree.attrs["seconds_em"] = em.seconds
    return tree


def save_posterior(tree, run_dir, **provenance):
    """Write posterior.nc, and what it cost to cost.json; the seconds spent in sampling.

    Parameters
    ----------
    tree : xarray.DataTree
        From `fit_posterior`; its clocks' attributes are taken out, so that the same draws give the same file.
    run_dir : path-like
    **provenance
        Plain values, kept as one attribute.
    """
    cost = {"seconds_em": tree.attrs.pop("seconds_em"), **sampling_cost(tree)}
    seconds, tree.attrs["provenance"] = tree.attrs.pop("seconds"), json.dumps(provenance)
    write_whole(f"{run_dir}/posterior.nc", lambda path: tree.to_netcdf(path, engine="netcdf4"))
    write_json(f"{run_dir}/cost.json", cost)
    return seconds
