"""A ledger in which there is something to look at for operators: the lived one, and one of each kind of trouble."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from bus.codes import load_codes
from bus.documents.lifecycle import Deadline
from bus.documents.reports import Reconciliation, sealed
from bus.ledger.entry import Kind, timestamp
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.router import parking
from bus.router.activation import Prepared, directory_entry
from bus.router.answers import Answers
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live

STEWARD = Operator("ผู้ดูแล (ตัวอย่าง)", Role.STEWARD, "local")
WHY = "ระบบขัดข้อง <b>ตัวอย่าง</b>"
"""Why SOC is suspended; nothing that pages may take for their own."""


@dataclass(frozen=True)
class Watched:
    """The ledger, and the numbers of what is in it."""

    lived: Lived
    parked: int
    """By OPM, of a `KeyError`; its replay failed by a `ValueError`."""
    unknown: int
    """By DGA, of a fault that nobody knows."""

    @property
    def letter(self) -> int:
        """The circular to OCS, SOC and DGA, of which SOC and DGA are silent."""
        return self.lived.letter


def watch(ledger: Ledger, folder: Path) -> Watched:
    """Let it happen."""
    lived = live(ledger, folder)
    overdue(ledger, lived.letter, Deadline.REGISTRATION, [SOC, DGA], hours=30)
    overdue(ledger, lived.letter, Deadline.RECEIPT, [DGA], hours=50)
    report = Reconciliation(id=uuid4(), agency=OCS, at=now(), contiguous=1, highest=1)
    assert lived.router.take(rig.delivery(sealed(report, factory.seal(OCS)), OCS)).outcome == "reconciled"
    parked, unknown = park(ledger, b"<Letter>one</Letter>", "KeyError"), park(ledger, b"<two/>", None, DGA)
    with ledger.append() as writer:
        request = parking.request_replay(writer, parked, operator=STEWARD, reason="แก้แล้ว (ตัวอย่าง)")
        writer.entry(
            Kind.REPLAYED, agency=OPM, request=request, parked=parked, outcome="parked", error="ValueError"
        )
        later = Prepared.of(rig.directory(2, SOC=replace(rig.agency(SOC), state="suspended")))
        directory_entry(writer, later, factory.seal("bus"), operator=STEWARD, reason=WHY)
        writer.entry(Kind.CONSIGNMENT_FAILED, agency=DGA, letter=lived.letter, number=1, reason="Nacked")
    return Watched(lived, parked, unknown)


def overdue(ledger: Ledger, letter: int, deadline: Deadline, silent: list[str], *, hours: int) -> int:
    """Have a deadline of a letter pass in silence so long ago; return the entry's number."""
    due = timestamp(now() - dt.timedelta(hours=hours))
    with ledger.append() as writer:
        return writer.entry(Kind.OVERDUE, letter=letter, deadline=deadline, due=due, silent=silent)


def park(ledger: Ledger, raw: bytes, fault: str | None, agency: str = OPM) -> int:
    """Park a submission; return its number."""
    one = rig.delivery(raw, agency)
    word = Answers(factory.seal("bus"), load_codes()).parked(raw_sha256=one.sha256, now=now())
    with ledger.append() as writer:
        return parking.park(writer, one, word, rig.directory().inboxes, fault)
