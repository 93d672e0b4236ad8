"""Notices that may not be said: by a stranger, twice, too late, about nothing, or of somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

import pytest

from bus.broker.messages import Incoming
from bus.documents.letter import Letter
from bus.documents.notice import Event, Notice
from bus.documents.signing import Signed
from bus.errors import RefusalCode as Code
from bus.ledger.entry import Kind
from bus.ledger.state import LetterState
from tests.assets import factory
from tests.broker.samples import until
from tests.journey.office import Offices
from tests.journey.verdicts import refused

SENDER, RECIPIENT, OTHER, STRANGER = factory.OPM, factory.OCS, factory.SOC, factory.ETDA


class Sent:
    """A letter that two recipients have, and notices about it."""

    def __init__(self, offices: Offices, letter: Letter, signed: Signed, answer: Incoming) -> None:
        self.offices = offices
        self.letter = letter
        self.signed = signed
        self.entry = answer.headers["entry"]

    @property
    def state(self) -> LetterState:
        return self.offices.state(self.entry)

    def notice(self, author: str, event: Event, **changes: Any) -> Notice:
        about = {"letter_id": self.letter.letter_id, "letter_digest": self.signed.digest}
        return factory.notice(event, **{"author": author, **about, **changes})

    def registration(self, author: str = RECIPIENT, **changes: Any) -> Notice:
        return self.notice(author, Event.REGISTERED, **{"registration": factory.registration(), **changes})

    async def say(self, notice: Notice) -> Incoming:
        """Say it and see it heard."""
        answer = await self.offices[notice.author].say(notice)
        assert answer.type == "entry", answer.body
        return answer

    async def refused(
        self,
        notice: Notice,
        code: Code,
        *,
        by: str = "",
        sealed_by: str = "",
        kind: Kind = Kind.REFUSED,
    ) -> None:
        """Say it, as its author unless told otherwise, and see it refused, with the letter's state as it was."""
        before, author = self.state, by or notice.author
        raw = self.offices[sealed_by or author].seal(notice).raw
        await refused(self.offices, raw, code, sender=author, type="notice", kind=kind)
        assert self.state == before


@pytest.fixture
async def sent(offices: Offices) -> Sent:
    """A letter from OPM to OCS and SOC, which has arrived."""
    agency = offices[SENDER]
    letter = agency.letter(RECIPIENT, OTHER)
    signed, answer = await agency.send(letter)
    sent = Sent(offices, letter, signed, answer)
    # Both consignments are in the ledger, so that nothing but what a test says changes the letter's state.
    await until(lambda: all(one.consigned_at for one in sent.state.recipients.values()))
    return sent


BY_NO_PARTY: dict[str, Callable[[Sent], Notice]] = {
    "a receipt": lambda sent: sent.notice(STRANGER, Event.DELIVERED),
    "a registration": lambda sent: sent.registration(STRANGER),
    "a dispute of a number": lambda sent: sent.notice(STRANGER, Event.NUMBER_DISPUTED),
    "a request to withdraw": lambda sent: sent.notice(STRANGER, Event.WITHDRAWAL_REQUESTED),
    "a receipt by the sender": lambda sent: sent.notice(SENDER, Event.DELIVERED),
    "a withdrawal from somebody who never got it": lambda sent: sent.notice(
        SENDER, Event.WITHDRAWAL_REQUESTED, about=(STRANGER,)
    ),
}


@pytest.mark.parametrize("name", BY_NO_PARTY)
async def test_who_is_no_party_to_a_letter_has_nothing_to_say_about_it(sent: Sent, name: str) -> None:
    await sent.refused(BY_NO_PARTY[name](sent), Code.NOTICE_NOT_A_PARTY)


NOT_YOURS: dict[str, Callable[[Sent], Notice]] = {
    "a registration for another recipient": lambda sent: sent.registration(about=(OTHER,)),
    "a dispute by a recipient": lambda sent: sent.notice(RECIPIENT, Event.NUMBER_DISPUTED),
    "a request to withdraw by a recipient": lambda sent: sent.notice(RECIPIENT, Event.WITHDRAWAL_REQUESTED),
    "an acceptance by an agency": lambda sent: sent.notice(SENDER, Event.ACCEPTED, terms=factory.terms()),
    "an overdue notice by an agency": lambda sent: sent.notice(SENDER, Event.OVERDUE_RECEIPT),
}


@pytest.mark.parametrize("name", NOT_YOURS)
async def test_some_things_are_for_others_to_say(sent: Sent, name: str) -> None:
    await sent.refused(NOT_YOURS[name](sent), Code.NOTICE_NOT_YOURS_TO_SAY)


async def test_a_notice_in_the_name_of_another_agency_is_refused(sent: Sent) -> None:
    await sent.refused(sent.registration(), Code.IDENTITY_SENDER_FOREIGN, by=OTHER)


async def test_a_notice_in_the_name_of_the_bus_is_refused(sent: Sent) -> None:
    await sent.refused(sent.notice("bus", Event.OVERDUE_RECEIPT), Code.IDENTITY_SENDER_FOREIGN, by=SENDER)


async def test_a_notice_that_another_agency_signed_is_refused(sent: Sent) -> None:
    await sent.refused(sent.registration(), Code.KEY_UNKNOWN, by=OTHER, sealed_by=RECIPIENT)


UNKNOWN: dict[str, dict[str, Any]] = {
    "of no such letter": {"letter_id": uuid4()},
    "of other content": {"letter_digest": "ab" * 32},
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_a_notice_about_a_letter_that_nobody_sent_is_refused(sent: Sent, name: str) -> None:
    await sent.refused(sent.registration(**UNKNOWN[name]), Code.NOTICE_LETTER_UNKNOWN)


INCOMPLETE: dict[str, Callable[[Sent], Notice]] = {
    "a registration without a number": lambda sent: sent.notice(RECIPIENT, Event.REGISTERED),
    "a refusal without a reason": lambda sent: sent.notice(RECIPIENT, Event.REFUSED),
    "settled without saying how": lambda sent: sent.notice(SENDER, Event.SETTLED),
    "about a submission instead of a letter": lambda sent: sent.notice(
        RECIPIENT, Event.DELIVERED, letter_id=None, letter_digest=None, submission_digest="ab" * 32
    ),
}


@pytest.mark.parametrize("name", INCOMPLETE)
async def test_a_notice_that_leaves_out_what_it_is_for_is_refused(sent: Sent, name: str) -> None:
    await sent.refused(INCOMPLETE[name](sent), Code.NOTICE_INCOMPLETE)


BY_THEMSELVES: dict[str, tuple[Callable[[Sent], Notice], Code]] = {
    "an event that nobody knows": (
        lambda sent: sent.notice(RECIPIENT, cast(Event, "lost-in-the-post")),
        Code.CODE_UNKNOWN,
    ),
    "a buddhist year": (
        lambda sent: sent.notice(
            RECIPIENT, Event.DELIVERED, event_time=factory.NOW.replace(year=factory.NOW.year + 543, day=1)
        ),
        Code.DATE_BUDDHIST_YEAR,
    ),
    "a time to come": (
        lambda sent: sent.notice(RECIPIENT, Event.DELIVERED, event_time=factory.NOW + 3 * factory.DAY),
        Code.DATE_OUT_OF_RANGE,
    ),
}


@pytest.mark.parametrize("name", BY_THEMSELVES)
async def test_a_notice_that_is_wrong_by_itself_is_refused(sent: Sent, name: str) -> None:
    make, code = BY_THEMSELVES[name]
    await sent.refused(make(sent), code)


# Twice, and too late -------------------------------------------------------------------------------------------------


async def test_a_second_registration_has_to_say_what_it_supersedes(sent: Sent) -> None:
    first = sent.registration()
    await sent.say(first)
    second = sent.registration(registration=factory.registration("๑๒๔/๒๕๖๙"))
    await sent.refused(second, Code.NOTICE_ALREADY_ANSWERED)
    correction = sent.registration(registration=factory.registration("๑๒๔/๒๕๖๙"), supersedes=first.notice_id)
    await sent.say(correction)
    answer = sent.state.recipients[RECIPIENT].answer
    assert answer is not None
    assert answer.notice_id == str(correction.notice_id)


@pytest.mark.parametrize("event", [Event.REFUSED, Event.MISDIRECTED])
async def test_another_answer_after_a_registration_has_to_say_so_too(sent: Sent, event: Event) -> None:
    await sent.say(sent.registration())
    await sent.refused(sent.notice(RECIPIENT, event, reason_code="unreadable"), Code.NOTICE_ALREADY_ANSWERED)


async def test_a_correction_by_a_stranger_is_refused(sent: Sent) -> None:
    first = sent.registration()
    await sent.say(first)
    await sent.refused(sent.registration(STRANGER, supersedes=first.notice_id), Code.NOTICE_NOT_A_PARTY)


async def test_a_correction_of_another_recipients_registration_is_refused(sent: Sent) -> None:
    first = sent.registration()
    await sent.say(first)
    correction = sent.registration(OTHER, supersedes=first.notice_id)
    await sent.refused(correction, Code.NOTICE_SUPERSEDES_FOREIGN)
    await sent.say(sent.registration(OTHER))
    await sent.refused(sent.registration(OTHER, supersedes=first.notice_id), Code.NOTICE_SUPERSEDES_FOREIGN)


async def test_a_correction_of_what_is_corrected_already_is_refused(sent: Sent) -> None:
    first = sent.registration()
    await sent.say(first)
    await sent.say(sent.registration(supersedes=first.notice_id))
    await sent.refused(sent.registration(supersedes=first.notice_id), Code.NOTICE_SUPERSEDES_FOREIGN)


async def test_a_withdrawal_after_registration_is_refused(sent: Sent) -> None:
    await sent.say(sent.registration())
    request = sent.notice(SENDER, Event.WITHDRAWAL_REQUESTED, about=(RECIPIENT,))
    await sent.refused(request, Code.NOTICE_WITHDRAWAL_TOO_LATE)
    # The other recipient has not registered it: there it can be asked for.
    await sent.say(sent.notice(SENDER, Event.WITHDRAWAL_REQUESTED, about=(OTHER,)))


async def test_a_registration_of_what_is_withdrawn_is_refused(sent: Sent) -> None:
    await sent.say(sent.notice(SENDER, Event.WITHDRAWAL_REQUESTED, about=(RECIPIENT,)))
    await sent.say(sent.notice(RECIPIENT, Event.WITHDRAWAL_GRANTED))
    await sent.refused(sent.registration(), Code.NOTICE_ALREADY_ANSWERED)


NOTHING_TO_ANSWER: dict[str, Callable[[Sent], Notice]] = {
    "a withdrawal granted": lambda sent: sent.notice(RECIPIENT, Event.WITHDRAWAL_GRANTED),
    "a withdrawal declined": lambda sent: sent.notice(RECIPIENT, Event.WITHDRAWAL_DECLINED),
    "a number disputed": lambda sent: sent.notice(SENDER, Event.NUMBER_DISPUTED, about=(RECIPIENT,)),
}


@pytest.mark.parametrize("name", NOTHING_TO_ANSWER)
async def test_an_answer_to_what_nobody_said_is_refused(sent: Sent, name: str) -> None:
    await sent.refused(NOTHING_TO_ANSWER[name](sent), Code.NOTICE_NOTHING_TO_ANSWER)


# The same again ------------------------------------------------------------------------------------------------------


async def test_the_same_notice_again_gets_the_same_answer(sent: Sent) -> None:
    notice = sent.registration()
    author = sent.offices[RECIPIENT]
    signed = author.seal(notice)
    await author.submit(signed.raw, type="notice")
    first = await author.answer(signed.raw)
    state, head = sent.state, sent.offices.head()
    await author.submit(signed.raw, type="notice")
    again = await author.answer(signed.raw, times=2)
    assert (again.headers, again.body) == (first.headers, first.body)
    assert not sent.offices.said_since(head)
    assert sent.state == state


async def test_a_receipt_said_anew_under_another_id_is_the_same_fact(sent: Sent) -> None:
    first = await sent.say(sent.notice(RECIPIENT, Event.DELIVERED))
    head = sent.offices.head()
    again = await sent.say(sent.notice(RECIPIENT, Event.DELIVERED))
    said, repeated = json.loads(first.body), json.loads(again.body)
    assert (said["duplicate"], repeated["duplicate"]) == (False, True)
    assert repeated["entry"] == said["entry"]
    assert not sent.offices.said_since(head)


async def test_the_same_notice_id_with_other_content_is_a_conflict(sent: Sent) -> None:
    notice = sent.registration()
    await sent.say(notice)
    other = replace(notice, registration=factory.registration("๙๙/๒๕๖๙"))
    await sent.refused(other, Code.ID_CONFLICT, kind=Kind.CONFLICT)
