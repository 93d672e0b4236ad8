"""What this agency's machine says about letters: delivered, or not to be handed over."""

from __future__ import annotations

from uuid import UUID

from adapters.mailbox.inbox import InboxLetter
from adapters.mailbox.mailbox import Mailbox
from adapters.mailbox.notices import machine_notice_id
from bus.codes import load_codes
from bus.documents.notice import Event, Notice, ReasonText
from bus.identifiers import AgencyCode, ContentDigest, LetterId
from bus.thai import now

_LONGEST_REASON = 1000
"""Characters, by the schema."""


def receipt(mailbox: Mailbox, letter: InboxLetter) -> tuple[Notice, str]:
    """The machine's receipt of a letter, with its reference; the same id whenever it is made."""
    return _machine_notice(mailbox.agency, Event.DELIVERED, letter.letter_id, letter.digest)


def failure(
    mailbox: Mailbox, letter_id: LetterId, digest: ContentDigest, code: str, detail: str = ""
) -> tuple[Notice, str]:
    """The machine's notice that a letter cannot be handed over for good, with its reference."""
    known = load_codes().refusals.get(code)
    th, en = (known.th, known.en) if known else (code, code)
    texts = (
        ReasonText(language="th", value=_cut(f"{th} {detail}")),
        ReasonText(language="en", value=_cut(f"{en} {detail}")),
    )
    return _machine_notice(mailbox.agency, Event.HANDOVER_FAILED, letter_id, digest, code, texts)


def event_uri_of(event: str) -> str | None:
    """The URI of the same event in ETSI EN 319 522-3, where there is one."""
    known = load_codes().events.get(event)
    return known.uri if known else None


def _machine_notice(
    author: AgencyCode,
    event: Event,
    letter_id: LetterId,
    digest: ContentDigest,
    code: str | None = None,
    texts: tuple[ReasonText, ...] = (),
) -> tuple[Notice, str]:
    notice = Notice(
        notice_id=machine_notice_id(event, digest, author),
        event=event,
        event_uri=event_uri_of(event),
        author=author,
        letter_id=UUID(letter_id),
        letter_digest=digest,
        about=(author,),
        event_time=now(),
        reason_code=code,
        reason_texts=texts,
    )
    return notice, f"{event}:{digest}"


def _cut(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_REASON]
