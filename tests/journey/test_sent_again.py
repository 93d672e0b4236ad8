"""What an agency sends twice: the same bytes, the same content, the same id, or only the same number."""

from __future__ import annotations

from dataclasses import replace

from bus.documents.notice import Event
from bus.errors import RefusalCode as Code
from bus.ledger.entry import Kind
from tests.assets import factory
from tests.journey.office import Offices
from tests.journey.verdicts import refused


async def test_the_same_bytes_again_get_the_same_answer_under_the_same_number(offices: Offices) -> None:
    agency = offices[factory.OPM]
    signed, first = await agency.send(agency.letter())
    before, head = offices.last_numbers(), offices.head()
    await agency.submit(signed.raw)
    again = await agency.answer(signed.raw, times=2)
    assert (again.headers, again.body, again.message_id) == (first.headers, first.body, first.message_id)
    assert offices.last_numbers() == before
    assert not offices.said_since(head)


async def test_the_same_content_signed_again_is_a_duplicate(offices: Offices) -> None:
    agency = offices[factory.OPM]
    letter = agency.letter()
    signed, first = await agency.send(letter)
    before, head = offices.last_numbers(), offices.head()
    anew = agency.seal(letter)
    assert anew.raw != signed.raw
    await agency.submit(anew.raw)
    again = await agency.arrival("about", str(letter.letter_id), times=2)
    assert (again.headers, again.body) == (first.headers, first.body)
    assert offices.last_numbers() == before
    assert not offices.said_since(head)


async def test_the_same_id_with_other_content_is_a_conflict_and_the_first_stands(offices: Offices) -> None:
    agency = offices[factory.OPM]
    letter = agency.letter()
    signed, first = await agency.send(letter)
    other = agency.seal(replace(letter, sender_reference="other content"))
    refusal = await refused(offices, other.raw, Code.ID_CONFLICT, kind=Kind.CONFLICT)
    assert (refusal.entry.body["id"], refusal.entry.body["digest"]) == (str(letter.letter_id), other.digest)
    await agency.submit(signed.raw)
    again = await agency.answer(signed.raw, times=2)
    assert (again.headers, again.body) == (first.headers, first.body)


async def test_the_id_of_another_agencys_letter_is_no_conflict(offices: Offices) -> None:
    one, other = offices[factory.OPM], offices[factory.OCS]
    letter = one.letter()
    await one.send(letter)
    _, answer = await other.send(other.letter(letter_id=letter.letter_id))
    assert offices.word_of_the_bus(answer).event == Event.ACCEPTED


async def test_the_same_number_and_date_again_is_accepted_and_flagged_to_both_sides(offices: Offices) -> None:
    agency = offices[factory.OPM]
    _, first = await agency.send(agency.letter(number="นร 0105/77"))
    assert "flags" not in first.headers
    signed, second = await agency.send(agency.letter(number="นร  ๐๑๐๕ / ๗๗"))
    assert offices.word_of_the_bus(second).event == Event.ACCEPTED
    arrived = await offices[factory.SOC].letter_arrives(signed.raw)
    assert second.headers["flags"] == arrived.headers["flags"] == "same-number"
    assert offices.entry(second.headers["entry"]).body["flags"] == ["same-number"]


async def test_a_number_of_a_foreign_prefix_is_accepted_and_flagged(offices: Offices) -> None:
    agency = offices[factory.OPM]
    _, answer = await agency.send(agency.letter(number="นร 9999/1"))
    assert offices.word_of_the_bus(answer).event == Event.ACCEPTED
    assert answer.headers["flags"] == "foreign-prefix"
