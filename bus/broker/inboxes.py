"""What the broker's management tells of the inboxes, for a user that may look at queues and at nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from bus.broker.management import Management
from bus.broker.topology import inbox_queue
from bus.identifiers import AgencyCode

NEARLY_FULL = 0.7
"""The share of its limit from which on an inbox is warned of."""
_COLUMNS = "name,messages,message_bytes,consumers"
_PREFIX = inbox_queue("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """One agency's queue as it is now."""

    messages: int
    """Ready ones and those that its adapter has not acknowledged yet."""
    bytes: int
    consumers: int

    def fill(self, max_messages: int, max_bytes: int) -> float:
        """Return how full it is, as a share of the nearer limit; 0 stands for no limit."""
        shares = [self.messages / max_messages] if max_messages else []
        shares += [self.bytes / max_bytes] if max_bytes else []
        return max(shares, default=0.0)


def inboxes(management: Management, vhost: str) -> dict[AgencyCode, Inbox]:
    """Return every inbox of the vhost, by agency. Raises Transient, and Misconfigured for a wrong password."""
    found = management.get("queues", vhost, columns=_COLUMNS)
    return {
        AgencyCode(str(one["name"]).removeprefix(_PREFIX)): Inbox(
            messages=int(one.get("messages") or 0),
            bytes=int(one.get("message_bytes") or 0),
            consumers=int(one.get("consumers") or 0),
        )
        for one in found
        if str(one["name"]).startswith(_PREFIX)
    }


def warnings(found: dict[AgencyCode, Inbox], max_messages: int, max_bytes: int) -> list[str]:
    """Say in words which inboxes are nearly full, the fullest first."""
    fills = {code: inbox.fill(max_messages, max_bytes) for code, inbox in found.items()}
    nearly = sorted((code for code, fill in fills.items() if fill >= NEARLY_FULL), key=lambda c: -fills[c])
    return [
        f"queue {inbox_queue(code)} is {fills[code]:.0%} full ({found[code].messages} messages,"
        f" {found[code].bytes} bytes, {found[code].consumers} consumers)"
        for code in nearly
    ]
