import base64
import json
import shutil
import time
from pathlib import Path

import pytest
from studies import BASELINE, DROPOUT, study

from bridle.report import write_html
from bridle.results import Study
from needed import absent

pytestmark = pytest.mark.browser

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SECONDS = 120  # that a busy machine may take to draw
TALL = (0.0, 0.02, 0.03, 0.05, -0.02, 0.06)
HOSTILE = (
    "</script><script>document.title = 'taken'</script><b>x</b> + WeightDecay(strength=0.01) + L2(strength=0.0003)"
)
SMALL = {"train": 120, "valid": 40, "test": 40}
PAGES = {
    "default": study,
    "tuned": lambda: study(trials=12, lengths=(0.2, 0.05, 0.0), level=0.9, effects=TALL, rows=SMALL, spread=3.0),
    "regression": lambda: study(task="regression", seeds=3, lengths=(0.2, 0.05, 0.01)),
    "one seed": lambda: study(seeds=1, epochs=1, references=False),
    "diverged": lambda: study(
        diverged=[(3, 0), *((4, seed) for seed in range(5))], finished=False, notices=["Stopped."]
    ),
    "single": lambda: study(recipes=(BASELINE,)),
    "hostile": lambda: study(recipes=(BASELINE, HOSTILE, DROPOUT)),
    "version 1": lambda: Study.load(Path(__file__).parent / "version1.json"),
}
HALF = {"desktop": 3750, "phone": 6650}  # half of the height that the page of the same study had: 7359 and 13089


def found(*names):
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = found("chromium", "chromium-browser", "google-chrome"), found("chromedriver")
    if not chromium or not driver:
        what = "chromedriver" if chromium else "chromium"
        absent(f"the report is opened in Chromium, and there is no {what}; apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.set_script_timeout(SECONDS)
    opened.get("about:blank")  # the browser's own first page may still load, which would stand in the log
    yield opened
    opened.quit()


def open_page(browser, path, size="desktop", scheme="light"):
    browser.get("about:blank")  # or the page before would draw its charts anew for the new width
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for log in ("browser", "performance"):
        browser.get_log(log)  # what earlier pages left
    browser.get(path.as_uri())
    until(browser, "return document.documentElement.dataset.drawn === 'yes'")


def until(browser, script):
    deadline = time.monotonic() + SECONDS
    while not browser.execute_script(script):
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {script}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes each page once."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name):
        path = folder / f"{name}.html"
        if not path.exists():
            write_html(PAGES[name](), path)
        return path

    return write


MARKS = """
return [...document.querySelectorAll('.chart')].map(chart => [
  chart.dataset.key,
  chart.querySelectorAll('.scatterlayer path[d]').length,
  chart.querySelector('.main-svg').clientWidth,
]);
"""


OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"
DRAWN = "return [...document.querySelectorAll('.chart')].every(each => each.querySelector('.main-svg'))"


def open_all(browser):
    """Opens what is folded, and waits until its charts are drawn."""
    browser.execute_script(OPEN_ALL)
    until(browser, DRAWN)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_every_chart_is_drawn_and_nothing_is_wrong(browser, written, name, size):
    open_page(browser, written(name), size)
    open_all(browser)
    charts = browser.execute_script(MARKS)
    specs = browser.execute_script("return JSON.parse(document.getElementById('specs').textContent)")
    assert [key for key, _, _ in charts] == [spec["key"] for spec in specs]
    for key, marks, width in charts:
        assert marks > 0, f"{key} is empty"
        assert 0 < width <= SIZES[size][0], key
    assert browser.get_log("browser") == []
    assert requests(browser) == [written(name).as_uri()]
    assert browser.title != "taken"


@pytest.mark.parametrize("size", SIZES)
def test_the_page_has_half_the_height_that_it_had(browser, written, size):
    open_page(browser, written("default"), size)
    assert browser.execute_script("return document.documentElement.scrollHeight") <= HALF[size]


@pytest.mark.parametrize("name", PAGES)
def test_no_table_is_cut_on_a_desktop(browser, written, name):
    open_page(browser, written(name))
    open_all(browser)
    cut = """
      return [...document.querySelectorAll('.scroll')].filter(each => each.scrollWidth > each.clientWidth + 1)
        .map(each => each.getAttribute('aria-label'))
    """
    assert browser.execute_script(cut) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280


def test_the_first_column_stays_where_a_table_is_scrolled_on_a_phone(browser, written):
    open_page(browser, written("default"), "phone")
    places = browser.execute_script("""
      const table = document.querySelector('#effects .scroll');
      table.scrollLeft = 200;
      const edge = (place) => place.getBoundingClientRect().left;
      const left = (query) => edge(table.querySelector(query)) - edge(table);
      return [table.scrollLeft, left('tbody th'), left('tbody td')];
    """)
    assert places[0] == 200 and abs(places[1]) < 1 and places[2] < 0


TEXTS = """
return [...document.querySelectorAll('.chart')].filter(chart => chart.dataset.key.match(/^(difference|score|gap)/))
  .flatMap(chart => [...chart.querySelectorAll('.annotation-text')].map(text => {
    const [box, frame] = [text.getBoundingClientRect(), chart.getBoundingClientRect()];
    return [text.textContent, Math.max(frame.left - box.left, box.right - frame.right)];
  }))
"""


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["default", "tuned", "diverged", "regression"])
def test_no_name_and_no_verdict_is_cut_by_its_chart(browser, written, name, size):
    open_page(browser, written(name), size)
    texts = browser.execute_script(TEXTS)
    assert len(texts) > 20
    assert [text for text, outside in texts if outside > 1] == []


def test_a_link_to_a_number_opens_the_section_that_has_it(browser, written):
    open_page(browser, written("tuned"))
    closed = "return document.getElementById('curves').open"
    assert browser.execute_script(closed) is False
    browser.execute_script("document.querySelector('.advice a[href=\"#lengths\"]').click()")
    until(browser, closed)
    until(browser, "return document.querySelector('.chart[data-key=lengths] .main-svg') !== null")
    box = "const box = document.getElementById('lengths').getBoundingClientRect();"
    until(browser, f"{box} return box.top < innerHeight && box.bottom > 0")


def requests(browser):
    """What the page asked for, without data in the address itself."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith("data:")]


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_tables_and_never_the_page(browser, written, name):
    open_page(browser, written(name), "phone")
    open_all(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    too_wide = """
      return [...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll, .chart')
        && each.getBoundingClientRect().right > 391).map(each => each.outerHTML.slice(0, 80))
    """
    assert browser.execute_script(too_wide) == []


def test_names_and_numbers_of_a_row_do_not_run_into_each_other_on_a_phone(browser, written):
    open_page(browser, written("default"), "phone")
    gaps = browser.execute_script("""
      return [...document.querySelectorAll('.chart[data-key^=score], .chart[data-key=gap]')].flatMap(chart => {
        const boxes = [...chart.querySelectorAll('.annotation-text')].map(each => each.getBoundingClientRect());
        return boxes.flatMap((box, place) => place % 2 ? [] : [boxes[place + 1].left - box.right]);
      })
    """)
    assert len(gaps) == 33
    assert min(gaps) > 0


def test_a_button_hides_a_recipe_in_all_curves(browser, written):
    open_page(browser, written("default"))
    open_all(browser)
    count = "return document.querySelectorAll('.chart[data-key^=curve] .scatterlayer path.js-line').length"
    before = browser.execute_script(count)
    browser.execute_script("document.querySelectorAll('.key')[3].click()")
    until(browser, f"return {before} - document.querySelectorAll('.chart[data-key^=curve] path.js-line').length >= 4")
    assert browser.execute_script("return document.querySelectorAll('.key')[3].getAttribute('aria-pressed')") == "false"
    browser.execute_script("document.querySelectorAll('.key')[3].click()")
    until(browser, f"return document.querySelectorAll('.chart[data-key^=curve] path.js-line').length === {before}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page_in_light_and_dark(browser, written, scheme):
    open_page(browser, written("default"), scheme=scheme)
    colors = browser.execute_script("""
      const color = (query, what) => getComputedStyle(document.querySelector(query))[what];
      return [color('body', 'backgroundColor'), color('body', 'color'), color('.note', 'color'),
              color('.chart .annotation-text', 'fill'), color('.chart .xtick text', 'fill')];
    """)
    paper, *inks = map(luminance, colors)
    assert (paper < 0.05) == (scheme == "dark")
    for ink in inks:
        light, dark = max(paper, ink), min(paper, ink)
        assert (light + 0.05) / (dark + 0.05) > 4.5


def luminance(color):
    """Of "rgb(r, g, b)", from 0 to 1, as WCAG defines it."""
    channels = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_paper_is_white_and_charts_are_as_wide_as_their_column(browser, written):
    open_page(browser, written("default"), scheme="dark")
    open_all(browser)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    widths = browser.execute_script("""
      const width = (drawing) => drawing.getBoundingClientRect().width;
      return [...document.querySelectorAll('.chart')].map(chart =>
        [chart.clientWidth, ...[...chart.querySelectorAll('.main-svg')].map(width)]);
    """)
    assert all(abs(each - column) <= 1 for column, *drawn in widths for each in drawn)
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_a_browser_without_decompression_shows_a_sentence_and_the_tables(browser, written):
    source = "delete window.DecompressionStream"
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    try:
        open_page(browser, written("single"))
        said = browser.execute_script("return document.getElementById('no-charts').innerText")
        assert said.startswith("The charts cannot be drawn") and "tables" in said
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
