"""The run folder: its files, its lock, what is no place for one, and what a killed run leaves in it.

record
    what a stage leaves when it succeeds, inside its executed notebook: the hash of all
    that went into it, and the hash of each file that came out
stale
    said of a stage whose record does not match what would go into it now

A folder counts as finished only by its manifest, which is written last.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mixture.atomic import write_atomically, write_text
from mixture.atomic import write_json as _write_json
from mixture.code_hash import file_hash
from mixture.messages import InputError, format_name
from runner.errors import FolderBusy
from runner.stages import Stage, ran_all
from runner.stored import MANIFEST, PDF, REPORT, VERDICT, read_if_sound

try:
    import fcntl
except ImportError:
    raise SystemExit(
        "this runs on Linux and macOS, and on Windows in WSL: the system has no fcntl to lock a folder"
    ) from None

__all__ = [
    "MANIFEST",
    "PDF",
    "REPORT",
    "VERDICT",
    "clear_parts",
    "is_current",
    "locked",
    "make_folder",
    "read_record",
    "refuse_unusable",
    "refuse_unwritable",
    "write_atomically",
    "write_json",
    "write_text",
]


def write_json(path: Path, value: Any) -> None:
    """Write a notebook, a manifest or the like: names in order, so that the same content has the same bytes."""
    _write_json(path, value, end="\n", ensure_ascii=False, sort_keys=True)


def read_record(folder: Path, stage: Stage) -> dict[str, Any]:
    """What a stage left on record in its executed notebook; empty where it did not succeed, or the notebook is damaged."""
    executed = read_if_sound(folder / stage.notebook)
    record = executed["metadata"].get("chain", {}) if executed and ran_all(stage, executed) else {}
    return record if "hash" in record else {}


def is_current(stage: Stage, expected: str, folder: Path) -> bool:
    """Whether the stage's record has the expected hash and its outputs are as recorded."""
    record = read_record(folder, stage)
    outputs = {name: file_hash(folder / name) for name in stage.writes}
    return record.get("hash") == expected and record["outputs"] == outputs and None not in outputs.values()


# -- a place for a run ------------------------------------------------------------------------


def refuse_unusable(folder: Path, stages: Iterable[Stage]) -> None:
    """Raise `InputError` if `folder` is no place for a run; touch nothing."""
    refuse_unwritable(folder, "a run folder")
    if os.path.isdir(folder) and not _is_run_folder(folder, stages):
        raise InputError(
            f"out: given {_format_folder(folder)}, which holds other files; "
            "allowed: a run folder, an empty one or a new one"
        )


def refuse_unwritable(folder: Path, kind: str) -> None:
    """Raise `InputError` if `folder` cannot be written, or made; `kind` is what it is to be."""
    name = _format_folder(folder)
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # no notebook, no page and no table can name it
        raise InputError(f"out: given {name}; allowed: a name in UTF-8") from None
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise InputError(f"out: given {name}, a file; allowed: {kind}, or one to be made")
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.exists(path))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"out: given {name}; allowed: a place where a folder can be made and written")


def make_folder(folder: Path) -> None:
    """Make a folder and those above it: all of them, or an `InputError` and none."""
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a name too long, a file system that takes no folders
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        name = _format_folder(folder)
        raise InputError(f"out: given {name}; allowed: a folder that can be made ({error.strerror})") from None


def _format_folder(folder):
    return format_name(os.path.relpath(folder))


def _is_run_folder(folder, stages):
    """Finished, or begun: nothing in it but what a chain writes."""
    if read_if_sound(folder / MANIFEST) or any(read_record(folder, stage) for stage in stages):
        return True
    own = _own_names(stages)
    return all(path.name in own or path.name.startswith(".") for path in folder.iterdir())


def _own_names(stages):
    return {MANIFEST, REPORT, PDF, *(s.notebook for s in stages), *(name for s in stages for name in s.writes)}


# -- at work in it ----------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against a second run; the lock ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise FolderBusy(f"another run is at work in {os.path.relpath(folder)}") from None
    try:
        yield
    finally:
        os.close(handle)


def clear_parts(folder: Path, stages: Iterable[Stage]) -> None:
    """Remove what a killed run was still writing: hidden or suffixed namesakes of our files."""
    own = _own_names(stages)
    for path in folder.iterdir():
        if path.name not in own and path.name.startswith(tuple(f".{name}" for name in own)):
            path.unlink()
