"""The page as a PDF, printed by a headless Chromium where there is one."""

import os
import shutil
import subprocess
from pathlib import Path

from runner.folder import PDF, REPORT
from runner.scratch import GuardedFolder

BROWSERS = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
SECONDS = 120  # a page takes two or three
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    "--no-pdf-header-footer",
)


def find_browser() -> str | None:
    """The first of `BROWSERS` on the path."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def write_pdf(folder: Path) -> str:
    """Print a run's report.html into report.pdf beside it.

    Returns
    -------
    str
        Why there is no PDF, in one line; empty if there is one.
    """
    browser = find_browser()
    if browser is None:
        return f"pdf: not written, since there is no browser here; allowed: one of {', '.join(BROWSERS)}, installed"
    with GuardedFolder("pdf-") as scratch:
        printed = scratch.folder / PDF
        root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
        places = [f"--user-data-dir={scratch.folder / 'profile'}", f"--print-to-pdf={printed}"]
        command = [browser, *FLAGS, *root, *places, (folder / REPORT).resolve().as_uri()]
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=True)
            part = folder / f".{PDF}.part"
            shutil.copyfile(printed, part)
            os.replace(part, folder / PDF)
        except (OSError, subprocess.SubprocessError) as error:
            return f"pdf: not written, since {Path(browser).name} did not print the page ({type(error).__name__})"
    return ""
