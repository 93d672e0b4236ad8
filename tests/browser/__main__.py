"""`make screens`: pictures of the console's pages, in Thai, wide and narrow, over a bus that was lived in.

All of them go to build/screens; four small ones to docs/screens, which README.md shows.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bus.console.pages import PAGES
from bus.operators import Role
from compose.programs import browser as browser_program
from tests.browser.examples import EXAMPLES, FILES
from tests.browser.test_pages import role_of
from tests.browser.visiting import NARROW, WIDE, visit
from tests.browser.world import DGA, World, lived_in

ROOT = Path(__file__).parents[2]
SCREENS = ROOT / "build" / "screens"
SHOWN = ROOT / "docs" / "screens"
HEIGHT, SCALE = 1000, 0.7
"""Of the pictures that README.md shows: how much of a wide page, and how small."""


def main() -> int:
    """Take the pictures."""
    shutil.rmtree(SCREENS, ignore_errors=True)
    SCREENS.mkdir(parents=True)
    SHOWN.mkdir(parents=True, exist_ok=True)
    program = browser_program()
    if program is None:
        print("no browser was found: make setup installs one", file=sys.stderr)
        return 1
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build") as folder,
        lived_in(Path(folder) / "bus") as world,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])
        _all(browser, world)
        _small(browser, world)
        browser.close()
    print(f"{len(list(SCREENS.glob('*.png')))} pictures are in {SCREENS.relative_to(ROOT)}")
    return 0


def _all(browser: Browser, world: World) -> None:
    for width in (WIDE, NARROW):
        for page in PAGES:
            if page.act or page.path in FILES:
                continue
            with visit(browser, world, role_of(page), width=width) as found:
                for number, address in enumerate(EXAMPLES[page.path](world), 1):
                    found.go(address)
                    name = re.sub(r"[^a-z]+", "-", page.path).strip("-") or "start"
                    found.page.screenshot(path=SCREENS / f"{name}-{number}-{width}.png", full_page=True)
        with visit(browser, world, None, width=width) as found:
            found.go("/sign-in")
            found.page.screenshot(path=SCREENS / f"sign-in-{width}.png", full_page=True)


def _small(browser: Browser, world: World) -> None:
    wanted = {
        "overview": (Role.OPERATOR, "/overview?refresh=off"),
        "agency": (Role.STEWARD, f"/agencies/{DGA}"),
        "search": (Role.AUDITOR, "/search?any=ขอความอนุเคราะห์"),
        "letter": (Role.AUDITOR, f"/letters/{world.letters['circular']}"),
    }
    for name, (role, address) in wanted.items():
        with visit(browser, world, role, device_scale_factor=SCALE) as found:
            found.page.set_viewport_size({"width": WIDE, "height": HEIGHT})
            found.go(address)
            found.page.screenshot(path=SHOWN / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
