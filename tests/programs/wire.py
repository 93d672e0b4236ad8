"""What is sent to the interpreter that forks programs: their module, words, folder, environment and streams."""

from __future__ import annotations

import array
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Final

PRELOADED: Final = (
    "bus.cli",
    "adapters.cli",
    # What these load only in a command of their own:
    "bus.router.process",
    "bus.serve",
    "bus.enrolment.process",
    "bus.documents.devices",
    "adapters.cli.running",
    "alembic.command",
)
STREAMS: Final = (0, 1, 2)
_LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Request:
    """One program to begin."""

    module: str
    words: list[str]
    folder: str
    environment: dict[str, str]
    session: bool
    streams: tuple[int, ...] = field(default=())
    """The descriptors of standard input, output and error, as their holder numbers them."""


def send_request(channel: socket.socket, request: Request, streams: Iterable[int]) -> None:
    """Send a request with its streams."""
    body = json.dumps(asdict(request)).encode()
    socket.send_fds(channel, [_LENGTH.pack(len(body))], list(streams))
    channel.sendall(body)


def received_request(channel: socket.socket) -> Request | None:
    """Return the next request; None when the other end is gone."""
    head, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, len(STREAMS))
    if not head:
        return None
    (length,) = _LENGTH.unpack(head + _exactly(channel, _LENGTH.size - len(head)))
    request = Request(**json.loads(_exactly(channel, length)))
    return Request(**{**asdict(request), "streams": tuple(array.array("i", descriptors))})


def _exactly(channel: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        if not (part := channel.recv(length - len(received))):
            raise EOFError("the other end is gone")
        received += part
    return bytes(received)
