"""What a letter to one recipient takes in the ledger, by table and index, from its seal to its registration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.identifiers import AgencyCode
from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router.activation import activate_calendar
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import OCS, OPM
from tests.assets.operators import by
from tests.bench.letters import letter
from tests.contract import ledger_rig as rig

_BATCH = 64
_SQLITE = """
SELECT t.name AS of, t.tbl_name AS "table", sum(s.pgsize) AS bytes, sum(s.payload) AS payload
FROM dbstat s JOIN sqlite_schema t ON t.name = s.name GROUP BY 1, 2
"""
_POSTGRESQL = """
SELECT t.relname AS "table", t.relname AS of, pg_table_size(t.oid) AS bytes FROM pg_class t
WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
UNION ALL
SELECT t.relname, i.relname, pg_relation_size(i.oid) FROM pg_class t
JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
WHERE t.relnamespace = 'public'::regnamespace
"""


def measured(url: str, folder: Path, wanted: int) -> dict[str, Any]:
    """Let so many letters be accepted, delivered and registered; return bytes per letter by table and index.

    The size of the new ledger is taken off first. A head is signed after each batch.
    """
    schema.upgrade(url)
    folder.mkdir(parents=True)
    with closing(Ledger(url)) as ledger:
        router, signer = rig.Router(ledger), rig.signer(ledger, folder)
        router.activate(rig.directory())
        activate_calendar(ledger, rig.calendar(), operator=by("bench"))
        before, began = _sizes(ledger), _entries(ledger)
        for start in range(0, wanted, _BATCH):
            _lives(ledger, router, min(_BATCH, wanted - start))
            signer.sign()
        after, entries = _sizes(ledger), _entries(ledger) - began
    grown = {key: (after[key] - before.get(key, 0)) / wanted for key in after}
    found: dict[str, Any] = {"letters": wanted, "entries": round(entries / wanted, 2)}
    found["bytes"] = round(sum(grown.values()))
    tables: dict[str, dict[str, int]] = {}
    for (table, of), size in sorted(grown.items(), key=lambda item: -item[1]):
        if size >= 1:
            tables.setdefault(table, {})[of] = round(size)
    return found | {"tables": tables}


def rows(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (table, its index or "", bytes per letter), the largest table first."""
    tables: dict[str, dict[str, int]] = found["tables"]
    for table, parts in sorted(tables.items(), key=lambda item: -sum(item[1].values())):
        yield table, "", str(sum(parts.values()))
        for name, size in parts.items():
            yield "", "rows" if name == table else name, str(size)


def _lives(ledger: Ledger, router: rig.Router, wanted: int) -> None:
    """So many letters of OPM to OCS, from their submission to their registration, in batches as a router has them."""
    letters = [letter(OPM, [Receiver(agency=OCS)]) for _ in range(wanted)]
    signed = [sign(one, factory.seal(OPM)) for one in letters]
    _take(ledger, router, "accepted", OPM, [one.raw for one in signed])
    named = [(one.letter_id, sealed.digest) for one, sealed in zip(letters, signed, strict=True)]
    for event in (Event.DELIVERED, Event.REGISTERED):
        said = [
            factory.complete(event, author=OCS, letter_id=id, letter_digest=digest) for id, digest in named
        ]
        _take(ledger, router, "notice-accepted", OCS, [sign(one, factory.seal(OCS)).raw for one in said])


def _take(ledger: Ledger, router: rig.Router, outcome: str, of: AgencyCode, raws: Sequence[bytes]) -> None:
    """The router takes these submissions of an agency, and the broker what comes of them."""
    found = router.take_all(*(rig.delivery(raw, of) for raw in raws))
    if {one.outcome for one in found} != {outcome}:
        raise RuntimeError("the benchmark's own submissions were not accepted")
    ledger.release_leases(None)
    while waiting := ledger.lease(Lease("bench", now() + timedelta(minutes=1)), limit=1000, per_agency=1000):
        with ledger.append() as writer:
            writer.confirmed(waiting)


def _sizes(ledger: Ledger) -> dict[tuple[str, str], int]:
    """Bytes by (table, itself or an index of it)."""
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if ledger.engine.dialect.name == "postgresql":
            # Without it, a table's size has room in it that the next rows would use.
            connection.execute(text("VACUUM"))
        return {(row.table, row.of): row.bytes for row in _asked(connection)}


def _asked(connection: Connection) -> Sequence[Any]:
    return connection.execute(text(_POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE)).all()


def _entries(ledger: Ledger) -> int:
    with ledger.read() as reader:
        return reader.head()
