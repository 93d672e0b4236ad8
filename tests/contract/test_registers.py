"""Forms 13 and 14 over a mailbox: what stands in them, how a year is read page by page, and no table scanned."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, insert

from adapters.connectors.drafts import composed
from adapters.connectors.folder.letters import put
from adapters.mailbox import Mailbox
from adapters.mailbox import registers as reading
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.tables import outbox
from adapters.registers import Line, form_13, form_14
from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.identifiers import as_letter_id
from bus.thai import BANGKOK
from tests.assets.factory import DGA, OCS, OPM, SOC, registration
from tests.contract.doors.door import World
from tests.unit.adapter.network import Bus, Office, sha

PDF = b"%PDF-1.7 sample"
AT = dt.datetime(2026, 3, 2, 9, 30, tzinfo=BANGKOK)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Mailbox(tmp_path / "mailbox", OCS) as mailbox:
        world = World(Office(mailbox, Bus(OCS)), tmp_path)
        world.hear(world.office.bus.directory())
        yield world


def arrive(world: World, number: str, **changes: Any) -> LetterKey:
    number_of = UUID(int=sum(map(ord, number)) + 1)
    world.receive({"หนังสือ.pdf": PDF}, letter_id=number_of, number=number, **changes)
    return LetterKey(letter_id=as_letter_id(number_of))


def register(world: World, key: LetterKey, number: str, at: dt.datetime = AT, **more: Any) -> None:
    verb = more.pop("verb", Verb.REGISTER)
    perform(world.mailbox, Act(verb=verb, letter=key, number=number, registered_at=at, **more))


def send(world: World, number: str, *to: str, date: str = "2026-03-02", **more: Any) -> None:
    file = Fingerprint(sha(PDF), len(PDF))
    source = world.folder / "sent.pdf"
    source.write_bytes(PDF)
    world.mailbox.store.take_in(source, file)
    content = {
        "number": number,
        "date": date,
        "subject": f"เรื่อง {number}",
        "to": list(to),
        "files": ["ก.pdf"],
    }
    put(world.mailbox, composed(world.mailbox, content | more, number or "none", {"ก.pdf": file}))


def received_in(world: World, year: int = 2569) -> list[Line]:
    return list(form_13(world.mailbox, world.mailbox.registers.received(year, limit=100)))


def sent_in(world: World, year: int = 2569) -> list[Line]:
    return list(form_14(world.mailbox, world.mailbox.registers.sent(year, limit=100)))


def test_a_registration_is_a_line_of_form_13_with_the_forms_columns(world: World) -> None:
    key = arrive(world, "นร 0105/ว 7", receivers=(Receiver(agency=OCS, job_title="เลขาธิการ"),))
    register(world, key, "๑๒", unit="กองกลาง", officer="สมศรี (ตัวอย่าง)")
    (line,) = received_in(world)
    assert line.day == {"iso": "2026-03-02", "thai": "2 มีนาคม 2569"}
    assert (line.register_number, line.number, line.receiver) == ("๑๒", "นร 0105/ว 7", "เลขาธิการ")
    assert line.sender == "สำนักงานปลัดสำนักนายกรัฐมนตรี"
    assert line.action == ("กองกลาง; สมศรี (ตัวอย่าง)",) * 2
    assert line.remark == ("", "")
    assert received_in(world, 2568) == []


def test_a_corrected_registration_keeps_its_line_and_says_what_replaced_it(world: World) -> None:
    key = arrive(world, "นร 0105/8")
    register(world, key, "12")
    register(world, key, "13", at=AT + dt.timedelta(minutes=5), verb=Verb.CORRECT)
    first, second = received_in(world)
    assert (first.register_number, first.remark) == ("12", ("แก้ไขแล้ว: 13", "corrected: 13"))
    assert (second.register_number, second.remark) == ("13", ("", ""))


def test_a_refused_letter_has_no_line_in_form_13(world: World) -> None:
    key = arrive(world, "นร 0105/9")
    perform(world.mailbox, Act(verb=Verb.REFUSE, letter=key, reason_code="wrong-agency"))
    assert received_in(world) == []
    assert list(world.mailbox.registers.years_received()) == []


def test_a_letter_sent_is_a_line_of_form_14_with_what_its_recipient_did(world: World) -> None:
    send(world, "นร 0901/ว 165", SOC, unit="กองกลาง", speed="004")
    (waiting,) = sent_in(world)
    assert waiting.action == ("รอส่ง", "not accepted yet")
    row = world.accept((SOC,))
    world.say(Event.REGISTERED, row, author=SOC, registration=_registration("๗๗"))
    (line,) = sent_in(world)
    assert (line.register_number, line.number) == ("ว 165", "นร 0901/ว 165")
    assert (line.sender, line.receiver) == ("กองกลาง", "สำนักเลขาธิการคณะรัฐมนตรี")
    assert line.action[0].endswith("๗๗")
    assert line.remark[1] != ""


def test_of_several_recipients_form_14_counts_the_outcomes(world: World) -> None:
    send(world, "นร 0901/1", SOC, DGA, OPM)
    row = world.accept((DGA, OPM, SOC))
    world.say(Event.REFUSED, row, author=SOC, reason_code="wrong-agency")
    (line,) = sent_in(world)
    assert sorted(re.findall(r"\d+", line.action[1])) == ["1", "2"]


def test_what_the_bus_refused_stays_a_line_and_says_why(world: World) -> None:
    send(world, "นร 0901/2", SOC)
    world.refuse("recipient.unknown")
    (line,) = sent_in(world)
    assert line.action[1].startswith("refused by the bus: ")


def test_a_letter_without_a_number_has_no_number_in_the_register(world: World) -> None:
    send(world, "", SOC)
    (line,) = sent_in(world)
    assert (line.register_number, line.number) == (None, None)


def test_both_registers_are_read_page_by_page_without_a_gap_or_a_repeat(world: World) -> None:
    for n in range(7):
        register(world, arrive(world, f"นร 0105/{n}"), str(n), at=AT + dt.timedelta(minutes=n // 3))
        send(world, f"นร 0901/{n}", SOC, date=f"2026-03-0{n // 3 + 1}")
    registers = world.mailbox.registers
    for read in (registers.received, registers.sent):
        seen, after = [], None
        while page := read(2569, after=after, limit=3):
            lines = list((form_13 if read == registers.received else form_14)(world.mailbox, page))  # type: ignore[arg-type]
            seen += [line.number for line in lines]
            after = lines[-1].place
        assert len(seen) == len(set(seen)) == 7
    seen, before = [], None
    while rows := registers.newest_sent(before=before, limit=3):
        seen += [row.number for row in rows]
        before = (rows[-1].created_at, rows[-1].id)
    assert seen == [f"นร 0901/{n}" for n in reversed(range(7))]


def test_years_are_those_of_which_there_is_a_line(world: World) -> None:
    assert list(world.mailbox.registers.years_sent()) == []
    send(world, "นร 0901/1", SOC, date="2024-12-31")
    send(world, "นร 0901/2", SOC, date="2026-01-01")
    register(world, arrive(world, "นร 0105/1"), "1")
    assert list(world.mailbox.registers.years_sent()) == [2567, 2568, 2569]
    assert list(world.mailbox.registers.years_received()) == [2569]
    assert [len(sent_in(world, year)) for year in (2567, 2568, 2569)] == [1, 0, 1]


def test_a_count_ends_where_it_would_cost_a_scan(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "COUNTED", 2)
    for n in range(4):
        send(world, f"นร 0901/{n}", SOC)
    register(world, arrive(world, "นร 0105/1"), "1")
    assert world.mailbox.registers.count_sent(2569) == 3
    assert world.mailbox.registers.count_received(2569) == 1


def test_no_page_of_a_register_reads_a_whole_table(world: World) -> None:
    register(world, arrive(world, "นร 0105/1"), "1")
    send(world, "นร 0901/1", SOC)
    world.accept((SOC,))
    _many_notices_of_the_outbox(world)
    engine, asked = world.mailbox._database.engine, []

    def note(_c: Any, _u: Any, statement: str, values: Any, _x: Any, _m: bool) -> None:
        asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    registers = world.mailbox.registers
    for after in (None, ("2026-03-02", 0)):
        assert received_in(world) or after
        registers.received(2569, after=after, limit=50)
        registers.sent(2569, after=after, limit=50)
        registers.newest_sent(before=("2999", 1) if after else None, limit=50)
    registers.count_received(2569), registers.count_sent(2569)
    registers.years_received(), registers.years_sent()
    sent_in(world)
    world.mailbox.drafts.of_row(1)
    world.mailbox.drafts.open(limit=50)
    world.mailbox.drafts.open(before=("2026", "x"), limit=50)
    event.remove(engine, "before_cursor_execute", note)
    selects = [each for each in asked if each[0].startswith("SELECT")]
    assert len(selects) > 15
    with engine.connect() as connection:
        for statement, values in selects:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            for row in plan:
                whole = re.match(
                    r"SCAN (outbox|notices|inbox|arrivals|desk_drafts)\b(?! USING .*INDEX)", row.detail
                )
                assert not whole, (row.detail, statement)
                assert "TEMP B-TREE" not in row.detail or "notices.letter_id" in statement, (
                    row.detail,
                    statement,
                )


def _registration(number: str) -> Any:
    return replace(registration(), number=number)


def _many_notices_of_the_outbox(world: World) -> None:
    """What an office that receives much has in its outbox: receipts."""
    first = world.mailbox.outbox.letters()[0]
    values = {"type": "notice", "content_key": "k", "document": b"", "digest": "d", "summary": "delivered"}
    rows = [
        values | {"reference": f"r{n}", "document_id": f"d{n}", "state": first.state, "created_at": "2026"}
        for n in range(500)
    ]
    with world.mailbox._database.writing() as connection:
        connection.execute(insert(outbox), rows)
