"""Of damaged files that earlier runs left, `run` makes new ones, and all else says in one line which it is."""

import contextlib
import io
import json
import os
import shutil
import time
import warnings

import pytest
import tiny
from damaged import changed, damages

from mixture.code_hash import file_hash
from mixture.messages import InputError
from parameters import Parameters
from runner import cli
from runner.errors import ChainError
from runner.kernels import WarmKernel
from runner.reproduce import reproduce
from runner.run import run_chain
from runner.stored import PLAY, DamagedFile, is_stored, read_stored
from runner.sweep.grid import Point
from runner.sweep.results import point_rows

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
CHECK = {"name": "size", "value": 1.0, "limit": 2, "passed": True, "advice": ""}
MODES = [{"held": share, "means": [1.0, 2.5], "sds": [1.0, 0.5], "weights": [0.5, 0.5]} for share in (0.6, 0.4)]
RESULTS = {
    "verdict.json": {
        "trusted": True,
        "chains": "agree",
        "checks": [CHECK],
        "cautions": [{**CHECK, "name": "fit", "passed": False}],
        "parameters": [{"parameter": "mu", "component": 0, "rhat": 1.0}],
        "posterior_modes": MODES,
    },
    "components.json": {"chosen": 2, "given": False, "p_k_filled": {"1": 0.1, "2": 0.9}},
    "cost.json": {"seconds_em": 0.5, "acceptance": None},
    "em.json": {"weights": [1.0], "log_likelihood": -4.0, "bic": 9.0, "aic": 8.0, "icl": 9.5, "n": 10},
}
TABLE = (
    "parameter,component,posterior_mean,posterior_sd,interval_low,interval_high,em,difference_in_sds\n"
    "mu,1,1.5,0.5,1,2,1.6,0.1\n"
)
SVG = {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}
ALT = {"function": "sample_alt", "values": {"n": 1, "low": 0.0, "high": 1.0, "n_true": 0}}
# What a chapter may show: each kind of output, and each thing that the page reads of its metadata.
SHOWN = [
    ("summary-figure", {"image/png": PNG, "text/plain": "f"}, {"image/png": {"alt": "A", "width": 5, "height": 5}}),
    ("fold", {"text/markdown": ["*under ", "it*"], "text/plain": "c"}, {"caption": True}),
    ("summary-play", SVG | {PLAY: '{"a": [1]}'}, {"image/svg+xml": {"alt": "B"}, "records": {"alt": ALT}}),
    ("summary-answer", {"text/latex": "$a$", "text/plain": "a"}, {"alt": "C"}),
    ("summary-table", {"text/html": "<table><tbody><tr><td>1</td></tr></tbody></table>", "text/plain": "1"}, {}),
    ("x", {"text/markdown": "w"}, {"wording": {"function": "sample_caption", "values": {"n": 1, "simulated": True}}}),
]


def write_chain(root):
    """A tiny chain whose last notebook writes and shows one of each kind."""
    notebooks = tiny.write_chain(root)
    for path in notebooks.glob("0[23]*"):
        path.unlink()
    shows = [
        tiny.cell(f"get_ipython().display_pub.publish({data!r}, {metadata!r})", tag) for tag, data, metadata in SHOWN
    ]
    writes = [
        tiny.cell(f"open({name!r}, 'w').write({text!r})")
        for name, text in {
            **{name: json.dumps(held) for name, held in RESULTS.items()},
            "comparison.csv": TABLE,
        }.items()
    ]
    last = tiny.notebook(
        tiny.text("# 2 · All"),
        tiny.cell("draws = 10\nrun_dir = 'x'", "parameters"),
        tiny.cell("print('said')"),
        *shows,
        *writes,
        reads=["numbers.txt"],
        writes=[*RESULTS, "comparison.csv"],
    )
    (notebooks / "02_all.ipynb").write_text(json.dumps(last))
    return notebooks


class Damageable:
    """A finished run, damaged and mended again; one warm kernel for all that has to run."""

    def __init__(self, root, kernel):
        self.kernel, self.notebooks = kernel, write_chain(root)
        self.folder, self.sound = root / "runs" / "run", root / "sound"
        self.run()
        shutil.copytree(self.folder, self.sound)

    def mend(self):
        """Everything as before the damage."""
        for path in self.folder.iterdir():
            path.unlink()
        shutil.copytree(self.sound, self.folder, dirs_exist_ok=True)

    def run(self):
        """The status of `report.py run`; a kernel that is up saves seconds."""
        outcome = run_chain(Parameters(), self.folder, self.notebooks, kernel=self.kernel)
        return cli.print_summary(cli.summary_lines(self.folder), outcome.manifest)

    def reproduce(self):
        """The status of `report.py reproduce`."""
        comparison, _ = reproduce(self.folder, self.notebooks, kernel=self.kernel)
        return 0 if comparison.reproduced and comparison.lines() else 3

    def rows(self):
        """0 if a sweep takes the run into its table; what it says of a point that failed is raised."""
        row, *_ = point_rows(Point(Parameters(), 0), self.folder)
        if row["status"] == "failed":
            raise InputError(row["error"])
        return 0

    def commands(self):
        """By name, what reads stored files."""
        return {
            "render": lambda: cli.main(["render", str(self.folder)]),
            "index": lambda: cli.main(["index", str(self.folder.parent)]),
            "rows": self.rows,
            "reproduce": self.reproduce,
            "run": self.run,
        }


@pytest.fixture(scope="module")
def damageable(tmp_path_factory):
    with WarmKernel() as kernel, contextlib.redirect_stdout(io.StringIO()):
        yield Damageable(tmp_path_factory.mktemp("stored"), kernel)


def attempt(command):
    """Status and standard error of a command, as `cli.main` makes them; a warning is an error."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return command(), said.getvalue()
        except InputError as error:
            return 2, f"{error}\n"
        except ChainError as error:
            return 1, f"{error}\n"


def assert_clear_or_new(damageable, name, text, names):
    """A damaged file ends no command otherwise than in one line, and `run` makes all sound; their statuses."""
    statuses = []
    try:
        for command in names:
            (damageable.folder / name).write_text(text)
            begun = time.monotonic()
            status, said = attempt(damageable.commands()[command])
            assert time.monotonic() - begun < 30
            assert status in ((0,) if command == "run" else (0, 2, 3)), (command, status, said)
            assert said.count("\n") == (status == 2) and (status != 2 or name in said), (command, said)
            if command == "run":
                for path in filter(lambda path: is_stored(path.name), damageable.folder.iterdir()):
                    read_stored(path)
                assert file_hash(damageable.folder / "em.json") == file_hash(damageable.sound / "em.json")
            statuses.append(status)
            damageable.mend()
    finally:
        damageable.mend()
    return statuses


def all_damages(damageable):
    """(file, what was done, text) of each damage to each stored JSON file."""
    for path in sorted(damageable.sound.iterdir()):
        if is_stored(path.name) and path.suffix != ".csv":
            for done, text in damages(path.read_text()):
                yield path.name, done, text


READERS = ["render", "index", "rows"]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_no_damage_ends_otherwise_than_in_one_line(damageable):
    failures = []
    for number, (name, done, text) in enumerate(all_damages(damageable)):
        some = ["reproduce", "run"] if number % 11 == 0 else []  # half a second each
        try:
            assert_clear_or_new(damageable, name, text, READERS + some)
        except Exception as error:
            failures.append(f"{name} {done}: {type(error).__name__}: {error}"[:300])
    assert number > 1000 and not failures, "\n".join([str(len(failures)), *failures[:40]])


# A damaged file, where it is damaged, by what (... takes it out), and what begins the place in the line that says so.
EXAMPLES = [
    ("02_all.ipynb", ("cells", 2, "metadata"), None, "cells[2].code.metadata: given None"),
    ("02_all.ipynb", ("cells", 2, "metadata"), {"tags": 3}, "cells[2].code.metadata.tags: given 3"),
    ("02_all.ipynb", ("cells", 3, "cell_type"), ..., "cells[3]: given"),
    (
        "02_all.ipynb",
        ("cells", 4, "outputs", 0, "data", "image/png"),
        "x",
        "cells[4].code.outputs[0].display_data.data",
    ),
    ("02_all.ipynb", ("metadata", "chain", "seconds"), [], "metadata.chain.done.seconds: given []"),
    ("verdict.json", (), 7, "all of it: given 7"),
    ("verdict.json", ("checks", 0), None, "checks[0]: given None"),
    ("verdict.json", ("cautions",), "x", "cautions: given 'x'"),
    ("components.json", ("p_k_filled",), [], "drawn.p_k_filled: given []"),
    ("cost.json", (), "x", "all of it: given 'x'"),
    ("em.json", ("n",), ..., "n is missing"),
    ("manifest.json", ("hashes", "stages"), ["02_all"], "hashes.stages: given ['02_all']"),
    ("manifest.json", ("parameters", "means"), "x", "parameters.means: given 'x'"),
]


@pytest.mark.parametrize("name, place, other, words", EXAMPLES)
def test_some_damage_is_named_by_who_reads_it_and_mended_by_a_run(damageable, name, place, other, words):
    whole = json.loads((damageable.sound / name).read_text())
    text = json.dumps(changed(whole, place, *(() if other is ... else (other,))))
    (damageable.folder / name).write_text(text)
    with pytest.raises(DamagedFile) as error:
        read_stored(damageable.folder / name)
    assert str(error.value).startswith(f"{os.path.relpath(damageable.folder / name)}: damaged: {words}")
    assert 2 in assert_clear_or_new(damageable, name, text, [*READERS, "run"])


def test_a_notebook_with_a_cell_too_few_is_run_again(damageable):
    whole = json.loads((damageable.sound / "02_all.ipynb").read_text())
    assert_clear_or_new(damageable, "02_all.ipynb", json.dumps(changed(whole, ("cells", 4))), ["run"])


@pytest.mark.parametrize(
    "text", ["", TABLE.splitlines()[0], TABLE + "mu\n", TABLE + "mu,x,1,2,3,4,5\n", "a\n1\n", "\0"]
)
def test_a_damaged_table_is_named_too(damageable, text):
    assert 2 in assert_clear_or_new(damageable, "comparison.csv", text, ["render", "rows", "run"])


def test_what_is_no_file_is_no_stored_file(tmp_path):
    os.mkfifo(tmp_path / "verdict.json")
    (tmp_path / "em.json").mkdir()
    for name in ("verdict.json", "em.json"):
        with pytest.raises(DamagedFile, match=f"{name}: damaged: "):
            read_stored(tmp_path / name)
    assert read_stored(tmp_path / "cost.json") is None


def test_the_index_passes_over_other_projects_manifests(tmp_path):
    for name, text in {"a": "[]", "b": '{"icons": []}', "c": ""}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(text)
    assert attempt(lambda: cli.main(["index", str(tmp_path)])) == (0, "")


def test_a_notebook_that_writes_what_is_no_verdict_fails(tmp_path, damageable):
    notebooks = tiny.write_chain(tmp_path, verdict={"trusted": "perhaps", "checks": []})
    with pytest.raises(
        ChainError, match="^03_judge failed: .*verdict.json: damaged: trusted: given 'perhaps'; allowed: a "
    ):
        run_chain(Parameters(), tmp_path / "run", notebooks, kernel=damageable.kernel)
