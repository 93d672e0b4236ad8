"""What the ledger keeps of a flood: a bounded part of each submission, a bounded number, and honest counts (P11)."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from bus.documents.letter import Receiver
from bus.documents.reports import Reconciliation, sealed
from bus.documents.signing import sign
from bus.errors import RefusalCode
from bus.ledger.counting import hour_of
from bus.ledger.entry import Kind
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router import parking
from bus.router.delivery import Delivery, SubmissionRefused
from bus.router.recording import Recorded, Stale, close_hours
from bus.router.recording.refusals import KEPT_BYTES
from bus.router.refusing import enter_counts
from bus.thai import now
from bus.views import reports as report_rows
from tests.assets import factory
from tests.assets.digests import SOME_BYTES
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery

LIMIT = 3
MIB = 1024**2


def _letter(**changes: Any) -> bytes:
    return sign(factory.letter(letter_id=uuid4(), **changes), factory.seal(OPM)).raw


def _noise(size: int) -> bytes:
    return (uuid4().bytes * (size // 16 + 1))[:size]


FLOODS: Mapping[str, tuple[Callable[[], Delivery], RefusalCode]] = {
    "garbage": (lambda: delivery(_noise(20)), RefusalCode.XML_NOT_WELL_FORMED),
    "oversize": (lambda: delivery(b"<" + _noise(MIB + 1)), RefusalCode.XML_TOO_LARGE),
    "signed by another": (
        lambda: delivery(sign(factory.letter(letter_id=uuid4()), factory.seal(SOC)).raw),
        RefusalCode.KEY_UNKNOWN,
    ),
    "wrong signature": (
        lambda: delivery(_letter().replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA")),
        RefusalCode.SIGNATURE_BROKEN,
    ),
    "in another's name": (
        lambda: delivery(_letter(sender=factory.sender(SOC))),
        RefusalCode.IDENTITY_SENDER_FOREIGN,
    ),
    "no user": (lambda: delivery(_letter(), user=None), RefusalCode.IDENTITY_USER_MISSING),
    "no report": (
        lambda: delivery(b"eyJ" + uuid4().hex.encode()),
        RefusalCode.REPORT_UNREADABLE,
    ),
    "expiring": (lambda: delivery(_letter(), asked=("expiration",)), RefusalCode.MESSAGE_PROPERTY),
}


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """When the clocks of ledger and gates stand still: no hour ends in the middle of a test."""
    return later(monkeypatch, 0)


@pytest.fixture
def router(ledger: Ledger, moment: dt.datetime) -> Router:
    """A router that enters few refusals in an hour."""
    made = Router(ledger, refusals_per_hour=LIMIT)
    made.activate(rig.directory())
    return made


def refusals(ledger: Ledger) -> list[str]:
    return [entry["code"] for entry in rig.entries_of_kind(ledger, Kind.REFUSED)]


def later(monkeypatch: pytest.MonkeyPatch, hours: float) -> dt.datetime:
    """Move the clocks of ledger and gates, and return what they show from now on."""
    moment = now() + dt.timedelta(hours=hours)
    monkeypatch.setattr("bus.ledger.store.now", lambda: moment)
    monkeypatch.setattr("bus.router.refusing.now", lambda: moment)
    return moment


@pytest.mark.parametrize("flood", FLOODS)
def test_beyond_the_limit_of_an_hour_refusals_are_told_once_and_counted(
    router: Router,
    ledger: Ledger,
    moment: dt.datetime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flood: str,
) -> None:
    make, code = FLOODS[flood]
    outcomes = [router.take(make()) for _ in range(LIMIT + 1 + 5)]
    assert [one.outcome for one in outcomes] == ["refused"] * (LIMIT + 1) + ["counted"] * 5
    assert refusals(ledger) == [code] * LIMIT + [RefusalCode.REFUSALS_TOO_MANY]
    assert [len(one.consignments) for one in outcomes] == [1] * (LIMIT + 1) + [0] * 5
    before = rig.counts(ledger)
    router.take(make())
    assert {**rig.counts(ledger), "refusal_counts": 0} == {**before, "refusal_counts": 0}

    assert router.take(delivery(_letter())).outcome == "accepted", "who floods can still send letters"
    theirs = sign(
        factory.letter(sender=factory.sender(SOC), receivers=(Receiver(agency=OCS),)), factory.seal(SOC)
    )
    assert router.take(delivery(theirs.raw, SOC)).outcome == "accepted"
    assert router.take(delivery(b"<", SOC)).outcome == "refused", "each agency has its own count"

    hour = hour_of(moment)
    later(monkeypatch, 1)
    with ledger.append() as writer:
        close_hours(writer)
    (counted,) = rig.entries_of_kind(ledger, Kind.REFUSALS_COUNTED)
    assert counted["agency"] == OPM
    assert (counted["hour"][:13], counted["entered"], counted["codes"]) == (hour, LIMIT, {code: 1 + 5 + 1})
    assert rig.counts(ledger)["refusal_counts"] == 0
    with ledger.read() as reader:
        (row,) = (
            row
            for row in report_rows._refused(reader, None)
            if row["code"] == code and OPM in row["agencies"]
        )
    theirs_too = code == RefusalCode.XML_NOT_WELL_FORMED
    assert row["count"] == LIMIT + 1 + 5 + 1 + theirs_too, "an auditor's report has those that were counted"
    assert router.take(make()).outcome == "refused", "a new hour has room again"
    assert rig.verified(ledger, tmp_path) == []


@pytest.mark.parametrize("flood", FLOODS)
def test_a_batch_beyond_the_limit_is_told_once_as_well(router: Router, ledger: Ledger, flood: str) -> None:
    make, _ = FLOODS[flood]
    outcomes = [one.outcome for one in router.take_all(*(make() for _ in range(20)))]
    assert outcomes == ["refused"] * (LIMIT + 1) + ["counted"] * (20 - LIMIT - 1)


def test_what_nobody_vouches_for_is_kept_in_part_and_the_same_bytes_get_the_same_answer(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    raw = b"<" + _noise(300_000)
    first = router.take(delivery(raw))
    (entry,) = rig.entries_of_kind(ledger, Kind.REFUSED)
    assert (entry["rawSha256"], entry["size"]) == (hashlib.sha256(raw).hexdigest(), len(raw))
    with ledger.read() as reader:
        assert reader.document(entry["document"]) == raw[:KEPT_BYTES]
        assert reader.document(entry["rawSha256"]) is None
    for _ in range(LIMIT * 3):
        assert router.take(delivery(raw)).outcome == "repeated"
    assert refusals(ledger) == [entry["code"]]
    (number,) = [one.number for one in first.consignments]
    with ledger.read() as reader:
        assert rig.said(reader, OPM, number).submission_digest == hashlib.sha256(raw).hexdigest()
    assert rig.verified(ledger, tmp_path) == []


def test_what_an_agency_has_signed_is_kept_whole_and_answered_each_time(
    router: Router, ledger: Ledger
) -> None:
    letter_id = uuid4()
    raws = [
        sign(factory.letter(letter_id=letter_id, number=f"นร 0105/{n}"), factory.seal(OPM)).raw
        for n in range(9)
    ]
    outcomes = [router.take(delivery(raw)) for raw in raws]
    assert [one.outcome for one in outcomes] == ["accepted"] + ["refused"] * 8
    for entry, raw in zip(rig.entries_of_kind(ledger, Kind.CONFLICT), raws[1:], strict=True):
        with ledger.read() as reader:
            assert reader.document(entry["document"]) == raw


def test_a_circumstance_that_has_not_changed_is_answered_as_before_and_one_that_has_anew(
    router: Router, ledger: Ledger
) -> None:
    raw = _letter(receivers=(Receiver(agency=factory.ETDA), Receiver(agency=factory.OCSC)))
    outcomes = [router.take(delivery(raw)).outcome for _ in range(5)]
    assert outcomes == ["refused"] + ["repeated"] * 4
    router.activate(rig.directory(version=2, ETDA=rig.agency(factory.ETDA)))
    assert router.take(delivery(raw)).outcome == "refused", "the same code, and another unknown recipient"
    assert refusals(ledger) == [RefusalCode.RECIPIENT_UNKNOWN] * 2
    router.activate(rig.directory(version=3, ETDA=rig.agency(factory.ETDA), OCSC=rig.agency(factory.OCSC)))
    assert router.take(delivery(raw)).outcome == "accepted"


def test_a_count_is_there_if_and_only_if_its_transaction_is(
    router: Router, ledger: Ledger, moment: dt.datetime
) -> None:
    for _ in range(LIMIT + 1):
        router.take(delivery(_noise(20)))
    found, entry = router.judge(delivery(_noise(20)))

    def fail_after() -> None:
        with ledger.append() as writer:
            (outcome,) = router._recorder.record_all(found, entry, writer)
            assert isinstance(outcome, Recorded)
            assert outcome.outcome == "counted"
            raise IntegrityError("a fault", None, Exception())

    with pytest.raises(IntegrityError):
        fail_after()
    code = RefusalCode.XML_NOT_WELL_FORMED
    with ledger.read() as reader:
        assert reader.refusals.of(OPM, hour_of(moment))[code] == 1, "the one that was told"
    again = Router(
        Ledger(str(ledger.engine.url.render_as_string(hide_password=False))), refusals_per_hour=LIMIT
    )
    assert again.take(delivery(_noise(20))).outcome == "counted", "another router goes on with the same count"
    again.ledger.close()
    with ledger.read() as reader:
        assert reader.refusals.of(OPM, hour_of(moment))[code] == 2


async def test_a_running_router_enters_the_counts_of_the_hours_that_are_over(
    router: Router, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(LIMIT + 3):
        router.take(delivery(_noise(20)))
    appends, stop = GroupCommit(ledger), asyncio.Event()
    running = asyncio.create_task(enter_counts(ledger, appends, stop, interval=0.01))
    try:
        await asyncio.sleep(0.05)
        assert rig.entries_of_kind(ledger, Kind.REFUSALS_COUNTED) == [], "the hour is not over"
        later(monkeypatch, 1)
        async with asyncio.timeout(20):
            while not rig.entries_of_kind(ledger, Kind.REFUSALS_COUNTED):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        stop.set()
        await running
        await asyncio.to_thread(appends.close)
    (counted,) = rig.entries_of_kind(ledger, Kind.REFUSALS_COUNTED)
    assert counted["codes"] == {RefusalCode.XML_NOT_WELL_FORMED: 3}


def test_what_the_gates_counted_in_another_hour_is_looked_at_again(
    router: Router, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(LIMIT + 1):
        router.take(delivery(_noise(20)))
    one = delivery(_noise(20))
    (found,), entry = router.judge(one)
    assert isinstance(found, SubmissionRefused)
    assert found.refusal is None
    later(monkeypatch, 1)
    with pytest.raises(Stale):
        router.record(found, entry)
    assert router.take(one).outcome == "refused"


def test_a_property_is_refused_unopened_and_not_held_against_the_bytes(
    router: Router, ledger: Ledger
) -> None:
    raw = _letter()
    refused = router.take(delivery(raw, asked=("expiration", "priority")))
    assert refusals(ledger) == [RefusalCode.MESSAGE_PROPERTY]
    with ledger.read() as reader:
        (answer,) = refused.consignments
        texts = [text.value for text in rig.said(reader, OPM, answer.number).reason_texts]
    assert all("expiration, priority" in text for text in texts)
    assert router.take(delivery(raw)).outcome == "accepted"
    assert router.take(delivery(raw, asked=("reply_to",))).outcome == "repeated", (
        "what was accepted is never refused afterwards"
    )


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_p11_parking_costs_the_same_however_much_is_parked(router: Router, ledger: Ledger) -> None:
    costs = []
    word = router._answers.parked(raw_sha256=SOME_BYTES, now=now())
    for _ in range(30):
        with ledger.append() as writer:
            for _ in range(10):
                parking.park(writer, delivery(_noise(40)), word, [OPM])
        costs.append(_steps(ledger, lambda: _park_once(ledger, word)))
    assert costs[-1] < costs[0] * 2


def _park_once(ledger: Ledger, word: Any) -> None:
    with ledger.append() as writer:
        parking.park(writer, delivery(_noise(40)), word, [OPM])


def _steps(ledger: Ledger, act: Callable[[], None]) -> int:
    """How many steps of SQLite's machine something takes, in hundreds."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def watch(connection: Any, *_: Any) -> None:
        connection.connection.driver_connection.set_progress_handler(step, 100)

    event.listen(ledger.engine, "begin", watch)
    try:
        act()
    finally:
        event.remove(ledger.engine, "begin", watch)
    return steps


def test_the_same_bytes_are_parked_once_until_they_are_replayed(router: Router, ledger: Ledger) -> None:
    word = router._answers.parked(raw_sha256=SOME_BYTES, now=now())
    one, same_from_another = delivery(b"odd"), delivery(b"odd", SOC)
    with ledger.append() as writer:
        first = parking.park(writer, one, word, [OPM])
        assert parking.park(writer, one, word, [OPM]) == first
        assert parking.park(writer, same_from_another, word, [SOC]) != first
    with ledger.append() as writer:
        writer.entry(Kind.REPLAYED, agency=OPM, request=1, parked=first, outcome="refused")
    with ledger.append() as writer:
        assert parking.park(writer, one, word, [OPM]) not in (0, first)


def test_p11_statements_that_ask_for_the_same_again_list_it_once(
    router: Router, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.router.recording.reports._MOST_AT_ONCE", 50)
    with ledger.append() as writer:
        entry = writer.entry(Kind.RELEASED, agency=OPM, recipients=[OPM])
        for number in writer.numbers([OPM]).values():
            first = number
        writer.numbers([OPM] * 199)
        for number in range(first, first + 200):
            writer.consign(
                OPM, number, type="entry", entry=entry, document=writer.keep(b"{}"), headers={"entry": entry}
            )
    waiting = _all_waiting(ledger)
    with ledger.append() as writer:
        writer.confirmed(waiting)
    again = []
    for _ in range(6):
        report = Reconciliation(
            id=uuid4(), agency=OPM, at=now(), contiguous=0, highest=first + 199, missing=((1, first + 198),)
        )
        assert router.take(delivery(sealed(report, factory.seal(OPM)))).outcome == "reconciled"
        again.append(rig.entries_of_kind(ledger, Kind.RECONCILED)[-1]["again"])
    assert again == [50, 0, 0, 0, 0, 0]
    assert rig.counts(ledger)["pending"] <= 50 + 6


def _all_waiting(ledger: Ledger) -> list[Any]:
    ledger.release_leases(None)
    return ledger.lease(Lease("test", now() + factory.DAY), limit=1000, per_agency=1000)
