"""Many fits side by side on all cores, whose results are kept in files so that a stopped study goes on."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from mixture.atomic import write_atomically
from mixture.code_hash import value_hash
from mixture.parallel import available_cores
from mixture.studies.stored import code_of

FITS_PER_TASK = 25


def fit_many(
    folder: str | os.PathLike,
    module: str,
    cases: Sequence[Any],
    fits: int,
    rows_of: Callable[[Any, int, int], list[dict[str, Any]]],
    seed: int,
) -> pd.DataFrame:
    """The rows of many fits of each case.

    What was fitted is kept in the folder under a key of the case, the seed and the code, so that a study that was stopped
    goes on, and changed code computes anew.

    Parameters
    ----------
    folder : path-like
    module : str
        That computes the rows: the key is of all that it rests on.
    cases : sequence
        Their repr is all that tells them apart.
    fits : int
        Of each case.
    rows_of : callable
        Given a case, the number of a fit and the seed; a function of a module, for other processes.
    seed : int

    Returns
    -------
    pandas.DataFrame
    """
    code, tasks = code_of((module,))["key"], []
    for case in cases:
        for first in range(0, fits, FITS_PER_TASK):
            numbers = range(first, min(first + FITS_PER_TASK, fits))
            name = value_hash([code, repr(case), list(numbers), seed])[:16]
            tasks.append((Path(folder) / "parts" / f"{name}.parquet", _write_rows, (rows_of, case, numbers, seed)))
    run_tasks(tasks)
    return pd.concat([pd.read_parquet(path) for path, *_ in tasks], ignore_index=True)


def _write_rows(rows_of, case, numbers, seed, path):
    os.environ["MIXTURE_CORES"] = "1"  # the fits are side by side, so that their chains are not
    table = pd.DataFrame([row for number in numbers for row in rows_of(case, number, seed)])
    write_atomically(path, table.to_parquet)


def run_tasks(tasks: list[tuple[Path, Callable, tuple]]) -> None:
    """Let Dask workers write each file that does not exist yet.

    Parameters
    ----------
    tasks : list of (Path, callable, tuple)
        The callable is given the tuple's values and the path.
    """
    missing = [task for task in tasks if not task[0].exists()]
    if not missing:
        return
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(
            n_workers=min(available_cores(), len(missing)),
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=0,
        ) as cluster,
        Client(cluster) as client,
    ):
        futures = [client.submit(work, *values, os.path.abspath(path), pure=False) for path, work, values in missing]
        for future in tqdm(as_completed(futures), total=len(futures), desc="fitting", unit=f"{FITS_PER_TASK} fits"):
            future.result()
