"""What a command refuses, in this process."""

import contextlib
import io
import warnings

from runner import cli


def refusal(*arguments):
    """The one line that a command ends with; a warning is an error."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said), warnings.catch_warnings():
        warnings.simplefilter("error")
        status = cli.main(list(map(str, arguments)))
    assert (status, out.getvalue(), said.getvalue().count("\n")) == (2, "", 1), (status, said.getvalue())
    line = said.getvalue().removesuffix("\n")
    assert line.isprintable() and len(line) < 500
    return line
