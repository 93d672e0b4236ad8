"""The desk's writing, without scripts: drafts, recipients, files, the dry run, and a letter that is sent once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.desk.form import GROUPS, Written
from adapters.desk.form import TEXTS as NAMES
from adapters.mailbox import OutboxState
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract.console_rig import Visitor
from tests.contract.desk_office import IT, OTHER_CLERK, Desk, desk_of
from tests.unit.adapter.network import directory

PDF = b"%PDF-1.7 sample\n%%EOF\n"
TEXTS = {"number": "นร 0901/ว 7", "date": "27 พฤศจิกายน 2569", "subject": "ขอเชิญประชุม (ตัวอย่าง)"}
HOSTILE = '=HYPERLINK("x") <script>alert(1)</script> \u202e\' " {{ 7*7 }}'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk_of(OCS, tmp_path_factory.mktemp("desk")) as opened:
        opened.world.hear(opened.world.office.bus.directory(directory()))
        yield opened


def begun(visitor: Visitor, **form: str) -> str:
    answer = visitor.send("/write", form)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def save(visitor: Visitor, page: str, do: str = "save", *, files: Any = None, **fields: str) -> Any:
    version = str(visitor.json(page)["version"])
    return visitor.send(page, {"version": version, **TEXTS, "do": do, **fields}, files=files)


def pdf(name: str, content: bytes = PDF) -> tuple[str, tuple[str, bytes, str]]:
    return ("file", (name, content, "application/pdf"))


def ready(visitor: Visitor, *to: str) -> str:
    """A draft that can be sent."""
    page = begun(visitor)
    for each in to or (SOC,):
        assert save(visitor, page, f"to:{each}").status_code == 303
    assert save(visitor, page, files=[pdf("หนังสือ.pdf")]).status_code == 303
    return page


def send(visitor: Visitor, page: str) -> Any:
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', visitor.get(f"{page}/send").text)
    assert found is not None
    return visitor.send(f"{page}/send", {"seen": found[1]})


def test_a_secretary_sends_a_circular_with_three_files(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = begun(visitor)
    found = visitor.get(f"{page}?q=agency").text
    assert f'value="to:{SOC}"' in found
    for code in (SOC, DGA):
        save(visitor, page, f"to:{code}", q="agency")
    save(visitor, page, f"copy:{OPM}")
    three = [pdf("ก.pdf"), pdf("ข.pdf", b"%PDF-1.7 two\n%%EOF\n"), pdf("ค.pdf", b"%PDF-1.7 three\n%%EOF\n")]
    assert save(visitor, page, files=three).status_code == 303
    save(visitor, page, "first:ข.pdf")
    view = visitor.json(page)
    assert [each["name"] for each in view["files"]] == ["ข.pdf", "ก.pdf", "ค.pdf"]
    checked = visitor.json(f"{page}/send")
    assert (checked["would_be_refused"], checked["recipient_count"]) == (False, 3)
    answer = send(visitor, page)
    assert answer.headers["location"].startswith("/sent/")
    row = desk.world.sent()[-1]
    letter = read(open_envelope(row.document).root)
    assert isinstance(letter, Letter)
    assert [(one.agency, one.role) for one in letter.receivers] == [(SOC, "to"), (DGA, "to"), (OPM, "copy")]
    assert [one.name for one in letter.all_files] == ["ข.pdf", "ก.pdf", "ค.pdf"]
    assert (letter.number, letter.date.isoformat()) == ("นร 0901/ว 7", "2026-11-27")
    assert page.removeprefix("/write/") not in {each["id"] for each in visitor.json("/write")["drafts"]}
    sent = visitor.json("/sent")["letters"][0]
    assert (sent["subject"], sent["person"]) == (TEXTS["subject"], "สมศรี (ตัวอย่าง)")


def test_a_letter_that_is_sent_twice_is_one_letter(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = ready(visitor)
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', visitor.get(f"{page}/send").text)
    assert found is not None
    before = len(desk.world.sent())
    answers = [visitor.send(f"{page}/send", {"seen": found[1]}) for _ in range(2)]
    assert len({each.headers["location"] for each in answers}) == 1
    assert len(desk.world.sent()) == before + 1
    assert visitor.get(page).status_code == 404


def test_what_the_bus_would_refuse_is_said_and_not_sent(desk: Desk) -> None:
    visitor, before = desk.visited_by(), len(desk.world.sent())
    page = ready(visitor, "9999900000")
    save(visitor, page, date="1/1/2580", secrecy="004")
    checked = visitor.json(f"{page}/send")
    codes = {each["code"]: each["field"] for each in checked["reasons"]}
    assert codes == {
        "secrecy.excluded": "secrecy",
        "date.out-of-range": "date",
        "recipient.unknown": "to",
    }
    text = visitor.get(f"{page}?checked=1").text
    assert 'href="/write/' in text
    assert "recipient.unknown" in text
    assert 'name="seen"' not in visitor.get(f"{page}/send").text
    answer = visitor.send(f"{page}/send", {"seen": "0" * 64})
    assert answer.headers["location"] == f"{page}/send"
    assert len(desk.world.sent()) == before


def test_an_empty_draft_is_kept_and_says_what_is_missing(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = begun(visitor)
    where = {each["where"] for each in visitor.json(f"{page}/send")["reasons"]}
    assert {"subject", "to", "files"} <= where
    assert visitor.json("/write")["drafts"][0]["subject"] is None


def test_who_was_slower_sees_what_he_typed_and_overwrites_nothing(desk: Desk) -> None:
    one, other = desk.visited_by(), desk.visited_by(OTHER_CLERK)
    page = begun(one)
    assert save(other, page, subject="ของสมชาย").status_code == 303
    answer = one.send(page, {"version": "1", **TEXTS, "subject": "ของสมศรี", "do": "save"})
    assert answer.status_code == 409
    assert "ของสมศรี" in answer.text
    view = one.json(page)
    assert (view["subject"], view["changed_by"]) == ("ของสมชาย", "สมชาย (ตัวอย่าง)")
    assert save(one, page, subject="ของสมศรี").status_code == 303
    assert one.json(page)["subject"] == "ของสมศรี"


def test_what_was_seen_before_sending_is_what_is_sent(desk: Desk) -> None:
    one, other, before = desk.visited_by(), desk.visited_by(OTHER_CLERK), len(desk.world.sent())
    page = ready(one)
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', one.get(f"{page}/send").text)
    assert found is not None
    assert (
        other.send(f"{page}/files", {}, files=[pdf("อื่น.pdf", b"%PDF-1.7 other\n%%EOF\n")]).status_code == 303
    )
    answer = one.send(f"{page}/send", {"seen": found[1]})
    assert answer.status_code == 409
    assert len(desk.world.sent()) == before
    assert send(one, page).status_code == 303


def test_files_that_no_letter_may_carry_are_told_and_the_others_taken(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = begun(visitor)
    files = [pdf("ดี.pdf"), pdf("x.exe"), pdf("ว่าง.pdf", b"")]
    answer = save(visitor, page, files=files)
    assert answer.status_code == 400
    assert "x.exe" in answer.text
    assert "ว่าง.pdf" in answer.text
    assert [each["name"] for each in visitor.json(page)["files"]] == ["ดี.pdf"]
    assert visitor.json(page)["subject"] == TEXTS["subject"]


def test_a_file_that_is_larger_than_the_desk_takes_is_told(tmp_path: Path) -> None:
    with desk_of(OCS, tmp_path, largest_file=1000) as small:
        small.world.hear(small.world.office.bus.directory(directory()))
        visitor = small.visited_by()
        page = begun(visitor)
        answer = save(visitor, page, files=[pdf("ใหญ่.pdf", b"%PDF-" + b"x" * 2000 + b"%%EOF")])
        assert answer.status_code == 400
        assert "1,000" in answer.text
        assert visitor.json(page)["files"] == []


def test_an_answer_has_the_reference_and_goes_to_the_sender(desk: Desk) -> None:
    desk.world.receive({"หนังสือ.pdf": PDF}, number="นร 0105/9")
    visitor = desk.visited_by()
    item = visitor.json("/inbox?number=นร 0105/9")["letters"][0]
    assert 'name="answers"' in visitor.get(f"/inbox/{item['id']}").text
    page = begun(visitor, answers=str(item["id"]))
    view = visitor.json(page)
    assert [each["value"] for each in view["to"]] == [OPM]
    (reference,) = view["rows"]["references"]
    assert (reference["relation"], reference["number"]) == ("reply", "นร 0105/9")
    fields = {f"references-1-{name}": text for name, text in reference.items()}
    save(visitor, page, files=[pdf("ตอบ.pdf")], **fields)
    assert send(visitor, page).status_code == 303
    letter = read(open_envelope(desk.world.sent()[-1].document).root)
    assert isinstance(letter, Letter)
    assert letter.content is not None
    assert str(letter.content.references[0].letter_id) == reference["letter_id"]


def test_what_the_bus_refused_is_written_anew_and_replaces_it(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = ready(visitor)
    send(visitor, page)
    row = desk.world.refuse("recipient.unknown")
    assert row.state is OutboxState.REFUSED
    assert 'name="again"' in visitor.get(f"/sent/{row.id}").text
    anew = begun(visitor, again=str(row.id))
    view = visitor.json(anew)
    assert (view["replaces"], [each["name"] for each in view["files"]]) == (row.document_id, ["หนังสือ.pdf"])
    save(visitor, anew, replaces_reason="แก้ผู้รับ")
    assert send(visitor, anew).status_code == 303
    letter = read(open_envelope(desk.world.sent()[-1].document).root)
    assert isinstance(letter, Letter)
    assert letter.replaces is not None
    assert str(letter.replaces.letter_id) == row.document_id


def test_a_draft_is_deleted_after_a_question(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = begun(visitor)
    assert 'name="version" value="1"' in visitor.get(f"{page}/delete").text
    assert visitor.send(f"{page}/delete", {"version": "9"}).status_code == 409
    assert visitor.send(f"{page}/delete", {"version": "1"}).headers["location"] == "/write"
    assert visitor.get(page).status_code == 404
    assert visitor.send(page, {"version": "1", "do": "save"}).status_code == 404


def test_what_is_hostile_is_text(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = begun(visitor)
    fields = {name: HOSTILE for name in ("number", "subject", "body", "unit", "signers-1-given_name")}
    assert save(visitor, page, **fields).status_code == 303
    save(visitor, page, "to:<b>group</b>", files=[pdf("<img src=x>.pdf")], **fields)
    for path in ("/write", page, f"{page}?q={HOSTILE}", f"{page}/send", f"{page}/delete"):
        text = visitor.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "<b>group" not in text
        assert "49" not in re.findall(r"\b49\b", text)


def test_the_form_shows_every_field_that_it_keeps(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = begun(visitor)
    text = visitor.get(page).text
    shown = set(re.findall(r'<(?:input|select|textarea) id="([^"]+)"', text))
    shown |= set(re.findall(r'name="([^"]+)"', text))
    for name in NAMES:
        assert name in shown or name == "replaces_reason", name
    for group, columns in GROUPS.items():
        for column in columns:
            assert f"{group}-1-{column}" in shown or column == "letter_id"


def test_it_reads_nothing_of_letters(desk: Desk) -> None:
    visitor = desk.visited_by()
    page = ready(visitor)
    send(visitor, page)
    row = desk.world.sent()[-1].id
    it = desk.visited_by(IT)
    paths = (
        "/write",
        page,
        f"{page}/send",
        "/sent",
        f"/sent/{row}",
        "/registers/sent/2569",
        f"/sent/{row}/files/0",
    )
    for path in paths:
        answer = it.get(path)
        assert answer.status_code == 403, path
        assert TEXTS["subject"] not in answer.text
    for path in ("/write.json", "/sent.json", "/registers/sent/2569.csv"):
        assert it.get(path).status_code == 403, path
    for path in ("/write", page, f"{page}/send", f"/sent/{row}/withdraw"):
        assert it.send(path, {}).status_code == 403, path


def test_what_is_kept_is_what_a_form_of_before_kept() -> None:
    # Drafts outlive an upgrade: what they hold is read for as long as one of them may be open.
    old = (
        '{"texts": {"subject": "ก"}, "rows": {"signers": [{"given_name": "ข"}]}, "to": ["0100500000"], '
        '"copy": [], "replaces": null}'
    )
    written = Written.read(old)
    assert (written.texts, written.to) == ({"subject": "ก"}, ("0100500000",))
    assert Written.read(written.kept()) == written
