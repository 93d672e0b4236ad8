"""Sent: the letters of this agency, and of each what became of it at every recipient, and who is silent."""

from __future__ import annotations

from typing import Any, Final

from adapters import views
from adapters.connectors.folder.manifest import is_agency_code
from adapters.desk.asked import Asked
from adapters.desk.roles import CLERKS
from adapters.mailbox import OutboxEntry
from adapters.mailbox.acts import Found, Verb
from adapters.mailbox.states import views_of
from adapters.registers import outcome_of
from bus.documents.lifecycle import violation
from bus.documents.notice import Event
from bus.errors import NotUnderstood
from bus.identifiers import AgencyCode
from bus.pages.answers import Answer, NoSuchPage, Page, Sent, Shown
from bus.pages.given import given, place_in

_ON_A_PAGE: Final = 50
_RECIPIENTS: Final = 200
"""Recipients on a page; a circular may have ten thousand."""
_ANSWERED: Final = frozenset(
    {Event.REGISTERED, Event.REFUSED, Event.MISDIRECTED, Event.TRANSFERRED, Event.SETTLED}
)
_BAD: Final = frozenset({Event.REFUSED, Event.MISDIRECTED, Event.HANDOVER_FAILED})


def listed(asked: Asked) -> Answer:
    """List the letters of this agency, the last put out first."""
    query = given(asked, {"before"})
    mailbox, before = asked.mailbox, place_in(query, "before")
    with mailbox.snapshot():
        found = mailbox.registers.newest_sent(before=before, limit=_ON_A_PAGE + 1)
        rows = found[:_ON_A_PAGE]
        doers = mailbox.desk.doers([row.id for row in rows])
        letters = [
            _line(row)
            | {
                "outcome": outcome_of(mailbox, row),
                "person": doers[row.id].name if row.id in doers else None,
            }
            for row in rows
        ]
    last = rows[-1] if len(found) > _ON_A_PAGE else None
    return Shown(
        "sent.html", {"letters": letters, "before": f"{last.created_at}~{last.id}" if last else None}
    )


def letter(asked: Asked) -> Answer:
    """Show a letter of this agency: what it says, the bus's answer, and every recipient, the silent ones first."""
    query = given(asked, {"after"})
    row, mailbox = sent_row(asked), asked.mailbox
    with mailbox.snapshot():
        progress = mailbox.progress_of_sent(row)
        doer = mailbox.desk.doers([row.id]).get(row.id)
        draft = mailbox.drafts.of_row(row.id)
        value: dict[str, Any] = _line(row) | {
            "letter": views.content(row.document),
            "refusal": views.refusal(row),
            "last_error": row.last_error,
            "entry": row.entry,
            "person": doer.name if doer else None,
            "from_draft": draft is not None,
            "files": [
                {"position": each.position, "name": each.name, "size": each.size, "sha256": each.sha256}
                for each in mailbox.outbox.files(row.id)
            ],
        }
        value |= _recipients(asked, progress, query.get("after", ""))
    return Shown("sent_letter.html", value, {"words": _words(value)})


def file(asked: Asked) -> Answer:
    """Give a file of a letter of this agency, to be kept and not shown."""
    row = sent_row(asked)
    found = [
        each for each in asked.mailbox.outbox.files(row.id) if each.position == int(asked.path["position"])
    ]
    if not found or not asked.mailbox.store.holds(found[0].sha256, found[0].size):
        raise NoSuchPage("there is no such file here")
    return Sent(asked.mailbox.store.path(found[0].sha256), "application/octet-stream", found[0].name)


def sent_row(asked: Asked) -> OutboxEntry:
    """Return the letter that an address names. Raises NoSuchPage."""
    row = asked.mailbox.outbox.lookup(int(asked.path["letter"]))
    if row is None or row.type != "letter":
        raise NoSuchPage("there is no such letter")
    return row


def may(found: Found, verb: Verb) -> list[AgencyCode]:
    """Return the recipients to whom this agency may say that now."""
    event = {Verb.DISPUTE: Event.NUMBER_DISPUTED, Verb.WITHDRAW: Event.WITHDRAWAL_REQUESTED}[verb]
    return [code for code, progress in found.items() if violation(event, None, code, progress) is None]


def _recipients(asked: Asked, found: Found, after: str) -> dict[str, Any]:
    if after and not is_agency_code(after):
        raise NotUnderstood("after is no agency's code")
    states = views_of(found)
    silent = [each for each in states if each.state not in _ANSWERED and each.withdrawal != "granted"]
    quiet = {each.agency for each in silent}
    ordered = [*silent, *(each for each in states if each.agency not in quiet)]
    codes = [each.agency for each in ordered]
    begin = codes.index(AgencyCode(after)) + 1 if after in codes else 0
    page = ordered[begin : begin + _RECIPIENTS]
    disputable, withdrawable = set(may(found, Verb.DISPUTE)), set(may(found, Verb.WITHDRAW))
    return {
        "recipients": [
            views.state(asked.mailbox, each)
            | {
                "words": views.word(each.state),
                "looks": "bad" if each.state in _BAD else "good" if each.state in _ANSWERED else "waits",
                "silent": each.agency in quiet,
                "may_dispute": each.agency in disputable,
                "may_withdraw": each.agency in withdrawable,
            }
            for each in page
        ],
        "recipient_count": len(states),
        "silent_count": len(silent),
        "overdue_count": sum(1 for each in states if each.overdue),
        "may_withdraw": bool(withdrawable),
        "after": page[-1].agency if begin + len(page) < len(ordered) else None,
    }


def _line(row: OutboxEntry) -> dict[str, Any]:
    return {
        "id": row.id,
        "letter_id": row.document_id,
        "number": row.number,
        "date": row.date,
        "subject": row.subject,
        "state": str(row.state),
        "put_at": row.created_at,
        "answered_at": row.answered_at,
        "recipient_count": len(row.recipients),
    }


def _words(value: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The codes of a letter, in words."""
    letter = value["letter"]
    return {name: (letter[name]["th"], letter[name]["en"]) for name in ("kind", "speed", "secrecy")}


PAGES = (
    Page("/sent", CLERKS, listed),
    Page("/sent/{letter:int}", CLERKS, letter),
    Page("/sent/{letter:int}/files/{position:int}", CLERKS, file, twin=False),
)
