"""What the tests share: hypothesis with fixed seeds, and the classic samples.

What takes seconds to import is imported by what needs it: the process that hands out the tests needs none of it.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_names import COLUMN, TITLE
from hypothesis import settings

# `make test` uses the first; `make test-all` asks for the second.
settings.register_profile("steady", derandomize=True, deadline=None, max_examples=25)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=400)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data"


@pytest.fixture(scope="session")
def waiting():
    """Minutes between eruptions of Old Faithful."""
    return column("faithful.csv", "waiting")


@pytest.fixture(scope="session")
def galaxies():
    """Velocities of 82 galaxies, 1000 km/s."""
    return column("galaxies.csv", "velocity")


def column(file, name):
    import pandas as pd

    from mixture.data.sample import Sample

    return Sample.of_values(pd.read_csv(DATA / file)[name])


@pytest.fixture(scope="session")
def exact_fit():
    """Two overlapping components, every value by its density."""
    from fits import fit, simulated

    return fit(simulated(200), chains=4)


@pytest.fixture(scope="session")
def single_fit(exact_fit):
    """The same sample, taken for one component."""
    from fits import fit

    return fit(exact_fit.sample, k=1, chains=4)


@pytest.fixture(scope="session")
def grouped_fit(exact_fit):
    """The same sample and priors on cells, narrow enough to be the same posterior."""
    from fits import fit

    from mixture.data.cells import group_sample

    cells = group_sample(exact_fit.sample, 0.02)
    return fit(cells, priors=exact_fit.priors, chains=4)


@pytest.fixture(scope="session")
def opened_browser():
    """A headless Chromium with logs of its console and of all that it asks for."""
    if shutil.which("chromedriver") is None:
        pytest.skip("no chromedriver on this machine")
    from runner.page.shots import open_browser

    opened = open_browser(loggingPrefs={"performance": "ALL", "browser": "ALL"})
    yield opened
    opened.quit()


@pytest.fixture
def browser(opened_browser):
    """The same browser, wide and without what an earlier test logged."""
    opened_browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    for kind in ("browser", "performance"):
        opened_browser.get_log(kind)
    return opened_browser


@pytest.fixture
def tracked():
    """A maker of tracked things, all of them ended with the test: `tracked(kind, ...)` is `kind(...)`."""
    made = []

    def make(kind, *arguments, **options):
        made.append(kind(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture(scope="session")
def real_run(tmp_path_factory):
    """A run folder of the whole chain: few draws, and names in the input that try to be markup.

    Made by the test process that asks first; each has a copy.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with open(shared / "real.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            make_real_run(shared / "part").parents[1].rename(shared / "made")
    return shutil.copytree(shared / "made", own / "real") / "runs" / "few"


def make_real_run(folder):
    import pandas as pd
    from fits import simulated

    folder.mkdir()
    data = folder / 'a<b>&"ü.csv'
    pd.DataFrame({COLUMN: simulated(150).value}).to_csv(data, index=False)
    few = {"draws": 100, "tune": 120, "chains": 2, "em_starts": 3, "n_components": 2}
    few |= {"em_variance": "equal", "interval": 0.8}  # not the defaults, so that it shows who forgets them
    values = {"data": str(data), "column": COLUMN, "title": TITLE, **few}
    overrides = [part for name, value in values.items() for part in ("-p", name, json.dumps(value))]
    done = subprocess.run(
        [sys.executable, ROOT / "report.py", "run", *overrides, "--out", folder / "runs" / "few"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"MIXTURE_CORES": "2"},  # with the process that stands by, as on most machines
        timeout=600,
    )
    assert done.returncode in (0, 3), done.stderr
    return folder / "runs" / "few"
