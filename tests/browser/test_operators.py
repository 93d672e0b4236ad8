"""Operators: which agency is stuck, why, and what waits; never what letters say."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from bus.operators import Role
from bus.pages.asked import Language
from tests.browser.conftest import MODES, Visits
from tests.browser.world import DGA, OCS, SUBJECT, World


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_an_operator_finds_the_agency_that_is_stuck_and_reads_why(
    visits: Visits, language: Language, scripts: bool
) -> None:
    with visits(Role.OPERATOR, language=language, scripts=scripts) as found:
        page = found.page
        found.go("/")
        expect(page).to_have_url(re.compile("/overview"))
        found.go("/overview")
        page.locator("#trouble").select_option("no-adapter-waiting")
        page.locator("form.filters button").click()
        expect(page).to_have_url(re.compile("trouble=no-adapter-waiting"))
        worst = page.locator("tbody tr").first
        expect(worst).to_contain_text(DGA)
        worst.get_by_role("link", name=DGA).click()
        expect(page.locator("h1")).to_contain_text(DGA)
        expect(page.get_by_role("heading", name=found.t("agency.why"))).to_be_visible()
        expect(page.locator("main")).to_contain_text(found.t("agency.no-adapter"))
        assert SUBJECT not in page.content()


def test_by_keys_alone(visits: Visits) -> None:
    with visits(Role.OPERATOR) as found:
        page = found.page
        found.go("/overview?refresh=off")
        page.keyboard.press("Tab")
        expect(page.locator("a.skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        found.press(page.locator("tbody a", has_text=DGA).first)
        expect(page.locator("h1")).to_contain_text(DGA)
        found.press(page.locator("nav a[href='/parked']"))
        expect(page.locator("h1")).to_have_text(found.t("parked.title"))


def test_what_a_suspension_was_for_and_what_is_overdue(visits: Visits, world: World) -> None:
    with visits(Role.OPERATOR, language="en") as found:
        found.go(f"/agencies/{OCS}")
        expect(found.page.locator("main")).to_contain_text("ย้ายห้องเครื่อง (ตัวอย่าง)")
        found.go("/overdue")
        link = found.page.locator("tbody a", has_text=str(world.letters["urgent"])).first
        link.click()
        expect(found.page.locator("main")).to_contain_text(found.t("deadline.receipt"))


@pytest.mark.parametrize("who", [Role.OPERATOR, Role.AUDITOR])
def test_a_wrong_role_is_told_so_in_words(visits: Visits, who: Role) -> None:
    with visits(who, language="en") as found:
        assert found.go("/enrolments").status == 403
        expect(found.page.locator("h1")).to_have_text(found.t("error.not-yours.title"))
        expect(found.page.locator("nav")).not_to_contain_text(found.t("nav.enrolments"))
