"""Files that are whole or not there: the one way to write to a run folder, and to read its JSON.

A file is written under a hidden name beside its place and moved in with `os.replace`, so
that no reader sees half of it. Imports nothing of this project.
"""

import contextlib
import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISREG
from tempfile import mkstemp
from typing import Any


def write_atomically(path: str | os.PathLike, write: Callable[[str], Any]) -> None:
    """Write a file as a whole or not at all.

    Parameters
    ----------
    path : path-like
        Its folder is made if need be.
    write : callable
        Called with the temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        write(part)
        os.chmod(part, 0o644)  # mkstemp lets only the owner read
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text, as UTF-8."""
    write_atomically(path, lambda part: Path(part).write_text(text, encoding="utf-8"))


def write_json(path: str | os.PathLike, content: Any, end: str = "", **options: Any) -> None:
    """Write plain values as JSON and `end` after it; a number that is not finite becomes null, as JSON has no NaN.

    `options` are those of `json.dumps`.
    """
    write_text(path, json.dumps(_finite(content), indent=1, allow_nan=False, **options) + end)


def _finite(content):
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def read_text(path: str | os.PathLike) -> str:
    """The UTF-8 text of a file; OSError for a folder, and for a pipe or a device, which need not end."""
    if not S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a file with an end", str(path))
    return Path(path).read_text(encoding="utf-8")


def read_json(path: str | os.PathLike) -> Any:
    """The content of a JSON file, or None if there is no such file or it is not whole."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def read_from(folder: str | os.PathLike, name: str, read: Callable[[Path], Any], remedy: str) -> Any:
    """A file of a run folder through `read`; where there is none, FileNotFoundError says so and gives the remedy."""
    path = Path(folder) / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {remedy}")
    return read(path)
