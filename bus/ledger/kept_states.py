"""States of letters to many, kept in memory: of a circular only what was entered since is read, also under a lock.

What was committed never changes, so that a state is good for ever as the state after its newest entry. Whoever reads an
older snapshot, in which that entry is not, folds from the beginning.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from bus.ledger.recipient_sets import KeptSets
from bus.ledger.state import LetterState

_FROM = 100
"""Recipients from which on a state is kept: those of fewer are folded faster than they are looked for."""
_MOST_IN_MEMORY = 20_000
"""Recipients of the kept states, all together."""


class KeptStates:
    """The states of one ledger that were asked for last, as many as may stay in memory; for several threads."""

    def __init__(self, most: int = _MOST_IN_MEMORY) -> None:
        """`most` recipients may stay, or one state that has more; with 0 none does."""
        self._most = most
        self._lock = Lock()
        self._states: OrderedDict[int, LetterState] = OrderedDict()
        self._size = 0

    def of(self, letter: int) -> LetterState | None:
        """Return a letter's state after some entry, None if none is here."""
        with self._lock:
            if found := self._states.get(letter):
                self._states.move_to_end(letter)
            return found

    def keep(self, state: LetterState) -> None:
        """Have one more, unless a newer one of its letter is here, in the place of those not asked for the longest."""
        size = len(state.recipients)
        if size < _FROM or not self._most:
            return
        with self._lock:
            before = self._states.get(state.letter)
            if before is not None and before.newest >= state.newest:
                return
            self._states[state.letter] = state
            self._states.move_to_end(state.letter)
            self._size += 0 if before is not None else size
            while self._size > self._most and len(self._states) > 1:
                _, oldest = self._states.popitem(last=False)
                self._size -= len(oldest.recipients)


@dataclass(frozen=True, slots=True)
class Kept:
    """What one ledger has in memory for all that read it."""

    sets: KeptSets = field(default_factory=KeptSets)
    states: KeptStates = field(default_factory=KeptStates)
