"""The desk's letters sent and its registers: outcomes, who is silent, dispute and withdrawal, pages, CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.connectors.drafts import composed
from adapters.connectors.folder.letters import put
from adapters.desk.pages import registers as register_pages
from adapters.desk.pages import sent as sent_pages
from adapters.mailbox import OutboxEntry
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.lookup import LetterKey
from bus.documents.letter import Content
from bus.documents.notice import Event
from bus.identifiers import AgencyCode, as_letter_id
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC, registration
from tests.contract.desk_office import Desk, desk_of
from tests.unit.adapter.network import directory, sha

PDF = b"%PDF-1.7 sample\n%%EOF\n"
HOSTILE = "=1+1 <script>alert(1)</script>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk_of(OCS, tmp_path_factory.mktemp("desk")) as opened:
        opened.world.hear(opened.world.office.bus.directory(directory()))
        yield opened


def sent(desk: Desk, *to: str, date: str = "2026-03-02", subject: str = "เรื่อง (ตัวอย่าง)") -> OutboxEntry:
    """A letter of ours that is in the outbox."""
    source, file = desk.world.folder / "sent.pdf", Fingerprint(sha(PDF), len(PDF))
    source.write_bytes(PDF)
    desk.mailbox.store.take_in(source, file)
    key = uuid.uuid4().hex
    content = {
        "number": f"นร 0901/{key[:6]}",
        "date": date,
        "subject": subject,
        "to": list(to),
        "files": ["ก.pdf"],
    }
    return put(desk.mailbox, composed(desk.mailbox, content, key, {"ก.pdf": file}))


def accepted(desk: Desk, *to: AgencyCode) -> OutboxEntry:
    sent(desk, *to)
    return desk.world.accept(tuple(sorted(to)))


def test_the_silent_stand_first_and_are_counted(desk: Desk) -> None:
    row = accepted(desk, SOC, DGA, OPM)
    desk.world.say(Event.REGISTERED, row, author=DGA, registration=registration("๔๕"))
    visitor = desk.visited_by()
    view = visitor.json(f"/sent/{row.id}")
    assert (view["recipient_count"], view["silent_count"]) == (3, 2)
    assert [each["agency"]["code"] for each in view["recipients"]][-1] == DGA
    assert [each["silent"] for each in view["recipients"]] == [True, True, False]
    assert view["recipients"][-1]["receiving_number"] == "๔๕"
    text = visitor.get(f"/sent/{row.id}?lang=en").text
    assert "2 of 3 have not answered" in text
    assert "๔๕" in text


def test_recipients_are_shown_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent_pages, "_RECIPIENTS", 2)
    row, visitor = accepted(desk, SOC, DGA, OPM), desk.visited_by()
    first = visitor.json(f"/sent/{row.id}")
    second = visitor.json(f"/sent/{row.id}?after={first['after']}")
    codes = [each["agency"]["code"] for page in (first, second) for each in page["recipients"]]
    assert sorted(codes) == sorted((SOC, DGA, OPM))
    assert second["after"] is None
    assert visitor.get(f"/sent/{row.id}?after=x").status_code == 400


def test_a_number_is_disputed_and_a_letter_withdrawn_after_a_question(desk: Desk) -> None:
    row, visitor = accepted(desk, SOC, DGA), desk.visited_by()
    desk.world.say(Event.REGISTERED, row, author=SOC, registration=registration("๔๕"))
    for verb, code, event in (
        ("dispute", SOC, Event.NUMBER_DISPUTED),
        ("withdraw", DGA, Event.WITHDRAWAL_REQUESTED),
    ):
        page = f"/sent/{row.id}/{verb}"
        assert f"recipient={code}" in visitor.get(f"/sent/{row.id}").text
        assert visitor.json(f"{page}?recipient={code}")["recipient_count"] == 1
        without = visitor.send(page, {"recipient": code, "reason": " "})
        assert without.status_code == 400
        done = visitor.send(page, {"recipient": code, "reason": "เลขผิด (ตัวอย่าง)"})
        assert done.headers["location"] == f"/sent/{row.id}#recipients"
        assert [each.event for each in desk.mailbox.notices.about(row.own_letter_id) if each.author == OCS][
            -1
        ] == event
        (doer,) = desk.mailbox.desk.doers(
            [desk.mailbox.notices.about(row.own_letter_id)[-1].outbox or 0]
        ).values()
        assert doer.name == "สมศรี (ตัวอย่าง)"
    assert visitor.get(f"/sent/{row.id}/dispute?recipient={DGA}").status_code == 409
    states = {each["agency"]["code"]: each for each in visitor.json(f"/sent/{row.id}")["recipients"]}
    assert states[SOC]["disputed"] is True
    assert states[DGA]["withdrawal"] == "requested"


def test_a_letter_is_withdrawn_from_all_recipients_at_once(desk: Desk) -> None:
    row, visitor = accepted(desk, SOC, DGA), desk.visited_by()
    assert visitor.json(f"/sent/{row.id}/withdraw")["recipient_count"] == 2
    assert visitor.send(f"/sent/{row.id}/withdraw", {"reason": "ผิดฉบับ"}).status_code == 303
    states = visitor.json(f"/sent/{row.id}")["recipients"]
    assert [each["withdrawal"] for each in states] == ["requested", "requested"]


def test_of_a_letter_that_is_not_accepted_nothing_can_be_said(desk: Desk) -> None:
    row, visitor = sent(desk, SOC), desk.visited_by()
    for verb in ("dispute", "withdraw"):
        assert visitor.get(f"/sent/{row.id}/{verb}").status_code == 409
    assert visitor.json(f"/sent/{row.id}")["recipients"] == []


def test_a_file_is_given_to_be_kept_and_not_shown(desk: Desk) -> None:
    row, visitor = sent(desk, SOC), desk.visited_by()
    answer = visitor.get(f"/sent/{row.id}/files/0")
    assert answer.content == PDF
    assert answer.headers["content-disposition"].startswith("attachment")
    assert visitor.get(f"/sent/{row.id}/files/7").status_code == 404


def test_what_is_no_letter_of_ours_is_not_found(desk: Desk) -> None:
    desk.world.receive({"ก.pdf": PDF}, letter_id=uuid.uuid4())
    visitor, receipt = (
        desk.visited_by(),
        max(each.id for each in desk.mailbox.outbox.due(1e12, 1000) if each.type != "letter"),
    )
    assert visitor.get(f"/sent/{receipt}").status_code == 404
    assert visitor.get("/sent/999999").status_code == 404
    assert visitor.get("/sent?before=x~y").status_code == 400


def test_letters_sent_are_listed_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [sent(desk, SOC).id for _ in range(3)]
    monkeypatch.setattr(sent_pages, "_ON_A_PAGE", 2)
    visitor, seen, path = desk.visited_by(), [], "/sent"
    for _ in range(2):
        page = visitor.json(path)
        seen += [each["id"] for each in page["letters"]]
        path = f"/sent?before={page['before'].replace('+', '%2B')}"
    assert seen[:3] == rows[::-1]


def test_registers_are_shown_printed_and_taken_as_csv(desk: Desk) -> None:
    desk.world.receive(
        {"ก.pdf": PDF},
        letter_id=(one := uuid.uuid4()),
        number="-1+1",
        date=dt.date(2026, 3, 2),
        content=_hostile(),
    )
    act = Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=as_letter_id(one)), number="๑๒")
    perform(desk.mailbox, act)
    sent(desk, SOC, subject=HOSTILE)
    visitor = desk.visited_by()
    start = visitor.get("/registers")
    year = int(start.headers["location"].rpartition("/")[2])
    for form in ("received", "sent"):
        path = f"/registers/{form}/{year}"
        view = visitor.json(path)
        assert view["lines"]
        text = visitor.get(path).text
        assert "<script>alert" not in text
        assert "แบบที่ 1" in text
        answer = visitor.get(f"{path}.csv")
        assert answer.content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        assert len(rows[0]) == 9
        assert [cell.partition(" (")[0] for cell in rows[0][2:]] == [
            "ที่",
            "ลงวันที่",
            "จาก",
            "ถึง",
            "เรื่อง",
            "การปฏิบัติ",
            "หมายเหตุ",
        ]
        lines = rows[1 : rows.index([])]
        assert len(lines) == view["count"]
        assert any(cell == f"'{HOSTILE}" for line in lines for cell in line)
        assert not any(cell.startswith(("=", "+", "@", "-")) for line in lines for cell in line)


def test_a_register_goes_on_where_its_page_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in ("2020-01-02", "2020-01-01", "2020-01-02"):
        sent(desk, SOC, date=day)
    monkeypatch.setattr(register_pages, "_ON_A_PAGE", 2)
    visitor = desk.visited_by()
    first = visitor.json("/registers/sent/2563")
    second = visitor.json(f"/registers/sent/2563?after={first['after']}")
    days = [each["day"] for page in (first, second) for each in page["lines"]]
    assert days == ["2020-01-01", "2020-01-02", "2020-01-02"]
    assert second["after"] is None
    monkeypatch.setattr(register_pages, "_MOST_CSV", 2)
    text = visitor.get("/registers/sent/2563.csv").content.decode("utf-8-sig")
    assert "after=2020-01-02~" in text


@pytest.mark.parametrize("path", ["/registers/sent/2400", "/registers/other/2569", "/registers/sent/99999"])
def test_a_register_that_there_is_not_is_not_found(desk: Desk, path: str) -> None:
    assert desk.visited_by().get(path).status_code == 404


def test_a_place_that_is_none_is_not_understood(desk: Desk) -> None:
    assert desk.visited_by().get("/registers/sent/2569?after=x").status_code == 400


def _hostile() -> Content:
    content = factory.letter().content
    assert content is not None
    return replace(content, subject=HOSTILE)
