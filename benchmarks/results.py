"""How a benchmark prints and keeps what it measured."""

import json
import platform
import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from mixture.show import figures
from mixture.studies.stored import benchmark_modules, code_of

FOLDER = Path(__file__).resolve().parent / "results"
PAGE = FOLDER.parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- measured by make bench -->", "<!-- end of what make bench measured -->"
SLOWER = 0.8  # a ratio below this share of the stored one is worth a look


def in_own_process(function, *given):
    """What a function returns, and the peak memory in MiB of the fresh process that it ran in."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(function, *given).result()
        return found, pool.submit(resource.getrusage, resource.RUSAGE_SELF).result().ru_maxrss / 1024


def keep(name, rows, ratios):
    """Print the rows and ratios of a benchmark, hold them against the stored ones, and keep them in results/NAME.json.

    Parameters
    ----------
    name : str
    rows : list of dict
        What was measured, seconds unless a key says otherwise.
    ratios : dict of str to (float, float)
        What is claimed: the ratio found and the one wanted (at least).
    """
    file = FOLDER / f"{name}.json"
    stored = json.loads(file.read_text(encoding="utf-8"))["ratios"] if file.exists() else {}
    for row in rows:
        print(
            "  ".join(
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
    for claim, (found, wanted) in ratios.items():
        before = stored.get(claim, {}).get("found", 0.0)
        slower = f"; SLOWER than the stored {before:.3g}" if found < SLOWER * before else ""
        print(f"{'met    ' if found >= wanted else 'NOT met'}  {claim}: {found:.3g} (wanted {wanted:g}){slower}")
    FOLDER.mkdir(exist_ok=True)
    content = {
        "python": platform.python_version(),
        "rows": rows,
        "ratios": {claim: {"found": found, "wanted": wanted} for claim, (found, wanted) in ratios.items()},
        "code": code_of(benchmark_modules(name)),
    }
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def three_digits(value):
    """A number to three digits that count, without a power of ten."""
    return f"{float(f'{value:.3g}'):,.12g}"


def with_table(page):
    """The text of docs/performance.md with the stored ratios in its table."""
    lines = ["| benchmark | ratio | found | wanted |", "|---|---|---|---|"]
    for file in sorted(FOLDER.glob("*.json")):
        for claim, ratio in json.loads(file.read_text(encoding="utf-8"))["ratios"].items():
            mark = "" if ratio["found"] >= ratio["wanted"] else " (**not met**)"
            lines.append(
                f"| [{file.stem}](../benchmarks/{file.stem}.py) | {claim} | {three_digits(ratio['found'])} | {ratio['wanted']:g}{mark} |"
            )
    head, _, rest = page.partition(BEGIN)
    return "\n".join([head + BEGIN, *lines, END]) + rest.partition(END)[2]


def draw_growth(name, rows, by, title, value="seconds", unit="seconds"):
    """Draw a value against N, a line for each kind of row, into results/NAME.svg; hollow where it is extrapolated.

    Parameters
    ----------
    name : str
    rows : list of dict
        Keys n, measured_at (the N really run), `by` and `value`.
    by, value : str
    title, unit : str
    """
    figures.use_style()
    frame = pd.DataFrame(rows)
    measured = frame["measured_at"] == frame["n"]
    figure, ax = plt.subplots()
    sns.lineplot(frame, x="n", y=value, hue=by, ax=ax, errorbar=None)
    colours = dict(zip(frame[by].unique(), sns.color_palette(), strict=False))
    for kind, colour in colours.items():
        for mine, face in ((measured, colour), (~measured, "white")):
            points = frame[mine & (frame[by] == kind)]
            ax.plot(points["n"], points[value], "o", color=colour, markerfacecolor=face)
    ax.set(xscale="log", yscale="log", xlabel="N, observations", ylabel=unit, title=title)
    ax.legend(frameon=False, title=None)
    figure.savefig(FOLDER / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
