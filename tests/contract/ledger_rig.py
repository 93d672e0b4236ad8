"""What the tests of the ledger and of gate 8 stand on: a directory, letters in a ledger, a router without broker."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select

from bus import assets
from bus.calendar import Calendar, Closure, load_calendar
from bus.codes import load_codes
from bus.depot.presence import Presence
from bus.directory import Agency, Directory, Group, PinnedCertificate
from bus.documents import xml
from bus.documents.notes import log_key, make_key
from bus.documents.notice import Notice
from bus.documents.recipients import Recipient, RecipientSet
from bus.identifiers import AgencyCode, ContentDigest, RawDigest, as_letter_id
from bus.ledger.checkpoint import Signer
from bus.ledger.database import reading
from bus.ledger.entry import Kind, timestamp
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import deadlines_of
from bus.ledger.store import Ledger, Writer
from bus.ledger.tables import DISPOSABLE, REMEMBERED
from bus.ledger.verifying import verify
from bus.ledger.work import Lease
from bus.router.activation import Versions, activate_directory, directory_in_force, versions
from bus.router.answers import Answers
from bus.router.concluding import conclude, files_of
from bus.router.delivery import Delivery, Outcome
from bus.router.gates import Rules, examine
from bus.router.recording import Recorded, Recorder, Stale
from bus.thai import now
from tests.assets import factory
from tests.assets.digests import SOME_BYTES
from tests.assets.factory import DGA, NAMES, OCS, OPM, SOC
from tests.assets.operators import by

ORIGIN = "saraban.example/test"
OF_WORDS = ("ix_letters_subject", "letter_words", "letter_trigrams")
"""Beginnings of the names of what finds words: each database has it in its own way, and SQLAlchemy knows neither."""
UNIT = AgencyCode("0100900001")
"""A sub-unit of OCS without an inbox of its own."""


def counts(ledger: Ledger) -> dict[str, int]:
    """How many rows each table has."""
    with reading(ledger.engine) as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (*REMEMBERED, *DISPOSABLE)
        }


def signer(ledger: Ledger, folder: Path, *, anchor_every: dt.timedelta = dt.timedelta(0)) -> Signer:
    """A signer of checkpoints with a key of its own in `folder`, the same whenever it is asked for."""
    file = folder / "log.key.pem"
    if not file.exists():
        make_key(file)
    return Signer(ledger, log_key(file, ORIGIN), folder / "log.head", anchor_every=anchor_every)


def some_entries(writer: Writer, count: int) -> None:
    """Append entries that say little."""
    for _ in range(count):
        writer.entry(Kind.RELEASED, agency=DGA, recipients=[DGA])


def in_ledger(
    writer: Writer,
    *,
    sender: AgencyCode = OPM,
    to: Sequence[AgencyCode] = (OCS,),
    on_hold: Sequence[str] = (),
    later: Mapping[str, str] | None = None,
    due: str | None = None,
    received: dt.datetime = factory.NOW,
    number: str = "นร 0105/1",
    subject: str | None = None,
    lease: Lease | None = None,
    speed: str = "001",
    kind: str | None = "external",
    dated: str | None = None,
) -> int:
    """Put an accepted letter into the ledger as gate 8 does, but without any signature; return its number.

    `due`: when its registrations are due, in a day if left out; `later`: for some recipients another time.
    """
    raw, letter_id = f"<Letter>{uuid4()}</Letter>".encode(), as_letter_id(uuid4())
    numbers = writer.numbers(to)
    frozen = RecipientSet.of(
        Recipient(
            agency=code,
            addressed=code,
            role="to",
            on_hold=code in on_hold,
            registration_due=later.get(code) if later else None,
        )
        for code in to
    )
    body: dict[str, Any] = {
        "receiptDue": timestamp(received + dt.timedelta(hours=4)),
        "registrationDue": due or timestamp(received + factory.DAY),
    }
    answer = writer.numbers([sender])[sender]
    digest = ContentDigest(f"{uuid4().hex}{uuid4().hex}")
    seq = writer.entry(
        Kind.ACCEPTED,
        agency=sender,
        document=raw,
        letterId=letter_id,
        digest=digest,
        acknowledgement="registration",
        speed=speed,
        receivedAt=timestamp(received),
        acceptance=writer.keep(b"<Notice/>"),
        answer=answer,
        recipients=writer.keep(frozen.octets, frozen.digest),
        consignments=[numbers[code] for code in frozen.codes],
        **body,
    )
    writer.letter_accepted(
        LetterRow(
            letter=seq,
            sender=sender,
            letter_id=letter_id,
            digest=digest,
            number=number,
            number_normalised=number,
            dated=dated or factory.NOW.date().isoformat(),
            speed=speed,
            acknowledgement="registration",
            accepted_at=timestamp(writer.at),
            receipt_due=str(body["receiptDue"]),
            registration_due=str(body["registrationDue"]),
            subject=subject,
        ),
        frozen=[{"agency": code, "addressed": code, "role": "to"} for code in to],
        files={SOME_BYTES: 50_123},
        deadlines=deadlines_of({**body, "recipients": {one.agency: one.terms for one in frozen.recipients}}),
        kind=kind,
    )
    writer.submission(
        entry=seq,
        agency=sender,
        type="letter",
        id=letter_id,
        digest=digest,
        raw=RawDigest(digest),
        answer=answer,
    )
    for code in to:
        headers = {"consignment": numbers[code], "entry": seq}
        writer.consign(
            code,
            numbers[code],
            type="letter",
            entry=seq,
            document=writer.keep(raw),
            headers=headers,
            letter=seq,
            on_hold=code in on_hold,
            lease=lease,
        )
    writer.consign(
        sender,
        answer,
        type="verdict",
        entry=seq,
        document=writer.keep(b"<Notice/>"),
        headers={"entry": seq},
        lease=lease,
    )
    return seq


def append_many(url: str, agency: AgencyCode, count: int, together: Barrier | None = None) -> None:
    """Append so many entries, each with a consignment to OCS, one transaction each: what a process of its own runs.

    Threads that are given a barrier begin each append together: none is done before the others have begun.
    """
    ledger = Ledger(url)
    for turn in range(count):
        if together:
            together.wait(30)
        with ledger.append() as writer:
            seq = writer.entry(Kind.CONSIGNED, agency=agency, recipients={OCS: [turn]})
            number = writer.numbers([OCS])[OCS]
            body = json.dumps([agency, turn])
            writer.consign(
                OCS,
                number,
                type="entry",
                entry=seq,
                document=writer.keep(body.encode()),
                headers={"entry": seq},
            )
    ledger.close()


# ---- a directory, and a router without a broker --------------------------------------------------------------------


def agency(code: AgencyCode, *pins: PinnedCertificate, **changes: Any) -> Agency:
    """An agency as the directory has it, with the certificate that the factory makes for it."""
    name = NAMES.get(code, "หน่วยงานย่อย (ตัวอย่าง)")
    values: dict[str, Any] = {"certificates": pins or (factory.pin(factory.seal(code)),), **changes}
    return Agency(code=code, name_th=name, name_en=f"Agency {code}", **values)


def directory(version: int = 1, **changes: Agency) -> Directory:
    """OPM, OCS with a sub-unit, SOC and DGA; an agency can be given anew as `OCS=agency(...)`."""
    agencies = {
        "OPM": agency(OPM, prefixes=("นร 01",)),
        "OCS": agency(OCS),
        "UNIT": agency(UNIT, inbox=False, parent=OCS),
        "SOC": agency(SOC),
        "DGA": agency(DGA),
        **changes,
    }
    everyone = Group(id="all-agencies", name_th="ทุกหน่วยงาน", name_en="All", members=(OPM, OCS, SOC, DGA))
    return Directory(
        version=version,
        agencies={one.code: one for one in agencies.values()},
        groups={everyone.id: everyone},
        bus_certificates=(factory.pin(factory.seal("bus")),),
    )


@cache
def calendar() -> Calendar:
    """The calendar that ships with the project."""
    return load_calendar(assets.path("config/calendar.toml"))


def calendar_with_closure(code: AgencyCode, days: int = 30) -> Calendar:
    """The same, with one agency closed from today on."""
    today = factory.NOW.date()
    closure = Closure(
        agencies=(code,),
        first=today,
        last=today + dt.timedelta(days=days),
        reason_th="น้ำท่วม",
        reason_en="flood",
    )
    return replace(calendar(), version=2, closures=(closure,))


@dataclass
class Router:
    """Gates and recording of one router, step by step; the depot holds whatever `files` says."""

    ledger: Ledger
    name: str = "router-1"
    files: Presence = Presence.OK
    calendar: Calendar = field(default_factory=calendar)
    refusals_per_hour: int = 500

    def __post_init__(self) -> None:
        self._answers = Answers(factory.seal("bus"), load_codes())
        self._recorder = Recorder(self.name, self.refusals_per_hour)

    def activate(self, version: Directory) -> int:
        """Put a directory in force."""
        return activate_directory(self.ledger, version, factory.seal("bus"), operator=by("tester"))

    def examine(self, *deliveries: Delivery) -> tuple[list[Outcome | Exception], Versions]:
        """Gates 1 to 7, and the versions they judged by; a bug stands in the place of what met it."""
        with self.ledger.read() as reader:
            entry = versions(reader)
            _, in_force = directory_in_force(reader)
            rules = Rules(in_force, self.calendar, load_codes(), self._answers, self.refusals_per_hour)
            passed = examine(deliveries, rules, reader)
        return conclude(passed, [self.files for _ in files_of(passed)], rules), entry

    def judge(self, *deliveries: Delivery) -> tuple[list[Outcome], Versions]:
        """The same where no bug is expected."""
        found, entry = self.examine(*deliveries)
        for bug in found:
            if isinstance(bug, Exception):
                raise bug
        return [one for one in found if not isinstance(one, Exception)], entry

    def record(self, found: Outcome, entry: Versions) -> Recorded:
        """Gate 8."""
        with self.ledger.append() as writer:
            return self._recorder.record(writer, found, entry)

    def take(self, delivery: Delivery) -> Recorded:
        """All gates, again as long as the snapshot was out of date."""
        for _ in range(5):
            (found,), entry = self.judge(delivery)
            try:
                return self.record(found, entry)
            except Stale:
                continue
        raise AssertionError("stale for ever")

    def take_all(self, *deliveries: Delivery) -> list[Recorded]:
        """All gates for a batch, recorded in one append, as the running router does it."""
        outcomes = self.record_all(*self.judge(*deliveries))
        return [one for one in outcomes if isinstance(one, Recorded)]

    def record_all(self, found: Sequence[Outcome], entry: Versions) -> list[Recorded | Stale]:
        """Gate 8 for a batch, in one append."""
        with self.ledger.append() as writer:
            return self._recorder.record_all(found, entry, writer)


def delivery(raw: bytes, agency: str = OPM, *, at: dt.datetime | None = None, **changes: Any) -> Delivery:
    """A submission that came through the agency's exchange, from the agency's user."""
    values: dict[str, Any] = {"agency": agency, "user": agency, "received_at": at or now(), **changes}
    return Delivery(raw=raw, **values)


def said(reader: Reader, code: AgencyCode, number: int) -> Notice:
    """The notice that a consignment carries."""
    consignment = reader.consignment(code, number)
    assert consignment is not None
    document = xml.read(xml.open_envelope(consignment.body).root)
    assert isinstance(document, Notice)
    return document


def entries_of_kind(ledger: Ledger, *kinds: Kind) -> list[Mapping[str, Any]]:
    """The bodies of all entries of these kinds."""
    with ledger.read() as reader:
        return [entry.body for entry in reader.entries(limit=10_000) if entry.kind in kinds]


def verified(ledger: Ledger, folder: Path, *, signatures: bool = True) -> list[str]:
    """What a verification of the whole ledger finds."""
    signer(ledger, folder).sign()
    key = log_key(folder / "log.key.pem", ORIGIN).verifier
    with reading(ledger.engine) as connection:
        report = verify(connection, key, signatures=signatures)
    return [str(finding) for finding in report.findings]
