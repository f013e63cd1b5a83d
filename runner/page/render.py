"""From executed notebooks to one self-contained HTML page.

lifted
    said of the output of a cell tagged `summary-...`: it stands in the summary at
    the top of the page, and a lifted figure leaves a link behind in its chapter
chapter
    one notebook

The page makes no request: formulas become MathML, figures are embedded, and a
content security policy in the page forbids the rest. Nothing here computes a
number, and the same notebooks and manifest give the same bytes.

nbconvert does none of this: it takes 0.8 s to import and 2.0 s for the four notebooks
as plain HTML (this page: 0.5 and 0.4 s), and it neither lifts outputs, nor folds cells
together, nor aligns numbers. bleach cleans the tables (runner.page.tables).
"""

import html
import re
from typing import Any

from markupsafe import Markup

from parameters import FILE_ONLY, LONGER, SIMULATED_ONLY, Parameters
from runner.page.markdown import Headings, markdown
from runner.page.outputs import FIGURE_END, colour_code, outputs_markup
from runner.page.template import bokeh_script, fill, page_script
from runner.stages import join_lines, tags

SUMMARY_TAGS = (
    "summary-answer",
    "summary-components",
    "summary-used",
    "summary-cutoffs",
    "summary-lone",
    "summary-verdict",
    "summary-modes",
    "summary-figure",
    "summary-table",
    "summary-medians",
    "summary-play",
)
FILES = {  # of the run folder, that open in a spreadsheet or with a few words of any language
    "comparison.csv": "posterior, EM and, if known, the truth, of every parameter",
    "membership.csv": "each value's probability of every component, with its interval",
    "membership.parquet": "the same with all digits",
    "answers.json": "cutoffs, the number of peaks, values far from all others",
    "em.json": "EM's maximum, its errors, and the criteria by number of components",
}
SAMPLE = "sample.parquet"
HIDDEN_TAGS = {"hide", "parameters", "injected-parameters"}
MOVED = {"summary": "This figure stands in the summary.", "play": "This figure stands above, under “Look closer”."}


def _code(sources):
    """The code of cells in a row, as one fold."""
    text = "\n\n".join(filter(None, sources))
    if not text:
        return ""
    return (
        f'<details class="code"><summary>Code</summary><pre tabindex="0"><code>{colour_code(text)}</code></pre>'
        "</details>\n"
    )


SHOWN = 12  # characters of a hash, as many as of a commit


def _rests_on(hashes, name):
    """A line for each figure of a notebook: the hashes of the data and of the code that it rests on; "" if none is known."""
    data = hashes.get("data", {}) | {file: content for file, content in hashes["outputs"].items() if file == SAMPLE}
    parts = [f"{html.escape(file)} {content[:SHOWN]}" for file, content in data.items()]
    code = hashes["stages"].get(name)
    parts += [f"code and parameters of {html.escape(name)} {code[:SHOWN]}"] if code else []
    return f'<p class="rests">Rests on {", ".join(parts)}.</p>' if parts else ""


def _with_line(outputs, line):
    """Figures with a line at the end of their captions."""
    if not line:
        return outputs
    without = outputs.replace(f"</figcaption>{FIGURE_END}", f"{line}</figcaption>{FIGURE_END}")
    ended = f"<figcaption>{line}</figcaption>{FIGURE_END}"  # not a template: a file's name may hold a backslash
    return re.sub(rf"(?<!</figcaption>){re.escape(FIGURE_END)}", lambda _: ended, without)


def _chapter(name, notebook, lifted, line):
    """A notebook's title, headings and body; what its tags lift is added to `lifted`, by tag; `line` ends its captions."""
    headings, parts, pending = Headings(name), [], []
    for cell in notebook["cells"]:
        cell_tags = set(tags(cell))
        outputs = _with_line(outputs_markup(cell.get("outputs", [])), line)
        for tag in cell_tags & set(SUMMARY_TAGS):
            lifted[tag] += outputs
        if cell_tags & HIDDEN_TAGS:
            continue
        if cell["cell_type"] == "markdown":
            parts += [_code(pending), markdown(join_lines(cell["source"]), headings)]
            pending = []
        elif cell["cell_type"] == "code":
            pending.append(join_lines(cell["source"]).strip())
            if cell_tags & set(SUMMARY_TAGS) and "<figure" in outputs:  # embedded once, above
                place = "play" if "summary-play" in cell_tags else "summary"
                outputs = f'<p class="moved"><a href="#{place}">{MOVED[place]}</a></p>\n'
            if "fold" in cell_tags and outputs:
                parts.append(f'<details class="code"><summary>Code</summary>{outputs}</details>\n')
            elif outputs:
                parts += [_code(pending), outputs]
                pending = []
    parts.append(_code(pending))
    if not headings.entries:
        _, anchor = headings.add(name, 1)
        parts.insert(0, f'<h2 id="{anchor}">{html.escape(name)}</h2>\n')
    return {"name": name, "headings": headings.entries, "body": Markup("".join(parts))}


def _files(notebooks):
    """Those of `FILES` that the notebooks wrote, with a word on each."""
    written = {name for notebook in notebooks for name in notebook["metadata"].get("chain", {}).get("writes", ())}
    return {name: words for name, words in FILES.items() if name in written}


def units(values: dict[str, Any]) -> tuple[str, str]:
    """The unit of a run's data, and that of what was fitted, by its parameters."""
    unit = values.get("unit") or "data units"
    return unit, f"log {unit}" if values.get("transform") else unit


def _parameter_rows(values):
    """Name, value, unit and meaning of each parameter that played a part, by group of the schema."""
    groups, idle = {}, FILE_ONLY if values.get("data") is None else SIMULATED_ONLY
    unit, fitted = units(values)
    for name, field in Parameters.model_fields.items():
        if name in values and name not in idle:
            extra = field.json_schema_extra
            groups.setdefault(extra["group"], []).append(
                {
                    "name": name,
                    "value": format_parameter(values[name]),
                    "unit": extra["unit"].replace("data units", fitted if extra["group"] == "model" else unit),
                    "meaning": field.description,
                }
            )
    return groups


def format_parameter(value: Any) -> str:
    """A parameter's value as a reader writes it."""
    if isinstance(value, list):
        return ", ".join(
            f"[{format_parameter(each)}]" if isinstance(each, list) else format_parameter(each) for each in value
        )
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def render(chapters: list[tuple[str, dict]], manifest: dict[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    chapters : list of (str, dict)
        Name and content of each executed notebook, in order.
    manifest : dict
        `parameters`, `versions`, `commit` and `dirty` are shown, and below each figure its `hashes` of data and code.

    Returns
    -------
    str
        HTML.
    """
    lifted = dict.fromkeys(SUMMARY_TAGS, "")
    hashes = {"outputs": {}, "stages": {}} | manifest.get("hashes", {})
    bodies = [_chapter(name, notebook, lifted, _rests_on(hashes, name)) for name, notebook in chapters]
    scripts = [*([bokeh_script()] if lifted["summary-play"] else []), page_script()]
    return fill(
        "page.html.j2",
        scripts,
        title=manifest["parameters"]["title"],
        chapters=bodies,
        summary={tag.removeprefix("summary-"): Markup(markup) for tag, markup in lifted.items()},
        files=_files(notebook for _, notebook in chapters),
        parameters=_parameter_rows(manifest["parameters"]),
        manifest=manifest,
        longer=LONGER,
    )
