"""What the documents say of stored results, written between markers in them; `make documents` writes it anew.

A part of a document is a function of what is stored and of nothing else, so that no number is ever typed. A study whose
code has changed since is refused by a test, not here.
"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import FOLDER as BENCHMARKS
from benchmarks.results import three_digits
from mixture.studies.stored import FOLDER as STUDIES
from mixture.studies.stored import ROOT

FEW = 100  # effective draws of four chains: fewer are a sign that these disagree
BEGIN, END = "<!-- {}: written by make documents -->", "<!-- end of {} -->"
COMPARED = {
    "ours": "this project's default",
    "pymc": "pm.sample",
    "numpyro": "NumPyro",
    "BayesianGaussianMixture": "scikit-learn's `BayesianGaussianMixture`",
}


def stored(name):
    """What a study found or a benchmark measured; None where nothing is stored."""
    for folder, key in ((STUDIES, "found"), (BENCHMARKS, None)):
        path = folder / f"{name}.json"
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            return content[key] if key else content
    return None


def table(header, rows):
    """Lines of Markdown."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


def sentence_of_calibration():
    """Whether the sampler is calibrated."""
    found = stored("calibration")
    cases = found["cases"]
    passed, of = (sum(case[key] for case in cases) for key in ("passed", "of"))
    short, fits = sum(case["short_fits"] for case in cases), sum(case["fits"] for case in cases)
    names = ", ".join(case["case"] for case in cases)
    state = "calibrated" if passed == of else "**not calibrated in all of them**"
    length = "every fit" if not short else f"all but {short} fits"
    return (
        f"**Calibrated?** [Ranks of {fits:,} known truths](notebooks/study_calibration.ipynb) in {len(cases)} cases ({names}): "
        f"{state}, {passed} of {of} distributions within joint {found['prob']:.0%} bands; {length} had at least "
        f"{found['ranked_draws']} effective draws of everything that was ranked."
    )


def sentence_of_coverage():
    """Whether intervals hold what they promise."""
    found = stored("coverage")
    judged, (low, high) = found["judged"], found["between"]
    tails, shortest, em = (judged[method] for method in ("equal tails", "highest density", "EM"))
    return (
        f"**Do intervals hold?** [95% intervals over separation, N and weights](notebooks/study_coverage.ipynb), K given and K "
        f"found: equal tails hold {tails['lowest']:.1%} to {tails['highest']:.1%} of the truths, within {low:.0%} to {high:.0%} "
        f"in {tails['within']} of {tails['parts']} parts; the report's shortest intervals {shortest['lowest']:.1%} to "
        f"{shortest['highest']:.1%}, in {shortest['within']} of {shortest['parts']}; EM's {em['lowest']:.1%} to {em['highest']:.1%}."
    )


def sentence_of_references():
    """How the references fared."""
    rows = stored("references")["rows"]
    passed = sum(row["passed"] for row in rows)
    return (
        f"**References:** [{len(rows)} hard posteriors](notebooks/study_references.ipynb) in [posteriordb's form](references/), ten "
        f"chains of 1,000 independent draws each; {passed} of {len(rows)} pass its checks (largest R-hat "
        f"{max(row['largest_r_hat'] for row in rows):.4f}). Stan's own evaluation of the model is the sampler's density."
    )


def sentence_of_failing_fit():
    """What becomes of ordered NUTS on the galaxies."""
    found = stored("failing_fit")
    first, *others = found["attempts"]
    right = [attempt["attempt"] for attempt in found["attempts"] if attempt["right"]]
    fooled = [attempt["attempt"] for attempt in others if attempt["agree"] and not attempt["right"]]
    unseen = f"; wrong with an R-hat that sees nothing: {', '.join(fooled)}" if fooled else ""
    return (
        f"**What it is for:** [a fit that fails on purpose](notebooks/study_failing_fit.ipynb): ordered NUTS on 82 galaxies, two "
        f"components, ends with R-hat {first['largest_r_hat']:.2f}. Of {len(found['attempts'])} attempts right: "
        f"{', '.join(right) or 'none'}{unseen}."
    )


def rows_of_peers():
    """A row each fit: how many hard samples are right, how far off it is where it claims trust, and how long it takes."""
    rows = []
    measured = stored("peers")["rows"]
    for fit in dict.fromkeys(row["fit"] for row in measured):
        mine = [row for row in measured if row["fit"] == fit]
        trusted = [row for row in mine if row["trusted"]]
        worst = f"{max(row['error'] for row in trusted):.2f}" if trusted else "–"
        seconds = statistics.median(row["seconds"] for row in mine)
        right = sum(row["right"] for row in mine)
        rows.append(
            [
                COMPARED.get(fit, fit),
                f"{len(trusted)} of {len(mine)}",
                f"{right} of {len(mine)}",
                worst,
                f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}",
            ]
        )
    return rows


def why_to_believe_it():
    """The README's part: what is proved, and the peers side by side."""
    sentences = {
        "calibration": sentence_of_calibration,
        "coverage": sentence_of_coverage,
        "references": sentence_of_references,
        "failing_fit": sentence_of_failing_fit,
    }
    lines = [f"- {write()}" for name, write in sentences.items() if stored(name)]
    if stored("peers"):
        header = [
            "fit of the hard samples",
            "trusted",
            "trusted and right",
            "largest error where trusted, posterior sds",
            "seconds, median",
        ]
        lines += ["", *table(header, rows_of_peers())]
    return lines


def speed():
    """The README's part: effective draws a second against peers, whole reports, and what is not met."""
    measured = stored("samplers")["rows"]
    sizes = sorted({row["n"] for row in measured})
    fits = [fit for fit in dict.fromkeys(row["fit"] for row in measured) if fit != "EM"]
    worth = {(row["fit"], row["n"]): row for row in measured}

    def shown(fit, n):
        row = worth[fit, n]
        stuck = "†" if row["ess"] < FEW else ""
        return three_digits(row["ess_per_second"]) + stuck + ("" if row["measured_at"] == n else "*")

    extrapolated = "\\* extrapolated from the largest N that was run."
    stuck = any(row["ess"] < FEW for row in measured if row["fit"] != "EM") and (
        f"† with fewer than {FEW} effective draws in all, a sign of chains that disagree."
    )
    header = ["effective draws a second, compile included", *(f"N = {n:,}" for n in sizes)]
    return [
        *table(header, [[COMPARED.get(fit, fit), *(shown(fit, n) for n in sizes)] for fit in fits]),
        "",
        " ".join(filter(None, [extrapolated, stuck, "All ratios: [performance](docs/performance.md)."])),
    ]


def peers_in_full():
    """A row each hard sample and fit."""
    if not stored("peers"):
        return ["Not measured yet."]
    header = [
        "sample",
        "fit",
        "trusted",
        "right",
        "R-hat",
        "smallest effective size",
        "error, posterior sds",
        "seconds",
    ]
    rows = sorted(stored("peers")["rows"], key=lambda row: row["sample"])
    return table(
        header,
        [
            [
                row["sample"],
                COMPARED.get(row["fit"], row["fit"]),
                "yes" if row["trusted"] else "no",
                "yes" if row["right"] else "no",
                f"{row['r_hat']:.3f}" if "r_hat" in row else "–",
                f"{row['ess']:,.0f}" if "ess" in row else "–",
                f"{row['error']:.2f}",
                f"{row['seconds']:.1f}",
            ]
            for row in rows
        ],
    )


PARTS: dict[tuple[str, str], Callable[[], list[str]]] = {
    ("README.md", "why to believe it"): why_to_believe_it,
    ("README.md", "speed"): speed,
    ("docs/performance.md", "peers"): peers_in_full,
}


def with_parts(name: str, text: str) -> str:
    """The text of a document with all its parts as they are to be; ValueError where a part's markers are not there."""
    for (document, part), write in PARTS.items():
        if document == name:
            head, begin, rest = text.partition(BEGIN.format(part))
            _, end, tail = rest.partition(END.format(part))
            if not (begin and end):
                raise ValueError(f"{name} has no markers of {part}")
            text = "\n".join([head + begin, *write(), end + tail])
    return text


def main():
    for name in dict.fromkeys(document for document, _ in PARTS):
        path = Path(ROOT / name)
        path.write_text(with_parts(name, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
