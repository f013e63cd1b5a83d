"""Small samples whose posteriors are hard to sample, each with a number of components and the default priors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from mixture.bayes.priors import Priors, choose_priors
from mixture.data.sample import Sample

DATA = Path(__file__).resolve().parents[2] / "data"


@dataclass(frozen=True)
class HardSample:
    """A sample and a number of components.

    Attributes
    ----------
    data : str
        Key of `SAMPLES`.
    k : int
        K, components.
    """

    data: str
    k: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.data}_k{self.k}"

    @property
    def sample(self) -> Sample:
        """Its values, as they are."""
        return Sample.of_values(SAMPLES[self.data]())

    @property
    def priors(self) -> Priors:
        """As a report chooses them where none are given."""
        return choose_priors(self.sample, self.k)


def _column(file, column):
    return pd.read_csv(DATA / file)[column].to_numpy(float)


def three_clusters(n: int = 60) -> np.ndarray:
    """Clusters of n values at -10, 0 and 10, mirror images of each other: two components can share them in two ways."""
    z = special.ndtri((np.arange(n) + 0.5) / n)
    return np.concatenate([z - 10, z, z + 10])


SAMPLES = {
    "galaxies": lambda: _column("galaxies.csv", "velocity"),
    "faithful": lambda: _column("faithful.csv", "waiting"),
    "three_clusters": three_clusters,
}
HARD = tuple(
    HardSample(data, k)
    for data, numbers in (("galaxies", range(2, 7)), ("faithful", (2, 3)), ("three_clusters", (2,)))
    for k in numbers
)
BY_NAME = {each.name: each for each in HARD}
