"""What the tests share: hypothesis with fixed seeds, and the classic samples."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import settings

from helpers import Sample

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
