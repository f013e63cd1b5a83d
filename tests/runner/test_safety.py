"""Nothing that a user gives is run, not by Python, the shell or a browser; and servers keep to this machine."""

import ast
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import psutil
import pytest
import tiny
from fits import simulated
from markup import check_page, requests

from mixture.atomic import read_json
from mixture.data.read import read_column
from mixture.messages import InputError
from parameters import Parameters, check
from runner.folder import REPORT
from runner.kernels import WarmKernel
from runner.page import index
from runner.page.render import render
from runner.params_files import load

ROOT = tiny.ROOT
SOURCES = [*ROOT.glob("*.py"), *(ROOT / "mixture").rglob("*.py"), *(ROOT / "runner").rglob("*.py")]

# What would make code of input, or hand it to a shell.
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "unsafe_load",
    "full_load",
    "load_all",
    "unsafe_load_all",
    "read_pickle",
    "system",
    "popen",
    "getoutput",
    "getstatusoutput",
    "literal_eval_node",
    "execfile",
}
MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}
HELD_BY = {"yaml": {"load"}, "pd": {"eval", "query"}, "np": {"load"}, "joblib": {"load"}}
HARMLESS = {"joblib": {"cpu_count"}}  # of a module that can unpickle


def _is_dangerous(node):
    """Whether a `from` statement imports from a module that can run or unpickle what it reads."""
    module = (node.module or "").split(".")[0]
    return module in MODULES or module in HARMLESS and not {alias.name for alias in node.names} <= HARMLESS[module]


def dangers(tree):
    """What in a syntax tree could run input: (line, what)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and _is_dangerous(node):
            yield node.lineno, node.module
        elif isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            owner = getattr(getattr(called, "value", None), "id", "")
            if (name in CALLS and owner not in ("re", "platform")) or name in HELD_BY.get(owner, ()):
                yield node.lineno, name
            if any(
                word.arg in ("shell", "allow_pickle") and getattr(word.value, "value", True) for word in node.keywords
            ):
                yield node.lineno, f"{name}(shell or allow_pickle)"


def test_no_source_runs_or_unpickles_what_it_reads():
    found = {
        f"{path.relative_to(ROOT)}:{line} {what}"
        for path in SOURCES
        for line, what in dangers(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set() and len(SOURCES) > 20


def test_no_notebook_runs_or_unpickles_what_it_reads():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                assert list(dangers(ast.parse("".join(cell["source"])))) == [], path.name


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "import joblib; joblib.load(x)",
        "eval(x)",
        "yaml.load(x)",
        "pd.read_pickle(x)",
        "np.load(x, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
        "os.system(x)",
        "builtins.exec(x)",
    ],
)
def test_the_search_finds_what_it_is_for(code):
    assert list(dangers(ast.parse(code)))


def test_the_search_lets_cores_be_counted():
    assert list(dangers(ast.parse("from joblib import cpu_count\nimport joblib; joblib.cpu_count()"))) == []


# -- attempts ---------------------------------------------------------------------------------


class _Touch:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self):
        return open, ("touched", "w")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder in which nothing may be touched."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch touched']",
        "!!python/object/apply:builtins.open [touched, w]",
        "!!python/name:os.system",
        "!!python/object/new:pathlib.Path [touched]",
        "!!python/module:antigravity",
    ],
)
def test_yaml_makes_no_objects(folder, text):
    (folder / "params.yml").write_text(f"title: {text}\n")
    with pytest.raises(InputError, match="params.yml: not valid YAML"):
        load("params.yml")
    done = tiny.command("run", "-p", "title", text, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "") and "allowed: a YAML value" in done.stderr


@pytest.mark.parametrize("name", ["x.parquet", "x.pq", "x.csv", "x.tsv", "x.csv.gz", "x.pkl"])
def test_a_pickle_is_not_opened_whatever_its_name(folder, name):
    (folder / name).write_bytes(pickle.dumps(_Touch()))
    with pytest.raises(InputError):
        read_column(name)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch touched')",
        "$(touch touched)",
        "`touch touched`",
        "{{ 7 * 7 }}",
        "%s%n",
        "; touch touched",
    ],
)
def test_a_value_is_never_evaluated(folder, text):
    (folder / "x.csv").write_text(f"x\n1\n2\n={text}\n")
    with pytest.raises(InputError, match="line 4 of 'x.csv' holds"):
        read_column("x.csv")
    for name in ("n_samples", "means", "data", "sampler"):
        with pytest.raises(InputError, match=f"^{name}: given "):
            check({name: text})


def outside():
    """The environment as it is outside of make and Jupyter."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "JUPYTER"))}


@pytest.mark.longer
def test_make_hands_names_on_as_they_are(folder):
    """The shell that make starts sees no quote, substitution or command in a file's name."""
    (folder / "report.py").symlink_to(ROOT / "report.py")
    for name in (
        "a'b.csv",
        'a"b.csv',
        "$$(touch touched).csv",
        "`touch touched`.csv",
        "a; touch touched;.csv",
        "a\\n: #b.csv",
    ):
        real = name.replace("$$", "$")
        (folder / real).write_text("x\n1\n1\n1\n")  # no two values: refused by the name that it was asked by
        done = subprocess.run(
            [
                "make",
                "-f",
                ROOT / "Makefile",
                "-o",
                ".venv/.ready",
                f"PYTHON={sys.executable}",
                "report",
                f"DATA={name}",
                "COLUMN='\"$$(touch touched)",
                "K=1",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            env=outside(),
        )
        assert "column: given '\\'\"$(touch touched)'; allowed: one of x" in done.stderr, done.stderr


# -- in a browser -----------------------------------------------------------------------------

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "[click](javascript:alert(3))",
    "![i](http://there.invalid/i.png)",
    "\"'`</title></script>",
    "{{ 7 * 7 }}{% raw %}",
    "$\\href{javascript:alert(4)}{x}$",
    "**bold** &lt; ünï 名 \u202e",
    "../../etc",
    "C:\\dir",
]
TITLE = " ".join(ATTACKS)[:200]
FILE = (" ".join(ATTACKS).replace("/", "∕") + "x" * 250)[:190] + ".csv"
COLUMN = " ".join(ATTACKS) + "\n" + "long " * 60


def assert_harmless(browser, path, *literal):
    """No script of the input's ran, nothing was asked for, and the input is shown as the text that it is."""
    browser.get(path.as_uri())
    time.sleep(0.5)
    assert browser.execute_script("return document.readyState") == "complete"  # an alert would raise here
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = {
        message["params"]["request"]["url"] for message in asked if message["method"] == "Network.requestWillBeSent"
    }
    assert {url for url in urls if not url.startswith("data:")} == {path.as_uri()}
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    links = browser.execute_script("return [...document.links].map(link => link.getAttribute('href'))")
    assert not [link for link in links if "javascript" in link or "invalid" in link]
    shown = " ".join(browser.execute_script("return document.body.textContent").split())
    for text in literal:
        assert " ".join(text.split()) in shown


def assert_narrow(browser):
    """Long names do not make a phone scroll sideways."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    browser.refresh()
    time.sleep(0.5)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("name", ["title", "column", "data"])
def test_a_parameter_is_shown_as_it_is(browser, tmp_path, name):
    values = Parameters().model_dump() | {"data": "x.csv", name: TITLE if name == "title" else COLUMN}
    chapters = [("01_x", tiny.notebook(tiny.text("# 1 · Chapter"), tiny.cell("seed = 1", "parameters")))]
    markup = render(chapters, {"parameters": values, "versions": {}, "commit": None, "dirty": None})
    check_page(markup)
    (tmp_path / "page.html").write_text(markup, encoding="utf-8")
    assert_harmless(browser, tmp_path / "page.html", values[name])
    assert_narrow(browser)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run folder of the real chain on names that try everything, few draws."""
    house = tmp_path_factory.mktemp("hostile")
    (house / "<b>folder<`b>").mkdir()
    data = house / "<b>folder<`b>" / FILE
    with open(data, "w", encoding="utf-8") as file:
        pd.DataFrame({COLUMN: simulated(120).value}).to_csv(file, index=False)
    values = {
        "data": str(data.relative_to(house)),
        "column": COLUMN,
        "title": TITLE,
        "n_components": 2,
        "draws": 50,
        "tune": 50,
        "chains": 2,
        "em_starts": 3,
    }
    (house / "params.yml").write_text(json.dumps(values))
    done = subprocess.run(
        [sys.executable, ROOT / "report.py", "run", "params.yml", "--out", "runs/<i>x"],
        cwd=house,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode in (0, 3), done.stderr
    return house / "runs" / "<i>x"


@pytest.mark.longer
@pytest.mark.timeout(900)
def test_a_real_report_on_hostile_names_is_harmless(browser, hostile):
    markup = (hostile / REPORT).read_text(encoding="utf-8")
    check_page(markup)
    assert requests(markup) == []
    assert_harmless(
        browser,
        hostile / REPORT,
        TITLE,
        COLUMN,
        f"read from {os.path.relpath(hostile.parents[1] / '<b>folder<`b>' / FILE, hostile)}",
    )
    assert_narrow(browser)


@pytest.mark.longer
@pytest.mark.timeout(900)
def test_the_index_over_it_is_harmless(browser, hostile):
    path = index.write_index(hostile.parent)
    assert_harmless(browser, path, TITLE)
    assert_narrow(browser)


# -- servers ----------------------------------------------------------------------------------


def listening(process):
    """The addresses at which a process and its children listen."""
    family = [process, *process.children(recursive=True)]
    found = set()
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # the server starts short-lived ones
            connections = member.net_connections("inet")
            found |= {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}
    return found


def test_a_kernel_listens_to_this_machine_alone():
    with WarmKernel() as kernel:
        kernel.warm_up()
        own = psutil.Process(kernel.manager.provisioner.pid)
        assert own.is_running() and listening(own) <= {"127.0.0.1", "::1"}  # its debugger's; its channels are files


def answer(url, token=None):
    """The status of a GET request."""
    request = urllib.request.Request(url, headers={"Authorization": f"token {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.longer
@pytest.mark.timeout(400)
def test_make_lab_keeps_to_this_machine_and_asks_for_its_token(tmp_path):
    env = outside() | {
        "JUPYTER_RUNTIME_DIR": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "BROWSER": "true",
        "HOME": str(tmp_path),
    }
    lab = subprocess.Popen(
        ["make", "-o", "runs/lab/posterior.nc", f"PYTHON={sys.executable}", "lab"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        served = _wait_for(lambda: next((read_json(path) for path in tmp_path.glob("jpserver-*.json")), None), lab)
        url = f"http://127.0.0.1:{served['port']}/api/contents"
        _wait_for(lambda: _reachable(url), lab)
        assert listening(psutil.Process(lab.pid)) <= {"127.0.0.1", "::1"} != set()
        assert len(served["token"]) >= 32
        assert answer(url) == 403 and answer(url, "0" * 48) == 403
        assert answer(url, served["token"]) == 200
        assert Path(served["root_dir"]) == ROOT, "runs/ and data/ are seen"
        opened = _wait_for(lambda: next(tmp_path.glob("jpserver-*-open.html"), None), lab)
        assert "/lab/tree/notebooks/01_simulation.ipynb" in opened.read_text()
    finally:
        os.killpg(lab.pid, signal.SIGTERM)
        try:
            lab.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(lab.pid, signal.SIGKILL)
            lab.wait()


def test_the_folder_of_make_lab_is_a_copy_of_its_own_and_no_finished_run(tmp_path):
    default, lab = tmp_path / "runs" / "default", tmp_path / "runs" / "lab"
    default.mkdir(parents=True)
    names = {"sample.parquet", "posterior.nc", "verdict.json", "comparison.csv"}
    for name in names | {"manifest.json", "report.html", "01_simulation.ipynb"}:
        (default / name).write_text(name)
    command = ["make", "-f", ROOT / "Makefile", "-o", "runs/default/manifest.json", "runs/lab/posterior.nc"]

    def make():
        subprocess.run(command, cwd=tmp_path, env=outside(), check=True, capture_output=True)
        return {path.name: path.read_text() for path in lab.iterdir()}

    assert make() == {name: name for name in names}
    (lab / "posterior.nc").write_text("tried something")
    assert make()["posterior.nc"] == "tried something", "what is there stays"
    assert (default / "posterior.nc").read_text() == "posterior.nc"


def _wait_for(condition, process, seconds=300):
    for _ in range(seconds * 5):
        if found := condition():
            return found
        assert process.poll() is None, "it ended"
        time.sleep(0.2)
    raise AssertionError("it did not come up")


def _reachable(url):
    try:
        return answer(url) == 403
    except OSError:
        return False
