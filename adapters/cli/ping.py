"""`saraban-adapter ping`: a test letter through the bus, with the time of each step on its way and back.

It is a letter of kind `test` and sub-kind `ping`, to this agency itself or to another; its file is always the same one,
which the depot keeps once. The running adapter sends it like any other, and the mailbox is looked at until the receipt
is there.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import uuid4

import typer

from adapters import views
from adapters.cli.asking import one_agency
from adapters.cli.output import AsJson, Config, opened, reading, say
from adapters.mailbox import Mailbox, NoticeRow, OutboxEntry, OutboxState
from adapters.mailbox.mistakes import Mistake, Mistaken
from adapters.mailbox.pings import KIND, PING
from bus.documents.letter import Content, File, Letter, Receiver, Sender
from bus.documents.notice import Event, Notice
from bus.documents.xml import open_envelope, read
from bus.exits import NEGATIVE, NOT_NOW
from bus.identifiers import RawDigest
from bus.text import print_json
from bus.thai import BANGKOK, now

SUBJECT = (
    "ทดสอบระบบรับส่ง ไม่ใช่หนังสือราชการ ไม่ต้องลงทะเบียนรับ · saraban-adapter ping, no letter: do not register it"
)
_FILE = "ping.txt"
_CONTENT = b"saraban-adapter ping: this file tests the way of a letter and says nothing.\n"
_LOOK_EVERY = 0.05
_LOST = (Event.HANDOVER_FAILED,)


@dataclass
class _Way:
    """How far a test letter has come: when each step was taken, and whose clock says so."""

    began: float
    steps: dict[str, tuple[datetime, str]] = field(default_factory=dict)

    def step(self, name: str, at: datetime | None, by: str) -> None:
        if at is not None and name not in self.steps:
            self.steps[name] = (at, by)

    def view(self) -> Iterator[views.View]:
        for name in _STEPS:
            at, by = self.steps.get(name, (None, ""))
            if at is not None:
                after = round(at.timestamp() - self.began, 3)
                yield {"step": name, "at": at.isoformat(), "seconds": after, "clock": by}
            elif name == "uploaded" and "published" in self.steps:
                yield {"step": name, "at": None, "seconds": None, "clock": _NOT_NEEDED}


_STEPS = ("sealed", "uploaded", "published", "accepted", "consigned", "received", "fetched", "receipt home")
_NOT_NEEDED = "not needed: the depot has had this file from here in these days"
_HERE, _THERE, _BUS = "this machine", "the recipient", "the bus"


def ping(
    agency: Annotated[
        str | None, typer.Argument(help="To whom: code, name or abbreviation; to oneself, if left out.")
    ] = None,
    within: Annotated[float, typer.Option(min=1, max=3600, help="Seconds to wait for the receipt.")] = 60.0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send a test letter, and print when it was where; exit 1 if it was refused, 75 if its receipt has not come."""
    with reading(config) as (_, mailbox):
        _await_directory(mailbox, time.monotonic() + within)
        letter = _letter_for(mailbox, agency)
    with opened(config) as mailbox:
        way = _Way(time.time())
        row = _put(mailbox, letter)
        end = time.monotonic() + within
        while not (done := _look(mailbox, row.id, way)) and time.monotonic() < end:
            time.sleep(_LOOK_EVERY)
        row = mailbox.outbox.get(row.id)
        steps = list(way.view())
        why = row.last_error or (views.refusal(row) or {}).get("en")
        if as_json:
            print_json({"letter_id": row.document_id, "state": str(row.state), "why": why, "steps": steps})
        else:
            for each in steps:
                when = f"{each['at']}  +{each['seconds']:.3f} s  " if each["at"] else ""
                say(False, None, f"{each['step']:<13} {when}({each['clock']})")
            say(False, None, _ending(row, done, within, why))
        if done == "failed":
            raise typer.Exit(NEGATIVE)
        if not done:
            raise typer.Exit(NOT_NOW)


def _ending(row: OutboxEntry, done: str, within: float, why: str | None) -> str:
    if done == "home":
        return f"the receipt of {row.document_id} is home"
    if done == "failed":
        return f"{row.document_id} was not delivered: {why or row.state}"
    reason = f" ({why})" if why else ""
    return f"no receipt within {within:.0f} s; the last step is above{reason}: see `saraban-adapter doctor`"


def _await_directory(mailbox: Mailbox, end: float) -> None:
    """Wait for the first directory, which an adapter that was just started has asked for."""
    while mailbox.directory() is None and mailbox.running() and time.monotonic() < end:
        time.sleep(_LOOK_EVERY)


def _letter_for(mailbox: Mailbox, named: str | None) -> Letter:
    """The letter to be sent. Raises Mistaken where nobody would send it."""
    if not mailbox.running():
        th = "โปรแกรมเชื่อมต่อไม่ได้ทำงานอยู่ จึงไม่มีผู้ส่ง โปรดเริ่ม saraban-adapter run ก่อน"
        en = "the adapter does not run, and nobody would send it: start `saraban-adapter run` first"
        raise Mistaken(Mistake("ping", th, en))
    directory = mailbox.directory()
    own = directory.agencies.get(mailbox.agency) if directory else None
    if directory is None or own is None:
        th = "ทะเบียนหน่วยงานที่มีชื่อหน่วยงานนี้ยังไม่มาถึง โปรดดู saraban-adapter status"
        en = "the directory with this agency's name has not come yet: see `saraban-adapter status`"
        raise Mistaken(Mistake("ping", th, en))
    to = one_agency(named, directory) if named else mailbox.agency
    digest = RawDigest(hashlib.sha256(_CONTENT).hexdigest())
    return Letter(
        letter_id=uuid4(),
        date=now().date(),
        sent_at=now(),
        kind=KIND,
        sub_kind=PING,
        acknowledgement="receipt",
        sender=Sender(agency=mailbox.agency, name=own.name_th),
        receivers=(Receiver(agency=to),),
        content=Content(subject=SUBJECT),
        main_file=File(name=_FILE, size=len(_CONTENT), digest=digest, media_type="text/plain"),
    )


def _put(mailbox: Mailbox, letter: Letter) -> OutboxEntry:
    with TemporaryDirectory(prefix="saraban-ping-") as folder:
        file = Path(folder) / _FILE
        file.write_bytes(_CONTENT)
        return mailbox.outbox.put_letter(letter, [file], f"{PING}:{letter.letter_id}")


def _look(mailbox: Mailbox, number: int, way: _Way) -> str:
    """Note what has happened since the last look; `home` or `failed` when nothing more is to come."""
    with mailbox.snapshot():
        row = mailbox.outbox.get(number)
        files = mailbox.outbox.files(number)
        came = mailbox.inbox.letters(digest=row.digest, letter_id=row.own_letter_id)
        said = mailbox.notices.about(row.own_letter_id, row.digest)
        arrived = mailbox.arrivals.get(came[0].arrival).arrived_at if came else None
    way.step("sealed", now() if row.raw else None, _HERE)
    if (uploaded := files[0].uploaded_at) is not None:
        way.step("uploaded", datetime.fromtimestamp(uploaded, BANGKOK), _HERE)
    if row.state is OutboxState.SENT:
        way.step("published", now(), _HERE)
    if stated := _accepted_at(row):
        way.step("published", stated, f"{_BUS}, at the latest")
        for name in ("accepted", "consigned"):  # in one transaction of the ledger
            way.step(name, stated, _BUS)
    if came:
        way.step("received", arrived, _HERE)
        way.step("fetched", _time(came[0].delivered_at), _HERE)
    receipts = [each for each in said if each.event in (Event.DELIVERED, *_LOST)]
    for each in receipts:
        if not came:
            way.step("fetched", _time(each.event_time), _THERE)
        if _home(mailbox, each):
            way.step("receipt home", now(), _HERE)
    if row.state in (OutboxState.REFUSED, OutboxState.PARKED) or any(
        each.event in _LOST for each in receipts
    ):
        return "failed"
    return "home" if "receipt home" in way.steps and row.state is OutboxState.ACCEPTED else ""


def _accepted_at(row: OutboxEntry) -> datetime | None:
    if row.state is not OutboxState.ACCEPTED or row.verdict is None:
        return None
    notice = read(open_envelope(row.verdict).root)
    return notice.event_time if isinstance(notice, Notice) else None


def _home(mailbox: Mailbox, receipt: NoticeRow) -> bool:
    """Whether a receipt came from the bus; of a letter to oneself, whether the bus has entered it."""
    if receipt.outbox is None:
        return receipt.arrival is not None
    return mailbox.outbox.get(receipt.outbox).state is OutboxState.ACCEPTED


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
