"""What auditors ask by and what they get: a mistake is never answered with "none", and every list can be exported."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from rich.cells import cell_len

from bus.documents.letter import Content, Letter, Receiver, Replaces
from bus.documents.notes import log_key
from bus.documents.signing import sign
from bus.identifiers import as_letter_id
from bus.ledger.checkpoint import Signer
from bus.ledger.entry import Kind, timestamp
from bus.ledger.store import Ledger
from tests.assets import factory
from tests.assets.digests import SOME_BYTES, SOME_CONTENT, raw_digest
from tests.assets.factory import DAY, NOW, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.test_bus_cli import Shell, bare, names, sheet, shell, signed_heads, told
from tests.contract.test_tree import unguarded

__all__ = ["bare", "shell", "signed_heads", "told"]
UNIT = "0100900001"
AGENCIES = f"""
version = 2
[bus]
certificates = [{{ file = "bus.crt.pem" }}]
[[agency]]
code = "{OPM}"
name_th = "สำนักงานปลัดสำนักนายกรัฐมนตรี"
name_en = "Office of the Permanent Secretary"
abbrev_th = "สปน."
abbrev_en = "OPM"
certificates = [{{ file = "{OPM}.crt.pem" }}]
[[agency]]
code = "{OCS}"
name_th = "สำนักงานคณะกรรมการกฤษฎีกา (ตัวอย่าง)"
name_en = "Office of the Council of State"
abbrev_th = "สคก."
abbrev_en = "OCS"
certificates = [{{ file = "{OCS}.crt.pem" }}]
[[agency]]
code = "{UNIT}"
name_th = "สำนักอำนวยการ"
name_en = "A unit"
inbox = false
parent = "{OCS}"
[[agency]]
code = "{SOC}"
name_th = "สำนักเลขาธิการคณะรัฐมนตรี"
name_en = "Secretariat of the Cabinet"
abbrev_th = "สลค."
abbrev_en = "SOC"
certificates = [{{ file = "{SOC}.crt.pem" }}]
"""


@pytest.fixture
def named(shell: Shell, told: dict[str, str]) -> Shell:
    """As `told`, and the agencies have got names and abbreviations since."""
    (shell.folder / "agencies.toml").write_text(AGENCIES, encoding="utf-8")
    shell("directory", "apply")
    return shell


@pytest.mark.parametrize(
    "called",
    [
        OPM,
        "๐๑๐๐๑๐๐๐๐๐",
        "สปน.",
        "สปน",
        "ส.ป.น.",
        "opm",
        "สำนักงานปลัดสำนักนายกรัฐมนตรี",
        "สำนักงาน\u200bปลัดสำนัก นายกรัฐมนตรี",
        "Office of the permanent secretary",
        f"{OPM} สำนักงานปลัดสำนักนายกรัฐมนตรี",
        f"Agency {OPM}",
    ],
)
def test_an_agency_is_understood_by_whatever_it_is_or_was_called(
    named: Shell, told: dict[str, str], called: str
) -> None:
    assert names(told, named.json("ledger", "find", "--from", called)) == ["new", "old"]
    assert names(told, named.json("ledger", "find", "--to", called)) == ["back"]
    found = named.json("ledger", "outstanding", "--agency", called)
    assert [one["letterId"] for one in found["outstanding"]] == [told["back"]]


def test_a_name_with_something_in_brackets_may_be_given_without(named: Shell, told: dict[str, str]) -> None:
    found = named.json("ledger", "find", "--from", "สำนักงานคณะกรรมการกฤษฎีกา")
    assert names(told, found) == ["back"]


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown code": (("find", "--to", "9999999999"), "no agency"),
    "a code with a digit too few": (("find", "--from", OPM[:-1]), OPM),
    "an abbreviation mistyped": (("find", "--from", "สปม."), OPM),
    "a name in part": (("find", "--from", "กฤษฎีกา"), OCS),
    "nothing": (("find", "--from", ""), "no agency"),
    "a name of two": (("find", "--from", "หน่วยงาน (ตัวอย่าง)"), f"{OPM} "),
    "a unit without an inbox": (("find", "--to", UNIT), f"go through {OCS}"),
    "an unknown recipient of outstanding letters": (("outstanding", "--agency", "9999999999"), "no agency"),
    "a state mistyped": (("find", "--state", "registred"), "registered"),
    "a state of nothing": (("find", "--state", "weather"), "the nearest are"),
    "a speed mistyped": (("outstanding", "--speed", "urgnt"), "002"),
    "a speed that is none": (("outstanding", "--speed", "5"), "no speed"),
    "a report mistyped": (("report", "reading"), "readings"),
    "a date that is none": (("find", "--date", "31/2/2569"), "is no date"),
    "a range that ends before it begins": (("find", "--date", "2026-03-31..2026-01-01"), "ends before"),
    "a hash that is too short": (("find", "--file", "9f86d081"), "64 hexadecimal digits"),
    "a certificate that nobody had": (("find", "--certificate", "4711"), "has ever had"),
    "no letters at all": (("find", "--limit", "-1"), "limit"),
    "hours before now": (("outstanding", "--older-than", "-5"), "older-than"),
    "a report on an unknown letter": (("report", "overdue", "--letter", "นร 9/9"), "no letter"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_meant_is_a_mistake_with_the_nearest_names_and_no_empty_answer(
    named: Shell, mistake: str
) -> None:
    words, hint = MISTAKES[mistake]
    for form in ((), ("--json",), ("--csv",)):
        assert named("ledger", *words, *form, code=2) == "", "nothing that looks like an answer"
        assert hint in " ".join(re.sub("[│\n]", " ", named.err).split())
        assert "Traceback" not in named.err


@pytest.mark.parametrize("option", [("--from", "9999999999"), ("--to", "สปม."), ("--range", "9..3")])
def test_no_pack_is_made_for_a_mistake(named: Shell, option: tuple[str, str]) -> None:
    named("evidence", *option, "-o", "none", code=2)
    assert not (named.folder / "none").exists()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("delivered", ["new"]),
        ("Delivered", ["new"]),
        ("ส่งถึงหน่วยงานผู้รับแล้ว", ["new"]),
        ("unacknowledged", ["back", "new", "old"]),
        ("ยังไม่ตอบรับ", ["back", "new", "old"]),
        ("handover failed", []),
        ("registered", []),
    ],
)
def test_a_state_is_understood_in_both_languages(
    named: Shell, told: dict[str, str], asked: str, found: list[str]
) -> None:
    assert names(told, named.json("ledger", "find", "--state", asked)) == found


@pytest.mark.parametrize("asked", ["001", "ปกติ", "normal", "๐๐๑"])
def test_a_speed_is_understood_by_its_name(named: Shell, asked: str) -> None:
    assert named.json("ledger", "outstanding", "--speed", asked)["count"] == 3
    assert named.json("ledger", "outstanding", "--speed", "ด่วนที่สุด")["count"] == 0


def test_a_file_is_found_by_itself(named: Shell, tmp_path: Path) -> None:
    (tmp_path / "some.pdf").write_bytes(b"%PDF-1.7 of no letter")
    assert named.json("ledger", "find", "--file", "some.pdf")["count"] == 0
    assert named.json("ledger", "find", "--file", factory.letter().main_file.digest)["count"] == 3


# ---- the same letter twice -----------------------------------------------------------------------------------------


@pytest.fixture
def repeated(shell: Shell) -> dict[str, int]:
    """Letters of OPM by what they share with `first`, and one of OCS that shares everything but its sender."""
    ledger = shell.ledger()
    router = rig.Router(ledger)
    entries: dict[str, int] = {}
    first = factory.letter(number="นร 0105/ว 165", main_file=factory.file(digest=SOME_BYTES))

    def send(name: str, letter: Letter, by: str = OPM) -> None:
        assert router.take(rig.delivery(sign(letter, factory.seal(by)).raw, by)).outcome == "accepted"
        with ledger.read() as reader:
            (row,) = reader.find_letters(letter_id=as_letter_id(letter.letter_id))
        entries[name] = row.letter

    def other(running: int, subject: str, **changes: Any) -> Letter:
        values: dict[str, Any] = {
            "number": f"นร 0105/{running}",
            "content": Content(subject=subject),
            "main_file": factory.file(digest=raw_digest(b"%d" % running)),
        }
        return factory.letter(**{**values, **changes})

    send("first", first)
    send("by number", other(1, "เรื่องอื่น", number="นร ๐๑๐๕/ว ๑๖๕"))
    replaces = Replaces(letter_id=first.letter_id, digest=SOME_CONTENT, reason="แก้ไขไฟล์")
    send("by number, said so", other(2, "เรื่องแก้ไข", number="นร 0105/ว 165", replaces=replaces))
    assert first.content is not None
    send("by subject", other(3, f" {first.content.subject}\u200b".strip()))
    send("by file", other(4, "เรื่องที่สี่", main_file=factory.file("อีกชื่อ.pdf", digest=SOME_BYTES)))
    send("only an attachment", other(5, "เรื่องที่ห้า", files=(factory.file("แบบ.pdf", digest=SOME_BYTES),)))
    theirs = replace(
        first, letter_id=UUID(int=77), sender=factory.sender(OCS), receivers=(Receiver(agency=OPM),)
    )
    send("of another sender", theirs, OCS)
    ledger.close()
    return entries


def test_what_looks_like_one_letter_sent_twice_is_reported_with_what_is_the_same_and_what_was_said(
    shell: Shell, repeated: dict[str, int]
) -> None:
    rows = shell.json("ledger", "report", "duplicates")["rows"]
    groups: dict[tuple[str, ...], list[str]] = {}
    by_entry = {entry: name for name, entry in repeated.items()}
    for row in rows:
        groups.setdefault(tuple(row["same"]), []).append(by_entry[row["letter"]])
    assert groups == {
        ("number and date",): ["first", "by number", "by number, said so"],
        ("subject",): ["first", "by subject"],
        ("main file",): ["first", "by file"],
    }
    (said,) = (row for row in rows if row["replaces"])
    assert (by_entry[said["letter"]], said["reason"]) == ("by number, said so", "แก้ไขไฟล์")
    only = shell.json("ledger", "report", "duplicates", "--letter", str(repeated["by file"]))["rows"]
    assert [by_entry[row["letter"]] for row in only] == ["first", "by file"]
    assert (
        shell.json("ledger", "report", "duplicates", "--letter", str(repeated["of another sender"]))["rows"]
        == []
    )
    table, _ = sheet(shell.raw("ledger", "report", "duplicates", "--csv"))
    assert len(table) == len(rows)
    assert "แก้ไขไฟล์" in shell("ledger", "report", "duplicates")


# ---- every list and report -----------------------------------------------------------------------------------------

LISTS = (
    ("find",),
    ("outstanding",),
    ("tail",),
    ("show", "นร 0105/166"),
    *(
        ("report", name)
        for name in ("overdue", "refused", "operators", "keys", "readings", "gaps", "duplicates")
    ),
)


@pytest.fixture
def eventful(named: Shell) -> Shell:
    """A ledger in which every list and report has something to say."""
    ledger: Ledger = named.ledger()
    router = rig.Router(ledger)
    assert router.take(rig.delivery(b"<broken", OPM)).outcome == "refused"
    again = factory.letter(receivers=(Receiver(agency=OCS),), number="นร 0105/166", date=NOW.date())
    assert router.take(rig.delivery(sign(again, factory.seal(OPM)).raw, OPM)).outcome == "accepted"
    with ledger.append() as writer:
        due = timestamp(NOW - DAY)
        writer.entry(Kind.OVERDUE, letter=4, deadline="receipt", due=due, silent=[OCS])
    ledger.close()
    named("ledger", "find", "--from", OPM)
    return named


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_every_list_and_report_is_readable_at_80_columns_and_opens_in_a_spreadsheet(
    eventful: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = eventful("ledger", *words)
    assert "{" not in said, "no Python and no JSON"
    assert "['" not in said
    lines = said.splitlines()
    for line in lines if words[0] not in ("tail", "show") else ():
        assert cell_len(line) <= 80 or not line.startswith(" "), line
    for token in re.findall("[0-9a-f]{8}-[0-9a-f]{4}[^ \n]*|[0-9a-f]{60,}", said):
        assert len(token) in (36, 64), "no id is broken"
    data = eventful.raw("ledger", *words, "--csv")
    assert data.startswith(b"\xef\xbb\xbf")
    rows, below = sheet(data)
    assert rows, "a report that says nothing shows nothing"
    for heading, value in ((heading, value) for row in rows for heading, value in row.items()):
        assert re.fullmatch(r"[^()]+ \([^()]+\)", heading), "Thai, and English beside"
        assert not re.match(r"[=+\-@\t]", value)
        assert not re.fullmatch("0[0-9]+", value), "no code loses its zeros"
    assert {"# คำถาม (query)", "# จำนวนแถว (rows)", "# สถานะบัญชี (ledger head)"} <= set(below)


def test_what_came_after_a_head_is_counted_and_never_less_than_nothing(
    shell: Shell, told: dict[str, str], signed_heads: object
) -> None:
    key = log_key(shell.folder / "keys" / "log.key.pem", "saraban.example/ledger")
    ledger = shell.ledger()
    with ledger.append() as writer:
        rig.some_entries(writer, 200)
    Signer(ledger, key, shell.folder / "log.head", anchor_every=timedelta(0)).sign()
    with ledger.read() as reader:
        head = reader.heads.newest()
    assert head is not None
    (shell.folder / "head").write_text(head.note, encoding="utf-8")
    assert "verified: 0 entries" in shell("ledger", "verify", "--since", "head")
    unguarded(ledger, f"DELETE FROM checkpoints WHERE size = {head.size}")
    unguarded(ledger, "DELETE FROM entries WHERE seq > 8")
    ledger.close()
    said = shell("ledger", "verify", "--since", "head", code=1)
    assert "the ledger has only 8 entries" in said
    assert not re.search(r"-[0-9]+ (entries|\w+)", said)
