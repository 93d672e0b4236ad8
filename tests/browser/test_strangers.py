"""Who is not signed in sees nothing, and who sat idle signs in again and is back where they were."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from bus.console.pages import PAGES
from bus.console.store import Store
from bus.ledger.entry import timestamp
from bus.pages.asked import Language
from bus.pages.store import sessions
from bus.settings.bus import load_bus_settings
from bus.thai import now
from compose import people
from compose.console import sample_links
from tests.browser.conftest import MODES, Visits
from tests.browser.world import PASSWORD, World

_NUMBER, _TEXT = re.compile(r"\{\w+:int\}"), re.compile(r"\{\w+\}")


def test_a_stranger_is_refused_every_page_and_every_act(visits: Visits, world: World) -> None:
    with visits(None) as found:
        ask = found.page.context.request
        for page in PAGES:
            address = world.address + _TEXT.sub("0" * 10, _NUMBER.sub("3", page.path))
            if page.act:
                assert ask.post(address, form={"form_token": "x"}, max_redirects=0).status == 401, page.path
                continue
            for twin in [".json"] * page.twin + [".csv"] * page.csv:
                assert ask.get(address + twin, max_redirects=0).status == 401, page.path
            refused = ask.get(address, max_redirects=0)
            assert refused.status == 303, page.path
            assert refused.headers["location"].startswith("/sign-in?to="), page.path


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_a_session_that_was_idle_ends_and_the_page_is_there_again(
    visits: Visits, world: World, language: Language, scripts: bool
) -> None:
    with visits(None, language=language, scripts=scripts) as found:
        page = found.page
        found.go("/sign-ins?what=in")
        for _ in range(2):
            if scripts:  # by keys alone
                found.write(page.get_by_label(found.t("sign-in.name")), people.AUDITOR)
                found.write(page.get_by_label(found.t("sign-in.password")), PASSWORD)
                page.keyboard.press("Enter")
            else:
                page.get_by_label(found.t("sign-in.name")).fill(people.AUDITOR)
                page.get_by_label(found.t("sign-in.password")).fill(PASSWORD)
                page.locator("form.act button").click()
            expect(page).to_have_url(re.compile(r"/sign-ins\?what=in"))
            expect(page.locator("header")).to_contain_text(people.PEOPLE[people.AUDITOR][1])
            _sat_idle(world, people.AUDITOR)
            page.reload()
            expect(page.get_by_role("status")).to_contain_text(found.t("sign-in.notice.ended"))


def test_a_link_signs_in_once(visits: Visits, world: World) -> None:
    link = sample_links(world.bus)[people.OPERATOR]
    with visits(None) as found:
        page = found.page
        page.goto(link)
        page.locator("form.act button").click()
        expect(page).to_have_url(re.compile("/overview"))
        found.click(page.locator("header form button"))
        page.goto(link)
        page.locator("form.act button").click()
        expect(page.get_by_role("alert")).to_be_visible()


def _sat_idle(world: World, name: str) -> None:
    console = load_bus_settings(world.bus.folder / "bus.toml").console
    long_ago = timestamp(now() - timedelta(minutes=console.idle_minutes + 1))
    with Store(console.database_address()) as store, store.transaction() as connection:
        connection.execute(sessions.update().where(sessions.c.name == name).values(seen_at=long_ago))
