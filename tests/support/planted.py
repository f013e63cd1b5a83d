"""Compiled modules with an error planted in them."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def plant(module: ModuleType, right: str, wrong: str, folder: Path) -> ModuleType:
    """The module with one piece of its source, which is to occur once, replaced.

    Its name is its own: of two compiled functions with one full name a process links the first that it loaded.
    """
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    changed = source.replace(right, wrong)
    name = f"planted_{hashlib.sha256(changed.encode()).hexdigest()[:16]}"
    path = folder / f"{name}.py"
    path.write_text(changed, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    planted = importlib.util.module_from_spec(spec)
    sys.modules[name] = planted
    spec.loader.exec_module(planted)
    return planted
