"""A real report, from the chain's own notebooks, as readers with all their browsers, eyes and hands meet it."""

import json
import re
from importlib.resources import files

import pytest
from hostile_names import COLUMN, TITLE
from markup import Elements, check_page
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from mixture.atomic import read_json
from mixture.show.text.chains import CHECKS
from runner.folder import MANIFEST, REPORT, VERDICT
from runner.page import index
from runner.page.shots import take_shots

AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
BODY = "return document.body.innerText"


@pytest.fixture(scope="module")
def markup(real_run):
    return (real_run / REPORT).read_text(encoding="utf-8")


@pytest.fixture
def page(browser, real_run):
    """The report in the browser, its figure ready to play with."""
    browser.get((real_run / REPORT).as_uri())
    browser.execute_script("localStorage.clear()")  # other pages' tests leave their theme behind
    browser.refresh()
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".hands input"))
    return browser


def complaints(browser):
    return [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def breaches(browser, *rules):
    """What axe-core finds wrong by these rules (none: all), with the places."""
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE)
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    browser.set_script_timeout(180)  # a long page on a busy machine
    found = browser.execute_async_script("axe.run(arguments[0]).then(arguments[1])", options)["violations"]
    return [(each["id"], node["target"], node["failureSummary"]) for each in found for node in each["nodes"]]


# -- the page without a browser ---------------------------------------------------------------


def test_the_page_is_whole_in_order_and_small(markup):
    check_page(markup)
    assert len(markup.encode()) < 5_000_000


def test_nothing_of_the_users_becomes_markup(markup):
    assert "<title>Ünïcode &lt;/script&gt;&lt;script&gt;alert(2)" in markup
    assert "<script>alert" not in markup and "<img src=x" not in markup and "<b>bold" not in markup
    assert "&lt;img src=x onerror=alert(1)&gt;" in markup


def test_every_check_of_the_verdict_stands_in_the_summary_with_a_mark(real_run, markup):
    verdict = read_json(real_run / VERDICT)
    assert {check["name"] for check in verdict["checks"] + verdict["cautions"]} <= CHECKS.keys()
    summary = re.search(r'<section id="summary".*?</section>', markup, re.DOTALL).group()
    for kind, some in (("failed", verdict["checks"]), ("caution", verdict["cautions"])):
        assert summary.count(f'<li class="{kind}">') == sum(not check["passed"] for check in some)
    marks = re.findall(r'<span class="mark" role="img" aria-label="(\w+)">', summary)
    assert len(marks) == len(verdict["checks"] + verdict["cautions"])
    checks = marks[: len(verdict["checks"])]
    assert checks == sorted(checks), "failed before passed"
    assert ('class="verdict doubt"' in summary) is not verdict["trusted"]
    assert ("-p draws 400 -p tune 480" in summary and "DRAWS=400 TUNE=480" in summary) is not verdict["trusted"]


def test_no_value_is_shown_as_code_would(markup):
    assert not re.search(r'<pre class="output"[^>]*>\'', markup)
    assert "posterior_mean" not in markup.split('id="parameters"')[0].split('<h2 id="01_')[0]


def test_every_figure_says_in_its_alt_text_what_it_shows(markup):
    texts = [image["alt"] for image in Elements(markup).all("img")]
    assert len(texts) >= 12 and all(len(text) > 20 for text in texts)


# -- in a browser -----------------------------------------------------------------------------


def test_no_complaint_and_no_request(page, real_run):
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = {
        message["params"]["request"]["url"] for message in messages if message["method"] == "Network.requestWillBeSent"
    }
    assert {address for address in asked if not address.startswith("data:")} == {(real_run / REPORT).as_uri()}
    assert complaints(page) == []


@pytest.mark.longer
def test_axe_finds_no_breach_in_light_and_in_dark(page):
    theme, now = page.find_element(By.ID, "theme"), "return document.documentElement.dataset.theme"
    assert page.execute_script(now) == "light"
    assert breaches(page) == []
    light = page.get_screenshot_as_png()
    theme.click()
    assert page.execute_script(now) == "dark"
    page.find_element(By.ID, "fold").click()
    assert breaches(page, "color-contrast") == []
    assert page.get_screenshot_as_png() != light
    page.execute_script("arguments[0].click()", theme)  # a mouse's can get lost while all code unfolds
    assert page.execute_script(now) == "light"


@pytest.mark.longer
def test_one_switch_unfolds_and_folds_all_code(page):
    closed = "return [...document.querySelectorAll('details.code')].map(code => code.open)"
    assert len(page.execute_script(closed)) > 10 and not any(page.execute_script(closed))
    page.find_element(By.ID, "fold").click()
    assert all(page.execute_script(closed))
    page.find_element(By.ID, "fold").click()
    assert not any(page.execute_script(closed))
    page.find_element(By.CSS_SELECTOR, "details.code summary").click()
    assert sum(page.execute_script(closed)) == 1


@pytest.mark.longer
def test_contents_lead_there_and_mark_the_place(page):
    page.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    current = "return document.querySelector('.side [aria-current]').hash"
    assert page.execute_script(current) == "#summary"
    for link in ("#04_em_comparison", "#02_bayesian_fit", "#play"):
        page.execute_script("document.querySelector(`.side a[href='${arguments[0]}']`).click()", link)
        WebDriverWait(page, 20).until(lambda b, link=link: b.execute_script(current) == link)


def narrow(page, width, mobile):
    """Show the page anew so many pixels wide, all code open."""
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1 + mobile, "mobile": mobile}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.refresh()
    WebDriverWait(page, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, ".hands input"))
    page.find_element(By.ID, "fold").click()


@pytest.mark.longer
def test_a_phone_does_not_scroll_sideways(page):
    narrow(page, 390, mobile=True)
    width = "return document.documentElement.scrollWidth"  # Bokeh follows the new one
    WebDriverWait(page, 20).until(lambda b: b.execute_script(width) <= 390)
    heads = "return [...document.querySelectorAll('.prose thead th')].map(cell => cell.getBoundingClientRect().height)"
    assert max(page.execute_script(heads)) < 45, "a word is broken: a header takes more than one line"


@pytest.mark.longer
def test_nothing_widens_a_window_of_400_pixels(page):
    """Its own width, not a phone's, which shrinks what is too wide; all code open, each table and wide figure in a box that scrolls."""
    narrow(page, 400, mobile=False)
    width = "return document.scrollingElement.scrollWidth"
    WebDriverWait(page, 20).until(lambda b: b.execute_script(width) <= 400)
    wide = (
        "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 401"
        " && !e.closest('.table, pre, .formula, figure')).map(e => e.outerHTML.slice(0, 80))"
    )
    assert page.execute_script(wide) == []
    tables = "return [...document.querySelectorAll('table')].filter(t => !t.closest('.table')).length"
    assert page.execute_script(tables) == 0


@pytest.mark.longer
def test_the_keyboard_reaches_every_hand_and_moves_it(page):
    reached = []
    for _ in range(60):
        page.switch_to.active_element.send_keys(Keys.TAB)
        here = page.switch_to.active_element
        reached.append(here.get_attribute("id") or here.get_attribute("type") or here.get_attribute("class"))
        if reached.count("range") == 2:
            break
    assert {"skip", "theme", "fold", "checkbox", "range"} <= set(reached)
    before = page.find_element(By.CSS_SELECTOR, ".hands output").text
    page.find_element(By.CSS_SELECTOR, ".hands input[type=range]").send_keys(Keys.ARROW_RIGHT * 5)
    assert page.find_element(By.CSS_SELECTOR, ".hands output").text != before


def test_the_figure_plays(page):
    seen = "return [...Bokeh.documents[0].all_models].filter(m => m.name === arguments[0]).map(m => m[arguments[1]])"
    reading, (read, step) = (
        page.find_element(By.CSS_SELECTOR, ".reading"),
        page.find_elements(By.CSS_SELECTOR, ".hands input[type=range]"),
    )
    before = reading.text
    assert re.search(
        r"A value of [\d.−-]+ belongs to\s*component 1: [\d.]+% \([\d.]+% to [\d.]+%\)\s*component 2", before
    )
    read.send_keys(Keys.HOME)
    assert reading.text != before and len(set(page.execute_script(seen, "place", "location"))) == 1

    boxes = {
        box.find_element(By.XPATH, "..").text: box
        for box in page.find_elements(By.CSS_SELECTOR, ".hands input[type=checkbox]")
    }
    assert page.execute_script(seen, "EM", "visible") == [True]
    boxes["EM"].click()
    assert page.execute_script(seen, "EM", "visible") == [False]

    draw = "return Array.from([...Bokeh.documents[0].all_models].find(m => m.name === 'draw').data.mixture)"
    first = page.execute_script(draw)
    assert not any(page.execute_script(seen, "one draw", "visible"))
    step.send_keys(Keys.ARROW_RIGHT)
    assert all(page.execute_script(seen, "one draw", "visible")) and page.execute_script(draw) != first
    assert complaints(page) == []


@pytest.mark.longer
def test_the_pointer_reads_the_figure(page):
    from selenium.webdriver import ActionChains

    drawing, reading = page.find_element(By.CSS_SELECTOR, ".drawing"), page.find_element(By.CSS_SELECTOR, ".reading")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", drawing)
    before = reading.text
    ActionChains(page).move_to_element_with_offset(drawing, -150, -60).move_by_offset(5, 0).perform()
    WebDriverWait(page, 20).until(lambda _: reading.text != before)


@pytest.mark.longer
def test_without_scripts_and_on_paper_the_static_figure_stands_in(browser, real_run):
    def box(selector):
        """Width of an element's box; 0 if it has none."""
        root = browser.execute_cdp_cmd("DOM.getDocument", {})["root"]["nodeId"]
        node = browser.execute_cdp_cmd("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        try:
            return browser.execute_cdp_cmd("DOM.getBoxModel", {"nodeId": node})["model"]["width"]
        except Exception:  # no box
            return 0

    try:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get((real_run / REPORT).as_uri())
        assert box(".playable > img") > 300 and box(".play") == 0 and box(".switches") == 0
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    try:
        browser.get((real_run / REPORT).as_uri())
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        assert box(".playable > img") > 300 and box(".play") == 0 and box(".side") == 0
        ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(255, 255, 255)"
        below = browser.execute_script(
            "const bottom = chosen => document.querySelector(chosen).getBoundingClientRect().bottom;"
            "return bottom('html') - bottom('footer > :last-child')"
        )
        assert abs(below) < 1, "what is below the last line can be printed as an empty page"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


# -- what is made of reports ------------------------------------------------------------------


def test_the_index_shows_every_run_and_escapes_all(real_run, browser):
    sweep = real_run.parent / "a sweep"
    for name in ("one", "<i>two"):
        (sweep / name).mkdir(parents=True, exist_ok=True)
        (sweep / name / MANIFEST).write_text((real_run / MANIFEST).read_text())
    path = index.write_index(real_run.parent)
    text = path.read_text()
    check_page(text)
    assert "<b>bold" not in text and "<i>two" not in text and "<script>alert" not in text
    assert 'href="few/report.html"' in text and 'src="data:image/png;base64,' in text
    assert "Sweep a sweep" in text and "2 runs" in text
    browser.get(path.as_uri())
    assert TITLE in browser.execute_script(BODY) and COLUMN in browser.execute_script(BODY)
    assert breaches(browser) == []
    browser.find_element(By.ID, "theme").click()
    assert breaches(browser) == []
    assert complaints(browser) == []


@pytest.mark.longer
def test_the_readmes_pictures_can_be_taken(real_run, tmp_path):
    paths = take_shots(real_run, tmp_path)
    assert [path.name for path in paths] == ["default.png", "report.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < 500_000 for path in paths)
