"""From checked parameters to a run folder: the notebooks in order, each run only when it must be.

A file reaches its name in the run folder by `os.replace`: an executed notebook after
the files its stage wrote, the manifest after everything. So a run that is interrupted
at any moment continues where it stopped.
"""

import contextlib
import json
import os
import re
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mixture.code_hash import file_hash
from mixture.messages import format_names
from parameters import NAMES, Parameters
from runner.errors import ChainError, KernelDied, NotebookError, StageInputError
from runner.folder import (
    MANIFEST,
    REPORT,
    VERDICT,
    clear_parts,
    is_current,
    locked,
    make_folder,
    read_record,
    refuse_unusable,
    write_json,
)
from runner.page.report import page_hash, write_report
from runner.provenance import (
    LOCK,
    data_files,
    data_hashes,
    folder_parameters,
    git_state,
    machine,
    stage_hash,
    texts_hash,
    versions,
)
from runner.stages import (
    NOTEBOOKS,
    ROOT,
    Stage,
    code_cells,
    markdown_matches,
    merge_markdown,
    read_chain,
    stage_modules,
    tags,
)
from runner.stored import DamagedFile, is_stored, read_if_sound, read_stored


class ProgressListener:
    """Is told how a run goes; this one ignores it."""

    def begin(self, number: int, total: int, stage: Stage) -> None:
        """A stage starts."""

    def progress(self, line: str) -> None:
        """A long cell says how far it has come."""

    def end(self, seconds: float | None) -> None:
        """The stage that began has ended, after so many seconds (None: nothing to do)."""


@dataclass(frozen=True)
class Outcome:
    """What a finished run says: its manifest, and whether any work was needed."""

    manifest: dict
    up_to_date: bool


def run_chain(
    parameters: Parameters,
    folder: str | os.PathLike,
    notebooks: str | os.PathLike = NOTEBOOKS,
    force: bool = False,
    kernel=None,
    listener: ProgressListener | None = None,
    page: bool = True,
) -> Outcome:
    """Bring a run folder up to date with its parameters.

    Parameters
    ----------
    parameters : Parameters
    folder : path-like
        The run folder; made if it is not there.
    notebooks : path-like
        The chain's notebooks; the code they import and requirements.lock lie beside their folder.
    force : bool
        Run every stage, whatever its record says.
    kernel : WarmKernel, optional
        A kernel to run in; otherwise one is started when a stage needs it.
    listener : ProgressListener, optional
        Told about each stage.
    page : bool
        Whether to write report.html too.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        The folder cannot be used (nothing is touched), or a notebook refused the input.
    ChainError
        Another run is at work there, or a stage failed: the folder keeps the
        notebook that shows it, and a manifest with status "failed".
    """
    folder, stages = Path(folder), read_chain(notebooks)
    refuse_unusable(folder, stages)
    make_folder(folder)
    with locked(folder):
        return Run(parameters, folder, stages, listener, page).bring_up_to_date(force, kernel)


class Run:
    """One run of a chain, in a folder that is locked; parameters as in `run_chain`, stages as from `read_chain`."""

    def __init__(
        self,
        parameters: Parameters,
        folder: Path,
        stages: list[Stage],
        listener: ProgressListener | None = None,
        page: bool = True,
    ):
        self.folder, self.stages, self.listener, self.page = folder, stages, listener or ProgressListener(), page
        self.values = folder_parameters(parameters, folder)
        self.data = [] if parameters.data is None else data_files(parameters.data)
        self.kernel = None  # begun beforehand

    def is_up_to_date(self) -> bool:
        """Whether there is nothing to do; this needs no lock."""
        return self._is_finished(read_if_sound(self.folder / MANIFEST))

    def bring_up_to_date(self, force: bool = False, kernel=None) -> Outcome:
        """Run the stages that need it; the `Outcome`."""
        clear_parts(self.folder, self.stages)
        manifest = read_if_sound(self.folder / MANIFEST)
        if not force and self._is_finished(manifest):
            return Outcome(manifest, up_to_date=True)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        try:
            self._run_stages(force, kernel or self.kernel)
            manifest = self._write_report()
        finally:
            clear_parts(self.folder, self.stages)
        return Outcome(manifest, up_to_date=False)

    def begin_kernel(self, stack: contextlib.ExitStack) -> None:
        """Have a kernel import beforehand what all stages need; the stack ends it. Harmless when done before."""
        if self.stages and self.kernel is None:
            self.kernel = stack.enter_context(self._start_kernel(self.stages))

    def _is_finished(self, manifest):
        return (
            manifest is not None
            and manifest["status"] == "finished"
            and all(
                is_current(stage, self._hash(stage), self.folder)
                and self._markdown_matches(stage)
                and self._texts_match(stage)
                for stage in self.stages
            )
            and manifest["parameters"] == self._schema_values()
            and (not self.page or self._has_page(manifest))
        )

    def _has_page(self, manifest):
        hashes = manifest["hashes"]
        return hashes.get("page") == page_hash(self.folder, self._names(), manifest["parameters"]) and hashes.get(
            REPORT
        ) == file_hash(self.folder / REPORT)

    def _hash(self, stage):
        return stage_hash(stage, self.values, self.folder, self.data)

    def _names(self):
        return [stage.name for stage in self.stages]

    def _schema_values(self):
        return {name: self.values[name] for name in NAMES}

    def _run_stages(self, force, kernel):
        with contextlib.ExitStack() as stack:
            for number, stage in enumerate(self.stages):
                expected = self._hash(stage)
                if not force and is_current(stage, expected, self.folder) and self._update_texts(stage):
                    self._update_markdown(stage)
                    self.listener.begin(number + 1, len(self.stages), stage)
                    self.listener.end(None)
                    continue
                (self.folder / REPORT).unlink(missing_ok=True)  # it reports what is about to be replaced
                kernel = kernel or stack.enter_context(self._start_kernel(self.stages[number:]))
                self.listener.begin(number + 1, len(self.stages), stage)
                self.listener.end(self._run_stage(stage, expected, kernel))

    def _markdown_matches(self, stage):
        return markdown_matches(stage, read_stored(self.folder / stage.notebook))

    def _texts_match(self, stage):
        return read_record(self.folder, stage).get("texts") == texts_hash(stage)

    def _update_texts(self, stage):
        """See that sentences and tables in the executed notebook are today's; False if it has to run for that."""
        if self._texts_match(stage):
            return True
        from mixture.show.text.wording import write_anew  # only where a sentence was changed

        executed = read_stored(self.folder / stage.notebook)
        try:
            for cell in code_cells(executed["cells"]):
                cell["outputs"] = [write_anew(output) for output in cell["outputs"]]
        except (LookupError, TypeError, ValueError, AttributeError):
            return False
        (self.folder / REPORT).unlink(missing_ok=True)
        executed["metadata"]["chain"]["texts"] = texts_hash(stage)
        write_json(self.folder / stage.notebook, executed)
        return True

    def _update_markdown(self, stage):
        """See that the executed notebook of a stage that need not run has the stage's markdown."""
        if not self._markdown_matches(stage):
            (self.folder / REPORT).unlink(missing_ok=True)
            write_json(self.folder / stage.notebook, merge_markdown(stage, read_stored(self.folder / stage.notebook)))

    @contextlib.contextmanager
    def _start_kernel(self, stages):
        from runner.kernels import WarmKernel  # a tenth of a second that an up-to-date folder need not spend

        with WarmKernel([*stage_modules(stages), "dask.array"]) as kernel:  # the last, xarray imports when first used
            # There is time now for what will be needed: the page's modules, each file's imports, the versions.
            from runner.page import render  # noqa: F401

            for stage in self.stages:
                texts_hash(stage)
            versions()
            yield kernel

    def _run_stage(self, stage, expected, kernel):
        """Execute one stage and move its record in; how many seconds it took."""
        for name in stage.writes:  # an old file must not pass for this run's
            (self.folder / name).unlink(missing_ok=True)
        part = self.folder / f".{stage.notebook}.part.ipynb"
        try:
            kernel.warm_up()  # once, and no stage's own time
            start = time.perf_counter()
            kernel.on_progress = self.listener.progress
            kernel.run(stage.path, part, {name: self.values[name] for name in stage.parameters}, self.folder)
            seconds = round(time.perf_counter() - start, 3)
            outputs = {name: file_hash(self.folder / name) for name in stage.writes}
            if missing := [name for name, content in outputs.items() if content is None]:
                raise ChainError(f"it did not write {format_names(missing)}")
            for name in filter(is_stored, outputs):
                read_stored(self.folder / name)
        except (NotebookError, KernelDied, ChainError, DamagedFile, OSError) as error:  # OSError: the disk is full
            self._keep_failure(stage, part, kernel, error)
        self._keep_notebook(
            stage, part, kernel, {"hash": expected, "texts": texts_hash(stage), "outputs": outputs, "seconds": seconds}
        )
        return seconds

    def _keep_notebook(self, stage, part, kernel, record):
        executed = _without_machine(part.read_text(encoding="utf-8"), kernel.folder)
        executed["metadata"]["chain"] = {"reads": stage.reads, "writes": stage.writes, **record}
        write_json(self.folder / stage.notebook, executed)
        part.unlink()

    def _keep_failure(self, stage, part, kernel, error) -> NoReturn:
        """Keep the notebook that shows the failure, and nothing half-written; say so in the manifest, and raise."""
        for name in stage.writes:
            (self.folder / name).unlink(missing_ok=True)
        if read_if_sound(part):
            self._keep_notebook(stage, part, kernel, {})
        line = str(error).strip().splitlines()[-1]
        write_json(
            self.folder / MANIFEST, {**self._manifest("failed"), "trusted": False, "stage": stage.name, "error": line}
        )
        if getattr(error, "ename", None) == "InputError":
            raise StageInputError(" ".join(error.evalue.split())) from None
        raise ChainError(f"{stage.name} failed: {line} (see {os.path.relpath(self.folder / stage.notebook)})") from None

    def _manifest(self, status):
        records = {stage.name: read_record(self.folder, stage) for stage in self.stages}
        done = {name: record for name, record in records.items() if record}
        seconds = {name: record["seconds"] for name, record in done.items()}
        commit, dirty = git_state(self.stages[0].root)
        return {
            "status": status,
            "parameters": self._schema_values(),
            "seed": self.values["seed"],
            "versions": versions(),
            "machine": machine(),
            "commit": commit,
            "dirty": dirty,
            "hashes": {
                "stages": {name: record["hash"] for name, record in done.items()},
                "outputs": {name: content for record in done.values() for name, content in record["outputs"].items()},
                "data": data_hashes(self.data),
                "lock": file_hash(self.stages[0].root / LOCK),
            },
            "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
        }

    def _write_report(self):
        verdict = read_stored(self.folder / VERDICT)
        manifest = {**self._manifest("finished"), "trusted": verdict is not None and verdict["trusted"]}
        if self.page:
            notebooks = {name: read_stored(self.folder / f"{name}.ipynb") for name in self._names()}
            return write_report(self.folder, manifest, notebooks)
        (self.folder / REPORT).unlink(missing_ok=True)  # nothing would vouch for it any more
        write_json(self.folder / MANIFEST, manifest)
        return manifest


def _without_machine(text, kernel_folder):
    """An executed notebook (JSON text) without what names a path or a time, or is drawn at random."""
    for path in (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), str(ROOT)):
        text = text.replace(f"{path}/", "")
    # The prefix is literal: a pattern for "any path" takes minutes over an embedded figure.
    executed = json.loads(re.sub(rf"{re.escape(str(kernel_folder))}/ipykernel_\d+/\d+\.py", "cell", text))
    executed["metadata"].pop("papermill", None)
    for cell in executed["cells"]:
        cell["metadata"].pop("papermill", None)
        if "injected-parameters" in tags(cell):
            cell["id"] = "injected-parameters"
    return executed
