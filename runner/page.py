"""From executed notebooks to one self-contained HTML page.

lifted
    said of the output of a cell tagged `summary-...`: it stands in the summary at
    the top of the page, and a lifted figure leaves a link behind in its chapter
chapter
    one notebook

The page makes no request: formulas become MathML, figures are embedded, and a
content security policy in the page forbids the rest. Nothing here computes a
number, and the same notebooks and manifest give the same bytes.
"""

import base64
import hashlib
import html
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import mistune
from latex2mathml.converter import convert
from markupsafe import Markup
from mistune.plugins.formatting import strikethrough
from mistune.plugins.math import math
from mistune.plugins.table import table
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from parameters import Parameters

SUMMARY_TAGS = ("summary-answer", "summary-verdict", "summary-figure", "summary-table")
UNSHOWN_TAGS = {"hide", "parameters", "injected-parameters"}
WIDGET = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROGRESS = re.compile(r"[█━╸╺▏▎▍▌▋▊▉]|\d+%\||\bit/s|\bs/it|\r(?!\n)")
EMPTY_HEADER = re.compile(r"<th[^>]*>\s*</th>")
# pandas gives the index's name a row of its own below the columns' names.
INDEX_ROW = re.compile(r"(<tr>\s*)<td></td>((?:\s*<th[^>]*>[^<]*</th>)+)\s*</tr>\s*"
                       r"<tr>\s*(<th[^>]*>[^<]*</th>)(?:\s*<td></td>)+\s*</tr>\s*")
FIGURE_END = "</figure>\n"
TEMPLATE = "page.html.j2"

_lexer, _formatter = PythonLexer(), HtmlFormatter(nowrap=True)


# -- text -------------------------------------------------------------------------------------


def formula(tex, display="inline"):
    """A TeX formula as MathML, or as code if it cannot be read."""
    known = re.sub(r"(begin|end)\{aligned\}", r"\1{align*}", tex.strip())
    known = re.sub(r"\\(mathrm|operatorname)\{(\w\w+)\}", r"\\text{\2}", known)
    known = known.replace("<", r"\lt ").replace(">", r"\gt ")
    try:
        markup = convert(known, display=display)
    except Exception:  # latex2mathml raises a class of its own for every mistake
        return f"<code>{html.escape(tex)}</code>"
    # Here ~ is the relation "is distributed as", which needs an operator's space around it.
    return markup.replace("<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>").replace(
        ' xmlns="http://www.w3.org/1998/Math/MathML"', "")


class _Renderer(mistune.HTMLRenderer):
    """Markdown for one chapter: formulas as MathML, headings below the chapter's own place."""

    def __init__(self, headings=None):
        super().__init__(escape=True)
        self.headings = headings

    def inline_math(self, text):
        return formula(text)

    def block_math(self, text):
        return f'<div class="formula" tabindex="0">{formula(text, "block")}</div>\n'

    def heading(self, text, level, **_):
        if self.headings is None:  # an output's heading is no chapter of its own
            return f'<p class="heading">{text}</p>\n'
        level, anchor = self.headings.add(text, level)
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def link(self, text, url, title=None):
        stem = re.fullmatch(r"(?:\./)?(\d\d_\w+)\.ipynb", url)
        return super().link(text, f"#{stem.group(1)}" if stem else url, title)

    def image(self, text, url, title=None):
        return super().image(text, url, title) if url.startswith("data:") else f"<em>{text}</em>"

    def table(self, text):
        return scrolling(f"<table>\n{text}</table>")


def markdown(text, headings=None):
    """Markdown as HTML; raw HTML in it is shown, not obeyed."""
    return mistune.create_markdown(renderer=_Renderer(headings), plugins=[table, math, strikethrough])(text)


def scrolling(table_markup):
    """A table that scrolls by itself when the page is narrow."""
    return f'<div class="table" role="region" aria-label="table" tabindex="0">{table_markup}</div>\n'


def plain(text):
    """Text without terminal codes and HTML tags, for places that take no markup."""
    return html.unescape(re.sub(r"<[^>]*>", "", text))


class Headings:
    """The headings of one chapter, in order and without a skipped level; h1 belongs to the page."""

    def __init__(self, chapter):
        self.chapter, self.entries, self.level = chapter, [], 1

    def add(self, text, level):
        """The level (2 to 6) and anchor of a notebook's heading."""
        self.level = min(max(level + 1, 2) if self.entries else 2, self.level + 1, 6)
        slug = re.sub(r"\W+", "-", plain(text).lower()).strip("-") or "section"
        anchor = f"{self.chapter}-{slug}" if self.entries else self.chapter
        while any(anchor == entry["anchor"] for entry in self.entries):
            anchor += "-"
        self.entries.append({"level": self.level, "anchor": anchor, "text": plain(text)})
        return self.level, anchor


class _TableOnly(HTMLParser):
    """Copies a table's structure and text, and leaves styles, classes, scripts and events behind."""

    KEPT = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "b", "strong", "i", "em", "code", "br",
            "sub", "sup", "p"}
    DROPPED = {"style", "script"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts, self.in_head, self.dropping = [], False, False

    def handle_starttag(self, tag, attributes):
        self.dropping = self.dropping or tag in self.DROPPED
        self.in_head = self.in_head or tag == "thead"
        if tag in self.KEPT:
            kept = "".join(f' {name}="{html.escape(value or "")}"' for name, value in attributes
                           if name in ("colspan", "rowspan"))
            scope = f' scope="{"col" if self.in_head else "row"}"' if tag == "th" else ""
            self.parts.append(f"<{tag}{kept}{scope}>")

    def handle_endtag(self, tag):
        self.dropping = self.dropping and tag not in self.DROPPED
        self.in_head = self.in_head and tag != "thead"
        if tag in self.KEPT and tag != "br":
            self.parts.append(f"</{tag}>")

    def handle_data(self, text):
        if not self.dropping:
            self.parts.append(html.escape(text, quote=False))


def clean_table(markup):
    """The tables in an HTML output, without the styles that would fight the page's."""
    parser = _TableOnly()
    parser.feed("".join(re.findall(r"<table.*?</table>", markup, re.DOTALL)))
    filled = EMPTY_HEADER.sub("<td></td>", "".join(parser.parts))
    return INDEX_ROW.sub(r"\1\3\2</tr>\n", filled)


# -- outputs ----------------------------------------------------------------------------------


def _joined(text):
    return text if isinstance(text, str) else "".join(text)


def _png_size(data):
    """Width and height of a PNG, in pixels."""
    return struct.unpack(">II", data[16:24])


def figure(kind, data, metadata):
    """An embedded figure; without an alt text in its metadata it has no `alt` attribute."""
    notes = metadata.get(kind) if isinstance(metadata.get(kind), dict) else {}
    alt = notes.get("alt") or metadata.get("alt")
    described = f' alt="{html.escape(alt)}"' if alt else ""
    if kind == "image/png":
        data = data.replace("\n", "")
        width, height = _png_size(base64.b64decode(data))
        size = f' width="{notes.get("width", width)}" height="{notes.get("height", height)}"'
    else:
        data, size = base64.b64encode(data.encode()).decode(), ""
    return f'<figure><img src="data:{kind};base64,{data}"{size}{described}>{FIGURE_END}'


def _rich(output):
    """A display or a result, in the first form the page has a use for."""
    data, metadata = output["data"], output.get("metadata", {})
    if WIDGET in data:
        return ""
    for kind in ("image/svg+xml", "image/png"):
        if kind in data:
            return figure(kind, _joined(data[kind]), metadata)
    markup, text = _joined(data.get("text/html", "")), _joined(data.get("text/plain", ""))
    if "<table" in markup:
        return scrolling(clean_table(markup))
    if 'class="highlight"' in markup:  # IPython's Code
        return f'<pre tabindex="0"><code>{_coloured(text)}</code></pre>\n'
    for kind in ("text/markdown", "text/latex"):
        if kind in data:
            return markdown(_joined(data[kind]))
    return _preformatted(text)


def _coloured(code):
    return highlight(code, _lexer, _formatter)


def _preformatted(text, style="output"):
    text = ANSI.sub("", text)
    return f'<pre class="{style}" tabindex="0">{html.escape(text)}</pre>\n' if text.strip() else ""


def _warnings(outputs):
    """What a cell's libraries warned of, folded; their chatter stays in the notebook."""
    texts = [_joined(output["text"]) for output in outputs if output.get("name") == "stderr"]
    shown = "".join(text for text in texts if "Warning" in text and not PROGRESS.search(text))
    return f"<details><summary>Warnings</summary>{_preformatted(shown)}</details>\n" if shown else ""


def output_markup(output):
    """One output as HTML; empty for progress bars, widgets, messages and nothing."""
    kind = output["output_type"]
    if kind == "error":
        return _preformatted("\n".join(output["traceback"]), "error")
    text = _joined(output["text"] if kind == "stream" else output["data"].get("text/plain", ""))
    if output.get("name") == "stderr" or PROGRESS.search(text):
        return ""
    return _preformatted(text) if kind == "stream" else _rich(output)


def outputs_markup(outputs):
    """A cell's outputs as HTML; one marked `caption` in its metadata joins the figure before it."""
    parts = []
    for output in outputs:
        part = output_markup(output)
        if output.get("metadata", {}).get("caption") and parts and parts[-1].endswith(FIGURE_END):
            part = f"{parts.pop().removesuffix(FIGURE_END)}<figcaption>{part}</figcaption>{FIGURE_END}"
        parts.append(part)
    return "".join(parts) + _warnings(outputs)


# -- chapters ---------------------------------------------------------------------------------


def _code(cell):
    text = _joined(cell["source"]).strip()
    if not text:
        return ""
    return (f'<details class="code"><summary>Code</summary><pre tabindex="0"><code>{_coloured(text)}</code></pre>'
            "</details>\n")


def _chapter(name, notebook, lifted):
    """A notebook's title, headings and body; what its tags lift is added to `lifted`, by tag."""
    headings, parts = Headings(name), []
    for cell in notebook["cells"]:
        cell_tags = set(cell["metadata"].get("tags", []))
        outputs = outputs_markup(cell.get("outputs", []))
        for tag in cell_tags & set(SUMMARY_TAGS):
            lifted[tag] += outputs
        if cell_tags & UNSHOWN_TAGS:
            continue
        if cell["cell_type"] == "markdown":
            parts.append(markdown(_joined(cell["source"]), headings))
        elif cell["cell_type"] == "code":
            if cell_tags & set(SUMMARY_TAGS) and "<figure>" in outputs:  # embedded once, above
                outputs = '<p><a href="#summary">This figure stands in the summary.</a></p>\n'
            parts.append(_code(cell) + outputs)
    if not headings.entries:
        _, anchor = headings.add(name, 1)
        parts.insert(0, f'<h2 id="{anchor}">{html.escape(name)}</h2>\n')
    return {"name": name, "headings": headings.entries, "body": Markup("".join(parts))}


def _parameter_rows(values):
    """Name, value, unit and meaning of each parameter, by group of the schema."""
    groups = {}
    for name, field in Parameters.model_fields.items():
        if name in values:
            extra = field.json_schema_extra
            groups.setdefault(extra["group"], []).append(
                {"name": name, "value": _shown(values[name]), "unit": extra["unit"], "meaning": field.description})
    return groups


def _shown(value):
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def render(chapters, manifest):
    """The page.

    Parameters
    ----------
    chapters : list of (str, dict)
        Name and content of each executed notebook, in order.
    manifest : dict
        `parameters`, `versions`, `commit` and `dirty` are shown.

    Returns
    -------
    str
        HTML.
    """
    lifted = dict.fromkeys(SUMMARY_TAGS, "")
    bodies = [_chapter(name, notebook, lifted) for name, notebook in chapters]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined)
    template = environment.get_template(TEMPLATE)
    script = "".join(template.blocks["script"](template.new_context()))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return template.render(
        title=manifest["parameters"]["title"], chapters=bodies, script_hash=digest,
        summary={tag.removeprefix("summary-"): Markup(markup) for tag, markup in lifted.items()},
        parameters=_parameter_rows(manifest["parameters"]), manifest=manifest) + "\n"
