"""The page of a plan in a real browser that has no network: what it asks for, says, shows, and how wide it is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.render.formats import render
from erm_alembic.render.html.page import render_html
from erm_alembic.render.presentation import Presentation
from tests.pictures.comment import comment
from tests.report import plans
from tests.report.browser import chromium, opened, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no browser: {why_not()}")

PHONE, TABLET, DESK = 360, 737, 1280
# The contrast of text that is read, by the Web Content Accessibility Guidelines, level AA.
READABLE = 4.5
CONTRAST = """
() => {
  const numbers = color => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = numbers(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, .heard, .skip") || !element.checkVisibility()) continue;
    const [above, below] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(above, below) + 0.05) / (Math.min(above, below) + 0.05);
    found.push([ratio, element.tagName + "." + element.className + " " + element.textContent.slice(0, 30)]);
  }
  return found;
}
"""
OUTSIDE = """
() => [...document.querySelectorAll("body *")]
  .filter(each => each.checkVisibility() && !each.closest(".heard, .skip, .sql code, .graph li a, .graph li code"))
  .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(each => each.tagName + "." + each.className)
"""
ALIGNED = """
() => {
  const dots = [...document.querySelectorAll(".graph svg .dot")].map(each => each.getBoundingClientRect());
  const rows = [...document.querySelectorAll(".graph li")].map(each => each.getBoundingClientRect());
  return dots.map((dot, at) => Math.abs(dot.y + dot.height / 2 - rows[at].y - rows[at].height / 2));
}
"""
PAGES = {
    "rehearsed": render_html(plans.BLOCKED),
    "failed": render_html(plans.REHEARSED, plans.FAILED),
    "up-to-date": render_html(plans.UP_TO_DATE),
    "long": render_html(plans.chain(600, 560)),
    "fan": render_html(plans.fan(600)),
    "hostile": render_html(plans.hostile(), plans.hostile_outcome()),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all pages; a machine on which it does not start has none."""
    from playwright.sync_api import Error

    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(chromium())
        except Error as error:
            pytest.skip(f"the browser does not start: {error.message.splitlines()[0]}")
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The pages as files."""
    for name, page in PAGES.items():
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
    return tmp_path


def test_pages_work_offline_and_fit_a_phone(browser: Any, folder: Path) -> None:
    """Nothing is asked of a network, the console stays empty, and nothing is wider than 360 pixels."""
    for name in PAGES:
        with opened(browser, folder / f"{name}.html", width=PHONE, scheme="dark") as page:
            assert (name, page.requests, page.console) == (name, [], [])
            assert (name, page.handle.evaluate("document.documentElement.scrollWidth")) == (name, PHONE)
            assert (name, page.handle.evaluate(OUTSIDE)) == (name, [])
    with opened(browser, folder / "rehearsed.html", width=TABLET) as page:  # the least at which a table is one
        assert page.handle.evaluate("document.documentElement.scrollWidth") == TABLET
        assert page.handle.evaluate(OUTSIDE) == []


def test_hostile_names_are_text_to_a_browser_too(browser: Any, folder: Path) -> None:
    """No element of theirs, no script of theirs, and the page's own title."""
    with opened(browser, folder / "hostile.html") as page:
        assert page.handle.title().startswith("Failed after 0 ms")
        assert page.handle.locator("script, img, iframe, [onerror]").count() == 0
        assert page.handle.locator("style").count() == 1
        assert page.handle.locator("h1").inner_text().count("<script>") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(scheme: Any, browser: Any, folder: Path) -> None:
    """Text stands out from what is behind it, by light and by night."""
    for name in ("rehearsed", "failed"):
        with opened(browser, folder / f"{name}.html", scheme=scheme) as page:
            page.handle.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            found = page.handle.evaluate(CONTRAST)
            assert len(found) > 50
            assert [told for ratio, told in found if ratio < READABLE] == []


def test_a_screen_reader_finds_its_way(browser: Any, folder: Path) -> None:
    """Landmarks, one first heading, sections by their names, table headers that are headers on a phone too."""
    with opened(browser, folder / "rehearsed.html", width=PHONE) as page:
        for role in ("banner", "main", "contentinfo"):
            assert page.handle.get_by_role(role).count() == 1
        assert page.handle.get_by_role("heading", level=1).inner_text() == "Plan for prod"
        assert page.handle.get_by_role("region", name="Who is blocked, and for how long").count() == 1
        assert page.handle.get_by_role("navigation", name="On this page").count() == 1
        table = page.handle.get_by_role("table")
        assert table.get_by_role("row").count() == 3
        assert table.get_by_role("columnheader").count() == 5
        assert table.get_by_role("rowheader", name="public.orders").count() == 1
        levels = page.handle.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(each => +each.tagName[1])")
        assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_each_dot_of_the_graph_stands_beside_its_revision(browser: Any, folder: Path) -> None:
    """The picture and the list are of one height, row for row, on a phone and on a desk."""
    for name, width in (("rehearsed", PHONE), ("long", PHONE), ("long", DESK)):
        with opened(browser, folder / f"{name}.html", width=width) as page:
            off = page.handle.evaluate(ALIGNED)
            assert off
            assert max(off) < 1


def test_a_link_to_a_statement_leads_to_it(browser: Any, folder: Path) -> None:
    """From the timeline to the statement, which is then in sight."""
    with opened(browser, folder / "rehearsed.html") as page:
        page.handle.locator("#locks").get_by_role("link", name="line 9").click()
        assert page.handle.url.endswith("#r2-1")
        top = page.handle.locator("#r2-1").evaluate("each => each.getBoundingClientRect().top")
        assert 0 <= top < page.handle.viewport_size["height"]


def test_markdown_is_shown_as_it_is_meant(browser: Any, tmp_path: Path) -> None:
    """By GitHub's own renderer: a heading, a table, folded statements, and hostile names that are words."""
    for name, plan in (("rehearsed", plans.BLOCKED), ("hostile", plans.hostile())):
        markdown = render("markdown", plan, plan.findings, None, Presentation())
        (tmp_path / f"{name}.html").write_text(comment(markdown), encoding="utf-8")
        with opened(browser, tmp_path / f"{name}.html", width=PHONE) as page:
            assert (page.requests, page.console) == ([], [])
            assert page.handle.title() == "A comment"
            assert page.handle.locator("script, img, .body style, [onerror]").count() == 0
            assert page.handle.locator(".body table").count() >= 1
            assert page.handle.locator(".body details").count() >= 1
            assert page.handle.locator(".body").evaluate("each => each.scrollWidth <= each.clientWidth")


def test_a_printed_page_hides_nothing(browser: Any, folder: Path) -> None:
    """On paper, what is folded is open, and it is black on white for whoever reads by night too."""
    with opened(browser, folder / "rehearsed.html", scheme="dark") as page:
        locks = page.handle.locator("details.small ul").first
        assert not locks.is_visible()
        page.handle.emulate_media(media="print", color_scheme="dark")
        assert locks.evaluate("each => each.getBoundingClientRect().height") > 0
        assert page.handle.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.handle.get_by_role("navigation").is_visible()
