"""What an agency has lost is given back to it: its own letters and notices, and the directory in force (P13)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from bus.documents.notice import Event
from bus.documents.reports import Reconciliation, sealed
from bus.documents.signing import Signed, sign
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Kind
from bus.ledger.rows import Consignment
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router.recording import Recorded
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DGA, ETDA, OCS, OPM
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery


@pytest.fixture
def router(ledger: Ledger) -> Router:
    made = Router(ledger)
    made.activate(rig.directory())
    return made


def confirm_all(ledger: Ledger) -> None:
    """Let the broker have confirmed whatever is pending."""
    ledger.release_leases(None)
    with ledger.append() as writer:
        writer.confirmed(
            writer.consignments([(one, n) for one in (OPM, OCS, DGA, ETDA) for n in range(1, 50)])
        )


def asks(router: Router, agency: AgencyCode, **stated: Any) -> Recorded:
    """The agency's machine states what it has; by default that nothing is missing."""
    with router.ledger.append() as writer:
        given = writer.last_number(agency)
    values: dict[str, Any] = {"contiguous": given, "highest": given, **stated}
    report = Reconciliation(id=uuid4(), agency=agency, at=now(), **values)
    recorded = router.take(delivery(sealed(report, factory.seal(agency)), agency))
    assert recorded.outcome == "reconciled"
    return recorded


def pending(ledger: Ledger, agency: AgencyCode, type: str) -> list[Consignment]:
    with ledger.read() as reader:
        waiting = reader.agencies.waiting().get(agency, (0, 0))[0]
        found = [reader.consignment(agency, n) for n in range(1, 50)]
    assert waiting
    return [one for one in found if one is not None and one.type == type]


def answer_of(recorded: Recorded, agency: AgencyCode) -> int:
    (number,) = [
        one.number
        for one in recorded.consignments
        if one.agency == agency and one.type in ("verdict", "entry")
    ]
    return number


def test_a_report_that_was_sealed_anew_is_the_same_one_and_another_under_its_id_is_refused(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    """A mailbox that is restarted or restored seals what it had not sent, and ECDSA gives other bytes each time."""
    report = Reconciliation(id=uuid4(), agency=OPM, at=now(), contiguous=1, highest=1)
    first, anew = (sealed(report, factory.seal(OPM)) for _ in range(2))
    assert first != anew
    assert router.take(delivery(first, OPM)).outcome == "reconciled"
    assert router.take(delivery(anew, OPM)).outcome == "repeated"
    other = sealed(replace(report, highest=0, contiguous=0), factory.seal(OPM))
    assert router.take(delivery(other, OPM)).outcome == "refused"
    (conflict,) = rig.entries_of_kind(ledger, Kind.CONFLICT)
    assert conflict["code"] == RefusalCode.ID_CONFLICT
    assert len(rig.entries_of_kind(ledger, Kind.RECONCILED)) == 1
    assert rig.verified(ledger, tmp_path) == []


def test_the_letters_and_notices_that_unplaced_answers_are_about_are_given_back(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    letter = sign(factory.letter(), factory.seal(OPM))
    accepted = answer_of(router.take(delivery(letter.raw)), OPM)
    about = {"letter_id": letter_id(ledger), "letter_digest": letter.digest}
    asked = sign(
        factory.notice(Event.WITHDRAWAL_REQUESTED, author=OPM, about=(OCS,), **about), factory.seal(OPM)
    )
    entered = answer_of(router.take(delivery(asked.raw)), OPM)
    refused = answer_of(router.take(delivery(b"<Letter")), OPM)
    confirm_all(ledger)
    recorded = asks(router, OPM, unplaced=((accepted, refused),))
    assert recorded.left
    copies = pending(ledger, OPM, "copy")
    assert [one.body for one in copies] == [letter.raw, asked.raw]
    assert [one.headers["digest"] for one in copies] == [letter.digest, asked.digest]
    assert {one.headers["sender"] for one in copies} == {OPM}
    assert (accepted, entered, refused) == (accepted, accepted + 1, accepted + 2)
    (entry,) = rig.entries_of_kind(ledger, Kind.RECONCILED)
    assert (entry["again"], entry["copies"]) == (0, 2)
    assert rig.verified(ledger, tmp_path) == []


def test_a_copy_that_somebody_else_was_given_is_found_by_a_verification(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    router.take(delivery(sign(factory.letter(), factory.seal(OPM)).raw))
    with ledger.append() as writer:
        (row,) = writer.find_letters()
        entry = writer.entry_at(row.letter)
        assert entry is not None
        number = writer.numbers([DGA])[DGA]
        headers = {"consignment": number}
        writer.consign(
            DGA,
            number,
            type="copy",
            entry=row.letter,
            document=RawDigest(str(entry.document)),
            headers=headers,
        )
    assert [one for one in rig.verified(ledger, tmp_path) if "somebody else than its sender" in one]


def letter_id(ledger: Ledger) -> UUID:
    with ledger.read() as reader:
        return UUID(reader.find_letters()[0].letter_id)


def test_nobody_is_given_a_document_of_somebody_else(router: Router, ledger: Ledger) -> None:
    letter: Signed = sign(factory.letter(), factory.seal(OPM))
    router.take(delivery(letter.raw))
    with ledger.append() as writer:
        given = writer.last_number(OCS)
    asks(router, OCS, unplaced=((1, given),))
    assert pending(ledger, OCS, "copy") == []


@pytest.mark.parametrize("held", [0, 1])
def test_who_holds_no_directory_or_an_older_one_gets_the_one_in_force(
    router: Router, ledger: Ledger, held: int
) -> None:
    router.activate(rig.directory(version=2))
    confirm_all(ledger)
    with ledger.read() as reader:
        assert DGA not in reader.agencies.waiting()
    asks(router, DGA, directory=held)
    ledger.release_leases(None)
    (again, _) = claimed(ledger, DGA)
    assert (again.type, again.headers["version"]) == ("directory", 2)


def test_who_holds_the_directory_in_force_or_does_not_say_gets_none(router: Router, ledger: Ledger) -> None:
    confirm_all(ledger)
    for stated in ({"directory": 1}, {}):
        asks(router, DGA, **stated)
    ledger.release_leases(None)
    assert {one.type for one in claimed(ledger, DGA)} == {"entry"}


def claimed(ledger: Ledger, agency: AgencyCode) -> list[Consignment]:
    found = ledger.lease(Lease("test", now()), limit=100, per_agency=100)
    return [one for one in found if one.agency == agency]
