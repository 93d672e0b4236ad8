"""What letters can be found by; every question is answered from an index, but for words on SQLite.

Number and words are looked for in the form in which they are compared: what looks the same is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any, Final, TypedDict

from sqlalchemy import Select, or_, select

from bus.identifiers import AgencyCode, LetterId, RawDigest
from bus.ledger.rows import LetterRow
from bus.ledger.tables import entries, letter_files, letters, recipients
from bus.thai import comparable, normalise_number

LISTED: Final = tuple(letters.c[field.name] for field in fields(LetterRow))
"""The columns of a letter that a `LetterRow` is made of, in its order."""


class Asked(TypedDict, total=False):
    """What is asked for; what is left out, None or empty asks for nothing."""

    letters: Collection[int] | None
    """Only letters of these ledger numbers; an empty collection has none."""

    letter_id: LetterId | None
    number: str | None
    """In either set of digits."""
    sender: AgencyCode | None
    recipient: AgencyCode | None
    since: str | None
    """The letter's date, ISO, inclusive; `until` likewise."""
    until: str | None
    accepted_by: str | None
    """A ledger time, inclusive."""
    words: Sequence[str]
    """All of them stand in the subject."""
    file: RawDigest | None
    """SHA-256 of a file that the letter names."""
    certificates: Sequence[str]
    """SHA-256 of the certificates of which one signed it."""


def letters_query(before: int | None, limit: int, asked: Asked) -> Select[Any]:
    """Return the query for the letters to which everything applies, newest first, below a ledger number."""
    query = select(*LISTED).order_by(letters.c.letter.desc()).limit(limit)
    if before:
        query = query.where(letters.c.letter < before)
    for name, column in (("letter_id", letters.c.letter_id), ("sender", letters.c.sender)):
        if value := asked.get(name):
            query = query.where(column == value)
    if number := asked.get("number"):
        query = query.where(letters.c.number_normalised == normalise_number(number))
    if (some := asked.get("letters")) is not None:
        query = query.where(letters.c.letter.in_(some))
    if recipient := asked.get("recipient"):
        mine = select(recipients.c.letter).where(recipients.c.agency == recipient)
        query = query.where(letters.c.letter.in_(mine))
    if since := asked.get("since"):
        query = query.where(letters.c.dated >= since)
    if until := asked.get("until"):
        query = query.where(letters.c.dated <= until)
    if accepted_by := asked.get("accepted_by"):
        query = query.where(letters.c.accepted_at <= accepted_by)
    for word in asked.get("words", ()):
        query = query.where(letters.c.subject_comparable.contains(comparable(word), autoescape=True))
    if file := asked.get("file"):
        naming = select(letter_files.c.letter).where(letter_files.c.sha256 == file)
        query = query.where(letters.c.letter.in_(naming))
    if certificates := asked.get("certificates"):
        query = query.where(letters.c.certificate.in_(certificates))
    return query


def hash_query(sha256: str) -> Select[Any]:
    """Return the query for the letters with this digest, and those that a document of this SHA-256 is or is about."""
    about = select(entries.c.letter).where(entries.c.document == bytes.fromhex(sha256))
    query = select(*LISTED).where(or_(letters.c.digest == sha256, letters.c.letter.in_(about)))
    return query.order_by(letters.c.letter.desc())
