"""Names for the components of a posterior in which they have none."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from mixture.components import Components, membership_probabilities
from mixture.data.sample import Sample

COINCIDE, DIFFER = 0.5, 0.25  # means closer than half the smaller sd, and log sds further apart than this
MOST_ROWS = 500  # of the sample, to match the components by


def match_components(draws: Components, costs: np.ndarray) -> Components:
    """Reorder the components of each draw so that the sum of their costs is smallest (Hungarian algorithm).

    Parameters
    ----------
    draws : Components, shape (S, K)
    costs : ndarray, shape (S, K, K)
        Of giving name k to component l: costs[s, k, l].

    Returns
    -------
    Components, shape (S, K)
    """
    order = np.array([linear_sum_assignment(cost)[1] for cost in costs])
    return draws.map(lambda values: np.take_along_axis(values, order, axis=-1))


def name_components(draws: Components, pivot: Components, sample: Sample) -> tuple[Components, str]:
    """Sort by mean, or, where means coincide, name by the observations that belong to each component.

    By mean, two components with one center and different spreads would swap
    names at random. They are matched to those of a pivot instead, by the
    members that they share (equivalence classes representatives, Papastamoulis
    & Iliopoulos 2010), with the Hungarian assignment.

    Parameters
    ----------
    draws : Components, shape (chain, draw, K)
    pivot : Components, shape (K,)
        The largest mode.
    sample : Sample

    Returns
    -------
    draws : Components, shape (chain, draw, K)
    named_by : {"mean", "members"}
    """
    close = np.diff(pivot.means) < COINCIDE * np.minimum(pivot.sds[1:], pivot.sds[:-1])
    if not np.any(close & (np.abs(np.diff(np.log(pivot.sds))) > DIFFER)):
        return draws.sorted(), "mean"
    rows = sample.rows(np.linspace(0, len(sample.count) - 1, min(MOST_ROWS, len(sample.count))).astype(int))
    flat = draws.map(lambda values: values.reshape(-1, values.shape[-1]))
    own = membership_probabilities(rows, *pivot) * rows.count[:, None]
    pieces = np.array_split(np.arange(len(flat.weights)), max(1, len(flat.weights) // 500))
    matched = [_by_members(flat.map(lambda values, some=some: values[some]), own, rows) for some in pieces]
    joined = Components(*map(np.concatenate, zip(*matched, strict=True)))
    order = np.lexsort((joined.sds.mean(axis=0), joined.means.mean(axis=0)))
    return joined.map(lambda values: values[:, order].reshape(draws.weights.shape)), "members"


def _by_members(draws, own, rows):
    shared = np.einsum("nk,snl->skl", own, membership_probabilities(rows, *draws))
    return match_components(draws, -shared)
