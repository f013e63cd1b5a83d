"""The chain and its door: what runs, what does not, what is left behind."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time

import psutil
import pytest
import tiny

from mixture.messages import InputError
from parameters import Parameters, check
from runner import cli
from runner.errors import ChainError, NotebookError
from runner.folder import MANIFEST, REPORT, locked
from runner.kernels import WarmKernel, kernel_environment
from runner.page.report import rewrite_report
from runner.provenance import data_files, git_state, stage_hash
from runner.run import ProgressListener, run_chain
from runner.stages import Stage, read_chain, stage_modules

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def kernel():
    with WarmKernel() as warm:
        yield warm


class Watcher(ProgressListener):
    """Remembers which stages ran."""

    def __init__(self):
        self.ran = []

    def begin(self, number, total, stage):
        self.stage = stage.name

    def end(self, seconds):
        if seconds is not None:
            self.ran.append(self.stage)


@pytest.fixture
def house(tmp_path, kernel):
    """A tiny chain, and a way to run it that returns the names of the stages that ran."""

    class House:
        root, out, notebooks = tmp_path, tmp_path / "run", tiny.write_chain(tmp_path)

        def run(self, force=False, **values):
            watcher = Watcher()
            self.outcome = run_chain(check(values), self.out, self.notebooks, force, kernel, watcher)
            return watcher.ran

        def edit(self, name, old, new):
            path = self.notebooks / f"{name}.ipynb"
            path.write_text(path.read_text().replace(old, new))

        def manifest(self):
            return json.loads((self.out / MANIFEST).read_text())

        def record(self, name):
            return json.loads((self.out / f"{name}.ipynb").read_text())["metadata"]["chain"]

        def cells(self, name):
            return json.loads((self.out / f"{name}.ipynb").read_text())["cells"]

    return House()


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


ALL = ["01_draw", "02_double", "03_judge"]


# -- what runs --------------------------------------------------------------------------------


def test_stages_run_in_order_and_pass_files_on(house):
    assert house.run(seed=4, n_samples=10) == ALL
    assert (house.out / "doubled.txt").read_text() == "28"
    assert not house.outcome.up_to_date
    assert hidden(house.out) == []


@pytest.mark.parametrize(
    "code, told",
    [
        ("print('sampling: 1 of 2 sweeps', file=sys.stderr, flush=True)", ["sampling: 1 of 2 sweeps"]),
        (
            "import tqdm\\nfor _ in tqdm.tqdm(range(2), desc='counting', bar_format='{desc}: {n}'): pass",
            ["counting: 2"],
        ),
    ],
)
def test_how_far_a_long_cell_has_come_is_heard_and_not_kept(house, kernel, code, told):
    house.edit("01_draw", "leak = 1", f"import sys\\n{code}\\nprint('kept')")
    heard = []

    class Listener(ProgressListener):
        def progress(self, line):
            heard.append(line)

    run_chain(check({}), house.out, house.notebooks, kernel=kernel, listener=Listener())
    assert heard[-1:] == told and set(heard) <= {*told, "counting: 0", "counting: 1"}
    outputs = [output for cell in house.cells("01_draw") for output in cell.get("outputs", [])]
    assert ["".join(output["text"]) for output in outputs if output["output_type"] == "stream"] == ["kept\n"]


def test_the_manifest_says_what_was_run_and_names_no_path(house):
    house.run(seed=4)
    manifest = house.manifest()
    assert (manifest["status"], manifest["trusted"], manifest["seed"]) == ("finished", True, 4)
    assert manifest["parameters"] == check({"seed": 4}).model_dump()
    assert set(manifest["hashes"]["stages"]) == set(manifest["seconds"]) - {"total"} == set(ALL)
    assert set(manifest["hashes"]["outputs"]) == {"numbers.txt", "doubled.txt", "verdict.json"}
    assert {"python", "pymc", "arviz", "scikit-learn"} <= manifest["versions"].keys()
    assert platform.node() not in manifest["machine"].values(), "whose machine it was is nobody's business"
    assert (manifest["commit"], manifest["dirty"]) == (None, None)  # the tiny chain is in no repository
    for path in house.out.iterdir():
        assert str(house.root) not in path.read_text(), path.name


def test_nothing_runs_twice(house):
    house.run()
    before = {path.name: path.stat().st_mtime_ns for path in house.out.iterdir()}
    assert house.run() == []
    assert house.outcome.up_to_date
    assert {path.name: path.stat().st_mtime_ns for path in house.out.iterdir()} == before


@pytest.mark.parametrize(
    "old, new",
    [
        ("# 2 · Double", "# 2 · Twice"),
        (
            '"# 2 · Double"}',
            '"# 2 · Double"}, {"cell_type": "markdown", "id": "x", "metadata": {}, "source": "Look:\\nthere"}',
        ),
    ],
)
def test_rewording_a_notebook_runs_none_and_gives_what_running_would(house, old, new):
    house.run()
    house.edit("02_double", old, new)
    assert house.run() == []
    assert not house.outcome.up_to_date
    worded, page = house.cells("02_double"), (house.out / REPORT).read_text()
    assert house.run() == [] and house.outcome.up_to_date
    house.run(force=True)
    assert house.cells("02_double") == worded
    assert ("2 · Twice" in page) == ("Twice" in new) and ("Look:" in page) == ("Look:" in new)


def test_changing_what_a_notebook_runs_reruns_that_one_only(house):
    house.run()
    house.edit("02_double", "number * 2", "2 * number")
    assert house.run() == ["02_double"]


def test_a_parameter_reruns_the_stages_that_it_reaches(house):
    house.run()
    assert house.run(draws=20) == ["02_double"]  # and what it wrote is as before
    assert house.run(draws=20, seed=5) == ALL


def test_every_parameter_that_a_notebook_takes_counts_for_it(tmp_path):
    """In the chain itself, one by one; what a notebook does not take does not."""
    for stage in read_chain():
        for name in stage.reads:
            (tmp_path / name).write_text(name)
        values = dict.fromkeys(Parameters.model_fields, 1) | {"run_dir": "."}
        before = stage_hash(stage, values, tmp_path, [])
        assert {"run_dir"} < set(stage.parameters) <= values.keys()
        reached = {name for name in values if stage_hash(stage, values | {name: 2}, tmp_path, []) != before}
        assert reached == set(stage.parameters)


@pytest.mark.parametrize("change", ["reads", "writes", "data", "name of the data", "cells", "tags"])
def test_all_else_that_goes_into_a_notebook_counts(tmp_path, change):
    (tmp_path / "a.txt").write_text("1")
    data = tmp_path / "data.csv"
    data.write_text("1")
    cells = [tiny.cell("seed = 0\ndata = None\nrun_dir = 'x'", "parameters"), tiny.cell("seed")]
    stage = Stage("01_draw", tmp_path / "01_draw.ipynb", cells, ("a.txt",), ("b.txt",), ("seed", "data", "run_dir"))
    values, before = {"seed": 1, "data": "data.csv", "run_dir": "."}, None
    before = stage_hash(stage, values, tmp_path, [data])
    assert stage_hash(stage, values, tmp_path, [data]) == before
    if change == "reads":
        (tmp_path / "a.txt").write_text("2")
    elif change == "writes":
        stage = dataclasses.replace(stage, writes=("c.txt",))
    elif change == "data":
        data.write_text("2")
    elif change == "name of the data":
        data = data.rename(tmp_path / "other.csv")
    else:
        other = tiny.cell("seed + 1") if change == "cells" else tiny.cell("seed", "hide")
        stage = dataclasses.replace(stage, cells=[cells[0], other])
    assert stage_hash(stage, values, tmp_path, [data]) != before


def git(folder, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", folder, *arguments], check=True, capture_output=True
    )


def test_a_report_says_at_which_commit_it_was_made_and_whether_anything_was_changed_since(tmp_path):
    """Or that it was made outside git."""
    notebook = tmp_path / "notebooks" / "01_draw.ipynb"
    notebook.parent.mkdir()
    notebook.write_text("1")
    assert git_state(tmp_path) == (None, None)
    git(tmp_path, "init")
    assert git_state(tmp_path) == (None, None), "no commit yet"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    head = subprocess.run(["git", "-C", tmp_path, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert git_state(tmp_path) == (head, False)
    notebook.write_text("2")
    assert git_state(tmp_path) == (head, True)
    notebook.write_text("1")
    assert git_state(tmp_path) == (head, False)
    (tmp_path / "new.py").write_text("")
    assert git_state(tmp_path) == (head, True)


def test_the_manifest_has_the_commit_and_the_changes_of_its_chain(house):
    git(house.root, "init")
    (house.root / ".gitignore").write_text("run\n")
    git(house.root, "add", ".")
    git(house.root, "commit", "-m", "first")
    house.run()
    manifest = house.manifest()
    assert (manifest["commit"], manifest["dirty"]) == git_state(house.root) and manifest["dirty"] is False
    house.edit("02_double", "number * 2", "2 * number")
    house.run()
    assert (house.manifest()["commit"], house.manifest()["dirty"]) == (manifest["commit"], True)


def test_the_title_is_no_reason_to_run_a_notebook(house):
    house.run()
    assert house.run(title="Another") == []
    assert "<h1>Another</h1>" in (house.out / REPORT).read_text()
    assert house.manifest()["parameters"]["title"] == "Another"


@pytest.mark.parametrize("spoil", ["changed", "removed"])
def test_an_output_that_is_not_as_written_is_written_again(house, spoil):
    house.run()
    path = house.out / "doubled.txt"
    path.write_text("0") if spoil == "changed" else path.unlink()
    assert house.run() == ["02_double"]
    assert path.read_text() == str(2 * (Parameters().seed + Parameters().n_samples))


def test_code_that_a_notebook_imports_counts_and_other_code_does_not(house):
    (house.root / "json.py").write_text("")  # a name the kernel has loaded long ago
    (house.root / "unused.py").write_text("")
    house.edit("02_double", "from pathlib", "import json\\nfrom pathlib")
    house.run()
    (house.root / "unused.py").write_text("changed = True")
    assert house.run() == []
    (house.root / "json.py").write_text("changed = True")
    assert house.run() == ["02_double"]
    (house.root / "requirements.lock").write_text("changed")
    assert house.run() == ALL


def test_the_data_count_by_content(house):
    data = house.root / "data.csv"
    data.write_text("x\n1\n")
    house.edit("01_draw", "seed = 0", "data = None\\nseed = 0")
    house.run(data=str(data))
    os.utime(data, (1, 1))
    assert house.run(data=str(data)) == []
    data.write_text("x\n2\n")
    assert house.run(data=str(data)) == ["01_draw"]
    assert house.manifest()["parameters"]["data"] == "../data.csv"


def test_the_files_of_a_folder_are_those_that_are_seen_in_one_order(tmp_path):
    files = [tmp_path / f"{letter}.csv" for letter in "abcdefghijklmnop"]
    for path in [*files[::-2], tmp_path / ".hidden.csv", *files[::2]]:
        path.write_text("x")
    (tmp_path / "deeper").mkdir()
    assert data_files(str(tmp_path)) == files == data_files(str(tmp_path / "*.csv"))
    assert data_files(str(tmp_path / "b.csv")) == files[1:2] and data_files(str(tmp_path / "none.csv")) == []


def test_force_runs_everything(house):
    house.run()
    assert house.run(force=True) == ALL


def test_a_lost_page_is_rendered_without_running(house):
    house.run()
    page = (house.out / REPORT).read_bytes()
    (house.out / REPORT).unlink()
    assert house.run() == []
    assert (house.out / REPORT).read_bytes() == page
    (house.out / REPORT).write_text("spoiled")
    rewrite_report(house.out)
    assert (house.out / REPORT).read_bytes() == page
    assert house.run() == [] and house.outcome.up_to_date


def test_a_notebook_finds_nothing_of_the_one_before(house):
    house.edit("01_draw", "leak = 1", "leak = 1; import matplotlib.pyplot as plt; plt.rcParams['lines.linewidth'] = 9")
    house.edit(
        "02_double",
        "from pathlib",
        "import matplotlib.pyplot as plt\\n"
        "assert 'leak' not in globals() and plt.rcParams['lines.linewidth'] != 9\\nfrom pathlib",
    )
    assert house.run() == ALL


def test_executed_notebooks_keep_no_time_and_no_machine(house):
    house.edit("01_draw", "leak = 1", "import warnings; warnings.warn('careful'); print('a/' * 1_000_000)")
    house.run()  # and a long output without a space takes no time
    stored = (house.out / "01_draw.ipynb").read_text()
    assert '"cell:1: UserWarning: careful' in stored
    assert not any(word in stored for word in ("papermill", "ipykernel_", sys.prefix, "start_time", "shell.execute"))


# -- what goes wrong --------------------------------------------------------------------------


def test_a_failure_keeps_the_notebook_that_shows_it(house):
    house.edit("02_double", "from pathlib", "1 / 0\\nfrom pathlib")
    with pytest.raises(ChainError, match="02_double failed: ZeroDivisionError: division by zero"):
        house.run()
    assert house.manifest()["status"] == "failed" and not house.manifest()["trusted"]
    assert (house.manifest()["stage"], house.manifest()["error"]) == (
        "02_double",
        "ZeroDivisionError: division by zero",
    )
    assert "ZeroDivisionError" in (house.out / "02_double.ipynb").read_text()
    assert "hash" not in house.record("02_double")
    assert not (house.out / REPORT).exists() and hidden(house.out) == []
    house.edit("02_double", "1 / 0\\n", "")
    assert house.run() == ["02_double", "03_judge"]


def test_input_that_a_notebook_refuses_is_bad_input(house):
    house.edit("01_draw", "leak = 1", "from parameters import InputError\\nraise InputError('column: no such column')")
    with pytest.raises(InputError, match="^column: no such column$"):
        house.run()
    assert house.manifest()["status"] == "failed"


def test_a_stage_must_write_what_it_promises(house):
    house.run()
    house.edit("02_double", ".write_text(str(number * 2))", "")
    with pytest.raises(ChainError, match="did not write doubled.txt"):
        house.run()


@pytest.mark.longer
def test_a_killed_kernel_is_a_failure_and_no_record(tmp_path):
    notebooks = tiny.write_chain(tmp_path, double="import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(ChainError, match="02_double failed: the kernel died in cell 4"):
        run_chain(Parameters(), tmp_path / "run", notebooks)
    executed = json.loads((tmp_path / "run" / "02_double.ipynb").read_text())
    assert "hash" not in executed["metadata"]["chain"]
    assert [output["ename"] for c in executed["cells"] for output in c.get("outputs", [])] == ["DeadKernelError"]
    assert hidden(tmp_path / "run") == []
    tiny.write_chain(tmp_path)
    watcher = Watcher()
    run_chain(Parameters(), tmp_path / "run", notebooks, listener=watcher)
    assert watcher.ran == ["02_double", "03_judge"]


@pytest.mark.longer
@pytest.mark.parametrize("name, status", [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupt_leaves_nothing_behind(tmp_path, name, status):
    lasting = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '600']); "
        "open('.doubled.txt.half', 'w').close(); open('../pid', 'w').write(str(child.pid)); time.sleep(600)"
    )
    notebooks = tiny.write_chain(tmp_path, double=lasting)
    started = subprocess.Popen(
        [sys.executable, tiny.ROOT / "report.py", "run", "--notebooks", notebooks, "--out", "run"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert started.poll() is None
        time.sleep(0.05)
    family = psutil.Process(started.pid).children(recursive=True)
    assert int((tmp_path / "pid").read_text()) in {process.pid for process in family}
    started.send_signal(signal.Signals[name])
    _, said = started.communicate(timeout=120)
    assert started.returncode == status
    assert said.splitlines() == [said.splitlines()[0], "interrupted; the next run continues"]
    _, alive = psutil.wait_procs(family, timeout=5)  # a killed process is not gone at once
    assert [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["01_draw.ipynb", "numbers.txt"]
    tiny.write_chain(tmp_path)
    again = tiny.command("run", "--notebooks", notebooks, "--out", "run", cwd=tmp_path)
    assert again.returncode == 0
    assert "1/3 01_draw … unchanged" in again.stderr


def test_what_a_killed_run_left_half_written_is_cleared(house):
    house.run()
    (house.out / ".numbers.txt.x7f").write_text("half")
    (house.out / ".mine").write_text("not ours")
    house.run()
    assert hidden(house.out) == [".mine"]


def test_one_run_at_a_time(house):
    house.run()
    with locked(house.out), pytest.raises(ChainError, match="another run is at work in .*run$"):
        house.run()


@pytest.mark.longer
def test_runs_in_two_folders_at_once(tmp_path):
    notebooks = tiny.write_chain(tmp_path)
    arguments = [sys.executable, tiny.ROOT / "report.py", "run", "--notebooks", notebooks, "--out"]
    runs = [subprocess.Popen([*arguments, name], cwd=tmp_path, stderr=subprocess.DEVNULL) for name in ("a", "b")]
    assert [started.wait(timeout=300) for started in runs] == [0, 0]


# -- chains that cannot be --------------------------------------------------------------------


def _write(folder, name, content):
    (folder / f"{name}.ipynb").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "content, line",
    [
        (tiny.notebook(tiny.cell("x = 1")), "has 0 cells tagged parameters"),
        (tiny.notebook(tiny.cell("speed = 1", "parameters")), "sets speed, which the schema does not have"),
        (tiny.notebook(tiny.cell("seed = 1", "parameters"), reads=["a.txt"]), "reads a.txt, which no earlier"),
    ],
)
def test_a_chain_that_does_not_hold_together_is_refused(tmp_path, content, line):
    _write(tmp_path, "01_x", content)
    with pytest.raises(ChainError, match=line):
        read_chain(tmp_path)


def test_a_notebook_beside_the_chain_is_left_out(tmp_path):
    notebooks = tiny.write_chain(tmp_path)
    study = tiny.notebook(tiny.text("# a study"))
    del study["metadata"]["chain"]
    _write(notebooks, "05_study", study)
    assert [stage.name for stage in read_chain(notebooks)] == ALL


def test_what_the_notebooks_import_is_known_before_they_run(tmp_path):
    notebooks = tiny.write_chain(tmp_path, draw="%matplotlib inline\nimport numpy as np, os.path")
    assert stage_modules(read_chain(notebooks)) == ["numpy", "os.path", "pathlib"]


def test_modules_that_the_notebooks_take_from_packages_are_known_too():
    known = stage_modules(read_chain())
    assert {"mixture.bayes.fit", "mixture.show.figures", "mixture.check.verdict"} < set(known)
    assert "functools" in known and "functools.partial" not in known


# -- the kernel -------------------------------------------------------------------------------


def test_the_compiled_code_of_each_pytensor_has_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.delenv("PYTENSOR_FLAGS", raising=False)
    env = kernel_environment(tmp_path)
    assert env["PYTENSOR_FLAGS"] == f"base_compiledir=/cache/pytensor/{importlib.metadata.version('pytensor')}"
    assert "PYTHONDONTWRITEBYTECODE" not in env
    monkeypatch.setenv("PYTENSOR_FLAGS", "base_compiledir=/mine")
    assert kernel_environment(tmp_path)["PYTENSOR_FLAGS"] == "base_compiledir=/mine"


def test_a_kernel_has_its_modules_and_its_process_from_the_start_and_a_module_that_fails_is_the_notebooks(tmp_path):
    code = "import os, sys\nfrom mixture import background\n"
    code += "before = background._process.cache_info().currsize\n"
    code += "open('told', 'w').write(f'{before} {\"wave\" in sys.modules} {os.environ[\"MPLBACKEND\"]}')\n"
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps(tiny.notebook(tiny.cell("run_dir = ''", "parameters"), tiny.cell(code), tiny.cell("import refuses")))
    )
    with WarmKernel(["mixture.background", "refuses", "wave"], {"MIXTURE_CORES": "2"}) as warm:
        with pytest.raises(NotebookError, match="refuses"):
            warm.run(path, tmp_path / "out.ipynb", {"run_dir": "."}, tmp_path)
    assert (tmp_path / "told").read_text() == "1 True module://matplotlib_inline.backend_inline"


def test_a_kernel_takes_its_children_and_its_folder_along(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(
        json.dumps(
            tiny.notebook(
                tiny.cell("run_dir = ''", "parameters"),
                tiny.cell("import subprocess\nopen('pid', 'w').write(str(subprocess.Popen(['sleep', '600']).pid))"),
            )
        )
    )
    with WarmKernel() as warm:
        folder = warm.folder
        warm.run(path, tmp_path / "out.ipynb", {"run_dir": "."}, tmp_path)
        child = psutil.Process(int((tmp_path / "pid").read_text()))
    with contextlib.suppress(psutil.NoSuchProcess):
        assert child.status() == psutil.STATUS_ZOMBIE
    assert not folder.exists()


# -- the command line -------------------------------------------------------------------------


BAD_INPUT = {
    "no such params file": (["nowhere.yml"], "nowhere.yml: no such file"),
    "params not YAML": (["broken.yml"], "broken.yml: not valid YAML"),
    "unknown name": (["-p", "sede", "1"], "sede: no such parameter; did you mean seed?"),
    "wrong type": (["-p", "draws", "many"], "draws: given 'many'"),
    "value not YAML": (["-p", "sds", "[1"], "sds: given '[1'"),
    "weights": (["-p", "weights", "[0.5, 0.6]"], "which sum to 1.1"),
    "sd": (["-p", "sds", "[10, -1]"], "sds[1]: given -1"),
    "lengths": (["-p", "means", "[1]"], "the same number in each"),
    "n_samples": (["-p", "n_samples", "3"], "at least 2 x n_components = 4"),
    "data": (["-p", "data", "nowhere.csv"], "data: given 'nowhere.csv'"),
    "option": (["--fast"], "--fast"),
    "out is a file": (["--out", "broken.yml"], "out: given broken.yml, a file"),
    "out below a file": (["--out", "broken.yml/run"], "out: given broken.yml/run"),
    "out holds other files": (["--out", "full"], "out: given full, which holds other files"),
}


@pytest.mark.parametrize("arguments, line", BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_one_line_status_2_and_touches_nothing(tmp_path, arguments, line):
    (tmp_path / "broken.yml").write_text("a: [1\n b")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    done = tiny.command("run", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr and done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_a_finished_run_is_not_rendered(tmp_path):
    done = tiny.command("render", ".", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, ".: allowed: the folder of a finished run\n")


FAILED = {
    "trusted": False,
    "cautions": [],
    "checks": [{"name": "largest R-hat", "value": 1.51234, "limit": 1.01, "passed": False, "advice": "draw more"}],
}


@pytest.mark.parametrize(
    "verdict, status, line",
    [
        (tiny.VERDICT, 0, "trusted: all 1 checks passed"),
        (FAILED, 3, "  largest R-hat 1.512 (limit 1.01): draw more"),
    ],
)
def test_the_status_says_whether_to_trust(tmp_path, verdict, status, line):
    notebooks = tiny.write_chain(tmp_path, verdict=verdict)
    for said in ("", "up to date\n"):
        done = tiny.command("run", "--notebooks", notebooks, cwd=tmp_path)
        assert done.returncode == status
        assert done.stdout.startswith(said) and line in done.stdout.splitlines()
        assert done.stdout.endswith("runs/simulation/report.html\n")
    assert done.stderr == ""


def test_what_is_up_to_date_needs_no_heavy_import(house):
    house.run()
    code = (
        "import sys; from runner import cli; status = cli.main(sys.argv[1:]); "
        "print(sorted({'papermill', 'jupyter_client', 'pymc', 'jinja2', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--notebooks", house.notebooks, "--out", house.out],
        capture_output=True,
        text=True,
        cwd=tiny.ROOT,
    )
    assert done.stdout.splitlines()[0] == "up to date"
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "params, data, folder",
    [
        ("params/default.yml", None, "runs/default"),
        (None, "data/old faithful.csv", "runs/old faithful"),
        (None, None, "runs/simulation"),
        (None, "data/*.csv", "runs/data"),
    ],
)
def test_the_default_run_folder(params, data, folder):
    assert str(cli.default_folder(params, data)) == folder


def test_runs_that_differ_in_column_or_number_of_components_lie_apart():
    for given, folder in (
        ({}, "runs/x"),
        ({"column": "body mass/g", "draws": 10}, "runs/x-body_mass_g"),
        ({"n_components": 3}, "runs/x-K3"),
        ({"column": "a", "n_components": "auto"}, "runs/x-a-Kauto"),
    ):
        assert str(cli.default_folder(None, "x.csv", given)) == folder


def test_what_runs_longer_can_be_copied(tmp_path, monkeypatch):
    """The command is that of the run, with four times its draws."""
    given = ["run", "-p", "data", "it's.csv", "-p", "draws", "50", "--out", "runs/my run"]
    words = shlex.split(cli._longer_command(cli.read_arguments(given), Parameters(draws=50, tune=100)))
    again = cli.read_arguments(words[2:])
    assert words[:2] == [os.path.relpath(sys.executable), "report.py"] and again.out == "runs/my run"
    assert dict(again.overrides) == {"data": "it's.csv", "draws": "200", "tune": "400"}


def test_the_headline_has_truth_only_where_it_is_known():
    row = {
        "parameter": "mu",
        "component": "1",
        "truth": "150.0",
        "posterior_mean": "150.70423",
        "posterior_sd": "0.45",
        "interval_low": "149.84",
        "interval_high": "151.59",
        "em": "150.7",
        "difference_in_sds": "0.005128",
    }
    for known in (True, False):
        header, line = cli.headline_lines([{name: value for name, value in row.items() if known or name != "truth"}])
        assert ("truth" in header) == known
        truth = ["150.00"] if known else []
        assert line.split() == [
            *"mean of component 1".split(),
            *truth,
            "150.70",
            "149.84",
            "to",
            "151.59",
            "150.70",
            "0.01",
        ]
