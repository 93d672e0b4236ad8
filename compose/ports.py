"""Ports of this machine for what is started here: chosen free, and not given twice while something still starts."""

from __future__ import annotations

import os
import random
import socket
from collections import deque
from contextlib import suppress

from bus.errors import BusError

LOOPBACK = "127.0.0.1"
PORTS = "SARABAN_PORTS"
"""The variable of the environment with the first and the last port that may be taken."""
_given: deque[int] = deque(maxlen=400)
"""The ports that were given last."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range that the system hands to outgoing connections.

    A node that is killed and started again must find its ports free, so ephemeral ones will not do. None is given
    again soon: between the choice of a port and the start of what listens there, minutes may pass. Programs that run
    side by side take theirs from ranges of their own (`SARABAN_PORTS`, as 20000-21249).
    """
    first, _, last = os.environ.get(PORTS, "20000-29999").partition("-")
    some = [port for port in range(int(first), int(last) + 1) if port not in _given]
    found: list[int] = []
    for port in random.sample(some, len(some)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            found.append(port)
        if len(found) == count:
            _given.extend(found)
            return found
    raise BusError(f"no {count} free ports between {first} and {last} on {LOOPBACK}")
