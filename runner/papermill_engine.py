"""The papermill engine that runs a notebook in a kernel that is already up; `runner.kernels` imports it late."""

import sys

# What nbformat imports builds a grammar of international addresses, which takes a second; no notebook is checked for one.
sys.modules.setdefault("rfc3987_syntax", None)

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import write_ipynb

from runner.errors import KernelDied, NotebookError

PROGRESS = ("sampling: ", "counting: ")  # how a line on stderr begins that says how far a long cell has come


class _Client(PapermillNotebookClient):
    """papermill's own client; lines of progress go to a listener, and not into the notebook."""

    on_progress = None

    def output(self, outs, msg, display_id, cell_index):
        if msg["msg_type"] == "stream" and msg["content"]["name"] == "stderr":
            lines = [line.strip() for line in msg["content"]["text"].splitlines() if line.strip()]
            if all(line.startswith(PROGRESS) for line in lines):  # or nothing but the line's end
                if lines and self.on_progress is not None:
                    self.on_progress(lines[-1])
                return None
        return super().output(outs, msg, display_id, cell_index)


class WarmEngine(Engine):
    """papermill's own client, handed a running kernel."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, kernel=None, output=None, **_):
        client = _Client(
            nb_man,
            km=kernel.manager,
            kernel_name=kernel_name,
            iopub_timeout=60,  # on a busy machine the end of a cell's output can lag behind its reply
            record_timing=False,
        )
        client.kc, client.on_progress = kernel.client, kernel.on_progress
        try:
            client.execute()
        except DeadKernelError:
            number = _mark_death(nb_man.nb)
            write_ipynb(nb_man.nb, str(output))
            raise KernelDied(f"the kernel died in cell {number} (killed, or out of memory)") from None


papermill_engines.register("warm", WarmEngine)


def execute(kernel, notebook, output, parameters):
    """`WarmKernel.run` without the cleaning; see there."""
    try:
        papermill.execute_notebook(
            notebook,
            output,
            parameters=parameters,
            engine_name="warm",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            kernel=kernel,
            output=output,
            # To write the whole notebook before and after each cell takes more than a second of a report.
            request_save_on_cell_execute=False,
        )
    except PapermillExecutionError as error:
        raise NotebookError(error.ename, error.evalue) from None


def _mark_death(notebook):
    """Put the death into the cell that was running, which papermill calls completed; return its number."""
    started = [
        i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.metadata.papermill["start_time"]
    ]
    notebook.cells[started[-1]].outputs.append(
        nbformat.v4.new_output(
            "error",
            ename="DeadKernelError",
            evalue="the kernel died here",
            traceback=["DeadKernelError: the kernel died here"],
        )
    )
    return started[-1] + 1
