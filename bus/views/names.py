"""The names of agencies and the serial numbers of certificates, kept as long as the directory stays as it is.

Both come from every version of the directory that there ever was: too much to be read for each question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from bus.directory import Agency, Names
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.reading import Reader
from bus.views.asking import Pinned, names_of, pinned_in


@dataclass(frozen=True, slots=True)
class _Known:
    entry: int
    names: Names
    pinned: Pinned | None = None


class KnownNames:
    """The names that one ledger knows; safe for several threads."""

    def __init__(self, known: Callable[[], Mapping[AgencyCode, Agency]] = dict) -> None:
        """`known` gives agencies that are in memory anyway."""
        self._agencies = known
        self._lock = Lock()
        self._known: _Known | None = None

    def names(self, reader: Reader) -> Names:
        """Return the agencies of every directory that was ever in force."""
        return self._current(reader, pinned=False).names

    def pinned(self, reader: Reader) -> Pinned:
        """Return the certificates of every directory that was ever in force."""
        return self._current(reader, pinned=True).pinned or {}

    def _current(self, reader: Reader, *, pinned: bool) -> _Known:
        entry = reader.latest_seq(Kind.DIRECTORY)
        with self._lock:
            known = self._known
        if known is None or known.entry != entry:
            known = _Known(entry, names_of(reader, self._agencies()))
        if pinned and known.pinned is None:
            known = _Known(entry, known.names, pinned_in(reader))
        with self._lock:
            # A reader of an older snapshot does not take away what a newer one has read.
            if self._known is None or entry >= self._known.entry:
                self._known = known
        return known
