"""What is asked of the ledger to be watched by, in both databases; and what routers make of it."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.calendar import Calendar
from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.errors import Transient
from bus.identifiers import AgencyCode, as_letter_id
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.measures import Measured, Measures, measuring
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router.clerks import WatchingClerks
from bus.router.delivery import Delivery
from bus.router.gauges import Gauges
from bus.router.journeys import Entered, Journeys, Step
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery
from tests.contract.test_question_plans import asked, whole_tables_read


@pytest.fixture
def router(ledger: Ledger) -> Router:
    found = Router(ledger)
    found.activate(rig.directory())
    return found


def letter() -> tuple[UUID, Delivery]:
    """A letter to OCS and SOC, as a submission, with its id."""
    letter_id, receivers = uuid4(), (Receiver(agency=OCS), Receiver(agency=SOC))
    signed = factory.signed_letter(factory.seal(OPM), letter_id=letter_id, receivers=receivers)
    return letter_id, delivery(signed.raw)


def said(ledger: Ledger, letter_id: UUID, event: Event, by: AgencyCode = OCS, **more: Any) -> Delivery:
    """A notice of an agency about a letter, as a submission."""
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(letter_id))
    changes = {"author": by, "letter_id": letter_id, "letter_digest": row.digest, **more}
    if event is Event.REGISTERED:
        changes.setdefault("registration", factory.registration())
    return delivery(sign(factory.complete(event, **changes), factory.seal(by)).raw, by)


_SAID = (Event.DELIVERED, Event.REGISTERED)


def consigned(ledger: Ledger) -> range:
    """Confirm everything that waits; return the numbers of the entries that this makes."""
    ledger.release_leases(None)
    lease = Lease("test", now() + dt.timedelta(minutes=1))
    found = ledger.lease(lease, limit=1000, per_agency=1000)
    with ledger.append() as writer:
        first = writer.next_seq
        writer.confirmed(found)
        return range(first, writer.next_seq)


def measured(ledger: Ledger, at: dt.datetime | None = None) -> Measured:
    with measuring(ledger) as measures:
        return measures.all(at or now())


def test_an_empty_ledger_has_nothing_to_measure(ledger: Ledger) -> None:
    found = measured(ledger)
    assert (found.entries, found.pending, found.on_hold, found.passed, found.overdue) == (0, 0, 0, 0, 0)
    assert {found.pending_since, found.head_at, found.unsigned_since, found.cosigned_at} == {None}
    with measuring(ledger) as measures:
        assert measures.bytes() > 10_000
        assert measures.last_numbers([OCS]) == {OCS: 0}
        assert measures.last_answers([OCS]) == {OCS: 0}
        assert measures.given_at([]) == {}


def test_pending_deadlines_heads_and_witnesses_are_measured(ledger: Ledger, tmp_path: Path) -> None:
    with ledger.append() as writer:
        first = rig.in_ledger(writer, to=[OCS, SOC], on_hold=[SOC], received=now())
        given = writer.at
    found = measured(ledger)
    assert (found.entries, found.pending, found.on_hold) == (first, 2, 1)
    assert found.pending_since == found.unsigned_since == timestamp(given)
    signer = rig.signer(ledger, tmp_path)
    head = signer.sign()
    assert head
    found = measured(ledger)
    assert (found.head_at, found.unsigned_since, found.cosignatures) == (head.at, None, 0)
    assert found.anchor_at is not None
    with ledger.append() as writer:
        writer.cosigned(head.size, OCS, "— witness")
    assert measured(ledger).cosignatures == 1
    assert measured(ledger).cosigned_at is not None
    with ledger.append() as writer:
        rig.some_entries(writer, 3)
        since = writer.at
    assert measured(ledger).unsigned_since == timestamp(since)
    # Receipt after four hours, registration after a day.
    assert measured(ledger).passed == 0
    later = measured(ledger, now() + dt.timedelta(hours=5))
    assert later.passed == 1
    assert later.passed_since is not None
    assert measured(ledger, now() + dt.timedelta(days=2)).passed == 2
    consigned(ledger)
    after = measured(ledger)
    assert (after.pending, after.on_hold, after.pending_since) == (0, 1, None)
    with measuring(ledger) as measures:
        assert measures.last_numbers([OCS, SOC]) == {OCS: 1, SOC: 1}
        assert measures.last_answers([OCS, OPM]) == {OCS: 0, OPM: 1}
        assert set(measures.given_at([(OCS, 1), (OPM, 1), (SOC, 9)])) == {OCS, OPM}


def test_overdue_notices_are_counted_for_a_day(ledger: Ledger) -> None:
    with ledger.append() as writer:
        number = rig.in_ledger(writer)
        due = str(now())
        writer.entry(Kind.OVERDUE, letter=number, deadline="receipt", due=due, silent=[OCS], answer=9)
    assert measured(ledger).overdue == 1
    assert measured(ledger, now() + dt.timedelta(hours=25)).overdue == 0


def test_who_has_read_is_known_by_the_newest_act_of_its_clerks(router: Router) -> None:
    ledger = router.ledger
    ids, letters = zip(*(letter() for _ in range(3)), strict=True)
    router.take_all(*letters)
    with measuring(ledger) as measures:
        assert measures.reading_of(OCS).unread_since is None
    router.take_all(said(ledger, ids[0], Event.DELIVERED), said(ledger, ids[1], Event.DELIVERED))
    first = now()
    router.take_all(said(ledger, ids[2], Event.DELIVERED))
    with measuring(ledger) as measures:
        found = measures.reading_of(OCS)
    assert found.acted_at is None
    assert found.unread_since is not None
    assert dt.datetime.fromisoformat(found.unread_since) < first
    router.take_all(said(ledger, ids[0], Event.REGISTERED))
    with measuring(ledger) as measures:
        found = measures.reading_of(OCS)
        assert found.acted_at is not None
        assert found.unread_since is None
        assert measures.reading_of(SOC).acted_at is None
        # Nothing new: as it is known. What is new is read, and nothing twice.
        assert measures.reading_of(OCS, found) == found
    assert found.through > 0
    router.take_all(said(ledger, ids[0], Event.DELIVERED, SOC))
    with measuring(ledger) as measures:
        assert measures.reading_of(OCS, found) == found
        of_soc = measures.reading_of(SOC)
    assert of_soc.unread_since is not None
    router.take_all(said(ledger, ids[1], Event.DELIVERED, SOC))
    with measuring(ledger) as measures:
        later = measures.reading_of(SOC, of_soc)
    assert (later.unread_since, later.acted_at) == (of_soc.unread_since, None)
    assert later.through > of_soc.through


def test_who_only_sends_has_not_read(router: Router) -> None:
    ledger = router.ledger
    router.take_all(*(letter()[1] for _ in range(3)))
    with measuring(ledger) as measures:
        found = measures.reading_of(OPM)
    assert (found.acted_at, found.unread_since) == (None, None)
    assert found.through >= 3


def clerks(router: Router, calendar: Calendar, registry: CollectorRegistry, *, named: bool) -> WatchingClerks:
    return WatchingClerks(router.ledger, rig.directory, lambda: calendar, registry, named=named)


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_half_a_working_day_after_a_delivery_that_nobody_read_an_agency_is_unread(
    router: Router,
) -> None:
    ledger, registry = router.ledger, CollectorRegistry()
    (letter_id, raw), (other, second) = letter(), letter()
    router.take_all(raw, second)
    router.take_all(said(ledger, letter_id, Event.DELIVERED))
    watching = clerks(router, rig.calendar(), registry, named=True)
    await watching.look()
    with measuring(ledger) as measures:
        since = dt.datetime.fromisoformat(str(measures.reading_of(OCS).unread_since))
    assert rig.calendar().half_day == dt.timedelta(hours=4)
    until = rig.calendar().after_working(dt.timedelta(hours=4), since, OCS)
    assert until - since >= dt.timedelta(hours=4)
    assert watching.unread(until - dt.timedelta(seconds=1)) == []
    assert watching.unread(until) == [OCS]
    # An agency that is closed has no working day, and others have.
    closed = rig.calendar_with_closure(OCS, days=365)
    assert clerks_unread(closed, watching, until) == []
    assert registry.get_sample_value("saraban_router_agencies_unread") == 0
    router.take_all(said(ledger, letter_id, Event.REGISTERED))
    await watching.look()
    assert watching.unread(until + dt.timedelta(days=30)) == []
    idle = registry.get_sample_value("saraban_router_clerk_idle_seconds", {"agency": OCS})
    assert idle is not None
    assert 0 <= idle < 60
    # What was delivered after the act of the clerks is unread again, and the log says whose it is.
    router.take_all(said(ledger, other, Event.DELIVERED))
    watching._calendar = lambda: _without_work(rig.calendar())
    with capture_logs() as lines:
        await watching.look()
        await watching.look()
        router.take_all(said(ledger, other, Event.REGISTERED))
        await watching.look()
    assert [(one["event"], one["agency"]) for one in lines] == [
        ("mailbox-unread", OCS),
        ("mailbox-read", OCS),
    ]


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_of_agencies_that_have_said_nothing_since_nothing_is_asked_one_by_one(router: Router) -> None:
    (letter_id, raw), registry = letter(), CollectorRegistry()
    router.take_all(raw)
    router.take_all(said(router.ledger, letter_id, Event.DELIVERED))
    watching = clerks(router, rig.calendar(), registry, named=False)
    await watching.look()
    with asked(router.ledger) as statements:
        await watching.look()
        assert len(statements) == 1
        router.take_all(said(router.ledger, letter_id, Event.REGISTERED))
        statements.clear()
        await watching.look()
    assert 2 <= len(statements) <= 3
    assert watching.unread(now() + dt.timedelta(days=30)) == []


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_half_a_working_day_is_reckoned_once_for_a_delivery_and_anew_by_another_calendar(
    router: Router,
) -> None:
    (letter_id, raw), registry = letter(), CollectorRegistry()
    router.take_all(raw)
    router.take_all(said(router.ledger, letter_id, Event.DELIVERED))
    reckoned: list[AgencyCode | None] = []

    class Counting(Calendar):
        def after_working(
            self, amount: dt.timedelta, start: dt.datetime, agency: AgencyCode | None
        ) -> dt.datetime:
            reckoned.append(agency)
            return super().after_working(amount, start, agency)

    same = {name: getattr(rig.calendar(), name) for name in ("version", "hours", "holidays")}
    one, other = Counting(**same), Counting(**same)
    watching = clerks(router, one, registry, named=False)
    await watching.look()
    for _ in range(3):
        registry.get_sample_value("saraban_router_agencies_unread")
    assert reckoned == [OCS]
    watching._calendar = lambda: other
    for _ in range(3):
        registry.get_sample_value("saraban_router_agencies_unread")
    assert reckoned == [OCS, OCS]


def clerks_unread(calendar: Calendar, watching: WatchingClerks, at: dt.datetime) -> list[AgencyCode]:
    before, watching._calendar = watching._calendar, lambda: calendar
    try:
        return watching.unread(at)
    finally:
        watching._calendar = before


def _without_work(calendar: Calendar) -> Calendar:
    """A calendar in which half a working day is over at once."""

    class Quick(Calendar):
        half_day = dt.timedelta(0)

        def after_working(
            self, amount: dt.timedelta, start: dt.datetime, agency: AgencyCode | None
        ) -> dt.datetime:
            return start

    return Quick(**{name: getattr(calendar, name) for name in ("version", "hours", "holidays")})


async def test_each_step_of_a_letter_is_observed_once_for_each_recipient(router: Router) -> None:
    ledger, registry = router.ledger, CollectorRegistry()
    entered = Entered(registry)
    journeys = Journeys(ledger, entered, registry)

    async def counts() -> dict[str, float]:
        await journeys.look()
        name = "saraban_router_journey_seconds_count"
        return {step: registry.get_sample_value(name, {"step": step}) or 0 for step in Step}

    def take(*some: Delivery) -> None:
        for one in router.take_all(*some):
            entered.add(one.entries)

    assert await counts() == dict.fromkeys(Step, 0)
    (first, one), (second, two) = letter(), letter()
    take(one, two)
    assert await counts() == {"accepted": 2, "consigned": 0, "delivered": 0, "registered": 0}
    entered.add(consigned(ledger))
    assert await counts() == {"accepted": 2, "consigned": 4, "delivered": 0, "registered": 0}
    # Repeated submissions and a correction make no further step; another router's entries are not this one's.
    take(said(ledger, first, Event.DELIVERED), one)
    registered = uuid4()
    take(said(ledger, first, Event.REGISTERED, notice_id=registered))
    other = factory.registration("๙/๒๕๖๙")
    take(said(ledger, first, Event.REGISTERED, supersedes=registered, registration=other))
    assert len(rig.entries_of_kind(ledger, Kind.NOTICE)) == 3
    router.take_all(said(ledger, second, Event.DELIVERED))
    assert await counts() == {"accepted": 2, "consigned": 4, "delivered": 1, "registered": 1}
    take(said(ledger, second, Event.REGISTERED))
    assert await counts() == {"accepted": 2, "consigned": 4, "delivered": 1, "registered": 2}


@pytest.mark.parametrize("between", [True, False])
async def test_a_receipt_that_is_entered_before_the_confirm_is_observed_with_the_confirm(
    router: Router, *, between: bool
) -> None:
    ledger, registry = router.ledger, CollectorRegistry()
    entered = Entered(registry)
    journeys = Journeys(ledger, entered, registry)
    letter_id, one = letter()
    router.take_all(one)
    for made in router.take_all(said(ledger, letter_id, Event.DELIVERED)):
        entered.add(made.entries)
    name, labels = "saraban_router_journey_seconds", {"step": "delivered"}
    if between:
        await journeys.look()
        assert registry.get_sample_value(f"{name}_count", labels) == 0
    entered.add(consigned(ledger))
    await journeys.look()
    assert registry.get_sample_value(f"{name}_count", labels) == 1
    assert registry.get_sample_value(f"{name}_sum", labels) == 0
    assert registry.get_sample_value(f"{name}_count", {"step": "consigned"}) == 2


async def test_what_was_entered_one_after_another_is_observed_without_asking_for_each_letter(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, registry = router.ledger, CollectorRegistry()
    entered, asked_for = Entered(registry), []
    way_of = Measures.way_of

    def counted(self: Measures, letter: int, after: int) -> list[Entry]:
        asked_for.append(letter)
        return way_of(self, letter, after)

    monkeypatch.setattr(Measures, "way_of", counted)
    letters = [letter() for _ in range(5)]
    for made in router.take_all(*(one for _, one in letters)):
        entered.add(made.entries)
    entered.add(consigned(ledger))
    for letter_id, _ in letters:
        for made in router.take_all(said(ledger, letter_id, Event.DELIVERED)):
            entered.add(made.entries)
    await Journeys(ledger, entered, registry).look()
    name = "saraban_router_journey_seconds_count"
    counts = [registry.get_sample_value(name, {"step": step}) for step in Step]
    assert counts == [5, 10, 5, 0]
    assert asked_for == []


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_however_its_entries_come_to_a_router_and_whoever_enters_between_it_observes_the_same(
    router: Router, seed: int
) -> None:
    chance, ledger = random.Random(seed), router.ledger
    entered = Entered(CollectorRegistry())
    journeys = Journeys(ledger, entered, CollectorRegistry())
    ours: list[range] = []
    held: list[range] = []
    observed = []
    to_say = []
    for _ in range(40):
        match chance.randrange(4):
            case 0:
                letter_id, one = letter()
                made = [one.entries for one in router.take_all(one)]
                to_say += [(letter_id, by, event) for event in _SAID for by in (OCS, SOC)]
            case 1:
                made = [consigned(ledger)]
            case _ if to_say:
                letter_id, by, event = to_say.pop(chance.randrange(len(to_say)))
                made = [one.entries for one in router.take_all(said(ledger, letter_id, event, by))]
            case _:
                continue
        if chance.random() < 0.7:  # the others are another router's
            ours += made
            held += made
        while held and chance.random() < 0.6:
            entered.add(held.pop(chance.randrange(min(2, len(held)))))
        if chance.random() < 0.3:
            observed += journeys._look(entered.take())
    for left in held:
        entered.add(left)
    observed += journeys._look(entered.take())
    anew = [Journeys(ledger, entered, CollectorRegistry()) for _ in range(sum(map(len, ours)))]
    each = [range(number, number + 1) for some in ours for number in some]
    assert sorted(observed) == sorted(
        found for one, some in zip(anew, each, strict=True) for found in one._look([some])
    )


async def test_a_step_takes_as_long_as_the_ledger_says(router: Router) -> None:
    registry = CollectorRegistry()
    entered = Entered(registry)
    ago = now() - dt.timedelta(minutes=2)
    signed = factory.signed_letter(factory.seal(OPM), letter_id=uuid4())
    for one in router.take_all(delivery(signed.raw, at=ago)):
        entered.add(one.entries)
    await Journeys(router.ledger, entered, registry).look()
    name = "saraban_router_journey_seconds"
    assert 120 <= (registry.get_sample_value(f"{name}_sum", {"step": "accepted"}) or 0) < 180
    assert registry.get_sample_value(f"{name}_bucket", {"step": "accepted", "le": "60.0"}) == 0
    assert registry.get_sample_value(f"{name}_bucket", {"step": "accepted", "le": "300.0"}) == 1


async def test_what_could_not_be_measured_shows_nothing_and_stays_to_be_looked_at(
    ledger: Ledger, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = CollectorRegistry()
    entered = Entered(registry)
    gauges = Gauges(ledger, rig.directory, registry)
    (_, one) = letter()
    for made in router.take_all(one):
        entered.add(made.entries)

    def away(*_: object) -> None:
        raise Transient("the database is away")

    journeys = Journeys(ledger, entered, registry)
    with monkeypatch.context() as patched:
        patched.setattr("bus.router.gauges.measuring", away)
        patched.setattr("bus.router.journeys.reading", away)
        await gauges.look()
        await journeys.look()
    assert registry.get_sample_value("saraban_router_pending_consignments") is None
    await gauges.look()
    await journeys.look()
    assert registry.get_sample_value("saraban_router_pending_consignments") == measured(ledger).pending > 0
    assert registry.get_sample_value("saraban_router_ledger_entries_total") == measured(ledger).entries
    assert registry.get_sample_value("saraban_router_journey_seconds_count", {"step": "accepted"}) == 1


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_nothing_that_is_measured_reads_a_whole_table(router: Router, tmp_path: Path) -> None:
    ledger, registry = router.ledger, CollectorRegistry()
    letter_id, one = letter()
    router.take_all(one)
    consigned(ledger)
    router.take_all(said(ledger, letter_id, Event.DELIVERED))
    rig.signer(ledger, tmp_path).sign()
    entered = Entered(registry)
    entered.add(range(1, measured(ledger).entries + 1))
    watching: tuple[Callable[[], object], ...] = (
        Gauges(ledger, rig.directory, registry).look,
        Journeys(ledger, entered, registry).look,
        clerks(router, rig.calendar(), registry, named=False).look,
    )
    with asked(ledger) as statements:
        for look in watching:
            await look()  # type: ignore[misc]
        with measuring(ledger) as measures:
            measures.given_at([(OCS, 1), (SOC, 1)])
            measures.last_numbers([OCS])
            measures.last_answers([OCS])
    assert len(statements) > 10
    assert whole_tables_read(ledger, statements) == []
