"""What goes to the broker and comes from it, as plain values, and the ways in which sending ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bus.errors import BusError, Transient

MAX_SHORT_STRING = 255
"""Bytes that AMQP 0-9-1 allows in a name or a property (short string)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to publish; it is always persistent, mandatory and confirmed."""

    exchange: str
    routing_key: str = ""
    body: bytes
    message_id: str
    """Together with exchange and routing key it finds the publish to which a returned message belongs."""
    type: str
    headers: Mapping[str, str | int] = field(default_factory=dict)
    user_id: str | None = None
    """The user of the connection; the broker refuses any other."""
    content_type: str = "application/xml"

    def __post_init__(self) -> None:
        for name in ("exchange", "routing_key", "message_id", "type", "user_id", "content_type"):
            value: str | None = getattr(self, name)
            # No character takes more than four bytes: most values need not be encoded to be known as short.
            if value and len(value) > MAX_SHORT_STRING // 4 and len(value.encode()) > MAX_SHORT_STRING:
                raise ValueError(f"{name} is longer than AMQP's {MAX_SHORT_STRING} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One delivered message; what a client may forge in it proves nothing (architecture: broker topology)."""

    body: bytes
    exchange: str
    routing_key: str
    user_id: str | None
    """Validated by the broker when present; may be absent."""
    message_id: str | None
    type: str | None
    headers: Mapping[str, object]
    asked: tuple[str, ...] = ()
    """Names of the properties by which its publisher asks the broker for something (expiration)."""
    redelivered: bool
    received_at: datetime
    generation: int
    """Which channel delivered it: a delivery tag means nothing on any other."""
    tag: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How many messages are ready in a queue, and how many consumers it has."""

    messages: int
    consumers: int


class Away(Transient):
    """The broker, or the channel to it, is not there now."""


class Closed(Transient):
    """This link or subscription has been closed by its owner."""


class Returned(Transient):
    """No queue took the message: the broker handed it back."""


class Nacked(Transient):
    """The broker refused the message: a queue that it is bound for is full, or failed to store it."""


class Unconfirmed(Transient):
    """The broker did not answer in time, or was lost on the way: the message may have arrived or not.

    Publish it again under the same id. `sent` tells whether it left at all.
    """

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.sent = sent


class Rejected(BusError):
    """The broker will never take this message (406): it is too large, or bears a user that is not the connection's."""

    for_logs = True
