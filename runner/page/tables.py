"""A table in an HTML output, as the page shows it: no style, script or event of its own, numbers under each other."""

import re

import bleach
from markupsafe import Markup

NUMBER = re.compile(r"[−-]?\d[\d,]*(\.\d+)?(e[+−-]?\d+)?%?")
MISSING = {"", "–", "nan", "NaN", "None"}
STRUCTURE = {"table", "thead", "tbody", "tfoot", "tr", "th", "td"}
WITHIN_CELLS = {"b", "strong", "i", "em", "code", "br", "sub", "sup", "p"}


def _is_span(_, name, value):
    return name in ("colspan", "rowspan") and value.isdecimal()


_cleaner = bleach.Cleaner(tags=STRUCTURE | WITHIN_CELLS, attributes={"th": _is_span, "td": _is_span}, strip=True)


def scrolling(table: str) -> str:
    """A table that scrolls by itself when the page is narrow."""
    return f'<div class="table" role="group" aria-label="table" tabindex="0">{table}</div>\n'


def clean_table(markup: str) -> str:
    """The tables in an HTML output as one: numbers under each other by their decimal point, words at the left.

    Styles that would fight the page's are left out, and the name of the index
    joins the columns' names.
    """
    rows = _rows(markup)
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


def _rows(markup):
    """The rows of the tables, as pairs of thead, tbody or tfoot and a list of cells."""
    tables = "".join(re.findall(r"<table.*?</table>", markup, re.DOTALL))
    without_text = re.sub(
        r"<(style|script)\b.*?</\1>", "", tables, flags=re.DOTALL
    )  # bleach drops these elements, not their text
    rows = []
    for section, content in re.findall(r"<(thead|tbody|tfoot)>(.*?)</\1>", _cleaner.clean(without_text), re.DOTALL):
        for row in re.findall(r"<tr>(.*?)</tr>", content, re.DOTALL):
            cells = re.findall(r"<(t[hd])([^>]*)>(.*?)</\1>", row, re.DOTALL)
            rows.append((section, [{"tag": tag, "spans": spans, "markup": inner} for tag, spans, inner in cells]))
    return [(section, cells) for section, cells in rows if cells]


def _join_index_name(rows):
    """pandas gives the index's name a row of its own below the columns' names."""
    if len(rows) > 1 and rows[0][0] == rows[1][0] == "thead":
        names, index = rows[0][1], rows[1][1]
        if len(names) == len(index) and all(
            not a["markup"].strip() or not b["markup"].strip() for a, b in zip(names, index)
        ):
            for name, other in zip(names, index):
                name["markup"] = name["markup"].strip() or other["markup"]
            del rows[1]


def _align(cells):
    """Whether all cells hold numbers; then they are padded so that their decimal points are under each other."""
    texts = [Markup(cell["markup"]).striptags() for cell in cells]
    if not any(NUMBER.fullmatch(text) for text in texts) or not all(NUMBER.fullmatch(t) or t in MISSING for t in texts):
        return False
    places = [len(text.partition(".")[2]) if NUMBER.fullmatch(text) else 0 for text in texts]
    for cell, text, place in zip(cells, texts, places):
        if text not in MISSING and "e" not in text and max(places) > place:  # as wide as the point and the digits
            cell["markup"] += ("\u2008" if place == 0 else "") + "\u2007" * (max(places) - place)
    return True


def _cell(cell, section):
    """One cell as HTML; an empty header is no header."""
    tag = cell["tag"] if Markup(cell["markup"]).striptags() else "td"
    scope = f' scope="{"col" if section == "thead" else "row"}"' if tag == "th" else ""
    style = f' class="{cell["class"]}"' if "class" in cell else ""
    return f"<{tag}{cell['spans']}{scope}{style}>{cell['markup']}</{tag}>"
