"""Whether a letter was sent twice: letters of one sender that share number and date, subject, or main file.

None of that is forbidden; whether the later one says that it stands in for the earlier one (Replaces) is shown beside.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.ledger.tables import documents, entries, letter_files, letters
from bus.thai import comparable

NUMBER, SUBJECT, FILE = "number and date", "subject", "main file"


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one sender that look like one, by ledger number, and in what they are the same."""

    letters: tuple[int, ...]
    same: tuple[str, ...]


def duplicates(connection: Connection) -> list[Group]:
    """Return the groups, the newest first; the same letters stand in one group, whatever they share."""
    found: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for same, groups in (
        (NUMBER, _by_number(connection)),
        (SUBJECT, _by_subject(connection)),
        (FILE, _by_main_file(connection)),
    ):
        for group in groups:
            found[tuple(sorted(group))].append(same)
    return [Group(group, tuple(same)) for group, same in sorted(found.items(), reverse=True)]


def document_of(connection: Connection, letter: int) -> Letter:
    """Return a letter as it was signed. Raises LookupError when the ledger has lost it."""
    query = select(documents.c.bytes).join(entries, entries.c.document == documents.c.sha256)
    data = connection.scalar(query.where(entries.c.seq == letter))
    document = read(open_envelope(bytes(data)).root) if data is not None else None
    if not isinstance(document, Letter):
        raise LookupError(f"the document of letter {letter} is lost")
    return document


def _by_number(connection: Connection) -> Iterator[list[int]]:
    key = (letters.c.sender, letters.c.number_normalised, letters.c.dated)
    shared = select(*key).where(key[1].is_not(None)).group_by(*key).having(func.count() > 1).subquery()
    same = [column == shared.c[column.name] for column in key]
    query = select(letters.c.letter, *key).join(shared, same[0] & same[1] & same[2])
    return _grouped((tuple(rest), letter) for letter, *rest in connection.execute(query))


def _by_subject(connection: Connection) -> Iterator[list[int]]:
    query = select(letters.c.letter, letters.c.sender, letters.c.subject).where(
        letters.c.subject.is_not(None)
    )
    # A digest stands for the subject: of a million letters, a million long texts would have to be remembered.
    return _grouped(
        ((sender, hashlib.sha256(comparable(subject).encode()).digest()), letter)
        for letter, sender, subject in connection.execute(query)
    )


def _by_main_file(connection: Connection) -> Iterator[list[int]]:
    shared = select(letter_files.c.sha256).group_by(letter_files.c.sha256).having(func.count() > 1)
    query = select(letters.c.letter, letters.c.sender, letter_files.c.sha256)
    query = query.join(letter_files, letter_files.c.letter == letters.c.letter)
    rows = connection.execute(query.where(letter_files.c.sha256.in_(shared))).all()
    # A form that is attached to many letters makes none of them the same: only the main file counts.
    main = {letter: document_of(connection, letter).main_file.digest for letter, _, _ in rows}
    return _grouped(((sender, sha256), letter) for letter, sender, sha256 in rows if main[letter] == sha256)


def _grouped(pairs: Iterable[tuple[tuple[object, ...], int]]) -> Iterator[list[int]]:
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for key, letter in pairs:
        groups[key].append(letter)
    return (group for group in groups.values() if len(group) > 1)
