"""What agencies are called, and which are witnesses: read once for each version of the directory, not for each page."""

from __future__ import annotations

import json
from threading import Lock
from weakref import WeakKeyDictionary

from bus.console.site import Site
from bus.directory import Names
from bus.directory.lines import AGENCY
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.views.asking import Pinned

_lock = Lock()
_witnesses: WeakKeyDictionary[Ledger, tuple[int, frozenset[AgencyCode]]] = WeakKeyDictionary()


def witnesses_for(site: Site, reader: Reader) -> frozenset[AgencyCode]:
    """Return the agencies whose witness the directory in force knows."""
    newest = reader.latest(Kind.DIRECTORY)
    if newest is None:
        return frozenset()
    with _lock:
        known = _witnesses.get(site.ledger)
        if known is None or known[0] != newest.seq:
            lines = reader.directories.records(int(newest.body["version"])).items()
            stated = {
                key: json.loads(line.partition(b" ")[2]) for key, line in lines if key.startswith(AGENCY)
            }
            some = frozenset(
                AgencyCode(key.removeprefix(AGENCY)) for key, one in stated.items() if one.get("witness")
            )
            known = _witnesses[site.ledger] = newest.seq, some
    return known[1]


def names_for(site: Site, reader: Reader) -> Names:
    """Return the names as of the newest directory that this reader sees."""
    return site.readings.names.names(reader)


def pinned_for(site: Site, reader: Reader) -> Pinned:
    """Return the certificates of every directory that was ever in force; to read thousands takes half a second."""
    return site.readings.names.pinned(reader)
