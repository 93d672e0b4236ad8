"""The certificate of delivery: what an auditor or a court has in the hand, on paper, on a page and in an archive."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bus.documents.letter import Content, Receiver
from bus.documents.signing import sign
from bus.evidence import certificate as making
from bus.evidence.blocks import Line, Sheet
from bus.evidence.certificate import NotSet, certificate_of, typeset
from bus.evidence.glyphs import shown
from bus.evidence.pack import write_pack
from bus.evidence.printing import printed
from bus.evidence.sheet import MOST, sheet_of
from bus.evidence.statement import names_of, statement_of
from bus.identifiers import AgencyCode, as_letter_id
from bus.ledger.entry import Kind
from bus.ledger.evidence import Evidence, gather
from bus.ledger.store import Ledger
from bus.router.activation import activate_calendar
from bus.thai import BANGKOK, now, thai_date
from bus.verifier.checking import judge
from bus.verifier.findings import Result
from bus.verifier.notes import VerifierKey
from tests.assets import factory
from tests.assets.factory import DAY, DGA, OCS, OPM, SOC
from tests.assets.operators import by
from tests.assets.pdf import Pdf, unspaced
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live
from tests.contract.test_bus_cli import Shell, bare, shell, told
from tests.contract.test_evidence import key_of, with_revocation
from tests.contract.test_page import Text

__all__ = ["bare", "shell", "told"]

AT = datetime(2026, 11, 27, 9, 30, tzinfo=BANGKOK)


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Iterator[Lived]:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield live(ledger, tmp_path)
    ledger.close()


@pytest.fixture
def evidence(lived: Lived) -> Evidence:
    return gathered(lived)


def gathered(lived: Lived) -> Evidence:
    with lived.ledger.read() as reader:
        return gather(reader, lived.letter)


def pdf_of(evidence: Evidence, at: datetime = AT, **options: Any) -> Pdf:
    return Pdf(certificate_of(evidence, names_of(evidence), at, **{"pack": None, **options}))


def lines_of(sheet: Sheet) -> Iterator[Line]:
    """Everything that a sheet says."""
    yield from (sheet.title, sheet.answer, *sheet.notes)
    for section in sheet.sections:
        yield section.title
        for part in section.parts:
            match asdict(part):
                case {"form": "rows", "rows": rows}:
                    for name, values in rows:
                        yield from (name, *values)
                case {"form": "table", "columns": columns, "rows": rows}:
                    yield from (name for name, _ in columns)
                    yield from (line for row in rows for cell in row for line in cell)
                case {"form": "points", "points": points}:
                    yield from points
                case other:
                    raise AssertionError(other)


# ---- what it says --------------------------------------------------------------------------------------------------


def test_it_says_what_was_sent_when_by_whom_and_what_became_of_it_in_both_calendars(
    lived: Lived, evidence: Evidence
) -> None:
    text = pdf_of(evidence).text
    letter, content = lived.circular, lived.circular.content
    assert content is not None
    accepted = evidence.entries[0]
    for fact in (
        letter.number,
        content.subject,
        thai_date(letter.date),
        letter.date.isoformat(),
        "หนังสือภายนอก",
        "ลงทะเบียนรับแล้ว",
        "เลขรับ ๑๒๓ ทะเบียนปี 2569",
        f"ตามเอกสาร ผู้ส่งระบุ Stated by the sender {_both(letter.sent_at.isoformat())}",
        f"ระบบกลางได้รับ Received by the bus {_both(accepted.body['receivedAt'])}",
        f"ลงบัญชี Entered into the ledger {_both(accepted.body['at'])}",
        "ใบรับรองอยู่ในทะเบียนหน่วยงาน อยู่ในอายุ และยังไม่ถูกเพิกถอน",
        factory.seal(OPM).fingerprint,
        lived.signed.digest,
        evidence.head.root.hex(),
        f"Checkpoint size{evidence.head.size}",
        rig.ORIGIN,
        "each led to this root",
        "No agency has cosigned this root",
        "ไม่พิสูจน์ว่าเจ้าหน้าที่คนใดเป็นผู้ลงนาม",
    ):
        assert fact is not None
        assert unspaced(fact) in text, fact


def _both(at: str) -> str:
    moment = datetime.fromisoformat(at).astimezone(BANGKOK)
    return f"{thai_date(moment)} {moment:%H:%M:%S} น. {moment.isoformat(timespec='seconds')}"


def test_who_has_not_acknowledged_comes_before_who_has(evidence: Evidence) -> None:
    statement = statement_of(evidence, names_of(evidence), AT)
    assert [one["name"].split()[0] for one in statement.silent] == [SOC, DGA]
    assert [one["name"].split()[0] for one in statement.others] == [OCS]
    text = pdf_of(evidence).text
    silent = text.index("ผู้ที่ยังไม่ตอบรับด้วยเลขรับ")
    rest = text.index(unspaced("ผู้ที่ตอบรับแล้ว หรือเรื่องสิ้นสุดแล้ว"))
    assert silent < text.index(f"{SOC}สำนัก") < text.index(f"{DGA}สำนัก") < rest < text.index(f"{OCS}สำนัก")


def test_the_page_for_printing_says_the_same_in_the_same_words_and_runs_nothing(evidence: Evidence) -> None:
    names = names_of(evidence)
    html = printed(evidence, names, AT)
    page, paper = unspaced(Text(html).words), pdf_of(evidence).text
    said = list(lines_of(sheet_of(statement_of(evidence, names, AT))))
    assert len(said) > 80
    for line in said:
        for each in line:
            assert unspaced(each) in page
            assert unspaced(each) in paper
    assert not re.search("<script|<link|<img|https?:|url\\(| on[a-z]+=", html)


def test_a_proof_that_leads_elsewhere_is_not_told_as_a_proof(evidence: Evidence) -> None:
    elsewhere = replace(evidence, head=replace(evidence.head, root=bytes(32)))
    html = printed(elsewhere, names_of(evidence), AT)
    assert "did NOT lead to this root" in html
    assert "each led to this root" not in html


@pytest.mark.parametrize(("since", "words"), [(-DAY, "or revoked"), (timedelta(hours=1), "and not revoked")])
def test_the_certificate_is_judged_as_of_the_time_at_which_the_letter_came(
    lived: Lived, since: timedelta, words: str
) -> None:
    with_revocation(lived, OPM, now() + since)
    evidence = gathered(lived)
    html = printed(evidence, names_of(evidence), AT)
    assert words in html
    assert "Revoked from" in html, "and what became of it later is said, too"


def test_what_of_the_pack_is_in_doubt_stands_above_everything_else(evidence: Evidence) -> None:
    html = printed(evidence, names_of(evidence), AT, doubts=("notice.signature (7): broken <b>",))
    assert (
        html.index("มีข้อสงสัย") < html.index("notice.signature (7): broken &lt;b&gt;") < html.index("<section>")
    )


# ---- what it is: PDF/A-3b with the pack in it ----------------------------------------------------------------------


def test_the_pack_in_it_is_the_pack_and_passes(lived: Lived, evidence: Evidence, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack.asice", evidence, factory.seal("bus"), at=AT)
    pack = (tmp_path / "pack.asice").read_bytes()
    pdf = pdf_of(evidence, pack=pack)
    assert pdf.embedded == pack
    (tmp_path / "taken-out.asice").write_bytes(pdf.embedded)
    assert judge(tmp_path / "taken-out.asice", key_of(lived)).verdict is Result.PASS
    assert b"/AFRelationship/Source" in pdf.head
    assert b"/Subtype/application#2Fvnd.etsi.asic-e+zip" in pdf.head
    assert re.search(rb"/AF\[\d+ 0 R\]", pdf.head), "the document itself names it (ISO 19005-3, 6.8)"
    assert b"/UF(evidence.asice)" in pdf.head


def test_it_claims_pdf_a_3b_and_has_what_that_asks_for_and_nothing_that_it_forbids(
    evidence: Evidence,
) -> None:
    pdf = pdf_of(evidence, pack=b"PK")
    assert pdf.data.startswith(b"%PDF-1.7\n%")
    assert "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" in pdf.metadata
    assert "<xmp:CreateDate>2026-11-27T02:30:00+00:00</xmp:CreateDate>" in pdf.metadata
    assert b"/GTS_PDFA1" in pdf.head
    assert re.search(rb"/OutputIntents \d+ 0 R", pdf.head)
    assert b"/Lang(th)" in pdf.head
    fonts = re.findall(rb"<</Type/FontDescriptor/FontName/([^/]+)[^\n]*", pdf.head)
    assert {name.partition(b"+")[2] for name in fonts} == {b"Sarabun-Regular", b"Sarabun-Bold"}
    assert len(re.findall(rb"/FontFile2 \d+ 0 R", pdf.head)) == len(fonts)
    forbidden = rb"/(JavaScript|JS|AA|OpenAction|Launch|URI|GoToR|Encrypt|Movie|Sound|XFA|LZWDecode|SMask)\b"
    assert not re.search(forbidden, pdf.head + pdf.data[-1000:])


def test_the_same_evidence_and_time_make_the_same_octets(evidence: Evidence) -> None:
    first = pdf_of(evidence, pack=b"PK" * 1000).data
    assert first == pdf_of(evidence, pack=b"PK" * 1000).data
    assert first != pdf_of(evidence, AT + timedelta(seconds=1), pack=b"PK" * 1000).data


def test_two_hundred_recipients_are_all_in_it(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    codes = [AgencyCode(f"{21000 + number}00000") for number in range(200)]
    pin = factory.pin(factory.seal(OCS))
    router = rig.Router(ledger)
    router.activate(rig.directory(1, **{f"A{code}": rig.agency(code, pin) for code in codes}))
    activate_calendar(ledger, rig.calendar(), operator=by("tester"))
    circular = factory.letter(
        sender=factory.sender(OPM), receivers=tuple(Receiver(agency=code) for code in codes)
    )
    assert router.take(rig.delivery(sign(circular, factory.seal(OPM)).raw)).outcome == "accepted"
    rig.signer(ledger, tmp_path).sign()
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(circular.letter_id))
        evidence = gather(reader, row.letter)
    ledger.close()
    text = pdf_of(evidence).text
    assert all(f"{code}หน่วยงานย่อย" in text for code in codes)
    statement = statement_of(evidence, names_of(evidence), AT)
    many = replace(statement, silent=statement.silent * 8)
    assert "and 100 more: see recipients.json" in str(sheet_of(many))
    assert len(many.silent) == MOST + 100


# ---- hostile content -----------------------------------------------------------------------------------------------


MARKUP = '#panic("no") #include "task.json" $x^2$ *b* _i_ `r` @label <l> // c /* d */ \\u{41} #{}[]] ~ -- ---'


def sheet_with(text: str) -> dict[str, Any]:
    """A sheet in which a foreign text stands in every place that a letter, a notice or a directory fills."""
    line = (text, text)
    return {
        "title": ("หนังสือรับรองการส่ง", "Certificate of delivery"),
        "name": text,
        "letter_id": "a",
        "made": ("b", ""),
        "answer": line,
        "notes": [line],
        "sections": [
            {
                "title": ("ก", ""),
                "parts": [
                    {"form": "rows", "rows": [(("ที่", ""), [line])]},
                    {"form": "table", "columns": [(line, 20), (line, 80)], "rows": [[[line], [line, line]]]},
                    {"form": "points", "points": [line, line], "numbered": True},
                ],
            }
        ],
    }


SOME = st.one_of(
    st.text(st.sampled_from(list("#[]{}$*_`@<>\\/\"'~=-+ ")), max_size=60),
    st.text(
        st.characters(min_codepoint=0x0E01, max_codepoint=0x0E5B, categories=("L", "M", "N")), max_size=80
    ),
    st.text(
        st.sampled_from("a\u202e\u2066\u200f\u0000\x1b\n\r\t\u2028\ufeff\u00ad\u200b\u200d"), max_size=30
    ),
    st.text(max_size=60),
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SOME, min_size=3, max_size=3).map("".join))
@example(">\u0e31")
def test_any_text_is_shown_as_text_and_breaks_nothing(text: str) -> None:
    pdf = Pdf(typeset(sheet_with(f"<{text}>"), AT))
    wanted = _plain(shown(f"<{text}>"))
    assert _plain("".join(pdf.lines())).count(wanted) >= 11, "in each of its places"


def _plain(text: str) -> str:
    """Only signs of one sign each: what marks a sign of Thai bears may be copied out in another order."""
    return re.sub("[^!-~]", "", text)


@pytest.mark.parametrize(
    "text",
    [MARKUP, "\u202e\u2066เลขรับ\u0000\x1b[31m\n\u2028", "中文😀 x\u0301", "\u0e49\u0e33\u0e33" * 9, ""],
)
def test_a_subject_that_means_something_elsewhere_means_nothing_here(text: str) -> None:
    pdf = Pdf(typeset(sheet_with(text), AT, pack=b"PK"))
    assert _plain("".join(pdf.lines())).count(_plain(shown(text))) >= 11
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x1f]", "".join(pdf.lines()))
    assert pdf.embedded == b"PK"


def test_a_thousand_letters_without_a_blank_stay_on_the_paper() -> None:
    texts = ("ก" * 1000, "a" * 1000, "๑" * 300, "ขอเชิญประชุม" * 80)
    rows = [[[(text, "")], [(text, "")]] for text in texts]
    table = {"form": "table", "columns": [(("ผู้รับ", ""), 20), (("สถานะ", ""), 80)], "rows": rows}
    pdf = Pdf(typeset({**sheet_with(""), "sections": [{"title": ("ก", ""), "parts": [table]}]}, AT))
    lines = [line.replace("\u200b", "") for line in pdf.lines()]
    assert max(map(len, lines)) < 130
    assert [pdf.text.count(text) for text in texts[:3]] == [2, 2, 2], "all of it is there"
    assert pdf.text.count("ประชุม") == 160
    thai = [line.strip() for line in lines if "ประชุม" in line]
    assert len(thai) > 20
    assert all(line.endswith(("ขอ", "เชิญ", "ประชุม")) for line in thai), "and Thai breaks between words"


def test_a_subject_of_the_worst_kind_comes_through_the_whole_bus(
    sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    router = rig.Router(ledger)
    router.activate(rig.directory())
    activate_calendar(ledger, rig.calendar(), operator=by("tester"))
    subject = f'<b>#panic("no")</b> {"ก" * 700} \u202e 中'
    letter = factory.letter(content=Content(subject=subject))
    assert router.take(rig.delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"
    rig.signer(ledger, tmp_path).sign()
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(letter.letter_id))
        evidence = gather(reader, row.letter)
    ledger.close()
    assert f'<b>#panic("no")</b>{"ก" * 700}\\u202e\\u4e2d' in pdf_of(evidence).text
    html = printed(evidence, names_of(evidence), AT)
    assert "&lt;b&gt;#panic" in html
    assert "\u202e" not in html


def test_what_the_fonts_lack_stands_as_its_code() -> None:
    assert shown("หนังสือ A1 – เลข ๑๒") == "หนังสือ A1 – เลข ๑๒"
    assert shown("中😀\u0e3f") == "\\u4e2d\\U0001f600\u0e3f"


# ---- when it cannot be made ----------------------------------------------------------------------------------------


def test_a_failure_is_a_sentence_that_quotes_nothing(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotSet, match="ended with status 1") as failed:
        typeset({"title": ("secret", "")}, AT)
    assert "secret" not in str(failed.value)
    monkeypatch.setattr(making, "LARGEST", 10)
    with pytest.raises(NotSet, match="without the letter's files"):
        pdf_of(evidence, pack=bytes(11))
    monkeypatch.setattr(making, "_WITHIN", 0.0001)
    with pytest.raises(NotSet, match="took more than"):
        pdf_of(evidence)


def without_typst(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line where the extra is not installed."""
    program = "import sys; sys.modules['typst'] = None; from bus.cli.main import main; main()"
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_without_the_extra_it_says_how_to_install_it_and_prints_the_page(
    shell: Shell, told: dict[str, str]
) -> None:
    done = without_typst(shell.folder, "evidence", told["new"], "--certificate", "new.pdf")
    assert done.returncode == 2
    assert "pip install 'saraban-bus[pdf]'" in done.stderr
    assert ".html" in done.stderr
    with shell.ledger() as ledger:
        assert not rig.entries_of_kind(ledger, Kind.READ), "nothing was read, so nothing is entered"
    done = without_typst(shell.folder, "evidence", told["new"], "--certificate", "new.html")
    assert done.returncode == 0, done.stderr
    assert "นร ๐๑๐๕/ ๑๖๖" in (shell.folder / "new.html").read_text(encoding="utf-8")


# ---- the command ---------------------------------------------------------------------------------------------------


def test_the_command_writes_the_certificate_and_enters_the_reading(
    shell: Shell, told: dict[str, str]
) -> None:
    key = VerifierKey.parse(shell("ledger", "key"))
    said = shell.json("evidence", told["new"], "--certificate", "new.pdf")
    assert said == {"packs": [], "doubts": {}, "certificate": "new.pdf", "certificateDoubts": []}
    assert not Path("pack.asice").exists()
    Path("inside.asice").write_bytes(Pdf(Path("new.pdf").read_bytes()).embedded)
    assert judge(Path("inside.asice"), key).verdict == "pass"
    with zipfile.ZipFile("inside.asice") as archive:
        assert "letter.xml" in archive.namelist()
    with shell.ledger() as ledger:
        (read,) = rig.entries_of_kind(ledger, Kind.READ)
    assert (read["auditor"], read["what"], read["count"]) == ("somying", "evidence", 1)
    assert "evidence.asice" in shell(
        "evidence", told["new"], "-o", "kept.asice", "--certificate", "again.pdf"
    )
    assert Pdf(Path("again.pdf").read_bytes()).embedded == Path("kept.asice").read_bytes()


def test_the_command_refuses_what_would_be_no_certificate(shell: Shell, told: dict[str, str]) -> None:
    shell("evidence", told["new"], "--certificate", "new.docx", code=2)
    assert "neither .pdf nor .html" in shell.err
    shell("evidence", "--from", OPM, "--certificate", "all.html", code=2)
    assert "one letter" in shell.err
    shell("evidence", told["new"], "--certificate", "nowhere/new.html", code=64)
    with shell.ledger() as ledger:
        assert not rig.entries_of_kind(ledger, Kind.READ)
