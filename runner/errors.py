"""What can go wrong in a run, each with a message of one line."""

from mixture.messages import InputError


class ChainError(RuntimeError):
    """The chain cannot run, or a stage of it failed."""


class FolderBusy(ChainError):
    """Another run is at work in the folder."""


class StageInputError(InputError):
    """A notebook found the user's input unusable."""


class KernelDied(RuntimeError):
    """The kernel's process ended while it had work to do."""


class NotebookError(RuntimeError):
    """A cell raised; `ename` and `evalue` are the exception's class and message."""

    def __init__(self, ename: str, evalue: str):
        super().__init__(f"{ename}: {evalue}")
        self.ename, self.evalue = ename, evalue
