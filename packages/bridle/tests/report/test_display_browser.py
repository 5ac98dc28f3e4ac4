"""Results in a notebook's page, opened in headless Chromium: charts are drawn, and text is read in light and dark."""

import re

import pytest
from studies import BASELINE, study
from test_report_browser import browser, requests, until

pytestmark = pytest.mark.browser

INKS = {"light": ("#ffffff", "#1a1a1a"), "dark": ("#111111", "#dddddd")}
HOSTILE = "</script><script>document.title = 'taken'</script>"
DRAWN = "return [...document.querySelectorAll('.bridle-result')].every(each => each.dataset.drawn === 'yes')"
MARKS = """
return [...document.querySelectorAll('[data-chart]')].map(place => [
  place.querySelectorAll('.scatterlayer path[d]').length,
  place.querySelector('.main-svg').clientWidth,
]);
"""
# Jupyter puts the HTML into the page first, and then a copy in place of each script, so that it runs.
INSERTED = """
const place = document.createElement('div');
document.body.append(place);
place.innerHTML = arguments[0];
for (const script of place.querySelectorAll('script')) {
  const copy = document.createElement('script');
  for (const each of script.attributes) copy.setAttribute(each.name, each.value);
  copy.textContent = script.textContent;
  script.replaceWith(copy);
}
"""
__all__ = ["browser"]  # the fixture, which pytest looks up here


def open_notebook(browser, folder, htmls, scheme="light"):
    ground, ink = INKS[scheme]
    page = folder / "notebook.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><link rel=icon href='data:,'><title>notebook</title>"
        f"<body style='background: {ground}; color: {ink}'>{''.join(htmls)}</body>",
        encoding="utf-8",
    )
    for log in ("browser", "performance"):
        browser.get_log(log)  # what earlier pages left
    browser.set_window_size(1100, 900)
    browser.get(page.as_uri())
    return page


@pytest.mark.parametrize("scheme", INKS)
def test_every_chart_is_drawn_without_a_network_in_the_pages_ink(browser, tmp_path, scheme):
    made = study(trials=3)
    htmls = [made._repr_html_(), made.contenders[0].runs[0]._repr_html_(), made._repr_html_()]
    page = open_notebook(browser, tmp_path, htmls, scheme)
    until(browser, DRAWN)
    marks = browser.execute_script(MARKS)
    assert len(marks) == 5 + 2 + 5
    assert all(drawn > 0 and 0 < width <= 1100 for drawn, width in marks)
    assert browser.get_log("browser") == []
    assert requests(browser) == [page.as_uri()]
    inks = browser.execute_script(
        "return [...document.querySelectorAll('td, .xtick text, .annotation-text')].map("
        "each => getComputedStyle(each)[each.closest('svg') ? 'fill' : 'color'])"
    )
    red, green, blue = (int(INKS[scheme][1][place : place + 2], 16) for place in (1, 3, 5))
    assert set(inks) == {f"rgb({red}, {green}, {blue})"}


def test_a_result_that_is_inserted_later_is_drawn_with_the_library_that_is_there(browser, tmp_path):
    open_notebook(browser, tmp_path, [study()._repr_html_()])
    until(browser, DRAWN)
    browser.execute_script(INSERTED, study(recipes=(BASELINE,)).contenders[0].runs[0]._repr_html_())
    until(browser, DRAWN)
    assert len(browser.execute_script(MARKS)) == 5 + 2
    assert browser.execute_script("return document.head.querySelectorAll('script').length") == 1


def test_names_cannot_run_as_scripts(browser, tmp_path):
    made = study(recipes=(BASELINE, HOSTILE))
    open_notebook(browser, tmp_path, [made._repr_html_(), made.contenders[1].runs[0]._repr_html_()])
    until(browser, DRAWN)
    assert browser.title == "notebook"


def test_without_scripts_the_tables_have_every_number(browser, tmp_path):
    made = study()
    html = re.sub(r"<(script|style)\b.*?</\1>", "", made._repr_html_(), flags=re.DOTALL)  # as where none is trusted
    open_notebook(browser, tmp_path, [html])
    shown = browser.execute_script("return document.body.textContent")
    assert f"{made.contenders[3].scores['test']['accuracy'].mean:.2%}".rstrip("%") in shown
    assert "Difference from the baseline" in shown
    assert len(html) < 60_000
