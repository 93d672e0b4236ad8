"""The publishes of one channel that the broker has not answered yet.

RabbitMQ numbers the publishes of a channel from one and answers by number, in any order, often for many at once.
A returned message bears no number and comes before its own ack: it is found by its id, exchange and routing key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bus.broker.liveness import Evidence
from bus.broker.messages import Nacked, Outgoing, Rejected, Returned, Suspected, Unconfirmed

Identity = tuple[str, str, str]
"""Message id, exchange and routing key."""


@dataclass(slots=True)
class _Publish:
    identity: Identity
    answer: asyncio.Future[None]
    returned: str = ""


@dataclass(slots=True)
class Confirms:
    """Matches answers to publishes; knows nothing of sockets."""

    evidence: Evidence = field(default_factory=Evidence)
    """Of the whole connection."""
    _last: int = 0
    _open: dict[int, _Publish] = field(default_factory=dict)
    """By number, ascending."""
    _by_identity: dict[Identity, list[_Publish]] = field(default_factory=dict)
    _emptied: asyncio.Event = field(default_factory=asyncio.Event)

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, outgoing: Outgoing) -> asyncio.Future[None]:
        """Call just after a publish: the future ends with the broker's answer to it."""
        identity = (outgoing.message_id, outgoing.exchange, outgoing.routing_key)
        publish = _Publish(identity, asyncio.get_running_loop().create_future())
        self._last += 1
        self._open[self._last] = publish
        self._by_identity.setdefault(identity, []).append(publish)
        self.evidence.sent()
        return publish.answer

    def returned(self, identity: Identity, reason: str) -> None:
        """The oldest unanswered publish of this identity was handed back; its ack is still to come."""
        for publish in self._by_identity.get(identity, ()):
            if not publish.returned:
                publish.returned = reason
                return

    def acked(self, number: int, *, multiple: bool) -> None:
        """The broker answers for this publish, or for all up to it, favourably (or after handing it back)."""
        for publish in self._answered(number, multiple=multiple):
            if publish.returned:
                self.evidence.returned()
                _fail(publish.answer, Returned(publish.returned))
                continue
            self.evidence.confirmed()
            if not publish.answer.done():
                publish.answer.set_result(None)

    def nacked(self, number: int, *, multiple: bool) -> None:
        """The broker did not take this publish, or all up to it."""
        for publish in self._answered(number, multiple=multiple):
            _fail(publish.answer, Nacked("the broker refused the message: a queue is full or failing"))

    def lost(self, reason: str, *, over_a_message: bool = False) -> None:
        """No more answers will come on this channel: what is open may or may not have happened.

        Where the broker closed it over one of the messages, a single one is found; among several it is not.
        """
        open_ones = self._answered(self._last, multiple=True)
        error = Unconfirmed if not over_a_message else Rejected if len(open_ones) == 1 else Suspected
        for publish in open_ones:
            _fail(publish.answer, error(reason))

    async def settled(self) -> None:
        """Wait until every publish has its answer."""
        while self._open:
            self._emptied.clear()
            await self._emptied.wait()

    def _answered(self, number: int, *, multiple: bool) -> list[_Publish]:
        if multiple:
            numbers = []
            for each in self._open:
                if each > number:
                    break
                numbers.append(each)
        else:
            numbers = [number] if number in self._open else []
        answered = [self._open.pop(each) for each in numbers]
        for publish in answered:
            self._forget(publish)
        if not self._open:
            self._emptied.set()
        return answered

    def _forget(self, publish: _Publish) -> None:
        alike = self._by_identity[publish.identity]
        if len(alike) == 1:
            del self._by_identity[publish.identity]
        else:
            self._by_identity[publish.identity] = [each for each in alike if each is not publish]


def expire(answer: asyncio.Future[None], seconds: float) -> asyncio.TimerHandle:
    """Fail this answer with Unconfirmed unless it is there within so many seconds."""
    late = Unconfirmed(f"no answer from the broker within {seconds:.1f} s")
    return asyncio.get_running_loop().call_later(seconds, _fail, answer, late)


def _fail(answer: asyncio.Future[None], error: Exception) -> None:
    # The publisher may have given up waiting (deadline or cancellation): then nobody wants the answer.
    if not answer.done():
        answer.set_exception(error)
