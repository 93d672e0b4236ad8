"""How many of the letters that are found there are of each sender, recipient, kind, speed and day: bounded counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, bindparam, func, select

from bus.ledger.finding import Asked
from bus.ledger.leading import newest
from bus.ledger.tables import letter_kinds, letters, recipients

MOST: Final = 5_000
"""Letters that are counted for one question, the newest ones."""
MOST_BY_WORDS: Final = 2_000
"""The same where words are asked for: every subject is looked at."""
_MOST_RECIPIENTS: Final = 15_000
_AT_ONCE: Final = 2_500
_KIND: Final = (
    select(letter_kinds.c.kind)
    .where(letter_kinds.c.letter == letters.c.letter)
    .correlate(letters)
    .scalar_subquery()
    .label("kind")
)


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of letters by what they have; keys with most letters first, days with the newest first."""

    count: int
    more: bool
    """Whether there are more letters than were counted: each count then is of the newest `count` letters."""
    senders: Mapping[str, int]
    recipients: Mapping[str, int]
    """Letters by recipient; a circular counts for each."""
    more_recipients: bool
    """Whether not all recipients of these letters were counted: then they are those of the newest letters."""
    kinds: Mapping[str | None, int]
    """None: the letter's document says none, or it is not known yet."""
    speeds: Mapping[str, int]
    days: Mapping[str, int]
    """By the letter's date, ISO."""

    @property
    def months(self) -> dict[str, int]:
        """The counts by `2026-11`."""
        return _summed(self.days, 7)

    @property
    def years(self) -> dict[str, int]:
        """The counts by `2026`."""
        return _summed(self.days, 4)


def facets(connection: Connection, asked: Asked, *, most: int = MOST) -> Facets:
    """Count what is asked for, by at most `most` letters (by words at most `MOST_BY_WORDS`), the newest ones."""
    if asked.get("words"):
        most = min(most, MOST_BY_WORDS)
    columns = (letters.c.letter, letters.c.sender, letters.c.speed, letters.c.dated, _KIND)
    rows = newest(connection, columns, asked, None, most + 1)
    more, rows = len(rows) > most, rows[:most]
    # By columns: of thousands of rows it is the reading of their fields by name that takes the time.
    numbers, senders, speeds, days, kinds = zip(*rows, strict=True) if rows else ((),) * 5
    to, more_recipients = _recipients(connection, numbers)
    return Facets(
        count=len(rows),
        more=more,
        senders=_ranked(Counter(senders)),
        recipients=_ranked(to),
        more_recipients=more_recipients,
        kinds=_ranked(Counter(kinds)),
        speeds=_ranked(Counter(speeds)),
        days=dict(sorted(Counter(days).items(), reverse=True)),
    )


def _recipients(connection: Connection, numbers: Sequence[int]) -> tuple[Counter[str], bool]:
    """Count recipients, the newest letters first, as long as there are not too many of them."""
    counts: Counter[str] = Counter()
    seen = 0
    for first in range(0, len(numbers), _AT_ONCE):
        some = numbers[first : first + _AT_ONCE]
        some_of = select(recipients.c.agency).where(_among(connection, recipients.c.letter, some))
        counted = some_of.limit(_MOST_RECIPIENTS - seen + 1).subquery()
        agency = counted.c.agency
        for code, count in connection.execute(select(agency, func.count()).group_by(agency)):
            counts[code] += count
            seen += count
        if seen > _MOST_RECIPIENTS:
            return counts, True
    return counts, False


def _among(connection: Connection, number: ColumnElement[int], some: Sequence[int]) -> ColumnElement[bool]:
    """The condition that a number is one of these, which go to the database as one value."""
    if connection.dialect.name == "sqlite":
        return number.in_(select(func.json_each(json.dumps(some)).table_valued("value").c.value))
    return number == func.any(bindparam(None, list(some), type_=ARRAY(BigInteger)))


def _ranked(counts: Counter[Any]) -> dict[Any, int]:
    return dict(sorted(counts.items(), key=lambda one: (-one[1], str(one[0]))))


def _summed(days: Mapping[str, int], length: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for day, count in days.items():
        found[day[:length]] = found.get(day[:length], 0) + count
    return found
