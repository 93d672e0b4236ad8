"""Who is still silent though a deadline has passed: kept in memory, and brought up to date by what was entered since.

To look into every letter that was ever overdue would cost more each day. So it is begun with the newest deadlines that
passed in silence, and each look afterwards reads only what is new: who answers is struck off, in the order of the
ledger. A letter of thousands of recipients costs what its silent ones say, not what all of them said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from sys import intern
from typing import Any, Final

from bus.documents.lifecycle import RULES, Deadline, known
from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.ledger.state import fold
from bus.ledger.work import batched

MOST: Final = 20_000
"""So many newest deadlines that passed in silence are looked at."""
_AT_ONCE: Final = 500
_PAGE: Final = 2_000
_Sets = dict[frozenset[AgencyCode], frozenset[AgencyCode]]
"""The one set for the same agencies: they are silent again and again."""


@dataclass(slots=True)
class Passed:
    """One deadline of a letter that passed, and who has not answered yet."""

    entry: int
    letter: int
    deadline: Deadline
    due: str
    noticed_at: str
    sender: AgencyCode | None
    silent: frozenset[AgencyCode] = field(repr=False)
    failed: frozenset[AgencyCode] = field(default=frozenset(), repr=False)
    """Who said that it could not take the letter in: its silence begins again with a receipt."""

    @property
    def key(self) -> str:
        """What they are ordered by: what has been due for the longest first."""
        return f"{self.due}~{self.entry}"


class Silence:
    """The deadlines that passed and for which somebody is silent still."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seen: int | None = None
        self._by_letter: dict[int, tuple[Passed, ...]] = {}
        self.shortened = False
        """Whether there are older ones, which were not looked at."""

    def follow(self, reader: Reader) -> None:
        """Bring it up to date with this snapshot of the ledger."""
        head = reader.head()
        if self._seen is None:
            start = reader.due.silent.begins_at(self._most)
            self.shortened = start > 0
            fresh = list(self._passed(reader, start))
            first: dict[int, int] = {}
            for one in fresh:
                first.setdefault(one.letter, one.entry)
            for some in batched(sorted(first), _AT_ONCE):
                after = min(first[letter] for letter in some)
                self._strike_off(reader, reader.due.silent.notices_on(some, after=after))
        else:
            self._follow_from(reader, self._seen)
        self._seen = head

    def all(self) -> list[Passed]:
        """Return them, what has been due for the longest first."""
        passed = (one for some in self._by_letter.values() for one in some if one.silent)
        return sorted(passed, key=lambda one: one.key)

    def by_agency(self) -> dict[AgencyCode, int]:
        """Return for how many deadlines each agency is silent."""
        counts: dict[AgencyCode, int] = {}
        for some in self._by_letter.values():
            for one in some:
                for code in one.silent:
                    counts[code] = counts.get(code, 0) + 1
        return counts

    def _follow_from(self, reader: Reader, seen: int) -> None:
        for _ in self._passed(reader, seen):
            pass  # each is kept as it comes
        after = seen
        while notices := reader.due.silent.notices_since(after, limit=_PAGE):
            self._strike_off(reader, notices)
            after = notices[-1].seq

    def _passed(self, reader: Reader, after: int) -> Iterator[Passed]:
        known: _Sets = {}
        while entries := reader.entries(after=after, kind=Kind.OVERDUE):
            after = entries[-1].seq
            senders = {row.letter: row.sender for row in _letters(reader, entries)}
            for entry in entries:
                one = _of(entry, senders, known)
                self._by_letter[one.letter] = (*self._by_letter.get(one.letter, ()), one)
                yield one

    def _strike_off(self, reader: Reader, notices: Iterable[Entry]) -> None:
        for notice in notices:
            letter = notice.letter
            if letter is None or letter not in self._by_letter:
                continue
            left = []
            for one in self._by_letter[letter]:
                # What was said before it passed was known when it was judged.
                if notice.seq > one.entry:
                    _hear(reader, notice.body, one)
                if one.silent or one.failed:
                    left.append(one)
            if left:
                self._by_letter[letter] = tuple(left)
            else:
                del self._by_letter[letter]


def _of(entry: Entry, senders: dict[int, AgencyCode], known: _Sets) -> Passed:
    body = entry.body
    silent = frozenset(AgencyCode(intern(code)) for code in body["silent"])
    letter = int(body["letter"])
    sender = senders.get(letter)
    # Thousands are kept, and many have the same times and senders.
    return Passed(
        entry=entry.seq,
        letter=letter,
        deadline=Deadline(body["deadline"]),
        due=intern(body["due"]),
        noticed_at=intern(body["at"]),
        sender=AgencyCode(intern(sender)) if sender else None,
        silent=known.setdefault(silent, silent),
    )


def _letters(reader: Reader, entries: list[Entry]) -> Iterator[Any]:
    letters = sorted({int(entry.body["letter"]) for entry in entries})
    for some in batched(letters, _AT_ONCE):
        yield from reader.find_letters(letters=some, limit=len(some))


def _hear(reader: Reader, body: Any, one: Passed) -> None:
    """Bring the silent ones of a deadline up to date with a notice."""
    event, about = known(body["event"]), frozenset(body["about"])
    if event is Event.HANDOVER_FAILED:
        # It counts only where no receipt stands.
        failed = frozenset(code for code in about & one.silent if not _open(reader, one, code))
        one.silent -= failed
        one.failed |= failed
    elif event is not None and one.deadline in RULES[event].closes:
        one.silent -= about
        one.failed -= about
    elif event is Event.DELIVERED:
        one.silent |= about & one.failed
        one.failed -= about


def _open(reader: Reader, one: Passed, code: AgencyCode) -> bool:
    chain = reader.due.silent.chain_of(one.letter, code, one.sender or code)
    state = fold(map(reader.recipient_sets.expanded, chain))
    return state.recipients[code].progress.open(one.deadline)
