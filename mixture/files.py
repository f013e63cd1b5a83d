"""Whole files or none: how the notebooks write to the run folder and read from it."""

import json
import math
import os
import tempfile
from pathlib import Path


def write_whole(path, write):
    """Write a file beside its place and move it in, so that no reader sees half of it.

    Parameters
    ----------
    path : path-like
        Its folder is made if need be.
    write : callable
        Called with the temporary path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        write(part)
        os.chmod(part, 0o644)  # mkstemp keeps it to its owner
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def write_json(path, content):
    """Write plain values as JSON, whole; what is not a finite number becomes null, as JSON knows no NaN."""
    text = json.dumps(_finite(content), indent=1, allow_nan=False)
    write_whole(path, lambda part: Path(part).write_text(text, encoding="utf-8"))


def _finite(content):
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def read_json(path):
    """The plain values in a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_from(run_dir, name, read):
    """A file of the run folder through `read`; FileNotFoundError says how to make it."""
    path = Path(run_dir) / name
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the notebooks before this one, or `make report`")
    return read(path)
