"""What the broker's management tells of the inboxes, for a user that may look at queues and at nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from sys import intern

from bus.broker.management import Management
from bus.broker.topology import inbox_queue, intake_queue
from bus.identifiers import AgencyCode

NEARLY_FULL = 0.7
"""The share of its limit from which on an inbox is warned of."""
_COLUMNS = "name,messages,messages_unacknowledged,message_bytes,consumers"
_PREFIX, _INTAKE = inbox_queue(""), intake_queue("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """One agency's queue as it is now."""

    messages: int
    """Ready ones and those that its adapter has not acknowledged yet."""
    bytes: int
    consumers: int
    unacknowledged: int = 0
    """Of the messages those that were given to its adapter, and that it has not acknowledged yet."""

    def fill(self, max_messages: int, max_bytes: int) -> float:
        """Return how full it is, as a share of the nearer limit; 0 stands for no limit."""
        shares = [self.messages / max_messages] if max_messages else []
        shares += [self.bytes / max_bytes] if max_bytes else []
        return max(shares, default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """All intake queues of a cluster together: what agencies have sent and no router has taken yet."""

    messages: int
    consumers: int
    """The most that one intake queue has: how many routers read."""


def inboxes(management: Management, vhost: str) -> dict[AgencyCode, Inbox]:
    """Return every inbox of the vhost, by agency. Raises Transient, and Misconfigured for a wrong password."""
    return queues(management, vhost)[0]


def queues(management: Management, vhost: str) -> tuple[dict[AgencyCode, Inbox], Intake]:
    """Return every inbox by agency, and the intake, in one question. Raises as `inboxes`."""
    found = {str(one["name"]): one for one in management.get("queues", vhost, columns=_COLUMNS)}
    intake = [one for name, one in found.items() if name.startswith(_INTAKE)]
    by_agency = {
        AgencyCode(intern(name.removeprefix(_PREFIX))): Inbox(
            messages=int(one.get("messages") or 0),
            bytes=int(one.get("message_bytes") or 0),
            consumers=int(one.get("consumers") or 0),
            unacknowledged=int(one.get("messages_unacknowledged") or 0),
        )
        for name, one in found.items()
        if name.startswith(_PREFIX)
    }
    return by_agency, Intake(
        messages=sum(int(one.get("messages") or 0) for one in intake),
        consumers=max((int(one.get("consumers") or 0) for one in intake), default=0),
    )


def warnings(found: dict[AgencyCode, Inbox], max_messages: int, max_bytes: int) -> list[str]:
    """Say in words which inboxes are nearly full, the fullest first."""
    fills = {code: inbox.fill(max_messages, max_bytes) for code, inbox in found.items()}
    nearly = sorted((code for code, fill in fills.items() if fill >= NEARLY_FULL), key=lambda c: -fills[c])
    return [
        f"queue {inbox_queue(code)} is {fills[code]:.0%} full ({found[code].messages} messages,"
        f" {found[code].bytes} bytes, {found[code].consumers} consumers)"
        for code in nearly
    ]
