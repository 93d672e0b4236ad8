"""What the gates judged by a snapshot is looked at again under the append lock: refusals as much as acceptances."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest

from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.documents.signing import Signed, sign
from bus.errors import RefusalCode
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.delivery import Delivery, SubmissionRefused
from bus.router.recording import Recorded
from tests.assets import factory
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery


@pytest.fixture
def router(ledger: Ledger) -> Router:
    """A router whose ledger has one letter from OPM to OCS and SOC."""
    made = Router(ledger)
    made.activate(rig.directory())
    letter = factory.letter(receivers=(Receiver(agency=OCS), Receiver(agency=SOC)))
    assert made.take(delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"
    return made


def said(ledger: Ledger, event: Event, by: str = OCS, **changes: Any) -> Signed:
    """A notice about the only letter."""
    with ledger.read() as reader:
        (row,) = reader.find_letters()
    about = {"letter_id": UUID(row.letter_id), "letter_digest": row.digest}
    return sign(factory.notice(event, author=by, **about, **changes), factory.seal(by))


def registered(ledger: Ledger, number: str, **changes: Any) -> Signed:
    return said(ledger, Event.REGISTERED, registration=factory.registration(number), **changes)


def chain(ledger: Ledger, length: int) -> list[Delivery]:
    """A registration and corrections, each of the one before."""
    ids = [uuid4() for _ in range(length)]
    notices = [
        registered(ledger, str(place), notice_id=id_, supersedes=ids[place - 1] if place else None)
        for place, id_ in enumerate(ids)
    ]
    return [delivery(each.raw, OCS) for each in notices]


def in_one_batch(router: Router, *deliveries: Delivery) -> list[str]:
    """Take submissions as the running router does: a batch, and what is stale of it again as a batch."""
    outcomes: dict[int, str] = {}
    waiting = list(enumerate(deliveries))
    for _ in range(20):
        found, examined_under = router.judge(*(one for _, one in waiting))
        with router.ledger.append() as writer:
            recorded = router._recorder.record_all(found, examined_under, writer)
        again = []
        for place, outcome in zip(waiting, recorded, strict=True):
            if isinstance(outcome, Recorded):
                outcomes[place[0]] = outcome.outcome
            else:
                again.append(place)
        if not again:
            return [outcomes[place] for place in range(len(deliveries))]
        waiting = again
    raise AssertionError("examined too often")


def numbers(ledger: Ledger) -> list[str]:
    return [one["number"] for one in rig.entries_of_kind(ledger, Kind.NOTICE) if "number" in one]


@pytest.mark.parametrize("length", [2, 3, 40])
def test_a_registration_and_its_corrections_in_one_batch_are_all_heard_in_their_order(
    router: Router, ledger: Ledger, length: int
) -> None:
    assert in_one_batch(router, *chain(ledger, length)) == ["notice-accepted"] * length
    assert numbers(ledger) == [str(place) for place in range(length)]
    assert rig.entries_of_kind(ledger, Kind.REFUSED) == []


def test_a_withdrawal_and_its_answer_in_one_batch_are_both_heard(router: Router, ledger: Ledger) -> None:
    asked = delivery(said(ledger, Event.WITHDRAWAL_REQUESTED, by=OPM, about=(OCS,)).raw, OPM)
    granted = delivery(said(ledger, Event.WITHDRAWAL_GRANTED).raw, OCS)
    assert in_one_batch(router, asked, granted) == ["notice-accepted", "notice-accepted"]


def test_a_letter_and_the_receipt_of_it_in_one_batch_are_both_taken(router: Router, ledger: Ledger) -> None:
    letter = factory.letter(letter_id=uuid4(), number="นร 1/2", receivers=(Receiver(agency=OCS),))
    signed = sign(letter, factory.seal(OPM))
    receipt = factory.notice(
        Event.DELIVERED, author=OCS, letter_id=letter.letter_id, letter_digest=signed.digest
    )
    batch = delivery(signed.raw), delivery(sign(receipt, factory.seal(OCS)).raw, OCS)
    assert in_one_batch(router, *batch) == ["accepted", "notice-accepted"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_three_routers_that_judged_together_none_refuses_what_the_ledger_permits_when_it_records(
    router: Router, ledger: Ledger, order: tuple[int, ...]
) -> None:
    """Each router holds one of a registration, a correction of it and a correction of that, judged at one time."""
    deliveries = chain(ledger, 3)
    judged = []
    for place in order:
        other = Router(ledger, f"router-{place}")
        (found,), examined_under = other.judge(deliveries[place])
        judged.append((place, other, found, examined_under))
    for place, other, found, examined_under in sorted(judged, key=lambda one: one[0]):
        assert isinstance(found, SubmissionRefused) == (place > 0)
        assert other.record(found, examined_under).outcome == "notice-accepted"
    assert numbers(ledger) == ["0", "1", "2"]


def test_a_refusal_that_still_holds_under_the_lock_is_recorded_and_not_examined_for_ever(
    router: Router, ledger: Ledger
) -> None:
    foreign = delivery(registered(ledger, "1", supersedes=uuid4()).raw, OCS)
    answered = delivery(registered(ledger, "2").raw, OCS)
    again = delivery(registered(ledger, "3").raw, OCS)
    assert in_one_batch(router, foreign, answered, again) == ["refused", "notice-accepted", "refused"]
    codes = [one["code"] for one in rig.entries_of_kind(ledger, Kind.REFUSED)]
    assert codes == [RefusalCode.NOTICE_SUPERSEDES_FOREIGN, RefusalCode.NOTICE_ALREADY_ANSWERED]


def test_what_is_stale_of_one_letter_holds_up_no_notice_of_another(router: Router, ledger: Ledger) -> None:
    first, second = (delivery(registered(ledger, number).raw, OCS) for number in "12")
    letter = factory.letter(letter_id=uuid4(), number="นร 1/2", receivers=(Receiver(agency=SOC),))
    signed = sign(letter, factory.seal(OPM))
    assert router.take(delivery(signed.raw)).outcome == "accepted"
    other = factory.notice(
        Event.DELIVERED, author=SOC, letter_id=letter.letter_id, letter_digest=signed.digest
    )
    found, examined_under = router.judge(first, second, delivery(sign(other, factory.seal(SOC)).raw, SOC))
    with ledger.append() as writer:
        outcomes = router._recorder.record_all(found, examined_under, writer)
    assert [isinstance(one, Recorded) for one in outcomes] == [True, False, True]


# ---- a machine's notice is one fact --------------------------------------------------------------------------------

LATER = factory.NOW + dt.timedelta(minutes=5)


@pytest.mark.parametrize("event", [Event.DELIVERED, Event.HANDOVER_FAILED])
def test_a_machines_notice_made_anew_with_the_same_id_and_another_time_is_a_duplicate(
    router: Router, ledger: Ledger, event: Event
) -> None:
    id_ = uuid4()
    first = delivery(said(ledger, event, notice_id=id_).raw, OCS)
    anew = delivery(said(ledger, event, notice_id=id_, event_time=LATER).raw, OCS)
    assert first.raw != anew.raw
    assert [router.take(one).outcome for one in (first, anew, anew, first)] == [
        "notice-accepted",
        "duplicate",
        "repeated",
        "repeated",
    ]
    assert len(rig.entries_of_kind(ledger, Kind.NOTICE)) == 1
    assert rig.entries_of_kind(ledger, Kind.CONFLICT, Kind.REFUSED) == []


def test_a_machines_notice_made_anew_is_a_duplicate_in_one_batch_and_between_two_routers(
    router: Router, ledger: Ledger
) -> None:
    id_ = uuid4()
    first = delivery(said(ledger, Event.DELIVERED, notice_id=id_).raw, OCS)
    anew = delivery(said(ledger, Event.DELIVERED, notice_id=id_, event_time=LATER).raw, OCS)
    other = Router(ledger, "router-2")
    (theirs,), examined_under = other.judge(anew)
    assert in_one_batch(router, first, anew) == ["notice-accepted", "duplicate"]
    assert other.record(theirs, examined_under).outcome == "repeated"
    assert other.take(anew).outcome == "repeated"


def test_a_receipt_refused_before_its_letter_was_known_and_made_anew_is_heard(
    router: Router, ledger: Ledger
) -> None:
    letter = factory.letter(letter_id=uuid4(), number="นร 1/2", receivers=(Receiver(agency=OCS),))
    signed, id_ = sign(letter, factory.seal(OPM)), uuid4()

    def receipt(**changes: Any) -> Delivery:
        about = {"letter_id": letter.letter_id, "letter_digest": signed.digest}
        made = factory.notice(Event.DELIVERED, author=OCS, notice_id=id_, **about, **changes)
        return delivery(sign(made, factory.seal(OCS)).raw, OCS)

    early, anew = receipt(), receipt(event_time=LATER)
    assert [router.take(one).outcome for one in (early, anew)] == ["refused", "refused"]
    assert router.take(delivery(signed.raw)).outcome == "accepted"
    assert [router.take(one).outcome for one in (anew, early)] == ["notice-accepted", "duplicate"]


def test_the_id_of_a_heard_receipt_is_free_for_no_other_fact(router: Router, ledger: Ledger) -> None:
    id_ = uuid4()
    assert (
        router.take(delivery(said(ledger, Event.DELIVERED, notice_id=id_).raw, OCS)).outcome
        == "notice-accepted"
    )
    failure = delivery(said(ledger, Event.HANDOVER_FAILED, notice_id=id_).raw, OCS)
    assert router.take(failure).outcome == "refused"
    (entry,) = rig.entries_of_kind(ledger, Kind.CONFLICT)
    assert entry["code"] == RefusalCode.ID_CONFLICT


def test_a_clerks_notice_with_the_id_of_another_content_is_a_conflict_however_it_is_batched(
    router: Router, ledger: Ledger
) -> None:
    id_ = uuid4()
    one, two = (delivery(registered(ledger, number, notice_id=id_).raw, OCS) for number in "12")
    assert in_one_batch(router, one, two) == ["notice-accepted", "refused"]
    assert router.take(one).outcome == "repeated"


# ---- an id that was accepted ---------------------------------------------------------------------------------------


def test_who_asks_under_an_accepted_id_is_told_its_entry_and_gets_the_acceptance_again(
    router: Router, ledger: Ledger
) -> None:
    """A mailbox brought back from before the acceptance: the office lays the letter out again, at another time."""
    letter = factory.letter(letter_id=uuid4(), number="นร 1/2")
    first = router.take(delivery(sign(letter, factory.seal(OPM)).raw))
    with ledger.append() as writer:
        writer.confirmed(first.consignments)
    laid_out_again = sign(replace(letter, sent_at=letter.sent_at + dt.timedelta(days=1)), factory.seal(OPM))
    conflict = router.take(delivery(laid_out_again.raw))
    (verdict,) = [one for one in conflict.consignments if one.type == "verdict"]
    accepted = next(one for one in first.consignments if one.type == "verdict")
    assert verdict.headers["accepted"] == accepted.entry
    with ledger.read() as reader:
        refusal = rig.said(reader, OPM, verdict.number)
        waiting = reader.agencies.waiting()[OPM]
    assert refusal.reason_code == RefusalCode.ID_CONFLICT
    assert all(f"{accepted.entry}" in text.value for text in refusal.reason_texts)
    assert waiting >= (2, 0), "the refusal, and the acceptance once more"
    assert conflict.left
    again = router.take(delivery(laid_out_again.raw))
    assert again.outcome == "repeated"
    assert again.left


def test_who_asks_under_an_id_that_was_only_refused_is_told_of_no_acceptance(
    router: Router, ledger: Ledger
) -> None:
    letter = factory.letter(letter_id=uuid4(), receivers=(Receiver(agency=factory.ETDA),))
    assert router.take(delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "refused"
    other = router.take(delivery(sign(replace(letter, number="นร 9"), factory.seal(OPM)).raw))
    (verdict,) = [one for one in other.consignments if one.type == "verdict"]
    assert "accepted" not in verdict.headers
