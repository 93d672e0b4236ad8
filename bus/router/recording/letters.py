"""Gate 8 for a letter: its entry, its recipient set, their consignments, the sender's list and its acceptance."""

from __future__ import annotations

from typing import Any

from bus.documents import recipients
from bus.identifiers import AgencyCode, RawDigest, as_letter_id
from bus.ledger.entry import Kind, timestamp
from bus.ledger.rows import LetterRow
from bus.ledger.state import deadlines_of
from bus.ledger.store import Writer
from bus.router.delivery import LetterAccepted
from bus.router.recording.consigning import Consigner, answer_headers, still_unanswered

ON_HOLD = "on-hold"
"""The flag by which a sender is told that a recipient is suspended: the letter waits for it and is not refused."""


def record_letter(consigner: Consigner, found: LetterAccepted) -> str:
    """Write an accepted letter and consign it. Raises Stale when its id has got a verdict meanwhile."""
    writer, letter = consigner.writer, found.letter.document
    still_unanswered(writer, found.agency, "letter", str(letter.letter_id), found.letter.digest)
    flags = _flags(writer, found)
    # Whose letter waits is in the frozen set and the directory version: a list of thousands fits into no header.
    frozen = found.recipients
    flagged = [*flags, ON_HOLD] if any(one.on_hold for one in frozen.recipients) else flags
    numbers = writer.numbers(frozen.codes)
    # A letter to oneself (kind test) is consigned before its acceptance is answered; numbers follow that order. So does
    # the list of the recipients, where they are too many for the acceptance to name them.
    listed = None if frozen.named else consigner.number(found.agency)
    answer = consigner.number(found.agency)
    acceptance = writer.keep(found.acceptance.raw)
    given = [numbers[code] for code in frozen.codes]
    entry = _enter(writer, found, given, flagged, acceptance, answer, listed)
    _index(writer, found, entry, answer)
    _consign_letter(consigner, found, entry, numbers, flags)
    if listed is not None:
        consigner.consign(
            found.agency,
            listed,
            type=recipients.TYPE,
            entry=entry,
            body=frozen.octets,
            kept=frozen.digest,
            headers={"about": str(letter.letter_id)},
        )
    consigner.consign(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.acceptance.raw,
        kept=acceptance,
        headers=answer_headers(found.delivery, str(letter.letter_id), flagged),
    )
    return "accepted"


def number_of(found: LetterAccepted) -> tuple[AgencyCode, str, str] | None:
    """Return sender, number and date of a letter that should not bear those of another; None where it may."""
    letter = found.letter.document
    if found.number is None or letter.replaces is not None:
        return None
    return found.agency, found.number, letter.date.isoformat()


def _flags(writer: Writer, found: LetterAccepted) -> list[str]:
    number = number_of(found)
    flags = ["same-number"] if number and writer.same_number(*number) else []
    if found.number and not found.directory.prefix_fits(found.agency, found.number):
        flags.append("foreign-prefix")
    return flags


def _enter(
    writer: Writer,
    found: LetterAccepted,
    numbers: list[int],
    flags: list[str],
    acceptance: RawDigest,
    answer: int,
    listed: int | None,
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
        recipients=writer.keep(found.recipients.octets, found.recipients.digest),
        consignments=numbers,
        receiptDue=found.receipt_due,
        registrationDue=found.registration_due,
        directory=found.directory.version,
        calendar=found.calendar_version,
        acceptance=acceptance,
        listed=listed,
        answer=answer,
        flags=flags or None,
    )


def _index(writer: Writer, found: LetterAccepted, entry: int, answer: int) -> None:
    """Make the letter findable, its deadlines known, and its id bound to its content."""
    letter = found.letter.document
    writer.letter_accepted(
        LetterRow(
            letter=entry,
            sender=found.agency,
            letter_id=as_letter_id(letter.letter_id),
            digest=found.letter.digest,
            number=letter.number,
            number_normalised=found.number,
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
            {"agency": one.agency, "addressed": one.addressed, "role": one.role}
            for one in found.recipients.recipients
        ],
        files={file.digest: file.size for file in letter.all_files},
        deadlines=deadlines_of(_terms(found)),
        kind=letter.kind,
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


def _terms(found: LetterAccepted) -> dict[str, Any]:
    """What the deadlines of the letter follow from."""
    return {
        "recipients": {one.agency: one.terms for one in found.recipients.recipients},
        "receiptDue": found.receipt_due,
        "registrationDue": found.registration_due,
    }


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
    for one in found.recipients.recipients:
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
