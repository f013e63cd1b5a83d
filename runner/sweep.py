"""Many run folders from one sweep file, by all cores of this machine or a Dask cluster; one table, one report.

A sweep's folder holds points/, a run folder each; sweep.json, which names them;
results.parquet; and the report, whose notebooks are stages like those of a run.
What a point is worth doing is decided by its own hashes (see `runner.chain`), so a
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
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from mixture.cores import available_cores  # of no statistics, and quick to import
from parameters import InputError, shown
from runner import chain, results
from runner.workers import run_point

SWEEP, POINTS, ACCOUNT = "sweep.json", "points", "sweep_report"
GIVEN = {results.RESULTS, SWEEP}  # what the notebooks of the report find in the folder
WAIT_SECONDS = 60  # for the scheduler, and for a first worker
LOOPBACK = "127.0.0.1"


class Audience:
    """Told how a sweep goes; this one does not listen."""

    def plan(self, total, done, seconds, basis):
        """So many points, so many of them done; the rest may take so long (None: nobody knows), judged by `basis`."""

    def start(self, dashboard):
        """The workers are up, and can be watched at an address."""

    def point(self, counts, left, seconds):
        """A point has ended: how many of each status and verdict, how many are left, how long they may take."""


# -- what there is to do ----------------------------------------------------------------------


def read_stages(sweep, notebooks):
    """The stages of the sweep's report: its study, if it has one, and the account of the points."""
    paths = {path.stem: path for path in Path(notebooks).glob("*.ipynb")}
    study = sweep.file.study
    if study and not _is_study(paths.get(study)):
        raise InputError(f"study: given {shown(study)}; allowed: a notebook in {os.path.relpath(notebooks)} "
                         f"that reads {results.RESULTS}, and of other files {SWEEP} alone")
    wanted = [paths[name] for name in dict.fromkeys([study, ACCOUNT]) if name in paths]
    return chain.read_stages(wanted, GIVEN)


def _is_study(path):
    """Whether a notebook can be run on a sweep's results."""
    try:
        stages = chain.read_stages([path] if path else [], GIVEN)
    except chain.ChainError:
        return False
    return any(results.RESULTS in stage.reads for stage in stages)


def refuse_unusable(folder):
    """Raise `InputError` if `folder` is no place for a sweep; touch nothing."""
    chain.refuse_unwritable(folder, "a sweep's folder")
    if os.path.isdir(folder) and not (folder / SWEEP).exists() and any(folder.glob("[!.]*")):
        raise InputError(f"out: given {os.path.relpath(folder)}, which holds other files; "
                         "allowed: a sweep's folder, or an empty or new one")


def point_folder(folder, name):
    """Where a point's run folder is."""
    return folder / POINTS / name


def unfinished(points, folder, stages, page):
    """The points that there is something to do for."""
    return [point for point in points
            if not chain.Passage(point.parameters, point_folder(folder, point.name), stages, page=page).is_up_to_date()]


def estimate(folder, stages, points, workers):
    """Seconds that so many points may take, and what that is judged by; (None, "") where there is nothing to judge by.

    The median of this sweep's finished points, or else of the runs beside it and
    of other sweeps' points, as far as they ran the same notebooks.
    """
    beside = [*folder.parent.glob(f"*/{chain.MANIFEST}"), *folder.parent.glob(f"*/{POINTS}/*/{chain.MANIFEST}")]
    done = (folder / POINTS).glob(f"*/{chain.MANIFEST}")
    for paths, basis in ((done, "the points that are done"), (beside, "the runs beside it")):
        manifests = filter(chain.is_manifest, map(chain.read_json, paths))
        seconds = [manifest["seconds"]["total"] for manifest in manifests
                   if set(manifest["hashes"]["stages"]) == {stage.name for stage in stages}]
        if seconds:
            return statistics.median(seconds) * points / workers, basis
    return None, ""


# -- the engine -------------------------------------------------------------------------------


@contextlib.contextmanager
def connected(scheduler, most):
    """A client: of the running scheduler at an address, or of this machine's cores, at most so many."""
    with contextlib.ExitStack() as stack:
        if scheduler:
            yield _join(scheduler, stack)
            return
        # One point at a time is handed to a worker: should it die, no other point is blamed.
        stack.enter_context(dask.config.set({"distributed.scheduler.worker-saturation": 1.0}))
        with _deaf():
            cluster = stack.enter_context(LocalCluster(
                n_workers=min(available_cores(), most), threads_per_worker=1, processes=True, host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0", memory_limit=0, silence_logs=logging.CRITICAL))
        yield stack.enter_context(Client(cluster))


@contextlib.contextmanager
def _deaf():
    """Threads and processes that start in here, and all that they start, never hear Ctrl-C; this thread does, after.

    A terminal sends it to every process of a command at once. The sweep alone answers,
    and ends its workers, which would each print a traceback.
    """
    resource_tracker.ensure_running()  # the first worker would start it, and hear again after
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _join(scheduler, stack):
    """A client of a running scheduler that has a worker."""
    try:
        client = stack.enter_context(Client(scheduler, timeout=WAIT_SECONDS))
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except (TimeoutError, OSError, ValueError):
        raise chain.ChainError(f"scheduler {scheduler}: cannot be reached, or has no worker") from None
    return client


def run_points(client, points, folder, notebooks, page, force):
    """Run points on the client's workers, and tell of each as it ends.

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
        client.submit(run_point, _anywhere(point.parameters), os.path.abspath(point_folder(folder, point.name)),
                      os.path.abspath(notebooks), page, force, key=(session, number), pure=False): point
        for number, point in enumerate(points)}
    for future in as_completed(futures):
        if future.cancelled() or future.status == "lost":
            raise chain.ChainError("the scheduler is gone; run the sweep again to continue")
        error = future.exception()
        yield futures[future], future.result() if error is None else _in_a_line(error)


def _anywhere(parameters):
    """The parameters as a worker with another working folder can use them."""
    if parameters.data is None:
        return parameters
    return parameters.model_copy(update={"data": os.path.abspath(parameters.data)})


def _in_a_line(error):
    if isinstance(error, KilledWorker):
        return f"its worker died {error.allowed_failures + 1} times (killed, or out of memory)"
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


# -- the sweep --------------------------------------------------------------------------------


def run(sweep, folder, notebooks=chain.NOTEBOOKS, scheduler=None, page=False, force=False, audience=None):
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
    audience : Audience, optional

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
    folder, audience = Path(folder), audience or Audience()
    stages, chain_stages = read_stages(sweep, notebooks), chain.read_chain(notebooks)
    refuse_unusable(folder)
    chain.make_folder(folder / POINTS)
    with chain.locked(folder):
        chain.write_json(folder / SWEEP, {
            "title": sweep.file.title, "swept": sweep.swept, "replicates": sweep.file.replicates,
            "points": [point.name for point in sweep.points]})
        rows = _run_what_is_left(sweep, folder, chain_stages, notebooks, scheduler, page, force, audience)
        if stages:
            report = chain.Passage(sweep.points[0].parameters, folder, stages)
            report.values |= {name: _values(sweep, name) for name in sweep.swept}
            report.bring_up_to_date()
    return rows


def _values(sweep, name):
    """What a swept parameter takes, each value once."""
    values = [getattr(point.parameters, name) for point in sweep.points]
    return list({json.dumps(value): value for value in values}.values())


def _run_what_is_left(sweep, folder, stages, notebooks, scheduler, page, force, audience):
    """Run the points that need it and write the table, of what there is if it comes to that; its rows."""
    todo = list(sweep.points) if force else unfinished(sweep.points, folder, stages, page)
    seconds, basis = estimate(folder, stages, len(todo), available_cores())
    audience.plan(len(sweep.points), len(sweep.points) - len(todo), seconds, basis)
    errors = {}
    try:
        if todo:
            with connected(scheduler, len(todo)) as client:
                audience.start(client.dashboard_link)
                _watch(run_points(client, todo, folder, notebooks, page, force), len(todo), folder, errors, audience)
    finally:
        _clear_up([point_folder(folder, point.name) for point in todo], stages)
        rows = [row for point in sweep.points
                for row in results.point_rows(point, point_folder(folder, point.name), errors.get(point.name, ""))]
        results.write_results(folder / results.RESULTS, rows)
    return rows


def _clear_up(folders, stages):
    """Remove what killed workers were still writing, wherever no worker is at work."""
    for folder in filter(Path.is_dir, folders):
        with contextlib.suppress(chain.Busy), chain.locked(folder):
            chain.clear_parts(folder, stages)


def _watch(ended, total, folder, errors, audience):
    """Keep the errors of points as they end, and tell the audience where the sweep is."""
    counts, begun = Counter(), time.monotonic()
    for number, (point, error) in enumerate(ended, start=1):
        if error:
            errors[point.name] = error
        manifest = chain.read_json(point_folder(folder, point.name) / chain.MANIFEST)
        counts[outcome(results.point_status(manifest, error))] += 1
        left = total - number
        audience.point(counts, left, (time.monotonic() - begun) / number * left)


def outcome(row):
    """What came of a point, in a word: trusted, untrusted, failed or not run."""
    return row["verdict"] or row["status"]
