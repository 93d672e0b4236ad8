"""What an agency does at the bus, without an adapter: seal, upload, submit, and look into its inbox.

`Agency` speaks the wire as any vendor's software would; `Offices` are all agencies of one bus together with an
auditor's view into its ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Self

import httpx
from sqlalchemy import func, select

from adapters.agent.witnessing import HEADER
from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed, Incoming, Outgoing
from bus.directory import PinnedCertificate
from bus.documents import schema, signing
from bus.documents.letter import File, Letter, Receiver
from bus.documents.notice import BUS, Notice
from bus.documents.seal import Seal
from bus.documents.signing import Signed, is_notice, sign
from bus.documents.tokens import request_token
from bus.documents.xml import open_envelope
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.state import LetterState
from bus.ledger.store import Ledger
from bus.ledger.tables import consignments
from bus.thai import now
from compose.local import LocalBus
from tests.assets import directories, factory
from tests.assets.digests import raw_digest

WITHIN = 60.0
"""Seconds after which something is taken not to come; on an idle machine it takes a tenth of one."""


class Agency:
    """One agency with its seal, its broker user and its inbox; an asynchronous context manager."""

    def __init__(self, bus: LocalBus, code: AgencyCode) -> None:
        self.code = code
        self.user = topology.user_of(code)
        self.arrived: list[Incoming] = []
        """Everything that came, in order of arrival, acknowledged."""
        self._bus = bus
        self._seal = directories.SEALS[code]()
        self._link = Link(bus.amqp_url(self.user), name=f"office {code}")
        self._news = asyncio.Condition()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._link)
        self._inbox = self._link.subscribe(topology.inbox_queue(self.code), prefetch=100)
        reading = asyncio.create_task(self._read(), name=f"inbox {self.code}")
        self._stack.callback(reading.cancel)
        self.file = await self.upload(f"%PDF-1.7 หนังสือของ {self.code}".encode())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def upload(self, data: bytes, *, name: str = "หนังสือ.pdf") -> File:
        """Put bytes into the depot and return how a letter names them."""
        digest = raw_digest(data)
        token = request_token(self._seal, self.code, "PUT", f"/files/{digest}")
        async with httpx.AsyncClient(base_url=self._bus.depot_url, timeout=WITHIN) as http:
            headers = {"Authorization": f"Bearer {token}"}
            response = await http.put(f"/files/{digest}", content=data, headers=headers)
        assert response.status_code in (200, 201, 204), response.text
        return File(name=name, size=len(data), digest=digest, media_type="application/pdf")

    def letter(self, *receivers: AgencyCode, **changes: Any) -> Letter:
        """A letter of this agency that nothing is wrong with, without a number unless given one."""
        values: dict[str, Any] = {
            "number": None,
            "sender": factory.sender(self.code),
            "receivers": tuple(Receiver(agency=code) for code in receivers or (factory.SOC,)),
            "main_file": self.file,
        }
        return factory.letter(**{**values, **changes})

    def seal(self, document: Letter | Notice, by: Seal | None = None) -> Signed:
        """Sign with the agency's key, or another."""
        return sign(document, by or self._seal)

    async def submit(
        self,
        raw: bytes,
        *,
        type: str = "letter",
        user: str | None = "",
        headers: Mapping[str, Any] | None = None,
        exchange: str = "",
        over: Link | None = None,
    ) -> None:
        """Publish to the agency's submit exchange as its user, unless told otherwise; return once confirmed."""
        outgoing = Outgoing(
            exchange=exchange or topology.submit_exchange(self.code),
            body=raw,
            message_id=raw_digest(raw),
            type=type,
            headers=headers or {},
            user_id=self.user if user == "" else user,
        )
        await (over or self._link).publish(outgoing, deadline=WITHIN)

    async def send(self, letter: Letter) -> tuple[Signed, Incoming]:
        """Submit a letter and return it, sealed, with the bus's answer."""
        signed = self.seal(letter)
        await self.submit(signed.raw)
        return signed, await self.answer(signed.raw)

    async def say(self, notice: Notice) -> Incoming:
        """Submit a notice and return the bus's answer."""
        signed = self.seal(notice)
        await self.submit(signed.raw, type="notice")
        return await self.answer(signed.raw)

    async def answer(self, raw: bytes, *, times: int = 1) -> Incoming:
        """Wait until the bus has answered exactly these bytes so many times; return the last answer."""
        return await self.arrival("raw-sha256", raw_digest(raw), times=times)

    async def letter_arrives(self, raw: bytes) -> Incoming:
        """Wait for a letter: its very bytes."""
        return (await self._wait(lambda one: one.type == "letter" and one.body == raw, 1))[-1]

    async def arrival(self, header: str, value: object, *, times: int = 1) -> Incoming:
        """Wait until so many messages with this header have come; return the last."""
        return (await self._wait(lambda one: one.headers.get(header) == value, times))[-1]

    async def _wait(self, wanted: Callable[[Incoming], bool], times: int) -> list[Incoming]:
        async with asyncio.timeout(WITHIN), self._news:
            while len(found := [one for one in self.arrived if wanted(one)]) < times:
                await self._news.wait()
        return found

    async def _read(self) -> None:
        try:
            while True:
                for incoming in await self._inbox.take(100):
                    self._inbox.ack(incoming)
                    # The ledger's head, which differs each time, is looked at elsewhere.
                    headers = {name: value for name, value in incoming.headers.items() if name != HEADER}
                    self.arrived.append(replace(incoming, headers=headers))
                async with self._news:
                    self._news.notify_all()
        except Closed:
            return


class Offices:
    """All agencies of a bus by code, and what an auditor sees; an asynchronous context manager."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.agencies = {code: Agency(bus, code) for code in factory.NAMES}
        self.ledger = Ledger(bus.ledger_url)
        self._pins = (PinnedCertificate.of(bus.seal(BUS).certificate),)
        self._stack = AsyncExitStack()

    def __getitem__(self, code: str) -> Agency:
        return self.agencies[AgencyCode(code)]

    async def __aenter__(self) -> Self:
        self._stack.callback(self.ledger.close)
        for agency in self.agencies.values():
            await self._stack.enter_async_context(agency)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def word_of_the_bus(self, verdict: Incoming) -> Notice:
        """The notice that a verdict is, its form and the bus's signature verified."""
        assert verdict.type == "verdict"
        envelope = open_envelope(verdict.body)
        schema.check(envelope)
        verified = signing.verify(envelope, self._pins, now())
        assert is_notice(verified)
        assert verified.document.author == BUS
        return verified.document

    def entry(self, number: object) -> Entry:
        """The ledger's entry of this number."""
        with self.ledger.read() as reader:
            entry = reader.entry_at(int(str(number)))
        assert entry is not None
        return entry

    def raw_of(self, entry: Entry) -> bytes:
        """The bytes that the ledger keeps with an entry."""
        with self.ledger.read() as reader:
            return reader.must_document(entry)

    def state(self, entry: object) -> LetterState:
        """A letter's state by the number of its acceptance."""
        with self.ledger.read() as reader:
            return reader.state_of(int(str(entry)))

    def head(self) -> int:
        """The number of the newest entry."""
        with self.ledger.read() as reader:
            return reader.head()

    def said_since(self, head: int) -> list[Entry]:
        """The entries after `head`, but for those that only say what the broker has confirmed meanwhile."""
        with self.ledger.read() as reader:
            return [entry for entry in reader.entries(after=head) if entry.kind is not Kind.CONSIGNED]

    def consigned_by(self, entry: object) -> list[tuple[str, str]]:
        """What an entry put on the way: (agency, type) of each consignment."""
        query = select(consignments.c.agency, consignments.c.type).where(consignments.c.entry == entry)
        with self.ledger.engine.connect() as connection:
            return sorted((row.agency, row.type) for row in connection.execute(query))

    def last_numbers(self) -> dict[str, int]:
        """The number of the last consignment of each inbox."""
        query = select(consignments.c.agency, func.max(consignments.c.number)).group_by(consignments.c.agency)
        with self.ledger.engine.connect() as connection:
            return {agency: number for agency, number in connection.execute(query)}
