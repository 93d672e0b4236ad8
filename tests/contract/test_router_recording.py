"""The gates and gate 8 together, without a broker: the same submission gets the same answer, whatever comes between."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from bus.codes import load_codes
from bus.depot.presence import Presence
from bus.documents.letter import Receiver
from bus.documents.lifecycle import Deadline
from bus.documents.notice import Event, Notice
from bus.documents.signing import Signed, sign
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router import parking, policy
from bus.router.answers import Answers
from bus.router.delivery import Delivery, Duplicate, LetterAccepted, NoticeAccepted
from bus.router.recording import Recorded, Stale
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery
from tests.contract.test_question_plans import asked

ON_POSTGRESQL = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)


@pytest.fixture
def router(ledger: Ledger) -> Router:
    """A router over an empty ledger with a directory in force: every inbox has its consignment 1."""
    made = Router(ledger)
    made.activate(rig.directory())
    return made


def signed_letter(**changes: Any) -> Signed:
    """A letter from OPM under OPM's seal."""
    return sign(factory.letter(**changes), factory.seal(OPM))


def letter_of(ledger: Ledger) -> tuple[UUID, str, int]:
    """The id, digest and ledger number of the only letter."""
    with ledger.read() as reader:
        (row,) = reader.find_letters()
    return UUID(row.letter_id), row.digest, row.letter


def notice(ledger: Ledger, event: Event, by: str = OCS, **changes: Any) -> Signed:
    """A notice about the only letter."""
    letter_id, digest, _ = letter_of(ledger)
    said = factory.notice(event, author=by, letter_id=letter_id, letter_digest=digest, **changes)
    return sign(said, factory.seal(by))


def registered(ledger: Ledger, number: str = "๑/๒๕๖๙", **changes: Any) -> Signed:
    return notice(ledger, Event.REGISTERED, registration=factory.registration(number), **changes)


def answer_to(recorded: Recorded, code: str = OPM) -> int:
    """The number of the consignment that answers the submitting agency."""
    (number,) = [
        one.number for one in recorded.consignments if one.agency == code and one.type in ("verdict", "entry")
    ]
    return number


def refusal(router: Router, recorded: Recorded, code: AgencyCode = OPM) -> str | None:
    with router.ledger.read() as reader:
        return rig.said(reader, code, answer_to(recorded, code)).reason_code


def waiting(ledger: Ledger, code: str) -> list[tuple[int, bool]]:
    """What is pending for an agency: number, and whether it is only said again."""
    found = ledger.lease(Lease("test", now() - dt.timedelta(seconds=1)), limit=100, per_agency=100)
    return sorted((one.number, one.repeat) for one in found if one.agency == code)


def publish_everything(ledger: Ledger) -> None:
    """Let the broker have confirmed whatever is pending."""
    ledger.release_leases(None)
    claimed = ledger.lease(Lease("test", now()), limit=1000, per_agency=1000)
    with ledger.append() as writer:
        writer.confirmed(claimed)


@pytest.mark.parametrize("id_", ["a\x00b", "x" * 5000, "\ud800", "'\"\\"])
def test_what_a_message_announces_of_itself_harms_nobody_when_it_is_nonsense(
    router: Router, id_: str
) -> None:
    other = signed_letter(letter_id=uuid4(), number="นร 9/9")
    batch = [
        delivery(signed_letter().raw, announced=("letter", id_)),
        delivery(other.raw, announced=(id_, id_)),
    ]
    assert [recorded.outcome for recorded in router.take_all(*batch)] == ["accepted", "accepted"]


# ---- letters -------------------------------------------------------------------------------------------------------


def test_an_accepted_letter_is_recorded_numbered_and_answered(router: Router, ledger: Ledger) -> None:
    signed = signed_letter(receivers=(Receiver(agency=SOC), Receiver(agency=rig.UNIT)))
    recorded = router.take(delivery(signed.raw))
    assert recorded.outcome == "accepted"
    assert sorted((one.agency, one.number, one.type) for one in recorded.consignments) == sorted(
        [(OPM, 2, "verdict"), (OCS, 2, "letter"), (SOC, 2, "letter")]
    )
    letter_id, digest, entry = letter_of(ledger)
    with ledger.read() as reader:
        acceptance = rig.said(reader, OPM, 2)
        to_unit = reader.consignment(OCS, 2)
        state = reader.state_of(entry)
    assert (acceptance.event, acceptance.letter_id, acceptance.letter_digest) == (
        "accepted",
        letter_id,
        digest,
    )
    assert acceptance.terms is not None
    assert acceptance.terms.recipients == (SOC, OCS)
    assert to_unit is not None
    assert to_unit.body == signed.raw
    assert (to_unit.headers["sender"], to_unit.headers["addressed"]) == (OPM, rig.UNIT)
    assert state.recipients[OCS].addressed == rig.UNIT


def test_a_resent_letter_gets_the_same_answer_with_the_same_consignment_number(
    router: Router, ledger: Ledger
) -> None:
    signed = signed_letter()
    first = answer_to(router.take(delivery(signed.raw)))
    publish_everything(ledger)
    before = rig.counts(ledger)
    assert router.take(delivery(signed.raw)).outcome == "repeated"
    assert rig.counts(ledger) == {**before, "pending": 1}
    assert waiting(ledger, OPM) == [(first, True)]
    assert waiting(ledger, OCS) == []


def test_a_letter_resent_before_its_answer_went_out_is_answered_once(router: Router, ledger: Ledger) -> None:
    signed = signed_letter()
    first = answer_to(router.take(delivery(signed.raw)))
    for _ in range(3):
        assert router.take(delivery(signed.raw)).outcome == "repeated"
    ledger.release_leases(None)
    assert waiting(ledger, OPM) == [(1, False), (first, False)]


def test_the_same_content_signed_again_is_a_duplicate(router: Router, ledger: Ledger) -> None:
    content = factory.letter()
    once, again = sign(content, factory.seal(OPM)), sign(content, factory.seal(OPM))
    assert once.raw != again.raw
    assert once.digest == again.digest
    first = answer_to(router.take(delivery(once.raw)))
    publish_everything(ledger)
    assert router.take(delivery(again.raw)).outcome == "repeated"
    assert waiting(ledger, OPM) == [(first, True)]
    assert rig.counts(ledger)["letters"] == 1


def test_the_same_id_with_other_content_is_a_conflict_and_recorded(router: Router, ledger: Ledger) -> None:
    content = factory.letter()
    first = sign(content, factory.seal(OPM))
    other = sign(replace(content, number="นร 0105/9999"), factory.seal(OPM))
    router.take(delivery(first.raw))
    conflict = router.take(delivery(other.raw))
    assert refusal(router, conflict) == RefusalCode.ID_CONFLICT
    (entry,) = rig.entries_of_kind(ledger, Kind.CONFLICT)
    assert (entry["id"], entry["digest"]) == (str(content.letter_id), other.digest)
    with ledger.read() as reader:
        assert reader.document(entry["document"]) == other.raw
    # The conflict binds nothing: each of the two gets its own answer again.
    assert router.take(delivery(first.raw)).outcome == "repeated"
    assert router.take(delivery(other.raw)).outcome == "repeated"
    assert len(rig.entries_of_kind(ledger, Kind.CONFLICT)) == 1
    assert rig.counts(ledger)["letters"] == 1


def test_an_id_belongs_to_its_agency_and_not_to_whoever_uses_it_first(router: Router, ledger: Ledger) -> None:
    taken = uuid4()
    theirs = sign(
        factory.letter(letter_id=taken, sender=factory.sender(SOC), receivers=(Receiver(agency=OCS),)),
        factory.seal(SOC),
    )
    ours = signed_letter(letter_id=taken)
    assert router.take(delivery(theirs.raw, SOC)).outcome == "accepted"
    assert router.take(delivery(ours.raw)).outcome == "accepted"


def test_the_verdict_stands_when_the_certificate_is_revoked_before_the_redelivery(
    router: Router, ledger: Ledger
) -> None:
    signed, unsent = signed_letter(), signed_letter()
    first = answer_to(router.take(delivery(signed.raw)))
    publish_everything(ledger)
    revoked = factory.pin(factory.seal(OPM), revoked_at=now() - dt.timedelta(minutes=1))
    router.activate(rig.directory(version=2, OPM=rig.agency(OPM, revoked)))
    assert router.take(delivery(signed.raw)).outcome == "repeated"
    assert (first, True) in waiting(ledger, OPM)
    assert refusal(router, router.take(delivery(unsent.raw))) == RefusalCode.KEY_REVOKED


def test_a_permanent_refusal_is_repeated(router: Router, ledger: Ledger) -> None:
    signed = signed_letter(date=dt.date(2569, 11, 22))
    first = router.take(delivery(signed.raw))
    assert refusal(router, first) == RefusalCode.DATE_BUDDHIST_YEAR
    publish_everything(ledger)
    assert router.take(delivery(signed.raw)).outcome == "repeated"
    assert waiting(ledger, OPM) == [(answer_to(first), True)]
    assert len(rig.entries_of_kind(ledger, Kind.REFUSED)) == 1


def test_what_is_no_xml_is_refused_once_under_its_raw_bytes_and_repeated(
    router: Router, ledger: Ledger
) -> None:
    first = router.take(delivery(b"<Letter"))
    assert refusal(router, first) == RefusalCode.XML_NOT_WELL_FORMED
    publish_everything(ledger)
    assert router.take(delivery(b"<Letter")).outcome == "repeated"
    assert waiting(ledger, OPM) == [(answer_to(first), True)]
    (entry,) = rig.entries_of_kind(ledger, Kind.REFUSED)
    assert entry["rawSha256"] == entry["document"] == delivery(b"<Letter").sha256
    assert router.take(delivery(b"<Letter", SOC)).outcome == "refused", "each agency is answered for itself"


def test_a_refusal_by_circumstance_is_judged_anew(router: Router, ledger: Ledger) -> None:
    signed = signed_letter()
    router.files = Presence.MISSING
    assert refusal(router, router.take(delivery(signed.raw))) == RefusalCode.FILE_MISSING
    router.files = Presence.SIZE
    assert refusal(router, router.take(delivery(signed.raw))) == RefusalCode.FILE_SIZE
    router.files = Presence.OK
    assert router.take(delivery(signed.raw)).outcome == "accepted"
    router.files = Presence.MISSING
    assert router.take(delivery(signed.raw)).outcome == "repeated", (
        "what was accepted is never refused afterwards"
    )
    assert len(rig.entries_of_kind(ledger, Kind.REFUSED)) == 2


def test_an_unknown_recipient_becomes_known_with_the_directory(router: Router) -> None:
    signed = signed_letter(receivers=(Receiver(agency=factory.ETDA),))
    assert refusal(router, router.take(delivery(signed.raw))) == RefusalCode.RECIPIENT_UNKNOWN
    router.activate(rig.directory(version=2, ETDA=rig.agency(factory.ETDA)))
    assert router.take(delivery(signed.raw)).outcome == "accepted"


def test_a_refused_letter_binds_its_id_to_its_content(router: Router, ledger: Ledger) -> None:
    content = factory.letter()
    router.files = Presence.MISSING
    router.take(delivery(sign(content, factory.seal(OPM)).raw))
    router.files = Presence.OK
    mended = sign(replace(content, number="นร 0105/2"), factory.seal(OPM))
    assert refusal(router, router.take(delivery(mended.raw))) == RefusalCode.ID_CONFLICT
    assert rig.counts(ledger)["letters"] == 0


def test_a_refused_letter_reaches_nobody(router: Router, ledger: Ledger) -> None:
    router.files = Presence.MISSING
    recorded = router.take(delivery(signed_letter().raw))
    assert {one.agency for one in recorded.consignments} == {OPM}
    assert rig.counts(ledger)["recipients"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"user": None}, RefusalCode.IDENTITY_USER_MISSING),
        ({"user": SOC}, RefusalCode.IDENTITY_USER_FOREIGN),
    ],
)
def test_a_submission_whose_user_is_not_its_exchanges_is_answered_to_the_exchanges_agency(
    router: Router, changes: dict[str, Any], code: RefusalCode
) -> None:
    recorded = router.take(delivery(signed_letter().raw, **changes))
    assert refusal(router, recorded) == code
    assert {one.agency for one in recorded.consignments} == {OPM}


def test_a_submission_of_nobody_is_recorded_and_answered_to_nobody(router: Router, ledger: Ledger) -> None:
    recorded = router.take(delivery(signed_letter().raw, "9999999999"))
    assert (recorded.outcome, recorded.consignments) == ("refused", ())
    (entry,) = rig.entries_of_kind(ledger, Kind.REFUSED)
    assert entry["code"] == RefusalCode.IDENTITY_AGENCY_UNKNOWN


def test_a_letter_in_anothers_name_is_refused_to_the_agency_that_submitted_it(router: Router) -> None:
    signed = sign(factory.letter(sender=factory.sender(SOC)), factory.seal(OPM))
    recorded = router.take(delivery(signed.raw))
    assert refusal(router, recorded) == RefusalCode.IDENTITY_SENDER_FOREIGN
    assert {one.agency for one in recorded.consignments} == {OPM}


def test_the_same_number_and_date_again_is_accepted_and_flagged_to_both_sides(router: Router) -> None:
    first = router.take(delivery(signed_letter(number="นร 0105/ ๗").raw))
    second = router.take(delivery(signed_letter(number="นร ๐๑๐๕/7").raw))
    assert all("flags" not in one.headers for one in first.consignments)
    assert {(one.agency, one.headers["flags"]) for one in second.consignments} == {
        (OPM, "same-number"),
        (OCS, "same-number"),
    }


def test_a_letter_for_a_suspended_agency_is_accepted_held_and_released(
    router: Router, ledger: Ledger
) -> None:
    router.activate(rig.directory(version=2, SOC=rig.agency(SOC, state="suspended")))
    signed = signed_letter(receivers=(Receiver(agency=OCS), Receiver(agency=SOC)))
    recorded = router.take(delivery(signed.raw))
    assert {one.agency for one in recorded.consignments} == {OPM, OCS}
    _, _, letter = letter_of(ledger)
    publish_everything(ledger)
    with ledger.read() as reader:
        assert reader.agencies.waiting() == {SOC: (0, 1)}
        assert reader.state_of(letter).recipients[SOC].outcome == "on-hold"
    router.activate(rig.directory(version=3))
    publish_everything(ledger)
    with ledger.read() as reader:
        assert reader.state_of(letter).recipients[SOC].outcome == "consigned"
        assert reader.agencies.waiting() == {}


def test_an_agencys_closure_gives_it_a_deadline_of_its_own(ledger: Ledger) -> None:
    router = Router(ledger, calendar=rig.calendar_with_closure(SOC))
    router.activate(rig.directory())
    signed = signed_letter(receivers=(Receiver(agency=OCS), Receiver(agency=SOC)))
    router.take(delivery(signed.raw))
    _, _, letter = letter_of(ledger)
    with ledger.read() as reader:
        state = reader.state_of(letter)
        listed = reader.due.before(now() + 90 * factory.DAY, limit=10)
    general, own = state.recipients[OCS].registration_due, state.recipients[SOC].registration_due
    assert general is not None
    assert own is not None
    assert own > general
    assert [(one.deadline, one.at) for one in listed[1:]] == [
        ("registration", general),
        ("registration", own),
    ]
    assert state.silent(Deadline.REGISTRATION, general) == [OCS]


def test_a_circular_answers_its_sender_without_waiting_for_the_sweep(router: Router) -> None:
    units = {f"U{n}": rig.agency(AgencyCode(f"00001{n:05}")) for n in range(100)}
    router.activate(rig.directory(version=2, **units))
    receivers = tuple(Receiver(agency=unit.code) for unit in units.values())
    recorded = router.take(delivery(signed_letter(receivers=receivers).raw))
    assert recorded.consignments[-1].type == "verdict"
    assert len(recorded.consignments) < 100, "the rest is shared among the routers"
    assert len(router.ledger.lease(Lease("two", now()), limit=1000, per_agency=1)) > 100


# ---- what changes between the gates and the lock -------------------------------------------------------------------


def test_a_directory_that_changes_between_gates_and_lock_makes_the_submission_stale(
    router: Router, ledger: Ledger
) -> None:
    one = delivery(signed_letter().raw)
    (found,), entry = router.judge(one)
    assert isinstance(found, LetterAccepted)
    router.activate(rig.directory(version=2, OCS=rig.agency(OCS, state="suspended")))
    before = rig.counts(ledger)
    with pytest.raises(Stale):
        router.record(found, entry)
    assert rig.counts(ledger) == before
    assert router.take(one).outcome == "accepted"
    (accepted,) = rig.entries_of_kind(ledger, Kind.ACCEPTED)
    assert accepted["directory"] == 2
    with ledger.read() as reader:
        recipients = reader.recipient_sets.named(accepted["recipients"]).recipients
    assert {one.agency: one.on_hold for one in recipients} == {OCS: True}


def test_of_two_routers_with_the_same_submission_the_slower_repeats_the_answer_of_the_faster(
    router: Router, ledger: Ledger
) -> None:
    other = Router(ledger, "router-2")
    one = delivery(signed_letter().raw)
    ((mine,), entry), ((theirs,), _) = router.judge(one), other.judge(one)
    first = answer_to(router.record(mine, entry))
    with pytest.raises(Stale):
        other.record(theirs, entry)
    (again,), entry = other.judge(one)
    assert isinstance(again, Duplicate)
    assert again.answer == first
    assert other.record(again, entry).outcome == "repeated"
    assert rig.counts(ledger)["letters"] == 1


def test_of_two_contents_under_one_id_that_race_the_slower_is_the_conflict(
    router: Router, ledger: Ledger
) -> None:
    content = factory.letter()
    one = delivery(sign(content, factory.seal(OPM)).raw)
    two = delivery(sign(replace(content, number="นร 0105/2"), factory.seal(OPM)).raw)
    (first, second), entry = router.judge(one, two)
    router.record(first, entry)
    with pytest.raises(Stale):
        router.record(second, entry)
    assert refusal(router, router.take(two)) == RefusalCode.ID_CONFLICT
    assert rig.counts(ledger)["letters"] == 1


@ON_POSTGRESQL
def test_routers_that_race_for_the_same_submissions_make_one_entry_and_one_answer_of_each(
    router: Router, ledger: Ledger, ledger_url: str
) -> None:
    letters = [delivery(signed_letter(number=f"นร 0105/{n}").raw) for n in range(8)]
    start = threading.Barrier(3)

    def race(name: str) -> list[str]:
        own = Ledger(ledger_url)
        mine = Router(own, name)
        start.wait(60)
        outcomes = [mine.take(one).outcome for one in letters]
        own.close()
        return outcomes

    with ThreadPoolExecutor(3) as pool:
        raced = list(pool.map(race, ("one", "two", "three")))
    for of_one in zip(*raced, strict=True):
        assert sorted(of_one) == ["accepted", "repeated", "repeated"]
    found = rig.counts(ledger)
    assert (found["letters"], found["submissions"]) == (8, 8)
    assert len(rig.entries_of_kind(ledger, Kind.ACCEPTED)) == 8


# ---- notices -------------------------------------------------------------------------------------------------------


@pytest.fixture
def accepted(router: Router) -> Router:
    """The same after one letter from OPM to OCS and SOC was accepted and consigned."""
    signed = signed_letter(receivers=(Receiver(agency=OCS), Receiver(agency=SOC)))
    assert router.take(delivery(signed.raw)).outcome == "accepted"
    publish_everything(router.ledger)
    return router


def entry_answer(ledger: Ledger, recorded: Recorded, code: AgencyCode = OCS) -> dict[str, Any]:
    with ledger.read() as reader:
        consignment = reader.consignment(code, answer_to(recorded, code))
    assert consignment is not None
    found: dict[str, Any] = json.loads(consignment.body)
    return found


def test_a_notice_is_entered_forwarded_and_answered_with_its_entry(accepted: Router, ledger: Ledger) -> None:
    said = registered(ledger)
    recorded = accepted.take(delivery(said.raw, OCS))
    assert {(one.agency, one.type) for one in recorded.consignments} == {(OPM, "notice"), (OCS, "entry")}
    (entry,) = rig.entries_of_kind(ledger, Kind.NOTICE)
    answer = entry_answer(ledger, recorded)
    assert (answer["entry"], answer["duplicate"], answer["digest"]) == (entry["seq"], False, said.digest)
    forwarded = next(one for one in recorded.consignments if one.agency == OPM)
    assert forwarded.body == said.raw
    _, _, letter = letter_of(ledger)
    with ledger.read() as reader:
        state = reader.state_of(letter)
    assert (state.recipients[OCS].outcome, state.recipients[SOC].outcome) == ("registered", "consigned")


def test_a_machines_notice_said_again_under_another_id_and_time_is_one_fact(
    accepted: Router, ledger: Ledger
) -> None:
    first = accepted.take(delivery(notice(ledger, Event.DELIVERED).raw, OCS))
    repeat = notice(ledger, Event.DELIVERED, event_time=factory.NOW + dt.timedelta(minutes=5))
    second = accepted.take(delivery(repeat.raw, OCS))
    assert (first.outcome, second.outcome) == ("notice-accepted", "duplicate")
    assert {one.agency for one in second.consignments} == {OCS}, "the sender is not told twice"
    (entry,) = rig.entries_of_kind(ledger, Kind.NOTICE)
    answer = entry_answer(ledger, second)
    assert (answer["entry"], answer["duplicate"]) == (entry["seq"], True)
    assert accepted.take(delivery(repeat.raw, OCS)).outcome == "repeated"


def test_each_recipient_says_its_own_machines_word(accepted: Router, ledger: Ledger) -> None:
    for code in (OCS, SOC):
        assert (
            accepted.take(delivery(notice(ledger, Event.DELIVERED, by=code).raw, code)).outcome
            == "notice-accepted"
        )
    assert len(rig.entries_of_kind(ledger, Kind.NOTICE)) == 2


def test_a_resent_notice_gets_the_same_answer(accepted: Router, ledger: Ledger) -> None:
    said = delivery(registered(ledger).raw, OCS)
    first = answer_to(accepted.take(said), OCS)
    publish_everything(ledger)
    assert accepted.take(said).outcome == "repeated"
    assert waiting(ledger, OCS) == [(first, True)]


def test_a_clerks_correction_supersedes_and_both_stay_in_the_ledger(accepted: Router, ledger: Ledger) -> None:
    _, _, letter = letter_of(ledger)
    first, corrected = uuid4(), uuid4()
    accepted.take(delivery(registered(ledger, "๑", notice_id=first).raw, OCS))
    again = accepted.take(delivery(registered(ledger, "๒").raw, OCS))
    assert refusal(accepted, again, OCS) == RefusalCode.NOTICE_ALREADY_ANSWERED
    foreign = accepted.take(delivery(registered(ledger, "๒", supersedes=uuid4()).raw, OCS))
    assert refusal(accepted, foreign, OCS) == RefusalCode.NOTICE_SUPERSEDES_FOREIGN
    correction = registered(ledger, "๒", notice_id=corrected, supersedes=first)
    assert accepted.take(delivery(correction.raw, OCS)).outcome == "notice-accepted"
    with ledger.read() as reader:
        answer = reader.state_of(letter).recipients[OCS].answer
    assert answer is not None
    assert (answer.number, answer.notice_id) == ("๒", str(corrected))
    late = accepted.take(delivery(registered(ledger, "๓", supersedes=first).raw, OCS))
    assert refusal(accepted, late, OCS) == RefusalCode.NOTICE_SUPERSEDES_FOREIGN
    assert [one["number"] for one in rig.entries_of_kind(ledger, Kind.NOTICE)] == ["๑", "๒"]


def test_of_two_answers_that_race_one_is_heard_and_the_other_examined_again(
    accepted: Router, ledger: Ledger
) -> None:
    one, two = delivery(registered(ledger, "๑").raw, OCS), delivery(registered(ledger, "๒").raw, OCS)
    (first, second), entry = accepted.judge(one, two)
    assert isinstance(first, NoticeAccepted)
    assert isinstance(second, NoticeAccepted)
    accepted.record(first, entry)
    with pytest.raises(Stale):
        accepted.record(second, entry)
    assert refusal(accepted, accepted.take(two), OCS) == RefusalCode.NOTICE_ALREADY_ANSWERED


def receipts(router: Router, count: int, ids: Callable[[], UUID] = uuid4) -> list[Delivery]:
    """The receipts of so many new letters to OCS, each accepted by then."""
    found = []
    for number in range(count):
        letter = factory.letter(
            letter_id=uuid4(), number=f"นร 7/{count}.{number}", receivers=(Receiver(agency=OCS),)
        )
        signed = sign(letter, factory.seal(OPM))
        router.take(delivery(signed.raw))
        about = {"letter_id": letter.letter_id, "letter_digest": signed.digest}
        said = factory.notice(Event.DELIVERED, author=OCS, notice_id=ids(), **about)
        found.append(delivery(sign(said, factory.seal(OCS)).raw, OCS))
    return found


def test_of_notices_that_nothing_came_between_the_ledger_is_asked_the_same_however_many_there_are(
    router: Router, ledger: Ledger
) -> None:
    asked_for = []
    for count in (1, 2, 9):
        judged, entry = router.judge(*receipts(router, count))
        with asked(ledger) as statements:
            recorded = router.record_all(judged, entry)
        assert [one.outcome for one in recorded if isinstance(one, Recorded)] == ["notice-accepted"] * count
        asked_for.append(len(statements))
    assert asked_for[1] == asked_for[2] <= asked_for[0] + 1


def test_of_two_facts_under_one_id_about_two_letters_the_second_is_examined_again(router: Router) -> None:
    id_ = uuid4()
    judged, entry = router.judge(*receipts(router, 2, lambda: id_))
    assert all(isinstance(one, NoticeAccepted) for one in judged)
    first, second = router.record_all(judged, entry)
    assert isinstance(first, Recorded)
    assert isinstance(second, Stale)


def test_a_notice_about_a_letter_that_is_unknown_yet_is_judged_anew(router: Router, ledger: Ledger) -> None:
    content = factory.letter()
    signed = sign(content, factory.seal(OPM))
    early = factory.notice(letter_id=content.letter_id, letter_digest=signed.digest)
    said = delivery(sign(early, factory.seal(OCS)).raw, OCS)
    assert refusal(router, router.take(said), OCS) == RefusalCode.NOTICE_LETTER_UNKNOWN
    router.take(delivery(signed.raw))
    assert router.take(said).outcome == "notice-accepted"


def test_a_stranger_to_the_letter_is_not_heard(accepted: Router, ledger: Ledger) -> None:
    recorded = accepted.take(delivery(notice(ledger, Event.DELIVERED, by=DGA).raw, DGA))
    assert refusal(accepted, recorded, DGA) == RefusalCode.NOTICE_NOT_A_PARTY


def test_what_the_sender_says_goes_to_the_recipients_that_it_is_about(
    accepted: Router, ledger: Ledger
) -> None:
    asked = notice(ledger, Event.WITHDRAWAL_REQUESTED, by=OPM, about=(SOC,))
    recorded = accepted.take(delivery(asked.raw, OPM))
    assert {one.agency for one in recorded.consignments if one.type == "notice"} == {SOC}
    granted = notice(ledger, Event.WITHDRAWAL_GRANTED, by=SOC)
    assert accepted.take(delivery(granted.raw, SOC)).outcome == "notice-accepted"
    once_more = notice(ledger, Event.WITHDRAWAL_REQUESTED, by=OPM, about=(SOC,))
    answered = accepted.take(delivery(once_more.raw, OPM))
    assert refusal(accepted, answered) == RefusalCode.NOTICE_ALREADY_ANSWERED


# ---- parked submissions --------------------------------------------------------------------------------------------


def park(ledger: Ledger, one: Any) -> int:
    word = Answers(factory.seal("bus"), load_codes()).parked(raw_sha256=one.sha256, now=now())
    with ledger.append() as writer:
        return parking.park(writer, one, word, rig.directory().inboxes)


def test_a_parked_submission_is_kept_told_of_and_not_parked_twice(router: Router, ledger: Ledger) -> None:
    one = delivery(signed_letter().raw)
    entry = park(ledger, one)
    assert park(ledger, one) == entry
    with ledger.read() as reader:
        (parked,) = reader.parked.waiting()
        assert reader.must_document(parked) == one.raw
        word: Notice = rig.said(reader, OPM, int(parked.body["answer"]))
    assert (word.event, word.submission_digest) == (Event.PARKED, one.sha256)


def test_the_same_submission_parked_twice_in_one_append_is_entered_once(
    router: Router, ledger: Ledger
) -> None:
    one = delivery(signed_letter().raw)
    word = Answers(factory.seal("bus"), load_codes()).parked(raw_sha256=one.sha256, now=now())
    with ledger.append() as writer:
        numbers = {parking.park(writer, one, word, rig.directory().inboxes) for _ in range(2)}
    assert len(numbers) == 1


def test_a_replay_takes_the_gates_and_is_carried_out_by_one_router(router: Router, ledger: Ledger) -> None:
    entry = park(ledger, delivery(signed_letter().raw))
    with ledger.append() as writer:
        request = parking.request_replay(writer, entry, operator=by("tester"), reason="mended")
    with ledger.read() as reader:
        (replay,) = parking.replays(reader)
    other = Router(ledger, "router-2")
    assert (router.take(replay).outcome, other.take(replay).outcome) == ("accepted", "replayed")
    (done,) = rig.entries_of_kind(ledger, Kind.REPLAYED)
    assert (done["request"], done["parked"], done["outcome"]) == (request, entry, "accepted")
    with ledger.read() as reader:
        assert reader.parked.waiting() == []
        assert parking.replays(reader) == []


def test_a_replay_that_meets_a_fault_again_leaves_the_submission_parked(
    router: Router, ledger: Ledger
) -> None:
    entry = park(ledger, delivery(b"<Letter/>"))
    with ledger.append() as writer:
        parking.request_replay(writer, entry, operator=by("tester"), reason="try")
    with ledger.read() as reader:
        (replay,) = parking.replays(reader)
    for _ in range(2):
        with ledger.append() as writer:
            parking.replay_failed(writer, replay, "ZeroDivisionError")
    with ledger.read() as reader:
        assert [one.seq for one in reader.parked.waiting()] == [entry]
        assert parking.replays(reader) == []
    assert len(rig.entries_of_kind(ledger, Kind.REPLAYED)) == 1
    with pytest.raises(LookupError), ledger.append() as writer:
        parking.request_replay(writer, 10_000, operator=by("tester"), reason="no such")


def test_one_submission_that_meets_a_bug_is_returned_as_one_and_its_neighbours_are_judged(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, other = (delivery(signed_letter(number=f"นร 0105/{n}").raw) for n in (12, 13, 14))
    judged = policy.letter_rules

    def broken(letter: Any, *rest: Any) -> None:
        if letter.number == "นร 0105/13":
            raise ZeroDivisionError
        judged(letter, *rest)

    monkeypatch.setattr(policy, "letter_rules", broken)
    (before, bug, after), _ = router.examine(good, bad, other)
    assert isinstance(before, LetterAccepted)
    assert isinstance(bug, ZeroDivisionError)
    assert isinstance(after, LetterAccepted)
