"""What nobody signed, what was signed otherwise than it must be, and what was signed by a key that is no good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bus.broker import topology
from bus.broker.link import Link
from bus.broker.management import Management
from bus.broker.messages import Rejected, Unconfirmed
from bus.errors import RefusalCode
from bus.ledger.entry import Kind
from bus.router.recording.refusals import KEPT_BYTES
from tests.assets import build_bad_inputs, factory
from tests.assets.bad_inputs import BAD_INPUTS, KEYS, SIGNATURES
from tests.journey.office import Offices
from tests.journey.verdicts import refused, the_next_letters_pass


@pytest.mark.parametrize("name", SIGNATURES)
async def test_a_bad_signature_is_refused(offices: Offices, name: str) -> None:
    bad = SIGNATURES[name]
    refusal = await refused(offices, bad.make(), bad.code)
    assert refusal.notice.letter_id is None


@pytest.mark.parametrize("name", KEYS)
async def test_a_bad_key_is_refused(offices: Offices, name: str) -> None:
    bad = KEYS[name]
    refusal = await refused(offices, bad.make(), bad.code)
    assert refusal.notice.letter_id is None


async def test_a_letter_that_was_refused_for_its_signature_may_be_sent_rightly_signed(
    offices: Offices,
) -> None:
    agency = offices[factory.OPM]
    letter = agency.letter()
    await refused(offices, agency.seal(letter, by=factory.seal("stranger")).raw, RefusalCode.KEY_UNKNOWN)
    signed, answer = await agency.send(letter)
    assert offices.word_of_the_bus(answer).letter_digest == signed.digest
    await offices[factory.SOC].letter_arrives(signed.raw)


async def test_both_kinds_of_keys_that_an_agency_has_pinned_are_good(offices: Offices) -> None:
    agency = offices[factory.OPM]
    signed = agency.seal(agency.letter(), by=factory.rsa_seal())
    await agency.submit(signed.raw)
    await offices[factory.SOC].letter_arrives(signed.raw)


# Who speaks -----------------------------------------------------------------------------------------------------


async def test_a_submission_without_user_id_is_refused_to_the_agency_of_the_exchange(
    offices: Offices,
) -> None:
    agency = offices[factory.OPM]
    signed = agency.seal(agency.letter())
    await refused(offices, signed.raw, RefusalCode.IDENTITY_USER_MISSING, user=None)
    await agency.submit(signed.raw)
    await offices[factory.SOC].letter_arrives(signed.raw)


async def test_a_later_refusal_of_the_same_bytes_gives_its_own_reason_and_not_the_first(
    offices: Offices,
) -> None:
    agency = offices[factory.OPM]
    signed = agency.seal(agency.letter(factory.NOBODY))
    await refused(offices, signed.raw, RefusalCode.IDENTITY_USER_MISSING, user=None)
    await agency.submit(signed.raw)
    verdict = await agency.answer(signed.raw, times=2)
    assert offices.word_of_the_bus(verdict).reason_code == RefusalCode.RECIPIENT_UNKNOWN


async def test_a_permission_too_many_at_the_broker_lets_nobody_speak_as_another(offices: Offices) -> None:
    victim, intruder = offices[factory.OPM], offices[factory.ETDA]
    signed, before = victim.seal(victim.letter()), offices.last_numbers()
    with writing_anywhere(offices, intruder.user):
        async with Link(offices.bus.amqp_url(intruder.user), name="intruder") as link:
            await intruder.submit(signed.raw, exchange=topology.submit_exchange(victim.code), over=link)
    verdict = await victim.answer(signed.raw)
    assert offices.word_of_the_bus(verdict).reason_code == RefusalCode.IDENTITY_USER_FOREIGN
    entry = offices.entry(verdict.headers["entry"])
    assert (entry.kind, entry.body["code"]) == (Kind.REFUSED, RefusalCode.IDENTITY_USER_FOREIGN)
    assert offices.raw_of(entry) == signed.raw[:KEPT_BYTES]
    assert offices.consigned_by(entry.seq) == [(victim.code, "verdict")]
    await the_next_letters_pass(offices, victim.code, before, expected=[verdict])
    await victim.submit(signed.raw)
    await offices[factory.SOC].letter_arrives(signed.raw)


@contextmanager
def writing_anywhere(offices: Offices, user: str) -> Iterator[None]:
    """Let a user write to every exchange, as an operator may do by mistake."""
    bus = offices.bus
    with Management(bus.broker.management_url) as management:
        rights = management.get("permissions", bus.vhost, user)
        wrong = {"configure": rights["configure"], "write": ".*", "read": rights["read"]}
        management.put("permissions", bus.vhost, user, body=wrong)
        try:
            yield
        finally:
            right = {name: rights[name] for name in ("configure", "write", "read")}
            management.put("permissions", bus.vhost, user, body=right)


@pytest.mark.parametrize("user", [topology.user_of(factory.SOC), topology.ROUTER, "nobody"])
async def test_the_broker_refuses_the_user_id_of_another(offices: Offices, user: str) -> None:
    before, head = offices.last_numbers(), offices.head()
    agency = offices[factory.OPM]
    with pytest.raises(Rejected, match="PRECONDITION_FAILED"):
        await agency.submit(agency.seal(agency.letter()).raw, user=user)
    assert not offices.said_since(head)
    await the_next_letters_pass(offices, factory.OPM, before, expected=[])


async def test_the_broker_refuses_the_submit_exchange_of_another(offices: Offices) -> None:
    before, head = offices.last_numbers(), offices.head()
    victim, agency = offices[factory.SOC], offices[factory.OPM]
    with pytest.raises(Unconfirmed, match="ACCESS_REFUSED"):
        await agency.submit(
            victim.seal(victim.letter(factory.OCS)).raw, exchange=topology.submit_exchange(factory.SOC)
        )
    assert not offices.said_since(head)
    await the_next_letters_pass(offices, factory.OPM, before, expected=[])


async def test_a_letter_in_the_name_of_another_agency_is_refused(offices: Offices) -> None:
    agency = offices[factory.OPM]
    letter = agency.letter(factory.OCS, sender=factory.sender(factory.SOC))
    refusal = await refused(offices, agency.seal(letter).raw, RefusalCode.IDENTITY_SENDER_FOREIGN)
    assert factory.SOC in refusal.words


async def test_a_letter_that_another_agency_signed_is_refused_and_stays_free_for_its_author(
    offices: Offices,
) -> None:
    author = offices[factory.SOC]
    signed = author.seal(author.letter(factory.OCS))
    await refused(offices, signed.raw, RefusalCode.KEY_UNKNOWN)
    await author.submit(signed.raw)
    await offices[factory.OCS].letter_arrives(signed.raw)


@pytest.mark.parametrize("header", ["CC", "BCC"])
async def test_a_copy_header_takes_a_letter_to_no_other_inbox(offices: Offices, header: str) -> None:
    before = offices.last_numbers()
    agency, thief = offices[factory.OPM], factory.ETDA
    signed = agency.seal(agency.letter(factory.SOC))
    keys = [thief, topology.inbox_queue(thief), topology.submit_exchange(thief)]
    await agency.submit(signed.raw, headers={header: keys})
    arrived = await offices[factory.SOC].letter_arrives(signed.raw)
    answer = await agency.answer(signed.raw)
    assert offices.consigned_by(answer.headers["entry"]) == [
        (factory.OPM, "verdict"),
        (factory.SOC, "letter"),
    ]
    assert header not in arrived.headers
    assert offices.last_numbers().get(thief) == before.get(thief)


async def test_a_forged_x_death_header_changes_nobodys_origin(offices: Offices) -> None:
    agency = offices[factory.OPM]
    death = {
        "exchange": topology.submit_exchange(factory.SOC),
        "queue": topology.intake_queue(factory.SOC),
        "reason": "delivery_limit",
        "count": 99,
        "routing-keys": [factory.SOC],
    }
    forged = {
        "x-death": [death],
        "x-first-death-exchange": topology.submit_exchange(factory.SOC),
        "x-first-death-queue": topology.intake_queue(factory.SOC),
        "x-delivery-count": 99,
        "sender": factory.SOC,
        "consignment": 1,
    }
    signed = agency.seal(agency.letter(factory.OCS))
    await agency.submit(signed.raw, headers=forged)
    arrived = await offices[factory.OCS].letter_arrives(signed.raw)
    assert arrived.headers["sender"] == factory.OPM
    assert not [name for name in arrived.headers if name.startswith("x-")]
    entry = offices.entry(arrived.headers["entry"])
    assert entry.body["agency"] == factory.OPM
    # What the other agency signed does not become its submission by such a header either.
    victim = offices[factory.SOC]
    stolen = victim.seal(victim.letter(factory.OCS)).raw
    await agency.submit(stolen, headers=forged)
    verdict = await agency.answer(stolen)
    assert offices.word_of_the_bus(verdict).reason_code == RefusalCode.KEY_UNKNOWN
    assert offices.consigned_by(verdict.headers["entry"]) == [(factory.OPM, "verdict")]


# The files ------------------------------------------------------------------------------------------------------


def test_every_bad_input_can_be_had_as_a_file_named_by_its_defect(tmp_path: Path) -> None:
    written = {path.stem: path for path in build_bad_inputs.build(tmp_path)}
    assert written.keys() == BAD_INPUTS.keys()
    good = factory.signed_letter().raw
    assert len({path.read_bytes() for path in written.values()}) == len(written)
    assert good not in {path.read_bytes() for path in written.values()}
    codes = dict(line.split("\t") for line in (tmp_path / build_bad_inputs.CODES).read_text().splitlines())
    assert codes == {f"{name}.xml": str(defect.code) for name, defect in BAD_INPUTS.items()}
