"""Who may say what about a letter, and when: each refusal has its code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from bus.documents.lifecycle import BY_BUS, BY_SENDER, ONCE, RULES, Progress, Slot, Speaker
from bus.documents.notice import Event, Notice
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, LetterId
from bus.ledger.state import Fact, LetterState, RecipientState
from bus.router.transitions import concerned, known_fact, require_permitted
from tests.assets.digests import OTHER_CONTENT, SOME_CONTENT
from tests.assets.factory import DGA, OCS, OPM, SOC, complete

UNIT = AgencyCode("0100900001")
OLD = UUID(int=77)
BY_RECIPIENT = frozenset(RULES) - BY_SENDER - BY_BUS
ANSWERS = frozenset(event for event, rule in RULES.items() if rule.slot is Slot.ANSWER)
MACHINE = frozenset(event for event, rule in RULES.items() if rule.by is Speaker.ADAPTER)


def word(event: Event, notice_id: UUID = OLD, digest: ContentDigest = SOME_CONTENT) -> Fact:
    return Fact(entry=5, notice_id=str(notice_id), event=event.value, author=OCS, digest=digest, at="2026")


def state(**ocs: Any) -> LetterState:
    """A letter from OPM to SOC and to OCS, which was addressed as its sub-unit; OCS stands as told."""
    events = ocs.pop("events", ())
    facts = {Slot(name): fact for name, fact in ocs.items() if fact is not None}
    recipients = {
        OCS: RecipientState(
            agency=OCS,
            role="to",
            addressed=UNIT,
            consignment=1,
            progress=Progress(facts=facts),
            events=events,
        ),
        SOC: RecipientState(agency=SOC, role="to", addressed=SOC, consignment=1),
    }
    return LetterState(
        letter=1,
        sender=OPM,
        letter_id=LetterId("x"),
        digest=OTHER_CONTENT,
        speed="001",
        received_at="2026-11-22T10:00:00.000000+07:00",
        asks_registration=True,
        recipients=recipients,
    )


def refusal(notice: Notice, author: AgencyCode, standing: LetterState) -> RefusalCode | None:
    """The code with which the notice is refused, None if it may be said."""
    try:
        require_permitted(notice, concerned(notice, author, standing), standing)
    except Refused as rejected:
        return rejected.code
    return None


def test_every_event_has_its_row() -> None:
    assert set(RULES) == set(Event)
    assert MACHINE < ONCE < BY_RECIPIENT


@pytest.mark.parametrize("event", sorted(BY_BUS))
@pytest.mark.parametrize("author", [OPM, OCS, DGA])
def test_what_the_bus_says_nobody_else_may(event: Event, author: AgencyCode) -> None:
    assert refusal(complete(event), author, state()) == RefusalCode.NOTICE_NOT_YOURS_TO_SAY


def test_an_event_that_nobody_knows_is_nobodys_to_say() -> None:
    unknown = replace(complete(Event.DELIVERED), event="shredded")
    assert refusal(unknown, OCS, state()) == RefusalCode.NOTICE_NOT_YOURS_TO_SAY


@pytest.mark.parametrize("event", sorted(BY_RECIPIENT | BY_SENDER))
def test_a_stranger_has_nothing_to_say(event: Event) -> None:
    assert refusal(complete(event), DGA, state()) == RefusalCode.NOTICE_NOT_A_PARTY


@pytest.mark.parametrize("event", sorted(BY_RECIPIENT))
def test_the_sender_cannot_speak_for_its_recipients(event: Event) -> None:
    assert refusal(complete(event, about=(OCS,)), OPM, state()) == RefusalCode.NOTICE_NOT_A_PARTY


@pytest.mark.parametrize("event", sorted(BY_SENDER))
def test_a_recipient_cannot_speak_for_the_sender(event: Event) -> None:
    assert refusal(complete(event), OCS, state()) == RefusalCode.NOTICE_NOT_YOURS_TO_SAY


@pytest.mark.parametrize("event", sorted(BY_RECIPIENT))
def test_a_recipient_cannot_speak_for_another(event: Event) -> None:
    said = complete(event, about=(OCS, SOC))
    assert refusal(said, OCS, state()) == RefusalCode.NOTICE_NOT_YOURS_TO_SAY


@pytest.mark.parametrize("about", [(), (OCS,), (UNIT,), (UNIT, OCS)])
def test_a_recipient_speaks_of_itself_under_its_own_code_or_the_one_addressed(about: tuple[str, ...]) -> None:
    assert concerned(complete(Event.DELIVERED, about=about), OCS, state()) == (OCS,)


@pytest.mark.parametrize(
    ("about", "meant"),
    [((), (OCS, SOC)), ((UNIT,), (OCS,)), ((SOC, UNIT, OCS), (SOC, OCS)), ((SOC,), (SOC,))],
)
def test_a_sender_speaks_of_those_it_names_or_of_all(about: tuple[str, ...], meant: tuple[str, ...]) -> None:
    assert concerned(complete(Event.SETTLED, about=about), OPM, state()) == meant


def test_a_sender_cannot_speak_of_an_agency_that_did_not_get_the_letter() -> None:
    said = complete(Event.SETTLED, about=(OCS, DGA))
    assert refusal(said, OPM, state()) == RefusalCode.NOTICE_NOT_A_PARTY


def test_a_party_to_a_letter_to_itself_speaks_as_sender_and_as_recipient() -> None:
    own = RecipientState(agency=OPM, role="to", addressed=OPM, consignment=1)
    loop = replace(state(), recipients={OPM: own})
    assert concerned(complete(Event.DELIVERED), OPM, loop) == (OPM,)
    assert concerned(complete(Event.WITHDRAWAL_REQUESTED), OPM, loop) == (OPM,)


@pytest.mark.parametrize("event", sorted(MACHINE))
@pytest.mark.parametrize("before", [None, *sorted(ANSWERS)])
def test_a_machines_word_may_come_at_any_time(event: Event, before: Event | None) -> None:
    assert refusal(complete(event), OCS, state(answer=word(before) if before else None)) is None


ANSWERED = [
    (None, None, None),
    (Event.REGISTERED, None, RefusalCode.NOTICE_ALREADY_ANSWERED),
    (Event.REFUSED, None, RefusalCode.NOTICE_ALREADY_ANSWERED),
    (Event.REGISTERED, OLD, None),
    (Event.MISDIRECTED, OLD, None),
    (Event.REGISTERED, uuid4(), RefusalCode.NOTICE_SUPERSEDES_FOREIGN),
    (None, OLD, RefusalCode.NOTICE_SUPERSEDES_FOREIGN),
]


@pytest.mark.parametrize("event", sorted(ANSWERS))
@pytest.mark.parametrize(("before", "supersedes", "code"), ANSWERED)
def test_a_clerk_answers_once_and_corrects_only_the_answer_in_force(
    event: Event, before: Event | None, supersedes: UUID | None, code: RefusalCode | None
) -> None:
    standing = state(answer=word(before) if before else None)
    assert refusal(complete(event, supersedes=supersedes), OCS, standing) == code


@pytest.mark.parametrize("event", sorted(ANSWERS))
@pytest.mark.parametrize("supersedes", [None, OLD])
def test_what_was_withdrawn_is_not_answered(event: Event, supersedes: UUID | None) -> None:
    standing = state(withdrawal=word(Event.WITHDRAWAL_GRANTED), answer=word(Event.REFUSED))
    said = complete(event, supersedes=supersedes)
    assert refusal(said, OCS, standing) == RefusalCode.NOTICE_ALREADY_ANSWERED


def test_a_late_registration_follows_a_failure_and_a_settlement() -> None:
    standing = state(failure=word(Event.HANDOVER_FAILED), settled=word(Event.SETTLED))
    assert refusal(complete(Event.REGISTERED), OCS, standing) is None


@pytest.mark.parametrize(
    ("event", "lacking", "author"),
    [
        (Event.REGISTERED, {"registration": None}, OCS),
        (Event.REFUSED, {"reason_texts": ()}, OCS),
        (Event.MISDIRECTED, {"suggested_receiver": None}, OCS),
        (Event.TRANSFERRED, {"successor": None}, OCS),
        (Event.SETTLED, {"other_means": None}, OPM),
    ],
)
def test_a_notice_without_what_it_is_for_is_incomplete(
    event: Event, lacking: dict[str, Any], author: AgencyCode
) -> None:
    assert refusal(complete(event, **lacking), author, state()) == RefusalCode.NOTICE_INCOMPLETE


def test_a_refusal_may_give_its_reason_as_a_code() -> None:
    assert refusal(complete(Event.REFUSED, reason_texts=(), reason_code="unreadable"), OCS, state()) is None


NOTHING = RefusalCode.NOTICE_NOTHING_TO_ANSWER


@pytest.mark.parametrize(
    ("before", "code"),
    [(None, NOTHING), (Event.REFUSED, NOTHING), (Event.MISDIRECTED, NOTHING), (Event.REGISTERED, None)],
)
def test_a_number_is_disputed_only_where_one_was_given(
    before: Event | None, code: RefusalCode | None
) -> None:
    standing = state(answer=word(before) if before else None)
    assert refusal(complete(Event.NUMBER_DISPUTED, about=(OCS,)), OPM, standing) == code


def test_a_dispute_with_several_needs_a_number_from_each() -> None:
    said = complete(Event.NUMBER_DISPUTED, about=(OCS, SOC))
    assert refusal(said, OPM, state(answer=word(Event.REGISTERED))) == NOTHING


REQUESTED, GRANTED, DECLINED = (
    Event.WITHDRAWAL_REQUESTED,
    Event.WITHDRAWAL_GRANTED,
    Event.WITHDRAWAL_DECLINED,
)
TOO_LATE = RefusalCode.NOTICE_WITHDRAWAL_TOO_LATE


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        ({}, None),
        ({"receipt": word(Event.DELIVERED)}, None),
        ({"answer": word(Event.REFUSED)}, None),
        ({"answer": word(Event.REGISTERED)}, TOO_LATE),
        ({"withdrawal": word(DECLINED)}, None),
        ({"withdrawal": word(GRANTED)}, RefusalCode.NOTICE_ALREADY_ANSWERED),
    ],
)
def test_a_withdrawal_is_asked_for_before_the_registration_and_not_after_it_was_granted(
    standing: dict[str, Any], code: RefusalCode | None
) -> None:
    assert refusal(complete(REQUESTED, about=(OCS,)), OPM, state(**standing)) == code


@pytest.mark.parametrize("event", [GRANTED, DECLINED])
@pytest.mark.parametrize(
    ("before", "code"), [(None, NOTHING), (REQUESTED, None), (GRANTED, NOTHING), (DECLINED, NOTHING)]
)
def test_a_withdrawal_is_answered_once_and_only_if_it_was_asked_for(
    event: Event, before: Event | None, code: RefusalCode | None
) -> None:
    assert refusal(complete(event), OCS, state(withdrawal=word(before) if before else None)) == code


@pytest.mark.parametrize("event", sorted(ONCE))
def test_what_is_said_once_is_the_same_fact_under_any_id(event: Event) -> None:
    standing = state(events=(word(event),))
    assert known_fact(complete(event), OTHER_CONTENT, (OCS,), standing) == word(event)
    other = next(iter(ONCE - {event}))
    assert known_fact(complete(other), OTHER_CONTENT, (OCS,), standing) is None
    assert known_fact(complete(event), OTHER_CONTENT, (SOC,), standing) is None


def test_a_clerks_word_is_the_same_fact_only_under_its_id_with_its_content() -> None:
    first, correction = word(Event.REGISTERED), word(Event.REGISTERED, UUID(int=78))
    standing = state(events=(first, correction))
    again = complete(Event.REGISTERED, notice_id=UUID(int=78))
    assert known_fact(again, SOME_CONTENT, (OCS,), standing) == correction
    assert known_fact(again, OTHER_CONTENT, (OCS,), standing) is None
    assert known_fact(complete(Event.REGISTERED), SOME_CONTENT, (OCS,), standing) is None
