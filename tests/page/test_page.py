"""The page: complete by itself, escaped, in order; and the same from a real browser's view."""

import base64
import hashlib
import json
import re
import struct
import zlib

import pytest
import tiny
from markup import check_page, order_of_headings

from mixture.atomic import read_json
from parameters import Parameters
from runner.page.markdown import formula, markdown
from runner.page.outputs import PLAY, WIDGET, figure, output_markup
from runner.page.render import render
from runner.page.tables import clean_table
from runner.stages import read_chain


def png(width=2, height=1):
    """A grey PNG, base64."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


def show(data, metadata=None):
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


FIGURE = show({"image/png": png(), "text/plain": "<Figure>"}, {"image/png": {"alt": 'A "grey" <bar>'}})
CAPTION = show({"text/markdown": "*Two pixels.*", "text/plain": ""}, {"caption": True})
SVG = show({"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}, {"image/svg+xml": {"alt": "Nothing"}})
TABLE = show(
    {
        "text/plain": "table",
        "text/html": (
            "<style scoped>.dataframe {color: red}</style><table border='1' class='dataframe' onclick='x()'><thead>"
            "<tr><th></th><th>mean &lt;b&gt;</th></tr><tr><th>component</th><th></th></tr></thead>"
            "<tbody><tr><th>0</th><td>150.0</td></tr></tbody></table><script>alert(1)</script>"
        ),
    }
)

CHAPTERS = [
    (
        "01_first",
        tiny.notebook(
            tiny.text("# 1 · The *first*\n\nReads $x_1$; see [the second](02_second.ipynb)."),
            tiny.cell("seed = 1", "parameters"),
            tiny.cell("seed = 2", "injected-parameters"),
            tiny.cell("import hidden_module", "hide", outputs=[stream("hidden output")]),
            tiny.text("### Deeper than allowed\n\n$$\\mu_k \\sim \\mathrm{Normal}(m_k, t_k^{-1})$$"),
            tiny.cell("if a < b:\n    plot('x')", outputs=[FIGURE, CAPTION]),
            tiny.cell("table", outputs=[TABLE]),
            tiny.cell("verdict", "summary-verdict", outputs=[show({"text/markdown": "**Trusted**, R-hat 1.00"})]),
        ),
    ),
    (
        "02_second",
        tiny.notebook(
            tiny.text("# 2 · The second\n\n## Same\n\n<script>alert(2)</script>\n\n## Same"),
            tiny.cell(
                "noise",
                outputs=[
                    stream("\x1b[31mred\x1b[0m words"),
                    stream("50%|█████     | 5/10 [00:01<00:01, 5it/s]", "stderr"),
                    stream("Sampling took 12 seconds.\n", "stderr"),
                    stream("x.py: UserWarning: careful\n", "stderr"),
                    stream("  \n"),
                    show({WIDGET: {"model_id": "1"}, "text/plain": "Output()"}),
                ],
            ),
            tiny.cell(
                "figure",
                "summary-figure",
                outputs=[show({"image/png": png(3, 2)}, {"image/png": {"alt": "Main"}}), CAPTION],
            ),
            tiny.cell("svg", outputs=[SVG]),
            tiny.cell("answer", "summary-answer", outputs=[show({"text/latex": "$$a = b$$"})]),
            tiny.cell(
                "1 / 0",
                outputs=[{"output_type": "error", "ename": "E", "evalue": "", "traceback": ["\x1b[1mE<\x1b[0m"]}],
            ),
        ),
    ),
]
TITLE = "Length & <b>width</b>"
MANIFEST = {
    "parameters": Parameters(title=TITLE).model_dump(),
    "versions": {"python": "3.12.1", "pymc": "6.4.0"},
    "commit": "0123456789abcdef",
    "dirty": True,
    "trusted": False,
}
HTML = render(CHAPTERS, MANIFEST)


def test_the_page_is_whole_and_in_order():
    check_page(HTML)
    assert order_of_headings(HTML)[:5] == [1, 2, 2, 3, 2]


def test_the_stored_notebooks_make_such_a_page():
    chapters = [(stage.name, read_json(stage.path)) for stage in read_chain()]
    markup = render(chapters, MANIFEST)
    check_page(markup)


def test_the_same_notebooks_give_the_same_bytes():
    assert render(CHAPTERS, MANIFEST) == HTML


def test_the_title_and_raw_html_are_escaped():
    assert "<title>Length &amp; &lt;b&gt;width&lt;/b&gt;</title>" in HTML
    assert "<h1>Length &amp; &lt;b&gt;width&lt;/b&gt;</h1>" in HTML
    assert "alert(1)" not in HTML and "<script>alert" not in HTML
    assert HTML.count("<script") == 1


@pytest.mark.parametrize("as_text", [False, True], ids=["as JSON", "as text"])
def test_no_text_in_an_interactive_figure_ends_its_script(as_text):
    content = {"label": "</script><script>alert(1)</script><!-- <b>", "x": [1, 2]}
    data = {PLAY: json.dumps(content) if as_text else content, "image/png": png(3, 2)}
    markup = output_markup({"output_type": "display_data", "data": data, "metadata": {}})
    (script,) = re.findall(r'<script type="application/json">(.*?)</script>', markup, re.DOTALL)
    assert json.loads(script) == content and "<" not in script
    assert markup.count("<script") == markup.count("</script") == 1


@pytest.mark.parametrize("manifest, doubt", [({}, True), ({"trusted": False}, True), ({"trusted": True}, False)])
def test_a_page_is_in_doubt_unless_its_manifest_says_that_it_is_trusted(manifest, doubt):
    assert ('class="verdict doubt"' in render(CHAPTERS, MANIFEST | manifest)) is doubt


def test_the_policy_lets_only_the_pages_own_script_run():
    script = re.search(r"<script>(.*)</script>", HTML, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in HTML


def test_lifted_cells_stand_in_the_summary_and_figures_only_there():
    summary = re.search(r'<section id="summary".*?</section>', HTML, re.DOTALL).group()
    places = [summary.index(text) for text in ("<mi>a</mi>", "Trusted", 'alt="Main"')]
    assert places == sorted(places)
    assert HTML.count('alt="Main"') == 1 and HTML.count(png(3, 2)) == 1
    assert "This figure stands in the summary." in HTML.split("</section>")[2]


def test_hidden_cells_and_parameters_cells_are_not_shown():
    for text in ("hidden_module", "hidden output", "seed = 1", "seed = 2"):
        assert text not in HTML
    assert '<th scope="row"><code>seed</code></th><td>20160508</td>' in HTML


def test_figures_keep_alt_and_caption():
    assert 'width="2" height="1" alt="A &quot;grey&quot; &lt;bar&gt;"><figcaption><p><em>Two pixels.' in HTML
    assert 'alt="Nothing"' in HTML
    assert "alt=" not in figure("image/png", png(), {})  # for a test to find


def test_each_figure_names_the_data_and_the_code_that_it_rests_on():
    hashes = {
        "outputs": {"sample.parquet": "a" * 64},
        "stages": {CHAPTERS[0][0]: "b" * 64},
        "data": {r"<x>\h\1.csv": "c" * 64},
    }
    markup = render(CHAPTERS, MANIFEST | {"hashes": hashes})
    check_page(markup)
    line = f'<p class="rests">Rests on &lt;x&gt;\\h\\1.csv {"c" * 12}, sample.parquet {"a" * 12}, code and parameters of {CHAPTERS[0][0]} {"b" * 12}.</p></figcaption></figure>'
    assert line in markup
    assert markup.count('class="rests"') == markup.count("<figure ") and 'class="rests"' not in HTML


def test_a_drawing_says_how_wide_it_is_so_that_its_text_stays_legible():
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="540pt" height="300pt" viewBox="0 0 540 300"/>'
    assert '<figure tabindex="0" style="--width: 720px">' in figure("image/svg+xml", drawing, {})
    assert "--width" not in figure("image/svg+xml", "<svg/>", {})


def test_code_is_folded_and_coloured():
    assert '<details class="code"><summary>Code</summary>' in HTML
    assert '<span class="k">if</span>' in HTML and '<span class="o">&lt;</span>' in HTML


def test_tables_keep_structure_and_lose_style():
    assert "color: red" not in HTML and "onclick=" not in HTML and 'class="dataframe"' not in HTML
    assert '<tr><th scope="col">component</th><th scope="col">mean &lt;b&gt;</th></tr>' in HTML
    assert '<th scope="row">0</th><td>150.0</td>' in HTML


HOSTILE = """<table onload=x()><thead><tr><th colspan=2 onclick=x()>a<b>b</b><img src=x onerror=x()></th></tr></thead>
<tr><td style="color: red" colspan="x">1.5<script>alert(1)</script></td><td><a href="javascript:x()">link</a><!-- c --></td></tr>
<style>td {}</style></table>"""


def test_a_table_keeps_rows_spans_and_plain_markup_alone():
    markup = clean_table(HOSTILE)
    assert '<th colspan="2" scope="col">a<b>b</b></th>' in markup
    assert "<td>1.5</td><td>link</td>" in markup
    assert not any(
        word in markup for word in ("onload", "onclick", "onerror", "img", "href", "style", "alert", "<!--", "td {}")
    )


def test_noise_is_left_out_and_warnings_folded():
    for text in ("\x1b", "█", "took 12 seconds", "Output()", '<pre class="output" tabindex="0">  '):
        assert text not in HTML
    assert ">red words</pre>" in HTML and ">E&lt;</pre>" in HTML
    assert re.search(r"<summary>Warnings</summary><pre[^>]*>x.py: UserWarning: careful", HTML)


@pytest.mark.parametrize(
    "tex, markup",
    [
        (r"x_1 < y", "<msub><mi>x</mi><mn>1</mn></msub>"),
        (r"w \sim p", "<mo>&#x0223C;</mo>"),
        (r"\mathrm{Normal}(0)", "<mtext>Normal</mtext>"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "<mtable"),
    ],
)
def test_formulas_become_mathml(tex, markup):
    assert markup in formula(tex)


def test_a_formula_that_cannot_be_read_is_shown_as_it_is():
    assert formula(r"x_1 \left( <") == r"<code>x_1 \left( &lt;</code>"


def test_a_price_is_no_formula():
    assert "<math" not in markdown("costs $5 and $6")


def test_links_between_notebooks_become_links_between_chapters():
    assert '<a href="#02_second">the second</a>' in HTML


def test_files_are_listed_only_where_a_notebook_wrote_them():
    assert 'class="files"' not in HTML
    name, notebook = CHAPTERS[1]
    notebook = notebook | {"metadata": {"chain": {"reads": [], "writes": ["own.txt", "comparison.csv"]}}}
    markup = render([CHAPTERS[0], (name, notebook)], MANIFEST)
    check_page(markup)
    assert re.findall(r'<li><a href="([^"#]+)">([^<]+)</a>: \w', markup) == [("comparison.csv", "comparison.csv")]


def test_the_foot_says_what_it_was_made_with():
    assert "pymc 6.4.0, python 3.12.1; at commit <code>0123456789ab</code> with local changes." in HTML


def test_the_foot_shows_the_parameters_that_played_a_part_in_the_units_of_the_sample(tmp_path):
    data = tmp_path / "x.csv"
    data.write_text("x\n1\n2\n")
    of_file = render(CHAPTERS, MANIFEST | {"parameters": Parameters(data=str(data), unit="mm").model_dump()})
    for page, there, missing in ((HTML, "n_samples", "scheduler"), (of_file, "scheduler", "n_samples")):
        assert f"<code>{there}</code>" in page and f"<code>{missing}</code>" not in page
    assert "<td>1 / mm^2</td>" in of_file and "<td>data units</td>" not in of_file
    assert "<td>1 / data units^2</td>" in HTML


def test_what_a_fit_used_stands_among_the_parameters():
    used = tiny.cell("used", "summary-used", outputs=[show({"text/markdown": "exact"})])
    markup = render([CHAPTERS[0], ("02_second", tiny.notebook(tiny.text("# 2"), used))], MANIFEST)
    check_page(markup)
    assert "exact" in markup[markup.index('id="parameters"') :] and "Used where" not in HTML


def test_a_browser_asks_for_nothing_and_complains_of_nothing(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(HTML, encoding="utf-8")
    browser.get(path.as_uri())
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    ]
    assert [address for address in asked if not address.startswith("data:")] == [path.as_uri()]
    assert browser.get_log("browser") == []


def test_the_switches_switch(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(HTML, encoding="utf-8")
    browser.get(path.as_uri())
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(ground)
    browser.find_element("id", "theme").click()
    assert browser.execute_script(ground) != light
    folded = "return [...document.querySelectorAll('details.code')].filter(d => !d.open).length"
    assert browser.execute_script(folded) > 0
    browser.find_element("id", "fold").click()
    assert browser.execute_script(folded) == 0


LONG = "/a_folder_with_a_long_name" * 12  # no place to break it at


def test_nothing_widens_a_narrow_window(browser, tmp_path):
    cells = [f"<td>{LONG}</td>" * 5, "<td>1</td>" * 5]
    table = f"<table><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>"
    wide = tiny.notebook(
        tiny.text(f"# 3 · Wide\n\nRead from `{LONG}`.\n\n- {LONG}\n\n## {LONG}"),
        tiny.cell(
            f"x = '{LONG}'",
            "summary-answer",
            outputs=[
                stream(LONG),
                show({"text/html": table, "text/plain": ""}),
                show({"image/png": png(1600, 2)}, {"image/png": {"alt": LONG}}),
                CAPTION | {"data": {"text/markdown": LONG, "text/plain": LONG}},
            ],
        ),
    )
    path, parameters = tmp_path / "report.html", Parameters().model_dump() | {"title": LONG, "data": LONG}
    path.write_text(render([*CHAPTERS, ("03_wide", wide)], MANIFEST | {"parameters": parameters}), encoding="utf-8")
    for width, mobile in ((390, True), (400, False)):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": mobile},
        )
        browser.get(path.as_uri())
        browser.find_element("id", "fold").click()
        assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width
