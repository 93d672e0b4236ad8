"""What broker and ledger told of everything when they were asked last: pages show it, and say as of when.

A page that asked thousands of queues and agencies by itself would keep people waiting, and many pages the broker. So
one task asks every few seconds, in a number of questions that does not depend on how many agencies there are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from threading import Lock
from typing import Any, Final

from bus import logs
from bus.console.history import History
from bus.console.system import Look, states
from bus.directory import Agency, Directory, Names
from bus.errors import Misconfigured, Transient
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind, timestamp
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.process import give_back_memory, pause
from bus.router.activation import directory_in_force
from bus.settings.bus import BusSettings
from bus.thai import now
from bus.views.agencies import Standing, each_standing
from bus.views.brokers import Cluster, clusters_now
from bus.views.finding import head_of
from bus.views.names import KnownNames
from bus.views.overview import ends_of, rows_of, totals_of
from bus.views.silence import Passed, Silence

EVERY: Final = 15.0
"""Seconds between two readings."""
_WHOLE: Final = 40
"""Of so many readings, one is followed by a look through the whole memory."""
_AT_A_STRETCH: Final = 100
"""So many agencies are read between two rests."""
_REST: Final = 0.01
"""Seconds."""
_log = logs.get("readings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One reading."""

    at: str
    """When the ledger's part of it was read, as the ledger writes times."""
    head: Mapping[str, Any]
    rows: Sequence[dict[str, Any]]
    """All agencies, the worst first (`bus.views.overview`)."""
    by_code: Mapping[str, dict[str, Any]] = field(repr=False)
    names: Names | None = field(repr=False)
    """What agencies are called; None without a directory that can be read."""
    totals: Mapping[str, Any]
    passed: Sequence[Passed] = field(repr=False)
    """The deadlines that passed in silence, and who is silent still."""
    shortened: bool
    """Whether older ones were not looked at."""
    directory: Directory | None = field(repr=False)


class Readings:
    """The newest reading, and what is remembered of those before it."""

    def __init__(self, ledger: Ledger, settings: BusSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._lock = Lock()
        self._silence = Silence()
        self._in_force = _InForce()
        self.names = KnownNames(lambda: self.agencies)
        """What agencies are called, read once for each version of the directory."""
        self.history = History()
        self.newest: Snapshot | None = None
        """None before the first reading."""
        self.clusters: Mapping[str, Cluster] = {}
        self.away_since: dict[str, str] = {}
        """Since when, at least, each cluster that is away could not be asked."""
        self.ledger_away_since: str | None = None
        self.system: Sequence[dict[str, Any]] = ()
        """The state of each part of the bus (`bus.console.system`)."""
        self.begun_at = timestamp(now())
        self._look = Look(settings, ledger)

    async def run(self, stop: asyncio.Event) -> None:
        """Read again and again, until stopped."""
        for number in count():
            if stop.is_set():
                return
            try:
                await asyncio.to_thread(self.look)
            except Exception as fault:
                _log.error("reading-failed", exc_info=fault)
            await asyncio.to_thread(give_back_memory, whole=not number % _WHOLE)
            await pause(stop, EVERY)

    def look(self) -> None:
        """Read once; whoever reads already is waited for."""
        with self._lock:
            begun, at = time.monotonic(), timestamp(now())
            self.clusters = clusters_now(self._settings)
            away = {name for name, one in self.clusters.items() if one.away is not None}
            self.away_since = {name: self.away_since.get(name, at) for name in away}
            try:
                with self._ledger.read() as reader:
                    self.newest = self._of_ledger(reader, away)
                    self._look.at_ledger(reader, self.newest.directory)
                self.ledger_away_since = None
            except Transient:
                self.ledger_away_since = self.ledger_away_since or at
            took = time.monotonic() - begun
            self.system = states(
                self._look, self.clusters, self.away_since, self.ledger_away_since, at, took, EVERY
            )

    def _of_ledger(self, reader: Reader, away: set[str]) -> Snapshot:
        at = now()
        directory = self.in_force(reader)
        known = self._in_force
        self._silence.follow(reader)
        found: Iterable[Standing] = ()
        if directory is not None:
            queues = {
                (name, code): inbox
                for name, one in self.clusters.items()
                for code, inbox in one.inboxes.items()
            }
            found = _with_rests(each_standing(reader, self._settings, queues, away, directory))
        before = self.newest.by_code if self.newest else {}
        rows = rows_of(found, self._silence.by_agency(), known.ends, at, before)
        self.history.note(timestamp(at), rows, away)
        return Snapshot(
            at=timestamp(at),
            head=head_of(reader),
            rows=rows,
            by_code={row["code"]: row for row in rows},
            names=self._named(reader) if directory is not None else None,
            totals=totals_of(rows),
            passed=self._silence.all(),
            shortened=self._silence.shortened,
            directory=directory,
        )

    def _named(self, reader: Reader) -> Names | None:
        """The names; those of before where a directory of old cannot be read, which keeps nobody from looking."""
        try:
            return self.names.names(reader)
        except Transient:
            raise
        except Exception as fault:
            _log.error("reading-failed", exc_info=fault)
            return self.newest.names if self.newest else None

    @property
    def agencies(self) -> Mapping[AgencyCode, Agency]:
        """The agencies of the directory that was last seen in force, without their certificates."""
        return self._in_force.directory.agencies if self._in_force.directory else {}

    def in_force(self, reader: Reader) -> Directory | None:
        """Return the directory that this reader sees in force, of agencies without their certificates.

        It is read anew only when there is another version; None where there is none that can be read.
        """
        entry = reader.latest_seq(Kind.DIRECTORY)
        if entry != self._in_force.entry:
            try:
                _, directory = directory_in_force(reader)
            except Misconfigured:
                return None
            self._in_force = _InForce.of(entry, directory)
        return self._in_force.directory


def _with_rests(found: Iterable[Standing]) -> Iterator[Standing]:
    """The same, with rests: of two threads of Python each has half the time, and a page is to have nearly all of it."""
    for number, one in enumerate(found, 1):
        yield one
        if number % _AT_A_STRETCH == 0:
            time.sleep(_REST)


@dataclass(frozen=True, slots=True)
class _InForce:
    """What stays in memory of a version of the directory: without the certificates of thousands, which are 20 MB."""

    entry: int = 0
    directory: Directory | None = None
    ends: Mapping[AgencyCode, str] = field(default_factory=dict)
    """When the last certificate of each agency ends."""

    @classmethod
    def of(cls, entry: int, directory: Directory) -> _InForce:
        """Take what is needed of a directory; its certificates are read for that."""
        reads: dict[tuple[str, ...], tuple[str, ...]] = {}
        agencies = {
            code: replace(one, certificates=(), reads=reads.setdefault(one.reads, one.reads))
            for code, one in directory.agencies.items()
        }
        return cls(entry, Directory(version=directory.version, agencies=agencies), ends_of(directory))
