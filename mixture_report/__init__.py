"""The command `mixture-report`, from any folder: it finds the project's files and lets them import each other.

In a clone they are in the folder above. An installed wheel has them all in `project/`, notebooks and
requirements.lock among them: apart from other packages, so that a stage's hash is that of the
project's own code, and so that names such as `helpers` and `runner` are nobody else's.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "project" if (HERE / "project").is_dir() else HERE.parent


def main() -> NoReturn:
    """Run the command line of runner/cli.py; kernels and workers inherit the path to the project."""
    sys.path.insert(0, str(PROJECT))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    from runner.cli import main_program

    main_program()
