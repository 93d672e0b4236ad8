"""Recipient sets by their digests: an acceptance names one, and it is kept once for all letters that share it.

Whoever reads an acceptance for its recipients reads it expanded: `recipients` is then no digest, but what is frozen of
each agency with its consignment number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

from sqlalchemy import Connection, select

from bus.documents.recipients import NoRecipientSet, Recipient, RecipientSet
from bus.errors import BusError
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import documents

_MOST_IN_MEMORY = 50_000
"""Recipients of the sets that stay in memory, all together: sets never change, and letters share few."""


class Lost(BusError, LookupError):
    """A recipient set that an acceptance names is not in the ledger, or not as it was kept; verify finds it."""


class KeptSets:
    """The sets of one ledger that were asked for last, as many of them as may stay in memory; for several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: OrderedDict[RawDigest, RecipientSet] = OrderedDict()
        self._size = 0

    def named(self, digest: RawDigest) -> RecipientSet | None:
        """Return a set by its digest; None if it is not here."""
        with self._lock:
            if found := self._read.get(digest):
                self._read.move_to_end(digest)
            return found

    def keep(self, found: RecipientSet) -> None:
        """Have one more, in the place of those that were not asked for the longest."""
        with self._lock:
            if found.digest not in self._read:
                self._read[found.digest] = found
                self._size += len(found.recipients)
            while self._size > _MOST_IN_MEMORY and len(self._read) > 1:
                _, oldest = self._read.popitem(last=False)
                self._size -= len(oldest.recipients)


class RecipientSets:
    """The sets that are asked for in one transaction; `kept` are those that the same ledger had before."""

    def __init__(self, connection: Connection, kept: KeptSets | None = None) -> None:
        self._connection = connection
        self._kept = kept or KeptSets()

    def named(self, digest: RawDigest) -> RecipientSet:
        """Return a set by its digest. Raises Lost."""
        found = self._kept.named(digest)
        if found is None:
            found = self._look_up(digest)
            self._kept.keep(found)
        return found

    def one_of(self, entry: Entry, agency: AgencyCode) -> Entry:
        """Return an acceptance with one of its recipients alone, with none where the agency is none. Raises Lost."""
        found, numbers = self.named(entry.body["recipients"]), entry.body["consignments"]
        _require_as_many(numbers, found)
        place = bisect_left(found.recipients, agency, key=lambda one: one.agency)
        some = found.recipients[place : place + 1]
        its = {one.agency: _expanded(one, numbers[place]) for one in some if one.agency == agency}
        return Entry({**entry.body, "recipients": its})

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
    _require_as_many(numbers, found)
    both = zip(found.recipients, numbers, strict=True)
    return Entry(
        {**accepted.body, "recipients": {one.agency: _expanded(one, number) for one, number in both}}
    )


def _expanded(one: Recipient, number: int) -> dict[str, Any]:
    return {**one.terms, "consignment": number}


def _require_as_many(numbers: Sequence[int], found: RecipientSet) -> None:
    if len(numbers) != len(found.recipients):
        raise Lost(
            f"its recipient set has {len(found.recipients)} members, and it has {len(numbers)} numbers"
        )
