"""Gate 8 for a letter: its entry, its frozen recipients, their consignments and the sender's acceptance."""

from __future__ import annotations

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
    writer, letter, delivery = consigner.writer, found.letter.document, found.delivery
    still_unanswered(writer, found.agency, "letter", str(letter.letter_id), found.letter.digest)
    normalised = normalise_number(letter.number) if letter.number else None
    flags = _flags(writer, found, normalised)
    # Whose letter waits is in the frozen set and the directory version: a list of thousands fits into no header.
    told = [*flags, ON_HOLD] if any(one.on_hold for one in found.recipients) else flags
    numbers = writer.numbers(one.agency for one in found.recipients)
    # A letter to oneself (kind test) is consigned before its acceptance is answered; numbers follow that order.
    answer = consigner.number(found.agency)
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
    raw = writer.keep(delivery.raw)
    terms = {
        "recipients": frozen,
        "receiptDue": found.receipt_due,
        "registrationDue": found.registration_due,
        "directory": found.directory.version,
        "calendar": found.calendar_version,
    }
    entry = writer.entry(
        Kind.ACCEPTED,
        agency=found.agency,
        letter=0,
        document=delivery.raw,
        letterId=str(letter.letter_id),
        digest=found.letter.digest,
        certificate=found.letter.fingerprint,
        receivedAt=timestamp(delivery.received_at),
        acknowledgement=letter.acknowledgement,
        speed=letter.speed,
        secrecy=letter.secrecy,
        acceptance=writer.keep(found.acceptance.raw),
        answer=answer,
        flags=told or None,
        **terms,
    )
    writer.letter_accepted(
        LetterRow(
            letter=entry,
            sender=found.agency,
            letter_id=str(letter.letter_id),
            digest=found.letter.digest,
            number=letter.number,
            number_normalised=normalised,
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
        raw=delivery.sha256,
        answer=answer,
    )
    shared = {
        "verified-as-of": timestamp(delivery.received_at),
        "sender": found.agency,
        # What should arrive: a recipient that cannot read what did arrive names this letter in its failure.
        "about": str(letter.letter_id),
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
            body=delivery.raw,
            kept=raw,
            headers={**shared, "addressed": one.addressed},
            on_hold=one.on_hold,
        )
    consigner.consign(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.acceptance.raw,
        headers=answer_headers(delivery, str(letter.letter_id), told),
    )
    return "accepted"


def number_of(found: LetterAccepted) -> tuple[str, str, str] | None:
    """Return sender, number and date of a letter that should not bear those of another; None where it may."""
    letter = found.letter.document
    if not letter.number or letter.replaces is not None:
        return None
    return found.agency, normalise_number(letter.number), letter.date.isoformat()


def _flags(writer: Writer, found: LetterAccepted, normalised: str | None) -> list[str]:
    number = number_of(found)
    flags = ["same-number"] if number and writer.same_number(*number) else []
    if normalised and not found.directory.prefix_fits(found.agency, normalised):
        flags.append("foreign-prefix")
    return flags
