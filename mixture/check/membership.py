"""Which component a value belongs to, and how sure the posterior is."""

import contextlib
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr
from arviz_stats.base import array_stats
from numpy.typing import ArrayLike
from scipy import special

from mixture.atomic import write_atomically
from mixture.bayes.draws import posterior_draws
from mixture.components import Components, membership_probabilities
from mixture.data.sample import Sample
from mixture.data.source import keep_numbers, open_column

VISIBLE = 0.001  # a difference of probabilities that a figure and a percentage can show


def summarise_memberships(values: Sample | ArrayLike, draws: Components, interval: float = 0.95) -> pd.DataFrame:
    """Membership probabilities and their uncertainty over the posterior.

    Parameters
    ----------
    values : Sample or array_like, shape (N,)
        The sample, or new values.
    draws : Components, shape (S, K)
    interval : float
        Probability inside the highest-density interval.

    Returns
    -------
    pandas.DataFrame
        One row a value (or cell, with its lower, upper and count): for each
        component k, from 1, the posterior mean p_k and limits p_k_low, p_k_high;
        entropy of the means (natural log).
    """
    sample = values if isinstance(values, Sample) else Sample.of_values(values)
    share = []
    for rows in np.array_split(np.arange(len(sample.count)), max(1, len(sample.count) // 500)):
        probability = membership_probabilities(sample.rows(rows), *draws)
        bounds = array_stats.hdi(probability, interval, axis=0)
        share.append(np.stack([probability.mean(axis=0), bounds[..., 0], bounds[..., 1]]))
    mean, low, high = np.concatenate(share, axis=1)
    columns = {}
    for k in range(mean.shape[1]):
        name = f"p_{k + 1}"
        columns |= {name: mean[:, k], f"{name}_low": low[:, k], f"{name}_high": high[:, k]}
    frame = sample.frame().drop(columns="component", errors="ignore")
    return frame.assign(**columns, entropy=special.entr(mean).sum(axis=1))


def unsure_share(membership: pd.DataFrame, sample: Sample) -> float:
    """The share of observations without a component of probability 0.9 or more.

    Parameters
    ----------
    membership : pandas.DataFrame
        From `summarise_memberships` of the sample.
    sample : Sample
    """
    means = membership[[name for name in membership if name.startswith("p_") and name[2:].isdigit()]]
    return float(np.average(means.max(axis=1) < 0.9, weights=sample.count))


def means_outside(membership: pd.DataFrame, sample: Sample) -> tuple[float, float]:
    """The share of observations with a mean probability visibly outside its interval, and the largest distance to one.

    The highest-density interval of a very skewed probability is so short that it can leave the mean
    out; by less than `VISIBLE` it often does where a component is all but impossible.

    Parameters
    ----------
    membership : pandas.DataFrame
        From `summarise_memberships` of the sample.
    sample : Sample
    """
    names = [name for name in membership if name.startswith("p_") and name[2:].isdigit()]
    mean, low, high = (membership[[name + end for name in names]].to_numpy() for end in ("", "_low", "_high"))
    beyond = np.maximum(low - mean, mean - high).max(axis=1)
    return float(np.average(beyond > VISIBLE, weights=sample.count)), float(beyond.max())


def save_memberships(membership: pd.DataFrame, folder: str | os.PathLike) -> None:
    """Write membership.parquet, and membership.csv for a spreadsheet: the same to six decimals of a probability."""
    write_atomically(f"{folder}/membership.parquet", membership.to_parquet)
    decimals = {name: 6 for name in membership if name.startswith("p_") or name == "entropy"}
    write_atomically(f"{folder}/membership.csv", lambda path: membership.round(decimals).to_csv(path, index=False))


def write_memberships(
    data: str,
    column: str | None,
    tree: xr.DataTree,
    path: str | os.PathLike,
    interval: float = 0.95,
    missing: str = "refuse",
) -> None:
    """Membership probabilities for every row of a file, streamed to Parquet in bounded memory.

    The probabilities are smooth in the value, so they are computed at 20,000
    points over its range and interpolated between them.

    Parameters
    ----------
    data, column, missing :
        As in `mixture.data.read.read_column`.
    tree : xarray.DataTree
        With a posterior group.
    path : path-like
        Of the Parquet file: value, and p_k, p_k_low, p_k_high for each component k.
    interval : float
        Probability inside the highest-density interval.
    """
    source = open_column(data, column)
    draws = posterior_draws(tree).thin(1000)
    reach = draws[1].min() - 40 * draws[2].max(), draws[1].max() + 40 * draws[2].max()
    near = np.linspace(draws[1].min() - 8 * draws[2].max(), draws[1].max() + 8 * draws[2].max(), 20_000)
    curve = summarise_memberships(np.concatenate([[reach[0]], near, [reach[1]]]), draws, interval)
    names = [name for name in curve.columns if name.startswith("p_")]

    def write(part):
        with contextlib.ExitStack() as stack:
            out = None
            for values in source.batches():
                values, _ = keep_numbers(values, source.name, missing)
                table = pa.table({"value": values, **{n: np.interp(values, curve["value"], curve[n]) for n in names}})
                out = out or stack.enter_context(pq.ParquetWriter(part, table.schema))
                out.write_table(table)

    write_atomically(path, write)
