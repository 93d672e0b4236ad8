"""The folder connector: complete or not yet, taken once, told once, nothing deleted, and reasons in words."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from adapters.connectors.folder.connector import FolderConnector
from adapters.mailbox import Mailbox, Message
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from tests.assets.factory import OCS, OPM, SOC
from tests.unit.adapter.network import Office, sha
from tests.unit.adapter.test_acts import judge, received, sent

LETTER: dict[str, Any] = {
    "number": "นร 0105/ว 165",
    "date": "22 พฤศจิกายน 2569",
    "speed": "ด่วนที่สุด",
    "to": [OCS, "group:everyone"],
    "copy": [SOC],
    "subject": "ซักซ้อมความเข้าใจ",
    "files": ["หนังสือ.pdf"],
    "signers": [{"given_name": "สมชาย (ตัวอย่าง)", "family_name": "ใจดี", "job_title": "ปลัด"}],
}


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    return tmp_path / "exchange"


class Clock:
    """The adapter's own clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def connector(office: Office, exchange: Path, **settings: Any) -> FolderConnector:
    if office.mailbox.directory() is None:
        office.mailbox.arrivals.store([office.bus.directory()])
        judge(office)
    return FolderConnector(office.mailbox, exchange, **settings)


def lay_out(exchange: Path, name: str, values: dict[str, Any], **files: bytes) -> Path:
    """A letter as a folder, complete."""
    hidden = exchange / "outbox" / f".{name}"
    hidden.mkdir(parents=True)
    (hidden / "letter.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
    for file, content in (files or {"หนังสือ.pdf": b"%PDF 1"}).items():
        (hidden / file).write_bytes(content)
    return hidden.rename(exchange / "outbox" / name)


def write(exchange: Path, name: str, text: str) -> None:
    (exchange / "outbox" / name).write_text(text, encoding="utf-8")


def letters(mailbox: Mailbox) -> list[Letter]:
    documents = [read(open_envelope(row.document).root) for row in mailbox.outbox.letters()]
    return [each for each in documents if isinstance(each, Letter)]


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_folder_with_a_manifest_becomes_a_letter_and_moves_to_sent(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "เรื่องแรก", LETTER)
    assert link.import_new() == 1
    (letter,) = letters(sender.mailbox)
    assert letter.date.isoformat() == "2026-11-22"
    assert (letter.speed, letter.kind, letter.acknowledgement) == ("004", "external", "registration")
    assert [(each.agency, each.group, each.role) for each in letter.receivers] == [
        (OCS, None, "to"),
        (None, "everyone", "to"),
        (SOC, None, "copy"),
    ]
    assert letter.main_file.media_type == "application/pdf"
    assert names(exchange / "sent") == ["เรื่องแรก"]
    assert names(exchange / "sent" / "เรื่องแรก") == ["letter.toml", "หนังสือ.pdf"]
    assert names(exchange / "outbox") == names(exchange / "working") == []
    assert sender.mailbox.store.path(letter.main_file.digest).read_bytes() == b"%PDF 1"


def test_a_manifest_takes_along_the_files_beside_it(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    (exchange / "outbox" / "หนังสือ.pdf").write_bytes(b"%PDF 1")
    (exchange / "outbox" / "other.pdf").write_bytes(b"of another letter to come")
    write(exchange, "a.letter.json", json.dumps(LETTER))
    assert link.import_new() == 1
    assert len(letters(sender.mailbox)) == 1
    assert names(exchange / "sent" / "a.letter.json") == ["a.letter.json", "หนังสือ.pdf"]
    assert names(exchange / "outbox") == ["other.pdf"]


def test_what_is_not_complete_is_left_alone(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    place = lay_out(exchange, "whole", LETTER)
    for name in (".hidden", "copying.part", "copying.tmp"):
        place.rename(exchange / "outbox" / name)
        assert link.import_new() == 0
        place = exchange / "outbox" / name
    (place / "หนังสือ.pdf").rename(place / "หนังสือ.pdf.part")
    place = place.rename(exchange / "outbox" / "whole")
    assert link.import_new() == 0
    (place / "หนังสือ.pdf.part").rename(place / "หนังสือ.pdf")
    assert link.import_new() == 1


def test_a_manifest_waits_for_its_files_for_a_while_only(sender: Office, exchange: Path) -> None:
    clock = Clock()
    link = connector(sender, exchange, patience=30, clock=clock)
    write(exchange, "a.letter.json", json.dumps(LETTER))
    assert link.import_new() == 0
    clock.now += 31
    assert link.import_new() == 1
    reason = (exchange / "failed" / "a.letter.json.reason.txt").read_text(encoding="utf-8")
    assert "ไม่พบไฟล์ หนังสือ.pdf" in reason
    assert "there is no file หนังสือ.pdf" in reason


def test_every_mistake_is_told_at_once_in_both_languages_and_can_be_mended(
    sender: Office, exchange: Path
) -> None:
    link = connector(sender, exchange)
    wrong = LETTER | {
        "date": "31/02/2569",
        "to": ["0100"],
        "copy": [],
        "speed": "faster",
        "subjekt": "x",
        "files": ["หนังสือ.exe"],
    }
    del wrong["subject"]
    lay_out(exchange, "first", wrong, **{"หนังสือ.exe": b"MZ"})
    lay_out(exchange, "second", LETTER)
    assert link.import_new() == 2, "one bad letter does not stop the next"
    assert len(letters(sender.mailbox)) == 1
    reason = (exchange / "failed" / "first.reason.txt").read_text(encoding="utf-8")
    for mentioned in ("date:", "to:", "speed:", "subject:", "subjekt:", "files:"):
        assert reason.count(f"- {mentioned}") == 2, mentioned
    assert names(exchange / "failed" / "first") == ["letter.toml", "หนังสือ.exe"]
    mended = exchange / "failed" / "first"
    (mended / "letter.toml").write_text(tomli_w.dumps(LETTER | {"number": "นร 2"}), encoding="utf-8")
    (mended / "หนังสือ.exe").rename(mended / "หนังสือ.pdf")
    mended.rename(exchange / "outbox" / "first")
    assert link.import_new() == 1
    assert len(letters(sender.mailbox)) == 2


@pytest.mark.parametrize("text", ["number = ", '{"number":', "[]", "\udcff", "x" * 2_000_000])
def test_a_manifest_that_cannot_be_read_fails_with_its_reason(
    sender: Office, exchange: Path, text: str
) -> None:
    link = connector(sender, exchange)
    name = "a.letter.json" if text[0] in "[{" else "a.letter.toml"
    (exchange / "outbox" / name).write_bytes(text.encode(errors="surrogateescape"))
    assert link.import_new() == 1
    assert names(exchange / "failed") == [name, f"{name}.reason.txt"]


def test_a_file_outside_or_behind_a_link_is_not_sent(sender: Office, exchange: Path, tmp_path: Path) -> None:
    link = connector(sender, exchange, patience=0)
    (tmp_path / "secret.pdf").write_bytes(b"%PDF secret")
    lay_out(exchange, "outside", LETTER | {"files": ["../../../secret.pdf"]})
    place = lay_out(exchange, "link", LETTER, other=b"")
    (place / "หนังสือ.pdf").symlink_to(tmp_path / "secret.pdf")
    assert link.import_new() == 2
    assert letters(sender.mailbox) == []
    assert "is no plain file" in (exchange / "failed" / "link.reason.txt").read_text(encoding="utf-8")


def test_the_same_letter_laid_out_twice_is_one_letter(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    for _ in range(2):
        lay_out(exchange, "once", LETTER)
        assert link.import_new() == 1
    assert len(letters(sender.mailbox)) == 1
    assert names(exchange / "sent") == ["once", "once~2"]
    lay_out(exchange, "once", LETTER | {"subject": "another letter under the same name"})
    link.import_new()
    assert len(letters(sender.mailbox)) == 2


def test_a_reference_never_stands_for_two_letters(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER | {"reference": "2569-1"})
    lay_out(exchange, "b", LETTER | {"reference": "2569-1", "subject": "อื่น"})
    assert link.import_new() == 2
    assert [each.sender_reference for each in letters(sender.mailbox)] == ["2569-1"]
    assert "reference" in (exchange / "failed" / "b.reason.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", ["claimed", "files half moved", "put"])
def test_a_crash_while_collecting_neither_loses_nor_doubles(
    sender: Office, exchange: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connector(sender, exchange)
    outbox = exchange / "outbox"
    for file in ("หนังสือ.pdf", "b.pdf"):
        (outbox / file).write_bytes(file.encode())
    write(exchange, "a.letter.json", json.dumps(LETTER | {"files": ["หนังสือ.pdf", "b.pdf"]}))
    moves = {"claimed": 1, "files half moved": 2, "put": 3}[step]
    rename = os.rename

    def until_power_fails(*names: Any, **folders: Any) -> None:
        nonlocal moves
        if moves == 0:
            raise KeyboardInterrupt
        moves -= 1
        rename(*names, **folders)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", until_power_fails)
        with pytest.raises(KeyboardInterrupt):
            link.import_new()
    assert connector(sender, exchange).import_new() == 1
    assert len(letters(sender.mailbox)) == 1
    assert names(exchange / "sent" / "a.letter.json") == ["a.letter.json", "b.pdf", "หนังสือ.pdf"]


def test_clerks_act_by_manifest_and_an_unknown_letter_is_a_reason(recipient: Office, exchange: Path) -> None:
    link = connector(recipient, exchange)
    key = received(recipient, number="นร 0105/1234")
    write(exchange, "a.register.toml", 'letter_number = "นร ๐๑๐๕/๑๒๓๔"\nnumber = "๑๒"\nofficer = "ตัวอย่าง"\n')
    write(exchange, "b.refuse.json", json.dumps({"letter_number": "นร 9/9", "reason": "ไม่ใช่"}))
    assert link.import_new() == 2
    state = recipient.mailbox.state_of_received(recipient.mailbox.inbox.letters()[0])
    assert (state.state, state.receiving_number) == ("registered", "๑๒")
    assert names(exchange / "sent") == ["a.register.toml"]
    assert "no letter นร 9/9" in (exchange / "failed" / "b.refuse.json.reason.txt").read_text(
        encoding="utf-8"
    )
    assert key.letter_id


def test_a_received_letter_is_shown_with_its_files_under_safe_names(
    recipient: Office, exchange: Path
) -> None:
    link = connector(recipient, exchange)
    received(recipient, number="นร 0105/1234")
    recipient.mailbox.store.path(recipient.mailbox.inbox.files(1)[0].sha256).parent.mkdir()
    recipient.mailbox.store.path(recipient.mailbox.inbox.files(1)[0].sha256).write_bytes(b"%PDF sample")
    assert link.export_news() == 1
    (name,) = names(exchange / "inbox")
    place = exchange / "inbox" / name
    assert "นร 0105-1234" in name
    assert names(place) == ["letter.json", "letter.xml", "หนังสือ.pdf"]
    row = recipient.mailbox.inbox.letters()[0]
    assert (place / "letter.xml").read_bytes() == recipient.mailbox.arrivals.get(row.arrival).body
    shown = json.loads((place / "letter.json").read_text(encoding="utf-8"))
    assert shown["letter_id"] == row.letter_id
    assert shown["sender"]["code"] == OPM
    assert shown["date"]["iso"] == row.date
    assert "25" in shown["date"]["thai"]
    assert link.export_news() == 0


@pytest.mark.parametrize("taken_away", [False, True])
@pytest.mark.parametrize("step", ["before", "after"])
def test_a_crash_while_telling_neither_loses_nor_doubles(
    sender: Office,
    exchange: Path,
    tmp_path: Path,
    step: str,
    taken_away: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = connector(sender, exchange)
    sent(sender, tmp_path)
    rename = os.rename

    def power_fails(*names: Any, **folders: Any) -> None:
        if step == "after":
            rename(*names, **folders)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", power_fails)
        with pytest.raises(KeyboardInterrupt):
            link.export_news()
    shown = names(exchange / "receipts")
    seen = [each for each in shown if not each.startswith(".")]
    if taken_away:
        for each in seen:
            (exchange / "receipts" / each).unlink()
    connector(sender, exchange).export_news()
    later = names(exchange / "receipts")
    assert all(not each.startswith(".") for each in later)
    assert len(set(seen) | set(later)) == 1
    assert later == ([] if taken_away and step == "after" else later[:1])


def test_the_answer_of_the_bus_comes_back_with_the_key_of_the_office(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER | {"reference": "2569-1"})
    link.import_new()
    row = sender.mailbox.outbox.letters()[0]
    sender.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    sender.mailbox.arrivals.store([sender.bus.refusal(sender.mailbox.outbox.get(row.id))])
    judge(sender)
    assert link.export_news() == 1
    (path,) = (exchange / "receipts").iterdir()
    told = json.loads(path.read_text(encoding="utf-8"))
    assert (told["event"], told["answers"]["reference"]) == ("refused-by-bus", "2569-1")
    assert told["answers"]["refusal"]["code"] == "recipient.unknown"
    assert told["answers"]["refusal"]["advice_th"]
    assert told["answers"]["refusal"]["may_be_sent_again"]


def test_a_refused_letter_laid_out_again_is_submitted_again(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER | {"reference": "2569-1"})
    link.import_new()
    row = sender.mailbox.outbox.letters()[0]
    sender.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    sender.mailbox.arrivals.store([sender.bus.refusal(sender.mailbox.outbox.get(row.id))])
    judge(sender)
    assert sender.mailbox.outbox.due(1e12, 10) == []
    lay_out(exchange, "a", LETTER | {"reference": "2569-1"})
    link.import_new()
    (due,) = sender.mailbox.outbox.due(1e12, 10)
    assert (due.id, due.raw) == (row.id, b"<signed/>")


def test_what_is_laid_out_together_may_be_about_one_another_and_a_mistake_stops_no_neighbour(
    sender: Office, exchange: Path
) -> None:
    link = connector(sender, exchange)
    replaces = {"number": LETTER["number"], "date": LETTER["date"], "reason": "ส่งใหม่"}
    lay_out(exchange, "1 first", LETTER)
    lay_out(exchange, "2 wrong", LETTER | {"number": "นร 0105/166", "to": ["nobody"]})
    lay_out(exchange, "3 anew", LETTER | {"number": "นร 0105/167", "replaces": replaces})
    lay_out(exchange, "4 last", LETTER | {"number": "นร 0105/168"})
    assert link.import_new() == 4
    assert names(exchange / "sent") == ["1 first", "3 anew", "4 last"]
    assert names(exchange / "failed") == ["2 wrong", "2 wrong.reason.txt"]
    by_number = {each.number: each for each in letters(sender.mailbox)}
    anew, first = by_number["นร 0105/167"], by_number["นร 0105/ว 165"]
    assert anew.replaces is not None
    assert anew.replaces.letter_id == first.letter_id


def test_what_cannot_even_be_looked_at_stops_nothing_else(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER)
    os.symlink("nowhere", exchange / "outbox" / "m.letter.toml")
    lay_out(exchange, "z", LETTER | {"number": "นร 0105/166"})
    assert link.import_new() == 3
    assert names(exchange / "sent") == ["a", "z"]
    assert names(exchange / "failed") == ["m.letter.toml", "m.letter.toml.reason.txt"]


def test_of_two_manifests_that_name_one_file_the_first_takes_it_along_and_the_other_waits(
    sender: Office, exchange: Path
) -> None:
    link = connector(sender, exchange)
    (exchange / "outbox" / "หนังสือ.pdf").write_bytes(b"%PDF 1")
    write(exchange, "a.letter.json", json.dumps(LETTER))
    write(exchange, "b.letter.json", json.dumps(LETTER | {"number": "นร 0105/166"}))
    assert link.import_new() == 1
    assert names(exchange / "failed") == []
    assert names(exchange / "outbox") == ["b.letter.json"]
    (exchange / "outbox" / "หนังสือ.pdf").write_bytes(b"%PDF 1")
    assert link.import_new() == 1


def test_what_was_told_before_a_mailbox_was_brought_back_is_neither_written_over_nor_in_the_way(
    recipient: Office, exchange: Path
) -> None:
    link = connector(recipient, exchange)
    received(recipient)
    file = recipient.mailbox.store.path(recipient.mailbox.inbox.files(1)[0].sha256)
    file.parent.mkdir()
    file.write_bytes(b"%PDF sample")
    assert link.export_news() == 1
    (letter,) = (exchange / "inbox").iterdir()
    (letter / "note of the clerk.txt").write_text("keep this")
    write(exchange, "1.json", "an older receipt")
    (exchange / "outbox" / "1.json").rename(exchange / "receipts" / "00000002-quarantined.json")
    recipient.mailbox.news.told("folder", 0)
    recipient.mailbox.news.prepared("folder", 0, [])
    recipient.mailbox.arrivals.store([Message(type="weather", body=b"?", headers={"consignment": 99})])
    (arrival,) = recipient.mailbox.arrivals.waiting(1e12, 10)
    recipient.mailbox.arrivals.quarantine(arrival.id, "message.unreadable", "no known type")
    assert link.export_news() == 2
    assert names(exchange / "inbox") == [letter.name]
    assert (letter / "note of the clerk.txt").read_text() == "keep this"
    assert len(names(exchange / "receipts")) == 2
    assert (exchange / "receipts" / "00000002-quarantined.json").read_text() == "an older receipt"
