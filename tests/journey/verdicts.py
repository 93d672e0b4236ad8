"""What must hold whenever the bus says no, whatever the reason: one check for every bad input.

1. The submitting agency gets a refusal with its own stable code, in words, under the bus's seal.
2. The ledger has an entry with that code, and keeps the bytes.
3. The entry put nothing on the way but that refusal, and nothing else came to any inbox.
4. The next good letter of the same agency and of another go through to everyone.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from bus.broker.messages import Incoming
from bus.documents.letter import Receiver
from bus.documents.notice import Event, Notice
from bus.errors import RefusalCode
from bus.ledger.entry import Entry, Kind
from bus.router.recording.refusals import KEPT_BYTES
from tests.assets import factory
from tests.journey.office import Agency, Offices

EVERYONE = Receiver(group="founding-seven")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that was found to be in order."""

    notice: Notice
    entry: Entry
    verdict: Incoming

    @property
    def words(self) -> str:
        """Both languages in one."""
        return "\n".join(text.value for text in self.notice.reason_texts)


async def refused(
    offices: Offices,
    raw: bytes,
    code: RefusalCode,
    *,
    sender: str = factory.OPM,
    type: str = "letter",
    kind: Kind = Kind.REFUSED,
    user: str | None = "",
) -> Refusal:
    """Submit and see it refused, as stated above; return the refusal."""
    before = offices.last_numbers()
    agency = offices[sender]
    await agency.submit(raw, type=type, user=user)
    verdict = await agency.answer(raw)
    refusal = Refusal(offices.word_of_the_bus(verdict), offices.entry(verdict.headers["entry"]), verdict)
    _tells_the_sender(refusal, code, raw)
    _stands_in_the_ledger(offices, refusal, code, raw, sender, kind)
    assert offices.consigned_by(refusal.entry.seq) == [(sender, "verdict")]
    await the_next_letters_pass(offices, sender, before, expected=[verdict])
    return refusal


def _tells_the_sender(refusal: Refusal, code: RefusalCode, raw: bytes) -> None:
    notice = refusal.notice
    assert notice.event == Event.REFUSED_BY_BUS
    assert notice.reason_code == code, refusal.words
    assert [text.language for text in notice.reason_texts] == ["th", "en"]
    assert all(len(text.value) > 20 for text in notice.reason_texts)
    if notice.letter_id is None:
        assert notice.submission_digest == hashlib.sha256(raw).hexdigest()


def _stands_in_the_ledger(
    offices: Offices, refusal: Refusal, code: RefusalCode, raw: bytes, sender: str, kind: Kind
) -> None:
    entry = refusal.entry
    assert (entry.kind, entry.body["code"], entry.body["agency"]) == (kind, code, sender)
    assert entry.body["rawSha256"] == hashlib.sha256(raw).hexdigest()
    assert entry.body["size"] == len(raw)
    # What failed before gate 6 is kept by its hash, and in part.
    assert offices.raw_of(entry) == (raw[:KEPT_BYTES] if entry.body["type"] == "unread" else raw)


async def the_next_letters_pass(
    offices: Offices, sender: str, before: dict[str, int], *, expected: list[Incoming]
) -> None:
    """Send a good letter from the agency and one from another to everyone; nothing else may have come meanwhile.

    `before` is the last consignment number of each inbox then, `expected` what came to the sender since. Numbers have
    no gaps, so that what was on the way, but slow, would be missing from the row.
    """
    other = factory.SOC if sender != factory.SOC else factory.OCS
    letters = await asyncio.gather(*(_goes_to_everyone(offices, offices[code]) for code in (sender, other)))
    for code, agency in offices.agencies.items():
        came = {
            int(str(one.headers["consignment"])): one.body
            for one in agency.arrived
            if int(str(one.headers["consignment"])) > before.get(code, 0)
        }
        bodies = [raw for author, raw, _ in letters if author != code]
        bodies += [answer for author, _, answer in letters if author == code]
        bodies += [one.body for one in expected if code == sender]
        first = before.get(code, 0) + 1
        assert sorted(came) == list(range(first, first + len(bodies)))
        assert sorted(came.values()) == sorted(bodies)


async def _goes_to_everyone(offices: Offices, sender: Agency) -> tuple[str, bytes, bytes]:
    signed, answer = await sender.send(sender.letter(receivers=(EVERYONE,)))
    assert offices.word_of_the_bus(answer).event == Event.ACCEPTED
    for agency in offices.agencies.values():
        if agency is not sender:
            await agency.letter_arrives(signed.raw)
    return sender.code, signed.raw, answer.body
