"""The calendar's versions as the ledger has them: which one was in force when an entry was made."""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import Connection

from bus.calendar import Calendar, from_json
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader


class Calendars:
    """Versions of the calendar, each read once, when it is first asked for."""

    def __init__(self, connection: Connection) -> None:
        self._reader = Reader(connection)
        self._read: dict[int, Calendar] = {}

    @cached_property
    def _entries(self) -> list[Entry]:
        return list(self._reader.every(Kind.CALENDAR))

    def before(self, seq: int) -> Calendar:
        """Return the version in force when an entry was made. Raises LookupError where there was none."""
        entry = max((one for one in self._entries if one.seq < seq), key=lambda one: one.seq, default=None)
        if entry is None:
            raise LookupError(f"no calendar was in force before entry {seq}")
        if entry.seq not in self._read:
            self._read[entry.seq] = from_json(self._reader.must_document(entry))
        return self._read[entry.seq]
