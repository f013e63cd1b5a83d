"""Temporary folders that go when their process ends, however it ends: a shell waits for that, and removes them.

announced
    said of a process that wrote its number into the folder before it became what it is:
    it and its process group are killed before the folder is removed
"""

import contextlib
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from runner.errors import ChainError

LONGEST = 60  # characters of a folder's place: a socket's path may have 100, and a test's TMPDIR alone may have more

# Makes the folder and says so, be there anybody to hear it by then or not; then waits for its input to end, which it does when its parent ends, and removes the folder.
# Who has announced itself is killed first, so that it never complains of a missing folder. Then that is moved away, so
# that a process which has not announced itself by then cannot, and does not start; who did so in between is killed too.
# What was killed may take a moment to die, and write: hence the repetition.
GUARD = """
mkdir -m 700 -- "$0" || exit 1
trap '' PIPE
echo made
read -r line
gone="$0.gone"
[ -e "$0/pid" ] && kill -s KILL -- "-$(cat "$0/pid")"
mv -- "$0" "$gone"
[ -e "$gone/pid" ] && kill -s KILL -- "-$(cat "$gone/pid")"
for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$gone" "$0" && exit; sleep 0.1; done
"""
ANNOUNCE = 'echo $$ > "$0/part" && mv -- "$0/part" "$0/pid" && exec "$@"'


def announced(command: Sequence[str], folder: Path) -> list[str]:
    """The command that announces itself in a guarded folder, and then becomes `command`; it has to lead a session."""
    return ["/bin/sh", "-c", ANNOUNCE, str(folder), *command]


class GuardedFolder:
    """A temporary folder with its guard.

        with GuardedFolder("chain-") as scratch:
            (scratch.folder / "x").write_text("gone when this block, or this process, ends")

    Attributes
    ----------
    folder : Path
    guard : subprocess.Popen

    Raises
    ------
    ChainError
        The folder cannot be made.
    """

    def __init__(self, prefix: str):
        place = tempfile.gettempdir()
        self.folder = Path(place if len(place) < LONGEST else "/tmp", prefix + secrets.token_hex(6))
        self.guard = subprocess.Popen(
            ["/bin/sh", "-c", GUARD, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal is not for it
        )
        if self.guard.stdout.readline() != b"made\n":
            raise ChainError(f"{self.folder}: cannot be made")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self) -> None:
        """Kill the group of the announced process, if there is one, and remove the folder; harmless when done before."""
        with contextlib.suppress(BrokenPipeError):
            self.guard.stdin.close()
        self.guard.wait()
        self.guard.stdout.close()
