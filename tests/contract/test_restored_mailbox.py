"""Mailboxes that are brought back from a backup, and keys that are replaced, against the real gates and a real ledger.

Adapters run as they do in an agency; between them and the gates there is no broker but these lines.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from adapters.agent import Agent, Tuning
from adapters.mailbox import Mailbox, Message, OutboxEntry, OutboxState, tables
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistaken
from adapters.mailbox.properties import RECONCILE_ASKED_AT
from bus.broker.messages import Outgoing as Submission
from bus.directory import Directory, Group, PinnedCertificate
from bus.directory.model import READS_BY_DEFAULT
from bus.documents.letter import Letter, Receiver
from bus.documents.making import new_seal
from bus.documents.notice import BUS, Event
from bus.documents.recipients import MOST_NAMED
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.documents.versions import VERSIONS
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router.activation import directory_in_force
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery
from tests.unit.adapter.network import Broker, Depot, file_of, until

PACE = Tuning(
    resend_after=1.0, retry_after=0.02, longest_pause=2.0, watch_every=0.02, quiet=0.15, look_every=0.05
)
pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


@dataclass(eq=False)
class Office:
    """An agency's mailbox, and the process that may run on it."""

    code: AgencyCode
    folder: Path
    seal: Seal
    broker: Broker = field(default_factory=Broker)
    depot: Depot = field(default_factory=Depot)
    mailbox: Mailbox = field(init=False)

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self.folder, self.code)

    def copied(self) -> Path:
        """A copy of the mailbox as it is now."""
        self.mailbox.close()
        backup = self.folder.with_name(f"{self.folder.name}-backup")
        shutil.copytree(self.folder, backup, dirs_exist_ok=True)
        self.mailbox = Mailbox(self.folder, self.code)
        return backup

    def brought_back(self, backup: Path | None) -> None:
        """Put an older copy in the mailbox's place, or none at all."""
        self.mailbox.close()
        shutil.rmtree(self.folder)
        if backup is not None:
            shutil.copytree(backup, self.folder)
        self.mailbox = Mailbox(self.folder, self.code)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        agent = Agent(
            self.mailbox,
            seal=self.seal,
            bus_certificate=factory.seal(BUS).certificate,
            outward=self.broker,
            inward=self.broker,
            depot=self.depot,
            tuning=PACE,
        )
        task = asyncio.create_task(agent.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task
            self.broker.deliveries.queued = asyncio.Queue()

    def put(self, letter: Letter, reference: str = "ทะเบียนส่ง 1") -> OutboxEntry:
        source = self.folder.with_name("หนังสือ.pdf")
        source.write_bytes(b"%PDF sample")
        return self.mailbox.outbox.put_letter(letter, [source], reference)

    def told(self) -> list[tuple[str, str | None]]:
        """The answers that the office is told, in order: the state and the refusal as they are now."""
        items = [each for each in self.mailbox.news.after(0, 1000) if each.kind == "answer" and each.outbox]
        rows = [self.mailbox.outbox.get(each.outbox or 0) for each in items]
        return [(row.document_id, row.refusal) for row in rows]


@dataclass
class Bus:
    """Gates, ledger and what a broker would do: everything that is pending goes to the office that it is for."""

    router: Router
    offices: dict[str, Office] = field(default_factory=dict)
    deaf: bool = False
    """Whether it takes submissions and gives nothing out."""
    outcomes: list[str] = field(default_factory=list)
    """What became of each submission, in their order."""

    def take(self, agency: str, submission: Submission) -> None:
        announced = (submission.type, submission.message_id)
        recorded = self.router.take(delivery(submission.body, agency, announced=announced))
        self.outcomes.append(recorded.outcome)
        self.give_out()

    def give_out(self) -> None:
        if self.deaf:
            return
        ledger = self.router.ledger
        ledger.release_leases(None)
        claimed = ledger.lease(Lease("test", now()), limit=1000, per_agency=1000)
        for one in claimed:
            if office := self.offices.get(one.agency):
                office.broker.deliveries.put(Message(type=one.type, body=one.body, headers=one.headers))
        with ledger.append() as writer:
            writer.confirmed(claimed)


Open = Callable[[AgencyCode], Office]


@pytest.fixture(params=["1.0", "1.1"])
def bus(ledger: Ledger, request: pytest.FixtureRequest) -> Bus:
    """A bus whose agencies read version 1.0 of letters and notices, or both versions."""
    reads = READS_BY_DEFAULT if request.param == "1.0" else tuple(VERSIONS)
    codes = (("OPM", OPM), ("OCS", OCS), ("SOC", SOC), ("DGA", DGA))
    made = Bus(Router(ledger))
    agencies: dict[str, Any] = {name: rig.agency(code, reads=reads) for name, code in codes}
    made.router.activate(rig.directory(**agencies))
    return made


@pytest.fixture
def open_office(bus: Bus, tmp_path: Path) -> Iterator[Open]:
    def make(code: AgencyCode) -> Office:
        office = bus.offices[code] = Office(code, tmp_path / code, factory.seal(code))
        office.depot.held.update({sha: content for sha, content in [_sample()]})
        office.broker.answer = lambda submission: bus.take(code, submission)
        return office

    yield make
    for office in bus.offices.values():
        office.mailbox.close()


@pytest.fixture
def opm(open_office: Open) -> Office:
    return open_office(OPM)


@pytest.fixture
def ocs(open_office: Open) -> Office:
    return open_office(OCS)


def _sample() -> tuple[RawDigest, bytes]:
    return file_of(b"%PDF sample").digest, b"%PDF sample"


def letter(**changes: Any) -> Letter:
    return factory.letter(main_file=file_of(b"%PDF sample"), **changes)


def state(office: Office, row: OutboxEntry) -> OutboxState:
    return office.mailbox.outbox.get(row.id).state


def entries(bus: Bus, *kinds: Kind) -> list[Any]:
    return rig.entries_of_kind(bus.router.ledger, *kinds)


# ---- answers belong to content -------------------------------------------------------------------------------------


async def test_a_letter_sealed_anew_after_a_restore_is_settled_by_the_answer_to_the_bytes_before(
    bus: Bus, opm: Office
) -> None:
    row = opm.put(letter())
    backup = opm.copied()
    async with opm.running():
        bus.give_out()
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    first = opm.broker.published[0].body
    opm.brought_back(backup)
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
        await until(lambda: not opm.mailbox.arrivals.counts().get("stored"))
    # It may have been given a copy of the first bytes since, and have sent those once more.
    assert any(one.type == "letter" and one.body != first for one in opm.broker.published), (
        "it was sealed anew"
    )
    assert opm.mailbox.arrivals.quarantined() == []
    assert len(entries(bus, Kind.ACCEPTED)) == 1


async def test_a_refused_notice_sealed_anew_after_a_restore_is_settled_by_the_answer_to_the_bytes_before(
    bus: Bus, opm: Office, ocs: Office
) -> None:
    """A registration that the ledger does not permit: two mailboxes of one agency, one of them brought back."""
    opm.put(letter())
    async with opm.running(), ocs.running():
        bus.give_out()
        await until(lambda: ocs.mailbox.inbox.counts().get("delivered"))
    (got,) = ocs.mailbox.inbox.letters()
    key = LetterKey(letter_id=got.letter_id)
    answered = factory.notice(
        Event.REGISTERED,
        author=OCS,
        letter_id=open_id(got.letter_id),
        letter_digest=got.digest,
        registration=factory.registration("7"),
    )
    signed = rig_sign(answered)
    assert bus.router.take(delivery(signed, OCS)).outcome == "notice-accepted"
    row = perform(ocs.mailbox, Act(verb=Verb.REGISTER, letter=key, number="8"))
    backup = ocs.copied()
    async with ocs.running():
        await until(lambda: state(ocs, row) == OutboxState.REFUSED)
    ocs.brought_back(backup)
    async with ocs.running():
        await until(lambda: state(ocs, row) == OutboxState.REFUSED)
    refused = ocs.mailbox.outbox.get(row.id)
    assert refused.refusal == RefusalCode.NOTICE_ALREADY_ANSWERED
    assert ocs.mailbox.arrivals.quarantined() == []


def open_id(text: str) -> Any:
    return UUID(text)


def rig_sign(notice: Any) -> bytes:
    return sign(notice, factory.seal(notice.author)).raw


async def test_a_restored_adapter_makes_its_receipt_anew_and_it_is_a_duplicate(
    bus: Bus, opm: Office, ocs: Office
) -> None:
    async with ocs.running():
        bus.give_out()
        await until(ocs.mailbox.directory)
    backup = ocs.copied()
    opm.put(letter())
    async with opm.running(), ocs.running():
        bus.give_out()
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted"))
    ocs.brought_back(backup)
    (given,) = [
        n for n in range(1, 10) if (one := consignment(bus, OCS, n)) is not None and one.type == "letter"
    ]
    with bus.router.ledger.append() as writer:
        writer.repeat(OCS, given)
    async with ocs.running():
        bus.give_out()
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted"))
    assert entries(bus, Kind.CONFLICT, Kind.REFUSED) == []
    assert [one["event"] for one in entries(bus, Kind.NOTICE)] == [Event.DELIVERED]


def consignment(bus: Bus, code: AgencyCode, number: int) -> Any:
    with bus.router.ledger.read() as reader:
        return reader.consignment(code, number)


# ---- the list of many recipients ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["recipients", "verdict"])
async def test_a_list_or_an_acceptance_that_was_lost_is_asked_for_without_anybodys_doing(
    bus: Bus, opm: Office, lost: str
) -> None:
    bus.router.activate(to_many(bus))
    put = opm.broker.deliveries.put
    dropped: list[str] = []

    def put_but_once(message: Message) -> None:
        if message.type == lost and not dropped:
            dropped.append(lost)
        else:
            put(message)

    opm.broker.deliveries.put = put_but_once  # type: ignore[method-assign]
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
        row = opm.put(letter(receivers=(Receiver(group="many"),)))
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    assert dropped == [lost]
    states = opm.mailbox.states_of_sent(opm.mailbox.outbox.get(row.id))
    assert [each.agency for each in states] == list(MANY)
    assert opm.mailbox.arrivals.gaps() == []
    assert len(entries(bus, Kind.ACCEPTED)) == 1


async def test_a_mailbox_brought_back_from_before_a_circular_gets_its_list_and_its_acceptance_again(
    bus: Bus, opm: Office
) -> None:
    bus.router.activate(to_many(bus))
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    backup = opm.copied()
    row = opm.put(letter(receivers=(Receiver(group="many"),)))
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    opm.brought_back(backup)
    opm.mailbox.properties.set(RECONCILE_ASKED_AT, now().isoformat())
    async with opm.running():
        await until(
            lambda: (found := opm.mailbox.outbox.letters()) and found[0].state == OutboxState.ACCEPTED
        )
    assert opm.mailbox.outbox.letters()[0].recipients == MANY
    assert opm.mailbox.arrivals.quarantined() == []


MANY = tuple(AgencyCode(f"20{n:03}00000") for n in range(MOST_NAMED + 20))


def to_many(bus: Bus) -> Directory:
    """The directory in force with as many agencies more as no acceptance names, and a group of all these."""
    with bus.router.ledger.read() as reader:
        _, before = directory_in_force(reader)
    reads = before.agencies[OPM].reads
    pin = factory.pin(factory.seal(OPM))
    more = {code: rig.agency(code, pin, reads=reads) for code in MANY}
    group = Group(id="many", name_th="ส่วนราชการ", name_en="Many", members=(OPM, *MANY))
    return Directory(
        version=before.version + 1,
        agencies={**before.agencies, **more},
        groups={**before.groups, group.id: group},
        bus_certificates=before.bus_certificates,
    )


# ---- from before an acceptance -------------------------------------------------------------------------------------


async def test_a_letter_laid_out_again_after_a_restore_is_accepted_already_and_not_sent_twice(
    bus: Bus, opm: Office
) -> None:
    """The office lays it out before anything was reconciled: same LetterID and content, another time of sending."""
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    backup = opm.copied()
    wanted = letter()
    row = opm.put(wanted)
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    accepted = opm.mailbox.outbox.get(row.id)
    opm.brought_back(backup)
    again = opm.put(replace(wanted, sent_at=wanted.sent_at + dt.timedelta(minutes=3)))
    assert again.digest != accepted.digest
    async with opm.running():
        await until(lambda: state(opm, again) == OutboxState.ACCEPTED)
    settled = opm.mailbox.outbox.get(again.id)
    assert (settled.entry, settled.digest, settled.raw) == (accepted.entry, accepted.digest, accepted.raw)
    assert settled.refusal is None
    assert opm.told() == [(again.document_id, None)], "no refusal was ever news"
    assert len(entries(bus, Kind.ACCEPTED)) == 1


async def test_another_letter_under_an_accepted_id_is_refused_and_told_with_the_entry(
    bus: Bus, opm: Office
) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    backup = opm.copied()
    wanted = letter()
    row = opm.put(wanted)
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    accepted = opm.mailbox.outbox.get(row.id)
    opm.brought_back(backup)
    other = opm.put(replace(wanted, number="นร 0105/9999"))
    async with opm.running():
        await until(lambda: state(opm, other) == OutboxState.REFUSED)
    refused = opm.mailbox.outbox.get(other.id)
    assert refused.refusal == RefusalCode.ID_CONFLICT
    assert f"accepted already, entry {accepted.entry}" in (refused.refusal_detail or "")
    assert opm.told() == [(other.document_id, RefusalCode.ID_CONFLICT)]


@pytest.mark.parametrize("lost", ["the last day", "everything"])
async def test_an_adapter_learns_its_own_letters_and_acts_again_by_itself(
    bus: Bus, opm: Office, ocs: Office, lost: str
) -> None:
    async with opm.running(), ocs.running():
        bus.give_out()
        await until(lambda: opm.mailbox.directory() and ocs.mailbox.directory())
    backups = {office: office.copied() if lost == "the last day" else None for office in (opm, ocs)}
    row = opm.put(letter())
    async with opm.running(), ocs.running():
        await until(lambda: ocs.mailbox.inbox.counts().get("delivered"))
        (got,) = ocs.mailbox.inbox.letters()
        perform(ocs.mailbox, Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=got.letter_id), number="๗"))
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted") == 2)
        await until(
            lambda: opm.mailbox.states_of_sent(opm.mailbox.outbox.get(row.id))[0].state == "registered"
        )
    row = opm.mailbox.outbox.get(row.id)
    for office, backup in backups.items():
        office.brought_back(backup)
        if backup is not None:
            office.mailbox.properties.set("reconcile-asked-at", now().isoformat())
    async with opm.running(), ocs.running():
        await until(lambda: opm.mailbox.outbox.counts()["letter"].get("accepted"))
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted") == 2)
        await until(lambda: not unsettled(opm) and not unsettled(ocs))
    (sent,) = opm.mailbox.outbox.letters()
    assert (sent.reference, sent.document_id, sent.digest) == (_reference(row), row.document_id, row.digest)
    assert opm.mailbox.states_of_sent(sent)[0].state == "registered"
    (received,) = ocs.mailbox.inbox.letters()
    assert ocs.mailbox.state_of_received(received).receiving_number == "๗"
    once_more = Act(verb=Verb.REGISTER, letter=LetterKey(letter_id=received.letter_id), number="๘")
    with pytest.raises(Mistaken, match="answered already"):
        perform(ocs.mailbox, once_more)
    for office in (opm, ocs):
        assert office.mailbox.arrivals.quarantined() == []
    assert entries(bus, Kind.CONFLICT, Kind.REFUSED) == []


async def test_a_letter_whose_receipt_is_given_back_before_its_files_have_come_is_delivered(
    bus: Bus, opm: Office, ocs: Office
) -> None:
    """Its own receipt of then has another time than the one that is made now, and is the same receipt."""
    async with opm.running(), ocs.running():
        bus.give_out()
        await until(lambda: opm.mailbox.directory() and ocs.mailbox.directory())
    backup = ocs.copied()
    opm.put(letter())
    async with opm.running(), ocs.running():
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted") == 1)
    ocs.brought_back(backup)
    ocs.depot.away.add(file_of(b"%PDF sample").digest)
    ocs.mailbox.properties.set(RECONCILE_ASKED_AT, now().isoformat())
    async with ocs.running():
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted") == 1)
        assert not ocs.mailbox.inbox.counts().get("delivered")
        ocs.depot.away.clear()
        await until(lambda: ocs.mailbox.inbox.counts().get("delivered"))
        await until(lambda: not unsettled(ocs))
    assert len(entries(bus, Kind.NOTICE)) == 1
    assert entries(bus, Kind.CONFLICT, Kind.REFUSED) == []


def unsettled(office: Office) -> int:
    counts = office.mailbox.arrivals.counts()
    return counts.get("stored", 0) + len(office.mailbox.arrivals.unplaced())


def _reference(row: OutboxEntry) -> str:
    document = read(open_envelope(row.document).root)
    assert isinstance(document, Letter)
    return document.sender_reference or f"copy:{row.document_id}"


async def test_an_answer_to_a_refused_submission_that_is_lost_is_neither_news_nor_quarantine(
    bus: Bus, opm: Office
) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    backup = opm.copied()
    row = opm.put(letter(date=dt.date(2569, 11, 22)))
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.REFUSED)
    opm.brought_back(backup)
    opm.mailbox.properties.set("reconcile-asked-at", now().isoformat())
    async with opm.running():
        await until(lambda: opm.mailbox.arrivals.counts().get("unplaced"))
        await until(lambda: opm.mailbox.outbox.counts()["report"].get("accepted"))
    assert opm.mailbox.arrivals.quarantined() == []
    assert opm.told() == []
    assert opm.mailbox.arrivals.unplaced() == [], "there is nothing to ask a copy of"


# ---- the directory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["everything", "the directory alone", "all but the letter's outbox"])
async def test_a_mailbox_without_a_directory_gets_one_without_asking_a_person(
    bus: Bus, opm: Office, lost: str
) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    opm.mailbox.close()
    if lost == "everything":
        shutil.rmtree(opm.folder)
    else:
        emptied = ["directories"] if lost == "the directory alone" else ["directories", "news", "arrivals"]
        with sqlite3.connect(opm.folder / "mailbox.sqlite") as database:
            for table in emptied:
                database.execute(f"DELETE FROM {table}")
        database.close()
    opm.mailbox = Mailbox(opm.folder, OPM)
    assert opm.mailbox.directory() is None
    async with opm.running():
        await until(opm.mailbox.directory)


# ---- keys ----------------------------------------------------------------------------------------------------------


def replaced(version: int, code: AgencyCode, seal: Seal) -> Any:
    """A directory that pins another certificate for an agency."""
    return rig.directory(version=version, **{code: rig.agency(code, PinnedCertificate.of(seal.certificate))})


def names(code: AgencyCode) -> str:
    return {OPM: "OPM", OCS: "OCS"}[code]


async def test_a_letter_sealed_with_a_key_that_was_replaced_is_sealed_anew_by_itself(
    bus: Bus, opm: Office
) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    row = opm.put(letter())
    bus.deaf = True
    opm.broker.answer = lambda _: None
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.SENT)
    opm.seal = new_seal(OPM)
    bus.router.activate(rig.directory(version=2, OPM=rig.agency(OPM, factory.pin(opm.seal))))
    bus.deaf = False
    opm.broker.answer = lambda submission: bus.take(OPM, submission)
    async with opm.running():
        bus.give_out()
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    settled = opm.mailbox.outbox.get(row.id)
    assert (settled.document_id, settled.digest) == (row.document_id, row.digest)
    assert settled.sealed_with == opm.seal.fingerprint
    assert opm.told() == [(row.document_id, None)], "that the key was refused once is no news"
    # Once, or again where the adapter has sent it once more before the answer came.
    assert {one["code"] for one in entries(bus, Kind.REFUSED)} == {RefusalCode.KEY_UNKNOWN}


async def test_a_receipt_sealed_with_a_key_that_was_replaced_is_sealed_anew_by_itself(
    bus: Bus, opm: Office, ocs: Office
) -> None:
    opm.put(letter())
    ocs.broker.answer = lambda _: None
    async with opm.running(), ocs.running():
        bus.give_out()
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("sent"))
    ocs.seal = new_seal(OCS)
    bus.router.activate(rig.directory(version=2, OCS=rig.agency(OCS, factory.pin(ocs.seal))))
    ocs.broker.answer = lambda submission: bus.take(OCS, submission)
    async with ocs.running():
        bus.give_out()
        await until(lambda: ocs.mailbox.outbox.counts()["notice"].get("accepted"))
    assert [one["event"] for one in entries(bus, Kind.NOTICE)] == [Event.DELIVERED]


async def test_a_key_that_is_really_wrong_is_told_once_and_tried_again_when_the_directory_knows_it(
    bus: Bus, opm: Office
) -> None:
    """The agency has its new key before the directory names it; what the office was told of ends well by itself."""
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    opm.seal = new_seal(OPM)
    row = opm.put(letter())
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.REFUSED)
        # Other versions come that do not know it either: nothing is tried.
        bus.router.activate(rig.directory(version=2))
        bus.give_out()
        await until(lambda: version(opm) == 2)
        refused = len(opm.broker.published)
        assert opm.told() == [(row.document_id, RefusalCode.KEY_UNKNOWN)]
        bus.router.activate(rig.directory(version=3, OPM=rig.agency(OPM, factory.pin(opm.seal))))
        bus.give_out()
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
    tries = {each.body for each in opm.broker.published[:refused] if each.message_id == row.document_id}
    assert len(tries) == 1
    assert len(opm.told()) == 2


async def test_send_again_seals_anew_what_was_refused_for_its_key(bus: Bus, opm: Office) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    good, opm.seal = opm.seal, new_seal(OPM)
    row = opm.put(letter())
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.REFUSED)
        before = opm.mailbox.outbox.get(row.id).raw
        opm.mailbox.outbox.send_again(row.id)
        await until(lambda: state(opm, row) == OutboxState.REFUSED)
        assert opm.mailbox.outbox.get(row.id).raw != before
        await until(lambda: len(opm.told()) == 2)
    opm.seal = good
    async with opm.running():
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)


def version(office: Office) -> int:
    held = office.mailbox.directory()
    return held.version if held else 0


# ---- refusals ------------------------------------------------------------------------------------------------------


async def test_the_same_refusal_judged_anew_at_each_resend_is_told_once(bus: Bus, opm: Office) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
    bus.deaf = True
    row = opm.put(letter(receivers=(replace(factory.letter().receivers[0], agency=factory.ETDA),)))
    async with opm.running():
        await until(lambda: len(bus.outcomes) >= 5)
        assert set(bus.outcomes) - {"reconciled"} == {"refused", "repeated"}, (
            "the same circumstance in the same words"
        )
        bus.deaf = False
        bus.give_out()
        await until(lambda: state(opm, row) == OutboxState.REFUSED)
        await until(lambda: not opm.mailbox.arrivals.counts().get("stored"))
    assert opm.told() == [(row.document_id, RefusalCode.RECIPIENT_UNKNOWN)]
    newest = opm.mailbox.outbox.get(row.id)
    assert newest.entry == max(one["seq"] for one in entries(bus, Kind.REFUSED))


async def test_a_permanent_refusal_asked_for_again_is_answered_and_not_sent_for_ever(
    bus: Bus, opm: Office
) -> None:
    async with opm.running():
        bus.give_out()
        await until(opm.mailbox.directory)
        row = opm.put(letter(date=dt.date(2569, 11, 22)))
        await until(lambda: state(opm, row) == OutboxState.REFUSED)
        opm.mailbox.outbox.send_again(row.id)
        await until(lambda: state(opm, row) == OutboxState.REFUSED and len(opm.told()) == 2)
    assert len(entries(bus, Kind.REFUSED)) == 1


# ---- clocks --------------------------------------------------------------------------------------------------------


async def test_what_a_clock_that_was_ahead_put_off_is_not_waited_for(
    bus: Bus, opm: Office, ocs: Office
) -> None:
    """A mailbox that ran with a clock a year ahead: every pause that is stored in it ends a year from now."""
    ahead = dt.timedelta(days=365)
    row = opm.put(letter())
    opm.mailbox.properties.set("reconciled-at", (now() + ahead).isoformat())
    with opm.mailbox._database.writing() as connection:
        for table in (tables.outbox, tables.arrivals, tables.inbox):
            connection.execute(update(table).values(next_attempt_at=(now() + ahead).timestamp()))
        connection.execute(update(tables.outbox_files).values(uploaded_at=(now() + ahead).timestamp()))
    async with opm.running():
        bus.give_out()
        await until(lambda: state(opm, row) == OutboxState.ACCEPTED)
        assert opm.depot.asked, "that the depot took the file next year is not believed"
        await until(lambda: opm.mailbox.outbox.counts()["report"].get("accepted"))
    with opm.mailbox._database.reading() as connection:
        files = connection.execute(select(tables.outbox_files.c.uploaded_at)).scalars().all()
    assert all(at < now().timestamp() + 60 for at in files)
