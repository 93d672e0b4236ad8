"""Whether anything is still on its way, asked of ledger, mailboxes, folders and broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from tests.chaos import looking
from tests.chaos.looking import Places

WITHIN = 60.0
"""Seconds after the last fault has ended within which everything has to have come to rest."""
_GIVEN_UP_AFTER = 180.0
_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Rest:
    """How everything came to rest."""

    took: float
    late: Sequence[str]
    """What was still on its way after `WITHIN` seconds."""
    left: Sequence[str]
    """What was still on its way when it was given up; then what is judged afterwards is judged too early."""


def drain(places: Places, due: Callable[[], list[str]]) -> Rest:
    """Wait until nothing is on its way; longer than it may take, so that what is only slow is not called lost."""
    began, calm = monotonic(), 0
    late: list[str] = []
    while True:
        # Twice in a row, for what an office does about what comes during a look is seen by the next one.
        left = due() or list(unfinished(places)) or due()
        calm = 0 if left else calm + 1
        took = monotonic() - began
        if left and took > WITHIN and not late:
            late = left
        if calm == 2 or took > _GIVEN_UP_AFTER:
            return Rest(took, late, left)
        sleep(_LOOK_EVERY)


def unfinished(places: Places) -> Iterator[str]:
    """What is on its way, in words."""
    pending, consigned = looking.query(
        places.ledger,
        "SELECT agency, count(*) AS number FROM pending GROUP BY agency",
        "SELECT agency, max(number) AS last FROM consignments GROUP BY agency",
    )
    yield from (f"{row['number']} consignments are pending for {row['agency']}" for row in pending)
    last = {row["agency"]: row["last"] for row in consigned}
    for code, path in places.mailboxes.items():
        yield from (f"{code}: {what}" for what in _unfinished_at(path, last.get(code, 0)))
    for code, path in places.folders.items():
        yield from (f"{code}: {what} was not taken from the office" for what in looking.left_in(path))
    try:
        queues = looking.queues(places)
    except OSError as exc:
        yield f"the broker does not say what is in its queues: {exc}"
        return
    for queue, messages in queues.items():
        # What is parked waits for an operator, and the probe's last message for nobody.
        if messages and queue not in ("router.parked", "router.probe"):
            yield f"{messages} messages in {queue}"


def _unfinished_at(path: Path, last: int) -> Iterator[str]:
    box = looking.box(path)
    for row in box.outbox:
        if row["state"] in ("waiting", "sealed", "sent"):
            yield (
                f"{row['type']} {row['reference']} is {row['state']} after {row['attempts']} attempts: "
                f"{row['last_error']}"
            )
    for row in box.arrivals:
        if row["state"] == "stored":
            yield f"consignment {row['consignment']} is not examined: {row['reason']}"
        elif row["state"] == "unplaced" and row["reason"] == "answer.document-lost":
            yield f"consignment {row['consignment']} answers a document that a copy is still to come of"
    for row in box.inbox:
        if row["state"] == "fetching":
            yield f"letter {row['letter_id']} is fetched: {row['last_error']}"
    arrived = {row["consignment"] for row in box.arrivals}
    missing = [number for number in range(1, last + 1) if number not in arrived]
    if missing:
        yield f"{len(missing)} consignments have not arrived, the first is {missing[0]}"
    if box.told < box.last_news:
        yield f"the office was told {box.told} of {box.last_news} items"
