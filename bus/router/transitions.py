"""Where a notice falls in the life of its letter, by what the ledger says; `documents/lifecycle.py` as refusals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from bus.documents import lifecycle
from bus.documents.lifecycle import BY_SENDER, ONCE, Violation
from bus.documents.notice import Notice
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, as_letter_id
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import Fact, LetterState

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
    """As far as the notice is about it: of its author alone, unless that is the sender."""
    about: tuple[AgencyCode, ...]
    same: Fact | None
    """The same fact, if the ledger has it already."""

    def listeners(self, event: str) -> tuple[AgencyCode, ...]:
        """Return who is to hear it: of a recipient's notice the letter's sender, of a sender's those that it is about.

        Nobody hears a fact that the ledger has already.
        """
        if self.same is not None:
            return ()
        return self.about if event in BY_SENDER else (self.state.sender,)


def place(notice: Notice, digest: ContentDigest, author: AgencyCode, reader: Reader) -> Place:
    """Return where a notice of this content digest falls. Raises Refused, with a code of BY_STATE or `incomplete`.

    What is said once is looked for by what it says before its id is looked at: a mailbox brought back from a backup
    makes the same receipt anew, with the same id and another time.
    """
    verdict = reader.verdict_on(author, "notice", str(notice.notice_id))
    other = verdict is not None and verdict.binds_other(digest)
    _require(notice.event in ONCE or not other, RefusalCode.ID_CONFLICT, str(notice.notice_id))
    letter = reader.letter_named(as_letter_id(notice.letter_id), notice.letter_digest)
    if letter is None:
        raise Refused(RefusalCode.NOTICE_LETTER_UNKNOWN, str(notice.letter_id), where="LetterID")
    # Only a sender speaks of all; for what one of thousands says of itself, the others' answers are not read.
    whole = notice.event in BY_SENDER and author == letter.sender
    state = reader.state_of(letter.letter) if whole else reader.state_with(letter, author)
    about = concerned(notice, author, state)
    same = known_fact(notice, digest, about, state)
    if same is None:
        taken = other and verdict is not None and verdict.code is None
        _require(not taken, RefusalCode.ID_CONFLICT, str(notice.notice_id))
        require_permitted(notice, about, state)
    return Place(letter, state, about, same)


def concerned(notice: Notice, author: AgencyCode, state: LetterState) -> tuple[AgencyCode, ...]:
    """Return the recipients that a notice is about. Raises Refused when its author may not say it of them."""
    found = lifecycle.concerned(
        notice.event, author, notice.about, sender=state.sender, recipients=state.addressed
    )
    if isinstance(found, Violation):
        raise Refused(found.code, found.detail)
    return found


def require_permitted(notice: Notice, about: tuple[AgencyCode, ...], state: LetterState) -> None:
    """Raise Refused unless the notice is complete and may follow on what was said before about each recipient."""
    if missing := lifecycle.lacking(notice.event, partial(getattr, notice)):
        raise Refused(RefusalCode.NOTICE_INCOMPLETE, missing)
    supersedes = str(notice.supersedes) if notice.supersedes else None
    for code in about:
        if wrong := lifecycle.violation(notice.event, supersedes, code, state.recipients[code].progress):
            raise Refused(wrong.code, wrong.detail)


def known_fact(
    notice: Notice, digest: ContentDigest, about: tuple[AgencyCode, ...], state: LetterState
) -> Fact | None:
    """Return the fact if the ledger has it: the same notice again, or what is said once, said anew."""
    facts = (fact for code in about for fact in state.recipients[code].events)
    if notice.event in ONCE:
        return next((fact for fact in facts if fact.event == notice.event), None)
    same = (str(notice.notice_id), digest)
    return next((fact for fact in facts if (fact.notice_id, fact.digest) == same), None)


def _require(holds: bool, code: RefusalCode, detail: str) -> None:
    if not holds:
        raise Refused(code, detail)
