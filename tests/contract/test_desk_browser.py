"""The desk's writing in a real browser: a circular with three files, pages for everybody, drops and progress."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from adapters.desk.wording import say
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.lookup import LetterKey
from bus.directory import Group
from bus.documents.letter import Letter
from bus.documents.notice import Event
from bus.documents.xml import open_envelope, read
from bus.identifiers import as_letter_id
from bus.operators import Operator
from bus.pages.asked import Language
from bus.pages.entering import cookie_name
from compose.programs import browser as browser_program
from tests.assets.factory import DGA, OCS, OPM, SOC, registration
from tests.browser.test_pages import judged, stands_still
from tests.browser.visiting import NARROW, PATIENCE, WIDE, Visit
from tests.contract.desk_office import CLERK, Desk, desk_of
from tests.unit.adapter.network import directory

PDF = b"%PDF-1.7 sample\n%%EOF\n"
NAMES = ("หนังสือเวียน.pdf", "กำหนดการ.pdf", "แบบตอบรับ.pdf")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = browser_program()
    assert program is not None, "make setup installs a browser"
    with sync_playwright() as playwright:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if root else [])
        yield started
        started.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    everyone = Group(id="all", name_th="หน่วยงานนำร่อง", name_en="Pilot agencies", members=(OPM, OCS, SOC, DGA))
    with desk_of(OCS, tmp_path_factory.mktemp("desk")) as opened:
        opened.world.hear(opened.world.office.bus.directory(directory(groups={"all": everyone})))
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    for number, name in enumerate(NAMES):
        (folder / name).write_bytes(PDF + b"%" * 100_000 * number + b"\n%%EOF\n")
    return [folder / name for name in NAMES]


@contextmanager
def visit(chromium: Browser, desk: Desk, *, who: Operator = CLERK, scripts: bool = True) -> Iterator[Page]:
    """Give a page of a person who is signed in; at its end nothing was wrong in the developer's eyes."""
    wrong: list[str] = []
    context = chromium.new_context(java_script_enabled=scripts, viewport={"width": WIDE, "height": 900})
    context.set_default_timeout(PATIENCE)
    token = desk.site.store.begin(who)
    context.add_cookies([{"name": cookie_name(desk.site), "value": token, "url": desk.address}])
    page = context.new_page()
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    try:
        yield page
        assert [each for each in wrong if "Failed to load resource" not in each] == []
    finally:
        context.close()


@pytest.mark.parametrize(
    ("language", "scripts"), [("th", True), ("en", False)], ids=["th scripts", "en no scripts"]
)
def test_a_secretary_sends_a_circular_with_three_files(
    chromium: Browser, desk: Desk, files: list[Path], language: Language, scripts: bool
) -> None:
    def t(key: str, **values: object) -> str:
        return say(language, key, **values)

    with visit(chromium, desk, scripts=scripts) as page:
        page.goto(f"{desk.address}/?lang={language}")
        page.get_by_role("navigation").get_by_role("link", name=t("nav.write")).click()
        page.get_by_role("button", name=t("write.new")).click()
        page.locator("#number").fill("นร 0901/ว 12")
        page.locator("#date").fill("27 พฤศจิกายน 2569")
        page.locator("#subject").fill("ขอเชิญประชุม (ตัวอย่าง)")
        page.locator("#speed").select_option("003")
        page.locator("#q").fill("นำร่อง")
        if not scripts:
            page.get_by_role("button", name=t("write.search"), exact=True).click()
        page.locator('#found button[value="to:group:all"]').click()
        expect(page.locator('button[value="without:group:all"]')).to_be_visible()
        expect(page.locator("#subject")).to_have_value("ขอเชิญประชุม (ตัวอย่าง)")
        page.locator("#file").set_input_files(files)
        if not scripts:
            page.get_by_role("button", name=t("write.bring-now")).click()
        for name in NAMES:
            expect(page.locator("main").get_by_role("rowheader", name=name, exact=True)).to_be_visible()
        page.get_by_role("button", name=t("write.check"), exact=True).first.click()
        expect(page.locator("#check")).to_contain_text(t("write.would-be-accepted"))
        page.get_by_role("button", name=t("write.to-send"), exact=True).first.click()
        expect(page.locator("main")).to_contain_text(t("write.reaches", count=3))
        page.get_by_role("button", name=t("write.send"), exact=True).click()
        expect(page.locator("h1")).to_have_text("ขอเชิญประชุม (ตัวอย่าง)")
        row = desk.world.sent()[-1]
        letter = read(open_envelope(row.document).root)
        assert isinstance(letter, Letter)
        assert [each.name for each in letter.all_files] == list(NAMES)
        assert letter.speed == "003"
        row = desk.world.accept((DGA, OPM, SOC))
        desk.world.say(Event.REGISTERED, row, author=SOC, registration=registration("๙"))
        page.reload()
        expect(page.locator("main")).to_contain_text(t("sent.silent", count=2, all=3))
        expect(page.locator("main")).to_contain_text("๙")


def test_a_file_that_is_dropped_is_brought_and_one_that_is_refused_is_told(
    chromium: Browser, desk: Desk
) -> None:
    with visit(chromium, desk) as page:
        page.goto(f"{desk.address}/write?lang=th")
        page.get_by_role("button", name=say("th", "write.new")).click()
        page.locator("#subject").fill("ยังไม่บันทึก")
        page.locator("#file").set_input_files({"name": "x.exe", "mimeType": "x/x", "buffer": b"MZ"})
        expect(page.locator("[data-progress] .bad")).to_contain_text("x.exe")
        expect(page.locator("#subject")).to_have_value("ยังไม่บันทึก")
        given = page.evaluate_handle(
            """() => { const it = new DataTransfer(), said = "%PDF-1.7 dropped\\n%%EOF\\n";
            it.items.add(new File([said], "วาง.pdf", {type: "application/pdf"})); return it; }"""
        )
        page.dispatch_event("section:has(#file) [data-drop]", "drop", {"dataTransfer": given})
        expect(page.locator("main").get_by_role("rowheader", name="วาง.pdf", exact=True)).to_be_visible()
        expect(page.locator("#subject")).to_have_value("ยังไม่บันทึก")


@pytest.fixture(scope="module")
def examples(desk: Desk) -> list[str]:
    """The addresses of every page, with much and with little on it."""
    visitor = desk.visited_by()
    empty = visitor.send("/write", {}).headers["location"]
    full = visitor.send("/write", {}).headers["location"]
    fields = {
        "date": "1/1/2580",
        "subject": "เรื่องยาว " * 40,
        "number": "นร 0901/ว 1",
        "signers-1-given_name": "สมศรี",
        "signers-1-family_name": "ตัวอย่าง",
        "signers-1-job_title": "ผู้อำนวยการ",
        "references-1-number": "นร 0505/1",
        "references-1-date": "1/11/2569",
        "enclosures-1-description": "กำหนดการ",
    }
    long, file = ([("file", (f"{'ไฟล์ชื่อยาว' * n}.pdf", PDF, "application/pdf"))] for n in (15, 5))
    for version, do in enumerate((f"to:{SOC}", "to:group:all", "copy:9999900000", "save"), start=1):
        visitor.send(full, {**fields, "version": str(version), "do": do}, files=long)
    ready = visitor.send("/write", {}).headers["location"]
    visitor.send(ready, {**fields, "date": "1/11/2569", "version": "1", "do": f"to:{SOC}"}, files=file)
    sample = uuid.uuid4()
    desk.world.receive({"ก.pdf": PDF}, letter_id=sample, number="นร 0105/5")
    perform(
        desk.mailbox, Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=as_letter_id(sample)), number="๑")
    )
    seen = visitor.get(f"{ready}/send").text.partition('name="seen" value="')[2][:64]
    sent = visitor.send(f"{ready}/send", {"seen": seen}).headers["location"]
    row = desk.world.accept((SOC, DGA))
    desk.world.say(Event.REGISTERED, row, author=SOC, registration=registration("๑๒"))
    year = visitor.get("/registers").headers["location"].rpartition("/")[2]
    acts = [f"{sent}/dispute?recipient={SOC}", f"{sent}/withdraw"]
    drafts = [
        "/write",
        empty,
        full,
        f"{full}?checked=1",
        f"{full}?q=agency",
        f"{full}/send",
        f"{full}/delete",
    ]
    return [*drafts, "/sent", sent, *acts, f"/registers/received/{year}", f"/registers/sent/{year}"]


@pytest.mark.parametrize("language", ["th", "en"])
def test_every_page_is_whole_for_everybody(
    chromium: Browser, desk: Desk, examples: list[str], language: Language
) -> None:
    wrong: list[str] = []
    with visit(chromium, desk) as page:
        found = cast(Visit, SimpleNamespace(page=page))
        for path in examples:
            answer: Any = page.goto(f"{desk.address}{path}{'&' if '?' in path else '?'}lang={language}")
            wrong += [] if answer.status == 200 else [f"{path}: {answer.status}"]
            wrong += judged(found) + stands_still(found)
            page.emulate_media(color_scheme="dark")
            wrong += judged(found, "color-contrast")
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": NARROW, "height": 900})
            wrong += judged(found, "color-contrast", "target-size", "scrollable-region-focusable")
            wrong += stands_still(found)
            page.set_viewport_size({"width": WIDE, "height": 900})
    assert wrong == []


def test_a_register_is_printed_as_the_form_without_what_is_around_it(
    chromium: Browser, desk: Desk, examples: list[str]
) -> None:
    with visit(chromium, desk) as page:
        page.goto(desk.address + examples[-1])
        page.emulate_media(media="print")
        for hidden in ("header", "footer", "nav.asof", ".twins"):
            expect(page.locator(hidden).first).to_be_hidden()
        expect(page.locator("table.register")).to_be_visible()
        assert page.locator("table.register thead th").count() == 8
