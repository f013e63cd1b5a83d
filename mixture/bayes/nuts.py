"""Chains by nutpie's NUTS: where they start, how one runs, and what it cost. No PyMC here."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import arviz as az
import numpy as np
import nutpie
import xarray as xr
from nutpie.compiled_pyfunc import from_pyfunc

from mixture.bayes.draws import as_dataset
from mixture.bayes.priors import Priors
from mixture.components import Components, sort_components, stack_components

if TYPE_CHECKING:  # not at run time: it would bring scikit-learn along
    from mixture.em import EMFit

# What nutpie tells of each draw that PyMC does too, and PyMC's name for it.
STATS = {
    "mean_tree_accept": "acceptance_rate",
    "diverging": "diverging",
    "energy": "energy",
    "energy_error": "energy_error",
    "index_in_trajectory": "index_in_trajectory",
    "logp": "lp",
    "max_energy_error": "max_energy_error",
    "n_steps": "n_steps",
    "maxdepth_reached": "reached_max_treedepth",
    "step_size": "step_size",
    "step_size_bar": "step_size_bar",
    "depth": "tree_depth",
}


def starting_points(
    priors: Priors, em: "EMFit", chains: int, rng: np.random.Generator, within: float = 10.0
) -> list[dict[str, np.ndarray]]:
    """One starting point a chain: near EM's best maximum for even chains, near any of its maxima for odd ones.

    Chains that all start at one mode would never show that there is another.
    A maximum more than `within` log units below the best holds next to nothing
    of the posterior; a chain started there would only tell of its start.

    Parameters
    ----------
    priors : Priors
    em : EMFit
    chains : int
    rng : numpy.random.Generator
    within : float
        Natural log units.

    Returns
    -------
    list of dict
        Keys w (two or more components), mu (strictly increasing) and sigma, each of shape (K,).
    """
    k, points = len(em.weights), []
    highest = max(
        reached for _, reached in em.maxima
    )  # the fit itself climbed on from there, far where counts are huge
    others = [components for components, reached in em.maxima if reached > highest - within]
    for chain in range(chains):
        w, mu, sigma = em.components if chain % 2 == 0 else others[rng.integers(len(others))]
        away = np.minimum(0.2, 3 / np.sqrt(em.n * w))  # a few standard errors, in sds
        w = w * np.exp(away * rng.standard_normal(k))
        w, mu, sigma = sort_components(
            w / w.sum(), mu + sigma * away * rng.standard_normal(k), sigma * np.exp(away / 2 * rng.standard_normal(k))
        )
        if priors.sd_family == "uniform":
            sigma = np.minimum(sigma, 0.9 * priors.sd_scale)
        points.append({"w": w, "mu": mu, "sigma": sigma} if k > 1 else {"mu": mu, "sigma": sigma})
    return points


class Nutpie(ABC):
    """nutpie's NUTS on a function of ours. A subclass has `k`, the number of components, and three methods."""

    k: int

    @abstractmethod
    def forward(self, mu: np.ndarray, sigma: np.ndarray, w: np.ndarray | None = None) -> list[np.ndarray]:
        """The coordinates that NUTS moves in, of components in data units, shape (K,) each."""

    @abstractmethod
    def backward(self, points: np.ndarray) -> Sequence[np.ndarray]:
        """The inverse, for points of shape (S, D): weights, means and sds, each (S, K) or the same for all."""

    @abstractmethod
    def density_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The log posterior density at a point of shape (D,), up to a constant, and its gradient."""

    def chain(
        self, start: dict[str, np.ndarray], seed: int, draws: int, tune: int, target_accept: float, deepest: int = 10
    ) -> tuple[Components, xr.Dataset]:
        """One chain.

        Parameters
        ----------
        start : dict of ndarray, shape (K,)
            As from `starting_points`.
        seed, draws, tune, deepest : int
        target_accept : float

        Returns
        -------
        components : Components, shape (draws, K)
        stats : xarray.Dataset
            Of the sampler; dims chain (1), draw.
        """
        point = np.concatenate(self.forward(**start))
        compiled = from_pyfunc(
            point.size,
            lambda: self.density_and_gradient,
            lambda *_: lambda x: {"point": x},
            [point.dtype],
            [point.shape],
            ["point"],
            make_initial_point_fn=lambda _: point,
        )
        tree = nutpie.sample(
            compiled,
            draws=draws,
            tune=tune,
            chains=1,
            cores=1,
            seed=seed,
            target_accept=target_accept,
            progress_bar=False,
            save_warmup=False,
            maxdepth=deepest,
        )
        components = self.backward(tree["posterior"]["point"].values[0])
        stats = tree["sample_stats"].to_dataset()[list(STATS)].rename(STATS)
        return Components(*components).map(lambda a: np.broadcast_to(a, (draws, self.k))), stats


def tree_of_chains(chains: list[tuple[Components, xr.Dataset]]) -> xr.DataTree:
    """What `Nutpie.chain` returned for several chains, as groups posterior and sample_stats."""
    posterior, stats = zip(*chains, strict=True)
    return xr.DataTree.from_dict(
        {
            "posterior": as_dataset(stack_components(posterior)),
            # Its attributes tell when it was drawn: the same draws give the same file.
            "sample_stats": xr.concat(stats, "chain").assign_coords(chain=np.arange(len(chains))).drop_attrs(),
        }
    )


def sampling_cost(tree: xr.DataTree) -> dict[str, float]:
    """What the sampler of a posterior spent and how it moved, in plain numbers.

    Parameters
    ----------
    tree : xarray.DataTree
        From `sample_posterior`.

    Returns
    -------
    dict
        seconds_sampling (tuning counts, compilation does not); acceptance, the
        mean acceptance rate of NUTS, or of the jumps of Gibbs sampling; and in the latent model moved, the share
        of assignments changed in a sweep, and label_ess, the effective draws of
        the mean label (0 where it never moved).
    """
    stats = tree["sample_stats"]
    accepted = stats["acceptance_rate"].mean() if "acceptance_rate" in stats else tree.attrs["jumps_accepted"]
    cost = {"seconds_sampling": float(tree.attrs["seconds"]), "acceptance": float(accepted)}
    if "mean_label" in stats:
        cost["moved"], labels = float(stats["moved"].mean()), stats["mean_label"]
        cost["label_ess"] = float(az.ess(labels)) if float(labels.std("draw").min()) > 0 else 0.0
    return cost
