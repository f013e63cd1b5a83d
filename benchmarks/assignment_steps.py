"""The latent model's exact Gibbs step, and the default sampler, against PyMC's categorical step, on one core.

Claims: at N = 1000 the exact step gives more effective draws per second than
the 90 that JAGS gave on two cores, and its sweep grows linearly up to 10^6; the
default sampler gives 500 times those of the categorical step.
"""

import os

import arviz as az
import numpy as np

from benchmarks.results import keep
from benchmarks.samples import post_sample, start
from mixture.bayes.fit import draw_posterior
from mixture.bayes.model import build_model
from mixture.bayes.pymc_sampling import sample_posterior
from mixture.data.simulate import random_stream
from mixture.studies.efficiency import growth, measure_efficiency

os.environ["MIXTURE_CORES"] = "1"


def main():
    given = start(post_sample(1000), chains=2)
    rows = []
    for repeat in range(3):  # in turn, so that a slow minute of the machine hits both
        for method, seconds in (("gibbs", 15.0), ("categorical-gibbs", 60.0)):
            rows.append(measure_efficiency(*given, method, random_stream(repeat, method), seconds, max_draws=5000))
        rows.append(_default(repeat))
    methods = ("gibbs", "categorical-gibbs", "default")
    worth = {m: np.median([r["ess_per_second"] for r in rows if r["method"] == m]) for m in methods}
    for n in (10**4, 10**5, 10**6):
        rows.append(_sweep(n))
    sizes = [r for r in rows if r["method"] == "gibbs sweep"]
    keep(
        "assignment_steps",
        rows,
        {
            "default against categorical-gibbs, effective draws per second": (
                worth["default"] / worth["categorical-gibbs"],
                500,
            ),
            "gibbs against 90 effective draws per second": (worth["gibbs"] / 90, 1),
            "linear growth of a sweep from 10^4 to 10^6 (1 / exponent)": (
                1 / growth([r["n"] for r in sizes], [r["seconds_per_sweep"] for r in sizes]),
                0.95,
            ),
        },
    )


def _default(seed):
    """The default sampler's effective draws per second, tuning included, of the worst parameter."""
    given = start(post_sample(1000), chains=4)
    tree = draw_posterior(given.sample, given.priors, given.em, random_stream(seed, "default"))
    ess = min(
        float(values.min())
        for values in az.ess(tree["posterior"].to_dataset()[["w", "mu", "sigma"]]).data_vars.values()
    )
    return {"method": "default", "n": 1000, "ess": ess, "ess_per_second": ess / tree.attrs["seconds"]}


def _sweep(n, sweeps=20):
    """Seconds a sweep of the whole latent model takes at N = n, NUTS included."""
    sample, priors, _, starts = start(post_sample(n), chains=1, em_starts=1)
    tree = sample_posterior(
        build_model(sample, priors, latent=True),
        sample,
        starts,
        random_stream(1, "sweep"),
        sweeps,
        sweeps,
        progressbar=False,
    )
    # a sweep's cost is that of its leapfrog steps, whose number tuning decides
    leapfrogs = float(tree["sample_stats"]["n_steps"].mean())
    return {
        "method": "gibbs sweep",
        "n": n,
        "seconds_per_sweep": tree.attrs["seconds"] / (2 * sweeps),
        "leapfrogs": leapfrogs,
    }


if __name__ == "__main__":
    main()
