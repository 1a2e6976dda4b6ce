"""The HTML report in headless Chromium, on phone and desk, light and dark: `make browser`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from reprise.review.change_state import ChangeState
from reprise.review.data.changes import DataChange
from reprise.review.render import wording
from reprise.review.render.html import html
from reprise.review.report import Report
from tests.reprise.chromium import chromium, needs_chromium, requests
from tests.reprise.review.render.test_html import HOSTILE, with_texts
from tests.reprise.review.reports import column, common, table

SHOWN = """
const back = e => e === null ? null : (c => c === 'rgba(0, 0, 0, 0)' ? back(e.parentElement) : c)(
    getComputedStyle(e).backgroundColor);
return [...document.querySelectorAll('h1, h2, p, th, td, li, summary, figcaption, b, small, bdi')]
    .filter(e => e.offsetParent !== null).map(e => [getComputedStyle(e).color, back(e)]);
"""
# Lines of text that lie over one another, each with the other: pixels of each are the other's too.
OVERLAPS = """
const lines = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const node = walker.currentNode, holder = node.parentElement;
    if (!node.data.trim() || !holder.checkVisibility() || holder.closest('title, desc')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const text = node.data.trim();
    for (const box of range.getClientRects()) if (box.width > 1) lines.push([box, text]);
}
lines.sort((a, b) => a[0].top - b[0].top);
const found = [];
for (let i = 0; i < lines.length; i++) {
    for (let j = i + 1; j < lines.length && lines[j][0].top < lines[i][0].bottom - 4; j++) {
        const [a, b] = [lines[i][0], lines[j][0]];
        if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2)
            found.push([lines[i][1].slice(0, 40), lines[j][1].slice(0, 40)]);
    }
}
return found;
"""
SMALL_TARGETS = """
return [...document.querySelectorAll('button, summary, a')].filter(e => e.checkVisibility())
    .filter(e => { const b = e.getBoundingClientRect(); return b.height < 24 || b.width < 24 })
    .map(e => e.outerHTML.slice(0, 80));
"""
OUTSIDE = """
return [...document.querySelectorAll('main *')]
    .filter(e => !e.closest('.scroll') || e.matches('.scroll'))
    .filter(e => e.getBoundingClientRect().right > arguments[0] + 0.5)
    .map(e => e.outerHTML.slice(0, 80));
"""

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.get("about:blank")  # else Chromium's own page of a new tab may still ask for parts
        yield browser


def look(browser: webdriver.Chrome, page: Path, width: int, scheme: str) -> None:
    """Open the page on such a screen, with everything unfolded."""
    screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    for kind in ("browser", "performance"):
        browser.get_log(kind)  # type: ignore[no-untyped-call]
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")


def contrast(one: str, other: str) -> float:
    """Return the contrast of two CSS colours: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Return the relative luminance of "rgb(…)": .../#dfn-relative-luminance."""
    channels = colour[colour.index("(") + 1 : -1].split(",")[:3]
    red, green, blue = (_linear(int(channel) / 255) for channel in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def wide() -> Report:
    columns = [column(f"pixel_{n}", flag=n % 25 == 0, drift=n / 1000) for n in range(785)]
    return replace(common(), data=[DataChange("data/raw", ChangeState.CHANGED, table(*columns))])


@pytest.fixture(scope="module", params=["common", "wide", *range(len(HOSTILE))])
def report(request: pytest.FixtureRequest) -> Any:
    if request.param == "common":
        return common()
    if request.param == "wide":
        return wide()
    return with_texts(common(), HOSTILE[request.param])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_page_fits_and_stays_by_itself(
    browser: webdriver.Chrome, tmp_path: Path, report: Report, width: int, scheme: str
) -> None:
    page = tmp_path / "report.html"
    page.write_text(html(report), encoding="utf-8")
    look(browser, page, width, scheme)
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert requests(browser) == [page.as_uri()]
    run: Any = browser.execute_script
    assert run("return document.documentElement.scrollWidth") <= width
    assert run(OUTSIDE, width) == []
    assert run(OVERLAPS) == []
    assert run(SMALL_TARGETS) == []  # WCAG 2.2, 2.5.8
    colours = {tuple(pair) for pair in run(SHOWN)}
    backs = {
        run("return getComputedStyle(document.body).backgroundColor"),
        *(back for _, back in colours),
    }
    assert all((_luminance(back) > 0.5) == (scheme == "light") for back in backs)
    assert min(contrast(*pair) for pair in colours) >= 4.5  # WCAG 2.1 AA


def test_the_answer_is_on_the_first_screen_of_a_phone(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text(html(common()), encoding="utf-8")
    look(browser, page, 360, "light")
    heading = browser.find_element(By.TAG_NAME, "h1")
    assert heading.text.replace("\n", " ") == " ".join(wording.headline(common())[:2])
    assert heading.rect["y"] + heading.rect["height"] < 800


@pytest.mark.parametrize("width", [360, 390, 480])
def test_a_phone_shows_what_was_found_first_and_scrolls_no_verdict(
    browser: webdriver.Chrome, tmp_path: Path, width: int
) -> None:
    """The verdict, the difference and its interval stand above the values that they are of."""
    page = tmp_path / "report.html"
    page.write_text(html(common()), encoding="utf-8")
    look(browser, page, width, "light")
    run: Any = browser.execute_script
    tables = browser.find_elements(By.CSS_SELECTOR, ".scroll:has(.verdicts)")
    assert len(tables) == 3  # of metrics, of what moved, of all classes and slices
    for table_ in tables:
        assert run("return arguments[0].scrollWidth - arguments[0].clientWidth", table_) == 0
        for row in table_.find_elements(By.CSS_SELECTOR, "tbody tr"):
            first = [cell.rect for cell in row.find_elements(By.CSS_SELECTOR, "th, .first")]
            others = [cell.rect for cell in row.find_elements(By.CSS_SELECTOR, ".old, .new, .p")]
            assert (len(first), len(others)) == (4, 3)
            lowest = max(cell["y"] + cell["height"] for cell in first)
            assert lowest <= min(cell["y"] for cell in others)
            assert all(cell["x"] + cell["width"] <= width for cell in first)


@pytest.mark.parametrize("key", [Keys.ENTER, Keys.SPACE])
def test_terms_are_explained_on_a_tap_and_by_the_keyboard(
    browser: webdriver.Chrome, tmp_path: Path, key: str
) -> None:
    page = tmp_path / "report.html"
    page.write_text(html(common()), encoding="utf-8")
    for width in (360, 1280):
        look(browser, page, width, "light")
        buttons = browser.find_elements(By.CSS_SELECTOR, ".terms button")
        assert len(buttons) == 5
        for button in buttons:
            name = button.get_attribute("popovertarget")
            explained = browser.find_element(By.ID, str(name))
            assert not explained.is_displayed()
            button.click()
            assert explained.is_displayed()
            box = explained.rect
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width
            button.send_keys(Keys.ESCAPE)
            assert not explained.is_displayed()
            button.send_keys(key)
            assert explained.is_displayed()
            button.send_keys(Keys.ESCAPE)
