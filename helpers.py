"""The words that two or more notebooks of the chain share: what they read from the run folder, and the known truth."""

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any

import pandas as pd
import xarray as xr

from mixture.atomic import read_from, read_json
from mixture.components import Components, sort_components
from mixture.data.sample import Sample

# Which notebook writes what the others read.
WRITER = {"sample.parquet": 1, "components.json": 2, "posterior.nc": 2, "verdict.json": 3}


def _load(run_dir, name, read):
    return read_from(run_dir, name, read, f"run notebook {WRITER[name]} first, which writes it")


def load_sample(run_dir: str | os.PathLike) -> Sample:
    """The `Sample` in sample.parquet; FileNotFoundError says which notebook makes it."""
    return Sample.of_frame(_load(run_dir, "sample.parquet", pd.read_parquet))


def load_components(run_dir: str | os.PathLike) -> dict[str, Any]:
    """The dict in components.json; errors as `load_sample`."""
    return _load(run_dir, "components.json", read_json)


def load_posterior(run_dir: str | os.PathLike) -> xr.DataTree:
    """The DataTree in posterior.nc, in memory so that the file is free to be replaced; errors as `load_sample`."""

    def read(path):
        with xr.open_datatree(path, engine="netcdf4") as tree:
            return tree.load()

    return _load(run_dir, "posterior.nc", read)


def load_verdict(run_dir: str | os.PathLike) -> dict[str, Any]:
    """The dict in verdict.json; errors as `load_sample`."""
    return _load(run_dir, "verdict.json", read_json)


def known_truth(
    sample: Sample, n_components: int, weights: Sequence[float], means: Sequence[float], sds: Sequence[float]
) -> Components | None:
    """The components that the sample was drawn from, by increasing mean, or None.

    Parameters
    ----------
    sample : Sample
    n_components : int
        Of the fit: with another number there is nothing to compare.
    weights, means, sds : sequence of float
        As in the parameters.

    Returns
    -------
    Components or None
    """
    return sort_components(weights, means, sds) if sample.simulated and len(means) == n_components else None


def print_versions(*packages: str) -> None:
    """Print which versions of packages are at work, a line each."""
    for package in packages:
        print(package, importlib.metadata.version(package))
