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
import importlib.util
import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

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

SUMMARY_TAGS = ("summary-answer", "summary-verdict", "summary-figure", "summary-table", "summary-play")
UNSHOWN_TAGS = {"hide", "parameters", "injected-parameters"}
WIDGET = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROGRESS = re.compile(r"[█━╸╺▏▎▍▌▋▊▉]|\d+%\||\bit/s|\bs/it|\r(?!\n)")
NUMBER = re.compile(r"[−-]?\d[\d,]*(\.\d+)?(e[+−-]?\d+)?%?")
MISSING = {"", "–", "nan", "NaN", "None"}
PLAIN = " '()*,-./:;=@_~!$&?<>+"  # what an SVG in an address may hold as it is
FIGURE_END = "</figure>\n"
PLAY = "application/vnd.gaussian-mixtures.play+json"
MOVED = {"summary": "This figure stands in the summary.", "play": "This figure stands above, under “Look closer”."}
MARKS = {"✓": ("passed", "✓"), "✗": ("failed", "✗"), "⚠": ("caution", "!")}
HERE = Path(__file__).parent
TEMPLATE, STYLE, SCRIPT = HERE / "page.html.j2", HERE / "style.css", HERE / "page.js"

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

    def list(self, text, ordered, **attributes):
        listed = super().list(text, ordered, **attributes)
        return listed.replace("<ul>", '<ul class="checks">', 1) if '<span class="mark"' in text else listed

    def list_item(self, text):
        kind, sign = MARKS.get(text.lstrip()[:1], (None, None))
        if kind is None:
            return super().list_item(text)
        return (f'<li class="{kind}"><span class="mark" role="img" aria-label="{kind}">{sign}</span>'
                f"{text.lstrip()[1:].lstrip()}</li>\n")

    def table(self, text):
        return scrolling(f"<table>\n{text}</table>")


def markdown(text, headings=None):
    """Markdown as HTML; raw HTML in it is shown, not obeyed."""
    return mistune.create_markdown(renderer=_Renderer(headings), plugins=[table, math, strikethrough])(text)


def scrolling(table_markup):
    """A table that scrolls by itself when the page is narrow."""
    return f'<div class="table" role="group" aria-label="table" tabindex="0">{table_markup}</div>\n'


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
    """Keeps a table's rows of cells and their plain markup, and leaves styles, classes, scripts and events behind."""

    KEPT = {"b", "strong", "i", "em", "code", "br", "sub", "sup", "p"}
    DROPPED = {"style", "script"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.rows, self.section, self.dropping, self.cell = [], "tbody", False, None

    def handle_starttag(self, tag, attributes):
        self.dropping = self.dropping or tag in self.DROPPED
        if tag in ("thead", "tbody", "tfoot"):
            self.section = tag
        elif tag == "tr":
            self.rows.append((self.section, []))
        elif tag in ("td", "th") and self.rows:
            spans = {name: value or "" for name, value in attributes if name in ("colspan", "rowspan")}
            self.cell = {"tag": tag, "spans": spans, "markup": ""}
            self.rows[-1][1].append(self.cell)
        elif tag in self.KEPT and self.cell is not None:
            self.cell["markup"] += f"<{tag}>"

    def handle_endtag(self, tag):
        self.dropping = self.dropping and tag not in self.DROPPED
        if tag in ("td", "th"):
            self.cell = None
        elif tag in self.KEPT and tag != "br" and self.cell is not None:
            self.cell["markup"] += f"</{tag}>"

    def handle_data(self, text):
        if not self.dropping and self.cell is not None:
            self.cell["markup"] += html.escape(text, quote=False)


def clean_table(markup):
    """The first table in an HTML output: numbers under each other by their decimal point, words at the left.

    Styles that would fight the page's are left out, and the name of the index
    joins the columns' names.
    """
    parser = _TableOnly()
    parser.feed("".join(re.findall(r"<table.*?</table>", markup, re.DOTALL)))
    rows = [(section, cells) for section, cells in parser.rows if cells]
    _join_index_name(rows)
    width = max((len(cells) for _, cells in rows), default=0)
    body = [cells for section, cells in rows if section != "thead" and len(cells) == width]
    spanned = any(cell["spans"] for _, cells in rows for cell in cells)
    for column in range(0 if spanned else width):
        if not _align([cells[column] for cells in body]):
            for _, cells in rows:
                if len(cells) == width:
                    cells[column]["class"] = "words"
    parts = [f"<tr>{''.join(_cell(cell, section) for cell in cells)}</tr>\n" for section, cells in rows]
    head = sum(section == "thead" for section, _ in rows)
    return f"<table>\n<thead>\n{''.join(parts[:head])}</thead>\n<tbody>\n{''.join(parts[head:])}</tbody>\n</table>"


def _join_index_name(rows):
    """pandas gives the index's name a row of its own below the columns' names."""
    if len(rows) > 1 and rows[0][0] == rows[1][0] == "thead":
        names, index = rows[0][1], rows[1][1]
        if len(names) == len(index) and all(not a["markup"].strip() or not b["markup"].strip() for a, b in zip(names, index)):
            for name, other in zip(names, index):
                name["markup"] = name["markup"].strip() or other["markup"]
            del rows[1]


def _align(cells):
    """Whether all cells hold numbers; then they are padded so that their decimal points are under each other."""
    texts = [plain(cell["markup"]).strip() for cell in cells]
    if not any(NUMBER.fullmatch(text) for text in texts) or not all(NUMBER.fullmatch(t) or t in MISSING for t in texts):
        return False
    places = [len(text.partition(".")[2]) if NUMBER.fullmatch(text) else 0 for text in texts]
    for cell, text, place in zip(cells, texts, places):
        if text not in MISSING and "e" not in text and max(places) > place:  # as wide as the point and the digits
            cell["markup"] += ("\u2008" if place == 0 else "") + "\u2007" * (max(places) - place)
    return True


def _cell(cell, section):
    """One cell as HTML; an empty header is no header."""
    tag = cell["tag"] if plain(cell["markup"]).strip() else "td"
    scope = f' scope="{"col" if section == "thead" else "row"}"' if tag == "th" else ""
    spans = "".join(f' {name}="{html.escape(value)}"' for name, value in cell["spans"].items())
    style = f' class="{cell["class"]}"' if "class" in cell else ""
    return f"<{tag}{spans}{scope}{style}>{cell['markup']}</{tag}>"


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
    if kind == "image/svg+xml":  # as text it is a quarter shorter than in base64
        size, address = "", html.escape(f"{kind},{quote(data.replace('\n', ' '), safe=PLAIN)}")
    else:
        width, height = _png_size(base64.b64decode(data))
        size = f' width="{notes.get("width", width)}" height="{notes.get("height", height)}"'
        address = f"{kind};base64,{data.replace('\n', '')}"
    return f'<figure><img src="data:{address}"{size}{described}>{FIGURE_END}'


def playable(output):
    """A static figure that the page's script replaces by one to play with, if it can."""
    data, metadata = output["data"], output.get("metadata", {})
    kind = next(kind for kind in ("image/svg+xml", "image/png") if kind in data)
    static = figure(kind, _joined(data[kind]), metadata).removesuffix(FIGURE_END)
    told = data[PLAY] if isinstance(data[PLAY], dict) else json.loads(_joined(data[PLAY]))
    told = json.dumps(told).replace("<", "\\u003c")  # no text in it can end the element
    return (static.replace("<figure>", '<figure class="playable">', 1)
            + f'<div class="play" hidden></div><script type="application/json">{told}</script>{FIGURE_END}')


def _rich(output):
    """A display or a result, in the first form the page has a use for."""
    data, metadata = output["data"], output.get("metadata", {})
    if PLAY in data:
        return playable(output)
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


def _code(sources):
    """The code of cells in a row, as one fold."""
    text = "\n\n".join(filter(None, sources))
    if not text:
        return ""
    return (f'<details class="code"><summary>Code</summary><pre tabindex="0"><code>{_coloured(text)}</code></pre>'
            "</details>\n")


def _chapter(name, notebook, lifted):
    """A notebook's title, headings and body; what its tags lift is added to `lifted`, by tag."""
    headings, parts, pending = Headings(name), [], []
    for cell in notebook["cells"]:
        cell_tags = set(cell["metadata"].get("tags", []))
        outputs = outputs_markup(cell.get("outputs", []))
        for tag in cell_tags & set(SUMMARY_TAGS):
            lifted[tag] += outputs
        if cell_tags & UNSHOWN_TAGS:
            continue
        if cell["cell_type"] == "markdown":
            parts += [_code(pending), markdown(_joined(cell["source"]), headings)]
            pending = []
        elif cell["cell_type"] == "code":
            pending.append(_joined(cell["source"]).strip())
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


def _parameter_rows(values):
    """Name, value, unit and meaning of each parameter, by group of the schema."""
    groups = {}
    for name, field in Parameters.model_fields.items():
        if name in values:
            extra = field.json_schema_extra
            groups.setdefault(extra["group"], []).append(
                {"name": name, "value": format_parameter(values[name]), "unit": extra["unit"], "meaning": field.description})
    return groups


def format_parameter(value: Any) -> str:
    """A parameter's value as a reader writes it."""
    if isinstance(value, list):
        return ", ".join(f"[{format_parameter(each)}]" if isinstance(each, list) else format_parameter(each) for each in value)
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
    scripts = [*([bokeh_script()] if lifted["summary-play"] else []), SCRIPT.read_text(encoding="utf-8")]
    return fill(
        TEMPLATE, scripts, title=manifest["parameters"]["title"], chapters=bodies,
        summary={tag.removeprefix("summary-"): Markup(markup) for tag, markup in lifted.items()},
        parameters=_parameter_rows(manifest["parameters"]), manifest={"trusted": False} | manifest)


def bokeh_script():
    """BokehJS, as installed."""
    package = Path(importlib.util.find_spec("bokeh").origin).parent
    return (package / "server" / "static" / "js" / "bokeh.min.js").read_text(encoding="utf-8")


def fill(template, scripts, **values):
    """A template with its style, its scripts and a policy that lets only these run."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return environment.get_template(template.name).render(
        style=Markup(STYLE.read_text(encoding="utf-8")), scripts=[Markup(script) for script in scripts],
        policy=Markup(" ".join(f"'sha256-{digest}'" for digest in digests)), **values) + "\n"
