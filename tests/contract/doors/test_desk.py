"""The desk: a clerk finds what is to be done, reads it, answers it, and whoever did it is kept with the act."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from adapters.desk.door import DeskDoor
from adapters.desk.face import ROSTER
from adapters.desk.pages import inbox as inbox_page
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.tables import outbox
from bus.documents.notice import Event
from bus.errors import Misconfigured
from bus.operators import DeskRole
from bus.people import People, Person, hashing
from bus.settings.adapter import AdapterSettings, load_adapter_settings
from bus.thai import now
from compose.ports import free_ports
from tests.assets.factory import DGA, NAMES, OPM, letter, notice, sender
from tests.contract.console_rig import NO_TLS, Visitor
from tests.contract.desk_office import CLERK, IT, Desk, desk_over
from tests.contract.doors.door import World
from tests.contract.doors.test_doors import notices_of
from tests.unit.adapter.network import file_of, sha

FILES = {"หนังสือ.pdf": b"%PDF-1.7 one %%EOF", "annex.pdf": b"no pdf at all"}
SUBJECT = "<script>alert(1)</script> {{ 7*7 }} =HYPERLINK(1)"
PASSWORD = "a password of the tests"


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    with desk_over(world) as served:
        yield served


@pytest.fixture
def clerk(desk: Desk) -> Visitor:
    return desk.visited_by(CLERK)


def rows(visitor: Visitor, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visitor.json(f"/inbox{query}")["letters"]
    return found


def registered(clerk: Visitor, number: str = "๑๒๓") -> int:
    """Register the one letter that waits, and return its row."""
    (row,) = rows(clerk)
    form = {"number": number, "date": "27/11/2569", "time": "10:05", "officer": "สมศรี"}
    assert clerk.send(f"/inbox/{row['id']}/register", form).status_code == 303
    return int(row["id"])


def bus_says(world: World, event: Event, **fields: Any) -> None:
    """Have the sender say something about the one letter received."""
    (row,) = world.mailbox.inbox.letters()
    about: dict[str, Any] = {"letter_id": UUID(row.letter_id), "letter_digest": row.digest}
    world.hear(world.office.bus.notice(notice(event, author=OPM, **about, **fields)))


def test_what_is_most_urgent_is_first_and_what_is_due_before_what_is_not(
    world: World, clerk: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    urgent: dict[str, Any] = {"speed": "004"}
    world.receive(FILES, letter_id=UUID(int=1), speed="001")
    world.receive(FILES, letter_id=UUID(int=2), **urgent, due_by=now() + timedelta(days=2))
    world.receive(FILES, letter_id=UUID(int=3), **urgent, due_by=now() - timedelta(days=1))
    world.receive(FILES, letter_id=UUID(int=4), speed="002")
    found = rows(clerk)
    assert [UUID(each["letter_id"]).int for each in found] == [3, 2, 4, 1]
    assert [each["overdue"] for each in found] == [True, False, False, False]
    assert len(rows(clerk, "?speed=004")) == 2
    assert rows(clerk, f"?sender={DGA}") == []
    assert "overdue" in clerk.get("/inbox?lang=en").text
    assert clerk.get("/inbox.csv").content.startswith(b"\xef\xbb\xbf")
    monkeypatch.setattr(inbox_page, "ON_A_PAGE", 3)
    first = clerk.json("/inbox")
    second = clerk.json(f"/inbox?after={first['next']}")
    assert [each["id"] for each in first["letters"] + second["letters"]] == [each["id"] for each in found]
    assert second["next"] is None


@pytest.mark.parametrize(
    "query", ["show=all", "speed=9", "sender=x", "after=77", "what=1", "speed=001&speed=002"]
)
def test_what_cannot_be_asked_is_said_and_nothing_is_guessed(clerk: Visitor, query: str) -> None:
    assert clerk.get(f"/inbox?{query}").status_code == 400


def test_a_letter_is_registered_and_who_did_it_is_kept(world: World, clerk: Visitor) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    assert row["new"]
    clerk.get(f"/inbox/{row['id']}")
    assert not rows(clerk, "?show=new")
    assert "evidence of receipt" in clerk.get(f"/inbox/{row['id']}/register?lang=en").text
    registered(clerk)
    (made,) = notices_of(world)
    assert made.registration is not None
    assert (made.registration.number, made.registration.year) == ("๑๒๓", 2569)
    assert made.registration.registered_at.isoformat() == "2026-11-27T10:05:00+07:00"
    assert rows(clerk) == []
    (done,) = rows(clerk, "?show=done")
    shown = clerk.json(f"/inbox/{done['id']}")
    assert shown["history"][-1]["person"] == CLERK.name
    assert shown["seen"]["by"] == CLERK.name
    assert shown["acts"] == ["under-action", "correct"]


def test_a_letter_comes_back_when_the_bus_refuses_the_answer(world: World, clerk: Visitor) -> None:
    world.receive(FILES)
    registered(clerk)
    row = next(each for each in world.mailbox.outbox.due(1e12, 100) if each.summary == "registered")
    sealed = world.mailbox.outbox.seal(row, b"<signed/>", sha(b"<signed/>"))
    world.hear(world.office.bus.refusal(sealed, "notice.already-answered"))
    (again,) = rows(clerk)
    assert "register" in clerk.json(f"/inbox/{again['id']}")["acts"]
    assert clerk.json(f"/inbox/{again['id']}")["history"][-1]["refused"]


def test_a_letter_comes_back_when_its_number_is_disputed_until_it_is_corrected(
    world: World, clerk: Visitor
) -> None:
    world.receive(FILES)
    row = registered(clerk)
    bus_says(world, Event.NUMBER_DISPUTED)
    assert [each["standing"]["disputed"] for each in rows(clerk)] == [True]
    answer = clerk.send(f"/inbox/{row}/correct", {"number": "124", "date": "27/11/2569", "time": "10:10"})
    assert answer.status_code == 303
    assert rows(clerk) == []
    first, second = notices_of(world)
    assert second.supersedes == first.notice_id


def test_a_withdrawal_is_asked_for_and_granted(world: World, clerk: Visitor) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    assert clerk.get(f"/inbox/{row['id']}/grant").status_code == 409
    bus_says(world, Event.WITHDRAWAL_REQUESTED)
    assert {"grant", "decline"} <= set(clerk.json(f"/inbox/{row['id']}")["acts"])
    assert clerk.send(f"/inbox/{row['id']}/grant", {}).status_code == 303
    assert rows(clerk) == []
    assert clerk.json(f"/inbox/{row['id']}")["acts"] == []


def test_a_letter_is_sent_elsewhere_by_the_name_of_the_right_agency(world: World, clerk: Visitor) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    address = f"/inbox/{row['id']}/misdirected"
    unknown = clerk.send(f"{address}?lang=en", {"suggested_receiver": "no such agency", "reason": "x"})
    assert unknown.status_code == 422
    assert "is no agency here" in unknown.text
    assert notices_of(world) == []
    assert clerk.send(address, {"suggested_receiver": NAMES[DGA], "reason": "เป็นของ สพร."}).status_code == 303
    (made,) = notices_of(world)
    assert (made.event, made.suggested_receiver) == (Event.MISDIRECTED, DGA)


@pytest.mark.parametrize(
    ("verb", "form", "where"),
    [
        ("register", {"number": ""}, "number"),
        ("register", {"number": "1", "date": "31/2/2569"}, "date"),
        ("register", {"number": "1", "date": "27/11/2569", "time": "25:00"}, "time"),
        ("refuse", {}, "reason"),
        ("refuse", {"reason_code": "no-such"}, "reason_code"),
    ],
)
def test_every_mistake_is_told_at_its_field_in_both_languages_and_nothing_is_lost(
    world: World, clerk: Visitor, verb: str, form: dict[str, str], where: str
) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    for language in ("th", "en"):
        answer = clerk.send(f"/inbox/{row['id']}/{verb}?lang={language}", form)
        assert answer.status_code == 422
        assert f'href="#{where}"' in answer.text, answer.text
        assert f'id="{where}"' in answer.text
        assert all(f'value="{text}"' in answer.text for name, text in form.items() if name != "reason_code")
    assert notices_of(world) == []


def test_what_was_answered_at_another_door_is_done_here_too(world: World, clerk: Visitor) -> None:
    signed = world.receive(FILES)
    assert len(rows(clerk)) == 1
    (found,) = world.mailbox.inbox.letters(digest=signed.digest)
    perform(world.mailbox, Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=found.letter_id), number="7"))
    (done,) = rows(clerk, "?show=done")
    assert done["standing"]["receiving_number"] == "7"
    assert clerk.json(f"/inbox/{done['id']}")["history"][-1]["person"] is None


def test_notes_stay_in_the_house(world: World, clerk: Visitor) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    assert clerk.send(f"/inbox/{row['id']}/notes", {"text": "ส่งกองกฎหมาย <b>"}).status_code == 303
    assert clerk.send(f"/inbox/{row['id']}/notes", {"text": "x" * 2001}).status_code == 400
    (note,) = clerk.json(f"/inbox/{row['id']}")["notes"]
    assert (note["by"], note["text"]) == (CLERK.name, "ส่งกองกฎหมาย <b>")
    assert "ส่งกองกฎหมาย &lt;b&gt;" in clerk.get(f"/inbox/{row['id']}").text
    assert notices_of(world) == []


def test_a_file_is_kept_or_viewed_by_the_browser_and_never_a_page_of_ours(
    world: World, clerk: Visitor
) -> None:
    signed = world.receive(FILES)
    (row,) = rows(clerk)
    base = f"/inbox/{row['id']}"
    kept = clerk.get(f"{base}/files/0")
    assert kept.content == FILES["หนังสือ.pdf"]
    assert kept.headers["content-type"] == "application/octet-stream"
    assert kept.headers["content-disposition"].startswith("attachment;")
    viewed = clerk.get(f"{base}/files/0/view")
    assert viewed.headers["content-type"] == "application/pdf"
    assert viewed.headers["content-disposition"].startswith("inline;")
    assert viewed.headers["content-security-policy"].startswith("default-src 'none';")
    assert viewed.headers["x-content-type-options"] == "nosniff"
    # Called a PDF by its sender, and none.
    assert clerk.get(f"{base}/files/1/view").status_code == 404
    assert clerk.get(f"{base}/files/2").status_code == 404
    assert clerk.get("/inbox/99/files/0").status_code == 404
    assert clerk.get(f"{base}/document").content == signed.raw


def test_a_file_that_has_gone_is_said_to_be_fetched_again(world: World, clerk: Visitor) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    world.mailbox.store.path(sha(FILES["หนังสือ.pdf"])).unlink()
    assert clerk.get(f"/inbox/{row['id']}/files/0").status_code == 409
    assert str(world.mailbox.inbox.get(row["id"]).state) == "restoring"


def test_what_a_letter_says_is_text_on_pages_and_in_spreadsheets(world: World, clerk: Visitor) -> None:
    content = letter().content
    assert content is not None
    world.receive(FILES, content=replace(content, subject=SUBJECT))
    (row,) = rows(clerk)
    for path in ("/inbox", f"/inbox/{row['id']}", f"/inbox/{row['id']}/register"):
        page = clerk.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
    assert row["subject"] == SUBJECT
    table = clerk.get("/inbox.csv").content.decode("utf-8-sig")
    assert not re.search(r"(^|,)\"?=", table, re.M)


def test_it_sees_what_waits_and_why_and_nothing_of_what_letters_say(world: World, desk: Desk) -> None:
    world.receive(FILES)
    world.hear(world.office.bus.message("directory", world.office.bus.directory().body, consignment=9))
    visitor = desk.visited_by(IT)
    state = visitor.json("/state")
    assert state["missing_consignments"] == [{"first": 3, "last": 8}]
    assert {line["check"] for line in state["doctor"]} >= {"configuration", "mailbox", "directory"}
    assert any("does not run" in each["en"] for each in state["wrong"])
    subject = world.mailbox.inbox.letters()[0].subject
    assert subject
    for text in (visitor.get("/state").text, visitor.get("/state.json").text):
        assert subject not in text
    assert visitor.get("/inbox").status_code == 403


def test_it_sees_neither_what_the_office_calls_its_files_and_letters_nor_what_the_bus_says_of_them(
    world: World, desk: Desk
) -> None:
    names = ("ลับ-ย้ายผู้อำนวยการ.pdf", "ย้าย/ผู้อำนวยการ-42", "คำสั่งย้าย", "the director's transfer")
    file, reference, *details = names
    codes = (ConditionCode.OUTBOX_STUCK, ConditionCode.OUTBOX_WAITING, ConditionCode.OUTBOX_UNKNOWN)
    world.mailbox.conditions.report("folder", [Finding(code, file, *details) for code in codes])
    broker = Finding(ConditionCode.BROKER_AWAY, "", "ต่อไม่ได้", "cannot be reached")
    world.mailbox.conditions.report("broker", [broker])
    source = world.folder / "source.pdf"
    source.write_bytes(b"%PDF sample")
    made = letter(main_file=file_of(b"%PDF sample"), sender=sender(world.mailbox.agency))
    world.mailbox.outbox.put_letter(made, [source], reference)
    world.refuse("recipient.unknown")
    with world.mailbox._database.writing() as connection:
        connection.execute(update(outbox).values(refusal_detail=details[0]))
    clerk, visitor = desk.visited_by(CLERK), desk.visited_by(IT)
    of_clerk = clerk.get("/state").text + clerk.get("/state.json").text
    assert all(name in html.unescape(of_clerk) for name in names)
    for language in ("th", "en"):
        seen = visitor.get(f"/state?lang={language}").text + visitor.get("/state.json").text
        assert [name for name in names if name in html.unescape(seen)] == []
    state = visitor.json("/state")
    details_en = {each["code"]: each["detail_en"] for each in state["conditions"]}
    assert details_en == dict.fromkeys(codes) | {broker.code: broker.detail_en}
    assert {each.get("code") for each in state["wrong"]} >= {*codes, broker.code}
    (trouble,) = state["trouble"]
    assert trouble["id"] == str(made.letter_id)
    assert trouble["refusal"]["code"] == "recipient.unknown"


def test_a_person_signs_in_by_a_password_or_a_link_that_works_once(desk: Desk) -> None:
    person = Person("somsri", DeskRole.CLERK, now(), password=hashing.hash_of(PASSWORD))
    People.read(desk.site.section.people, ROSTER).add(person).write()
    with httpx.Client(base_url=desk.address, timeout=60) as client:
        form = re.search(r'name="form_token" value="(\w+)"', client.get("/sign-in").text)
        assert form is not None
        given = {"form_token": form[1], "name": "somsri", "password": PASSWORD}
        assert client.post("/sign-in", data=given | {"password": "wrong"}).status_code == 403
        assert client.post("/sign-in", data=given).headers["location"] == "/"
        assert client.get("/").headers["location"] == "/inbox"
    token = desk.site.store.make_link(person.by("local"), timedelta(minutes=1))
    assert desk.site.store.use_link(token) is not None
    assert desk.site.store.use_link(token) is None
    what = [each["what"] for each in desk.visited_by(IT).json("/sign-ins")["rows"]]
    assert what == ["in", "failed"]


def test_the_people_of_the_centre_are_nobody_here(desk: Desk, tmp_path: Path) -> None:
    file = desk.site.section.people
    file.write_text('[[person]]\nname = "x"\nrole = "steward"\nadded_at = 2026-01-01T00:00:00+07:00\n')
    file.chmod(0o600)
    with httpx.Client(base_url=desk.address, timeout=60) as client:
        form = re.search(r'name="form_token" value="(\w+)"', client.get("/sign-in").text)
        assert form is not None
        answer = client.post("/sign-in", data={"form_token": form[1], "name": "x", "password": PASSWORD})
        assert answer.status_code == 503


def test_a_form_without_files_is_not_read_beyond_a_mebibyte(clerk: Visitor) -> None:
    body = b"form_token=" + b"x" * (1024 * 1024 + 1)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert clerk.client.post("/sign-in", content=body, headers=headers).status_code == 413


async def test_the_door_serves_the_pages_until_it_is_told_to_stop(world: World) -> None:
    port, stop = free_ports(1)[0], asyncio.Event()
    folder = world.folder / "mailbox"
    settings = AdapterSettings(
        agency=world.mailbox.agency, mailbox={"folder": folder}, desk={"listen_port": port}
    )
    running = asyncio.create_task(DeskDoor(world.mailbox, settings).run(stop))
    async with httpx.AsyncClient(base_url=settings.desk.address, verify=NO_TLS) as client:
        while not running.done():
            with suppress(httpx.ConnectError):
                assert (await client.get("/")).headers["location"] == "/sign-in?to=%2F"
                break
            await asyncio.sleep(0.01)
        stop.set()
        await running
        with pytest.raises(httpx.ConnectError):
            await client.get("/")


def test_nothing_is_served_unencrypted_to_other_machines(tmp_path: Path) -> None:
    file = tmp_path / "adapter.toml"
    file.write_text('agency = "0100900000"\n[desk]\nlisten_host = "0.0.0.0"\n')
    with pytest.raises(Misconfigured, match=r"desk\.listen_host: serves unencrypted to other machines"):
        load_adapter_settings(file)
