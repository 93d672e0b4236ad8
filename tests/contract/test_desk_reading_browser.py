"""The desk's letters received and its state in a real browser: a clerk registers and answers, IT sees what waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect

from adapters.desk.wording import say
from bus.documents.notice import Event
from bus.identifiers import LetterId, as_letter_id
from bus.operators import Operator
from bus.pages.asked import Language
from bus.thai import now
from tests.assets.factory import OCS, OPM, letter, notice
from tests.browser.test_pages import judged, stands_still
from tests.browser.visiting import NARROW, ZOOMED, Visit
from tests.contract.desk_office import CLERK, IT, Desk, desk_of
from tests.contract.test_desk_browser import chromium, visit

__all__ = ["chromium"]

PDF = b"%PDF-1.7 sample\n%%EOF\n"
SUBJECTS = (
    "ขอเชิญประชุมคณะทำงานเชื่อมโยงระบบสารบรรณอิเล็กทรอนิกส์ (ตัวอย่าง)",
    "ซักซ้อมความเข้าใจแนวทางปฏิบัติในการรับส่งหนังสือราชการทางอิเล็กทรอนิกส์ระหว่างส่วนราชการ รัฐวิสาหกิจ และองค์กรปกครองส่วนท้องถิ่น (ตัวอย่าง)",
    "แจ้งวันหยุดราชการเพิ่มเติม (ตัวอย่าง)",
    "ขอความอนุเคราะห์ข้อมูล (ตัวอย่าง)",
    "ส่งรายงานประจำเดือน (ตัวอย่าง)",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with an urgent letter that is overdue, one that is asked back, a registered one, and a gap."""
    with desk_of(OCS, tmp_path_factory.mktemp("desk")) as opened:
        world, content = opened.world, letter().content
        assert content is not None
        world.hear(world.office.bus.directory())
        speeds = ("001", "004", "002", "003", "001")
        for number, (subject, speed) in enumerate(zip(SUBJECTS, speeds, strict=True), start=1):
            world.receive(
                {f"หนังสือ {number}.pdf": PDF, "ตาราง.xlsx": b"PK table"},
                letter_id=UUID(int=number),
                number=f"นร 0105/ว {number}65",
                speed=speed,
                due_by=now() + timedelta(days=3 - 2 * number) if number in (2, 3) else None,
                content=replace(content, subject=subject),
            )
        row = world.mailbox.inbox.letters(letter_id=_id(4))[0]
        about = {"letter_id": UUID(int=4), "letter_digest": row.digest}
        world.hear(world.office.bus.notice(notice(Event.WITHDRAWAL_REQUESTED, author=OPM, **about)))
        yield opened


def _id(number: int) -> LetterId:
    return as_letter_id(UUID(int=number))


def row_of(desk: Desk, number: int) -> int:
    return desk.mailbox.inbox.letters(letter_id=_id(number))[0].id


def pages(desk: Desk) -> list[tuple[Operator, str]]:
    first, asked_back = row_of(desk, 2), row_of(desk, 4)
    clerks = [
        "/inbox",
        "/inbox?show=new",
        "/inbox?show=done",
        "/inbox?speed=004",
        f"/inbox/{first}",
        f"/inbox/{asked_back}",
        *(f"/inbox/{first}/{verb}" for verb in ("register", "refuse", "misdirected", "under-action")),
        f"/inbox/{asked_back}/grant",
    ]
    return [*((CLERK, path) for path in clerks), (CLERK, "/state"), (IT, "/state"), (IT, "/sign-ins")]


@pytest.mark.parametrize(
    ("language", "scripts"), [("th", True), ("en", False)], ids=["th scripts", "en no scripts"]
)
def test_a_clerk_receives_registers_and_answers(
    chromium: Browser, desk: Desk, language: Language, scripts: bool
) -> None:
    number = 5 if scripts else 3
    with visit(chromium, desk, scripts=scripts) as page:
        page.goto(f"{desk.address}/?lang={language}")
        expect(page.locator("tbody tr").first).to_contain_text(say(language, "inbox.overdue"))
        page.get_by_role("link", name=SUBJECTS[number - 1]).click()
        expect(page.locator("h1")).to_have_text(SUBJECTS[number - 1])
        with page.expect_download() as kept:
            page.locator("ul.files").get_by_role("link", name=say(language, "letter.download")).first.click()
        assert kept.value.path().read_bytes() == PDF
        page.locator("#text").fill("ส่งกองกฎหมาย")
        page.get_by_role("button", name=say(language, "letter.note-add")).click()
        expect(page.locator("#notes ~ .note")).to_contain_text("ส่งกองกฎหมาย")
        page.get_by_role("link", name=say(language, "act.register.name"), exact=True).click()
        expect(page.locator(".note")).to_contain_text(say(language, "act.register.what"))
        page.locator("#number").fill("๔๒")
        page.locator("#date").fill("31/2/2569")
        page.get_by_role("button", name=say(language, "act.register.do")).click()
        alert = page.get_by_role("alert")
        expect(alert).to_be_focused()
        alert.get_by_role("link").click()
        expect(page.locator("#date")).to_be_focused()
        expect(page.locator("#number")).to_have_value("๔๒")
        page.locator("#date").fill("27/11/2569")
        page.get_by_role("button", name=say(language, "act.register.do")).click()
        expect(page.get_by_role("status")).to_contain_text(say(language, "act.register.name"))
        expect(page.locator("ol.history")).to_contain_text(CLERK.name)
        page.get_by_role("button", name=say(language, "write.answer")).click()
        expect(page.locator("#subject")).to_have_value(SUBJECTS[number - 1])
        page.goto(f"{desk.address}/inbox?show=done")
        expect(page.locator("tbody")).to_contain_text("๔๒")


@pytest.mark.parametrize("language", ["th", "en"])
def test_it_sees_what_waits_and_why_and_no_letter(chromium: Browser, desk: Desk, language: Language) -> None:
    with visit(chromium, desk, who=IT) as page:
        page.goto(f"{desk.address}/?lang={language}")
        expect(page.locator("h1")).to_have_text(say(language, "state.title"))
        expect(page.locator("main")).to_contain_text(say(language, "state.is-waiting"))
        expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(2)
        assert not any(subject in page.content() for subject in SUBJECTS)
        page.goto(f"{desk.address}/inbox")
        expect(page.locator("h1")).not_to_be_empty()
        assert not any(subject in page.content() for subject in SUBJECTS)


def test_by_keys_alone(chromium: Browser, desk: Desk) -> None:
    with visit(chromium, desk) as page:
        found = Visit(page, cast(Any, None), "th", True)
        page.goto(f"{desk.address}/inbox?lang=th")
        page.keyboard.press("Tab")
        expect(page.locator("a.skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        found.press(page.get_by_role("link", name=SUBJECTS[0]))
        found.press(page.get_by_role("link", name=say("th", "act.register.name"), exact=True))
        found.write(page.locator("#number"), "๗")
        found.press(page.get_by_role("button", name=say("th", "act.register.do")))
        expect(page.get_by_role("status")).to_contain_text(say("th", "act.register.name"))


@pytest.mark.parametrize("language", ["th", "en"])
def test_every_page_is_whole_for_everybody(chromium: Browser, desk: Desk, language: Language) -> None:
    wrong: list[str] = []
    for who, path in pages(desk):
        with visit(chromium, desk, who=who) as page:
            found = cast(Visit, SimpleNamespace(page=page))
            answer = page.goto(f"{desk.address}{path}{'&' if '?' in path else '?'}lang={language}")
            wrong += [] if answer and answer.status == 200 else [f"{path}: {answer and answer.status}"]
            wrong += judged(found) + stands_still(found)
            page.emulate_media(color_scheme="dark")
            wrong += judged(found, "color-contrast")
            page.set_viewport_size({"width": ZOOMED, "height": 900})
            wrong += stands_still(found)
            page.set_viewport_size({"width": NARROW, "height": 900})
            wrong += judged(found, "color-contrast", "target-size", "scrollable-region-focusable")
            wrong += stands_still(found)
    assert wrong == []
