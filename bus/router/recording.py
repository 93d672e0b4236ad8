"""Gate 8: what is decided under the append lock, and written in one transaction.

The gates before judged by a snapshot. Here everything that may have changed since is looked at again; if it has, the
submission goes back to gate 1 (`Stale`), so that nothing is ever signed under the lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.xml import DocumentType
from bus.errors import Rejected, RejectionCode
from bus.ledger.entry import Kind, canonical, timestamp
from bus.ledger.reading import Consignment, LetterRow
from bus.ledger.state import deadlines_of
from bus.ledger.store import Claim, Writer
from bus.router import transitions
from bus.router.delivery import Accepted, Delivery, Examined, Heard, Refused, Repeated
from bus.router.enforce import Versions, versions
from bus.thai import normalise_number

CLAIM_FOR = timedelta(seconds=60)
HELD = "held"
"""The flag by which a sender is told that a recipient is suspended: the letter waits for it and is not refused."""
_CLAIMED_AT_ONCE = 64
"""How many consignments of one letter the router that accepted it publishes by itself; the rest it claims in turn."""


class Stale(Exception):
    """The snapshot that the gates judged by is out of date; the submission is to be examined again."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an append left to be done after the commit."""

    outcome: str
    consignments: tuple[Consignment, ...]
    """What this router publishes by itself."""
    left: bool = False
    """Whether there is more, for a sweep to claim."""


class Recorder:
    """Writes what the gates found; one per router, whose name stands in the claims."""

    def __init__(self, router: str) -> None:
        self._router = router

    def record(self, writer: Writer, found: Examined, judged_by: Versions) -> Recorded:
        """Write one examined submission. Raises Stale when it has to be examined again.

        `judged_by`: the directory and the calendar that the gates used.
        """
        if versions(writer) != judged_by:
            raise Stale
        if found.delivery.replay and not writer.replay_wanted(found.delivery.replay):
            return Recorded("replayed", ())
        hand = _Hand(writer, self._router)
        match found:
            case Accepted():
                outcome = _accept(hand, found)
            case Heard():
                outcome = _hear(hand, found)
            case Refused():
                outcome = _refuse(hand, found)
            case Repeated():
                outcome = hand.repeat(found.agency, found.answer)
        _close_replay(writer, found.delivery, outcome)
        return Recorded(outcome, tuple(hand.given), hand.left)


class _Hand:
    """Gives consignments out under one append and remembers what this router will publish itself."""

    def __init__(self, writer: Writer, router: str) -> None:
        self.writer = writer
        self.given: list[Consignment] = []
        self.left = False
        """Whether something was consigned that the sweep has to claim."""
        self._claim = Claim(router, writer.at + CLAIM_FOR)

    def give(
        self,
        agency: str,
        number: int,
        *,
        type: str,
        entry: int,
        body: bytes,
        headers: Mapping[str, Any],
        letter: int | None = None,
        held: bool = False,
        kept: str | None = None,
    ) -> None:
        # The answer to the submitting agency does not wait for the sweep behind a circular.
        claimed = not held and (len(self.given) < _CLAIMED_AT_ONCE or type in ("verdict", "entry"))
        headers = {"consignment": number, "entry": entry, **headers}
        self.writer.consign(
            agency,
            number,
            type=type,
            entry=entry,
            body=kept or body,
            headers=headers,
            letter=letter,
            held=held,
            claim=self._claim if claimed else None,
        )
        self.left = self.left or not (claimed or held)
        if claimed:
            self.given.append(Consignment(agency, number, entry, letter, type, dict(headers), body))

    def repeat(self, agency: str, number: int) -> str:
        self.writer.repeat(agency, number)
        self.left = True
        return "repeated"

    def number(self, agency: str) -> int:
        return self.writer.numbers([agency])[agency]


def _accept(hand: _Hand, found: Accepted) -> str:
    writer, letter, delivery = hand.writer, found.letter.document, found.delivery
    _still_unanswered(writer, found.agency, "letter", str(letter.letter_id), found.letter.digest)
    normalised = normalise_number(letter.number) if letter.number else None
    flags = _flags(writer, found, letter, normalised)
    # Whose letter waits is in the frozen set and the directory version: a list of thousands fits into no header.
    told = [*flags, HELD] if any(one.held for one in found.recipients) else flags
    numbers = writer.numbers(one.agency for one in found.recipients)
    # A letter to oneself (kind test) is consigned before its acceptance is answered; numbers follow that order.
    answer = hand.number(found.agency)
    frozen = {
        one.agency: {
            "role": one.role,
            "consignment": numbers[one.agency],
            **({"addressed": one.addressed} if one.addressed != one.agency else {}),
            **({"held": True} if one.held else {}),
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
        "judged-at": timestamp(delivery.received_at),
        "sender": found.agency,
        # What should arrive: a recipient that cannot read what did arrive names this letter in its failure.
        "about": str(letter.letter_id),
        "digest": found.letter.digest,
        **({"flags": ",".join(flags)} if flags else {}),
    }
    for one in found.recipients:
        hand.give(
            one.agency,
            numbers[one.agency],
            type="letter",
            entry=entry,
            letter=entry,
            body=delivery.raw,
            kept=raw,
            headers={**shared, "addressed": one.addressed},
            held=one.held,
        )
    hand.give(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.acceptance.raw,
        headers=_answers(delivery, str(letter.letter_id), told),
    )
    return "accepted"


def _hear(hand: _Hand, found: Heard) -> str:
    writer, notice, delivery = hand.writer, found.notice.document, found.delivery
    notice_id = str(notice.notice_id)
    _still_unanswered(writer, found.agency, "notice", notice_id, found.notice.digest)
    state = writer.state_of(found.letter.letter)
    standing = transitions.already_said(notice, found.notice.digest, found.about, state)
    if standing is None:
        try:
            transitions.permitted(notice, found.about, state)
        except Rejected as changed:
            raise Stale from changed
    answer = hand.number(found.agency)
    # A fact that stands already was said under another id or before a restore: the answer names its entry.
    duplicate = standing is not None
    entry = standing.entry if standing else _notice_entry(hand, found, notice, answer)
    writer.submission(
        entry=entry,
        agency=found.agency,
        type="notice",
        id=notice_id,
        digest=found.notice.digest,
        raw=delivery.sha256,
        answer=answer,
    )
    _forward(hand, found, notice, entry, () if duplicate else _listeners(found, state.sender))
    body = canonical(
        {"entry": entry, "notice": notice_id, "digest": found.notice.digest, "duplicate": duplicate}
    )
    hand.give(
        found.agency,
        answer,
        type="entry",
        entry=entry,
        body=body.encode(),
        headers=_answers(delivery, notice_id, []),
    )
    return "duplicate" if duplicate else "heard"


def _notice_entry(hand: _Hand, found: Heard, notice: Notice, answer: int) -> int:
    delivery = found.delivery
    said = notice.registration
    return hand.writer.entry(
        Kind.NOTICE,
        agency=found.agency,
        letter=found.letter.letter,
        document=delivery.raw,
        noticeId=str(notice.notice_id),
        event=notice.event,
        digest=found.notice.digest,
        certificate=found.notice.fingerprint,
        about=list(found.about),
        eventTime=timestamp(notice.event_time),
        receivedAt=timestamp(delivery.received_at),
        supersedes=str(notice.supersedes) if notice.supersedes else None,
        number=said.number if said else None,
        registeredAt=timestamp(said.registered_at) if said else None,
        reason=notice.reason_code,
        directory=found.directory.version,
        answer=answer,
    )


def _forward(hand: _Hand, found: Heard, notice: Notice, entry: int, listeners: tuple[str, ...]) -> None:
    numbers = hand.writer.numbers(listeners)
    for agency in listeners:
        hand.give(
            agency,
            numbers[agency],
            type="notice",
            entry=entry,
            letter=found.letter.letter,
            body=found.delivery.raw,
            headers={
                "judged-at": timestamp(found.delivery.received_at),
                "sender": found.agency,
                "about": str(notice.letter_id),
            },
            held=not found.directory.agencies[agency].active if agency in found.directory.agencies else False,
        )


def _listeners(found: Heard, sender: str) -> tuple[str, ...]:
    """A recipient's notice goes to the letter's sender, a sender's to the recipients that it is about."""
    if found.notice.document.event in transitions.BY_SENDER:
        return found.about
    return (sender,)


def _refuse(hand: _Hand, found: Refused) -> str:
    writer, delivery = hand.writer, found.delivery
    code = found.reason.code
    type_, id_, digest = _bound(found)
    conflict = code is RejectionCode.ID_CONFLICT
    if found.agency:
        known = writer.verdict_on_raw(found.agency, delivery.sha256)
        # The same bytes may meet another refusal now: what the message lacked before, such as its user-id, is no
        # property of the bytes. Only the same reason is the same answer.
        if known and known.code == code and not code.circumstantial:
            return hand.repeat(found.agency, known.answer)
        if id_ and not conflict:
            _still_unanswered(writer, found.agency, type_, id_, digest)
    answer = hand.number(found.agency) if found.agency else None
    entry = writer.entry(
        Kind.CONFLICT if conflict else Kind.REFUSED,
        agency=found.agency or delivery.agency,
        document=delivery.raw,
        code=code.value,
        where=found.reason.where or None,
        submission=delivery.sha256,
        type=type_,
        id=id_ or None,
        digest=digest or None,
        receivedAt=timestamp(delivery.received_at),
        refusal=writer.keep(found.refusal.raw) if found.refusal else None,
        answer=answer,
    )
    if found.agency is None or answer is None or found.refusal is None:
        return "refused"
    # A conflict binds nothing: the id belongs to the document that bore it first.
    bound = {"id": id_, "digest": digest} if id_ and not conflict else {}
    writer.submission(
        entry=entry,
        agency=found.agency,
        type=type_,
        raw=delivery.sha256,
        code=code.value,
        answer=answer,
        **bound,
    )
    hand.give(
        found.agency,
        answer,
        type="verdict",
        entry=entry,
        body=found.refusal.raw,
        headers=_answers(delivery, id_, []),
    )
    return "refused"


def _bound(found: Refused) -> tuple[DocumentType | str, str, str]:
    if found.document is None:
        return "unread", "", ""
    document = found.document.document
    if isinstance(document, Letter):
        return "letter", str(document.letter_id), found.document.digest
    return "notice", str(document.notice_id), found.document.digest


def _still_unanswered(writer: Writer, agency: str, type: str, id: str, digest: str) -> None:
    verdict = writer.verdict_on(agency, type, id)
    if verdict is None:
        return
    if verdict.digest != digest or verdict.code is None or not RejectionCode(verdict.code).circumstantial:
        raise Stale


def _flags(writer: Writer, found: Accepted, letter: Letter, normalised: str | None) -> list[str]:
    flags = []
    if normalised and letter.replaces is None:
        same = writer.same_number(found.agency, normalised, letter.date.isoformat())
        flags += ["same-number"] if same else []
    if normalised and not found.directory.prefix_fits(found.agency, normalised):
        flags.append("foreign-prefix")
    return flags


def _answers(delivery: Delivery, about: str, flags: list[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {"submission": delivery.sha256}
    if about:
        headers["about"] = about
    if flags:
        headers["flags"] = ",".join(flags)
    return headers


def _close_replay(writer: Writer, delivery: Delivery, outcome: str) -> None:
    if delivery.replay is not None:
        writer.entry(
            Kind.REPLAYED,
            agency=delivery.agency,
            request=delivery.replay,
            parked=delivery.parked,
            outcome=outcome,
        )
