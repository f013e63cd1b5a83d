"""From checked parameters to a run folder: the notebooks in order, each run only when it must be.

stage
    a notebook of the chain, which reads and writes files of the run folder
record
    what a stage leaves when it succeeds, inside its executed notebook: the hash of all
    that went into it, and the hash of each file that came out
stale
    said of a stage whose record does not match what would go into it now
prose
    a notebook's cells that are read and not run: to change them runs nothing, and the
    executed notebook is worded anew

A file reaches its name in the run folder by `os.replace`: an executed notebook after
the files its stage wrote, the manifest after everything. So a run that is interrupted
at any moment continues where it stopped, and a folder counts as finished only by its
manifest.
"""

import ast
import contextlib
import fcntl
import functools
import glob
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path

from parameters import NAMES, InputError, word

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
PROJECT = "gaussian-mixtures-two-ways"
MANIFEST, REPORT, VERDICT = "manifest.json", "report.html", "verdict.json"
PAGE_SOURCES = (*(ROOT / "runner" / name for name in ("page.py", "page.html.j2", "style.css", "page.js")),
                ROOT / "parameters.py")


class ChainError(RuntimeError):
    """The chain cannot run, or a stage of it failed; the message is one line."""


class Busy(ChainError):
    """Another run is at work in the folder."""


class StageInputError(InputError):
    """A notebook found the user's input unusable."""


# -- the chain --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One notebook of the chain.

    `cells` are its cells as stored; `reads` and `writes` name files of the run
    folder; `parameters` are the names its parameters cell sets.
    """

    name: str
    path: Path
    cells: list
    reads: tuple
    writes: tuple
    parameters: tuple

    @property
    def notebook(self):
        """The executed notebook's name in the run folder."""
        return f"{self.name}.ipynb"


def tags(cell):
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def source(node):
    """The text of a cell or an output, which the format may store as a list of lines."""
    return node if isinstance(node, str) else "".join(node)


def read_json(path):
    """The content of a JSON file, or None if it is not there or not whole."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def read_chain(folder=NOTEBOOKS):
    """The stages in `folder`, in the order of their numbers.

    A numbered notebook without a `chain` entry in its metadata stands beside
    the chain and is left out.

    Raises
    ------
    ChainError
        A notebook has not exactly one parameters cell, sets a name the schema
        does not have, or reads what no earlier one writes.
    """
    stages = read_stages(sorted(Path(folder).glob("[0-9][0-9]_*.ipynb")))
    if not stages:
        raise ChainError(f"no notebook of a chain in {os.path.relpath(folder)}")
    return stages


def read_stages(paths, given=()):
    """The stages in notebooks, as `read_chain`; `given` are names of files that they find in the folder."""
    stages, written = [], set(given)
    for path in paths:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if "chain" not in notebook["metadata"]:
            continue
        declared = notebook["metadata"]["chain"]
        stage = Stage(path.stem, path, notebook["cells"], tuple(declared.get("reads", ())),
                      tuple(declared.get("writes", ())), _parameter_names(path.name, notebook["cells"]))
        if unknown := set(stage.parameters) - {*NAMES, "run_dir"}:
            raise ChainError(f"{path.name}: sets {', '.join(sorted(unknown))}, which the schema does not have")
        if missing := set(stage.reads) - written:
            raise ChainError(f"{path.name}: reads {', '.join(sorted(missing))}, which no earlier notebook writes")
        written.update(stage.writes)
        stages.append(stage)
    return stages


def _parameter_names(notebook, cells):
    tagged = [cell for cell in cells if "parameters" in tags(cell)]
    if len(tagged) != 1:
        raise ChainError(f"{notebook}: has {len(tagged)} cells tagged parameters; allowed: one")
    assignments = ast.parse(source(tagged[0]["source"])).body
    return tuple(target.id for node in assignments if isinstance(node, ast.Assign) for target in node.targets)


def imported_modules(stages):
    """The modules that the stages' cells import, in order of appearance."""
    cells = (source(cell["source"]) for stage in stages for cell in stage.cells if cell["cell_type"] == "code")
    return list(dict.fromkeys(name for text in cells for name in _imports(text)))


@functools.lru_cache(maxsize=None)
def _imports(code):
    """The modules that code imports, lines of IPython's own aside."""
    lines = [line for line in code.splitlines() if not line.startswith(("%", "!"))]
    try:
        nodes = list(ast.walk(ast.parse("\n".join(lines))))
    except SyntaxError:  # the notebook will say so, in its own cell
        return ()
    whole = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    parts = [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return (*whole, *parts)


def project_code(stage):
    """The project's own files that a stage's cells rest on: what they import, and so on from there.

    The schema is not among them: the values that it lets through are hashed themselves.
    """
    root, found, modules = stage.path.parent.parent, set(), imported_modules([stage])
    while modules:
        name = modules.pop().split(".")[0]
        files = {*root.glob(f"{name}.py"), *root.glob(f"{name}/*.py")} - found if name != "parameters" else set()
        found |= files
        modules += [module for path in files for module in _imports(path.read_text(encoding="utf-8"))]
    return sorted(found)


def code_hash(stages):
    """The hash of the project's own code that the stages rest on: a kernel that has imported other is stale."""
    return value_hash(sorted({(str(path), file_hash(path)) for stage in stages for path in project_code(stage)}))


# -- hashes -----------------------------------------------------------------------------------


def file_hash(path):
    """The SHA-256 of a file's content, or None if there is no such file."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return _file_hash(str(path), status.st_mtime_ns, status.st_size, status.st_ino)


@functools.lru_cache(maxsize=None)
def _file_hash(path, *_version):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def value_hash(value):
    """The SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def data_files(data):
    """The files that `data` (file, folder or glob) stands for, sorted."""
    path = Path(data)
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    return [path] if path.exists() else sorted(Path(p) for p in glob.glob(data))


def folder_parameters(parameters, folder):
    """The parameters as the notebooks in a run folder see them.

    Parameters
    ----------
    parameters : Parameters
    folder : Path

    Returns
    -------
    dict
        Plain values; `data` relative to the folder, so that no machine's path
        gets into an executed notebook.
    """
    values = parameters.model_dump()
    if values["data"] is not None:
        values["data"] = os.path.relpath(os.path.abspath(values["data"]), os.path.realpath(folder))
    return values | {"run_dir": "."}


def stage_hash(stage, values, folder, data):
    """The hash of all that goes into a stage: parameters, cells that run, code, files it reads."""
    root = stage.path.parent.parent
    code = [root / "requirements.lock", *project_code(stage)]
    return value_hash({
        "parameters": {name: values[name] for name in stage.parameters},
        "cells": [(source(cell["source"]), sorted(tags(cell))) for cell in stage.cells if cell["cell_type"] == "code"],
        "writes": stage.writes,
        "code": {str(path.relative_to(root)): file_hash(path) for path in code},
        "reads": {name: file_hash(folder / name) for name in stage.reads},
        "data": [(path.name, file_hash(path)) for path in data] if "data" in stage.parameters else [],
    })


def _record(folder, notebook):
    executed = read_json(folder / notebook)
    return executed["metadata"].get("chain", {}) if executed else {}


def is_current(stage, expected, folder):
    """Whether the stage's record has the expected hash and its outputs are as recorded."""
    record = _record(folder, stage.notebook)
    outputs = {name: file_hash(folder / name) for name in stage.writes}
    return record.get("hash") == expected and record.get("outputs") == outputs and None not in outputs.values()


def is_worded(stage, folder):
    """Whether the executed notebook's prose is the stage's, cell by cell."""
    executed = read_json(folder / stage.notebook)["cells"]
    return _prose(stage.cells) == _prose([cell for cell in executed if "injected-parameters" not in tags(cell)])


def _prose(cells):
    return [None if cell["cell_type"] == "code" else (cell["cell_type"], source(cell["source"])) for cell in cells]


def word_anew(stage, executed):
    """An executed notebook with the stage's prose between the cells that ran."""
    ran, cells = (cell for cell in executed["cells"] if cell["cell_type"] == "code"), []
    for cell in stage.cells:
        text = {"metadata": {**cell["metadata"], "tags": tags(cell)}, "source": source(cell["source"]).splitlines(keepends=True)}
        cells.append(next(ran) if cell["cell_type"] == "code" else {**cell, **text})
        if "parameters" in tags(cell):
            cells.append(next(ran))  # what papermill injected
    return {**executed, "cells": cells}


# -- the run folder ---------------------------------------------------------------------------


def write_atomically(path, text):
    """Write beside `path` and move in."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write_json(path, value):
    write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


def refuse_unusable(folder, stages):
    """Raise `InputError` if `folder` is no place for a run; touch nothing."""
    refuse_unwritable(folder, "a run folder")
    if os.path.isdir(folder) and not _is_run_folder(folder, stages):
        raise InputError(f"out: given {_shown(folder)}, which holds other files; "
                         "allowed: a run folder, an empty one or a new one")


def refuse_unwritable(folder, kind):
    """Raise `InputError` if `folder` cannot be written, or made; `kind` is what it is to be."""
    shown = _shown(folder)
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # no notebook, no page and no table can name it
        raise InputError(f"out: given {shown}; allowed: a name in UTF-8") from None
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise InputError(f"out: given {shown}, a file; allowed: {kind}, or one to be made")
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.exists(path))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"out: given {shown}; allowed: a place where a folder can be made and written")


def make_folder(folder):
    """Make a folder and those above it: all of them, or an `InputError` and none."""
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a name too long, a file system that takes no folders
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        shown = _shown(folder)
        raise InputError(f"out: given {shown}; allowed: a folder that can be made ({error.strerror})") from None


def _shown(folder):
    return word(os.path.relpath(folder))


def _is_run_folder(folder, stages):
    """Finished, or begun: nothing in it but what a chain writes."""
    if is_manifest(read_json(folder / MANIFEST)) or any("hash" in _record(folder, s.notebook) for s in stages):
        return True
    own = _own_names(stages)
    return all(path.name in own or path.name.startswith(".") for path in folder.iterdir())


def is_manifest(value):
    """Whether a JSON value is a run's manifest."""
    return isinstance(value, dict) and {"status", "parameters", "hashes"} <= value.keys()


def _own_names(stages):
    return {MANIFEST, REPORT, *(s.notebook for s in stages), *(name for s in stages for name in s.writes)}


@contextlib.contextmanager
def locked(folder):
    """Hold the folder against a second run; half-written files go on entering and leaving."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Busy(f"another run is at work in {os.path.relpath(folder)}") from None
    try:
        yield
    finally:
        os.close(handle)


def clear_parts(folder, stages):
    """Remove what a killed run was still writing: hidden or suffixed namesakes of our files."""
    own = _own_names(stages)
    for path in folder.iterdir():
        if path.name not in own and path.name.startswith(tuple(f".{name}" for name in own)):
            path.unlink()


# -- running ----------------------------------------------------------------------------------


class Silent:
    """The audience of a run; this one watches nothing."""

    def begin(self, number, total, stage):
        """A stage starts; a tqdm bar to advance by its cells, or None."""

    def end(self, seconds):
        """The stage that began has ended, after so many seconds (None: nothing to do)."""


@dataclass(frozen=True)
class Outcome:
    """What a finished run says: its manifest, and whether any work was needed."""

    manifest: dict
    up_to_date: bool


def run(parameters, folder, notebooks=NOTEBOOKS, force=False, kernel=None, audience=None, page=True):
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
    audience : Silent, optional
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
        return Passage(parameters, folder, stages, audience, page).bring_up_to_date(force, kernel)


class Passage:
    """One passage through a chain, in a folder that is locked; parameters as in `run`, stages as from `read_chain`."""

    def __init__(self, parameters, folder, stages, audience=None, page=True):
        self.folder, self.stages, self.audience, self.page = folder, stages, audience or Silent(), page
        self.values = folder_parameters(parameters, folder)
        self.data = [] if parameters.data is None else data_files(parameters.data)

    def is_up_to_date(self):
        """Whether there is nothing to do; this needs no lock."""
        return self._is_finished(read_json(self.folder / MANIFEST))

    def bring_up_to_date(self, force=False, kernel=None):
        """Run the stages that need it; the `Outcome`."""
        clear_parts(self.folder, self.stages)
        manifest = read_json(self.folder / MANIFEST)
        if not force and self._is_finished(manifest):
            return Outcome(manifest, up_to_date=True)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        try:
            self._run_stages(force, kernel)
            manifest = self._write_report()
        finally:
            clear_parts(self.folder, self.stages)
        return Outcome(manifest, up_to_date=False)

    def _is_finished(self, manifest):
        return (is_manifest(manifest) and manifest["status"] == "finished"
                and all(is_current(stage, self._hash(stage), self.folder) and is_worded(stage, self.folder)
                        for stage in self.stages)
                and manifest["parameters"] == self._shown_parameters()
                and (not self.page or self._has_page(manifest)))

    def _has_page(self, manifest):
        return (manifest["hashes"].get("page") == page_hash(self.folder, self._names(), manifest["parameters"])
                and manifest["hashes"][REPORT] == file_hash(self.folder / REPORT))

    def _hash(self, stage):
        return stage_hash(stage, self.values, self.folder, self.data)

    def _names(self):
        return [stage.name for stage in self.stages]

    def _shown_parameters(self):
        return {name: self.values[name] for name in NAMES}

    def _run_stages(self, force, kernel):
        with contextlib.ExitStack() as stack:
            for number, stage in enumerate(self.stages):
                expected = self._hash(stage)
                if not force and is_current(stage, expected, self.folder):
                    self._word(stage)
                    self.audience.begin(number + 1, len(self.stages), stage)
                    self.audience.end(None)
                    continue
                (self.folder / REPORT).unlink(missing_ok=True)  # it tells of what is about to be replaced
                kernel = kernel or stack.enter_context(self._start_kernel(self.stages[number:]))
                bar = self.audience.begin(number + 1, len(self.stages), stage)
                self.audience.end(self._run_stage(stage, expected, kernel, bar))

    def _word(self, stage):
        """See that the executed notebook of a stage that need not run has the stage's prose."""
        if not is_worded(stage, self.folder):
            (self.folder / REPORT).unlink(missing_ok=True)
            write_json(self.folder / stage.notebook, word_anew(stage, read_json(self.folder / stage.notebook)))

    @contextlib.contextmanager
    def _start_kernel(self, stages):
        from runner.kernels import WarmKernel  # a tenth of a second that an up-to-date folder need not spend

        with WarmKernel() as kernel:
            kernel.preload(imported_modules(stages))
            from runner import page  # noqa: F401  will be needed, and there is time now

            yield kernel

    def _run_stage(self, stage, expected, kernel, bar):
        """Execute one stage and move its record in; how many seconds it took."""
        from runner.kernels import KernelDied, NotebookError

        for name in stage.writes:  # an old file must not pass for this run's
            (self.folder / name).unlink(missing_ok=True)
        part = self.folder / f".{stage.notebook}.part.ipynb"
        try:
            kernel.warm_up()  # once, and no stage's own time
            start = time.perf_counter()
            kernel.run(stage.path, part, {name: self.values[name] for name in stage.parameters}, self.folder, bar)
            seconds = round(time.perf_counter() - start, 3)
            outputs = {name: file_hash(self.folder / name) for name in stage.writes}
            if missing := [name for name, content in outputs.items() if content is None]:
                raise ChainError(f"it did not write {', '.join(missing)}")
        except (NotebookError, KernelDied, ChainError, OSError) as error:  # OSError: the disk is full
            self._keep_failure(stage, part, kernel, error)
        self._keep_notebook(stage, part, kernel, {"hash": expected, "outputs": outputs, "seconds": seconds})
        return seconds

    def _keep_notebook(self, stage, part, kernel, record):
        executed = _without_machine(part.read_text(encoding="utf-8"), kernel.folder)
        executed["metadata"]["chain"] = {"reads": stage.reads, "writes": stage.writes, **record}
        write_json(self.folder / stage.notebook, executed)
        part.unlink()

    def _keep_failure(self, stage, part, kernel, error):
        """Keep the notebook that shows the failure, and nothing half-written; say so in the manifest, and raise."""
        for name in stage.writes:
            (self.folder / name).unlink(missing_ok=True)
        if read_json(part):
            self._keep_notebook(stage, part, kernel, {})
        line = str(error).strip().splitlines()[-1]
        write_json(self.folder / MANIFEST, {
            **self._manifest("failed"), "trusted": False, "stage": stage.name, "error": line})
        if getattr(error, "ename", None) == "InputError":
            raise StageInputError(" ".join(error.evalue.split())) from None
        shown = os.path.relpath(self.folder / stage.notebook)
        raise ChainError(f"{stage.name} failed: {line} (see {shown})") from None

    def _manifest(self, status):
        records = {name: _record(self.folder, f"{name}.ipynb") for name in self._names()}
        done = {name: record for name, record in records.items() if "hash" in record}
        seconds = {name: record["seconds"] for name, record in done.items()}
        commit, dirty = _git_state(self.stages[0].path.parent.parent)
        return {
            "status": status, "parameters": self._shown_parameters(), "seed": self.values["seed"],
            "versions": _versions(), "machine": machine(), "commit": commit, "dirty": dirty,
            "hashes": {
                "stages": {name: record["hash"] for name, record in done.items()},
                "outputs": {name: content for record in done.values() for name, content in record["outputs"].items()}},
            "seconds": {**seconds, "total": round(sum(seconds.values()), 3)}}

    def _write_report(self):
        verdict = read_json(self.folder / VERDICT) or {}
        manifest = {**self._manifest("finished"), "trusted": verdict.get("trusted") is True}
        if self.page:
            return write_report(self.folder, manifest, self._names())
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


@functools.cache
def _versions():
    """The versions of Python and the direct dependencies."""
    names = (re.match(r"[\w.-]+", line).group() for line in importlib.metadata.requires(PROJECT))
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}


def machine():
    """What of this machine decides how numbers are rounded: system, architecture and kind of processor."""
    described = Path("/proc/cpuinfo")
    text = described.read_text(encoding="utf-8", errors="replace") if described.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return {"system": platform.system(), "architecture": platform.machine(),
            "processor": model.group(1).strip() if model else platform.processor()}


def _git_state(root):
    """The commit that `root` is at and whether it was changed since; two times None outside git."""
    if not (root / ".git").exists():
        return None, None
    commands = ["rev-parse", "HEAD"], ["status", "--porcelain"]
    try:
        commit, changes = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, check=True).stdout
            for command in commands)
    except (OSError, subprocess.CalledProcessError):
        return None, None
    return commit.strip(), bool(changes.strip())


# -- the report -------------------------------------------------------------------------------


def page_hash(folder, names, parameters):
    """The hash of all that goes into the page, but for the provenance at its foot."""
    sources = [file_hash(path) for path in PAGE_SOURCES]
    return value_hash([sources, [file_hash(folder / f"{name}.ipynb") for name in names], parameters])


def write_report(folder, manifest, names):
    """Write the page of the executed notebooks, then the manifest that vouches for it; the manifest."""
    from runner import page

    chapters = [(name, read_json(folder / f"{name}.ipynb")) for name in names]
    write_atomically(folder / REPORT, page.render(chapters, manifest))
    hashes = {"page": page_hash(folder, names, manifest["parameters"]), REPORT: file_hash(folder / REPORT)}
    manifest = {**manifest, "hashes": {**manifest["hashes"], **hashes}}
    write_json(folder / MANIFEST, manifest)
    return manifest


def render(folder):
    """Write the page of a finished run anew, from its executed notebooks.

    Raises
    ------
    InputError
        The folder holds no finished run.
    """
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    names = list(manifest["hashes"]["stages"]) if is_manifest(manifest) and manifest["status"] == "finished" else []
    if not names or not all((folder / f"{name}.ipynb").exists() for name in names):
        raise InputError(f"{os.path.relpath(folder)}: allowed: the folder of a finished run")
    with locked(folder):
        return write_report(folder, manifest, names)
