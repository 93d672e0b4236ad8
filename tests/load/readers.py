"""People and systems that look letters up at a steady pace: one process for all of them.

A reading's time runs from the moment it was due, whether or not it could be asked then, until its last byte is there.
One that fails is asked again until it succeeds; its time goes on meanwhile.
"""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random
from time import sleep, time

_THREADS = 32
_AGAIN = 0.2
_GIVE_UP_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """One kind of reading: its share of all, its addresses, and the cookies of those who may."""

    name: str
    weight: int
    paths: Sequence[str]
    cookie: str


@dataclass(slots=True)
class Readings:
    """What became of the readings: seconds from when each was due, by kind."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: int = 0
    """Answers that were none, or none of 200; each was asked for again."""
    given_up: int = 0


def read(
    ports: Sequence[int], looks: Sequence[Look], per_second: float, seconds: float, begin: float
) -> Readings:
    """Ask the consoles on these ports, in turn, from `begin` on (seconds since 1970)."""
    found, lock, numbers = Readings(), threading.Lock(), itertools.count()
    wanted = int(per_second * seconds)
    chosen = Random(2526).choices(looks, [one.weight for one in looks], k=wanted)

    def ask(place: int) -> None:
        connections = {port: HTTPConnection("127.0.0.1", port, timeout=_GIVE_UP_AFTER) for port in ports}
        while (number := next(numbers)) < wanted:
            due = begin + number / per_second
            sleep(max(0.0, due - time()))
            look = chosen[number]
            path, connection = look.paths[number % len(look.paths)], connections[ports[number % len(ports)]]
            while not (there := _answered(connection, path, look.cookie)) and time() - due < _GIVE_UP_AFTER:
                with lock:
                    found.failed += 1
                sleep(_AGAIN)
            with lock:
                if there:
                    found.seconds[look.name].append(time() - due)
                else:
                    found.given_up += 1

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(_THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found.seconds = dict(found.seconds)
    return found


def _answered(connection: HTTPConnection, path: str, cookie: str) -> bool:
    try:
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, HTTPException):
        connection.close()
        return False
