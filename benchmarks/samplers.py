"""Effective draws per second of our fit against PyMC's NUTS, nutpie and NumPyro, and EM's time beside them.

Claims: with compilation on warm caches, each fit in a fresh process, at least
as good as the best of them at N = 100 and 1000, 3 times at 10^4 and 20 times at 10^5.
A peer that would take longer than `PATIENCE` seconds at the next N stands out
there: it would do no better than it did at the one before, times the growth of N.
"""

import time

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm

from benchmarks.results import draw_growth, in_own_process, keep
from benchmarks.samples import plain_model, post_sample, start
from mixture.bayes.fit import draw_posterior
from mixture.data.cells import choose_likelihood
from mixture.data.simulate import random_stream
from mixture.em import fit_em

SIZES = {100: 1, 10**3: 1, 10**4: 3, 10**5: 20}  # N, and how many times the best peer is wanted
PEERS = ("pymc", "nutpie", "numpyro")
PATIENCE = 300.0
NAMES = ["w", "mu", "sigma"]


def our_fit(sample, seed):
    """What notebook 2 does: a pilot EM, the likelihood that costs least, and the sampler that `auto` takes."""
    pilot = fit_em(sample.take(5000, random_stream(seed, "pilot")), 2, random_stream(seed, "pilot"))
    given = start(choose_likelihood(sample, pilot.sds.min(), "auto")[0], chains=4)
    return draw_posterior(given.sample, given.priors, given.em, random_stream(seed, "gibbs"))


def peer_fit(sample, sampler, seed):
    """pm.sample with its defaults and another sampler."""
    with plain_model(sample):
        return pm.sample(
            nuts_sampler=sampler,
            chains=4,
            random_seed=seed,
            progressbar=False,
            quiet=True,
            initvals={"mu": np.array([145.0, 210.0])},
            compute_convergence_checks=False,
        )


def measure(fit, n, seed):
    """Seconds of a fit in this process, compilation included, and effective draws of the worst parameter."""
    sample = post_sample(n)
    begun = time.perf_counter()
    if fit == "EM":
        fit_em(sample, 2, random_stream(seed, "em"))
        return {"seconds": time.perf_counter() - begun}
    tree = our_fit(sample, seed) if fit == "ours" else peer_fit(sample, fit, seed)
    seconds = time.perf_counter() - begun
    ess = min(float(values.min()) for values in az.ess(tree, var_names=NAMES).data_vars.values())
    return {"seconds": seconds, "ess": ess, "ess_per_second": ess / seconds}


def fits(fit, repeats):
    """A row for each N, medians over so many seeds."""
    rows, patient = [], True
    for n in SIZES:
        if patient:
            runs = [in_own_process(measure, fit, n, seed)[0] for seed in range(1, repeats[n] + 1)]
            measured = pd.DataFrame(runs).median()
            rows.append({"fit": fit, "n": n, **measured, "measured_at": n})
            patient = fit in ("ours", "EM") or 10 * measured["seconds"] < PATIENCE
        else:
            rows.append(
                {
                    **rows[-1],
                    "n": n,
                    "seconds": 10 * rows[-1]["seconds"],
                    "ess_per_second": rows[-1]["ess_per_second"] / 10,
                }
            )
    return rows


def main():
    repeats = {100: 3, 10**3: 3, 10**4: 3, 10**5: 1}
    for fit in ("ours", *PEERS):
        in_own_process(measure, fit, 300, 1)  # warms the caches
    rows = [row for fit in ("ours", *PEERS, "EM") for row in fits(fit, repeats)]
    worth = {(row["fit"], row["n"]): row.get("ess_per_second") for row in rows}
    keep(
        "samplers",
        rows,
        {
            f"effective draws per second against the best peer, N = {n:,}": (
                worth["ours", n] / max(worth[peer, n] for peer in PEERS),
                wanted,
            )
            for n, wanted in SIZES.items()
        },
    )
    draw_growth(
        "samplers",
        [row for row in rows if row["fit"] != "EM"],
        "fit",
        "What a second is worth, compilation included",
        "ess_per_second",
        "effective draws of the worst parameter",
    )


if __name__ == "__main__":
    main()
