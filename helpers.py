"""The notebooks' vocabulary: every word that they share, in the order of the story, with its meaning.

The words live in mixture/, a room a topic; notebooks import them from here.
"""

# Sample: where the numbers come from
from mixture.sample import (
    Sample,             # values, or counts in cells
    choose_likelihood,  # exact values or cells, and why
    component_counts,   # observations per component: floor(weight x n) and the remainder
    find_rounding,      # the step that the values were rounded to
    group_sample,       # values counted in cells of one width
    random_stream,      # the random generator of one named step
    simulate_mixture,   # draw values from a mixture
    sort_components,    # relabel the components by increasing mean
)
from mixture.cells import (
    read_sample,      # one numeric column of CSV, TSV or Parquet, checked; counts where it is long
    simulate_sample,  # values of a mixture; counts where they are many
    write_memberships,  # membership probabilities of every row of a file
)

# Density: what a mixture says of a value
from mixture.density import (
    component_log_density,     # log of weight x Normal density, by component
    component_log_likelihood,  # the same for a Sample, cells by their mass
    membership_probabilities,  # which component a value belongs to
    mixture_cdf,               # the mixture's distribution function
    mixture_log_density,       # log density at points
    mixture_log_likelihood,    # log likelihood of a Sample's rows
)

# EM: the maximum of the likelihood
from mixture.em import (
    bootstrap_errors,          # spread of EM over samples drawn from the fit
    compare_component_counts,  # BIC, AIC and ICL for K = 1 to k_max
    em_standard_errors,        # from the observed information
    fit_em,                    # many starts, the best proper maximum
    fit_em_proper,             # the same, with equal variances where free ones collapse
)

# Model and fit: the posterior
from mixture.model import (
    add_log_likelihood,  # of every draw, row by row of the sample
    add_log_prior,       # of every draw
    as_dataset,          # weights, means, sds as w, mu, sigma
    build_model,         # the mixture in PyMC: marginal or latent, exact or grouped
    choose_priors,       # those given, the rest scaled to the sample
    draw_prior,          # what the priors alone say
    observed_sample,     # the sample as the likelihood saw it
    posterior_draws,     # a posterior as arrays
    thin,                # some of the draws, evenly spaced
)
from mixture.sampling import (
    sample_posterior,  # MCMC
    starting_points,   # one a chain, near EM's maxima
)
from mixture.cores import (
    ahead,    # a long call that begins before its result is needed
    at_once,  # long calls at the same time
)

# Verdict: how far to trust it
from mixture.verdict import (
    classify_chains,    # permuted labels, different modes or slow mixing
    judge_chains,       # whether the chains found the posterior
    judge_model,        # whether model and priors raise a caution
    loo_pit,            # leave-one-out predictive ranks
    parameter_diagnostics,  # R-hat and effective sizes, one by one
    prior_sensitivity,  # what a slightly stronger prior would change
    relabel,            # the same names in every draw
)

# Comparison: Bayes and EM side by side
from mixture.comparison import (
    compare_fits,                     # one table
    compare_posteriors,               # numbers of components by leave-one-out prediction
    expected_log_predictive_density,  # leave-one-out, cells by their count
    monte_carlo_distance,             # whether two samplers found the same posterior
    summarise_memberships,            # membership probabilities and their uncertainty
)

from mixture.selection import (
    choose_component_count,  # K = 1 to k_max by EM's criteria and by prediction
)

from mixture.efficiency import (
    METHODS,             # ways to fit the mixture whose cost is measured
    growth,              # exponent of a power law
    measure_efficiency,  # what a draw costs and what it is worth
    sampling_cost,       # what the sampler spent and how it moved
)

# Words: numbers and checks as a reader sees them
from mixture.words import (
    answer_text,        # the answer in two sentences
    as_code,            # a text as inline code, whatever is in it
    comparison_table,   # the comparison, rounded to its uncertainty
    counts_table,       # the numbers of components side by side
    plus_minus,         # a number and its error
    posterior_table,    # ArviZ's summary, rounded to its Monte Carlo error
    sensitivity_table,  # how far each prior moves each parameter
    verdict_text,       # the checks in plain words, failed ones first
)

# Files and pictures
from mixture import pictures  # one visual language
from mixture.play import (
    play_figure,  # the main figure, to play with in the page
)
from mixture.widgets import (
    explore_priors,  # handles on the priors, in JupyterLab
)
from mixture.files import (
    load_posterior,  # posterior.nc of the run folder
    load_sample,     # sample.parquet of the run folder
    load_verdict,    # verdict.json of the run folder
    write_json,      # plain values, whole
    write_whole,     # whole files or none
)

__all__ = [name for name in dir() if not name.startswith("_") and name != "mixture"]
