"""The papermill engine that runs a notebook in a kernel that is already up.

Apart from `runner.kernels` because importing papermill takes a second or more,
which the kernel can use to import PyMC.
"""

import json
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from runner.kernels import KernelDied, NotebookError


class WarmEngine(Engine):
    """papermill's own client, handed a running kernel."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, kernel=None, bar=None, **_):
        nb_man.pbar = bar
        client = PapermillNotebookClient(
            nb_man, km=kernel.manager, kernel_name=kernel_name,
            iopub_timeout=60,  # on a busy machine the end of a cell's output can lag behind its reply
            record_timing=False)
        client.kc = kernel.client
        client.execute()


papermill_engines.register("warm", WarmEngine)


def execute(kernel, notebook, output, parameters, bar):
    """`WarmKernel.run` without the cleaning; see there."""
    try:
        papermill.execute_notebook(
            notebook, output, parameters=parameters, engine_name="warm", kernel_name="python3",
            language="python", progress_bar=False, kernel=kernel, bar=bar)
    except PapermillExecutionError as error:
        raise NotebookError(error.ename, error.evalue) from None
    except DeadKernelError:
        number = _mark_death(Path(output))
        raise KernelDied(f"the kernel died in cell {number} (killed, or out of memory)") from None


def _mark_death(output):
    """Put the death into the cell that was running, which papermill calls completed; return its number."""
    notebook = json.loads(output.read_text(encoding="utf-8"))
    started = [i for i, cell in enumerate(notebook["cells"])
               if cell["cell_type"] == "code" and cell["metadata"].get("papermill", {}).get("start_time")]
    notebook["cells"][started[-1]]["outputs"].append(
        {"output_type": "error", "ename": "DeadKernelError", "evalue": "the kernel died here",
         "traceback": ["DeadKernelError: the kernel died here"]})
    output.write_text(json.dumps(notebook), encoding="utf-8")
    return started[-1] + 1
