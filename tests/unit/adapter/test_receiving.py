"""From the broker to the signed receipt: durable first, once only, nothing believed unseen (P2, P4, P7, P11)."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.mailbox import ArrivalState, InboxState
from adapters.mailbox.notices import machine_notice_id
from adapters.refusals import FileUnavailable
from bus.directory import Directory, PinnedCertificate
from bus.documents.letter import Letter
from bus.documents.notice import Event
from bus.documents.signing import sign, verify
from bus.documents.xml import open_envelope, read
from bus.identifiers import AgencyCode, as_letter_id
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DAY, NOW, OCS, OPM, SOC, letter, notice, pin, seal
from tests.assets.statements import signed_statement
from tests.unit.adapter.network import QUICK, Office, directory, file_of, notices_in, settled, sha, until

UNIT, FOREIGN_UNIT = map(AgencyCode, ("0100100001", "0100500001"))


def delivered(office: Office, count: int = 1) -> bool:
    return office.mailbox.inbox.counts().get(InboxState.DELIVERED, 0) == count


async def test_a_letter_is_stored_acknowledged_verified_fetched_and_then_receipted(recipient: Office) -> None:
    signed = recipient.signed(b"%PDF report")
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(signed))
        (receipt,) = await until(lambda: notices_in(recipient.broker))
    (row,) = recipient.mailbox.inbox.letters()
    assert (receipt.event, receipt.author, receipt.about) == (Event.DELIVERED, OCS, (OCS,))
    assert (str(receipt.letter_id), receipt.letter_digest) == (row.letter_id, signed.digest)
    assert receipt.notice_id == machine_notice_id("delivered", signed.digest, OCS)
    assert recipient.mailbox.arrivals.get(row.arrival).body == signed.raw
    assert recipient.mailbox.store.path(sha(b"%PDF report")).read_bytes() == b"%PDF report"
    published = recipient.broker.published[0]
    assert verify(open_envelope(published.body), [pin(seal(OCS))], NOW).document == receipt
    assert len(recipient.broker.deliveries.acknowledged) == 2


async def test_a_slow_file_holds_up_neither_the_acknowledgement_nor_other_letters(recipient: Office) -> None:
    slow = recipient.signed(b"%PDF slow")
    recipient.depot.away.add(sha(b"%PDF slow"))
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(slow))
        recipient.hear(*(recipient.bus.letter(recipient.signed(b"%%PDF %d" % n)) for n in range(10)))
        await until(lambda: delivered(recipient, 10))
        assert len(recipient.broker.deliveries.acknowledged) == 12
        assert slow.digest not in {each.letter_digest for each in notices_in(recipient.broker)}
        recipient.depot.away.clear()
        await until(lambda: delivered(recipient, 11))
        await until(lambda: slow.digest in {each.letter_digest for each in notices_in(recipient.broker)})


async def test_a_letter_delivered_twice_is_one_letter_and_one_receipt(recipient: Office) -> None:
    signed = recipient.signed()
    first = recipient.bus.letter(signed)
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), first, first, recipient.bus.letter(signed))
        await until(lambda: settled_with(recipient, 3) and notices_in(recipient.broker))
    assert len(recipient.mailbox.inbox.letters()) == 1
    assert len(notices_in(recipient.broker)) == 1
    assert recipient.mailbox.arrivals.counts() == {ArrivalState.DONE: 2, ArrivalState.DUPLICATE: 1}
    assert len(recipient.broker.deliveries.acknowledged) == 4


async def test_a_receipt_goes_again_identically_until_the_bus_has_entered_it(recipient: Office) -> None:
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(recipient.signed()))
        await until(lambda: len(recipient.broker.published) >= 3)
        assert len({each.body for each in recipient.broker.published}) == 1
        (row,) = recipient.mailbox.outbox.due(1e12, 10)
        recipient.hear(recipient.bus.entry(row))
        await until(lambda: recipient.mailbox.outbox.get(row.id).entry == 7)
    assert recipient.mailbox.outbox.due(1e12, 10) == []


async def test_letters_wait_for_the_first_directory(recipient: Office) -> None:
    async with recipient.running():
        recipient.hear(recipient.bus.letter(recipient.signed()))
        await until(lambda: recipient.broker.deliveries.acknowledged)
        assert recipient.mailbox.inbox.letters() == []
        recipient.hear(recipient.bus.directory())
        await until(lambda: delivered(recipient))


async def test_a_letter_overtaking_the_directory_that_knows_its_key_waits_for_it(recipient: Office) -> None:
    poorer = directory(1, agencies={c: a for c, a in directory().agencies.items() if c != OPM})
    async with recipient.running():
        first = recipient.bus.directory(poorer)
        second = recipient.bus.directory(directory(2))
        overtaking = recipient.bus.letter(recipient.signed())
        recipient.hear(first, overtaking)
        await until(lambda: _postponed(recipient))
        assert recipient.mailbox.arrivals.quarantined() == []
        recipient.hear(second)
        await until(lambda: delivered(recipient))
        (said,) = await until(lambda: notices_in(recipient.broker))
    assert said.event == Event.DELIVERED


async def test_a_letter_that_nobody_known_has_sealed_is_kept_aside_and_its_sender_told(
    recipient: Office,
) -> None:
    stranger = recipient.signed(by=SOC)
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(stranger, sender=OPM))
        (failure,) = await until(lambda: notices_in(recipient.broker))
    assert failure.event == Event.HANDOVER_FAILED
    assert failure.reason_code == "key.unknown"
    assert {text.language for text in failure.reason_texts} == {"th", "en"}
    assert failure.letter_digest == stranger.digest
    assert [each.body for each in recipient.mailbox.arrivals.quarantined()] == [stranger.raw]
    assert recipient.mailbox.inbox.letters() == []
    assert recipient.depot.asked == []


async def test_an_altered_letter_never_reaches_the_inbox_and_the_true_one_still_can(
    recipient: Office,
) -> None:
    signed = recipient.signed()
    altered = replace(signed, raw=signed.raw.replace("ขอเชิญประชุม".encode(), "ของดประชุม".encode()))
    assert altered.raw != signed.raw
    async with recipient.running():
        message = recipient.bus.letter(altered)
        recipient.hear(recipient.bus.directory(), message)
        await until(lambda: recipient.mailbox.arrivals.quarantined())
        recipient.hear(recipient.bus.letter(signed))
        await until(lambda: delivered(recipient))
    assert recipient.mailbox.arrivals.quarantined()[0].reason == "signature.broken"


async def test_a_sender_is_who_the_bus_says_and_the_letter_says_and_the_seal_proves(
    recipient: Office,
) -> None:
    """SOC seals a letter that names OPM as its sender."""
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(recipient.signed(by=SOC), sender=SOC))
        await until(lambda: notices_in(recipient.broker))
    assert recipient.mailbox.arrivals.quarantined()[0].reason == "identity.sender-foreign"


async def test_certificates_count_as_of_the_acceptance_and_not_of_today(recipient: Office) -> None:
    revoked = PinnedCertificate.of(seal(OPM).certificate, revoked_at=now() - DAY / 2)
    agencies = dict(directory().agencies)
    agencies[OPM] = replace(agencies[OPM], certificates=(revoked,))
    async with recipient.running():
        recipient.hear(
            recipient.bus.directory(directory(agencies=agencies)),
            recipient.bus.letter(
                recipient.signed(b"%PDF 1"), verified_as_of=(now() - DAY * 0.75).isoformat()
            ),
            recipient.bus.letter(recipient.signed(b"%PDF 2"), verified_as_of=now().isoformat()),
        )
        await until(lambda: delivered(recipient) and recipient.mailbox.arrivals.quarantined())
    assert recipient.mailbox.arrivals.quarantined()[0].reason == "key.revoked"


async def test_the_same_id_with_another_content_is_not_the_same_letter(recipient: Office) -> None:
    """P9."""
    first = letter(main_file=file_of(b"%PDF 1"))
    async with recipient.running():
        recipient.hear(recipient.bus.directory())
        for content in (b"%PDF 1", b"%PDF 2"):
            recipient.hear(recipient.bus.letter(recipient.signed(content, letter_id=first.letter_id)))
        await until(lambda: delivered(recipient) and recipient.mailbox.arrivals.quarantined())
    assert recipient.mailbox.arrivals.quarantined()[0].reason == "id.conflict"
    assert len(recipient.mailbox.inbox.letters()) == 1


async def test_a_file_refused_for_good_is_told_and_stops_no_other_letter(recipient: Office) -> None:
    doomed = recipient.signed(b"%PDF gone")
    recipient.depot.refused[sha(b"%PDF gone")] = FileUnavailable("file.unknown")
    async with recipient.running():
        recipient.hear(
            recipient.bus.directory(),
            recipient.bus.letter(doomed),
            recipient.bus.letter(recipient.signed(b"%PDF fine")),
        )
        await until(lambda: len(notices_in(recipient.broker)) == 2)
    said = {each.letter_digest: each for each in notices_in(recipient.broker)}
    assert said[doomed.digest].event == Event.HANDOVER_FAILED
    assert recipient.depot.asked.count(sha(b"%PDF gone")) == QUICK.refusals
    assert recipient.mailbox.inbox.counts() == {InboxState.FAILED: 1, InboxState.DELIVERED: 1}


async def test_a_file_with_other_bytes_is_never_receipted(recipient: Office) -> None:
    signed = recipient.signed(b"%PDF true")
    recipient.depot.held[sha(b"%PDF true")] = b"%PDF evil"
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(signed))
        (failure,) = await until(lambda: notices_in(recipient.broker))
    assert failure.event == Event.HANDOVER_FAILED
    assert not recipient.mailbox.store.path(sha(b"%PDF true")).exists()


async def test_nothing_is_lost_when_the_process_dies_between_store_and_receipt(recipient: Office) -> None:
    """The receipt's row and "delivered" are one commit: either both are there after a restart, or neither is."""
    recipient.depot.away.add(sha(b"%PDF sample"))
    async with recipient.running():
        recipient.hear(recipient.bus.directory(), recipient.bus.letter(recipient.signed()))
        await until(lambda: recipient.mailbox.inbox.counts().get(InboxState.FETCHING))
    recipient.depot.away.clear()
    async with recipient.running():
        await until(lambda: notices_in(recipient.broker))
    assert delivered(recipient)


async def test_an_older_directory_does_not_replace_a_newer_one(recipient: Office) -> None:
    async with recipient.running():
        recipient.hear(recipient.bus.directory(directory(5)), recipient.bus.directory(directory(4)))
        await until(lambda: settled(recipient))
    held = recipient.mailbox.directory()
    assert held is not None
    assert held.version == 5


async def test_a_directory_signed_by_anybody_but_the_bus_is_not_believed(recipient: Office) -> None:

    async with recipient.running():
        token = signed_statement(directory(), seal(OPM))
        recipient.hear(recipient.bus.message("directory", token))
        await until(lambda: recipient.mailbox.arrivals.quarantined())
    assert recipient.mailbox.directory() is None


async def test_a_notice_of_somebody_else_in_another_name_is_not_believed(recipient: Office) -> None:
    async with recipient.running():
        forged = notice(Event.WITHDRAWAL_REQUESTED, author=OPM)
        message = recipient.bus.notice(forged)
        lying = replace(message, headers={**message.headers, "sender": SOC})
        recipient.hear(recipient.bus.directory(), lying)
        await until(lambda: recipient.mailbox.arrivals.quarantined())
    assert recipient.mailbox.notices.about(as_letter_id(forged.letter_id)) == []


async def test_a_locked_mailbox_leaves_deliveries_with_the_broker_until_it_can_store_them(
    recipient: Office, tmp_path: Path
) -> None:

    # A lock held by another program for longer than the mailbox waits: the same word, "not now".
    blocker = sqlite3.connect(tmp_path / OCS / "mailbox.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    async with recipient.running():
        recipient.hear(recipient.bus.directory())
        await asyncio.sleep(0.3)
        assert recipient.broker.deliveries.acknowledged == []
        blocker.execute("ROLLBACK")
        await until(lambda: recipient.broker.deliveries.acknowledged)
    blocker.close()


def settled_with(office: Office, rows: int) -> bool:
    counts = office.mailbox.arrivals.counts()
    return sum(counts.values()) == rows and not counts.get(ArrivalState.STORED)


def _postponed(office: Office) -> bool:
    return any(each.attempts for each in office.mailbox.arrivals.waiting(1e12, 10))


async def test_a_broken_letter_that_comes_again_broken_otherwise_is_told_once(recipient: Office) -> None:
    """The same content, refused for two reasons: one fact for its sender, and neither stops the judge."""
    stranger = recipient.signed(by=SOC)
    async with recipient.running():
        recipient.hear(
            recipient.bus.directory(),
            recipient.bus.letter(stranger, sender=OPM),
            recipient.bus.letter(stranger, sender=SOC),
            recipient.bus.letter(recipient.signed(b"%PDF good")),
        )
        await until(lambda: settled(recipient) and delivered(recipient))
    assert {each.reason for each in recipient.mailbox.arrivals.quarantined()} == {
        "key.unknown",
        "identity.sender-foreign",
    }
    assert recipient.mailbox.outbox.counts()["notice"].keys() <= {"sent", "sealed", "waiting"}
    assert sum(recipient.mailbox.outbox.counts()["notice"].values()) == 2


async def test_what_is_in_quarantine_can_be_judged_again(recipient: Office) -> None:
    new_bus = directory(bus_certificates=(pin(seal("next bus")),))
    token = signed_statement(directory(2), seal("next bus"), new_bus)
    async with recipient.running():
        recipient.hear(recipient.bus.message("directory", token))
        await until(lambda: recipient.mailbox.arrivals.quarantined())
        recipient.hear(recipient.bus.directory(new_bus))
        await until(lambda: recipient.mailbox.directory())
        assert recipient.mailbox.arrivals.verify_again() == 1
        await until(lambda: settled(recipient))
    held = recipient.mailbox.directory()
    assert held is not None
    assert held.version == 2


def with_units() -> Directory:
    """The network's agencies, of which OPM and SOC each have a unit without an inbox."""
    made = directory()
    units = {
        unit: replace(made.agencies[parent], code=unit, inbox=False, parent=parent, certificates=())
        for unit, parent in ((UNIT, OPM), (FOREIGN_UNIT, SOC))
    }
    return replace(made, agencies={**made.agencies, **units})


async def test_what_a_unit_without_an_inbox_writes_comes_from_its_agency_and_counts(
    recipient: Office,
) -> None:
    """The bus accepts it from the parent, under the parent's seal; so does whoever receives it."""
    signed = recipient.signed(sender=factory.sender(UNIT))
    letter = read(open_envelope(signed.raw).root)
    assert isinstance(letter, Letter)
    withdrawn = notice(
        Event.WITHDRAWAL_REQUESTED,
        author=UNIT,
        letter_id=letter.letter_id,
        letter_digest=signed.digest,
    )
    sealed = sign(withdrawn, seal(OPM))
    fixed: dict[str, str | int] = {"sender": OPM, "verified_as_of": now().isoformat()}
    async with recipient.running():
        recipient.hear(
            recipient.bus.directory(with_units()),
            recipient.bus.letter(signed),
            recipient.bus.message("notice", sealed.raw, **fixed),
        )
        await until(lambda: settled(recipient) and delivered(recipient))
    assert recipient.mailbox.arrivals.quarantined() == []
    (row,) = recipient.mailbox.inbox.letters()
    assert row.sender == OPM
    assert recipient.mailbox.state_of_received(row).withdrawal == "requested"


@pytest.mark.parametrize("author", [FOREIGN_UNIT, AgencyCode("9999900000")])
async def test_nobody_writes_for_a_unit_of_another(recipient: Office, author: AgencyCode) -> None:
    async with recipient.running():
        recipient.hear(
            recipient.bus.directory(with_units()),
            recipient.bus.letter(recipient.signed(sender=factory.sender(author))),
        )
        await until(lambda: recipient.mailbox.arrivals.quarantined())
    (kept,) = recipient.mailbox.arrivals.quarantined()
    assert kept.reason == "identity.sender-foreign"
