"""Where an HTTP request ends: refused where two readers could disagree (RFC 9112, 5.2, 6.1 to 6.3; request smuggling).

h11 reads what some proxies read otherwise: a length beside chunks, one length twice, folded headers, bare line ends.
"""

from __future__ import annotations

import re
from typing import Any

import h11

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_LENGTH = b"content-length"
_CODING = b"transfer-encoding"
LARGEST_HEAD = 16 * 1024


class StrictConnection(h11.Connection):
    """h11 that refuses a head which another server might read in another way, and a body announced as too large."""

    def __init__(self, most_body: int | None) -> None:
        super().__init__(h11.SERVER, LARGEST_HEAD)
        self._most_body = most_body
        self.too_large = False

    def next_event(self) -> Any:
        """The next event; RemoteProtocolError for such a request."""
        if self.their_state is h11.IDLE:
            data, _ = self.trailing_data
            end = _END_OF_HEAD.search(data)
            if end and (fault := framing_fault(data[: end.end()])):
                raise h11.RemoteProtocolError(fault)
        event = super().next_event()
        if isinstance(event, h11.Request) and self._most_body is not None:
            self.too_large = any(
                int(each) > self._most_body for name, each in event.headers if name == _LENGTH
            )
            if self.too_large:
                raise h11.RemoteProtocolError("the body is announced as too large")
        return event


def framing_fault(head: bytes) -> str | None:
    """Return what is doubtful in a request's head, or None."""
    lines = head.split(b"\r\n")
    if any(octet in line for line in lines for octet in (b"\r", b"\n", b"\0")):
        return "a line does not end with CRLF"
    if any(line[:1] in (b" ", b"\t") for line in lines[1:]):
        return "a header is folded"
    fields = [line.partition(b":") for line in lines[1:] if line]
    lengths = [value.strip(b" \t") for name, _, value in fields if name.lower() == _LENGTH]
    codings = [value for name, _, value in fields if name.lower() == _CODING]
    if len(lengths) > 1 or any(not _NUMBER.fullmatch(each) for each in lengths):
        return "Content-Length is not one number"
    if lengths and codings:
        return "both Content-Length and Transfer-Encoding"
    if codings and not lines[0].endswith(b"HTTP/1.1"):
        return "Transfer-Encoding before HTTP/1.1"
    return None
