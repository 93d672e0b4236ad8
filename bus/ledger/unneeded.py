"""Which of the depot's files nobody waits for any more: what a term of retention would let go of, and what not.

A file may go once every letter that names it was accepted before the term, every recipient of these has received it
and answered for it, no answer is disputed, and the last that was said of any of them was said before the term. Who was
merely silent, or could not take the letter over, may still fetch it: then it stays. Nothing here removes anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bus.identifiers import RawDigest
from bus.ledger.reading import Reader
from bus.ledger.state import LetterState
from bus.ledger.work import batched

_AT_ONCE = 200
"""Files of one page."""
_FOLDED = 20
"""Letters whose states are in memory together: each may have thousands of recipients."""


class Need(StrEnum):
    """Why a file stays."""

    TERM = "within the term"
    RECEIPT = "a recipient has not received it"
    ANSWER = "a recipient has not answered"
    DISPUTE = "an answer is disputed"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that letters name, and why it stays; None where a term would let go of it."""

    sha256: RawDigest
    size: int
    letters: tuple[int, ...]
    need: Need | None


def files_named(reader: Reader, before: str) -> Iterator[NamedFile]:
    """Yield every file that a letter names, by its SHA-256; `before` is the ledger time at which the term began."""
    oldest, last = reader.named_files.accepted_by(before), ""
    while some := reader.named_files.after(last, limit=_AT_ONCE):
        yield from _of_page(reader, some, oldest, before)
        last = some[-1]


def _of_page(reader: Reader, some: Sequence[RawDigest], oldest: int, before: str) -> Iterator[NamedFile]:
    by_file = reader.named_files.naming(some)
    # Of a file that a newer letter names, no letter need be folded.
    old = sorted({letter for named in by_file.values() if max(named) <= oldest for letter in named})
    needs: dict[int, Need | None] = {}
    for letters in batched(old, _FOLDED):
        needs |= {letter: need_of(state, before) for letter, state in reader.states_of(letters).items()}
    for sha256, named in sorted(by_file.items()):
        numbers = tuple(sorted(named))
        found = [needs.get(letter, Need.TERM) for letter in numbers]
        yield NamedFile(sha256, max(named.values()), numbers, next(filter(None, found), None))


def need_of(state: LetterState, before: str) -> Need | None:
    """Return why the files of a letter stay, None if nobody needs them any more."""
    some = state.recipients.values()
    if any(one.receipt is None for one in some):
        return Need.RECEIPT
    if state.asks_registration and any(one.answer is None for one in some):
        return Need.ANSWER
    if any(one.disputed for one in some):
        return Need.DISPUTE
    said = max((fact.at for one in some for fact in one.events), default=state.received_at)
    return None if said < before else Need.TERM
