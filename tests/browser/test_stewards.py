"""Stewards: replay, approval by the fingerprint, suspension, and the halt that takes two."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from bus.identifiers import AgencyCode
from bus.operators import Role
from bus.pages.asked import Language
from compose import people
from tests.browser.conftest import MODES, Visits
from tests.browser.visiting import becomes
from tests.browser.world import NEW, OPM, SOC, World
from tests.faults.waiting import eventually

WHY = "แก้ไขโปรแกรมแล้ว (ตัวอย่าง)"


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_one_parked_submission_is_replayed(
    visits: Visits, world: World, language: Language, scripts: bool
) -> None:
    entry = world.parked[OPM][0 if scripts else 1]
    with visits(Role.STEWARD, language=language, scripts=scripts) as found:
        page = found.page
        found.go("/parked")
        # Whoever has no scripts uses the mouse here, and the others only their keys.
        press = found.press if scripts else lambda wanted: wanted.click()
        press(page.locator(f"tbody a[href='/parked/{entry}']"))
        press(page.get_by_role("link", name=found.t("parked.replay"), exact=True))
        expect(page.locator(".consequence")).to_have_text(found.t("replay.one-what"))
        if scripts:
            found.write(page.locator("#reason"), WHY)
        else:
            page.locator("#reason").fill(WHY)
        press(page.locator("form.act button"))
        expect(page).to_have_url(re.compile(f"/parked/{entry}$"))
        expect(page.locator("main")).to_contain_text(WHY)
        eventually(lambda: page.reload() and found.t("parked.through") in page.inner_text("main"), "through")


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_many_are_counted_and_replayed_by_a_job_that_ends(
    visits: Visits, world: World, language: Language, scripts: bool
) -> None:
    agency = SOC if scripts else OPM
    with world.bus.open_ledger().read() as reader:
        left = [one.seq for one in reader.parked.waiting() if one.body["agency"] == agency]
    assert left
    with visits(Role.STEWARD, language=language, scripts=scripts) as found:
        page = found.page
        found.go("/parked")
        page.locator("#agency").fill(agency)
        # The page without the filter has such a link, too: for all agencies.
        found.click(page.locator("form.filters button"))
        found.click(page.get_by_role("link", name=found.t("parked.replay-these")))
        expect(page.locator("main")).to_contain_text(found.t("replay.fit", count=str(len(left))))
        page.locator("#rate").fill("6000")
        page.locator("#count").fill("99")
        page.locator("#reason").fill(WHY)
        page.locator("form.act button").click()
        expect(page.locator("h1")).to_have_text(found.t("error.not-understood.title"))
        page.go_back()
        page.locator("#rate").fill("6000")
        page.locator("#count").fill(str(len(left)))
        page.locator("#reason").fill(WHY)
        page.locator("form.act button").click()
        expect(page).to_have_url(re.compile(r"/jobs/\d+$"))
        becomes(found, "#job", found.t("jobs.state-done"))
        expect(page.locator("#job")).to_contain_text(people.STEWARD)


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_an_agency_joins_by_the_fingerprint_that_it_reads_out(
    visits: Visits, world: World, language: Language, scripts: bool
) -> None:
    code = NEW if scripts else AgencyCode("0999900001")
    if not scripts:
        world.ask_to_join(code)
    with visits(Role.STEWARD, language=language, scripts=scripts) as found:
        page = found.page
        found.go("/enrolments")
        page.locator("tbody a", has_text=code).click()
        page.locator("#fingerprint").fill("0" * 64)
        page.locator("form.act button").first.click()
        expect(page.locator("h1")).to_have_text(found.t("error.not-now.title"))
        page.go_back()
        read_out = " ".join(world.fingerprint[at : at + 4] for at in range(0, 64, 4))
        page.locator("#fingerprint").fill(read_out)
        page.locator("form.act button").first.click()
        expect(page).to_have_url(re.compile(r"/orders/\d+$"))
        becomes(found, "#order", found.t("orders.outcome-done"))
        found.go(f"/agencies/{code}")
        expect(page.locator("h1")).to_contain_text(code)


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_an_agency_is_suspended_and_resumed(visits: Visits, language: Language, scripts: bool) -> None:
    with visits(Role.STEWARD, language=language, scripts=scripts) as found:
        page = found.page
        for act in ("suspend", "resume"):
            found.go(f"/agencies/{SOC}")
            page.get_by_role("link", name=found.t(f"acts.{act}"), exact=True).click()
            expect(page.locator(".consequence")).to_contain_text(found.t(f"acts.{act}-what"))
            page.locator("form.act button").click()
            if scripts:  # the browser itself asks for the reason; without it nothing is sent either way
                expect(page.locator("#reason")).to_be_focused()
            page.locator("#reason").fill(WHY)
            page.locator("form.act button").click()
            becomes(found, "#order", found.t("orders.outcome-done"))


def test_the_ledger_is_halted_by_two_and_resumed_by_two(visits: Visits) -> None:
    with visits(people.STEWARD) as one, visits(people.SECOND, language="en", scripts=False) as other:
        for halted in (True, False):
            for found, button in ((one, "ask"), (other, "confirm")):
                found.go("/halt")
                found.page.locator("#reason").fill(WHY)
                words = found.t(f"halt.{button}-{'halt' if halted else 'lift'}")
                found.click(found.page.get_by_role("button", name=words))
            one.go("/halt")
            expect(one.page.locator("main")).to_contain_text(
                one.t("halt.is-halted" if halted else "halt.is-open")
            )
