"""Questions about the files that accepted letters name: what the depot keeps, and for whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.moments import last_by
from bus.ledger.tables import letter_files, letters, recipients


class NamedFiles:
    """The files of letters, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_party(self, agency: AgencyCode, sha256: RawDigest) -> bool:
        """Whether an accepted letter names the file and the agency sent it or is among its recipients."""
        named = select(letter_files.c.letter).where(letter_files.c.sha256 == sha256)
        sent = select(letters.c.letter).where(letters.c.letter.in_(named), letters.c.sender == agency)
        got = select(recipients.c.letter).where(recipients.c.letter.in_(named), recipients.c.agency == agency)
        return self._connection.execute(sent.union_all(got).limit(1)).first() is not None

    def is_named(self, sha256: RawDigest) -> bool:
        """Whether any accepted letter names the file."""
        query = select(letter_files.c.letter).where(letter_files.c.sha256 == sha256).limit(1)
        return self._connection.execute(query).first() is not None

    def after(self, sha256: str, *, limit: int) -> list[RawDigest]:
        """Return the next files that any letter names, by their SHA-256."""
        page = select(letter_files.c.sha256).where(letter_files.c.sha256 > sha256).distinct()
        return list(self._connection.scalars(page.order_by(letter_files.c.sha256).limit(limit)))

    def naming(self, some: Sequence[RawDigest]) -> Mapping[RawDigest, Mapping[int, int]]:
        """Return by file the letters that name it, each with the size that it states."""
        table, found = letter_files, defaultdict[RawDigest, dict[int, int]](dict)
        query = select(table.c.sha256, table.c.letter, table.c.size).where(table.c.sha256.in_(some))
        for sha256, letter, size in self._connection.execute(query):
            found[sha256][letter] = size
        return found

    def accepted_by(self, moment: str) -> int:
        """Return the number of the last letter that was accepted by a ledger time, 0 if there was none."""
        return last_by(self._connection, letters.c.letter, letters.c.accepted_at, moment) or 0
