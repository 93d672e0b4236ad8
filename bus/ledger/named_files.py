"""Questions about the files that accepted letters name: what the depot keeps, and for whom."""

from __future__ import annotations

from sqlalchemy import Connection, select

from bus.identifiers import AgencyCode, RawDigest
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
