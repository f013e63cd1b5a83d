"""Evaluate the Stan program by Stan itself, at random points of every posterior, into stan_density.json.

Needs httpstan and a C++ compiler, which nothing else here does: `pip install httpstan`, then `python evaluate_stan.py`.
A test holds the density that our sampler moves on against these numbers, and the program against their hash.
"""

import asyncio
import hashlib
import importlib.metadata
import json
import math
import random
import zipfile
from pathlib import Path

from httpstan import models

FOLDER, MODEL = Path(__file__).resolve().parent, "normal_mixture_ordered"
POINTS, SEED = 6, 20160508


def read_data(path):
    """The data of a posterior."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(path.stem))


def plausible_point(data, rng):
    """Unconstrained coordinates of components within the sample: K - 1 of weights, K of means, K of sds."""
    k, values = data["K"], sorted(rng.sample(data["y"], data["K"]))
    spread = max(data["y"]) - min(data["y"])
    gaps = [max(after - before, 1e-3 * spread) for before, after in zip(values, values[1:])]
    means = [values[0], *(random_log(gap, rng) for gap in gaps)]
    return [rng.gauss(0, 1) for _ in range(k - 1)] + means + [random_log(spread / (4 * k), rng) for _ in range(k)]


def random_log(scale, rng):
    """The logarithm of a number about as large as `scale`."""
    return math.log(scale) + rng.gauss(0, 0.5)


def main():
    program = FOLDER / "models" / "stan" / f"{MODEL}.stan"
    code, rng, rows = program.read_text(encoding="utf-8"), random.Random(SEED), []
    name = models.calculate_model_name(code)
    try:
        module = models.import_services_extension_module(name)
    except KeyError:
        asyncio.run(models.build_services_extension_module(code))
        module = models.import_services_extension_module(name)
    for path in sorted((FOLDER / "data" / "data").glob("*.json.zip")):
        data = read_data(path)
        for _ in range(POINTS):
            point = plausible_point(data, rng)
            density = module.log_prob(data, point, False)  # of weights, means and sds: no Jacobian
            values = module.write_array(data, point, True, True)
            rows.append({"data": path.name.partition(".")[0], "values": list(values), "log_density": density})
    content = {
        "program_sha256": hashlib.sha256(program.read_bytes()).hexdigest(),
        "httpstan": importlib.metadata.version("httpstan"),
        "columns": "w[1..K], mu[1..K], sigma[1..K]; log density up to a constant of each posterior's own",
        "rows": rows,
    }
    (FOLDER / "stan_density.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
