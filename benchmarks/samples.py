"""The post's sample and all that a fit of it starts from."""

from typing import NamedTuple

import numpy as np
import pymc as pm

from mixture.bayes.nuts import starting_points
from mixture.bayes.priors import Priors, choose_priors
from mixture.data.sample import Sample
from mixture.data.simulate import random_stream, simulate_mixture
from mixture.em import EMFit, fit_em

TRUTH = [0.7, 0.3], [150.0, 200.0], [10.0, 20.0]


class Start(NamedTuple):
    """A sample, its priors, EM's fit and a starting point a chain."""

    sample: Sample
    priors: Priors
    em: EMFit
    starts: list


def post_sample(n, seed=20160508):
    """n values drawn as the post drew its 1,000."""
    return Sample.of_values(simulate_mixture(n, *TRUTH, random_stream(seed, f"sample {n}"))[0])


def start(sample, chains, em_starts=5):
    """What a fit of a sample starts from, with the post's priors."""
    em = fit_em(sample, 2, random_stream(1, "em"), starts=em_starts)
    priors = choose_priors(sample, 2, [145, 210], [0.01, 0.02], "uniform", 100)
    return Start(sample, priors, em, starting_points(priors, em, chains, random_stream(1, "starts")))


def plain_model(sample):
    """The mixture as a user of PyMC would write it, one value after the other."""
    with pm.Model() as model:
        w = pm.Dirichlet("w", np.ones(2))
        mu = pm.Normal("mu", [145, 210], tau=[0.01, 0.02], transform=pm.distributions.transforms.ordered)
        sigma = pm.Uniform("sigma", 0, 100, shape=2)
        pm.NormalMixture("x", w, mu, sigma=sigma, observed=sample.value)
    return model
