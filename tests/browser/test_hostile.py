"""What letters are called harms nobody: no script of theirs runs, no page breaks, no neighbour is turned around."""

from __future__ import annotations

import csv
import io
import unicodedata
from urllib.parse import quote

import pytest

from bus.console.pages import PAGES
from bus.operators import Role
from bus.views.reports import REPORTS
from tests.browser.conftest import Visits
from tests.browser.test_pages import resized, stands_still
from tests.browser.visiting import NARROW, WIDE
from tests.browser.world import HOSTILE, OPM, SOC, TERMINAL, World

LETTERS = [f"hostile-{at}" for at in range(len(HOSTILE))]
_HARMED = (
    "() => window.__harmed !== undefined || document.querySelector('#harmed, main svg[onload]') !== null"
)
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def auditors(world: World) -> list[str]:
    letters = [world.letters[key] for key in (*LETTERS, "answered")]
    asked = [f"/search?any={quote(words[:200])}" for words in (*HOSTILE, TERMINAL)]
    of_letters = [f"/letters/{number}{more}" for number in letters for more in ("", "/certificate")]
    entries = ["/entries", *(f"/entries/{number}" for number in letters)]
    return ["/search?newest=1", *asked, *of_letters, *entries, *(f"/reports/{name}" for name in REPORTS)]


def operators(world: World) -> list[str]:
    timelines = [f"/timelines/{world.letters[key]}" for key in LETTERS]
    return ["/overview", "/overdue", f"/agencies/{OPM}", f"/agencies/{SOC}", *timelines]


@pytest.mark.parametrize(("who", "pages"), [(Role.AUDITOR, auditors), (Role.OPERATOR, operators)])
def test_no_page_that_shows_letters_is_harmed(visits: Visits, world: World, who: Role, pages: object) -> None:
    assert callable(pages)
    wrong = []
    with visits(who) as found:
        for path in pages(world):
            found.go(path)
            text = found.page.inner_text("body")
            if found.page.evaluate(_HARMED) or ("49" in text and "{{" not in text and "7 * 7" in text):
                wrong.append(f"{path}: a script ran")
            if any(char in text for char in _TURNS) or "\x1b" in text:
                wrong.append(f"{path}: a direction or a terminal is turned")
            wrong += stands_still(found)
            resized(found, NARROW)
            wrong += stands_still(found)
            resized(found, WIDE)
            if who is Role.OPERATOR and any(words in text for words in HOSTILE):
                wrong.append(f"{path}: shows a subject")
    assert wrong == []


def test_no_export_bears_a_formula_or_turns_a_terminal(visits: Visits, world: World) -> None:
    listed = {page.path: page for page in PAGES if page.csv}
    paths = ["/search", "/entries", *(f"/letters/{world.letters[key]}" for key in LETTERS)]
    paths += [f"/reports/{name}" for name in REPORTS]
    assert set(listed) >= {"/search", "/entries", "/letters/{letter:int}", "/reports/{name}"}
    with visits(Role.AUDITOR) as found:
        ask, seen = found.page.context.request, ""
        for path in paths:
            query = "?newest=1" if path == "/search" else ""
            exported = ask.get(f"{world.address}{path}.csv{query}")
            assert exported.status == 200, path
            text = exported.body().decode("utf-8-sig")
            rows = text.partition("\r\n\r\n")[0]
            cells = [cell for row in csv.reader(io.StringIO(rows)) for cell in row]
            assert [cell for cell in cells if cell[:1] in "=+@|%" and cell] == [], path
            twin = ask.get(f"{world.address}{path}.json{query}")
            assert twin.status == 200, path
            seen += text + twin.text()
        asked = ask.get(f"{world.address}/search.json?any={quote(TERMINAL)}")
        seen += asked.text()
    assert HOSTILE[2] in seen
    assert {unicodedata.category(char) for char in seen} & {"Cc"} <= {"Cc"}
    assert not any(char in seen for char in (*_TURNS, "\x1b", "\x07"))
