"""A document goes to nobody whose adapter does not read its version, and its id stays free for another version."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from bus.documents.letter import Letter, Receiver
from bus.documents.notice import Event, Notice, Officer
from bus.documents.signing import Signed, sign
from bus.documents.versions import VERSIONS
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.recording import Recorded
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery

BOTH = tuple(VERSIONS)
CIRCLE = (Receiver(agency=OCS), Receiver(group="all-agencies"))
OFFICER = Officer(name="สมศรี (ตัวอย่าง)", job_title="เจ้าพนักงานธุรการ")


@pytest.fixture
def router(ledger: Ledger) -> Router:
    """A router by whose directory OPM and DGA read both versions, OCS and SOC the first."""
    made = Router(ledger)
    made.activate(rig.directory(OPM=rig.agency(OPM, reads=BOTH), DGA=rig.agency(DGA, reads=BOTH)))
    return made


def sealed(document: Letter | Notice, number: str, by: str = OPM) -> Signed:
    kind = "letter" if isinstance(document, Letter) else "notice"
    return sign(document, factory.seal(by), VERSIONS[f"{kind}/{number}"])


def refusal(ledger: Ledger, recorded: Recorded, code: AgencyCode = OPM) -> tuple[str | None, str]:
    """The reason with which the bus answered, and its English words."""
    (answer,) = [one for one in recorded.consignments if one.agency == code]
    with ledger.read() as reader:
        said = rig.said(reader, code, answer.number)
    return said.reason_code, said.reason_texts[1].value if said.reason_texts else ""


def test_a_letter_that_some_do_not_read_is_refused_and_they_and_the_version_are_named(
    router: Router, ledger: Ledger
) -> None:
    letter = factory.letter(receivers=CIRCLE, document_type="minutes")
    code, words = refusal(ledger, router.take(delivery(sealed(letter, "1.1").raw)))
    assert code == RefusalCode.TYPE_UNREAD_VERSION
    assert f"letter/1.1: {SOC}, {OCS}" in words
    assert DGA not in words


def test_a_letter_that_all_read_goes_out_as_it_came(router: Router, ledger: Ledger) -> None:
    raw = sealed(factory.letter(receivers=(Receiver(agency=DGA),), document_type="order"), "1.1").raw
    recorded = router.take(delivery(raw))
    assert recorded.outcome == "accepted"
    assert [one.body for one in recorded.consignments if one.agency == DGA] == [raw]


def test_an_older_version_is_refused_too_once_a_recipient_does_not_read_it(
    router: Router, ledger: Ledger
) -> None:
    only = ("letter/1.1", "notice/1.0")
    router.activate(rig.directory(version=2, DGA=rig.agency(DGA, reads=only)))
    letter = factory.letter(receivers=(Receiver(agency=DGA),))
    code, words = refusal(ledger, router.take(delivery(sealed(letter, "1.0").raw)))
    assert (code, f"letter/1.0: {DGA}" in words) == (RefusalCode.TYPE_UNREAD_VERSION, True)


def test_the_same_letter_in_a_version_that_all_read_is_accepted_under_its_id(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    letter = factory.letter(receivers=(Receiver(agency=OCS),))
    assert router.take(delivery(sealed(letter, "1.1").raw)).outcome == "refused"
    assert router.take(delivery(sealed(letter, "1.0").raw)).outcome == "accepted"
    # Accepted is accepted: the other version is now another content under the same id.
    code, _ = refusal(ledger, router.take(delivery(sealed(letter, "1.1").raw)))
    assert code == RefusalCode.ID_CONFLICT
    assert rig.verified(ledger, tmp_path) == []


def test_the_same_bytes_are_accepted_once_the_directory_says_that_they_are_read(router: Router) -> None:
    raw = sealed(factory.letter(receivers=(Receiver(agency=OCS),)), "1.1").raw
    assert router.take(delivery(raw)).outcome == "refused"
    router.activate(rig.directory(version=2, OCS=rig.agency(OCS, reads=BOTH)))
    assert router.take(delivery(raw)).outcome == "accepted"


def about_the_letter(ledger: Ledger, event: Event, by: str, **changes: object) -> Notice:
    with ledger.read() as reader:
        (row,) = reader.find_letters()
    named = {"letter_id": UUID(row.letter_id), "letter_digest": row.digest}
    return factory.complete(event, author=by, **named, **changes)


def test_a_notice_goes_to_its_listeners_only_in_a_version_that_they_read(
    router: Router, ledger: Ledger
) -> None:
    letter = factory.letter(receivers=(Receiver(agency=OCS), Receiver(agency=DGA)))
    assert router.take(delivery(sealed(letter, "1.0").raw)).outcome == "accepted"
    registered = about_the_letter(ledger, Event.REGISTERED, OCS, officer=OFFICER)
    assert (
        router.take(delivery(sealed(registered, "1.1", OCS).raw, OCS)).outcome == "notice-accepted"
    )  # OPM reads it
    everybody = about_the_letter(ledger, Event.SETTLED, OPM)
    code, words = refusal(ledger, router.take(delivery(sealed(everybody, "1.1").raw)))
    assert (code, f"notice/1.1: {OCS}" in words) == (RefusalCode.TYPE_UNREAD_VERSION, True)
    settled = about_the_letter(ledger, Event.SETTLED, OPM, about=(DGA,))
    assert router.take(delivery(sealed(settled, "1.1").raw)).outcome == "notice-accepted"
    assert router.take(delivery(sealed(about_the_letter(ledger, Event.SETTLED, OPM), "1.0").raw)).outcome == (
        "notice-accepted"
    )


def test_a_notice_refused_for_its_version_may_be_said_in_another_under_its_id(
    router: Router, ledger: Ledger
) -> None:
    router.activate(rig.directory(version=2, OPM=rig.agency(OPM)))
    assert router.take(delivery(sealed(factory.letter(), "1.0").raw)).outcome == "accepted"
    registered = about_the_letter(ledger, Event.REGISTERED, OCS)
    assert router.take(delivery(sealed(registered, "1.1", OCS).raw, OCS)).outcome == "refused"
    assert router.take(delivery(sealed(registered, "1.0", OCS).raw, OCS)).outcome == "notice-accepted"
    assert len(rig.entries_of_kind(ledger, Kind.NOTICE)) == 1
