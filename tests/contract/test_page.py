"""The page of a pack: what a judge is to find on it, on a screen, on a telephone and on paper."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bus.directory import Names
from bus.documents.letter import Content, File, Letter, Receiver
from bus.documents.lifecycle import Progress, Slot
from bus.documents.notice import Event, Officer, ReasonText, Registration
from bus.documents.signing import Signed, sign
from bus.documents.versions import VERSIONS
from bus.evidence.pack import write_pack
from bus.evidence.page import page
from bus.evidence.summary import answered
from bus.identifiers import RawDigest, as_letter_id
from bus.ledger.evidence import Evidence, gather
from bus.ledger.state import Fact, RecipientState
from bus.ledger.store import Ledger
from bus.thai import now
from bus.verifier import documents
from bus.verifier.checking import judge
from bus.verifier.findings import Result
from tests.assets import factory
from tests.assets.digests import SOME_CONTENT, raw_digest
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live
from tests.contract.test_evidence import failed, key_of

CONTENT = b"%PDF-1.7 a sample"


class Text(HTMLParser):
    """The words of a page, one after the other, and where its links lead; every tag that was opened is closed."""

    VOID = frozenset({"meta", "br", "col"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self._open = "", [""]
        self.links: list[str] = []
        self.feed(html)
        assert self._open == [""]
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self._open.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1] != "style":
            self.words += f"{data} "


@dataclass
class Shown:
    """A page with what it was made of."""

    lived: Lived
    evidence: Evidence
    html: str

    @property
    def text(self) -> Text:
        return Text(self.html)


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Lived:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return live(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), tmp_path)


def shown(lived: Lived, **options: object) -> Shown:
    lived.signer.sign()
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    return Shown(lived, evidence, page(evidence, now(), **options))  # type: ignore[arg-type]


def alone(lived: Lived, **changes: object) -> tuple[Letter, Signed]:
    """Have OPM send a letter to OCS alone, about which `lived` goes on from now on."""
    letter = factory.letter(sender=factory.sender(OPM), receivers=(Receiver(agency=OCS),), **changes)
    signed = sign(letter, factory.seal(OPM))
    assert lived.router.take(rig.delivery(signed.raw)).outcome == "accepted"
    with lived.ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(letter.letter_id))
    lived.circular, lived.signed, lived.letter = letter, signed, row.letter
    return letter, signed


# ---- the sentence on top -------------------------------------------------------------------------------------------


def answer(page: Shown) -> str:
    return page.text.words.split("ตามบัญชีถึงรายการที่")[0]


def test_the_first_sentence_says_to_how_many_it_was_delivered_when_and_to_whom_not(lived: Lived) -> None:
    said = answer(shown(lived))
    assert "ส่งถึงผู้รับแล้ว 2 จาก 3 หน่วยงาน" in said
    assert "delivered to 2 of 3 recipients" in said
    assert said.index(factory.NAMES[OCS]) < said.index("ยังไม่มีหลักฐานว่าถึง") < said.index(factory.NAMES[DGA])
    assert "ลงทะเบียนรับแล้ว 1 หน่วยงาน" in said
    lived.say(Event.DELIVERED, DGA)
    said = answer(shown(lived))
    assert "ส่งถึงผู้รับครบทั้ง 3 หน่วยงานแล้ว" in said
    assert "ยังไม่มีหลักฐาน" not in said


def test_of_one_recipient_it_says_when_and_under_what_number(lived: Lived) -> None:
    alone(lived)
    assert f"ยังไม่มีหลักฐานว่าหนังสือนี้ส่งถึง{factory.NAMES[OCS]}" in answer(shown(lived))
    lived.say(Event.DELIVERED, OCS)
    page = shown(lived)
    receipt = page.evidence.state.recipients[OCS].receipt
    assert receipt is not None
    assert f"ส่งถึง{factory.NAMES[OCS]}แล้วเมื่อ" in answer(page)
    assert receipt.at[11:19] in answer(page), "to the second"
    lived.say(Event.REGISTERED, OCS, registration=factory.registration("๙๙"))
    said = answer(shown(lived))
    assert f"เลขรับ ๙๙ ทะเบียนปี {now().year + 543}" in said
    assert "under number ๙๙" in said


@pytest.mark.parametrize(
    "status", ["accepted", "on-hold", "consigned", "handover-failed", "settled", "withdrawn"]
)
def test_what_was_not_delivered_is_never_called_delivered(status: str) -> None:
    names = Names([[rig.agency(OCS), rig.agency(SOC)]])
    silent = RecipientState(agency=OCS, role="to", addressed=OCS, consignment=1)
    word = Fact(entry=9, notice_id="n", event=status, author=OCS, digest=SOME_CONTENT, at=now().isoformat())
    progress: dict[str, Progress[Fact]] = {
        "on-hold": Progress(carried="on-hold"),
        "consigned": Progress(carried="consigned"),
        "handover-failed": Progress(facts={Slot.FAILURE: word}),
        "settled": Progress(facts={Slot.SETTLED: word}),
        "withdrawn": Progress(facts={Slot.WITHDRAWAL: word._replace(event="withdrawal-granted")}),
    }
    state = silent._replace(progress=progress.get(status, Progress()))
    assert state.outcome == status
    for recipients in ([state], [state, state._replace(agency=SOC)]):
        th, en = answered(recipients, {}, names)
        assert "ยังไม่มีหลักฐาน" in th
        assert "no proof" in en


# ---- what stands below ---------------------------------------------------------------------------------------------


def test_a_registration_bears_number_year_unit_and_officer_and_every_time_its_seconds(lived: Lived) -> None:
    alone(lived)
    lived.say(Event.DELIVERED, OCS)
    registration = Registration(
        number="๔๒", registered_at=now(), year=2568, unit="งานสารบรรณ", officer="สมศรี (ตัวอย่าง)"
    )
    lived.say(Event.REGISTERED, OCS, registration=registration)
    page = shown(lived)
    assert "เลขรับ ๔๒ ทะเบียนปี 2568 · งานสารบรรณ · ผู้ลงรับ สมศรี (ตัวอย่าง)" in page.text.words
    times = re.findall(r"[0-9]{2}:[0-9]{2}(?!:?[0-9])(?:\s|\u00a0)น\.", page.text.words)
    assert len(re.findall(r":[0-9]{2}:[0-9]{2}\s?\u00a0?น\.", page.text.words)) == len(times)


def test_what_version_1_1_says_more_stands_there_and_nothing_where_it_says_nothing(lived: Lived) -> None:
    before = shown(lived).text.words
    assert "ประเภทเอกสาร" not in before
    assert "ผู้ดำเนินการ" not in before
    both = {name: rig.agency(code, reads=tuple(VERSIONS)) for name, code in (("OPM", OPM), ("OCS", OCS))}
    lived.router.activate(rig.directory(version=2, **both))
    alone(lived, document_type="minutes")
    officer = Officer(name="สมศรี (ตัวอย่าง) <i>", job_title="นักจัดการงานทั่วไป")
    lived.say(Event.REFUSED, OCS, officer=officer, reason_texts=(ReasonText(language="th", value="ก"),))
    words = shown(lived).text.words
    assert re.search(r"ประเภทเอกสาร\s+·? ?Document type\s+minutes", words), words[:2000]
    assert words.count("ผู้ดำเนินการ สมศรี (ตัวอย่าง) <i>, นักจัดการงานทั่วไป") == 2


def test_a_pack_with_both_versions_in_it_passes_and_one_of_an_unknown_version_is_in_doubt(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {name: rig.agency(code, reads=tuple(VERSIONS)) for name, code in (("OPM", OPM), ("OCS", OCS))}
    lived.router.activate(rig.directory(version=2, **both))
    alone(lived, document_type="minutes")
    lived.say(Event.DELIVERED, OCS)
    lived.say(Event.OPENED, OCS, officer=Officer(name="สมศรี (ตัวอย่าง)"))
    lived.signer.sign()
    with lived.ledger.read() as reader:
        write_pack(tmp_path / "pack.asice", gather(reader, lived.letter), factory.seal("bus"), at=now())
    assert judge(tmp_path / "pack.asice", key_of(lived)).verdict is Result.PASS
    monkeypatch.delitem(documents.ROOTS, VERSIONS["letter/1.1"].tag)
    findings = judge(tmp_path / "pack.asice", key_of(lived))
    assert findings.verdict is Result.INDETERMINATE
    assert failed(findings) == set()


def test_files_stand_there_with_name_size_and_hash_and_open_by_their_name(
    lived: Lived, tmp_path: Path
) -> None:
    digest, other = raw_digest(CONTENT), raw_digest(b"nothing")
    odd = File(name="รายงาน.PDF", size=len(CONTENT), digest=digest, media_type="application/pdf")
    bare = File(name="ไม่มีนามสกุล", size=7, digest=other, media_type="application/pdf")
    alone(lived, main_file=odd, files=(bare,))
    lived.signer.sign()
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    path = tmp_path / "pack.asice"
    files: dict[RawDigest, Callable[[], BinaryIO]] = {
        digest: lambda: BytesIO(CONTENT),
        other: lambda: BytesIO(b"nothing"),
    }
    write_pack(path, evidence, factory.seal("bus"), at=now(), files=files)
    findings = judge(path, key_of(lived))
    assert findings.verdict is Result.PASS, findings.checks
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        html = archive.read("index.html").decode()
    assert {f"files/{digest}.pdf", f"files/{other}"} <= set(names)
    text = Text(html)
    for part in ("รายงาน.PDF", f"{len(CONTENT)}", digest, "ไม่มีนามสกุล", other):
        assert part in text.words
    assert f"files/{digest}.pdf" in text.links
    inside = {link for link in text.links if not link.startswith("#")}
    assert inside <= set(names), "every link leads to a member of the pack"


@pytest.mark.parametrize("extension", [".exe", ".pdf.exe", ".html", ""])
def test_a_file_under_an_extension_that_its_name_does_not_have_is_no_file_of_the_letter(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    digest = raw_digest(CONTENT)
    file = File(name="ก.pdf", size=len(CONTENT), digest=digest, media_type="application/pdf")
    alone(lived, main_file=file)
    lived.signer.sign()
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    monkeypatch.setattr("bus.evidence.pack.member_of", lambda letter, sha256: f"files/{sha256}{extension}")
    path = tmp_path / "pack.asice"
    write_pack(path, evidence, factory.seal("bus"), at=now(), files={digest: lambda: BytesIO(CONTENT)})
    assert failed(judge(path, key_of(lived))) == ({"file.bytes"} if extension else set())


def test_beside_each_act_stand_its_document_and_its_certificate_and_the_certificates_in_an_appendix(
    lived: Lived,
) -> None:
    page = shown(lived)
    acts, appendix = page.html.split('<section class="appendix">')
    for entry in page.evidence.entries:
        if entry.kind == "notice":
            assert acts.count(f'href="notices/{entry.seq}.xml"') >= 1
            assert entry.body["certificate"][:16] in acts
            assert entry.body["certificate"] in appendix
    assert {"letter.xml", "acceptance.xml"} <= set(page.text.links)
    assert factory.seal("bus").fingerprint in appendix
    assert f"{factory.seal(OPM).certificate.serial_number:x}" in appendix
    assert "Confirmed by the broker" not in acts, "how it was carried is for the appendix"
    assert "Confirmed by the broker" in appendix


def test_signatories_stand_there_and_so_does_what_no_program_checks(lived: Lived) -> None:
    page = shown(lived, stamped=True)
    officer = factory.officer()
    assert f"{officer.given_name} {officer.family_name}, {officer.job_title}" in page.text.words
    assert "not checked by saraban-verify" in page.text.words
    assert "checkpoint.tsr" in page.text.words
    assert "checkpoint.tsr" not in shown(lived).text.words


def test_the_page_is_made_for_paper_and_for_a_telephone(lived: Lived) -> None:
    html = shown(lived).html
    (style,) = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    for rule in (
        "size: A4",
        "counter(page)",
        "break-inside: avoid",
        "max-width: 46rem",
        "Sarabun",
        "Laksaman",
    ):
        assert rule in style
    assert 'name="viewport" content="width=device-width' in html
    assert not re.search(r"https?://(?!uri\.etsi)", html), "nothing is fetched from anywhere"
    cells = re.findall(r"<td(?P<label>[^>]*)>", html)
    assert cells
    assert all("data-label=" in cell for cell in cells), "on a telephone each cell bears its heading"


def test_a_letter_to_very_many_makes_a_page_that_can_be_opened_and_says_what_it_leaves_out(
    lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "more: see" not in shown(lived).html
    monkeypatch.setattr("bus.evidence.page.MOST", 1)
    page = shown(lived)
    assert "and 2 more: see notices/" in page.text.words, "recipients"
    assert "and 3 more: see notices/" in page.text.words, "acts"
    assert "ยังไม่มีหลักฐานว่าถึง" in answer(page), "the sentence is about all of them"
    assert factory.NAMES[DGA] in page.text.words


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(
        st.one_of(st.sampled_from("<>&\"'\\{};:/*@-%\u202e\u2066\x1b\n"), st.characters(codec="utf-8")),
        min_size=1,
        max_size=60,
    )
)
@example('"; } * { display: none } /*')
@example("</style><script>alert(1)</script>")
@example("</title><base href=//example>")
@example("{{ 7 * 7 }}")
def test_whatever_is_quoted_is_a_text_on_the_page_and_in_its_style_sheet(lived: Lived, hostile: str) -> None:
    html, plain = quoting(lived, hostile), quoting(lived, "x")
    tags = re.compile(r"<(?!\!)/?[a-z0-9]+")
    assert tags.findall(html) == tags.findall(plain), "it makes no tag"
    style, other = (re.findall("<style>(.*?)</style>", each, re.DOTALL)[0] for each in (html, plain))
    strings = re.compile(r'content: "[^"\n]*"')
    assert strings.sub("", style) == strings.sub("", other), "and no rule"
    assert len(strings.findall(style)) == len(strings.findall(other))
    assert not set(html) & set("\u202e\u2066\x1b")


def quoting(lived: Lived, text: str) -> str:
    """The page of a letter with a number, a subject, a signatory and a file that no gate has looked at."""
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    content = Content(subject=text, signers=(factory.officer(given_name=text),))
    letter = replace(lived.circular, number=text, content=content, main_file=factory.file(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bus.evidence.page.letter_of", lambda _: letter)
        return page(evidence, now())
