"""A letter's page for auditors: who has not acknowledged first, the proof, the pack, and content by a grant only."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bus.depot.store import local_contents
from bus.ledger.entry import Kind, timestamp
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.thai import now
from bus.verifier.checking import judge
from bus.verifier.findings import Result
from tests.assets import factory
from tests.assets.factory import DGA, OCS, SOC
from tests.contract.console_ledgers import AUDITOR, HOSTILE, auditors_console, readings, send
from tests.contract.console_rig import Console, Visitor, console_over
from tests.contract.lived import Lived


@dataclass(frozen=True, slots=True)
class Looking:
    """An auditor's browser over the lived ledger."""

    ledger: Ledger
    lived: Lived
    console: Console
    auditor: Visitor
    folder: Path

    @property
    def address(self) -> str:
        return f"/letters/{self.lived.letter}"


@pytest.fixture(scope="module")
def looking(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    folder = tmp_path_factory.mktemp("letter")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with (
        Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger,
        auditors_console(ledger, folder) as (console, lived),
    ):
        yield Looking(ledger, lived, console, console.visited_by(Role.AUDITOR), folder)


def granted(looking: Looking, letter: int, hours: float = 1.0, to: str = AUDITOR) -> int:
    """Have a grant entered."""
    with looking.ledger.append() as writer:
        until = timestamp(now() + timedelta(hours=hours))
        return writer.entry(
            Kind.GRANTED, letter=letter, auditor=to, until=until, reason="ทดสอบ", operator="tester"
        )


def test_who_has_not_acknowledged_comes_first(looking: Looking) -> None:
    page = looking.auditor.get(f"{looking.address}?lang=th").text
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert headings[0] == "ผู้ที่ยังไม่ตอบรับ"
    first = page[page.index("<h2") : page.index('id="what"')]
    assert DGA in first
    assert SOC in first
    assert OCS not in first
    value = looking.auditor.json(looking.address)
    assert {one["agency"]: one["missing"] for one in value["silent"]} == {
        DGA: "receipt",
        SOC: "registration",
    }
    assert [(one["agency"], one["receivingNumber"]) for one in value["closed"]] == [(OCS, "๑๒๓")]


def test_times_signature_and_proof_are_told_in_words_and_raw(looking: Looking) -> None:
    value = looking.auditor.json(looking.address)
    said = value["statement"]
    assert set(said["times"]) == {"stated", "received", "entered"}
    assert said["seal"]["good"]
    assert said["seal"]["pinned"]
    assert said["proof"]["holds"]
    assert said["fingerprint"]["raw_sha256"] == hashlib.sha256(looking.lived.signed.raw).hexdigest()
    assert said["fingerprint"]["root"] in looking.auditor.get(looking.address).text
    assert value["checkpoint"].startswith("saraban.example/test\n")
    for language, words in (("th", "เวลาสามอย่าง"), ("en", "Three times, kept apart")):
        page = looking.auditor.get(f"{looking.address}?lang={language}").text
        assert words in page
        assert page.count('class="help"') >= 6, "each hash has its help beside it"


def test_a_look_is_entered_once_and_leaves_the_letter_provable(looking: Looking) -> None:
    before = len(readings(looking.ledger))
    for path in (looking.address, f"{looking.address}.json", f"{looking.address}.csv"):
        assert looking.auditor.get(path).status_code == 200
    entered = readings(looking.ledger)[before:]
    assert [(one["what"], one["query"], one["auditor"]) for one in entered] == [
        ("show", {"letter": looking.lived.letter}, AUDITOR)
    ] * 3
    assert looking.auditor.json(looking.address)["unsigned"] == []


def test_the_spreadsheet_has_every_recipient(looking: Looking) -> None:
    body = looking.auditor.get(f"{looking.address}.csv").content.decode("utf-8-sig")
    assert [code for code in (DGA, SOC, OCS) if code not in body] == []
    assert f'{{""letter"": {looking.lived.letter}}}' in body


def test_an_entry_that_no_head_covers_yet_is_said(looking: Looking) -> None:
    letter = send(looking.lived, "ยังไม่มีหัวบัญชี", "นร 0105/300")
    value = looking.auditor.json(f"/letters/{letter}")
    assert value["statement"] is None
    assert value["silentCount"] == 2
    page = looking.auditor.get(f"/letters/{letter}?lang=en")
    assert "No signed head covers this letter yet" in page.text
    assert looking.auditor.get(f"/letters/{letter}/pack").status_code == 409
    looking.lived.signer.sign()
    assert looking.auditor.json(f"/letters/{letter}")["statement"]["proof"]["holds"]


@pytest.mark.parametrize("number", [1, 99_999, 10**30])
def test_what_is_no_letter_is_not_there(looking: Looking, number: int) -> None:
    before = len(readings(looking.ledger))
    for tail in ("", ".json", "/pack", "/certificate", "/certificate-pdf", "/content", f"/files/{'a' * 64}"):
        assert looking.auditor.get(f"/letters/{number}{tail}").status_code == 404, tail
    assert len(readings(looking.ledger)) == before


def test_the_pack_passes_the_verifier(looking: Looking, tmp_path: Path) -> None:
    before = len(readings(looking.ledger))
    response = looking.auditor.get(f"{looking.address}/pack")
    assert response.headers["content-type"] == "application/vnd.etsi.asic-e+zip"
    assert f"letter-{looking.lived.letter}.asice" in response.headers["content-disposition"]
    (tmp_path / "pack.asice").write_bytes(response.content)
    findings = judge(tmp_path / "pack.asice", looking.lived.signer._key.verifier)
    assert findings.verdict is Result.PASS
    assert [one["what"] for one in readings(looking.ledger)[before:]] == ["evidence"]


def test_the_certificate_is_printed_under_the_same_policy(looking: Looking) -> None:
    response = looking.auditor.get(f"{looking.address}/certificate")
    assert "หนังสือรับรองการส่ง" in response.text
    policy = response.headers["content-security-policy"]
    assert re.search(r"style-src 'self' 'sha256-[A-Za-z0-9+/]{43}='", policy)
    assert "unsafe" not in policy


def test_the_certificate_is_a_pdf_where_typst_is(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    response = looking.auditor.get(f"{looking.address}/certificate-pdf")
    assert response.headers["content-type"] == "application/pdf"
    assert response.content.startswith(b"%PDF-")
    monkeypatch.setattr("bus.evidence.certificate.find_spec", lambda _: None)
    response = looking.auditor.get(f"{looking.address}/certificate-pdf")
    assert response.status_code == 409
    assert f"{looking.address}/certificate " in response.text


def test_a_console_that_does_not_seal_names_the_command(looking: Looking) -> None:
    with without_seal(looking) as visitor:
        response = visitor.get(f"{looking.address}/pack")
        assert response.status_code == 409
        assert f"saraban-bus evidence {looking.lived.letter}" in response.text


@contextmanager
def without_seal(looking: Looking) -> Iterator[Visitor]:
    """A console over the same ledger that may not seal."""
    (looking.folder / "other").mkdir(exist_ok=True)
    with console_over(looking.ledger, looking.folder / "other", console={"seal": False}) as console:
        yield console.visited_by(Role.AUDITOR)


def test_content_and_files_open_by_a_grant_in_force_for_this_auditor(looking: Looking) -> None:
    letter, address = looking.lived.letter, looking.address
    digest = looking.lived.circular.main_file.digest
    for path in (f"{address}/content", f"{address}/files/{digest}"):
        response = looking.auditor.get(path)
        assert response.status_code == 409
        assert "No grant is in force" in response.text
    granted(looking, letter, hours=-1)
    granted(looking, letter, to="อีกคน (ตัวอย่าง)")
    assert looking.auditor.get(f"{address}/content").status_code == 409, "neither a past nor another's grant"
    grant = granted(looking, letter)
    before = len(readings(looking.ledger))
    content = looking.auditor.get(f"{address}/content")
    assert content.status_code == 200
    assert looking.lived.circular.main_file.name in content.text
    entered = readings(looking.ledger)[before:]
    assert [(one["what"], one["grant"], one["letter"]) for one in entered] == [("content", grant, letter)]
    other = looking.console.visited_by(Operator("ผู้ตรวจอื่น (ตัวอย่าง)", Role.AUDITOR, "local"))
    assert other.get(f"{address}/content").status_code == 409


def test_a_file_comes_from_the_depot_or_the_command_is_named(looking: Looking) -> None:
    letter, folder = send_with_file(looking, b"%PDF-1.7 sample"), looking.folder / "depot"
    grant = granted(looking, letter)
    digest = hashlib.sha256(b"%PDF-1.7 sample").hexdigest()
    response = looking.auditor.get(f"/letters/{letter}/files/{digest}")
    assert response.status_code == 409
    assert f"saraban-bus audit open {grant}" in response.text
    assert not folder.exists(), "a console makes no depot"
    store, source = local_contents(folder), looking.folder / "source"
    source.write_bytes(b"%PDF-1.7 sample")
    store.put(source, digest)  # type: ignore[arg-type]
    before = len(readings(looking.ledger))
    response = looking.auditor.get(f"/letters/{letter}/files/{digest}")
    assert response.content == b"%PDF-1.7 sample"
    assert response.headers["content-disposition"].startswith("attachment")
    assert [(one["what"], one["file"]) for one in readings(looking.ledger)[before:]] == [("file", digest)]
    assert looking.auditor.get(f"/letters/{letter}/files/{'b' * 64}").status_code == 404
    assert looking.auditor.get(f"/letters/{letter}/files/..%2f..%2fetc").status_code == 404


def send_with_file(looking: Looking, data: bytes) -> int:
    file = factory.file("ตัวอย่าง.pdf", digest=hashlib.sha256(data).hexdigest(), size=len(data))  # type: ignore[arg-type]
    return send(looking.lived, "มีไฟล์", "นร 0105/301", main_file=file)


def test_hostile_texts_harm_no_page_of_a_letter(looking: Looking) -> None:
    letters = [send(looking.lived, each, f"นร 0105/{place}") for place, each in enumerate(HOSTILE, 400)]
    looking.lived.signer.sign()
    for letter in letters:
        granted(looking, letter)
        looking.lived.signer.sign()
        for tail in ("", "/content", "/certificate"):
            text = looking.auditor.get(f"/letters/{letter}{tail}").text
            assert "<script>alert" not in text
            assert "<img" not in text
            assert "\u202e" not in text
