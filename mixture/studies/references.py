"""Reference posteriors of hard mixtures in the form of posteriordb (Magnusson et al. 2024), and how they are made.

reference
    ten chains of 1,000 draws, so far apart that they are as good as independent; checked as posteriordb checks its own

`make references` runs this module; it writes all of references/ but the Stan program and the check against Stan.
"""

import argparse
import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from arviz_stats.base import array_stats

from mixture.atomic import write_atomically, write_json
from mixture.bayes.draws import posterior_draws
from mixture.bayes.gibbs import sample_by_gibbs
from mixture.bayes.target import Target
from mixture.components import NAMES, Components
from mixture.data.simulate import random_stream
from mixture.em import fit_em_proper
from mixture.studies.hard_samples import BY_NAME, HARD, HardSample
from mixture.studies.stored import ROOT, keep_study

FOLDER, MODEL = ROOT / "references", "normal_mixture_ordered"
CHAINS, DRAWS, SEED = 10, 1000, 20160508
SPACINGS = (20, 40, 80, 160)  # draws of the sampler to one of a reference: the first with which all checks pass
ESS_BOUNDS, RHAT_LIMIT, LAG1_LIMIT = (8942, 11058), 1.01, 0.05  # posteriordb's
MOST_OPERATIONS = 1e11  # of a chain: a run is not to be cut short
ADDED = "2026-11-26"
DIGITS = 7  # significant, of a stored draw: its rounding is far below any Monte Carlo error
TITLES = {
    "galaxies": ("Velocities of galaxies in the Corona Borealis region, 1000 km/s", ["roeder1990density"]),
    "faithful": ("Minutes to the next eruption of the Old Faithful geyser", ["azzalini1990faithful"]),
    "three_clusters": ("Three clusters of 60 Normal quantiles at -10, 0 and 10", []),
}


# -- draws ------------------------------------------------------------------------------------


def draw_reference(
    hard: HardSample, spacing: int, chains: int = CHAINS, draws: int = DRAWS, seed: int = SEED
) -> Components:
    """Draws from the posterior, `spacing` draws of the sampler apart, components by increasing mean.

    Returns
    -------
    Components, shape (chains, draws, K)
    """
    sample, rng = hard.sample, random_stream(seed, f"reference {hard.name} {spacing}")
    em = fit_em_proper(sample, hard.k, rng)
    tree = sample_by_gibbs(sample, hard.priors, em, rng, chains, draws * spacing, most_operations=MOST_OPERATIONS)
    return posterior_draws(tree).sorted().map(lambda values: values[:, spacing - 1 :: spacing])


def by_parameter(draws: Components) -> dict[str, np.ndarray]:
    """Each number of a mixture by Stan's name for it, "mu[1]" the smallest mean; shape (chain, draw) each."""
    return {
        f"{name}[{k + 1}]": values[..., k]
        for name, values in zip(NAMES, draws, strict=True)
        for k in range(values.shape[-1])
    }


def components_of(draws: dict[str, np.ndarray]) -> Components:
    """The inverse of `by_parameter`: shape (chain, draw, K)."""
    k = len(draws) // len(NAMES)
    return Components(*(np.stack([draws[f"{name}[{i + 1}]"] for i in range(k)], axis=-1) for name in NAMES))


def diagnose(draws: dict[str, np.ndarray]) -> dict[str, Any]:
    """What posteriordb records of draws, parameter by parameter.

    Parameters
    ----------
    draws : dict of str to ndarray, shape (chain, draw)

    Returns
    -------
    dict
        As the `diagnostics` of a posteriordb info; those of HMC are None.
    """
    values = list(draws.values())
    return {
        "diagnostic_information": {"names": list(draws)},
        "ndraws": values[0].size,
        "nchains": len(values[0]),
        "effective_sample_size_bulk": [float(array_stats.ess(each, method="bulk")) for each in values],
        "effective_sample_size_tail": [
            float(array_stats.ess(each, method="tail", prob=(0.05, 0.95))) for each in values
        ],
        "r_hat": [float(array_stats.rhat(each)) for each in values],
        "divergent_transitions": None,
        "expected_fraction_of_missing_information": None,
        "mean_lag1_ac": [float(np.mean([_lag1(chain) for chain in each])) for each in values],
    }


def _lag1(chain):
    away = chain - chain.mean()
    return away[1:] @ away[:-1] / (away @ away)


def checks(diagnostics: dict[str, Any]) -> dict[str, bool | None]:
    """Whether draws pass, as the `checks_made` of a posteriordb info; None where a check is of HMC alone."""
    sizes = np.array([diagnostics[f"effective_sample_size_{part}"] for part in ("bulk", "tail")])
    return {
        "ndraws_is_10k": diagnostics["ndraws"] == 10_000,
        "nchains_is_gte_4": diagnostics["nchains"] >= 4,
        "ess_within_bounds": bool((sizes >= ESS_BOUNDS[0]).all() and (sizes <= ESS_BOUNDS[1]).all()),
        "r_hat_below_1_01": max(diagnostics["r_hat"]) < RHAT_LIMIT,
        "efmi_above_0_2": None,
        "abs_mean_lag1_ac_below_0_05": max(map(abs, diagnostics["mean_lag1_ac"])) < LAG1_LIMIT,
    }


def expect(draws: dict[str, np.ndarray], power: int = 1) -> tuple[list[float], list[float]]:
    """Means of the parameters' powers, and their Monte Carlo standard errors."""
    values = [each**power for each in draws.values()]
    return [float(each.mean()) for each in values], [float(array_stats.mcse(each, method="mean")) for each in values]


# -- files ------------------------------------------------------------------------------------


def stan_data(hard: HardSample) -> dict[str, Any]:
    """What the Stan program is given: the values, K, and the default priors."""
    sample, priors = hard.sample, hard.priors
    floor = np.exp(Target.of(sample, priors).prior[-1]) * sample.sd()
    return {
        "N": sample.n,
        "y": sample.value.tolist(),
        "K": hard.k,
        "mean_center": float(priors.mean_center[0]),
        "mean_scale": float(priors.mean_precision[0] ** -0.5),
        "sd_median": priors.sd_scale,
        "sd_floor": float(floor),
        "concentration": priors.weight_concentration,
    }


def write_zipped(path: Path, content: Any) -> None:
    """JSON in a zip file, the same bytes for the same content."""
    entry = zipfile.ZipInfo(path.stem, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16

    def write(part):
        with zipfile.ZipFile(part, "w") as archive:
            archive.writestr(entry, json.dumps(content), zipfile.ZIP_DEFLATED, 9)

    write_atomically(path, write)


def read_zipped(path: Path) -> Any:
    """What `write_zipped` wrote."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(path.stem))


def posterior_name(hard: HardSample) -> str:
    """As posteriordb has it: of the data and of the model."""
    return f"{hard.name}-{MODEL}"


def write_reference(
    hard: HardSample, draws: dict[str, np.ndarray], spacing: int, folder: Path = FOLDER
) -> dict[str, Any]:
    """Write a posterior's data, description, draws and summaries.

    Parameters
    ----------
    hard : HardSample
    draws : dict of str to ndarray, shape (chain, draw)
    spacing : int
        As in `draw_reference`.
    folder : Path

    Returns
    -------
    dict
        The draws' info.
    """
    name, (title, sources) = posterior_name(hard), TITLES[hard.data]
    added = {"added_by": "the project", "added_date": ADDED}
    write_zipped(folder / "data" / "data" / f"{hard.name}.json.zip", stan_data(hard))
    about = {"name": hard.name, "title": f"{title}; {hard.k} components", "description": title, "keywords": ["mixture"]}
    about |= {"urls": [], "references": sources, "data_file": f"data/data/{hard.name}.json", **added}
    write_json(folder / "data" / "info" / f"{hard.name}.info.json", about, end="\n")
    posterior = {
        "name": name,
        "keywords": ["mixture", "multimodal"],
        "urls": [],
        "model_name": MODEL,
        "data_name": hard.name,
    }
    posterior |= {"reference_posterior_name": name, "references": sources, **added}
    write_json(
        folder / "posteriors" / f"{name}.json", posterior | {"dimensions": dict.fromkeys(NAMES, hard.k)}, end="\n"
    )
    stored = {parameter: _rounded(values) for parameter, values in draws.items()}
    chains = [
        {parameter: values[c].tolist() for parameter, values in stored.items()} for c in range(len(stored["mu[1]"]))
    ]
    place, diagnostics = folder / "reference_posteriors", diagnose(stored)
    write_zipped(place / "draws" / "draws" / f"{name}.json.zip", chains)
    info = {"name": name, "inference": _inference(spacing, diagnostics), "diagnostics": diagnostics}
    info |= {"checks_made": checks(diagnostics), "comments": COMMENT, **added, "versions": None}
    write_json(place / "draws" / "info" / f"{name}.info.json", info, end="\n")
    for power, summary in ((1, "mean_value"), (2, "mean_squared_value")):
        means, errors = expect(stored, power)
        values = {"names": list(stored), summary: means, "mcse_mean": errors}
        write_json(place / "summary_statistics" / summary / summary / f"{name}.json", values, end="\n")
        write_json(place / "summary_statistics" / summary / "info" / f"{name}.info.json", info, end="\n")
    return info


COMMENT = (
    "Not by HMC, which can stay in one mode, but by Gibbs sampling with jumps between modes: divergences and E-FMI are "
    "null. Components by increasing mean."
)


def _rounded(values):
    return np.array([[float(f"{value:.{DIGITS}g}") for value in chain] for chain in values])


def _inference(spacing, diagnostics):
    given = {"chains": diagnostics["nchains"], "draws": diagnostics["ndraws"] // diagnostics["nchains"]}
    return {"method": "gibbs_with_mode_jumps", "method_arguments": given | {"thin": spacing, "seed": SEED}}


@dataclass(frozen=True)
class Reference:
    """A stored reference.

    Attributes
    ----------
    draws : dict of str to ndarray, shape (chain, draw)
    info : dict
        As posteriordb has it.
    means, errors : dict of str to float
        Expected values, and their Monte Carlo standard errors.
    """

    draws: dict[str, np.ndarray]
    info: dict[str, Any]
    means: dict[str, float]
    errors: dict[str, float]


def read_reference(hard: HardSample, folder: Path = FOLDER) -> Reference:
    """The stored reference of a hard sample."""
    place, name = folder / "reference_posteriors", posterior_name(hard)
    chains = read_zipped(place / "draws" / "draws" / f"{name}.json.zip")
    info = json.loads((place / "draws" / "info" / f"{name}.info.json").read_text(encoding="utf-8"))
    found = json.loads(
        (place / "summary_statistics" / "mean_value" / "mean_value" / f"{name}.json").read_text(encoding="utf-8")
    )
    by_name = (dict(zip(found["names"], found[key], strict=True)) for key in ("mean_value", "mcse_mean"))
    return Reference(
        {parameter: np.array([chain[parameter] for chain in chains]) for parameter in chains[0]}, info, *by_name
    )


def errors_against(reference: Reference, draws: dict[str, np.ndarray]) -> dict[str, float]:
    """How far the means of other draws are from the reference's, in joint Monte Carlo standard errors, signed."""
    means, errors = expect(draws)
    return {
        name: (mean - reference.means[name]) / float(np.hypot(error, reference.errors[name]))
        for name, mean, error in zip(draws, means, errors, strict=True)
    }


def furthest_mean(reference: Reference, draws: dict[str, np.ndarray]) -> float:
    """The largest distance of a parameter's mean over draws from the reference's, in posterior sds."""
    return max(
        float(abs(values.mean() - reference.means[name]) / reference.draws[name].std())
        for name, values in draws.items()
    )


# -- all of them ------------------------------------------------------------------------------


def make_reference(hard: HardSample, folder: Path = FOLDER) -> dict[str, Any]:
    """Draw at growing spacings until all checks pass, and write the last; what the documents say of it.

    Chance alone can refuse a spacing: how many were tried is recorded.
    """
    for spacing in SPACINGS:
        draws = by_parameter(draw_reference(hard, spacing))
        made = checks(diagnose(draws))
        if all(passed is not False for passed in made.values()):
            break
    info = write_reference(hard, draws, spacing, folder)
    found, made = info["diagnostics"], info["checks_made"]
    sizes = found["effective_sample_size_bulk"] + found["effective_sample_size_tail"]
    return {
        "name": hard.name,
        "parameters": len(draws),
        "spacing": spacing,
        "spacings_tried": SPACINGS.index(spacing) + 1,
        "largest_r_hat": max(found["r_hat"]),
        "smallest_ess": min(sizes),
        "largest_ess": max(sizes),
        "largest_lag1": max(map(abs, found["mean_lag1_ac"])),
        "passed": all(passed is not False for passed in made.values()),
    }


def stan_program() -> Path:
    """The model in Stan."""
    return FOLDER / "models" / "stan" / f"{MODEL}.stan"


def stan_hash() -> str:
    """Of the Stan program, that what was once computed with it stays tied to it."""
    return hashlib.sha256(stan_program().read_bytes()).hexdigest()


def main(names: Sequence[str] | None = None) -> int:
    """Make all references, or those named, and store how they fared; 1 where a check failed."""
    parser = argparse.ArgumentParser(description="Make the reference posteriors anew.")
    parser.add_argument("names", nargs="*", default=[hard.name for hard in HARD], help=", ".join(BY_NAME))
    chosen = parser.parse_args(names).names
    rows = []
    for name in chosen:
        rows.append(make_reference(BY_NAME[name]))
        print(*(f"{key} {value}" for key, value in rows[-1].items()), sep="  ", flush=True)
    if len(rows) == len(HARD):
        keep_study("references", {"rows": rows})
    return 0 if all(row["passed"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
