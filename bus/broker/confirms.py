"""The publishes of one channel that the broker has not answered yet.

RabbitMQ numbers the publishes of a channel from one and answers by number, in any order, often for many at once.
A returned message bears no number and comes before its own ack: it is found by its id, exchange and routing key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bus.broker.liveness import Evidence
from bus.broker.messages import Nacked, Outgoing, Rejected, Returned, Unconfirmed

Identity = tuple[str, str, str]
"""Message id, exchange and routing key."""


@dataclass(slots=True)
class Publish:
    """One message that has been sent, and the future that ends with the broker's answer."""

    identity: Identity
    outgoing: Outgoing | None
    """None once nobody waits for its answer any more: a queue that never answers must not keep what was sent to it."""
    answer: asyncio.Future[None]
    until: float
    """When it is given up, by the event loop's clock."""
    returned: str = ""

    def done(self) -> None:
        """The broker has it for good."""
        # The publisher may have given up waiting (deadline or cancellation): then nobody wants the answer.
        if not self.answer.done():
            self.answer.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(slots=True)
class Confirms:
    """Matches answers to publishes; knows nothing of sockets."""

    evidence: Evidence = field(default_factory=Evidence)
    """Of the whole connection."""
    suspected: Callable[[Publish], None] | None = None
    """Takes each of several publishes over one of which, nobody says which, the broker closed the channel."""
    _last: int = 0
    _open: dict[int, Publish] = field(default_factory=dict)
    """By number, ascending."""
    _emptied: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None
    """One for all: it goes off at the first deadline, or later if that publish was answered meanwhile."""

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, outgoing: Outgoing, until: float) -> asyncio.Future[None]:
        """Call just after a publish: the future ends with the broker's answer to it, or at that time."""
        loop = asyncio.get_running_loop()
        identity = (outgoing.message_id, outgoing.exchange, outgoing.routing_key)
        publish = Publish(identity, outgoing, loop.create_future(), until)
        self._last += 1
        self._open[self._last] = publish
        self.evidence.sent()
        if self._timer is None or until < self._timer.when():
            self._wake_at(until)
        return publish.answer

    def returned(self, identity: Identity, reason: str) -> None:
        """The oldest unanswered publish of this identity was handed back; its ack is still to come."""
        for publish in self._open.values():
            if not publish.returned and publish.identity == identity:
                publish.returned = reason
                return

    def acked(self, number: int, *, multiple: bool) -> None:
        """The broker answers for this publish, or for all up to it, favourably (or after handing it back)."""
        for publish in self._answered(number, multiple=multiple):
            if publish.returned:
                self.evidence.returned()
                publish.fail(Returned(publish.returned))
            else:
                self.evidence.confirmed()
                publish.done()

    def nacked(self, number: int, *, multiple: bool) -> None:
        """The broker did not take this publish, or all up to it."""
        for publish in self._answered(number, multiple=multiple):
            publish.fail(Nacked("the broker refused the message: a queue is full or failing"))

    def lost(self, reason: str, *, over_a_message: bool = False) -> None:
        """No more answers will come on this channel: what is open may or may not have happened.

        Where the broker closed it over one of the messages, a single one is found; among several it is not.
        """
        open_ones = self._answered(self._last, multiple=True)
        if over_a_message and len(open_ones) > 1 and self.suspected is not None:
            for publish in open_ones:
                self.suspected(publish)
            return
        error = Rejected if over_a_message and len(open_ones) == 1 else Unconfirmed
        for publish in open_ones:
            publish.fail(error(reason))

    async def settled(self) -> None:
        """Wait until every publish has its answer."""
        while self._open:
            self._emptied.clear()
            await self._emptied.wait()

    def _answered(self, number: int, *, multiple: bool) -> list[Publish]:
        numbers = list(self._up_to(number)) if multiple else [number] if number in self._open else []
        answered = [self._open.pop(each) for each in numbers]
        if not self._open:
            self._emptied.set()
        return answered

    def _up_to(self, number: int) -> Iterator[int]:
        for each in self._open:
            if each > number:
                return
            yield each

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._give_up_late_ones)

    def _give_up_late_ones(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        later = None
        for publish in self._open.values():
            if publish.until <= now:
                publish.fail(Unconfirmed("no answer from the broker before the deadline"))
            if publish.answer.done():
                publish.outgoing = None
            elif later is None or publish.until < later:
                later = publish.until
        if later is not None:
            self._wake_at(later)
