"""The state of each part of the bus, for the page of the system: a code of what was found, with its figures.

What is found is said by a code, and the pages' words say it in both languages (`words/system.toml`). Nothing here asks
more than the console may: the broker as the user that only looks, the depot as anybody in the network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bus.depot.client import DepotSeen, look
from bus.directory import Directory
from bus.errors import Misconfigured, Transient
from bus.ledger.entry import timestamp
from bus.ledger.examining import Glance, glance
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.release import release
from bus.settings.bus import BusSettings
from bus.thai import now
from bus.views.brokers import Cluster

State = dict[str, Any]
GOOD, WARN, BAD, OFF = "good", "warn", "bad", "off"
"""How a state is shown; `off` is what is not known."""
_ANCHORS: Final = 24
_CLOCKS: Final = (3.0, 30.0)
"""Seconds by which clocks may differ: noticed, and too much."""
_ROOM: Final = (1024**3, 10 * 1024**3)
"""Bytes of free disk that are too few, and that will not last."""
_UNSIGNED, _UNWITNESSED, _ROUTER_FRESH = timedelta(minutes=5), timedelta(hours=1), timedelta(minutes=2)


class Look:
    """What was found when the parts were looked at last, and since when each is as it is."""

    def __init__(self, settings: BusSettings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._since: dict[tuple[str, str], tuple[str, str]] = {}
        self._cosigned: dict[str, tuple[int, str]] = {}
        self._cosigned_to = 0
        self.of_ledger: list[State] = []

    def at_ledger(self, reader: Reader, directory: Directory | None) -> None:
        """Look at the ledger and what it knows of routers and witnesses, in this snapshot."""
        at = now()
        self.of_ledger = [
            *_ledger(reader, at),
            *_routers(reader, at),
            *self._witnesses(reader, directory, at),
        ]

    def database(self) -> tuple[Glance | None, float | None]:
        """Look at the database; None while it is away. Also the seconds by which this clock is ahead of its own."""
        try:
            seen = glance(self._ledger.engine)
        except Transient:
            return None, None
        return seen, None if seen.clock is None else (now() - seen.clock).total_seconds()

    def depot(self) -> tuple[DepotSeen | None, str]:
        """Ask the depot; None and why not, while it cannot be asked."""
        try:
            return look(self._settings.depot.url, self._settings.depot.tls()), ""
        except Transient as away:
            return None, str(away)
        except Misconfigured as wrong:
            return None, "; ".join(f"{one.key} {one.wrong}" for one in wrong.problems)

    def since(self, state: State, at: str) -> str:
        """Return since when, at least, a part is in this state."""
        key = (state["part"], state["subject"])
        was, begun = self._since.get(key, ("", at))
        if was != state["says"]:
            begun = at
        self._since[key] = (state["says"], begun)
        return begun

    def _witnesses(self, reader: Reader, directory: Directory | None, at: datetime) -> Iterator[State]:
        agencies = directory.agencies if directory else {}
        witnesses = {code for code, one in agencies.items() if one.witness is not None}
        anchors = reader.heads.newest_anchors(_ANCHORS)
        if not witnesses or not anchors:
            yield state("witnesses", "", OFF, "witnesses-none")
            return
        # Those before the last but one do not get many more; they were read when they were new.
        first = anchors[-1][0] if not self._cosigned_to else min(self._cosigned_to, anchors[0][0])
        for code, size, when in reader.heads.cosigned_from(first):
            self._cosigned[code] = (size, when)
        self._cosigned_to = anchors[min(1, len(anchors) - 1)][0]
        size, asked = anchors[0]
        cosigned = sum(1 for code in witnesses if self._cosigned.get(code, (0, ""))[0] >= size)
        late = not cosigned and at - datetime.fromisoformat(asked) > _UNWITNESSED
        level = WARN if late else GOOD
        yield state(
            "witnesses",
            "",
            level,
            "witnesses-cosigned",
            cosigned=cosigned,
            witnesses=len(witnesses),
            size=size,
        )
        silent = min(witnesses, key=lambda code: (self._cosigned.get(code, (0, ""))[1], code))
        when = self._cosigned.get(silent, (0, ""))[1]
        if not when:
            yield state("witnesses", silent, OFF, "witness-never", agency=silent)
        elif self._cosigned[silent][0] < size:
            yield state("witnesses", silent, OFF, "witness-longest", agency=silent, when=when)


def state(part: str, subject: str, level: str, says: str, **values: Any) -> State:
    """Return what was found of a part; `values` go into its words."""
    return {"part": part, "subject": subject, "level": level, "says": says, "values": values}


def states(
    found: Look,
    clusters: Mapping[str, Cluster],
    away_since: Mapping[str, str],
    ledger_away: str | None,
    at: str,
    took: float,
    every: float,
) -> list[State]:
    """Return the state of every part, the bad ones of each part first, with when it was looked at and will be."""
    begun = time.monotonic()
    listed = [one for name, cluster in clusters.items() for one in _cluster(name, cluster, away_since)]
    database, ahead = found.database()
    listed += _database(database, ledger_away)
    listed += found.of_ledger if ledger_away is None else []
    listed += _depot(*found.depot())
    listed += _clocks(clusters, ahead)
    seconds = round(took + time.monotonic() - begun, 1)
    listed.append(state("console", "", GOOD, "console-runs", release=release(), seconds=seconds))
    following = timestamp(datetime.fromisoformat(at) + timedelta(seconds=every))
    return [{**one, "since": found.since(one, at), "checkedAt": at, "nextAt": following} for one in listed]


def _cluster(name: str, one: Cluster, away_since: Mapping[str, str]) -> Iterator[State]:
    if one.away is not None:
        yield state("broker", name, BAD, "broker-away", reason=one.away, since=away_since.get(name, ""))
        return
    for node in one.nodes:
        if not node.running:
            yield state("broker", node.name, BAD, "node-down")
        elif node.alarms:
            yield state("broker", node.name, BAD, "node-alarm", alarms=", ".join(node.alarms))
        elif node.disk_free is None:
            yield state("broker", node.name, GOOD, "node-runs")
        else:
            yield state("broker", node.name, GOOD, "node-runs-free", free=in_gib(node.disk_free))
    for sentence in one.weak:
        yield state("broker", name, WARN, "cluster-weak", sentence=sentence)
    level = GOOD if one.intake.consumers else BAD
    says = "intake-read" if one.intake.consumers else "intake-unread"
    yield state("routers", name, level, says, waiting=one.intake.messages, routers=one.intake.consumers)


def _database(seen: Glance | None, away_since: str | None) -> Iterator[State]:
    if seen is None or away_since is not None:
        yield state("database", "", BAD, "database-away", since=away_since or "")
    elif seen.standbys is None:
        yield state("database", "", GOOD, "database-file", product=seen.product)
    elif seen.standbys == 0:
        yield state("database", "", WARN, "database-alone", product=seen.product)
    else:
        yield state("database", "", GOOD, "database-followed", product=seen.product, standbys=seen.standbys)


def _ledger(reader: Reader, at: datetime) -> Iterator[State]:
    newest, head = reader.newest(), reader.heads.newest()
    if (reason := reader.halted()) is not None:
        yield state("ledger", "", BAD, "ledger-halted", reason=reason)
    if newest is None:
        yield state("ledger", "", OFF, "ledger-empty")
        return
    yield state("ledger", "", GOOD, "ledger-newest", entries=newest.seq, at=newest.body["at"])
    if head is None:
        yield state("heads", "", WARN, "head-none")
        return
    late = newest.seq > head.size and at - newest.at > _UNSIGNED
    says = "head-late" if late else "head-signed"
    yield state(
        "heads", "", WARN if late else GOOD, says, size=head.size, at=head.at, unsigned=newest.seq - head.size
    )


def _routers(reader: Reader, at: datetime) -> Iterator[State]:
    for router, cluster, empty_at in reader.due.routers():
        fresh = abs(at - datetime.fromisoformat(empty_at)) < _ROUTER_FRESH
        says = "router-fresh" if fresh else "router-old"
        yield state("routers", f"{router} · {cluster}", GOOD if fresh else OFF, says, at=empty_at)


def _depot(seen: DepotSeen | None, why: str) -> Iterator[State]:
    if seen is None:
        yield state("depot", "", BAD, "depot-away", reason=why)
        return
    if seen.ready:
        yield state("depot", "", GOOD, "depot-ready")
    else:
        yield state("depot", "", BAD, "depot-not-ready", reason="; ".join(seen.reasons))
    if seen.free_bytes is None:
        yield state("depot", "disk", OFF, "disk-unknown")
    else:
        little, few = _ROOM
        level = BAD if seen.free_bytes < little else WARN if seen.free_bytes < few else GOOD
        yield state("depot", "disk", level, "disk-free", free=in_gib(seen.free_bytes))


def _clocks(clusters: Mapping[str, Cluster], of_database: float | None) -> Iterator[State]:
    if of_database is not None:
        yield _clock("database", of_database)
    for name, one in clusters.items():
        if one.ahead is not None:
            yield _clock(name, one.ahead)


def _clock(whose: str, ahead: float) -> State:
    noticed, much = _CLOCKS
    level = BAD if abs(ahead) > much else WARN if abs(ahead) > noticed else GOOD
    says = "clock-behind" if ahead < 0 else "clock-ahead"
    return state("clocks", whose, level, says, seconds=f"{abs(ahead):.1f}")


def in_gib(size: int) -> str:
    """Return bytes in words: `12.3 GiB`."""
    return f"{size / 1024**3:.1f} GiB"
