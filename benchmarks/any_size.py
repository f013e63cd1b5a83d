"""The grouped likelihood against PyMC's own fit of the exact one, and the one pass against merely reading.

Claims: sampling at N = 10^8 takes at most 1.5 times as long as at 10^3; the
whole fit, compile on warm caches included, is 20 times faster than `pm.sample`
with its defaults at N = 10^5 and 150 times at 10^6, sampling alone 50 and 400
times; the pass over a Parquet file of 10^8 rows takes at most 3 times as long
as reading the column. A peer's time beyond `PATIENCE` is extrapolated
linearly from the largest N that it managed, and said so.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pymc as pm

from benchmarks.results import keep
from benchmarks.samples import TRUTH, post_sample, start
from helpers import build_model, choose_likelihood, random_stream, read_sample, sample_posterior, simulate_mixture
from mixture.cells import simulate_cells

PATIENCE = 600.0  # seconds a peer may sample


def grouped_fit(sample):
    """One fit in cells, from the sample to the draws: seconds in all and in sampling."""
    begun = time.perf_counter()
    given = start(choose_likelihood(sample, 10.0, "grouped" if sample.exact else "auto")[0], chains=4)
    tree = sample_posterior(build_model(given.sample, given.priors), given.sample, given.starts, random_stream(1, "nuts"),
                            sampler="nutpie", progressbar=False)
    return {"seconds": time.perf_counter() - begun, "sampling": tree.attrs["seconds"]}


def plain_fit(sample, draws=1000):
    """What a user of PyMC would write, exact and with its defaults: seconds in all and in sampling."""
    begun = time.perf_counter()
    with pm.Model():
        w = pm.Dirichlet("w", np.ones(2))
        mu = pm.Normal("mu", [145, 210], tau=[0.01, 0.02], transform=pm.distributions.transforms.ordered)
        sigma = pm.Uniform("sigma", 0, 100, shape=2)
        pm.NormalMixture("x", w, mu, sigma=sigma, observed=sample.value)
        tree = pm.sample(draws, tune=draws, chains=4, nuts_sampler="pymc", random_seed=1, progressbar=False,
                         initvals={"mu": np.array([145.0, 210.0])}, compute_convergence_checks=False)
    return {"seconds": time.perf_counter() - begun, "sampling": tree["posterior"].attrs["sampling_time"]}


def one_pass(rows_wanted):
    """Seconds to read a Parquet column and to count it, in turn, and the peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "values.parquet"
        with pq.ParquetWriter(file, pa.schema([("x", pa.float64())])) as writer:
            for i in range(rows_wanted // 1_000_000):
                values, _ = simulate_mixture(1_000_000, *TRUTH, random_stream(i, "file"))
                writer.write_table(pa.table({"x": values}), row_group_size=1_000_000)
        found = {"read": [], "count": []}
        for _ in range(5):
            begun = time.perf_counter()
            assert sum(map(len, ds.dataset(file).to_batches(columns=["x"]))) == rows_wanted
            found["read"].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            assert read_sample(str(file), progress=False)[0].n == rows_wanted
            found["count"].append(time.perf_counter() - begun)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {name: float(np.median(seconds)) for name, seconds in found.items()} | {"peak_MiB": peak}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10**8, help="of the file for the one pass")
    parser.add_argument("--largest", type=int, default=10**5, help="largest N that the peer really fits")
    wanted = parser.parse_args()
    grouped_fit(simulate_cells(10**4, *TRUTH, random_stream(1, "warm")))
    plain_fit(post_sample(1000), draws=50)
    rows, ours, theirs, last = [], {}, {}, 0
    for n in (10**3, 10**5, 10**6, 10**8):
        sample = simulate_cells(n, *TRUTH, random_stream(1, "s"))
        runs = [grouped_fit(sample) for _ in range(3)]
        ours[n] = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        rows.append({"fit": "grouped, nutpie", "n": n, **ours[n]})
    for n in (10**4, 10**5, 10**6):
        if n <= wanted.largest and (not last or 10 * theirs[last]["sampling"] < PATIENCE):
            last, theirs[n] = n, plain_fit(post_sample(n))
            rows.append({"fit": "exact, pm.sample", "n": n, **theirs[n]})
        else:
            theirs[n] = {key: seconds * n / last for key, seconds in theirs[last].items()}
            rows.append({"fit": f"exact, pm.sample, extrapolated from {last}", "n": n, **theirs[n]})
    passing = one_pass(wanted.rows)
    rows.append({"pass": "one pass over Parquet", "n": wanted.rows, **passing})
    keep("any_size", rows, {
        "sampling at 10^3 against 10^8, times 1.5": (1.5 * ours[10**3]["sampling"] / ours[10**8]["sampling"], 1),
        "whole fit at 10^5 against pm.sample": (theirs[10**5]["seconds"] / ours[10**5]["seconds"], 20),
        "whole fit at 10^6 against pm.sample": (theirs[10**6]["seconds"] / ours[10**6]["seconds"], 150),
        "sampling at 10^5 against pm.sample": (theirs[10**5]["sampling"] / ours[10**5]["sampling"], 50),
        "sampling at 10^6 against pm.sample": (theirs[10**6]["sampling"] / ours[10**6]["sampling"], 400),
        "merely reading against the pass, times 3": (3 * passing["read"] / passing["count"], 1),
        "2 GiB against peak memory": (2048 / passing["peak_MiB"], 1)})


if __name__ == "__main__":
    os.environ.setdefault("MIXTURE_CORES", "2")
    main()
