"""Processes that a test starts carry a mark in their environment, which all that they start inherit.

By that mark the survivors are found, whoever their parent is by then.
"""

import contextlib
import os
import time
import uuid

import psutil

NAME = "TEST_MARK"


class Tracked:
    """Something that starts processes in `env`."""

    def __init__(self):
        self.mark = uuid.uuid4().hex
        self.env = os.environ | {NAME: self.mark}

    def processes(self, *words):
        """What of it is alive and holds these words in its command line."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                marked = process.environ().get(NAME) == self.mark and process.status() != psutil.STATUS_ZOMBIE
                if marked and all(word in " ".join(process.cmdline()) for word in words):
                    found.append(process)
        return found

    def nothing_remains(self, seconds=60):
        """Whether all processes are gone, soon; as soon as they are, on a machine however busy."""
        end = time.monotonic() + seconds
        while self.processes() and time.monotonic() < end:
            time.sleep(0.1)
        return not self.processes()

    def kill(self):
        """End what is left, so that no test leaves work to the next."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
