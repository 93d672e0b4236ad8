"""A broker that runs already, borrowed for a demonstration: refused where a bus lives, left as it was found.

RabbitMQ's users belong to no vhost: to declare `agency.<code>` where it exists would change a live agency's password.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bus.broker.management import Management
from bus.errors import Misconfigured, Problem

VHOST = "saraban-demo"
_OURS = ("agency.", "bus.")


@dataclass(frozen=True, slots=True)
class ExistingBroker:
    """A broker that runs already, as SARABAN_BROKER_MANAGEMENT and SARABAN_BROKER_AMQP name it."""

    management_url: str
    amqp_url: str

    @classmethod
    def from_environment(cls) -> ExistingBroker | None:
        """Return the broker that the environment names, or None."""
        management = os.environ.get("SARABAN_BROKER_MANAGEMENT")
        amqp = os.environ.get("SARABAN_BROKER_AMQP")
        return cls(management, amqp) if management and amqp else None


@contextmanager
def borrowed(broker: ExistingBroker, vhost: str) -> Iterator[None]:
    """Have a broker within the block, and take away afterwards the vhost and the users that were made in it.

    Raises Misconfigured where the vhost or any user of a bus exists: nothing has been touched then.
    """
    with Management(broker.management_url) as management:
        before = {each["name"] for each in management.get("users")}
        if there := sorted(name for name in before if name.startswith(_OURS)):
            raise _taken(f"has users of a bus ({there[0]} …)")
        if vhost in {each["name"] for each in management.get("vhosts")}:
            raise _taken(f"has a vhost {vhost}")
    try:
        yield
    finally:
        with Management(broker.management_url) as management:
            if vhost in {each["name"] for each in management.get("vhosts")}:
                management.delete("vhosts", vhost)
            for user in {each["name"] for each in management.get("users")} - before:
                if user.startswith(_OURS):
                    management.delete("users", user)


def _taken(wrong: str) -> Misconfigured:
    fix = "Name another broker, or none: then a private one is started."
    return Misconfigured(Problem("SARABAN_BROKER_MANAGEMENT", "the broker", wrong, fix))
