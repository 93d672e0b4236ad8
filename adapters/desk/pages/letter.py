"""A letter received: what it says, its files, how it stands, its history and the clerks' notes."""

from __future__ import annotations

from typing import Any, Final

from adapters import views
from adapters.desk.asked import Asked
from adapters.desk.roles import CLERKS
from adapters.desk.todo import refresh
from adapters.mailbox import InboxLetter
from adapters.mailbox.acts import Verb
from adapters.mailbox.inbox import InboxFile
from bus.documents.lifecycle import Condition, Progress, Slot, violation
from bus.documents.notice import Event
from bus.errors import NotUnderstood
from bus.pages.answers import Answer, Elsewhere, NoSuchPage, NotAllowed, Page, Sent, Shown

MOST_NOTE: Final = 2000
"""Characters of a note."""
_PDF: Final = "application/pdf"
_NOT_SEALED: Final[views.View] = {"signers": (), "references": (), "enclosures": (), "body": None}
"""What a sealed letter does not say."""
_SAYS: Final = {
    Verb.REGISTER: Event.REGISTERED,
    Verb.REFUSE: Event.REFUSED,
    Verb.MISDIRECTED: Event.MISDIRECTED,
    Verb.GRANT: Event.WITHDRAWAL_GRANTED,
    Verb.DECLINE: Event.WITHDRAWAL_DECLINED,
    Verb.UNDER_ACTION: Event.UNDER_ACTION,
}
_DONE: Final = frozenset({*map(str, _SAYS), str(Verb.CORRECT)})


def letter(asked: Asked) -> Answer:
    """Show a letter, and remember who looked at it first."""
    refresh(asked.mailbox)
    row = received(asked)
    asked.mailbox.desk.seen(row.id, asked.person)
    with asked.mailbox.snapshot():
        value = view_of(asked, row)
    done = asked.value("done")
    return Shown("letter.html", value, {"most_note": MOST_NOTE, "just_done": done if done in _DONE else None})


def received(asked: Asked) -> InboxLetter:
    """Return the letter that an address names. Raises NoSuchPage."""
    row = int(asked.path["letter"])
    if asked.mailbox.desk.get(row) is None:
        refresh(asked.mailbox)  # it may have come since the list was read
        if asked.mailbox.desk.get(row) is None:
            raise NoSuchPage(str(row))
    return asked.mailbox.inbox.get(row)


def view_of(asked: Asked, row: InboxLetter) -> dict[str, Any]:
    """Return everything that the page shows of a letter."""
    mailbox = asked.mailbox
    todo = mailbox.desk.get(row.id)
    notices = mailbox.notices.about(row.letter_id, row.digest)
    doers = mailbox.desk.doers([each.outbox for each in notices if each.outbox is not None])
    content = _NOT_SEALED | views.content(mailbox.arrivals.get(row.arrival).body)
    content |= views.received(mailbox, row)
    for each in content["receivers"]:
        each["name"] = views.agency(mailbox, each["agency"]) if each["agency"] else None
    for position, file in enumerate(content["files"]):
        file |= {"position": position, "viewed": file["media_type"] == _PDF}
    return {
        "id": row.id,
        "letter": content,
        "seen": {"by": todo.seen_by, "at": views.when(todo.seen_at)} if todo and todo.seen_at else None,
        "done": todo.done if todo else False,
        "acts": [str(verb) for verb in permitted(asked, row)],
        "history": [
            views.said(mailbox, each)
            | {"person": doers[each.outbox].name if each.outbox in doers else None, "refused": each.void}
            for each in notices
        ],
        "notes": [
            {"at": views.when(each.at), "by": each.name, "text": each.text}
            for each in mailbox.desk.notes(row.id)
        ],
    }


def permitted(asked: Asked, row: InboxLetter) -> list[Verb]:
    """Return what this agency may say of a letter now."""
    if not row.state.delivered:
        return []
    progress = asked.mailbox.progress_of_received(row)
    may = [
        verb for verb, event in _SAYS.items() if not violation(event, None, asked.mailbox.agency, progress)
    ]
    return [*may, Verb.CORRECT] if _may_correct(progress) else may


def _may_correct(progress: Progress[Any]) -> bool:
    return Slot.ANSWER in progress.facts and not progress.holds(Condition.WITHDRAWN)


def add_note(asked: Asked) -> Answer:
    """Keep a note for the colleagues; it leaves this agency nowhere."""
    row, text = received(asked), asked.field("text")
    if not 0 < len(text) <= MOST_NOTE:
        raise NotUnderstood(f"a note of at most {MOST_NOTE} characters is needed")
    asked.mailbox.desk.add_note(row.id, asked.person, text)
    return Elsewhere(f"/inbox/{row.id}")


def document(asked: Asked) -> Answer:
    """Give the octets that the sender signed."""
    row = received(asked)
    raw = asked.mailbox.arrivals.get(row.arrival).body
    return Sent(raw, "application/xml", f"{row.letter_id}.xml")


def file(asked: Asked) -> Answer:
    """Give a file to be kept, whose SHA-256 the signed document states."""
    found = _file(asked)
    return Sent(asked.mailbox.store.path(found.sha256), "application/octet-stream", found.name)


def viewed(asked: Asked) -> Answer:
    """Give a PDF to the browser's own viewer; what does not begin as one is never shown."""
    found = _file(asked)
    place = asked.mailbox.store.path(found.sha256)
    with place.open("rb") as opened:
        begins = opened.read(5)
    if found.media_type != _PDF or begins != b"%PDF-":
        raise NoSuchPage(found.name)
    return Sent(place, _PDF, found.name, shown=True)


def _file(asked: Asked) -> InboxFile:
    row, position = received(asked), int(asked.path["position"])
    found = next((each for each in asked.mailbox.inbox.files(row.id) if each.position == position), None)
    if found is None:
        raise NoSuchPage(str(position))
    if not asked.mailbox.store.holds(found.sha256, found.size):
        asked.mailbox.inbox.restore(row.id, "a file is gone from the store")
        raise NotAllowed(
            "แฟ้มนี้หายไปจากเครื่องนี้ ระบบกำลังขอใหม่ โปรดลองอีกครั้งภายหลัง",
            "This file is gone from the store here, and is being fetched again; try again later.",
        )
    return found


PAGES = (
    Page("/inbox/{letter:int}/document", CLERKS, document, twin=False),
    Page("/inbox/{letter:int}/files/{position:int}", CLERKS, file, twin=False),
    Page("/inbox/{letter:int}/files/{position:int}/view", CLERKS, viewed, twin=False),
    Page("/inbox/{letter:int}/notes", CLERKS, add_note, act=True),
    Page("/inbox/{letter:int}", CLERKS, letter),
)
