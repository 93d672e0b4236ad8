"""The end of gate 7: what the depot says of a letter's files, and the acceptance or the refusal that is signed then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from bus.depot.presence import Check, Presence
from bus.documents.notice import Terms
from bus.errors import Refused
from bus.ledger.entry import timestamp
from bus.router import policy
from bus.router.delivery import LetterAccepted, LetterChecked, Outcome, SubmissionRefused
from bus.router.gates import Rules
from bus.router.refusing import refused
from bus.thai import normalise_number, now


def files_of(found: Iterable[LetterChecked | Outcome | Exception]) -> list[Check]:
    """Return what the depot is to be asked: every file of every letter that passed, in order."""
    return [
        Check(one.agency, file.digest, file.size)
        for one in found
        if isinstance(one, LetterChecked)
        for file in one.letter.document.all_files
    ]


def conclude(
    found: Sequence[LetterChecked | Outcome | Exception], presences: Iterable[Presence], rules: Rules
) -> list[Outcome | Exception]:
    """Finish gate 7 with the depot's answer to `files_of(found)`, and sign the acceptances."""
    answer = iter(presences)
    return [_concluded(one, answer, rules) if isinstance(one, LetterChecked) else one for one in found]


def _concluded(one: LetterChecked, answer: Iterator[Presence], rules: Rules) -> Outcome | Exception:
    letter = one.letter.document
    # Taken before anything can fail: the next letter's presences stand behind these.
    presences = tuple(islice(answer, len(letter.all_files)))
    try:
        policy.require_files(letter, presences)
        return _accepted(one, rules)
    except Refused as reason:
        return _refused(one, reason, rules)
    except Exception as error:
        return error


def _refused(one: LetterChecked, reason: Refused, rules: Rules) -> SubmissionRefused:
    answered = one.agency if rules.directory.has_inbox(one.agency) else None
    found = refused(rules.answers, rules.directory, one.delivery, reason, answered, one.letter)
    number = one.letter.document.number
    return replace(found, claims={"number": number}) if number else found


def _accepted(one: LetterChecked, rules: Rules) -> LetterAccepted:
    letter = one.letter.document
    at = one.delivery.received_at
    receipt_due = rules.calendar.receipt_due(letter.speed, at)
    registers = letter.acknowledgement == "registration"
    registration_due = rules.calendar.registration_due(letter.speed, at, None) if registers else None
    terms = Terms(
        recipients_digest=one.recipients.digest,
        recipient_count=len(one.recipients.recipients),
        recipients=one.recipients.named,
        directory_version=one.directory.version,
        calendar_version=rules.calendar.version,
        receipt_due_by=receipt_due,
        registration_due_by=registration_due,
    )
    acceptance = rules.answers.accepted(
        letter_id=letter.letter_id, digest=one.letter.digest, received_at=at, now=now(), terms=terms
    )
    return LetterAccepted(
        delivery=one.delivery,
        agency=one.agency,
        letter=one.letter,
        number=normalise_number(letter.number) if letter.number else None,
        directory=one.directory,
        recipients=one.recipients,
        calendar_version=rules.calendar.version,
        receipt_due=timestamp(receipt_due),
        registration_due=timestamp(registration_due) if registration_due else None,
        acceptance=acceptance,
    )
