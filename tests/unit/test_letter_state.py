"""A letter's state is what its entries say, in their order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.documents.lifecycle import RULES, Deadline, Slot
from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry
from bus.ledger.state import LetterState, deadlines_of, fold
from tests.assets.factory import DGA, OCS, OPM, SOC

ANSWERS = frozenset(event for event, rule in RULES.items() if rule.slot is Slot.ANSWER)
RECEIVED = "2026-11-22T10:00:00.000000+07:00"
RECEIPT_DUE, DUE, LATER = "2026-11-23T12:00", "2026-11-24T12:00", "2026-12-24T12:00"


class Story:
    """Entries about one letter from OPM, one after the other."""

    def __init__(self, to: tuple[str, ...] = (OCS,), **changes: Any) -> None:
        self.entries: list[Entry] = []
        recipients = {code: {"role": "to", "consignment": 7} for code in to}
        self._add(
            "accepted",
            agency=OPM,
            letterId="11111111-1111-4111-8111-111111111111",
            digest="ab" * 32,
            **{
                "acknowledgement": "registration",
                "speed": "001",
                "receivedAt": RECEIVED,
                "recipients": recipients,
                "receiptDue": RECEIPT_DUE,
                "registrationDue": DUE,
                **changes,
            },
        )

    def _add(self, kind: str, **body: Any) -> int:
        seq = len(self.entries) + 1
        at = f"2026-11-22T10:00:{seq:02}.000000+07:00"
        self.entries.append(Entry({"seq": seq, "kind": kind, "at": at, "letter": 1, **body}))
        return seq

    def says(self, event: Event, by: str = OCS, about: tuple[str, ...] = (), **more: Any) -> int:
        said = {"noticeId": f"n{len(self.entries) + 1}", "digest": "cd" * 32, **more}
        return self._add("notice", agency=by, event=event.value, about=list(about or (by,)), **said)

    def consigned(self, **numbers: int) -> None:
        self._add("consigned", recipients={code: [number] for code, number in numbers.items()})

    def overdue(self, deadline: str, *silent: str) -> None:
        self._add("overdue", deadline=deadline, due=DUE, silent=list(silent))

    @property
    def state(self) -> LetterState:
        return fold(self.entries)

    def status(self, code: AgencyCode = OCS) -> str:
        return self.state.recipients[code].outcome


def test_a_letter_begins_as_accepted_or_held() -> None:
    on_hold = {"role": "copy", "consignment": 3, "onHold": True, "addressed": DGA}
    story = Story(recipients={OCS: {"role": "to", "consignment": 2}, SOC: on_hold})
    state = story.state
    assert (state.letter, state.sender, state.digest) == (1, OPM, "ab" * 32)
    assert (story.status(OCS), story.status(SOC)) == ("accepted", "on-hold")
    assert (state.recipients[OCS].addressed, state.recipients[SOC].addressed) == (OCS, DGA)
    assert (state.recipients[SOC].role, state.recipients[SOC].consignment) == ("copy", 3)
    assert state.unacknowledged == [OCS, SOC]


def test_the_ordinary_life_of_a_letter() -> None:
    story = Story()
    seen = [story.status()]
    story.consigned(**{OCS: 7})
    seen.append(story.status())
    story.says(Event.DELIVERED)
    seen.append(story.status())
    assert story.state.unacknowledged == [OCS], "a machine's receipt is no registration"
    story.says(Event.REGISTERED, number="๑๒")
    seen.append(story.status())
    assert seen == ["accepted", "consigned", "delivered", "registered"]
    recipient = story.state.recipients[OCS]
    assert recipient.consigned_at == story.entries[1].body["at"]
    assert recipient.receipt is not None
    assert recipient.receipt.entry == 3
    assert recipient.answer is not None
    assert (recipient.answer.entry, recipient.answer.number) == (4, "๑๒")
    assert story.state.unacknowledged == []


def test_only_the_consignment_of_the_letter_itself_consigns_it() -> None:
    story = Story()
    story.consigned(**{OCS: 8, OPM: 7})  # a forwarded notice about it, and the sender's
    assert story.status() == "accepted"
    story.consigned(**{OCS: 7})
    assert story.status() == "consigned"


def test_a_held_letter_is_released_when_it_is_consigned() -> None:
    story = Story(recipients={OCS: {"role": "to", "consignment": 7, "onHold": True}})
    assert story.status() == "on-hold"
    story.consigned(**{OCS: 7})
    assert story.status() == "consigned"


def test_the_first_time_of_consignment_counts() -> None:
    story = Story()
    for _ in range(2):
        story.consigned(**{OCS: 7})
    assert story.state.recipients[OCS].consigned_at == story.entries[1].body["at"]


@pytest.mark.parametrize("event", sorted(ANSWERS))
def test_each_answer_of_the_clerk_closes_the_matter(event: Event) -> None:
    story = Story()
    story.says(event)
    recipient = story.state.recipients[OCS]
    assert (recipient.outcome, recipient.acknowledged) == (event, True)
    assert story.state.unacknowledged == []


def test_a_receipt_that_comes_after_the_answer_is_kept_and_changes_nothing() -> None:
    story = Story()
    story.says(Event.REGISTERED, number="๑")
    story.says(Event.DELIVERED)
    assert story.status() == "registered"
    assert story.state.recipients[OCS].receipt is not None


def test_a_correction_supersedes_and_both_words_stay() -> None:
    story = Story()
    story.says(Event.REGISTERED, number="๑")
    story.says(Event.REFUSED, supersedes="n2")
    recipient = story.state.recipients[OCS]
    assert recipient.outcome == "refused"
    assert [fact.event for fact in recipient.events] == ["registered", "refused"]


def test_a_disputed_number_is_settled_by_the_correction() -> None:
    story = Story()
    story.says(Event.REGISTERED, number="๑")
    story.says(Event.NUMBER_DISPUTED, by=OPM, about=(OCS,))
    assert (story.status(), story.state.recipients[OCS].disputed) == ("registered", True)
    assert story.state.unacknowledged == [], "a dispute does not undo the acknowledgement"
    story.says(Event.REGISTERED, number="๒", supersedes="n2")
    recipient = story.state.recipients[OCS]
    assert (recipient.outcome, recipient.disputed) == ("registered", False)
    assert recipient.answer is not None
    assert recipient.answer.number == "๒"


def test_a_corrected_number_can_be_disputed_again() -> None:
    story = Story()
    story.says(Event.REGISTERED, number="๑")
    story.says(Event.NUMBER_DISPUTED, by=OPM, about=(OCS,))
    story.says(Event.REGISTERED, number="๒", supersedes="n2")
    story.says(Event.NUMBER_DISPUTED, by=OPM, about=(OCS,))
    assert story.state.recipients[OCS].disputed


def test_a_withdrawal_is_a_request_until_it_is_granted() -> None:
    story = Story()
    story.says(Event.DELIVERED)
    story.says(Event.WITHDRAWAL_REQUESTED, by=OPM, about=(OCS,))
    assert (story.status(), story.state.unacknowledged) == ("delivered", [OCS])
    story.says(Event.WITHDRAWAL_DECLINED)
    assert story.status() == "delivered"
    story.says(Event.WITHDRAWAL_REQUESTED, by=OPM, about=(OCS,))
    story.says(Event.WITHDRAWAL_GRANTED)
    assert (story.status(), story.state.unacknowledged) == ("withdrawn", [])


def test_a_failure_closes_the_matter_until_somebody_answers() -> None:
    story = Story()
    story.says(Event.HANDOVER_FAILED)
    assert (story.status(), story.state.unacknowledged) == ("handover-failed", [])
    story.says(Event.SETTLED, by=OPM, about=(OCS,))
    assert story.status() == "settled"
    story.says(Event.REGISTERED, number="๑")
    assert story.status() == "registered"


def test_what_is_said_of_one_recipient_touches_no_other() -> None:
    story = Story(to=(OCS, SOC, DGA))
    story.says(Event.DELIVERED, by=SOC)
    story.says(Event.SETTLED, by=OPM, about=(DGA,))
    assert [story.status(code) for code in (OCS, SOC, DGA)] == ["accepted", "delivered", "settled"]
    assert story.state.unacknowledged == [OCS, SOC]


def test_one_word_of_the_sender_may_be_about_several() -> None:
    story = Story(to=(OCS, SOC, DGA))
    story.says(Event.SETTLED, by=OPM, about=(OCS, DGA, "9999999999"))
    assert [story.status(code) for code in (OCS, SOC, DGA)] == ["settled", "accepted", "settled"]


def test_who_is_overdue_is_listed_and_a_late_receipt_still_counts() -> None:
    story = Story(to=(OCS, SOC))
    story.says(Event.DELIVERED, by=SOC)
    assert story.state.silent(Deadline.RECEIPT, RECEIPT_DUE) == [OCS]
    story.overdue("receipt", OCS)
    assert story.state.recipients[OCS].overdue == ("receipt",)
    story.says(Event.DELIVERED)
    assert story.status() == "delivered"
    assert story.state.silent(Deadline.RECEIPT) == []
    assert story.state.recipients[OCS].overdue == ("receipt",), "that it was late stays known"


def test_a_registration_is_asked_of_each_by_its_own_deadline_and_once() -> None:
    recipients = {
        OCS: {"role": "to", "consignment": 7},
        SOC: {"role": "to", "consignment": 7, "registrationDue": LATER},
    }
    story = Story(recipients=recipients)
    assert story.state.silent(Deadline.REGISTRATION) == [OCS, SOC]
    assert story.state.silent(Deadline.REGISTRATION, DUE) == [OCS]
    story.overdue("registration", OCS)
    assert story.state.silent(Deadline.REGISTRATION, LATER) == [SOC]
    story.says(Event.REGISTERED, by=SOC)
    assert story.state.silent(Deadline.REGISTRATION, LATER) == []
    assert story.state.unacknowledged == [OCS]


def test_a_letter_that_asks_for_the_receipt_only_is_acknowledged_by_it() -> None:
    story = Story(acknowledgement="receipt", registrationDue=None)
    assert story.state.unacknowledged == [OCS]
    story.says(Event.DELIVERED)
    assert story.state.unacknowledged == []


def test_the_deadlines_of_an_acceptance_are_the_receipts_and_every_registrations() -> None:
    recipients = {OCS: {}, SOC: {"registrationDue": LATER}, DGA: {"registrationDue": LATER}}
    body = {"receiptDue": RECEIPT_DUE, "registrationDue": DUE, "recipients": recipients}
    expected = [("receipt", RECEIPT_DUE), ("registration", DUE), ("registration", LATER)]
    assert deadlines_of(body) == expected
    assert deadlines_of({**body, "registrationDue": None}) == expected[:1]


BY_RECIPIENT = (Event.DELIVERED, Event.HANDOVER_FAILED, *sorted(ANSWERS), Event.WITHDRAWAL_GRANTED)


@given(st.lists(st.tuples(st.sampled_from((OCS, SOC)), st.sampled_from(BY_RECIPIENT)), max_size=8))
def test_whoever_has_acknowledged_stays_acknowledged_whatever_follows(words: list[tuple[str, Event]]) -> None:
    story = Story(to=(OCS, SOC))
    heard: set[str] = set()
    for code, event in words:
        story.says(event, by=code)
        heard.add(code)
        state = story.state
        assert {each for each, one in state.recipients.items() if one.acknowledged} == heard
        assert state.silent(Deadline.RECEIPT) == [each for each in (OCS, SOC) if each not in heard]


@given(st.lists(st.tuples(st.sampled_from((OCS, SOC)), st.sampled_from(BY_RECIPIENT)), max_size=8))
def test_the_words_of_different_recipients_commute(words: list[tuple[str, Event]]) -> None:
    def told(order: list[tuple[str, Event]]) -> dict[str, tuple[str, list[str], bool]]:
        story = Story(to=(OCS, SOC))
        for code, event in order:
            story.says(event, by=code)
        found = story.state.recipients.items()
        return {
            code: (one.outcome, [fact.event for fact in one.events], one.progress.open(Deadline.REGISTRATION))
            for code, one in found
        }

    assert told(words) == told(sorted(words, key=lambda word: word[0]))
