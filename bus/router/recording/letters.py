"""Gate 8 for a letter: its entry, its frozen recipients, their consignments and the sender's acceptance."""

from __future__ import annotations

from typing import Any

from bus.identifiers import AgencyCode, as_letter_id
from bus.ledger.entry import Kind, timestamp
from bus.ledger.rows import LetterRow
from bus.ledger.state import deadlines_of
from bus.ledger.store import Writer
from bus.router.delivery import LetterAccepted
from bus.router.recording.consigning import Consigner, answer_headers, still_unanswered
from bus.thai import normalise_number

ON_HOLD = "on-hold"
"""The flag by which a sender is told that a recipient is suspended: the letter waits for it and is not refused."""


def record_letter(consigner: Consigner, found: LetterAccepted) -> str:
    """Write an accepted letter and consign it. Raises Stale when its id has got a verdict meanwhile."""
    writer, letter = consigner.writer, found.letter.document
    still_unanswered(writer, found.agency, "letter", str(letter.letter_id), found.letter.digest)
    flags = _flags(writer, found)
    # Whose letter waits is in the frozen set and the directory version: a list of thousands fits into no header.
    flagged = [*flags, ON_HOLD] if any(one.on_hold for one in found.recipients) else flags
    numbers = writer.numbers(one.agency for one in found.recipients)
    # A letter to oneself (kind test) is consigned before its acceptance is answered; numbers follow that order.
    answer = consigner.number(found.agency)
    terms = _terms(found, numbers)
    entry = _enter(writer, found, terms, flagged, answer)
    _index(writer, found, entry, terms, answer)
    _consign_letter(consigner, found, entry, numbers, flags)
    consigner.consign(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.acceptance.raw,
        headers=answer_headers(found.delivery, str(letter.letter_id), flagged),
    )
    return "accepted"


def number_of(found: LetterAccepted) -> tuple[AgencyCode, str, str] | None:
    """Return sender, number and date of a letter that should not bear those of another; None where it may."""
    letter = found.letter.document
    normalised = _normalised(found)
    if normalised is None or letter.replaces is not None:
        return None
    return found.agency, normalised, letter.date.isoformat()


def _normalised(found: LetterAccepted) -> str | None:
    number = found.letter.document.number
    return normalise_number(number) if number else None


def _flags(writer: Writer, found: LetterAccepted) -> list[str]:
    number, normalised = number_of(found), _normalised(found)
    flags = ["same-number"] if number and writer.same_number(*number) else []
    if normalised and not found.directory.prefix_fits(found.agency, normalised):
        flags.append("foreign-prefix")
    return flags


def _terms(found: LetterAccepted, numbers: dict[AgencyCode, int]) -> dict[str, Any]:
    """What is frozen with the letter: its recipients and its due times, and what they follow from."""
    frozen = {
        one.agency: {
            "role": one.role,
            "consignment": numbers[one.agency],
            **({"addressed": one.addressed} if one.addressed != one.agency else {}),
            **({"onHold": True} if one.on_hold else {}),
            **({"registrationDue": one.registration_due} if one.registration_due else {}),
        }
        for one in found.recipients
    }
    return {
        "recipients": frozen,
        "receiptDue": found.receipt_due,
        "registrationDue": found.registration_due,
        "directory": found.directory.version,
        "calendar": found.calendar_version,
    }


def _enter(
    writer: Writer, found: LetterAccepted, terms: dict[str, Any], flags: list[str], answer: int
) -> int:
    letter = found.letter.document
    return writer.entry(
        Kind.ACCEPTED,
        agency=found.agency,
        document=found.delivery.raw,
        sha256=found.delivery.sha256,
        letterId=str(letter.letter_id),
        digest=found.letter.digest,
        certificate=found.letter.fingerprint,
        receivedAt=timestamp(found.delivery.received_at),
        acknowledgement=letter.acknowledgement,
        speed=letter.speed,
        secrecy=letter.secrecy,
        acceptance=writer.keep(found.acceptance.raw),
        answer=answer,
        flags=flags or None,
        **terms,
    )


def _index(writer: Writer, found: LetterAccepted, entry: int, terms: dict[str, Any], answer: int) -> None:
    """Make the letter findable, its deadlines known, and its id bound to its content."""
    letter = found.letter.document
    writer.letter_accepted(
        LetterRow(
            letter=entry,
            sender=found.agency,
            letter_id=as_letter_id(letter.letter_id),
            digest=found.letter.digest,
            number=letter.number,
            number_normalised=_normalised(found),
            dated=letter.date.isoformat(),
            speed=letter.speed,
            acknowledgement=letter.acknowledgement,
            accepted_at=timestamp(writer.at),
            receipt_due=found.receipt_due,
            registration_due=found.registration_due,
            subject=letter.content.subject if letter.content else None,
            certificate=found.letter.fingerprint,
        ),
        frozen=[
            {"agency": one.agency, "addressed": one.addressed, "role": one.role} for one in found.recipients
        ],
        files={file.digest: file.size for file in letter.all_files},
        deadlines=deadlines_of(terms),
    )
    writer.submission(
        entry=entry,
        agency=found.agency,
        type="letter",
        id=str(letter.letter_id),
        digest=found.letter.digest,
        raw=found.delivery.sha256,
        answer=answer,
    )


def _consign_letter(
    consigner: Consigner, found: LetterAccepted, entry: int, numbers: dict[AgencyCode, int], flags: list[str]
) -> None:
    shared = {
        "verified-as-of": timestamp(found.delivery.received_at),
        "sender": found.agency,
        # What should arrive: a recipient that cannot read what did arrive names this letter in its failure.
        "about": str(found.letter.document.letter_id),
        "digest": found.letter.digest,
        **({"flags": ",".join(flags)} if flags else {}),
    }
    for one in found.recipients:
        consigner.consign(
            one.agency,
            numbers[one.agency],
            type="letter",
            entry=entry,
            letter=entry,
            body=found.delivery.raw,
            kept=found.delivery.sha256,
            headers={**shared, "addressed": one.addressed},
            on_hold=one.on_hold,
        )
