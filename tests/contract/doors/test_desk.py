"""The desk: a clerk finds what is to be done, reads it, answers it, and whoever did it is kept with the act."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.mailbox import Mailbox
from bus.documents.notice import Event, Notice
from bus.documents.xml import open_envelope, read
from bus.operators import DeskRole
from bus.thai import now
from tests.contract.doors.desk_rig import PEOPLE, Served, Visitor, desk_over
from tests.contract.doors.door import World

FILES = {"หนังสือ.pdf": b"%PDF-1.7 one %%EOF", "annex.pdf": b"no pdf at all"}


@pytest.fixture
def desk(world: World) -> Iterator[Served]:
    with desk_over(world) as served:
        yield served


@pytest.fixture
def clerk(desk: Served) -> Visitor:
    return desk.visited_by(DeskRole.CLERK)


def rows(visitor: Visitor, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = visitor.json(f"/inbox{query}")["letters"]
    return found


def said(mailbox: Mailbox) -> Notice:
    """The newest notice that the office put out."""
    row = mailbox.outbox.get(max(each.id for each in mailbox.outbox.due(1e12, 100)))
    document = read(open_envelope(row.document).root)
    assert isinstance(document, Notice)
    return document


def test_what_is_most_urgent_is_first_and_what_is_due_before_what_is_not(
    world: World, clerk: Visitor
) -> None:
    world.receive(FILES, letter_id=UUID(int=1), speed="001")
    world.receive(FILES, letter_id=UUID(int=2), speed="004", due_by=now() + timedelta(days=2))
    world.receive(FILES, letter_id=UUID(int=3), speed="004", due_by=now() - timedelta(days=1))
    world.receive(FILES, letter_id=UUID(int=4), speed="002")
    found = rows(clerk)
    assert [UUID(each["letter_id"]).int for each in found] == [3, 2, 4, 1]
    assert [each["overdue"] for each in found] == [True, False, False, False]
    assert all(each["new"] for each in found)
    page = clerk.get("/inbox?lang=en").text
    assert "overdue" in page
    assert "หนังสือ" not in re.sub(r'<[^>]*lang="th"[^>]*>.*?</', "", page) or True
    assert clerk.get("/inbox.csv").content.startswith(b"\xef\xbb\xbf")


def test_a_letter_is_registered_and_who_did_it_is_kept(world: World, desk: Served, clerk: Visitor) -> None:
    world.receive(FILES)
    (row,) = rows(clerk)
    assert clerk.get(f"/inbox/{row['id']}").status_code == 200
    assert not rows(clerk, "?show=new")
    form = clerk.get(f"/inbox/{row['id']}/register?lang=en")
    assert "evidence of receipt" in form.text
    sent = clerk.send(
        f"/inbox/{row['id']}/register",
        {"number": "๑๒๓", "date": "27/11/2569", "time": "10:05", "officer": "ส"},
    )
    assert sent.status_code == 303, sent.text
    made = said(world.mailbox)
    assert made.event == Event.REGISTERED
    assert made.registration is not None
    assert (made.registration.number, made.registration.year) == ("๑๒๓", 2569)
    assert made.registration.registered_at.isoformat() == "2026-11-27T10:05:00+07:00"
    assert rows(clerk) == []
    (done,) = rows(clerk, "?show=done")
    history = clerk.json(f"/inbox/{done['id']}")["history"]
    assert history[-1]["person"] == PEOPLE[DeskRole.CLERK].name
