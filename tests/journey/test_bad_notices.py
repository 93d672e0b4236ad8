"""Notices that may not be said: by a stranger, twice, too late, about nothing, or of somebody else."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from bus.broker.messages import Incoming
from bus.documents.letter import Letter
from bus.documents.notice import Event, Notice
from bus.documents.signing import Signed
from bus.errors import RejectionCode as Code
from bus.ledger.entry import Kind
from tests.assets import factory
from tests.journey.office import Agency, Offices
from tests.journey.verdicts import refused

SENDER, RECIPIENT, STRANGER = factory.OPM, factory.OCS, factory.ETDA


class Sent:
    """A letter that two recipients have, and notices about it."""

    def __init__(self, offices: Offices, letter: Letter, signed: Signed, answer: Incoming) -> None:
        self.offices = offices
        self.letter = letter
        self.signed = signed
        self.entry = answer.headers["entry"]

    def notice(self, author: str, event: Event, **changes: Any) -> Notice:
        about = {"letter_id": self.letter.letter_id, "letter_digest": self.signed.digest}
        return factory.notice(event, **{"author": author, **about, **changes})

    def registration(self, author: str = RECIPIENT, **changes: Any) -> Notice:
        return self.notice(
            author, Event.REGISTERED, **{"registration": factory.registration(), **changes}
        )

    async def say(self, notice: Notice) -> Incoming:
        """Say it and see it heard."""
        answer = await self.offices[notice.author].say(notice)
        assert answer.type == "entry", answer.body
        return answer

    async def refused(self, notice: Notice, code: Code, *, by: str | None = None) -> None:
        """Say it and see it refused, with the letter's state as it was."""
        before = self.offices.state(self.entry)
        author = by or notice.author
        raw = self.offices[author].seal(notice).raw
        await refused(self.offices, raw, code, sender=author, type="notice")
        assert self.offices.state(self.entry) == before


@pytest.fixture
async def sent(offices: Offices) -> Sent:
    """A letter from OPM to OCS and SOC, which has arrived."""
    agency = offices[SENDER]
    letter = agency.letter(RECIPIENT, factory.SOC)
    signed, answer = await agency.send(letter)
    for code in (RECIPIENT, factory.SOC):
        await offices[code].letter_arrives(signed.raw)
    with offices.ledger.read():
        pass
    await settled(offices, answer)
    return Sent(offices, letter, signed, answer)
