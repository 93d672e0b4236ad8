"""What letters can be asked for by, and the condition that each question is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, Final, TypedDict

from sqlalchemy import ColumnElement, Select, literal_column, or_, select
from sqlalchemy.sql.elements import KeyedColumnElement

from bus.identifiers import AgencyCode, LetterId, RawDigest
from bus.ledger.rows import LetterRow
from bus.ledger.tables import entries, letter_files, letter_kinds, letters, recipients
from bus.ledger.words import forms_of, stands
from bus.thai import normalise_number

LISTED: Final = tuple(letters.c[field.name] for field in fields(LetterRow))
"""The columns of a letter that a `LetterRow` is made of, in its order."""


class Asked(TypedDict, total=False):
    """What is asked for; what is left out, None or empty asks for nothing."""

    letters: Collection[int] | None
    """Only letters of these ledger numbers; an empty collection has none."""

    entry: int | None
    """The letter that the entry of this number is about."""
    letter_id: LetterId | None
    number: str | None
    """In either set of digits."""
    sender: AgencyCode | None
    recipient: AgencyCode | None
    party: AgencyCode | None
    """Its sender, or one of its recipients."""
    kind: str | None
    """Code of the kind of letter."""
    speed: str | None
    """Code of the speed."""
    since: str | None
    """The letter's date, ISO, inclusive; `until` likewise."""
    until: str | None
    dated: str | None
    """The letter's date as far as it is given: `2026`, `2026-11` or `2026-11-27`."""
    accepted_since: str | None
    """A ledger time, inclusive; `accepted_by` likewise."""
    accepted_by: str | None
    words: Sequence[str]
    """All of them stand in the subject."""
    file: RawDigest | None
    """SHA-256 of a file that the letter names."""
    certificates: Sequence[str]
    """SHA-256 of the certificates of which one signed it."""


def conditions(asked: Asked, *, sqlite: bool) -> dict[str, ColumnElement[bool]]:
    """Return, by what is asked, the condition that a letter has to meet; without party and times of acceptance.

    On SQLite no condition is one that leads through an index: by which to begin, `leading.py` says.
    """

    def of(column: KeyedColumnElement[Any]) -> ColumnElement[Any]:
        return literal_column(f"+letters.{column.name}", column.type) if sqlite else column

    found: dict[str, ColumnElement[bool]] = {}
    if (some := asked.get("letters")) is not None:
        found["letters"] = of(letters.c.letter).in_(some)
    if (entry := asked.get("entry")) is not None:
        about = select(entries.c.letter).where(entries.c.seq == entry).scalar_subquery()
        found["entry"] = of(letters.c.letter) == about
    for name, column in _EQUAL.items():
        if value := asked.get(name):
            found[name] = of(column) == value
    if number := asked.get("number"):
        found["number"] = of(letters.c.number_normalised) == normalise_number(number)
    if recipient := asked.get("recipient"):
        found["recipient"] = is_recipient(recipient)
    if kind := asked.get("kind"):
        found["kind"] = _beside(letter_kinds.c.letter, letter_kinds.c.kind == kind)
    if (dates := _dated(asked, of(letters.c.dated))) is not None:
        found["dated"] = dates
    if words := asked.get("words"):
        found["words"] = stands(forms_of(words), sqlite=sqlite)
    if file := asked.get("file"):
        found["file"] = _beside(letter_files.c.letter, letter_files.c.sha256 == file)
    if certificates := asked.get("certificates"):
        found["certificates"] = of(letters.c.certificate).in_(certificates)
    return found


def is_recipient(agency: AgencyCode) -> ColumnElement[bool]:
    """Return the condition that an agency is among a letter's recipients."""
    return _beside(recipients.c.letter, recipients.c.agency == agency)


def _beside(number: KeyedColumnElement[Any], where: ColumnElement[bool]) -> ColumnElement[bool]:
    # Of the table of letters around it alone: the same table may also stand there.
    return select(number).where(number == letters.c.letter, where).correlate(letters).exists()


def leads(asked: Asked) -> dict[str, Select[Any]]:
    """Return, by what is asked, a query for the numbers of all letters that meet it, which an index answers alone."""
    found: dict[str, Select[Any]] = {}
    mine = letters.c.letter
    if (some := asked.get("letters")) is not None:
        found["letters"] = select(mine).where(mine.in_(some))
    if (entry := asked.get("entry")) is not None:
        found["entry"] = select(entries.c.letter).where(entries.c.seq == entry, entries.c.letter.is_not(None))
    if file := asked.get("file"):
        found["file"] = select(letter_files.c.letter).where(letter_files.c.sha256 == file)
    if number := asked.get("number"):
        found["number"] = select(mine).where(letters.c.number_normalised == normalise_number(number))
    for name, column in _EQUAL.items():
        if value := asked.get(name):
            found[name] = select(mine).where(column == value)
    if certificates := asked.get("certificates"):
        found["certificates"] = select(mine).where(letters.c.certificate.in_(certificates))
    if recipient := asked.get("recipient"):
        found["recipient"] = select(recipients.c.letter).where(recipients.c.agency == recipient)
    if kind := asked.get("kind"):
        found["kind"] = select(letter_kinds.c.letter).where(letter_kinds.c.kind == kind)
    if (dates := _dated(asked, letters.c.dated)) is not None:
        found["dated"] = select(mine).where(dates)
    return found


_EQUAL: Final = {
    "letter_id": letters.c.letter_id,
    "sender": letters.c.sender,
    "speed": letters.c.speed,
}


def _dated(asked: Asked, column: ColumnElement[Any]) -> ColumnElement[bool] | None:
    """The condition on the letter's date; None if none is asked for."""
    some = list(_bounds(asked))
    if not some:
        return None
    found: ColumnElement[bool] = column >= max(first for first, _ in some)
    return found & (column <= min(last for _, last in some))


def _bounds(asked: Asked) -> Iterable[tuple[str, str]]:
    """First and last day of everything that is asked of the date: in the order of texts, as the column has it."""
    if since := asked.get("since"):
        yield since, _LAST
    if until := asked.get("until"):
        yield _FIRST, until
    if dated := asked.get("dated"):
        yield f"{dated}{_FIRST[len(dated) :]}", f"{dated}{_LAST[len(dated) :]}"


_FIRST, _LAST = "0000-00-00", "9999-99-99"


def hash_query(sha256: str) -> Select[Any]:
    """Return the query for the letters with this digest, and those that a document of this SHA-256 is or is about."""
    about = select(entries.c.letter).where(entries.c.document == bytes.fromhex(sha256))
    query = select(*LISTED).where(or_(letters.c.digest == sha256, letters.c.letter.in_(about)))
    return query.order_by(letters.c.letter.desc())
