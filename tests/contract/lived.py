"""A ledger in which something has happened: a circular with every kind of outcome, a withdrawal, a refusal, heads.

The letters, notices and signatures are real; only the broker is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.documents.letter import Letter, Receiver
from bus.documents.notice import Event, Registration
from bus.documents.signing import Signed, sign
from bus.identifiers import as_letter_id
from bus.ledger.checkpoint import Signer
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router.activation import activate_calendar
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DAY, DGA, OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig

FIRST, SECOND = "rig-1", "rig-2"


@dataclass
class Lived:
    """The ledger with what is needed to go on."""

    ledger: Ledger
    router: rig.Router
    signer: Signer
    circular: Letter
    signed: Signed
    letter: int
    """Ledger number of the circular."""

    def say(self, event: Event, author: str, **changes: Any) -> Signed:
        """Have a party say something about the circular."""
        notice = factory.notice(
            event,
            author=author,
            letter_id=self.circular.letter_id,
            letter_digest=self.signed.digest,
            **changes,
        )
        signed = sign(notice, factory.seal(author))
        assert self.router.take(rig.delivery(signed.raw, author)).outcome == "notice-accepted"
        return signed

    def confirm(self) -> None:
        """Have the broker confirm everything that waits, whoever has claimed it."""
        self.ledger.release_leases(None)
        waiting = self.ledger.lease(Lease("rig", now() + DAY), limit=1000, per_agency=1000)
        with self.ledger.append() as writer:
            writer.confirmed(waiting)


def live(ledger: Ledger, folder: Path) -> Lived:
    """Let it happen: to OCS registered, to SOC delivered, to DGA not a word; then heads of 3 sizes."""
    router = rig.Router(ledger)
    router.activate(rig.directory())
    activate_calendar(ledger, rig.calendar(), operator=by("tester"))
    signer = rig.signer(ledger, folder)
    circular = factory.letter(
        sender=factory.sender(OPM),
        receivers=tuple(Receiver(agency=code) for code in (OCS, SOC, DGA)),
        number="นร 0105/ว 165",
    )
    signed = sign(circular, factory.seal(OPM))
    assert router.take(rig.delivery(signed.raw)).outcome == "accepted"
    signer.sign()
    with ledger.read() as reader:
        letter = _letter(reader, circular)
    lived = Lived(ledger, router, signer, circular, signed, letter)
    lived.confirm()
    lived.say(Event.DELIVERED, OCS)
    lived.say(Event.DELIVERED, SOC)
    signer.sign()
    lived.say(
        Event.REGISTERED,
        OCS,
        registration=Registration(number="๑๒๓", registered_at=now(), year=2569, officer="ตัวอย่าง"),
    )
    assert router.take(rig.delivery(b"<broken", OPM)).outcome == "refused"
    lived.confirm()
    signer.sign()
    return lived


def _letter(reader: Reader, circular: Letter) -> int:
    (row,) = reader.find_letters(letter_id=as_letter_id(circular.letter_id))
    return row.letter
