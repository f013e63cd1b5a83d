"""Many run folders from one sweep file, by all cores of this machine or a Dask cluster; one table, one report.

A sweep's folder holds points/, a run folder each; sweep.json, which names them;
results.parquet; and the report, whose notebooks are stages like those of a run.
Whether a point is run is decided by its own hashes (see `runner.run`), so a
sweep that was stopped, at any moment and by whatever, continues where it was.
"""

import contextlib
import json
import logging
import os
import signal
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from mixture.messages import InputError, format_value
from mixture.parallel import available_cores
from runner.errors import ChainError, FolderBusy
from runner.folder import MANIFEST, clear_parts, locked, make_folder, refuse_unwritable, write_json
from runner.run import Run
from runner.scratch import GuardedFolder
from runner.stages import NOTEBOOKS, Stage, read_chain
from runner.stages import read_stages as read_notebooks
from runner.stored import read_if_sound
from runner.sweep.grid import Point, Sweep
from runner.sweep.results import RESULTS, point_rows, point_status, write_results
from runner.sweep.workers import run_point

SWEEP, POINTS = "sweep.json", "points"
GIVEN = {RESULTS, SWEEP}  # what the notebooks of the report find in the folder
WAIT_SECONDS = 60  # for the scheduler, and for a first worker
LOOPBACK = "127.0.0.1"


class SweepListener:
    """Is told how a sweep goes; this one ignores it."""

    def plan(self, total: int, done: int, seconds: float | None, basis: str) -> None:
        """The number of points and of those done; the rest may take `seconds` (None: unknown), estimated from `basis`."""

    def start(self, dashboard: str) -> None:
        """The workers are up, and can be watched at an address."""

    def point(self, counts: Counter, left: int, seconds: float) -> None:
        """A point has ended: the number of each outcome, how many points are left, how long they may take."""


# -- what there is to do ----------------------------------------------------------------------


def read_stages(sweep: Sweep, notebooks: str | os.PathLike) -> list[Stage]:
    """The stages of the sweep's report: its study, if it has one, and the account of the points."""
    paths = {path.stem: path for path in Path(notebooks).glob("*.ipynb")}
    study = sweep.file.study
    if study and not _is_study(paths.get(study)):
        raise InputError(
            f"study: given {format_value(study)}; allowed: a notebook in {os.path.relpath(notebooks)} "
            f"that reads {RESULTS}, and of other files {SWEEP} alone"
        )
    wanted = [paths[name] for name in dict.fromkeys([study, sweep.account]) if name in paths]
    return read_notebooks(wanted, GIVEN)


def _is_study(path):
    """Whether a notebook can be run on a sweep's results."""
    try:
        stages = read_notebooks([path] if path else [], GIVEN)
    except ChainError:
        return False
    return any(RESULTS in stage.reads for stage in stages)


def refuse_unusable(folder: Path) -> None:
    """Raise `InputError` if `folder` is no place for a sweep; touch nothing."""
    refuse_unwritable(folder, "a sweep's folder")
    if os.path.isdir(folder) and not (folder / SWEEP).exists() and any(folder.glob("[!.]*")):
        raise InputError(
            f"out: given {os.path.relpath(folder)}, which holds other files; "
            "allowed: a sweep's folder, or an empty or new one"
        )


def point_folder(folder: Path, name: str) -> Path:
    """Where a point's run folder is."""
    return folder / POINTS / name


def unfinished(points: Iterable[Point], folder: Path, stages: list[Stage], page: bool) -> list[Point]:
    """The points whose run folders are not up to date."""
    return [
        point
        for point in points
        if not Run(point.parameters, point_folder(folder, point.name), stages, page=page).is_up_to_date()
    ]


def estimate(folder: Path, stages: list[Stage], points: int, workers: int) -> tuple[float | None, str]:
    """Seconds that so many points may take, and what that is estimated from; (None, "") where there is nothing.

    The median of this sweep's finished points, or else of the runs beside it and
    of other sweeps' points, as far as they ran the same notebooks.
    """
    beside = [*folder.parent.glob(f"*/{MANIFEST}"), *folder.parent.glob(f"*/{POINTS}/*/{MANIFEST}")]
    done = (folder / POINTS).glob(f"*/{MANIFEST}")
    for paths, basis in ((done, "the points that are done"), (beside, "the runs beside it")):
        manifests = filter(None, map(read_if_sound, paths))
        seconds = [
            manifest["seconds"]["total"]
            for manifest in manifests
            if set(manifest["hashes"]["stages"]) == {stage.name for stage in stages}
        ]
        if seconds:
            return statistics.median(seconds) * points / workers, basis
    return None, ""


# -- the workers ------------------------------------------------------------------------------


@contextlib.contextmanager
def connected(scheduler: str | None, max_workers: int) -> Iterator[Client]:
    """A client: of the running scheduler at an address, or of this machine's cores, at most `max_workers`."""
    with contextlib.ExitStack() as stack:
        if scheduler:
            yield _join(scheduler, stack)
            return
        scratch = stack.enter_context(GuardedFolder("sweep-"))
        # One point at a time is handed to a worker: should it die, no other point is blamed.
        settings = {
            "distributed.scheduler.worker-saturation": 1.0,
            "distributed.worker.profile.enabled": False,  # a hundred looks a second at a thread that waits for its kernel
            "temporary-directory": str(scratch.folder),
        }
        stack.enter_context(dask.config.set(settings))
        with sigint_blocked(), sigterm_held_back():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=min(available_cores(), max_workers),
                    threads_per_worker=1,
                    processes=True,
                    host=LOOPBACK,
                    dashboard_address=f"{LOOPBACK}:0",
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                )
            )
        yield stack.enter_context(Client(cluster))


@contextlib.contextmanager
def sigint_blocked():
    """Block SIGINT in threads and processes that start in here, and in all that they start; not in this thread, after.

    A terminal sends Ctrl-C to every process of a command at once. Only the sweep answers
    it, and ends its workers, which would each print a traceback.
    """
    resource_tracker.ensure_running()  # the first worker would start it, and unblock SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def sigterm_held_back() -> Iterator[None]:
    """SIGTERM waits until this is left: half a cluster would go on starting, in a folder that is gone by then."""
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            signal.raise_signal(signal.SIGTERM)


def _join(scheduler, stack):
    """A client of a running scheduler that has a worker."""
    try:
        client = stack.enter_context(Client(scheduler, timeout=WAIT_SECONDS))
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except (TimeoutError, OSError, ValueError):
        raise ChainError(f"scheduler {scheduler}: cannot be reached, or has no worker") from None
    return client


def run_points(
    client: Client, points: Iterable[Point], folder: Path, notebooks: str | os.PathLike, page: bool, force: bool
) -> Iterator[tuple[Point, str]]:
    """Run points on the client's workers, and yield each as it ends.

    A worker that dies takes no point along: Dask gives it to another, and only
    after some deaths of its workers is a point given up.

    Yields
    ------
    point : grid.Point
    error : str
        What went wrong, in one line; empty if nothing did.

    Raises
    ------
    ChainError
        The scheduler is gone; what it had not finished is for the next time.
    """
    session = f"point-{uuid.uuid4().hex}"
    futures = {
        client.submit(
            run_point,
            _with_absolute_data(point.parameters),
            os.path.abspath(point_folder(folder, point.name)),
            os.path.abspath(notebooks),
            page,
            force,
            key=(session, number),
            pure=False,
        ): point
        for number, point in enumerate(points)
    }
    for future in as_completed(futures):
        if future.cancelled() or future.status == "lost":
            raise ChainError("the scheduler is gone; run the sweep again to continue")
        error = future.exception()
        yield futures[future], future.result() if error is None else _describe(error)


def _with_absolute_data(parameters):
    """The parameters as a worker with another working folder can use them."""
    if parameters.data is None:
        return parameters
    return parameters.model_copy(update={"data": os.path.abspath(parameters.data)})


def _describe(error):
    if isinstance(error, KilledWorker):
        return f"its worker died {error.allowed_failures + 1} times (killed, or out of memory)"
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


# -- the sweep --------------------------------------------------------------------------------


def run_sweep(
    sweep: Sweep,
    folder: str | os.PathLike,
    notebooks: str | os.PathLike = NOTEBOOKS,
    scheduler: str | None = None,
    page: bool = False,
    force: bool = False,
    listener: SweepListener | None = None,
) -> list[dict]:
    """Bring a sweep's folder up to date with its points.

    Parameters
    ----------
    sweep : grid.Sweep
    folder : path-like
        The sweep's folder; made if it is not there.
    notebooks : path-like
        The chain that each point runs; the sweep's study and account lie beside it.
    scheduler : str, optional
        Address of a running Dask scheduler; otherwise this machine's cores do the work.
    page : bool
        Whether each point gets its report.html.
    force : bool
        Run every point anew.
    listener : SweepListener, optional

    Returns
    -------
    list of dict
        The rows of results.parquet.

    Raises
    ------
    InputError
        The folder cannot be used, or there is no such study; nothing is touched.
    ChainError
        Another sweep is at work there, the scheduler cannot be reached or is gone,
        or the report failed.
    """
    folder, listener = Path(folder), listener or SweepListener()
    stages, chain_stages = read_stages(sweep, notebooks), read_chain(notebooks)
    refuse_unusable(folder)
    make_folder(folder / POINTS)
    with locked(folder):
        write_json(
            folder / SWEEP,
            {
                "title": sweep.file.title,
                "swept": sweep.swept,
                "replicates": sweep.file.replicates,
                "points": [point.name for point in sweep.points],
                **sweep.about,
            },
        )
        if sweep.prepare is not None:
            sweep.prepare(folder)
        report = Run(sweep.report or sweep.points[0].parameters, folder, stages)
        report.values |= {name: _values(sweep, name) for name in sweep.swept}
        with contextlib.ExitStack() as stack:
            nearly_done = partial(report.begin_kernel, stack)
            rows = _run_unfinished(
                sweep, folder, chain_stages, notebooks, scheduler, page, force, listener, nearly_done
            )
            if stages:
                report.bring_up_to_date()
    return rows


def _values(sweep, name):
    """What a swept parameter takes, each value once."""
    values = [getattr(point.parameters, name) for point in sweep.points]
    return list({json.dumps(value): value for value in values}.values())


def _run_unfinished(sweep, folder, stages, notebooks, scheduler, page, force, listener, nearly_done):
    """Run the points that need it and write the table, of what there is if it comes to that; its rows.

    `nearly_done` is called, once or more, when the last points run.
    """
    todo = list(sweep.points) if force else unfinished(sweep.points, folder, stages, page)
    seconds, basis = estimate(folder, stages, len(todo), available_cores())
    listener.plan(len(sweep.points), len(sweep.points) - len(todo), seconds, basis)
    errors = {}
    try:
        if todo:
            with connected(scheduler, len(todo)) as client:
                listener.start(client.dashboard_link)
                ended, workers = run_points(client, todo, folder, notebooks, page, force), len(client.ncores())
                for left in _watch(ended, len(todo), folder, errors, listener):
                    if 0 < left <= workers:
                        nearly_done()
    finally:
        _clear_parts([point_folder(folder, point.name) for point in todo], stages)
        rows = [
            row
            for point in sweep.points
            for row in point_rows(point, point_folder(folder, point.name), errors.get(point.name, ""))
        ]
        write_results(folder / RESULTS, rows)
    return rows


def _clear_parts(folders, stages):
    """Remove what killed workers were still writing, wherever no worker is at work."""
    for folder in filter(Path.is_dir, folders):
        with contextlib.suppress(FolderBusy), locked(folder):
            clear_parts(folder, stages)


def _watch(ended, total, folder, errors, listener):
    """Keep the errors of points as they end, and report the progress to the listener; yields how many are left."""
    counts, begun = Counter(), time.monotonic()
    for number, (point, error) in enumerate(ended, start=1):
        if error:
            errors[point.name] = error
        manifest = read_if_sound(point_folder(folder, point.name) / MANIFEST)
        counts[point_outcome(point_status(manifest, error))] += 1
        left = total - number
        listener.point(counts, left, (time.monotonic() - begun) / number * left)
        yield left


def point_outcome(row: dict) -> str:
    """The outcome of a point: trusted, untrusted, failed or not run."""
    return row["verdict"] or row["status"]
