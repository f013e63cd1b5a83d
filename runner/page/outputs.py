"""A cell's outputs as HTML: figures with their alt texts and captions, tables, text; noise left out."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from runner.page.markdown import markdown
from runner.page.tables import clean_table, scrolling
from runner.stages import join_lines
from runner.stored import PLAY, png_size

WIDGET = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROGRESS = re.compile(r"[█━╸╺▏▎▍▌▋▊▉]|\d+%\||\bit/s|\bs/it|\r(?!\n)")
UNQUOTED = " '()*,-./:;=@_~!$&?<>+"  # what an SVG in an address may hold as it is
GROUND = re.compile(r'<rect class="ground"[^>]*/>')  # for JupyterLab; the page lays drawings on its own
FIGURE_END = "</figure>\n"

_lexer, _formatter = PythonLexer(), HtmlFormatter(nowrap=True)


def colour_code(code: str) -> str:
    """Python code as HTML, its tokens marked by their kind."""
    return highlight(code, _lexer, _formatter)


def figure(kind: str, data: str, metadata: dict[str, Any]) -> str:
    """An embedded figure; without an alt text in its metadata it has no `alt` attribute."""
    notes = metadata.get(kind, {})
    alt = notes.get("alt") or metadata.get("alt")
    described = f' alt="{html.escape(alt)}"' if alt else ""
    width = None
    if kind == "image/svg+xml":  # as text it is a quarter shorter than in base64
        width, data = _svg_width(data), GROUND.sub("", data, count=1)
        size, address = "", html.escape(f"{kind},{quote(data.replace('\n', ' '), safe=UNQUOTED)}")
    else:
        width, height = png_size(data)
        size = f' width="{notes.get("width", width)}" height="{notes.get("height", height)}"'
        address = f"{kind};base64,{data.replace('\n', '')}"
    room = f' style="--width: {width:.0f}px"' if width else ""  # how narrow it may become is the page's style to say
    return f'<figure tabindex="0"{room}><img src="data:{address}"{size}{described}>{FIGURE_END}'


def _svg_width(data):
    """Pixels of a drawing that gives its width in points, as Matplotlib does; else None."""
    given = re.search(r'<svg\b[^>]*?\bwidth="([\d.]+)pt"', data)
    return float(given[1]) * 96 / 72 if given else None


def playable(output: dict[str, Any]) -> str:
    """A static figure that the page's script replaces by one to play with, if it can."""
    data, metadata = output["data"], output["metadata"]
    kind = next(kind for kind in ("image/svg+xml", "image/png") if kind in data)
    static = figure(kind, join_lines(data[kind]), metadata).removesuffix(FIGURE_END)
    content = data[PLAY] if isinstance(data[PLAY], dict) else json.loads(join_lines(data[PLAY]))
    script = json.dumps(content).replace("<", "\\u003c")  # no text in it can end the element
    return (
        static.replace("<figure ", '<figure class="playable" ', 1)
        + f'<div class="play" hidden></div><script type="application/json">{script}</script>{FIGURE_END}'
    )


def _rich(output):
    """A display or a result, in the first form the page has a use for."""
    data, metadata = output["data"], output["metadata"]
    if PLAY in data:
        return playable(output)
    if WIDGET in data:
        return ""
    for kind in ("image/svg+xml", "image/png"):
        if kind in data:
            return figure(kind, join_lines(data[kind]), metadata)
    markup, text = join_lines(data.get("text/html", "")), join_lines(data.get("text/plain", ""))
    if "<table" in markup:
        return scrolling(clean_table(markup))
    if 'class="highlight"' in markup:  # IPython's Code
        return f'<pre tabindex="0"><code>{colour_code(text)}</code></pre>\n'
    for kind in ("text/markdown", "text/latex"):
        if kind in data:
            return markdown(join_lines(data[kind]))
    return _preformatted(text)


def _preformatted(text, style="output"):
    text = ANSI.sub("", text)
    return f'<pre class="{style}" tabindex="0">{html.escape(text)}</pre>\n' if text.strip() else ""


def _warnings(outputs):
    """What a cell's libraries warned of, folded; their chatter stays in the notebook."""
    texts = [join_lines(output["text"]) for output in outputs if output.get("name") == "stderr"]
    warned = "".join(text for text in texts if "Warning" in text and not PROGRESS.search(text))
    return f"<details><summary>Warnings</summary>{_preformatted(warned)}</details>\n" if warned else ""


def output_markup(output: dict[str, Any]) -> str:
    """One output as HTML; empty for progress bars, widgets, messages and nothing."""
    kind = output["output_type"]
    if kind == "error":
        return _preformatted("\n".join(output["traceback"]), "error")
    text = join_lines(output["text"] if kind == "stream" else output["data"].get("text/plain", ""))
    if output.get("name") == "stderr" or PROGRESS.search(text):
        return ""
    return _preformatted(text) if kind == "stream" else _rich(output)


def outputs_markup(outputs: Iterable[dict[str, Any]]) -> str:
    """A cell's outputs as HTML; one marked `caption` in its metadata joins the figure before it."""
    parts = []
    for output in outputs:
        part = output_markup(output)
        if output.get("metadata", {}).get("caption") and parts and parts[-1].endswith(FIGURE_END):
            part = f"{parts.pop().removesuffix(FIGURE_END)}<figcaption>{part}</figcaption>{FIGURE_END}"
        parts.append(part)
    return "".join(parts) + _warnings(outputs)
