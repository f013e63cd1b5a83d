"""What a user would write instead of the report: import, simulate, fit, summarise, draw the traces, run EM."""

import arviz as az
import matplotlib
import numpy as np
import pymc as pm
from sklearn.mixture import GaussianMixture

matplotlib.use("agg")

rng = np.random.default_rng(20160508)
values = np.concatenate([rng.normal(150, 10, 700), rng.normal(200, 20, 300)])

with pm.Model():
    w = pm.Dirichlet("w", np.ones(2))
    mu = pm.Normal("mu", [145, 210], tau=[0.01, 0.02], transform=pm.distributions.transforms.ordered)
    sigma = pm.Uniform("sigma", 0, 100, shape=2)
    pm.NormalMixture("x", w, mu, sigma=sigma, observed=values)
    tree = pm.sample(
        1000,
        tune=1000,
        chains=4,
        nuts_sampler="pymc",
        target_accept=0.9,
        random_seed=1,
        progressbar=False,
        initvals={"mu": np.array([145.0, 210.0])},
    )

print(az.summary(tree))
az.plot_trace_dist(tree).savefig("trace.png")
em = GaussianMixture(2, n_init=20, tol=1e-8, max_iter=1000, random_state=1).fit(values[:, None])
print(em.weights_, em.means_.ravel(), np.sqrt(em.covariances_.ravel()))
