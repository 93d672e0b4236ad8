"""What mailboxes, broker and ledger have to say after a fault, read once they are calm."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from adapters.mailbox import tables as mail
from bus.broker import topology
from bus.broker.link import Link
from bus.directory import Directory
from bus.documents.recipients import RecipientSet
from bus.ledger import tables as books
from bus.ledger.entry import Entry, Kind
from bus.ledger.recipient_sets import with_recipients
from bus.ledger.state import LetterState, fold
from compose.local import LocalBus
from tests.faults.scene import AGENCIES, Scene

Rows = Sequence[Row[Any]]


@dataclass(frozen=True, kw_only=True)
class Box:
    """One agency's mailbox, and what its office was shown."""

    agency: str
    files: Path
    outbox: Rows = ()
    outbox_files: Rows = ()
    arrivals: Rows = ()
    inbox: Rows = ()
    inbox_files: Rows = ()
    notices: Rows = ()
    shown: Sequence[tuple[str, bytes]] = ()
    """LetterID and bytes of each letter in the office's folder."""

    @cached_property
    def arrived(self) -> set[int]:
        """The consignment numbers that have come."""
        return {row.consignment for row in self.arrivals}

    @cached_property
    def body_of(self) -> Mapping[int, bytes]:
        """The bytes of each arrival by its row."""
        return {row.id: row.body for row in self.arrivals}

    def stored(self, sha256: str, size: int) -> bool:
        """Whether the mailbox has a file, whole: read and hashed now."""
        path = self.files / sha256[:2] / sha256
        if not path.is_file() or path.stat().st_size != size:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def file_names(self) -> set[str]:
        """The SHA-256 of every file in the mailbox."""
        return {each.name for each in self.files.glob("??/*") if each.parent.name != "partial"}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the promises are judged by."""

    present: Collection[str]
    given: Mapping[str, Sequence[str]]
    marks: Sequence[tuple[int, str]]
    directory: Directory
    boxes: Mapping[str, Box]
    entries: Rows
    documents: Mapping[str, bytes]
    letters: Rows
    recipients: Rows
    submissions: Rows
    consignments: Rows
    pending: Collection[tuple[str, int]]
    due: Rows
    depths: Mapping[str, int]
    """Messages ready in each queue."""
    _states: dict[int, LetterState] = field(default_factory=dict)

    @cached_property
    def bodies(self) -> Sequence[Mapping[str, Any]]:
        """The entries themselves, in order."""
        return [json.loads(row.body) for row in self.entries]

    def of(self, *kinds: Kind) -> list[Mapping[str, Any]]:
        """The entries of these kinds."""
        return [body for body in self.bodies if body["kind"] in kinds]

    def state(self, letter: int, *, before: int | None = None) -> LetterState:
        """A letter's state now, or as it was before an entry."""
        about = [body for body in self.bodies if body.get("letter") == letter]
        first, *later = (Entry(body) for body in about if before is None or body["seq"] < before)
        frozen = RecipientSet.read(self.documents[first.body["recipients"]])
        return fold([with_recipients(first, frozen), *later])

    @cached_property
    def frozen(self) -> Mapping[int, set[str]]:
        """The frozen recipient set of each letter."""
        found: dict[int, set[str]] = {row.letter: set() for row in self.letters}
        for row in self.recipients:
            found[row.letter].add(row.agency)
        return found

    @cached_property
    def consigned(self) -> Mapping[tuple[str, int], Row[Any]]:
        """Every consignment by inbox and number."""
        return {(row.agency, row.number): row for row in self.consignments}


def gather(scene: Scene) -> Evidence:
    """Read everything."""
    with scene.bus.open_ledger().engine.connect() as ledger:
        documents = {row.sha256.hex(): bytes(row.bytes) for row in _all(ledger, books.documents)}
        return Evidence(
            present=frozenset(scene.present),
            given=scene.given,
            marks=scene.marks,
            directory=scene.bus.directory,
            boxes={code: _box(scene, code) for code in AGENCIES},
            entries=_all(ledger, books.entries),
            documents=documents,
            letters=_all(ledger, books.letters),
            recipients=_all(ledger, books.recipients),
            submissions=_all(ledger, books.submissions),
            consignments=_all(ledger, books.consignments),
            pending={(row.agency, row.number) for row in _all(ledger, books.pending)},
            due=_all(ledger, books.due),
            depths=depths(scene.bus),
        )


def _all(connection: Connection, table: Table) -> Rows:
    return connection.execute(select(table).order_by(*table.primary_key.columns)).all()


def _box(scene: Scene, code: str) -> Box:
    folder = scene.bus.mailbox(code) / "files"
    if not folder.exists():
        return Box(agency=code, files=folder)
    return Box(
        agency=code,
        files=folder,
        outbox=scene.rows(code, select(mail.outbox)),
        outbox_files=scene.rows(code, select(mail.outbox_files)),
        arrivals=scene.rows(code, select(mail.arrivals)),
        inbox=scene.rows(code, select(mail.inbox)),
        inbox_files=scene.rows(code, select(mail.inbox_files)),
        notices=scene.rows(code, select(mail.notices)),
        shown=_shown(scene.bus.exchange_folder(code) / "inbox"),
    )


def _shown(inbox: Path) -> list[tuple[str, bytes]]:
    places = [place for place in inbox.iterdir() if not place.name.startswith(".")]
    return [
        (
            json.loads((each / "letter.json").read_text("utf-8"))["letter_id"],
            (each / "letter.xml").read_bytes(),
        )
        for each in places
    ]


def depths(bus: LocalBus) -> dict[str, int]:
    """How many messages are ready in each queue; an inbox under its agency's code."""
    return asyncio.run(_depths(bus))


async def _depths(bus: LocalBus) -> dict[str, int]:
    found: Counter[str] = Counter()
    for broker in {id(one): one for one in map(bus.broker_of, AGENCIES)}.values():
        there = [code for code in AGENCIES if bus.broker_of(code) is broker]
        async with Link(bus.amqp_url(topology.ROUTER, broker), name="auditor") as link:
            await asyncio.wait_for(link.wait_connected(), 30)
            queues = (*map(topology.intake_queue, there), topology.PARKED)
            found.update({queue: depth.messages for queue, depth in (await link.depths(queues)).items()})
    for code in AGENCIES:
        url = bus.amqp_url(topology.user_of(code), bus.broker_of(code))
        async with Link(url, name="auditor") as link:
            await asyncio.wait_for(link.wait_connected(), 30)
            found[code] = (await link.depth(topology.inbox_queue(code))).messages
    return dict(found)
