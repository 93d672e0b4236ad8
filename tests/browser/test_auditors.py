"""Auditors: a letter is found, who is silent stands first, and what is taken home can be checked by anybody."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bus.operators import Role
from bus.pages.asked import Language
from tests.browser.conftest import MODES, Visits
from tests.browser.visiting import becomes
from tests.browser.world import ATTACHED, NUMBER, SUBJECT, World

OTHER_DIGITS = NUMBER.replace("๒๑๐", "210").replace("0101", "๐๑๐๑")
DROP = """([octets, name]) => {
  const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(octets)], name));
  const place = document.querySelector("#dropped").closest("[data-drop]");
  for (const kind of ["dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: given }));
}"""


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_a_letter_is_found_by_its_number_in_either_digits(
    visits: Visits, world: World, language: Language, scripts: bool
) -> None:
    with visits(Role.AUDITOR, language=language, scripts=scripts) as found:
        page = found.page
        found.go("/search")
        if scripts:  # by keys alone
            found.write(page.locator("#any"), OTHER_DIGITS)
            page.keyboard.press("Enter")
        else:
            page.locator("#any").fill(OTHER_DIGITS)
            page.get_by_role("button", name=found.t("search.ask")).click()
        row = page.locator("tbody tr").first
        expect(row).to_contain_text(NUMBER)
        expect(row).to_contain_text(SUBJECT)
        row.get_by_role("link").click()
        expect(page).to_have_url(re.compile(f"/letters/{world.letters['asked']}$"))
        expect(page.locator("h1")).to_contain_text(NUMBER)


def test_a_letter_is_found_by_a_file_that_never_leaves_the_browser(visits: Visits, world: World) -> None:
    with visits(Role.AUDITOR) as found:
        page = found.page
        found.go("/search")
        page.locator("summary", has_text=found.t("search.fields")).click()
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        page.evaluate(DROP, [list(ATTACHED), "หนังสือ.pdf"])
        expect(page.locator("#file")).to_have_value(hashlib.sha256(ATTACHED).hexdigest())
        assert sent == []
        page.get_by_role("button", name=found.t("search.ask")).click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_contain_text(NUMBER)


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_who_is_silent_stands_first(visits: Visits, world: World, language: Language, scripts: bool) -> None:
    with visits(Role.AUDITOR, language=language, scripts=scripts) as found:
        found.go(f"/letters/{world.letters['circular']}")
        expect(found.page.locator("h2").first).to_have_text(found.t("letter.silent"))
        silent = found.page.locator("table").first
        expect(silent).to_contain_text("สำนักงานพัฒนารัฐบาลดิจิทัล")
        expect(silent).not_to_contain_text("สำนักเลขาธิการคณะรัฐมนตรี")


def test_a_pack_is_taken_home_and_checked_and_a_spoilt_one_fails(
    visits: Visits, world: World, tmp_path: Path
) -> None:
    with visits(Role.AUDITOR, accept_downloads=True) as found:
        page = found.page
        found.go(f"/letters/{world.letters['asked']}")
        with page.expect_download() as begun:
            page.get_by_role("link", name=found.t("letter.pack")).click()
        good = tmp_path / "good.asice"
        begun.value.save_as(good)
        found.go("/verify")
        page.locator("#file").set_input_files(good)
        page.get_by_role("button", name=found.t("verify.judge"), exact=True).click()
        expect(page.get_by_role("status")).to_contain_text(found.t("verify-verdict.pass"))
        page.locator("#file").set_input_files(_spoilt(good, tmp_path / "spoilt.asice"))
        page.get_by_role("button", name=found.t("verify.judge"), exact=True).click()
        expect(page.get_by_role("status")).to_contain_text(found.t("verify-verdict.fail"))


def test_the_certificate_is_printed(visits: Visits, world: World) -> None:
    with visits(Role.AUDITOR, accept_downloads=True) as found:
        page = found.page
        found.go(f"/letters/{world.letters['asked']}")
        with page.expect_download() as begun:
            page.get_by_role("link", name=found.t("letter.certificate-pdf")).click()
        assert begun.value.path().read_bytes().startswith(b"%PDF-")
        found.click(page.get_by_role("link", name=found.t("letter.certificate"), exact=True))
        expect(page.locator("body")).to_contain_text(NUMBER)
        assert page.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize(("language", "scripts"), MODES)
def test_what_was_found_is_exported_by_a_job(visits: Visits, language: Language, scripts: bool) -> None:
    with visits(Role.AUDITOR, language=language, scripts=scripts, accept_downloads=True) as found:
        page = found.page
        found.go(f"/search?subject={SUBJECT}")
        page.get_by_role("link", name=found.t("search.export")).click()
        page.get_by_role("button", name=found.t("jobs.begin")).click()
        expect(page).to_have_url(re.compile(r"/jobs/\d+$"))
        becomes(found, "#job", found.t("jobs.state-done"))
        with page.expect_download() as begun:
            page.locator("#job a.button").click()
        written = begun.value.path().read_bytes()
        assert written.startswith(b"\xef\xbb\xbf")
        assert SUBJECT in written.decode("utf-8-sig")


def _spoilt(good: Path, spoilt: Path) -> Path:
    """A copy of a pack in which one octet of the letter differs, and the archive itself is whole."""
    with zipfile.ZipFile(good) as from_, zipfile.ZipFile(spoilt, "w") as to:
        changed = 0
        for item in from_.infolist():
            octets = from_.read(item)
            if SUBJECT.encode() in octets and not changed:
                octets, changed = octets.replace(SUBJECT.encode(), SUBJECT[::-1].encode()), 1
            to.writestr(item, octets)
    assert changed
    return spoilt
