"""A small network for the tests: a bus that signs, agencies that seal, a broker and a depot in memory."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from adapters.agent import Agent, Tuning
from adapters.mailbox import Mailbox, Message, OutboxEntry
from bus.broker.messages import Closed, Incoming
from bus.broker.messages import Outgoing as Submission
from bus.directory import Agency, Directory, directory_of, records_of
from bus.documents.letter import File, Letter
from bus.documents.notice import BUS, Event, Notice, Terms
from bus.documents.signing import Signed, sign
from bus.documents.xml import open_envelope, read
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.thai import now
from tests.assets.factory import DGA, NAMES, NOW, OCS, OPM, SOC, letter, pin, recipient_set, seal
from tests.assets.statements import signed_statement

TOWN = (OPM, OCS, SOC, DGA)
QUICK = Tuning(
    resend_after=0.2,
    retry_after=0.02,
    longest_pause=0.4,
    watch_every=0.02,
    record_after=0.01,
    verify_after=0.01,
)


def directory(version: int = 1, **changes: Any) -> Directory:
    """The network's agencies; `changes` replaces fields of the directory."""
    agencies = {
        code: Agency(
            code=code, name_th=NAMES[code], name_en=f"Agency {code}", certificates=(pin(seal(code)),)
        )
        for code in TOWN
    }
    made = Directory(version=version, agencies=agencies, bus_certificates=(pin(seal(BUS)),))
    return directory_of(version, records_of(replace(made, **changes)))


def file_of(content: bytes, name: str = "หนังสือ.pdf") -> File:
    return File(name=name, size=len(content), digest=sha(content), media_type="application/pdf")


def sha(raw: bytes) -> RawDigest:
    return RawDigest(hashlib.sha256(raw).hexdigest())


@dataclass
class Bus:
    """What the bus says to one agency: messages with consignment numbers."""

    addressee: str
    number: int = 0
    entries: int = 0
    given: Directory | None = None

    def message(self, kind: str, body: bytes, **headers: str | int) -> Message:
        """A message with the next consignment number, unless `headers` name one."""
        if "consignment" not in headers:
            self.number += 1
        self.entries += 1
        fixed: dict[str, str | int] = {"consignment": self.number, "entry": self.entries}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Message(type=kind, body=body, headers={**fixed, **named})

    def directory(self, made: Directory | None = None) -> Message:
        made, before = made or directory(), self.given
        self.given = made
        follows = before if before and before.version < made.version else None
        return self.message("directory", signed_statement(made, seal(BUS), follows))

    def letter(self, signed: Signed, sender: str = OPM, **headers: str | int) -> Message:
        fixed: dict[str, str | int] = {
            "sender": sender,
            "addressed": self.addressee,
            "verified_as_of": now().isoformat(),
        }
        return self.message("letter", signed.raw, **(fixed | headers))

    def notice(self, notice: Notice, **headers: str | int) -> Message:
        fixed: dict[str, str | int] = {"sender": notice.author, "verified_as_of": now().isoformat()}
        return self.message("notice", sign(notice, seal(notice.author)).raw, **(fixed | headers))

    def verdict(self, submission: bytes, event: Event, *, by: str = BUS, **fields: Any) -> Message:
        signed = sign(
            Notice(notice_id=uuid4(), event=event, author=BUS, event_time=now(), **fields), seal(by)
        )
        return self.message("verdict", signed.raw, raw_sha256=sha(submission))

    def acceptance(
        self, row: OutboxEntry, recipients: Sequence[AgencyCode] = (OCS,), **fields: Any
    ) -> Message:
        assert row.raw is not None
        frozen = recipient_set(recipients)
        terms = Terms(
            recipients_digest=frozen.digest,
            recipient_count=len(frozen.recipients),
            recipients=frozen.named,
            directory_version=1,
            calendar_version=1,
        )
        stated: dict[str, Any] = {
            "letter_id": UUID(row.document_id),
            "letter_digest": row.digest,
            "terms": terms,
        }
        return self.verdict(row.raw, Event.ACCEPTED, **{**stated, **fields})

    def listing(self, recipients: Sequence[AgencyCode]) -> Message:
        """The list of a letter's recipients."""
        return self.message("recipients", recipient_set(recipients).octets)

    def refusal(self, row: OutboxEntry, code: str = "recipient.unknown") -> Message:
        assert row.raw is not None
        return self.verdict(row.raw, Event.REFUSED_BY_BUS, submission_digest=sha(row.raw), reason_code=code)

    def entry(self, row: OutboxEntry) -> Message:
        assert row.raw is not None
        body = {"entry": 7, "notice": row.document_id, "digest": row.digest, "duplicate": False}
        return self.message("entry", json.dumps(body).encode(), raw_sha256=sha(row.raw))


@dataclass
class Deliveries:
    """A queue's consumer: what is not acknowledged stays."""

    queued: asyncio.Queue[Incoming | None] = field(default_factory=asyncio.Queue)
    acknowledged: list[Incoming] = field(default_factory=list)
    tags: int = 0

    def put(self, message: Message) -> None:
        self.tags += 1
        self.queued.put_nowait(
            Incoming(
                body=message.body,
                exchange="deliver",
                routing_key="",
                user_id=None,
                message_id=None,
                type=message.type,
                headers=message.headers,
                redelivered=False,
                received_at=NOW,
                generation=1,
                tag=self.tags,
            )
        )

    async def take(self, limit: int) -> list[Incoming]:
        first = await self.queued.get()
        if first is None:
            raise Closed("stopped")
        taken = [first]
        while len(taken) < limit and not self.queued.empty():
            more = self.queued.get_nowait()
            if more is None:
                self.queued.put_nowait(None)
                break
            taken.append(more)
        return taken

    def ack_all(self, incoming: Sequence[Incoming]) -> None:
        self.acknowledged.extend(incoming)

    async def stop(self) -> None:
        self.queued.put_nowait(None)


@dataclass
class Broker:
    """Takes what is published; `fails` says how often to lose it, or its confirm, first."""

    published: list[Submission] = field(default_factory=list)
    deliveries: Deliveries = field(default_factory=Deliveries)
    fails: int = 0
    took_it_all_the_same: bool = False
    answer: Callable[[Submission], None] = lambda _: None

    async def publish(self, outgoing: Submission, *, deadline: float = 30.0) -> None:
        failing = self.fails > 0
        self.fails -= failing
        if not failing or self.took_it_all_the_same:
            self.published.append(outgoing)
            self.answer(outgoing)
        if failing:
            raise Transient("no confirm")

    def subscribe(self, queue: str, *, prefetch: int) -> Deliveries:
        return self.deliveries


@dataclass
class Depot:
    """Files by digest; `away` and `refuses` are sets of digests that cannot be had now, or ever."""

    held: dict[RawDigest, bytes] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    refused: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def upload(self, path: Path, sha256: RawDigest, size: int) -> None:
        self.asked.append(sha256)
        if sha256 in self.refused:
            raise self.refused[sha256]
        if sha256 in self.away:
            raise Transient("the depot is away")
        self.held[sha256] = await asyncio.to_thread(path.read_bytes)

    async def directory(self, digest: RawDigest, size: int) -> bytes:
        self.asked.append(digest)
        if digest in self.refused:
            raise self.refused[digest]
        if digest in self.away or digest not in self.held:
            raise Transient("the depot is away")
        return self.held[digest]

    async def download(self, sha256: RawDigest, size: int, target: Path) -> None:
        self.asked.append(sha256)
        if sha256 in self.refused:
            raise self.refused[sha256]
        if sha256 in self.away or sha256 not in self.held:
            raise Transient("the depot is away")
        await asyncio.to_thread(target.write_bytes, self.held[sha256])


@dataclass
class Office:
    """One agency with its mailbox, its agent and the bus's voice to it."""

    mailbox: Mailbox
    bus: Bus
    broker: Broker = field(default_factory=Broker)
    depot: Depot = field(default_factory=Depot)

    def agent(self, tuning: Tuning = QUICK) -> Agent:
        return Agent(
            self.mailbox,
            seal=seal(self.mailbox.agency),
            bus_certificate=seal(BUS).certificate,
            outward=self.broker,
            inward=self.broker,
            depot=self.depot,
            tuning=tuning,
        )

    def hear(self, *messages: Message) -> None:
        for message in messages:
            self.broker.deliveries.put(message)

    @asynccontextmanager
    async def running(self, tuning: Tuning = QUICK) -> AsyncIterator[None]:
        stop = asyncio.Event()
        task = asyncio.create_task(self.agent(tuning).run(stop))
        try:
            yield
        finally:
            stop.set()
            await task
            self.broker.deliveries.queued = asyncio.Queue()

    def put(self, folder: Path, content: bytes = b"%PDF sample", **changes: Any) -> OutboxEntry:
        """Put a letter with one file into the outbox."""
        source = folder / f"{sha(content)[:8]}.pdf"
        source.write_bytes(content)
        made = letter(main_file=file_of(content), **changes)
        return self.mailbox.outbox.put_letter(made, [source], str(made.letter_id))

    def signed(self, content: bytes = b"%PDF sample", by: str = OPM, **changes: Any) -> Signed:
        """A letter from somebody else, whose file is in the depot."""
        self.depot.held[sha(content)] = content
        return sign(letter(main_file=file_of(content), **changes), seal(by))


def settled(office: Office) -> bool:
    """Whether everything that has been delivered is judged."""
    counts = office.mailbox.arrivals.counts()
    return sum(counts.values()) >= office.broker.deliveries.tags and not counts.get("stored")


async def until(condition: Callable[[], Any], within: float = 60.0) -> Any:
    """Wait for a condition over stored rows; it is asked again and again, for commits have no event."""
    async with asyncio.timeout(within):
        while not (found := condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return found


def notices_in(broker: Broker) -> list[Notice]:
    """The notices that were published, each once."""
    seen = {each.message_id: each.body for each in broker.published if each.type == "notice"}
    documents = [read(open_envelope(body).root) for body in seen.values()]
    return [each for each in documents if isinstance(each, Notice)]


def letters_in(broker: Broker) -> list[Letter]:
    documents = [read(open_envelope(each.body).root) for each in broker.published if each.type == "letter"]
    return [each for each in documents if isinstance(each, Letter)]
