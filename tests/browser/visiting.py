"""A visitor of the console with a real browser: signed in, watched for whatever goes wrong, and moved by keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect

from bus.console.store import Store
from bus.console.wording import say
from bus.operators import Operator, Role
from bus.pages.asked import Language
from bus.settings.bus import load_bus_settings
from compose import people
from tests.browser.world import World
from tests.faults.waiting import eventually

NAMES: Final = {
    Role.OPERATOR: people.OPERATOR,
    Role.STEWARD: people.STEWARD,
    Role.AUDITOR: people.AUDITOR,
}
WIDE, NARROW, ZOOMED = 1280, 400, 640
"""Widths of the viewport in CSS pixels; the last is a screen of 1280 at 200 %, as browsers zoom."""
PATIENCE: Final = 30_000
"""Milliseconds: five seconds, which are Playwright's own for what is expected, are short beside a whole bus at work."""
expect.set_options(timeout=PATIENCE)
_MOST_TABS: Final = 150


@dataclass
class Visit:
    """One page in a browser, of a person or a stranger, and all that was wrong with it."""

    page: Page
    world: World
    language: Language
    scripts: bool
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> Response:
        """Look at an address of the console in this visit's language."""
        joint = "&" if "?" in path else "?"
        answer = self.page.goto(f"{self.world.address}{path}{joint}lang={self.language}")
        assert answer is not None
        return answer

    def t(self, key: str, **values: str) -> str:
        """Return the words of a key that this visit should show."""
        return say(self.language, key, **values)

    def tab_to(self, wanted: Locator) -> None:
        """Press Tab until a control has the focus, which has to be seen at every stop."""
        for _ in range(_MOST_TABS):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(_FOCUS_IS_SEEN), self.page.evaluate("document.activeElement.outerHTML")
            if wanted.evaluate("it => it === document.activeElement"):
                return
        raise AssertionError(f"no Tab leads to {wanted}")

    def press(self, wanted: Locator) -> None:
        """Come to a link or a button by keys alone, and press Enter."""
        self.tab_to(wanted)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def click(self, wanted: Locator) -> None:
        """Click on what leads to another page, and be there."""
        with self.page.expect_navigation():
            wanted.click()

    def write(self, wanted: Locator, text: str) -> None:
        """Come to a field by keys alone, and type."""
        self.tab_to(wanted)
        self.page.keyboard.insert_text(text)

    def is_whole(self) -> None:
        """Fail with all that was wrong: scripts, requests, what the policy kept out."""
        assert self.wrong == []


_FOCUS_IS_SEEN = """() => {
  const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
  return it !== document.body && it.matches(":focus-visible") && style.outlineStyle !== "none"
    && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.right > 0;
}"""


def token_of(world: World, who: Role | str) -> str:
    """Begin a session of a sample person, and return what its cookie holds."""
    name = NAMES[who] if isinstance(who, Role) else who
    console = load_bus_settings(world.bus.folder / "bus.toml").console
    with Store(console.database_address()) as store:
        return store.begin(Operator(name, people.PEOPLE[name][0], "local"))


@contextmanager
def visit(
    browser: Browser,
    world: World,
    who: Role | str | None = None,
    *,
    language: Language = "th",
    scripts: bool = True,
    width: int = WIDE,
    **options: Any,
) -> Iterator[Visit]:
    """Give a page of a context of its own; `who` is signed in, None is a stranger. At its end nothing was wrong."""
    context = browser.new_context(
        java_script_enabled=scripts, viewport={"width": width, "height": 900}, **options
    )
    context.set_default_timeout(PATIENCE)
    if who is not None:
        token = token_of(world, who)
        context.add_cookies([{"name": "saraban-session", "value": token, "url": world.address}])
    try:
        found = Visit(context.new_page(), world, language, scripts)
        _watch(found)
        yield found
        found.is_whole()
    finally:
        context.close()


def _watch(found: Visit) -> None:
    """Note what a page says to the developer, what was thrown, and what could not be fetched."""

    def said(message: ConsoleMessage) -> None:
        # That an answer is no 2xx is said of pages that are meant to refuse; what they load is looked at below.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            found.wrong.append(f"{message.type}: {message.text}")

    def failed(request: Request) -> None:
        # A download, and a refresh that a click overtakes, are ended by the browser itself.
        if request.failure != "net::ERR_ABORTED":
            found.wrong.append(f"{request.failure}: {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            found.wrong.append(f"{response.status}: {response.url}")

    found.page.on("console", said)
    found.page.on("pageerror", lambda error: found.wrong.append(f"thrown: {error}"))
    found.page.on("requestfailed", failed)
    found.page.on("response", answered)


def becomes(found: Visit, place: str, words: str) -> None:
    """Wait until a page says something: by itself where scripts run, else looked at again as a person would."""
    shown = found.page.locator(place)
    if found.scripts:
        expect(shown).to_contain_text(words, timeout=60_000)
    else:
        # The page that the form led to, and no longer the one with the form: that one cannot be looked at again.
        shown.wait_for()
        eventually(lambda: found.page.reload() and words in shown.inner_text(), words)
