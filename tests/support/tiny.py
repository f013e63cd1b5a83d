"""A chain of three tiny notebooks, real in all but their subject: 01 writes, 02 doubles, 03 judges."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERDICT = {
    "trusted": True,
    "checks": [{"name": "size", "value": 1, "limit": 2, "passed": True, "advice": ""}],
    "cautions": [],
}


def cell(source, *tags, kind="code", outputs=()):
    """A cell as the notebook format stores it."""
    extra = {"outputs": list(outputs), "execution_count": None} if kind == "code" else {}
    return {
        "cell_type": kind,
        "id": f"c{abs(hash(source))}",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        **extra,
    }


def text(source):
    """A markdown cell."""
    return cell(source, kind="markdown")


def notebook(*cells, reads=(), writes=()):
    """A notebook of the chain."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "cells": list(cells),
        "metadata": {
            "chain": {"reads": list(reads), "writes": list(writes)},
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        },
    }


def write_chain(folder, draw="", double="", verdict=VERDICT):
    """Write the chain below `folder`; `draw` and `double` are more code for notebooks 1 and 2."""
    notebooks = Path(folder) / "notebooks"
    notebooks.mkdir(parents=True, exist_ok=True)
    chapters = {
        "01_draw": notebook(
            text("# 1 · Draw"),
            cell("seed = 0\nn_samples = 10\nrun_dir = 'x'", "parameters"),
            cell(f"leak = 1\n{draw}\nopen(f'{{run_dir}}/numbers.txt', 'w').write(str(seed + n_samples))"),
            writes=["numbers.txt"],
        ),
        "02_double": notebook(
            text("# 2 · Double"),
            cell("draws = 10\nrun_dir = 'x'", "parameters"),
            cell(f"from pathlib import Path\n{double}\nnumber = int(Path(run_dir, 'numbers.txt').read_text())"),
            cell("Path(run_dir, 'doubled.txt').write_text(str(number * 2))"),
            reads=["numbers.txt"],
            writes=["doubled.txt"],
        ),
        "03_judge": notebook(
            text("# 3 · Judge"),
            cell("interval = 0.5\nrun_dir = 'x'", "parameters"),
            cell(f"open('verdict.json', 'w').write({json.dumps(verdict)!r})"),
            reads=["doubled.txt"],
            writes=["verdict.json"],
        ),
    }
    for name, content in chapters.items():
        (notebooks / f"{name}.ipynb").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return notebooks


def command(*arguments, cwd, timeout=300):
    """Run report.py as a user would; the finished process."""
    return subprocess.run(
        [sys.executable, ROOT / "report.py", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
