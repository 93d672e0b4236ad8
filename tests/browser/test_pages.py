"""Every page of the console is whole in a browser, in both languages, wide and narrow, light and dark, and at 200 %."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser

from bus.console.pages import PAGES
from bus.operators import Role
from bus.pages import answers
from bus.pages.asked import Language
from tests.browser.conftest import Visits
from tests.browser.examples import EXAMPLES, FILES
from tests.browser.visiting import NARROW, WIDE, ZOOMED, Visit, visit
from tests.browser.world import World

_SHOWN = {page.path: page for page in PAGES if not page.act}
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE = Axe()


def role_of(page: answers.Page) -> Role:
    """The role that sees most of a page."""
    return next(role for role in (Role.AUDITOR, Role.STEWARD, Role.OPERATOR) if role in page.roles)


def judged(found: Visit, *rules: str) -> list[str]:
    """Ask axe-core about what is shown now: all its rules of WCAG 2.2 AA, or these only."""
    run_only: dict[str, Any] = (
        {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _TAGS}
    )
    report = _AXE.run(found.page, options={"runOnly": run_only, "resultTypes": ["violations"]})
    return [
        f"{found.page.url}: {one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in report.response["violations"]
        for node in one["nodes"][:3]
    ]


def stands_still(found: Visit) -> list[str]:
    """What makes the page itself wider than the window; a table may scroll within its own place."""
    wide = found.page.evaluate(
        "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
    )
    return [f"{found.page.url}: {wide} px too wide in {found.page.viewport_size}"] if wide > 0 else []


def out_of_place(found: Visit) -> list[str]:
    """What scrolls sideways and is no region that has a name and can be reached by keys."""
    several: list[str] = found.page.evaluate(_SCROLLS)
    return [f"{found.page.url}: scrolls without a name: {one}" for one in several]


_SCROLLS = """() => [...document.querySelectorAll("body *")].filter(it =>
  it.scrollWidth > it.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(it).overflowX)
  && !["INPUT", "TEXTAREA", "SELECT"].includes(it.tagName)
  && !(it.getAttribute("role") === "region" && it.getAttribute("aria-label") && it.tabIndex === 0)
).map(it => it.outerHTML.slice(0, 200))"""


def resized(found: Visit, width: int) -> None:
    found.page.set_viewport_size({"width": width, "height": 900})


def looked_at(found: Visit, path: str) -> list[str]:
    """Look at a page in every way and return what is wrong with it."""
    answer = found.go(path)
    wrong = [] if answer.status in (200, 400) else [f"{path}: {answer.status}"]
    wrong += judged(found) + stands_still(found)
    # Colours and places are the same in both languages; how much room the words take is not.
    also = found.language == "th"
    found.page.emulate_media(color_scheme="dark")
    wrong += judged(found, "color-contrast") if also else []
    resized(found, ZOOMED)
    wrong += stands_still(found)
    resized(found, NARROW)
    wrong += judged(found, *_NARROW) if also else []
    wrong += stands_still(found) + out_of_place(found)
    found.page.emulate_media(color_scheme="light")
    resized(found, WIDE)
    return wrong


_NARROW = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
"""What may differ where there is less room."""


def test_every_page_has_an_example() -> None:
    assert set(EXAMPLES) == set(_SHOWN)
    assert set(_SHOWN) >= FILES


@pytest.mark.parametrize("path", [path for path in _SHOWN if path not in FILES])
@pytest.mark.parametrize("language", ["th", "en"])
def test_a_page_is_whole_for_everybody(visits: Visits, world: World, path: str, language: Language) -> None:
    # The second language has other words on the same page: one example is enough.
    addresses = EXAMPLES[path](world)[: None if language == "th" else 1]
    with visits(role_of(_SHOWN[path]), language=language) as found:
        assert [one for address in addresses for one in looked_at(found, address)] == []


@pytest.mark.parametrize("language", ["th", "en"])
def test_what_strangers_see_is_whole_for_everybody(
    chromium: Browser, world: World, language: Language
) -> None:
    with visit(chromium, world, None, language=language) as found:
        wrong = looked_at(found, "/sign-in")
        found.page.get_by_label(found.t("sign-in.name")).fill("nobody")
        found.page.get_by_label(found.t("sign-in.password")).fill("wrong")
        found.click(found.page.locator("form.act button"))
        wrong += judged(found)
        found.page.goto(f"{world.address}/sign-in?link=unknown")
        wrong += judged(found)
        wrong += stands_still(found)
        resized(found, NARROW)
        wrong += stands_still(found)
        found.page.goto(f"{world.address}/no/such/page")
        wrong += stands_still(found)
        assert [*wrong, *judged(found)] == []


def test_what_a_narrow_window_shows_of_the_system_needs_no_scrolling(visits: Visits) -> None:
    with visits(Role.STEWARD, language="th") as found:
        resized(found, NARROW)
        found.go("/system")
        wide = "all => all.filter(it => it.scrollWidth > it.clientWidth).map(it => it.ariaLabel)"
        regions = found.page.locator("[role=region]")
        assert regions.count() > 5
        assert regions.evaluate_all(wide) == []
        cells = found.page.locator("table td").first
        assert cells.evaluate("it => getComputedStyle(it, '::before').content").startswith(
            f'"{found.t("system.state")}'
        )
