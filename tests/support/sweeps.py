"""Sweeps of the tiny chain, and a log of what they ran."""

import pandas as pd
import tiny

from runner.sweep import results

TOLD = "with open('../../../../log', 'a') as log: log.write(f'{n_samples}\\n')\n"


def write(folder, text, name="s.yml"):
    path = folder / name
    path.write_text(text)
    return path


class House:
    """A tiny chain, sweeps of it, and a log of the points that it really ran."""

    def __init__(self, root, draw="", **more):
        self.root, self.out = root, root / "runs" / "s"
        self.notebooks = tiny.write_chain(root, draw=TOLD + draw, **more)

    def sweep(self, text, *arguments):
        """Run a sweep file's text; the finished process."""
        write(self.root, text)
        return tiny.command("sweep", "s.yml", "--notebooks", self.notebooks, *arguments, cwd=self.root)

    def ran(self):
        """The sizes that were run since this was last asked."""
        log = self.root / "log"
        found = sorted(map(int, log.read_text().split())) if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def table(self):
        return pd.read_parquet(self.out / results.RESULTS).sort_values("n_samples", ignore_index=True)
