"""Markdown as HTML: formulas as MathML, headings below the chapter's own place, raw HTML shown and not obeyed."""

import html
import re

import mistune
from latex2mathml.converter import convert
from markupsafe import Markup
from mistune.plugins.formatting import strikethrough
from mistune.plugins.math import math
from mistune.plugins.table import table

from runner.page.tables import scrolling

MARKS = {"✓": ("passed", "✓"), "✗": ("failed", "✗"), "⚠": ("caution", "!")}


def formula(tex: str, display: str = "inline") -> str:
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
        ' xmlns="http://www.w3.org/1998/Math/MathML"', ""
    )


class Headings:
    """The headings of one chapter, in order and without a skipped level; h1 belongs to the page."""

    def __init__(self, chapter: str):
        self.chapter, self.entries, self.level = chapter, [], 1

    def add(self, text: str, level: int) -> tuple[int, str]:
        """The level (2 to 6) and anchor of a notebook's heading."""
        self.level = min(max(level + 1, 2) if self.entries else 2, self.level + 1, 6)
        slug = re.sub(r"\W+", "-", Markup(text).striptags().lower()).strip("-") or "section"
        anchor = f"{self.chapter}-{slug}" if self.entries else self.chapter
        while any(anchor == entry["anchor"] for entry in self.entries):
            anchor += "-"
        self.entries.append({"level": self.level, "anchor": anchor, "text": Markup(text).striptags()})
        return self.level, anchor


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
        return (
            f'<li class="{kind}"><span class="mark" role="img" aria-label="{kind}">{sign}</span>'
            f"{text.lstrip()[1:].lstrip()}</li>\n"
        )

    def table(self, text):
        return scrolling(f"<table>\n{text}</table>")


def markdown(text: str, headings: Headings | None = None) -> str:
    """Markdown as HTML; raw HTML in it is shown, not obeyed."""
    return mistune.create_markdown(renderer=_Renderer(headings), plugins=[table, math, strikethrough])(text)
