"""Agencies that submit letters at a steady pace and take what comes to their inboxes: one process for all of them.

A letter's time runs from the moment it was due to be sent, whether or not it could be sent then, until its acceptance
is in the sender's inbox. Like an adapter, they send a letter again under its id until the broker has confirmed it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from bus import logs
from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Closed, Outgoing
from bus.documents.letter import Receiver
from bus.errors import Transient
from bus.identifiers import AgencyCode
from tests.bench import letters

_HEAD = struct.Struct(">HI")
_CHUNK = 250
_TICK = 0.01
_AGAIN = 0.2
_SETTLES_WITHIN = 180.0


@dataclass(slots=True)
class Written:
    """What became of the letters."""

    asked: int = 0
    seconds: list[float] = field(default_factory=list)
    """From when a letter was due until its acceptance was home."""
    resent: int = 0
    refused: int = 0
    unanswered: int = 0
    undelivered: int = 0
    twice: int = 0
    """Consigned more than once under different numbers: a duplicate that no adapter could drop."""
    last: float = 0.0
    """Seconds from the beginning until the last acceptance."""


def prepare(file: Path, keys: Path, senders: Sequence[AgencyCode], wanted: int) -> None:
    """Write so many signed letters into a file, of these agencies in turn, each to the next agency."""
    chunks = -(-wanted // _CHUNK)
    with file.open("wb") as out, ProcessPoolExecutor(2) as pool:
        numbers = [chunk % len(senders) for chunk in range(chunks)]
        to = [(Receiver(agency=senders[(number + 1) % len(senders)]),) for number in numbers]
        some = pool.map(
            letters.sign_some, [keys] * chunks, [senders[n] for n in numbers], to, [_CHUNK] * chunks
        )
        for number, raws in zip(numbers, some, strict=True):
            for raw in raws:
                out.write(_HEAD.pack(number, len(raw)) + raw)


def _read(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as found:
        while head := found.read(_HEAD.size):
            number, size = _HEAD.unpack(head)
            yield number, found.read(size)


def submit(
    urls: Mapping[AgencyCode, str], file: Path, skip: int, per_second: float, seconds: float, begin: float
) -> Written:
    """Submit the letters of a file after the first `skip`, from `begin` on (seconds since 1970)."""
    logs.configure("load", level="ERROR")  # that connections are closed is what is tried
    return asyncio.run(_Senders(urls).run(file, skip, per_second, seconds, begin))


class _Senders:
    def __init__(self, urls: Mapping[AgencyCode, str]) -> None:
        self._urls = urls
        self._out: list[Link] = []
        self._due: dict[str, float] = {}
        self._delivered: dict[str, set[str]] = {}
        """By each letter that was sent, the messages in which it came; what was in the inboxes before is no matter."""
        self._found = Written()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin = 0.0

    async def run(self, file: Path, skip: int, per_second: float, seconds: float, begin: float) -> Written:
        self._begin = begin
        async with AsyncExitStack() as links:
            self._out = [await links.enter_async_context(link) for link in self._links("load out")]
            home = [await links.enter_async_context(link) for link in self._links("load in")]
            await asyncio.gather(*(link.wait_connected() for link in (*self._out, *home)))
            listening = [
                asyncio.create_task(self._listen(*one)) for one in zip(self._urls, home, strict=True)
            ]
            await self._send(file, skip, per_second, seconds)
            await self._settle()
            for each in listening:
                each.cancel()
        found = self._found
        found.unanswered = len(self._due)
        found.undelivered = found.asked - found.refused - sum(map(bool, self._delivered.values()))
        found.twice = sum(len(numbers) > 1 for numbers in self._delivered.values())
        return found

    def _links(self, name: str) -> list[Link]:
        return [Link(url, name=name) for url in self._urls.values()]

    async def _send(self, file: Path, skip: int, per_second: float, seconds: float) -> None:
        some = _read(file)
        for _ in range(skip):
            next(some)
        codes = list(self._urls)
        while (passed := time() - self._begin) < seconds:
            while self._found.asked < passed * per_second:
                number, raw = next(some)
                due = self._begin + self._found.asked / per_second
                self._found.asked += 1
                task = asyncio.create_task(self._one(codes[number], self._out[number], raw, due))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(_TICK)

    async def _one(self, code: AgencyCode, link: Link, raw: bytes, due: float) -> None:
        letter_id = letters.id_of(raw)
        self._due[letter_id] = due
        self._delivered[letter_id] = set()
        outgoing = Outgoing(
            exchange=topology.submit_exchange(code),
            body=raw,
            message_id=letter_id,
            type="letter",
            user_id=topology.user_of(code),
        )
        while True:
            try:
                return await link.publish(outgoing)
            except Transient:
                self._found.resent += 1
                await asyncio.sleep(_AGAIN)

    async def _listen(self, code: AgencyCode, link: Link) -> None:
        subscription = link.subscribe(topology.inbox_queue(code), prefetch=500)
        while True:
            try:
                taken = await subscription.take(500)
            except Closed:
                return
            moment = time()
            for each in taken:
                if each.type == "letter" and (id_ := letters.id_of(each.body)) in self._delivered:
                    self._delivered[id_].add(str(each.message_id))
                elif each.type == "verdict":
                    self._answered(str(each.headers.get("about")), b">accepted<" in each.body, moment)
            subscription.ack_all(taken)

    def _answered(self, letter_id: str, accepted: bool, moment: float) -> None:
        due = self._due.pop(letter_id, None)
        if due is None:
            return
        if not accepted:
            self._found.refused += 1
            return
        self._found.seconds.append(moment - due)
        self._found.last = max(self._found.last, moment - self._begin)

    async def _settle(self) -> None:
        until = time() + _SETTLES_WITHIN
        while time() < until:
            arrived = sum(map(bool, self._delivered.values()))
            done = not self._due and arrived >= self._found.asked - self._found.refused
            if done and not self._tasks:
                return
            await asyncio.sleep(0.2)
