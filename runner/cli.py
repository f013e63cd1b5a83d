"""The command line: one report from one set of parameters, or a sweep of many.

    mixture-report run [PARAMS.yml] [-p NAME VALUE]... [--out DIR] [--notebooks DIR] [--force] [--pdf]
    mixture-report sweep SWEEP.yml [--scheduler ADDRESS] [--out DIR] [--notebooks DIR] [--html] [--force]
    mixture-report render RUN_DIR [--pdf]
    mixture-report reproduce RUN_DIR|ARCHIVE.zip [--notebooks DIR]
    mixture-report bundle RUN_DIR [--out ARCHIVE.zip]
    mixture-report compare RUN_DIR RUN_DIR [--out PAGE.html]
    mixture-report index [FOLDER]

In a clone `report.py` is the same command. Exit status: 0 trusted, 2 bad input, 3 report written but not to be trusted,
130 or 143 interrupted, 1 anything else. A sweep is trusted if all its points are,
and ends with 1 if any of them failed. A report is reproduced with status 0, or not with 3.
"""

import argparse
import gc
import os
import re
import shlex
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mixture.messages import InputError, format_name, format_names, format_value, to_one_line
from mixture.show.text.numbers import component_name, estimate, fixed, on_axis
from parameters import LONGER
from runner.errors import ChainError
from runner.folder import MANIFEST, REPORT, VERDICT
from runner.page.report import rewrite_report
from runner.params_files import load, parse_yaml
from runner.run import ProgressListener, run_chain
from runner.stages import NOTEBOOKS, Stage
from runner.stored import COMPARISON, COMPONENTS, read_stored

COMMAND = "mixture-report"  # as pyproject.toml names it
TRUSTED, FAILED, BAD_INPUT, UNTRUSTED = 0, 1, 2, 3
SIGNALS = signal.SIGINT, signal.SIGTERM


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or its like; `signal` is the signal's number."""

    def __init__(self, number):
        super().__init__()
        self.signal = number


class _Parser(argparse.ArgumentParser):
    """Refuses bad arguments as every other bad input is refused."""

    def error(self, message):
        raise InputError(to_one_line(message))


def read_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line, or `InputError`."""
    parser = _Parser(prog=Path(sys.argv[0]).name, description="A report on the Gaussian components of a sample.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    run = commands.add_parser("run", help="run the notebooks that need it and write the report")
    run.add_argument("params", nargs="?", metavar="PARAMS.yml", help="a file of `name: value` lines")
    run.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        dest="overrides",
        help="a parameter that wins over the file's; VALUE is YAML",
    )
    run.add_argument("--out", metavar="DIR", help="the run folder; default: runs/<name of the params or data file>")
    run.add_argument("--notebooks", metavar="DIR", default=NOTEBOOKS, help="run another chain than notebooks/")
    run.add_argument("--force", action="store_true", help="run every notebook again")
    run.add_argument(
        "--pdf", action="store_true", help="write report.pdf too, by a Chromium or Chrome that is installed"
    )
    sweep = commands.add_parser("sweep", help="run many points from one file, and write a table and a report of them")
    sweep.add_argument("sweep", metavar="SWEEP.yml", help="params, fixed, points, grid, replicates, study")
    sweep.add_argument(
        "--scheduler", metavar="ADDRESS", help="a running Dask scheduler's; default: this machine's cores"
    )
    sweep.add_argument("--out", metavar="DIR", help="the sweep's folder; default: runs/<name of the sweep file>")
    sweep.add_argument("--notebooks", metavar="DIR", default=NOTEBOOKS, help="run another chain than notebooks/")
    sweep.add_argument("--html", action="store_true", help="write each point's report.html too")
    sweep.add_argument("--force", action="store_true", help="run every point again")
    render = commands.add_parser("render", help="write a finished run's report.html anew")
    render.add_argument("run_dir", metavar="RUN_DIR")
    render.add_argument(
        "--pdf", action="store_true", help="write report.pdf too, by a Chromium or Chrome that is installed"
    )
    again = commands.add_parser("reproduce", help="run a finished report again in a fresh folder and say what differs")
    again.add_argument("run_dir", metavar="RUN_DIR", help="or an archive of one, written by bundle")
    again.add_argument(
        "--notebooks", metavar="DIR", default=NOTEBOOKS, help="the chain that wrote it, if not notebooks/"
    )
    pack = commands.add_parser("bundle", help="write a finished run, its data and their description into one archive")
    pack.add_argument("run_dir", metavar="RUN_DIR")
    pack.add_argument("--out", metavar="ARCHIVE.zip", help="default: the folder's name with .zip, beside it")
    pair = commands.add_parser(
        "compare", help="write a page on two finished runs: what they were given, what came of it"
    )
    pair.add_argument("run_dir", metavar="RUN_DIR")
    pair.add_argument("other_dir", metavar="RUN_DIR")
    pair.add_argument("--out", metavar="PAGE.html", help="default: compare-<one>-<other>.html beside the first")
    index = commands.add_parser("index", help="write index.html over all runs in a folder")
    index.add_argument("folder", nargs="?", metavar="FOLDER", default="runs", help="default: runs")
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        raise InputError(f"{format_names(unknown)}: no such argument")
    for name in {"params", "sweep", "scheduler", "out", "notebooks", "run_dir", "other_dir", "folder"} & vars(
        arguments
    ).keys():
        if getattr(arguments, name) == "":
            raise InputError(f"{name}: given ''; allowed: a name")
    return arguments


def read_overrides(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The (name, YAML text) pairs as a dict of values."""
    values = {}
    for name, text in pairs:
        try:
            values[name] = parse_yaml(text)
        except yaml.YAMLError:
            raise InputError(f"{format_name(name)}: given {format_value(text)}; allowed: a YAML value") from None
    return values


def default_folder(params: str | None, data: str | None, overrides: dict[str, Any] | None = None) -> Path:
    """`runs/<stem>` of the params file, else of the data (without a glob's stars), else `runs/simulation`.

    A column or number of components among the overrides joins the name, so that runs which differ in them lie apart.
    """
    overrides = overrides or {}
    parts = [re.sub(r"[*?\[\]]", "", Path(params or data or "simulation").stem) or "data"]
    parts += [re.sub(r"[^\w.]+", "_", str(overrides["column"]))[:40]] if overrides.get("column") else []
    parts += [f"by_{re.sub(r'[^\w.]+', '_', str(overrides['by']))[:40]}"] if overrides.get("by") else []
    parts += [f"K{overrides['n_components']}"] if overrides.get("n_components") else []
    return Path("runs") / "-".join(parts)


class RunProgress(ProgressListener):
    """A line for each stage, and one for how far a long one has come, which a terminal overwrites."""

    def begin(self, number: int, total: int, stage: Stage) -> None:
        self.label = f"{number}/{total} {stage.name}"
        if sys.stderr.isatty():
            self._print(f"{self.label} …", end="")

    def progress(self, line: str) -> None:
        self._print(f"{self.label}: {line}", end="" if sys.stderr.isatty() else "\n")

    def _print(self, line, end="\n"):
        print(("\r\033[K" if sys.stderr.isatty() else "") + line, end=end, file=sys.stderr, flush=True)

    def end(self, seconds: float | None) -> None:
        self._print(f"{self.label} … {'unchanged' if seconds is None else f'{seconds:.1f} s'}")


def verdict_lines(verdict: dict[str, Any] | None) -> list[str]:
    """The verdict in a line, then one for each failed check and each caution; None where there is none."""
    if verdict is None:
        return ["NOT to be trusted: no verdict was reached"]
    failed = [check for check in verdict["checks"] if not check["passed"]]
    cautions = [check for check in verdict.get("cautions", []) if not check["passed"]]
    if verdict["trusted"]:
        first = f"trusted: all {len(verdict['checks'])} checks passed"
    else:
        first = f"NOT to be trusted: {len(failed)} of {len(verdict['checks'])} checks failed"
    return [
        first,
        *_mode_lines(verdict.get("posterior_modes", [])),
        *(f"  {_check_line(check)}" for check in failed),
        *(f"  caution: {_check_line(check)}" for check in cautions),
    ]


def _component_lines(components):
    """One line on how many components there are, where that was not given; by components.json, or None."""
    if components is None or components["given"]:
        return []
    likely = [k for k, p in components["p_k_filled"].items() if p >= LARGE_MODE]
    each = ", ".join(f"{k} ({components['p_k_filled'][k]:.2f})" for k in likely)
    return [f"  components, by probability: {each}; the report describes {components['chosen']}"]


def _scale_lines(manifest):
    """One line where the numbers are not in data units; by manifest.json, or None."""
    of_logs = manifest is not None and manifest["parameters"].get("transform") == "log"
    return ["  means and sds are of logarithms; the report gives them in data units too"] if of_logs else []


LARGE_MODE = 0.05  # of the draws: smaller modes, and numbers of components, are in the report alone


def _mode_lines(modes):
    """One line that names the answers which the sample leaves open, where there are several."""
    large = [mode for mode in modes if mode["held"] >= LARGE_MODE]
    if len(large) < 2:
        return []
    answers = (f"{mode['held']:.0%} means {', '.join(_format_means(mode))}" for mode in large)
    return [f"  the posterior has {len(large)} modes: {'; '.join(answers)}"]


def _format_means(mode):
    """To two digits of the components' sds."""
    return (on_axis(*each, 3) for each in zip(mode["means"], mode["sds"], strict=True))


def _check_line(check):
    return (
        f"{check['name']} {_format_number(check['value'])} (limit {_format_number(check['limit'])}): {check['advice']}"
    )


def _format_number(text):
    """Four significant digits of what is a number; anything else as it is."""
    try:
        return f"{float(text):.4g}"
    except (TypeError, ValueError):
        return "" if text is None else str(text)


def headline_lines(rows: list[dict[str, str]]) -> list[str]:
    """The rows of the comparison table as aligned lines of text."""
    lines = [["", *(["truth"] if "truth" in rows[0] else []), "posterior mean", "interval", "EM", "apart, in sds"]]
    for row in rows:
        numbers = {name: float(row[name] or "nan") for name in row.keys() - {"parameter", "component"}}
        rounded = {name: estimate(number, numbers["posterior_sd"]) for name, number in numbers.items()}
        lines.append(
            [
                component_name(f"{row['parameter']}[{row['component']}]"),
                *([rounded["truth"]] if "truth" in row else []),
                rounded["posterior_mean"],
                f"{rounded['interval_low']} to {rounded['interval_high']}",
                rounded["em"],
                fixed(numbers["difference_in_sds"], 2),
            ]
        )
    return _aligned(lines)


def _aligned(lines):
    """Rows of cells as lines of text, each column as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]


def summary_lines(folder: Path) -> list[str]:
    """The verdict and the main results of a finished run, and where its report is."""
    comparison = read_stored(folder / COMPARISON)
    return [
        *verdict_lines(read_stored(folder / VERDICT)),
        *_component_lines(read_stored(folder / COMPONENTS)),
        *(headline_lines(comparison) if comparison else []),
        *_scale_lines(read_stored(folder / MANIFEST)),
        os.path.relpath(folder / REPORT),
    ]


def _print_pdf(arguments, folder):
    """Write report.pdf if that was asked for; where it cannot be, a line says why and the exit status stays."""
    if arguments.pdf:
        from runner.page.pdf import write_pdf

        if reason := write_pdf(folder):
            print(reason, file=sys.stderr)


def print_summary(lines: list[str], manifest: dict[str, Any]) -> int:
    """Print what `summary_lines` gives; the exit status."""
    print("\n".join(lines))
    return TRUSTED if manifest["trusted"] else UNTRUSTED


def run(arguments: argparse.Namespace) -> int:
    """The `run` command; the exit status."""
    overrides = read_overrides(arguments.overrides)
    values = load(arguments.params, overrides)
    if values.data is not None:
        from mixture.data.read import check_source  # only a file of the user's needs pyarrow here

        if values.by is not None:
            return _run_groups(arguments, values, overrides)
        check_source(values)
    folder = Path(arguments.out or default_folder(arguments.params, values.data, overrides))
    outcome = run_chain(values, folder, arguments.notebooks, arguments.force, listener=RunProgress())
    if outcome.up_to_date:
        print("up to date")
    _print_pdf(arguments, folder)
    lines = summary_lines(folder)
    if not outcome.manifest["trusted"]:
        lines.insert(-1, f"  to run it longer: {_longer_command(arguments, values)}")
    return print_summary(lines, outcome.manifest)


def _run_groups(arguments, values, overrides):
    """The `run` command on a sample that is split by a column; the exit status."""
    from runner.sweep.groups import read_group_sweep

    overrides = {"by": values.by} | overrides
    folder = Path(arguments.out or default_folder(arguments.params, values.data, overrides))
    status = _run_points(read_group_sweep(values, folder), folder, arguments, values.scheduler, True, "groups")
    _print_pdf(arguments, folder)
    return status


def _longer_command(arguments, values):
    """The command that was given with `LONGER` times the draws and tuning, to be copied into a shell."""
    given = [pair for pair in arguments.overrides if pair[0] not in ("draws", "tune")]
    given += [(name, str(LONGER * getattr(values, name))) for name in ("draws", "tune")]
    words = [*_own_command(), "run", *([arguments.params] if arguments.params else [])]
    words += [word for pair in given for word in ("-p", *pair)]
    return shlex.join([*words, *(["--out", arguments.out] if arguments.out else [])])


def _own_command():
    """The words that started this process: the installed command, or report.py with its Python."""
    name = Path(sys.argv[0]).name
    if name == COMMAND:
        return [COMMAND if shutil.which(COMMAND) else os.path.relpath(sys.argv[0])]
    return [os.path.relpath(sys.executable), "report.py"]


class SweepProgress:
    """A `SweepListener` that prints: one line that is overwritten on a terminal, lines elsewhere."""

    def plan(self, total: int, done: int, seconds: float | None, basis: str) -> None:
        time = "nothing tells yet how long that takes"
        if seconds is not None:
            time = f"about {_format_duration(seconds)}, judging by {basis}"
        self._print(f"{total} points: {done} done" + (f", {total - done} to run; {time}" if total > done else ""))

    def start(self, dashboard: str) -> None:
        self._print(f"dashboard {dashboard}")

    def point(self, counts: Counter, left: int, seconds: float) -> None:
        over, end = ("\r\033[K", "" if left else "\n") if sys.stderr.isatty() else ("", "\n")
        print(
            f"{over}{_format_counts(counts)}; {left} left" + (f", about {_format_duration(seconds)}" if left else ""),
            end=end,
            file=sys.stderr,
            flush=True,
        )

    def _print(self, line):
        print(line, file=sys.stderr, flush=True)


def _format_duration(seconds):
    """Seconds, in the unit that suits their number."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def sweep(arguments: argparse.Namespace) -> int:
    """The `sweep` command; the exit status."""
    from runner.sweep.grid import read_sweep

    wanted = read_sweep(arguments.sweep)
    folder = Path(arguments.out or default_folder(arguments.sweep, None))
    return _run_points(wanted, folder, arguments, arguments.scheduler, arguments.html)


def _run_points(wanted, folder, arguments, scheduler, page, what="points"):
    """Run a sweep and print what came of it; the exit status."""
    from runner.sweep import run as sweeps
    from runner.sweep.results import RESULTS

    rows = sweeps.run_sweep(wanted, folder, arguments.notebooks, scheduler, page, arguments.force, SweepProgress())
    points = {row["point"]: row for row in rows}
    counts = Counter(sweeps.point_outcome(row) for row in points.values())
    print(f"{len(points)} {what}: {_format_counts(counts)}")
    for name, row in points.items():
        if row["error"]:
            swept = "".join(f"{key} {row[key]}, " for key in wanted.swept)
            if name in wanted.about.get("groups", {}):
                swept = f"{wanted.about['by']} {wanted.about['groups'][name]}, "
            place = os.path.relpath(sweeps.point_folder(folder, name))
            print(f"  failed: {place} ({swept}seed {row['seed']}): {row['error']}")
    written = next(name for name in (REPORT, RESULTS) if (folder / name).exists())
    print(os.path.relpath(folder / written))
    if not counts.keys() <= {"trusted", "untrusted"}:
        return FAILED
    return UNTRUSTED if counts["untrusted"] else TRUSTED


def _format_counts(counts):
    """Counts as "1 failed, 5 trusted"."""
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def render(arguments: argparse.Namespace) -> int:
    """The `render` command; the exit status."""
    folder = Path(arguments.run_dir)
    lines = summary_lines(folder)  # first: of a damaged run nothing is written
    manifest = rewrite_report(folder)
    _print_pdf(arguments, folder)
    return print_summary(lines, manifest)


def reproduce(arguments: argparse.Namespace) -> int:
    """The `reproduce` command; the exit status."""
    from runner import bundle as archives
    from runner import reproduce as runs

    given = Path(arguments.run_dir)
    if not given.is_file():
        return _print_reproduced(*runs.reproduce(given, arguments.notebooks, RunProgress()))
    with archives.unpacked(given) as folder:
        comparison, fresh = runs.reproduce(folder, arguments.notebooks, RunProgress())
        return _print_reproduced(comparison, fresh and archives.keep_beside(given, fresh))


def _print_reproduced(comparison, fresh):
    print("\n".join(comparison.lines()))
    if fresh is not None:
        print(os.path.relpath(fresh))
    return TRUSTED if comparison.reproduced else UNTRUSTED


def bundle(arguments: argparse.Namespace) -> int:
    """The `bundle` command; the exit status."""
    from runner.bundle import write_bundle

    path = write_bundle(Path(arguments.run_dir), arguments.out and Path(arguments.out))
    print(f"{os.path.relpath(path)}: {path.stat().st_size / 1e6:.1f} MB")
    return TRUSTED


def compare(arguments: argparse.Namespace) -> int:
    """The `compare` command; the exit status."""
    from runner.page.compare import compare_runs

    out = None if arguments.out is None else Path(arguments.out)
    found = compare_runs(Path(arguments.run_dir), Path(arguments.other_dir), out)
    print(re.sub(r"[*`]", "", found.text))
    rows = found.table.reset_index().to_numpy().tolist()
    print("\n".join(_aligned([["", *map(str, found.table.columns)], *rows])))
    print(os.path.relpath(found.path))
    return TRUSTED if found.trusted else UNTRUSTED


def write_index(arguments: argparse.Namespace) -> int:
    """The `index` command; the exit status."""
    from runner.page import index

    if not Path(arguments.folder).is_dir():
        raise InputError(f"folder: given {arguments.folder}; allowed: a folder with run folders in it")
    print(os.path.relpath(index.write_index(arguments.folder)))
    return TRUSTED


def _interrupt(number, _):
    for other in SIGNALS:  # an impatient second one must not disturb the clearing up
        signal.signal(other, signal.SIG_IGN)
    raise Interrupted(number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    try:
        arguments = read_arguments(argv)
        commands = {"run": run, "sweep": sweep, "render": render, "reproduce": reproduce}
        commands |= {"bundle": bundle, "compare": compare, "index": write_index}
        return commands[arguments.command](arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except (ChainError, OSError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except Interrupted as interrupt:
        print("interrupted; the next run continues", file=sys.stderr)
        return 128 + interrupt.signal


def main_program() -> NoReturn:
    """`main` as a process of its own."""
    for channel in (sys.stdout, sys.stderr):  # what a terminal cannot show must not end what took an hour
        channel.reconfigure(errors="backslashreplace")
    status = main()
    gc.freeze()  # to look through papermill for garbage, at the very end, takes a third of a second
    sys.exit(status)
