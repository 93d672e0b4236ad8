"""Letters that are well made and rightly signed, and break a rule: recipients, secrecy, codes, dates and files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bus.documents.letter import Extension, Letter, Receiver, SealedContent
from bus.documents.notice import Event
from bus.documents.xml import build, to_bytes
from bus.errors import RefusalCode as Code
from bus.identifiers import AgencyCode
from tests.assets import directories, factory
from tests.journey.office import Agency, Offices
from tests.journey.verdicts import refused

SEALED: dict[str, Any] = {
    "content": None,
    "sealed": SealedContent(algorithm="A256GCM", ciphertext="c2VjcmV0Lg=="),
}
MANY = tuple(Receiver(agency=AgencyCode(f"00000{number:05}")) for number in range(501))
TODAY = factory.NOW.date()


def _letter(*receivers: Receiver, **changes: Any) -> Callable[[Agency], Letter]:
    if receivers:
        changes["receivers"] = receivers
    return lambda agency: agency.letter(**changes)


def _with_file(**changes: Any) -> Callable[[Agency], Letter]:
    return lambda agency: agency.letter(main_file=replace(agency.file, **changes))


BAD_LETTERS: dict[str, tuple[Callable[[Agency], Letter], Code, tuple[str, ...]]] = {
    "to agencies that nobody knows": (
        _letter(
            Receiver(agency=factory.NOBODY),
            Receiver(agency=factory.SOC),
            Receiver(agency=AgencyCode("8888888888")),
            Receiver(group="no-such-group"),
            Receiver(topic="no-such-topic", role="copy"),
        ),
        Code.RECIPIENT_UNKNOWN,
        ("9999999999", "8888888888", "no-such-group", "no-such-topic"),
    ),
    "to oneself": (_letter(Receiver(agency=factory.OPM)), Code.RECIPIENT_ONLY_SELF, (factory.OPM,)),
    "to a group without members": (
        _letter(Receiver(group=directories.NOBODY)),
        Code.RECIPIENT_GROUP_EMPTY,
        (),
    ),
    "to a topic without subscribers": (
        _letter(Receiver(topic=directories.UNHEARD)),
        Code.RECIPIENT_GROUP_EMPTY,
        (),
    ),
    "a test to a group without members": (
        _letter(Receiver(group=directories.NOBODY), kind="test"),
        Code.RECIPIENT_GROUP_EMPTY,
        (),
    ),
    "secret and not sealed": (_letter(secrecy="002"), Code.SECRECY_UNSEALED, ("002",)),
    "very secret and not sealed": (_letter(secrecy="003"), Code.SECRECY_UNSEALED, ("003",)),
    "secret, sealed, and nobody enrolled": (
        _letter(secrecy="002", **SEALED),
        Code.SECRECY_NOT_ENROLLED,
        (factory.OPM, factory.SOC),
    ),
    "most secret": (_letter(secrecy="004"), Code.SECRECY_EXCLUDED, ("004",)),
    "most secret although sealed": (_letter(secrecy="004", **SEALED), Code.SECRECY_EXCLUDED, ("004",)),
    "codes that nobody knows": (
        _letter(kind="poem", speed="009"),
        Code.CODE_UNKNOWN,
        ("KindCode poem", "SpeedCode 009"),
    ),
    "a buddhist year in the date": (
        _letter(date=TODAY.replace(year=TODAY.year + 543, day=1)),
        Code.DATE_BUDDHIST_YEAR,
        ("CorrespondenceDate",),
    ),
    "a buddhist year in the time of sending": (
        _letter(sent_at=factory.NOW.replace(year=factory.NOW.year + 543, day=1)),
        Code.DATE_BUDDHIST_YEAR,
        ("SendDate",),
    ),
    "a buddhist year in the time due": (
        _letter(due_by=factory.NOW.replace(year=factory.NOW.year + 543, day=1)),
        Code.DATE_BUDDHIST_YEAR,
        ("DueBy",),
    ),
    "a date in the far future": (
        _letter(date=TODAY + dt.timedelta(days=60)),
        Code.DATE_OUT_OF_RANGE,
        ("CorrespondenceDate",),
    ),
    "sent in the future": (
        _letter(sent_at=factory.NOW + dt.timedelta(days=3)),
        Code.DATE_OUT_OF_RANGE,
        ("SendDate",),
    ),
    "a date before 2484": (_letter(date=dt.date(1940, 12, 31)), Code.DATE_OUT_OF_RANGE, ("1940",)),
    "a file that is not there": (
        _with_file(digest="cd" * 32, name="หาย.pdf"),
        Code.FILE_MISSING,
        ("หาย.pdf",),
    ),
    "a file of another size": (_with_file(size=1, name="สั้น.pdf"), Code.FILE_SIZE, ("สั้น.pdf",)),
    "a program as a file": (
        _with_file(media_type="application/x-msdownload", name="ร้าย.exe"),
        Code.FILE_MEDIA_TYPE,
        ("ร้าย.exe", "application/x-msdownload"),
    ),
    "one file with two sizes": (
        lambda agency: agency.letter(files=(replace(agency.file, name="อีก.pdf", size=7),)),
        Code.FILE_TWICE,
        ("อีก.pdf",),
    ),
}


@pytest.mark.parametrize("name", BAD_LETTERS)
async def test_a_letter_that_breaks_a_rule_is_refused(offices: Offices, name: str) -> None:
    make, code, named = BAD_LETTERS[name]
    agency = offices[factory.OPM]
    letter = make(agency)
    signed = agency.seal(letter)
    refusal = await refused(offices, signed.raw, code)
    # It is the agency's own letter beyond doubt, and is named.
    assert (refusal.notice.letter_id, refusal.notice.letter_digest) == (letter.letter_id, signed.digest)
    for word in named:
        assert refusal.words.count(word) >= 2, "each language names it"
    if letter.secrecy != "001":
        assert "ขอเชิญประชุม" not in refusal.words


async def test_more_than_500_explicit_recipients_are_refused_by_number(offices: Offices) -> None:
    # Our own signing would refuse it by the schema, so the letter is as another vendor might send it.
    raw = to_bytes(build(factory.letter(receivers=MANY)))
    refusal = await refused(offices, raw, Code.RECIPIENT_TOO_MANY)
    assert "501" in refusal.words


async def test_an_extension_to_be_understood_is_refused_also_in_a_signed_letter(offices: Offices) -> None:
    agency = offices[factory.OPM]
    extension = Extension(must_understand=True, content='<x:a xmlns:x="urn:example"></x:a>')
    await refused(offices, agency.seal(agency.letter(extensions=(extension,))).raw, Code.TYPE_EXTENSION)


# Files ----------------------------------------------------------------------------------------------------------


async def test_knowing_the_hash_of_anothers_file_gives_nothing(offices: Offices) -> None:
    agency, owner = offices[factory.OPM], offices[factory.SOC]
    secret = await owner.upload(b"%PDF-1.7 only SOC has this", name="ของสลค.pdf")
    letter = agency.letter(factory.OCS, main_file=secret)
    refusal = await refused(offices, agency.seal(letter).raw, Code.FILE_MISSING)
    assert "ของสลค.pdf" in refusal.words
    signed, _ = await owner.send(owner.letter(factory.OCS, main_file=secret))
    await offices[factory.OCS].letter_arrives(signed.raw)


async def test_a_letter_refused_for_a_missing_file_passes_once_the_file_is_there(offices: Offices) -> None:
    agency, data = offices[factory.OPM], b"%PDF-1.7 late"
    there = await offices[factory.SOC].upload(data)
    signed = agency.seal(agency.letter(main_file=there))
    await refused(offices, signed.raw, Code.FILE_MISSING)
    await agency.upload(data)
    await agency.submit(signed.raw)
    await offices[factory.SOC].letter_arrives(signed.raw)
    verdict = await agency.answer(signed.raw, times=2)
    assert offices.word_of_the_bus(verdict).event == Event.ACCEPTED


# Recipients -----------------------------------------------------------------------------------------------------


async def test_a_test_letter_to_oneself_comes_back_before_its_acceptance(offices: Offices) -> None:
    agency = offices[factory.OPM]
    signed, answer = await agency.send(agency.letter(agency.code, kind="test"))
    own = await agency.letter_arrives(signed.raw)
    notice = offices.word_of_the_bus(answer)
    assert notice.terms is not None
    assert notice.terms.recipients == (agency.code,)
    assert int(str(own.headers["consignment"])) + 1 == int(str(answer.headers["consignment"]))
    assert offices.consigned_by(answer.headers["entry"]) == [
        (agency.code, "letter"),
        (agency.code, "verdict"),
    ]


async def test_a_letter_to_a_sub_unit_without_an_inbox_goes_to_its_parent(offices: Offices) -> None:
    agency = offices[factory.OPM]
    signed, answer = await agency.send(agency.letter(directories.SUB_UNIT))
    arrived = await offices[factory.SOC].letter_arrives(signed.raw)
    assert arrived.headers["addressed"] == directories.SUB_UNIT
    assert list(offices.state(answer.headers["entry"]).recipients) == [factory.SOC]


async def test_whoever_is_addressed_several_times_gets_the_letter_once(offices: Offices) -> None:
    agency = offices[factory.OPM]
    receivers = (
        Receiver(agency=factory.SOC, role="copy"),
        Receiver(group="founding-seven", role="copy"),
        Receiver(agency=factory.SOC),
        Receiver(topic="announcements", role="copy"),
    )
    signed, answer = await agency.send(agency.letter(receivers=receivers))
    state = offices.state(answer.headers["entry"])
    assert sorted(state.recipients) == sorted(set(factory.NAMES) - {agency.code})
    assert {code for code, one in state.recipients.items() if one.role == "to"} == {factory.SOC}
    for code in state.recipients:
        await offices[code].letter_arrives(signed.raw)


async def test_a_suspended_recipient_is_held_and_told_of_and_served_once_reinstated(offices: Offices) -> None:
    agency, suspended = offices[factory.OPM], offices[factory.OCS]
    offices.bus.apply_directory(directories.text(2, suspended=[suspended.code]))
    signed, answer = await agency.send(agency.letter(suspended.code, factory.SOC))
    notice = offices.word_of_the_bus(answer)
    assert notice.event == Event.ACCEPTED
    assert notice.terms is not None
    assert notice.terms.recipients == (factory.SOC, suspended.code)
    assert notice.terms.directory_version == 2
    assert answer.headers["flags"] == "on-hold"
    arrived = await offices[factory.SOC].letter_arrives(signed.raw)
    assert "flags" not in arrived.headers, "it is no business of the other recipients"
    assert offices.state(answer.headers["entry"]).recipients[suspended.code].outcome == "on-hold"
    assert offices.entry(answer.headers["entry"]).body["flags"] == ["on-hold"]

    # A suspended agency cannot send, and is told so; what went to the others goes on.
    own = suspended.seal(suspended.letter())
    await suspended.submit(own.raw)
    refusal = offices.word_of_the_bus(await suspended.answer(own.raw))
    assert refusal.reason_code == Code.IDENTITY_AGENCY_SUSPENDED
    assert signed.raw not in [one.body for one in suspended.arrived]

    offices.bus.apply_directory(directories.text(3))
    late = await suspended.letter_arrives(signed.raw)
    assert late.headers["entry"] == answer.headers["entry"]
    await suspended.submit(own.raw)
    verdict = await suspended.answer(own.raw, times=2)
    assert offices.word_of_the_bus(verdict).event == Event.ACCEPTED
