"""The requests by which an office receives: look, lease, fetch, acknowledge; and the feed of all news."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import FileResponse, Response

from adapters import views
from adapters.connectors.rest.access import Reader, Shared, TheShared
from adapters.connectors.rest.problems import Problem
from adapters.connectors.rest.shapes import (
    Acknowledged,
    EventsShape,
    InboxItemShape,
    InboxShape,
    LeaseAsked,
    LeaseShape,
)
from adapters.connectors.rest.telling import NAME, event_of
from adapters.mailbox import InboxLetter, Mailbox
from bus.failpoints import reached
from bus.thai import BANGKOK

router = APIRouter(prefix="/v1")
Consignment = Annotated[int, Path(ge=1, le=2**53, description="the number under which the bus consigned it")]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/inbox", summary="Letters that wait to be taken")
def peek(shared: TheShared, _key: Reader, limit: Limit = 20, after: Cursor = 0) -> InboxShape:
    """List what is whole and not acknowledged, the oldest first; nothing changes by looking."""
    mailbox = shared.mailbox
    letters = [mailbox.inbox.get(row) for row in mailbox.doors.waiting(NAME, after=after, limit=limit)]
    more = len(letters) == limit
    return InboxShape(
        items=[_item(mailbox, each) for each in letters], next=letters[-1].consignment if more else None
    )


@router.get("/inbox/{consignment}", summary="What a letter says")
def read_letter(shared: TheShared, _key: Reader, consignment: Consignment) -> dict[str, Any]:
    """Give its content, its files and how it stands, in both calendars and with the words of every code."""
    letter = _letter(shared, consignment)
    raw = shared.mailbox.arrivals.get(letter.arrival).body
    hand_over = shared.mailbox.doors.hand_over(NAME, letter.id)
    view = views.content(raw) | views.received(shared.mailbox, letter)
    return view | {"local_id": hand_over.local_id if hand_over else None}


@router.post("/inbox/{consignment}/lease", summary="Lease a letter")
def lease(shared: TheShared, key: Reader, consignment: Consignment, body: LeaseAsked) -> LeaseShape:
    """Keep a letter from other keys while it is fetched; leased anew by the same key, the lease of before ends."""
    letter, at = _letter(shared, consignment), time.time()
    found = shared.mailbox.doors.lease(NAME, letter.id, key.id, at=at, until=at + body.seconds)
    if found.acknowledged_at is not None:
        raise Problem("lease.lost", "รับหนังสือนี้ไปแล้ว", "this letter has been acknowledged")
    if found.holder != key.id or found.lease is None:
        raise Problem("lease.held", retry_after=max(1, int(found.leased_until - at)))
    reached("rest.after-lease")
    return LeaseShape(
        lease=found.lease, until=datetime.fromtimestamp(found.leased_until, BANGKOK).isoformat()
    )


@router.get(
    "/inbox/{consignment}/document",
    summary="The signed document",
    response_class=Response,
    responses={200: {"content": {"application/xml": {"schema": {"type": "string"}}}}},
)
def document(shared: TheShared, _key: Reader, consignment: Consignment) -> Response:
    """Give the bytes that its sender signed."""
    return Response(
        shared.mailbox.arrivals.get(_letter(shared, consignment).arrival).body, media_type="application/xml"
    )


@router.get(
    "/inbox/{consignment}/files/{position}",
    summary="A file of a letter",
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    },
)
def file(
    shared: TheShared, _key: Reader, consignment: Consignment, position: Annotated[int, Path(ge=0, le=10_000)]
) -> Response:
    """Give the bytes of a file, whose SHA-256 the signed document states; never to be shown as a page."""
    letter = _letter(shared, consignment)
    found = next((each for each in shared.mailbox.inbox.files(letter.id) if each.position == position), None)
    if found is None:
        raise Problem("file.unknown")
    if not shared.mailbox.store.holds(found.sha256, found.size):
        shared.mailbox.inbox.restore(letter.id, "a file is gone from the store")
        raise Problem("now.unavailable", retry_after=5)
    headers = {"ETag": f'"{found.sha256}"', "Content-Disposition": "attachment"}
    return FileResponse(
        shared.mailbox.store.path(found.sha256), media_type="application/octet-stream", headers=headers
    )


@router.post("/inbox/{consignment}/acknowledge", summary="Say that a letter was taken")
def acknowledge(
    shared: TheShared, _key: Reader, consignment: Consignment, body: Acknowledged
) -> dict[str, Any]:
    """Say it once the letter and its files are durable there; the same again is the same answer."""
    letter = _letter(shared, consignment)
    reached("rest.before-acknowledge")
    doors = shared.mailbox.doors
    if not doors.acknowledge(NAME, letter.id, body.lease, body.local_id):
        found = doors.hand_over(NAME, letter.id)
        if found is None or found.lease != body.lease or found.acknowledged_at is None:
            raise Problem("lease.lost")
        if found.local_id != body.local_id:
            raise Problem("lease.lost", "รับหนังสือนี้ด้วยเลขอื่นไปแล้ว", "it was acknowledged under another local id")
    reached("rest.after-acknowledge")
    return {"consignment": consignment, "letter_id": letter.letter_id, "local_id": body.local_id}


@router.get("/events", summary="All news, in order")
def events(shared: TheShared, _key: Reader, after: Cursor = 0, limit: Limit = 50) -> EventsShape:
    """Give what has happened since a cursor, which the program keeps; nothing is ever taken out of the feed."""
    mailbox = shared.mailbox
    if after > mailbox.doors.newest():
        th, en = (
            "กล่องหนังสืออาจถูกกู้คืนจากสำเนา โปรดเริ่มใหม่จาก 0",
            "the mailbox may have been brought back; begin again from 0",
        )
        raise Problem("cursor.unknown", th, en)
    items = mailbox.news.after(after, limit)
    found = [event_of(mailbox, each) for each in items]
    return EventsShape(events=found, cursor=items[-1].id if items else after, more=len(items) == limit)


def _letter(shared: Shared, consignment: int) -> InboxLetter:
    row = shared.mailbox.doors.consigned(consignment)
    if row is None:
        raise Problem("letter.unknown")
    return shared.mailbox.inbox.get(row)


def _item(mailbox: Mailbox, letter: InboxLetter) -> InboxItemShape:
    hand_over = mailbox.doors.hand_over(NAME, letter.id)
    files = mailbox.inbox.files(letter.id)
    return InboxItemShape(
        consignment=letter.consignment,
        letter_id=letter.letter_id,
        sender=letter.sender,
        number=letter.number,
        subject=letter.subject,
        leased=hand_over is not None and hand_over.leased_until > time.time(),
        missing_files=[each.name for each in files if not mailbox.store.holds(each.sha256, each.size)],
    )
