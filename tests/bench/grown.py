"""A ledger as a country's bus has it after some months, for the pages: a directory of thousands, a million entries.

The letters are rows that are cheap to make, in the form that a fold of their entries needs. Those whose documents a
page reads are real: some letters, and a circular to every agency with receipts of hundreds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, text

from bus.broker.admin import apply
from bus.broker.management import Management
from bus.broker.topology import topology_for
from bus.codes import load_codes
from bus.documents.letter import Receiver
from bus.documents.notes import log_key
from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.identifiers import AgencyCode, ContentDigest, as_letter_id
from bus.ledger.checkpoint import Signer
from bus.ledger.database import working
from bus.ledger.entry import Kind, timestamp
from bus.ledger.rows import LetterRow
from bus.ledger.store import Ledger, Writer
from bus.ledger.tables import cosignatures, pending
from bus.ledger.work import Lease
from bus.router.answers import Answers
from bus.router.recording import Recorder
from bus.thai import normalise_number, now
from compose.local import ORIGIN, LocalBus
from compose.people import AUDITOR, STEWARD, sample
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.bench.letters import letter as written
from tests.contract import ledger_rig as rig
from tests.scale.country import GROUP, codes_of

QUEUES = 300
"""Agencies that have a queue: thousands on one node take longer to declare than everything else here."""
PARKED, OVERDUE, READINGS, ORDERS, REFUSED = 10_000, 20_000, 20_000, 500, 20_000
HEARD, HEARD_REALLY = 3_000, 200
"""Agencies whose receipt of the circular is entered: as rows, and as signed documents."""
PER_LETTER = 4
_HEADS = ("ขอเชิญประชุม", "ขอความอนุเคราะห์ข้อมูล", "รายงานผล", "แจ้งเวียน", "ขออนุมัติ", "ส่งสำเนา", "ตอบข้อหารือ")
_MATTERS = ("คณะกรรมการ", "แผนป้องกันน้ำท่วม", "งบประมาณรายจ่าย", "การจัดซื้อจัดจ้าง", "บุคลากร", "ระบบสารบรรณ")
_FAULTS = ("KeyError", "ValueError", "delivery-limit", None)
_CODES = ("xml.not-well-formed", "recipient.unknown", "signature.invalid")
_LAST, _DAYS = date(2026, 11, 20), 3 * 365
_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Places:
    """Numbers of what was put into the ledger, to look at."""

    agencies: list[AgencyCode]
    letters: list[int]
    """Real ones to one agency each."""
    circular: int
    cheap: int
    """A letter of rows, in the middle."""
    parked: int
    order: int
    size: int
    """Of the newest head that was cosigned."""


class CountryBus(LocalBus):
    """A bus whose directory has thousands of agencies, of which the first few hundred have queues."""

    def apply_topology(self) -> None:
        """Declare what those need."""
        wanted = topology_for(self.directory.inboxes[:QUEUES], vhost=self.vhost, **self._inbox_limits)
        with Management(self.broker.management_url) as management:
            apply(wanted, management, self.passwords)


class _Router(rig.Router):
    """The gates of a router without a broker, with the seal of this bus."""

    def of(self, bus: LocalBus) -> _Router:
        self._answers, self._recorder = Answers(bus.seal("bus"), load_codes()), Recorder(self.name, 500)
        return self


def grow(bus: LocalBus, ledger: Ledger, wanted: int) -> Places:
    """Fill the ledger with so many entries; nothing waits for a queue afterwards but what the first agencies get."""
    agencies = [code for code in map(AgencyCode, codes_of(len(bus.directory.inboxes)))]
    with working(ledger.engine) as connection:
        connection.execute(delete(pending))
    signer = Signer(ledger, log_key(bus.log_key, ORIGIN), bus.folder / "log.head", anchor_every=timedelta(0))
    fixed = PARKED + READINGS + ORDERS + REFUSED + OVERDUE + HEARD + HEARD_REALLY + 300
    letters = _letters(ledger, agencies, max(wanted - fixed, 4_000) // PER_LETTER)
    signer.sign()
    parked, order = _unaccepted(ledger, agencies), _people(ledger, agencies)
    real, circular = _real(bus, ledger, agencies)
    for _ in range(3):
        with ledger.append() as writer:
            writer.entry(Kind.READ, auditor=AUDITOR, role="auditor", method="key", what="find", count=0)
        signer.sign()
    size = _cosigned(ledger, agencies)
    _analyse(ledger)
    return Places(agencies, real, circular, letters[len(letters) // 2], parked, order, size)


def _letters(ledger: Ledger, agencies: list[AgencyCode], wanted: int) -> list[int]:
    """Letters from their acceptance to their registration; of the newest ones some end in silence."""
    chosen, numbers, found = Random(2526), count(1), []
    late_from = wanted - OVERDUE
    for start in range(0, wanted, _AT_ONCE):
        with ledger.append() as writer:
            # What is confirmed at once need not be listed as pending first.
            writer._pend = lambda *_, **__: None  # type: ignore[method-assign]
            for number in range(start, min(start + _AT_ONCE, wanted)):
                sender = agencies[0] if chosen.random() < 0.1 else chosen.choice(agencies[:400])
                to = chosen.choice(agencies)
                to = agencies[1] if to == sender or chosen.random() < 0.1 else to
                seq = _letter(writer, number, wanted, sender, to, chosen, numbers)
                if number < late_from:
                    _notice(writer, seq, "registered", to, next(numbers))
                else:
                    due = timestamp(writer.at)
                    writer.entry(
                        Kind.OVERDUE, letter=seq, deadline="registration", due=due, silent=[to], document=b"-"
                    )
                found.append(seq)
    return found


def _letter(
    writer: Writer,
    number: int,
    of: int,
    sender: AgencyCode,
    to: AgencyCode,
    chosen: Random,
    numbers: count[int],
) -> int:
    raw = b"<letter %d/>" % number
    letter_id, kept, at = as_letter_id(UUID(int=number)), writer.keep(raw), timestamp(writer.at)
    digest, shown = ContentDigest(kept), f"นร 0105/{number}"
    consigned, answer = writer.numbers([to])[to], writer.numbers([sender])[sender]
    acceptance = writer.keep(b"accepted %d" % number)
    entry = writer.entry(
        Kind.ACCEPTED,
        agency=sender,
        document=raw,
        sha256=kept,
        letterId=letter_id,
        digest=digest,
        acknowledgement="registration",
        speed="001",
        receivedAt=at,
        answer=answer,
        acceptance=acceptance,
        directory=1,
        calendar=1,
        recipients=writer.keep(factory.recipient_set([to]).octets),
        consignments=[consigned],
        receiptDue=at,
        registrationDue=at,
    )
    subject = f"{chosen.choice(_HEADS)}{chosen.choice(_MATTERS)} ครั้งที่ {number % 997}/2569"
    row = LetterRow(
        letter=entry,
        sender=sender,
        letter_id=letter_id,
        digest=digest,
        number=shown,
        number_normalised=normalise_number(shown),
        dated=(_LAST - timedelta(days=_DAYS * (of - number) // of)).isoformat(),
        speed="003" if number % 2_000 == 0 else "001",
        acknowledgement="registration",
        accepted_at=at,
        receipt_due=at,
        registration_due=at,
        subject=subject,
    )
    frozen = [{"agency": to, "addressed": to, "role": "to"}]
    writer.letter_accepted(row, frozen=frozen, files={kept: 1}, deadlines=[], kind="external")
    writer.submission(
        entry=entry, agency=sender, type="letter", id=letter_id, digest=digest, raw=kept, answer=answer
    )
    headers = {"entry": entry}
    writer.consign(to, consigned, type="letter", entry=entry, document=kept, headers=headers, letter=entry)
    writer.consign(sender, answer, type="verdict", entry=entry, document=acceptance, headers=headers)
    writer.entry(Kind.CONSIGNED, letter=entry, recipients={to: [consigned]})
    _notice(writer, entry, "delivered", to, next(numbers))
    return entry


def _notice(writer: Writer, letter: int, event: str, by: AgencyCode, number: int) -> None:
    raw, answer = b"<notice %d/>" % number, writer.numbers([by])[by]
    kept, notice_id = raw_digest(raw), str(UUID(int=number))
    digest = ContentDigest(kept)
    told = {"noticeId": notice_id, "event": event, "digest": digest, "about": [by], "answer": answer}
    more = {"number": "๑๒๓/๒๕๖๙"} if event == "registered" else {}
    entry = writer.entry(Kind.NOTICE, agency=by, letter=letter, document=raw, sha256=kept, **told, **more)
    writer.submission(
        entry=entry, agency=by, type="notice", id=notice_id, digest=digest, raw=kept, answer=answer
    )
    writer.consign(by, answer, type="entry", entry=entry, document=kept, headers={"entry": entry})


def _unaccepted(ledger: Ledger, agencies: list[AgencyCode]) -> int:
    """What was refused and what is parked, of which a few were replayed; the number of one that is."""
    chosen, parked = Random(2563), []
    for start in range(0, REFUSED, _AT_ONCE):
        with ledger.append() as writer:
            for number in range(start, start + _AT_ONCE):
                raw = b"<refused %d" % number
                writer.entry(
                    Kind.REFUSED,
                    agency=chosen.choice(agencies[:50]),
                    document=raw,
                    code=_CODES[number % len(_CODES)],
                    rawSha256=raw_digest(raw),
                    type="letter",
                    size=len(raw),
                )
    for start in range(0, PARKED, _AT_ONCE):
        with ledger.append() as writer:
            for number in range(start, start + _AT_ONCE):
                raw, at = b"<parked %d/>" % number, timestamp(writer.at)
                fault = _FAULTS[number % len(_FAULTS)]
                agency = chosen.choice(agencies[:50])
                parked.append(
                    writer.entry(
                        Kind.PARKED,
                        agency=agency,
                        document=raw,
                        rawSha256=raw_digest(raw),
                        receivedAt=at,
                        error=fault,
                    )
                )
    with ledger.append() as writer:
        for seq in parked[:500]:
            writer.entry(Kind.REPLAYED, parked=seq, request=seq, outcome="accepted")
        for seq in parked[500:1_000]:
            writer.entry(Kind.REPLAYED, parked=seq, request=seq, outcome="parked", error="TypeError")
    return parked[600]


def _people(ledger: Ledger, agencies: list[AgencyCode]) -> int:
    """What auditors read and stewards ordered; the number of an order."""
    order = 0
    for start in range(0, READINGS, _AT_ONCE):
        with ledger.append() as writer:
            for number in range(start, start + _AT_ONCE):
                query = {"words": _MATTERS[number % len(_MATTERS)]}
                said: dict[str, Any] = {
                    "auditor": AUDITOR,
                    "role": "auditor",
                    "method": "key",
                    "what": "find",
                }
                writer.entry(Kind.READ, **said, query=query, count=number % 50)
    with ledger.append() as writer:
        for number in range(ORDERS):
            order = writer.entry(
                Kind.ORDERED,
                act="suspend",
                agency=agencies[-1 - number % 200],
                reason="ตัวอย่าง",
                **sample(STEWARD).fields(),
            )
            done: dict[str, Any] = {"order": order, "outcome": "refused", "detail": "known", "code": "known"}
            writer.entry(Kind.ORDER_DONE, agency=agencies[-1 - number % 200], **done)
    return order


def _real(bus: LocalBus, ledger: Ledger, agencies: list[AgencyCode]) -> tuple[list[int], int]:
    """Letters and a circular to everybody, signed, judged and recorded as a router does it."""
    router = _Router(ledger).of(bus)
    sender = agencies[0]
    seal = bus.seal(sender)
    whom = [(Receiver(agency=code),) for code in agencies[1:21]] + [(Receiver(group=GROUP),)]
    signed = [sign(written(sender, to), seal) for to in whom]
    taken = router.take_all(*(rig.delivery(one.raw, sender) for one in signed))
    assert {one.outcome for one in taken} == {"accepted"}, taken
    with ledger.read() as reader:
        numbers = [reader.letters_by_hash(one.digest)[0].letter for one in signed]
    _confirm(ledger)
    circular, told = numbers[-1], signed[-1]
    running = count(10**9)
    with ledger.append() as writer:
        writer._pend = lambda *_, **__: None  # type: ignore[method-assign]
        for code in agencies[HEARD_REALLY + 1 : HEARD_REALLY + HEARD + 1]:
            _notice(writer, circular, "delivered", code, next(running))
    letter_id = _written_id(told.raw)
    said = []
    for code in agencies[1 : HEARD_REALLY + 1]:
        heard = factory.notice(
            Event.DELIVERED, author=code, letter_id=letter_id, letter_digest=told.digest, event_time=now()
        )
        said.append(rig.delivery(sign(heard, bus.seal(code)).raw, code))
    assert {one.outcome for one in router.take_all(*said)} == {"notice-accepted"}
    _confirm(ledger)
    return numbers[:-1], circular


def _written_id(raw: bytes) -> UUID:
    """Return the LetterID of a signed letter."""
    return UUID(raw.partition(b"<LetterID>")[2].partition(b"</LetterID>")[0].decode())


def _confirm(ledger: Ledger) -> None:
    """Have everything that waits be in its queue, as far as the ledger knows."""
    until = now() + timedelta(hours=1)
    waiting = ledger.lease(Lease("bench", until), limit=100_000, per_agency=1_000)
    with ledger.append() as writer:
        writer.confirmed(waiting)


def _cosigned(ledger: Ledger, agencies: list[AgencyCode]) -> int:
    """Cosignatures of the newest heads, of every agency; the size of the last but one."""
    with ledger.read() as reader:
        sizes = [size for size, _ in reader.heads.newest_anchors(2)]
    at = timestamp(now())
    line = f"— witness.example/{'x' * 20} {'A' * 100}"
    with working(ledger.engine) as connection:
        for size in sizes:
            rows = [{"size": size, "agency": code, "at": at, "line": line} for code in agencies]
            connection.execute(insert(cosignatures), rows)
    return sizes[-1]


def _analyse(ledger: Ledger) -> None:
    """Have the database know what it holds, as it does by itself after a while."""
    if ledger.engine.dialect.name == "postgresql":
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
