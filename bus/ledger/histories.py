"""What can be asked of the entries about a letter, and of the states that they come to, in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, select

from bus.identifiers import AgencyCode
from bus.ledger import queries
from bus.ledger.database import tuples
from bus.ledger.entry import Entry
from bus.ledger.history import History
from bus.ledger.kept_states import Kept
from bus.ledger.numbers import newest_about
from bus.ledger.recipient_sets import RecipientSets
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState, continued, fold
from bus.ledger.tables import entries


class HistoryReader:
    """Questions about entries and states of letters; `kept` is what the same ledger has in memory."""

    _keeps = True

    def __init__(self, connection: Connection, kept: Kept | None = None) -> None:
        kept = kept or Kept()
        self._connection = connection
        self._states = kept.states
        self.recipient_sets = RecipientSets(connection, kept.sets)

    def _current(self) -> Connection:
        """The connection to ask; whoever also appends brings it up to date first."""
        return self._connection

    def entry_at(self, seq: int) -> Entry | None:
        return self._entry(queries.ENTRY, seq=seq)

    def _entry(self, query: Select[Any], **values: Any) -> Entry | None:
        text = self._current().scalar(query, values)
        return Entry(json.loads(text)) if text else None

    def entries_of(self, letter: int, *, since: int = 0) -> History:
        """Return every entry about a letter, in order, from one on."""
        return History(tuples(self._current(), queries.ENTRIES_OF, {"letter": letter, "since": since}))

    def newest_about(self, some: Sequence[int]) -> dict[int, int]:
        """Return, by letter, the number of the newest entry about it."""
        return newest_about(self._current(), some)

    def state_of(self, letter: int) -> LetterState:
        """Return a letter's state: the fold over its entries."""
        state = self._known(letter) or self.folded(self.entries_of(letter))
        self._keep(state)
        return state

    def _known(self, letter: int) -> LetterState | None:
        """The state by one in memory and what was entered since; None where this snapshot is older than that."""
        known = self._states.of(letter)
        if known is None:
            return None
        since = self.entries_of(letter, since=known.newest)
        if not since or since[0].seq != known.newest:
            return None
        return continued(known, since[1:]) if since[1:] else known

    def _keep(self, state: LetterState) -> None:
        if self._keeps:
            self._states.keep(state)

    def folded(self, about: Iterable[Entry]) -> LetterState:
        """Return the state of the letter whose entries these are, as `entries_of` gives them."""
        return fold(map(self.recipient_sets.expanded, about))

    def state_with(self, letter: LetterRow, agency: AgencyCode) -> LetterState:
        """Return what `state_of` says of one recipient, the only one of this state; of none if the agency is none.

        Read are the acceptance and what the bus, the agency and the sender said: of a circular that thousands have
        answered, a few entries.
        """
        accepted = self.entry_at(letter.letter)
        if accepted is None:
            raise LookupError(f"the ledger has no entry {letter.letter}")
        said = self._said_of(letter.letter, (agency, letter.sender))
        return fold([self.recipient_sets.one_of(accepted, agency), *said])

    def _said_of(self, letter: int, by: Sequence[AgencyCode]) -> list[Entry]:
        """What the bus and these agencies said of a letter since its acceptance, in order."""
        texts = self._current().scalars(queries.SAID_OF, {"letter": letter, "by": by})
        found = [Entry(json.loads(text)) for text in texts]
        return sorted(found, key=lambda entry: entry.seq)

    def states_of(self, some: Sequence[int]) -> dict[int, LetterState]:
        """Return the states of several letters, by ledger number."""
        known = {letter: state for letter in some if (state := self._known(letter))}
        others = [letter for letter in some if letter not in known]
        query = select(entries.c.letter, entries.c.body).where(entries.c.letter.in_(others))
        rows = self._current().execute(query.order_by(entries.c.letter, entries.c.seq)) if others else ()
        for letter, group in groupby(rows, key=lambda row: row.letter):
            known[letter] = self.folded(Entry(json.loads(row.body)) for row in group)
        for state in known.values():
            self._keep(state)
        return dict(sorted(known.items()))
