"""A kernel that has imported what its notebooks need before it begins: `python -m runner.launcher MODULES -f FILE`.

MODULES are names parted by commas. The process that stands by (see `mixture.background`) is forked in between, where this
one has no thread yet: it need not import anything again.
"""

import contextlib
import gc
import importlib
import sys


def import_all(modules: list[str]) -> None:
    """Import modules by name; what cannot be imported is left to the notebook that needs it, to say so in its own cell."""
    gc.disable()  # what is imported stays, and to look for garbage in it takes a tenth of the time
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.enable()
    gc.freeze()


def main() -> None:
    """Import, fork, and become a kernel."""
    modules = list(filter(None, sys.argv.pop(1).split(",")))
    del sys.path[0]  # the working directory, as in ipykernel's own launcher
    import_all(modules)
    if "mixture.background" in sys.modules:
        sys.modules["mixture.background"].stand_by()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


if __name__ == "__main__":
    main()
