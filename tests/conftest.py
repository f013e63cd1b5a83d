"""What the tests share: hypothesis with fixed seeds, and the classic samples."""

from pathlib import Path

import pandas as pd
import pytest
from fits import fit, simulated
from hypothesis import settings

from helpers import Sample, group_sample

settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def waiting():
    """Minutes between eruptions of Old Faithful."""
    return Sample.of_values(pd.read_csv(DATA / "faithful.csv")["waiting"])


@pytest.fixture(scope="session")
def galaxies():
    """Velocities of 82 galaxies, 1000 km/s."""
    return Sample.of_values(pd.read_csv(DATA / "galaxies.csv")["velocity"])


@pytest.fixture(scope="session")
def exact_fit():
    """Two overlapping components, every value by its density."""
    return fit(simulated(200), chains=4)


@pytest.fixture(scope="session")
def grouped_fit(exact_fit):
    """The same sample and priors on cells, narrow enough to be the same posterior."""
    cells = group_sample(exact_fit.sample, 0.02)
    return fit(cells, priors=exact_fit.priors)
