"""Which notice may be said, by whom, and when: the state machine of a delivery, as refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bus.documents.notice import Event, Notice
from bus.errors import RefusalCode, Refused
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import ANSWERS, LetterState, RecipientState, Said
from bus.ledger.transitions import BY_RECIPIENT, BY_SENDER

MACHINE = frozenset({Event.DELIVERED, Event.HANDOVER_FAILED})
"""Said by a machine, once: a repeat, even under another id or with another time, is the same fact."""
BY_STATE = frozenset(
    {
        RefusalCode.ID_CONFLICT,
        RefusalCode.NOTICE_LETTER_UNKNOWN,
        RefusalCode.NOTICE_NOT_A_PARTY,
        RefusalCode.NOTICE_NOT_YOURS_TO_SAY,
        RefusalCode.NOTICE_ALREADY_ANSWERED,
        RefusalCode.NOTICE_SUPERSEDES_FOREIGN,
        RefusalCode.NOTICE_WITHDRAWAL_TOO_LATE,
        RefusalCode.NOTICE_NOTHING_TO_ANSWER,
    }
)
"""What is refused because of what the ledger says: looked at again under the append lock, as acceptances are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a notice falls in the life of its letter."""

    letter: LetterRow
    state: LetterState
    about: tuple[str, ...]
    said: Said | None
    """The same fact, if the ledger has it already."""


def place(notice: Notice, digest: str, author: str, reader: Reader) -> Place:
    """Return where a notice of this content digest falls. Raises Refused, with a code of BY_STATE or `incomplete`.

    A machine's notice is looked for by what it says before its id is looked at: a mailbox brought back from a backup
    makes the same receipt anew, with the same id and another time.
    """
    machine = notice.event in MACHINE
    verdict = reader.verdict_on(author, "notice", str(notice.notice_id))
    other = verdict is not None and verdict.digest != digest
    _require(machine or not other, RefusalCode.ID_CONFLICT, str(notice.notice_id))
    letter = reader.letter_named(str(notice.letter_id), str(notice.letter_digest))
    if letter is None:
        raise Refused(RefusalCode.NOTICE_LETTER_UNKNOWN, str(notice.letter_id), where="LetterID")
    state = reader.state_of(letter.letter)
    about = concerned(notice, author, state)
    said = already_said(notice, digest, about, state)
    if said is None:
        taken = other and verdict is not None and verdict.code is None
        _require(not taken, RefusalCode.ID_CONFLICT, str(notice.notice_id))
        permitted(notice, about, state)
    return Place(letter, state, about, said)


def concerned(notice: Notice, author: str, state: LetterState) -> tuple[str, ...]:
    """Return the recipients that a notice is about. Raises Refused when its author may not say it of them."""
    event = notice.event
    if event in BY_RECIPIENT:
        _require(author in state.recipients, RefusalCode.NOTICE_NOT_A_PARTY, author)
        foreign = [code for code in notice.about if code not in (author, state.recipients[author].addressed)]
        _require(not foreign, RefusalCode.NOTICE_NOT_YOURS_TO_SAY, ", ".join(foreign))
        return (author,)
    if event in BY_SENDER:
        party = author in state.recipients
        _require(author == state.sender or party, RefusalCode.NOTICE_NOT_A_PARTY, author)
        _require(author == state.sender, RefusalCode.NOTICE_NOT_YOURS_TO_SAY, event)
        return _named(notice, state)
    raise Refused(RefusalCode.NOTICE_NOT_YOURS_TO_SAY, event)


def permitted(notice: Notice, about: tuple[str, ...], state: LetterState) -> None:
    """Raise Refused unless the notice may follow on what was said before about each of the recipients."""
    rule = _RULES.get(Event(notice.event), _nothing_to_ask)
    for code in about:
        rule(notice, state.recipients[code])


def already_said(notice: Notice, digest: str, about: tuple[str, ...], state: LetterState) -> Said | None:
    """Return the fact if the ledger has it: the same notice again, or a machine's notice said anew."""
    heard = (word for code in about for word in state.recipients[code].said)
    if notice.event in MACHINE:
        return next((word for word in heard if word.event == notice.event), None)
    same = (str(notice.notice_id), digest)
    return next((word for word in heard if (word.notice_id, word.digest) == same), None)


def _named(notice: Notice, state: LetterState) -> tuple[str, ...]:
    by_address = {one.addressed: code for code, one in state.recipients.items()}
    codes = tuple(dict.fromkeys(by_address.get(code, code) for code in notice.about)) or tuple(
        state.recipients
    )
    strangers = [code for code in codes if code not in state.recipients]
    _require(not strangers, RefusalCode.NOTICE_NOT_A_PARTY, ", ".join(strangers))
    return codes


def _nothing_to_ask(_notice: Notice, _recipient: RecipientState) -> None:
    """A machine's word may come at any time, also late."""


def _answer(notice: Notice, recipient: RecipientState) -> None:
    if notice.event == Event.REGISTERED:
        _require(notice.registration is not None, RefusalCode.NOTICE_INCOMPLETE, "Registration")
    if notice.event == Event.REFUSED:
        _require(bool(notice.reason_texts or notice.reason_code), RefusalCode.NOTICE_INCOMPLETE, "ReasonText")
    if notice.event == Event.TRANSFERRED:
        _require(notice.successor is not None, RefusalCode.NOTICE_INCOMPLETE, "Successor")
    if recipient.status == "withdrawn":
        raise Refused(RefusalCode.NOTICE_ALREADY_ANSWERED, "withdrawn")
    if notice.supersedes is None:
        _require(recipient.answer is None, RefusalCode.NOTICE_ALREADY_ANSWERED, recipient.agency)
        return
    in_force = recipient.answer
    _require(
        in_force is not None and in_force.notice_id == str(notice.supersedes),
        RefusalCode.NOTICE_SUPERSEDES_FOREIGN,
        str(notice.supersedes),
    )


def _dispute(_notice: Notice, recipient: RecipientState) -> None:
    answer = recipient.answer
    _require(
        answer is not None and answer.event == Event.REGISTERED,
        RefusalCode.NOTICE_NOTHING_TO_ANSWER,
        recipient.agency,
    )


def _request_withdrawal(_notice: Notice, recipient: RecipientState) -> None:
    # A letter that was taken back stays so: another request would bring it back to life.
    _require(recipient.status != "withdrawn", RefusalCode.NOTICE_ALREADY_ANSWERED, "withdrawn")
    answer = recipient.answer
    registered = answer is not None and answer.event == Event.REGISTERED
    _require(not registered, RefusalCode.NOTICE_WITHDRAWAL_TOO_LATE, recipient.agency)


def _answer_withdrawal(_notice: Notice, recipient: RecipientState) -> None:
    word = recipient.withdrawal
    _require(
        word is not None and word.event == Event.WITHDRAWAL_REQUESTED,
        RefusalCode.NOTICE_NOTHING_TO_ANSWER,
        recipient.agency,
    )


def _settle(notice: Notice, _recipient: RecipientState) -> None:
    _require(notice.other_means is not None, RefusalCode.NOTICE_INCOMPLETE, "OtherMeans")


def _require(holds: bool, code: RefusalCode, detail: str) -> None:
    if not holds:
        raise Refused(code, detail)


_RULES: Mapping[Event, Callable[[Notice, RecipientState], None]] = {
    **dict.fromkeys(ANSWERS, _answer),
    Event.NUMBER_DISPUTED: _dispute,
    Event.WITHDRAWAL_REQUESTED: _request_withdrawal,
    Event.WITHDRAWAL_GRANTED: _answer_withdrawal,
    Event.WITHDRAWAL_DECLINED: _answer_withdrawal,
    Event.SETTLED: _settle,
}
