"""A posted letter into the outbox; the same one posted again is the same letter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid5

from adapters.connectors.ecms.errors import RefusedAs
from adapters.connectors.ecms.letters import Posted
from adapters.mailbox import Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.ecms import Request
from adapters.mailbox.files import Fingerprint
from bus.documents.letter import Replaces
from bus.errors import Refused
from bus.failpoints import reached

_LETTERS = UUID("b1a4a2b6-6d5e-5c1b-9f56-3f3f3a6f0c21")
"""Name space (RFC 9562, section 5.5) of the LetterIDs of what comes by e-CMS."""
_TURNED_AWAY = ("refused", "misdirected", "withdrawn", "handover-failed")


def put(mailbox: Mailbox, posted: Posted, request: Path, stated: Fingerprint) -> OutboxEntry:
    """Put it into the outbox with the bytes of its request, in one transaction; posted before, it is that row.

    What was turned away may be posted again: that is a new letter, which replaces the old one.
    """
    mailbox.outbox.take_files(posted.letter, posted.files)
    mailbox.store.take_in(request, stated)
    reached("ecms.before-put")
    with mailbox.transaction():
        known = mailbox.ecms.requests(posted.content)
        if known and not _turned_away(mailbox, known[-1][1]):
            return known[-1][1]
        count = len(known)
        reference = f"ecms:{posted.content}:{count}"
        letter = replace(posted.letter, letter_id=uuid5(_LETTERS, f"{mailbox.agency}\n{reference}"))
        if known and known[-1][1].state is OutboxState.ACCEPTED:
            old = known[-1][1]
            reason = "ส่งใหม่ทางระบบ e-CMS"
            letter = replace(
                letter, replaces=Replaces(letter_id=UUID(old.document_id), digest=old.digest, reason=reason)
            )
        try:
            row = mailbox.outbox.put_letter(letter, posted.files, reference)
        except Refused as exc:
            raise RefusedAs(exc.code, f"{exc.where} {exc.detail}".strip()) from exc
        mailbox.ecms.add_request(
            Request(
                outbox=row.id,
                content=posted.content,
                round=count,
                recipient=posted.recipient,
                request_sha256=stated.sha256,
            )
        )
    reached("ecms.after-put")
    return row


def _turned_away(mailbox: Mailbox, row: OutboxEntry) -> bool:
    if row.state is OutboxState.REFUSED:
        return True
    states = mailbox.states_of_sent(row)
    return bool(states) and all(each.state in _TURNED_AWAY for each in states)
