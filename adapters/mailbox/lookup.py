"""Which letter is meant: by its LetterID, by the office's own reference, or by number, date and sender."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from adapters.mailbox.entries import OutboxEntry
from adapters.mailbox.inbox import InboxLetter
from adapters.mailbox.mailbox import Mailbox
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.identifiers import LetterId
from bus.thai import thai_date

_Row = TypeVar("_Row", InboxLetter, OutboxEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterKey:
    """What an office says of the letter that it means; what is left out does not narrow the search."""

    letter_id: LetterId | None = None
    reference: str | None = None
    """Of a letter that this agency sent."""
    number: str | None = None
    """In either set of digits: numbers are compared normalised."""
    date: date | None = None
    sender: str | None = None

    def __str__(self) -> str:
        dated = thai_date(self.date) if self.date else None
        shown = (self.letter_id, self.reference, self.number, dated, self.sender)
        return ", ".join(filter(None, shown))


def received_letter(mailbox: Mailbox, key: LetterKey) -> InboxLetter:
    """The one received letter of this key; Mistaken when there is none, or more than one."""
    if key.letter_id is None and key.number is None:
        raise Mistaken(_nothing_named())
    rows = mailbox.inbox.letters(letter_id=key.letter_id, number=key.number)
    return _exactly_one([row for row in rows if _fits(row, key) and key.sender in (None, row.sender)], key)


def sent_letter(mailbox: Mailbox, key: LetterKey) -> OutboxEntry:
    """The one letter of ours of this key; Mistaken when there is none, or more than one."""
    if (key.letter_id or key.reference or key.number) is None:
        raise Mistaken(_nothing_named())
    if key.letter_id is None and key.reference is None:
        rows = mailbox.outbox.letters(key.number)
    else:
        found = mailbox.outbox.letter(letter_id=key.letter_id, reference=key.reference)
        rows = [found] if found else []
    return _exactly_one([row for row in rows if _fits(row, key)], key)


def any_key(text: str) -> LetterKey:
    """The key of what a person typed: a LetterID if it looks like one, else a number."""
    plain = text.strip().lower()
    is_id = len(plain) == 36 and plain.count("-") == 4
    return LetterKey(letter_id=LetterId(plain)) if is_id else LetterKey(number=text)


def _fits(row: InboxLetter | OutboxEntry, key: LetterKey) -> bool:
    return key.date is None or row.date == key.date.isoformat()


def _exactly_one(rows: list[_Row], key: LetterKey) -> _Row:
    if len(rows) == 1:
        return rows[0]
    if not rows:
        th = f"ไม่พบหนังสือ {key} ในตู้หนังสือนี้ โปรดตรวจเลขที่หนังสือ วันที่ หรือ LetterID"
        en = f"no letter {key} in this mailbox; check the number, the date or the LetterID"
    else:
        found = ", ".join(f"{row.letter_id} ({row.date}{_from(row)})" for row in rows[:5])
        th = f"พบหนังสือ {key} มากกว่าหนึ่งฉบับ โปรดระบุวันที่ LetterID หรือผู้ส่ง: {found}"
        en = f"more than one letter {key}; name the date, the LetterID or the sender: {found}"
    raise Mistaken(Mistake("letter", th, en))


def _from(row: InboxLetter | OutboxEntry) -> str:
    """Another sender may have chosen the same LetterID."""
    return f", {row.sender}" if isinstance(row, InboxLetter) else ""


def _nothing_named() -> Mistake:
    return Mistake(
        "letter",
        "ไม่ได้ระบุหนังสือ โปรดระบุ letter_id หรือ number กับ date",
        "no letter is named; give letter_id, or number and date",
    )
