"""`--pdf`: printed by the browser that is there, or one line that says there is none."""

import os
import subprocess
import sys

import pytest
import tiny

from runner.page.pdf import find_browser


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("pdf")
    notebooks = tiny.write_chain(root)
    done = tiny.command("run", "--out", "r", "--notebooks", notebooks, cwd=root)
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.longer
@pytest.mark.skipif(find_browser() is None, reason="no browser on this machine")
def test_the_page_is_printed_and_goes_with_the_page_it_is_of(finished):
    done = tiny.command("render", "r", "--pdf", cwd=finished)
    assert (done.returncode, done.stderr) == (0, "")
    assert (finished / "r/report.pdf").read_bytes().startswith(b"%PDF-")
    assert not [path.name for path in (finished / "r").iterdir() if path.name.startswith(".")]
    tiny.command("render", "r", cwd=finished)
    assert not (finished / "r/report.pdf").exists(), "a page written anew has no PDF yet"


def render_with(path, folder):
    command = [sys.executable, tiny.ROOT / "report.py", "render", "r", "--pdf"]
    return subprocess.run(command, cwd=folder, env=os.environ | {"PATH": str(path)}, capture_output=True, text=True)


def test_without_a_browser_a_line_says_so_and_the_status_stays(finished, tmp_path):
    done = render_with(tmp_path, finished)
    assert done.returncode == 0 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("pdf: not written, since there is no browser here; allowed: one of chromium, ")
    assert done.stdout.endswith("r/report.html\n")


def test_a_browser_that_fails_is_named(finished, tmp_path):
    (tmp_path / "chromium").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "chromium").chmod(0o755)
    done = render_with(f"{tmp_path}:{os.environ['PATH']}", finished)
    assert done.returncode == 0 and not (finished / "r/report.pdf").exists()
    assert done.stderr == "pdf: not written, since chromium did not print the page (CalledProcessError)\n"
