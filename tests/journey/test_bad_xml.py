"""What cannot be read, is of no known type or version, or does not follow its schema."""

from __future__ import annotations

import pytest

from bus.broker.messages import Rejected
from bus.errors import RefusalCode
from tests.assets import factory
from tests.assets.bad_inputs import SCHEMA, XML
from tests.journey.office import Offices
from tests.journey.verdicts import refused, the_next_letters_pass

MAX_MESSAGE = 2 * 1024 * 1024


@pytest.mark.parametrize("name", XML)
async def test_what_is_not_a_document_is_refused(offices: Offices, name: str) -> None:
    bad = XML[name]
    refusal = await refused(offices, bad.make(), bad.code)
    assert refusal.notice.letter_id is None
    assert "root:" not in refusal.words, "an entity was resolved"


@pytest.mark.parametrize("name", SCHEMA)
async def test_a_violation_of_the_schema_is_refused(offices: Offices, name: str) -> None:
    bad = SCHEMA[name]
    refusal = await refused(offices, bad.make(), bad.code)
    assert refusal.notice.letter_id is None
    assert refusal.entry.body.get("where") or name == "a-schema-of-its-own"


async def test_the_type_that_the_message_claims_does_not_matter(offices: Offices) -> None:
    bad = SCHEMA["an-unknown-element"]
    await refused(offices, bad.make() + b"\n", bad.code, type="notice")


async def test_what_is_larger_than_any_message_may_be_does_not_pass_the_broker(offices: Offices) -> None:
    before, head = offices.last_numbers(), offices.head()
    with pytest.raises(Rejected, match="PRECONDITION_FAILED"):
        await offices[factory.OPM].submit(b" " * (MAX_MESSAGE + 1))
    assert not offices.said_since(head)
    await the_next_letters_pass(offices, factory.OPM, before, expected=[])


async def test_a_submission_that_can_never_pass_gets_the_same_answer_again(offices: Offices) -> None:
    raw = XML["not-xml"].make() + b" once more"
    first = await refused(offices, raw, RefusalCode.XML_NOT_WELL_FORMED)
    head = offices.head()
    agency = offices[factory.OPM]
    await agency.submit(raw)
    again = await agency.answer(raw, times=2)
    assert again.headers == first.verdict.headers
    assert again.body == first.verdict.body
    assert not offices.said_since(head)
