"""Recipient sets by their digests: an acceptance names one, and it is kept once for all letters that share it.

Whoever reads an acceptance for its recipients reads it expanded: `recipients` is then no digest, but what is frozen of
each agency with its consignment number.
"""

from __future__ import annotations

from collections import OrderedDict

from sqlalchemy import Connection, select

from bus.documents.recipients import NoRecipientSet, RecipientSet
from bus.errors import BusError
from bus.identifiers import RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import documents

_MOST_IN_MEMORY = 50_000
"""Recipients of the sets that stay in memory, all together: sets never change, and lists of letters share few."""


class Lost(BusError, LookupError):
    """A recipient set that an acceptance names is not in the ledger, or not as it was kept; verify finds it."""


class RecipientSets:
    """The sets that were asked for in one transaction, as many of them as may stay in memory."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._read: OrderedDict[RawDigest, RecipientSet] = OrderedDict()
        self._size = 0

    def named(self, digest: RawDigest) -> RecipientSet:
        """Return a set by its digest. Raises Lost."""
        found = self._read.pop(digest, None)
        if found is None:
            found = self._look_up(digest)
            self._size += len(found.recipients)
        self._read[digest] = found
        while self._size > _MOST_IN_MEMORY and len(self._read) > 1:
            _, oldest = self._read.popitem(last=False)
            self._size -= len(oldest.recipients)
        return found

    def expanded(self, entry: Entry) -> Entry:
        """Return an acceptance with its recipients in the place of their digest; any other entry as it is.

        Raises Lost, also unless there are as many consignment numbers as recipients.
        """
        accepted = entry.body["kind"] == Kind.ACCEPTED
        return with_recipients(entry, self.named(entry.body["recipients"])) if accepted else entry

    def _look_up(self, digest: RawDigest) -> RecipientSet:
        query = select(documents.c.bytes).where(documents.c.sha256 == bytes.fromhex(digest))
        kept = self._connection.scalar(query)
        if kept is None:
            raise Lost(f"its recipient set {digest} is not there")
        try:
            found = RecipientSet.read(bytes(kept))
        except NoRecipientSet as error:
            raise Lost(f"the document {digest} that it names is no recipient set: {error}") from error
        if found.digest != digest:
            raise Lost(f"the bytes of its recipient set {digest} are others")
        return found


def with_recipients(accepted: Entry, found: RecipientSet) -> Entry:
    """Return an acceptance with the members of its set in the place of their digest, each with its number."""
    numbers = accepted.body["consignments"]
    if len(numbers) != len(found.recipients):
        raise Lost(
            f"its recipient set has {len(found.recipients)} members, and it has {len(numbers)} numbers"
        )
    expanded = {
        one.agency: {**one.terms, "consignment": number}
        for one, number in zip(found.recipients, numbers, strict=True)
    }
    return Entry({**accepted.body, "recipients": expanded})
