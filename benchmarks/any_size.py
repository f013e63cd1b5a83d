"""The report's own fit, in cells where these are cheaper, against PyMC's own fit of the exact one, and the one pass against merely reading.

Claims: what the report does by default takes, at N = 10^8, at most 1.2 times its sampling at 10^3; the
whole fit, compile on warm caches included, is 20 times faster than `pm.sample`
with its defaults at N = 10^5 and 150 times at 10^6, sampling alone 50 and 400
times; the pass over a Parquet file of 10^8 rows takes at most 3 times as long
as reading the column. NumPyro fits the same exact model as a second peer. A
peer's time beyond `PATIENCE` is extrapolated linearly from the largest N that
it managed, and said so.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pymc as pm

from benchmarks.results import draw_growth, in_own_process, keep
from benchmarks.samples import TRUTH, plain_model, post_sample, start
from mixture.bayes.fit import draw_posterior
from mixture.data.cells import choose_likelihood
from mixture.data.read import read_sample
from mixture.data.simulate import random_stream, simulate_cells, simulate_mixture

PATIENCE = 600.0  # seconds a peer may sample
OURS = "ours, by default"
PEERS = {"pymc": "exact, pm.sample", "numpyro": "exact, NumPyro"}


def own_fit(sample):
    """One fit as the report does it by default, from the sample to the draws: seconds in all and in sampling."""
    begun = time.perf_counter()
    given = start(choose_likelihood(sample, 10.0, "auto")[0], chains=4)
    tree = draw_posterior(given.sample, given.priors, given.em, random_stream(1, "gibbs"))
    return {"seconds": time.perf_counter() - begun, "sampling": tree.attrs["seconds"]}


def plain_fit(sample, sampler="pymc", draws=1000):
    """What a user of PyMC would write, exact and with its defaults: seconds in all and in sampling."""
    begun = time.perf_counter()
    with plain_model(sample):
        tree = pm.sample(
            draws,
            tune=draws,
            chains=4,
            nuts_sampler=sampler,
            random_seed=1,
            progressbar=False,
            initvals={"mu": np.array([145.0, 210.0])},
            compute_convergence_checks=False,
        )
    return {"seconds": time.perf_counter() - begun, "sampling": tree["posterior"].attrs["sampling_time"]}


def one_pass(rows_wanted):
    """Seconds to read a Parquet column and to count it, in turn."""
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
    return {name: float(np.median(seconds)) for name, seconds in found.items()}


def peer_fits(sampler, largest):
    """A row for each N: the peer's own time while it is patient, beyond that extrapolated."""
    plain_fit(post_sample(1000), sampler, draws=50)  # the first calls compile
    rows = []
    for n in (10**3, 10**4, 10**5, 10**6):
        last = rows[-1] if rows else None
        patient = n <= largest and (last is None or 10 * last["sampling"] < PATIENCE)
        if patient:
            rows.append({"fit": PEERS[sampler], "n": n, **plain_fit(post_sample(n), sampler), "measured_at": n})
        else:
            grown = {key: last[key] * n / last["n"] for key in ("seconds", "sampling")}
            rows.append({**last, "n": n, **grown})
    return rows


def own_fits():
    """A row for each N: the median of three fits, the sizes in turn so that a slow minute hits all."""
    samples = {n: post_sample(n) for n in (10**3, 10**4, 10**5)}
    samples |= {n: simulate_cells(n, *TRUTH, random_stream(1, "s")) for n in (10**6, 10**8)}
    own_fit(samples[10**4])  # the first call compiles
    runs = pd.DataFrame([{"n": n, **own_fit(sample)} for _ in range(3) for n, sample in samples.items()])
    medians = runs.groupby("n").median().reset_index()
    return [
        {"fit": OURS, **row, "n": int(row["n"]), "measured_at": int(row["n"])} for row in medians.to_dict("records")
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10**8, help="of the file for the one pass")
    parser.add_argument("--largest", type=int, default=10**5, help="largest N that the peers really fit")
    wanted = parser.parse_args()
    fits, fit_peak = in_own_process(own_fits)
    passing, pass_peak = in_own_process(one_pass, wanted.rows)
    fits += [row for sampler in PEERS for row in in_own_process(peer_fits, sampler, wanted.largest)[0]]
    time_of = {(row["fit"], row["n"]): row for row in fits}

    def faster(n, key, peer="pymc"):
        return time_of[PEERS[peer], n][key] / time_of[OURS, n][key]

    growth = time_of[OURS, 10**8]["sampling"] / time_of[OURS, 10**3]["sampling"]
    keep(
        "any_size",
        [
            *fits,
            {"pass": "one pass over Parquet", "n": wanted.rows, **passing},
            {"peak_MiB of": "all fits of ours", "peak_MiB": fit_peak},
            {"peak_MiB of": "the pass", "peak_MiB": pass_peak},
        ],
        {
            "sampling at 10^3 against 10^8, times 1.2": (1.2 / growth, 1),
            "whole fit at 10^5 against pm.sample": (faster(10**5, "seconds"), 20),
            "whole fit at 10^6 against pm.sample": (faster(10**6, "seconds"), 150),
            "sampling at 10^5 against pm.sample": (faster(10**5, "sampling"), 50),
            "sampling at 10^6 against pm.sample": (faster(10**6, "sampling"), 400),
            "whole fit at 10^5 against NumPyro": (faster(10**5, "seconds", "numpyro"), 20),
            "merely reading against the pass, times 3": (3 * passing["read"] / passing["count"], 1),
            "2 GiB against peak memory": (2048 / max(fit_peak, pass_peak), 1),
        },
    )
    draw_growth("any_size", fits, "fit", "Seconds of the whole fit, compile on warm caches included")


if __name__ == "__main__":
    os.environ.setdefault("MIXTURE_CORES", "2")
    main()
