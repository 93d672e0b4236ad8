"""What can be asked of the ledger; every answer comes from one snapshot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Any, Unpack

from sqlalchemy import Connection, Select, func, select

from bus.identifiers import AgencyCode, ContentDigest, LetterId, RawDigest
from bus.ledger import queries, verdicts
from bus.ledger.acts import Acts
from bus.ledger.agencies import Agencies
from bus.ledger.bodies import with_bodies
from bus.ledger.counting import RefusalCounts
from bus.ledger.directories import Directories
from bus.ledger.due import Due
from bus.ledger.duplicates import Group, duplicates
from bus.ledger.enrolments import Enrolments
from bus.ledger.entry import Entry, Kind
from bus.ledger.facets import MOST, Facets, facets
from bus.ledger.finding import LISTED, Asked, hash_query
from bus.ledger.halt import Wish, reason_of, wishes
from bus.ledger.heads import Heads
from bus.ledger.histories import HistoryReader
from bus.ledger.kept_states import Kept
from bus.ledger.leading import newest
from bus.ledger.named_files import NamedFiles
from bus.ledger.parked import Parked
from bus.ledger.rows import Consignment, LetterRow, Verdict
from bus.ledger.rows_in import as_keys
from bus.ledger.tables import consignments, entries
from bus.ledger.tiles import Tree
from bus.ledger.unaccepted import Unaccepted


class Reader(HistoryReader):
    """Questions to the ledger inside one transaction."""

    def __init__(self, connection: Connection, kept: Kept | None = None) -> None:
        super().__init__(connection, kept)
        self._prefetched: dict[verdicts.SubmissionKey, Verdict | None] = {}
        self._numbers: dict[tuple[AgencyCode, str, str], bool] = {}

    def prefetch(self, wanted: Collection[tuple[AgencyCode, str, str]]) -> None:
        """Ask in one question for the verdicts on many (agency, type, id), which `verdict_on` then knows."""
        if wanted:
            self._prefetched |= dict.fromkeys(wanted)
            self._prefetched |= verdicts.verdicts_on(self._connection, wanted)

    def head(self) -> int:
        """Return the number of the newest entry, 0 in an empty ledger."""
        return self._current().scalar(select(func.max(entries.c.seq))) or 0

    def halted(self) -> str | None:
        """Return why the ledger is halted, None if it is not."""
        return reason_of(self._current())

    def halt_wishes(self) -> tuple[Wish, ...]:
        """Return what one person wants of the halt, for another one to confirm."""
        return wishes(self._current())

    def newest(self) -> Entry | None:
        """Return the newest entry, None in an empty ledger."""
        return self._entry(queries.NEWEST)

    def latest(self, kind: Kind) -> Entry | None:
        """Return the newest entry of a kind."""
        return self._entry(queries.LATEST, kind=kind)

    def latest_seq(self, kind: Kind) -> int:
        """Return the number of the newest entry of a kind, 0 if there is none."""
        return self._current().scalar(queries.LATEST_SEQ, {"kind": kind}) or 0

    def entries(self, *, after: int = 0, kind: Kind | None = None, limit: int = 1000) -> list[Entry]:
        """Return up to `limit` entries numbered above `after`, in order."""
        query = select(entries.c.body).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
        query = query.where(entries.c.kind == kind) if kind else query
        return [Entry(json.loads(text)) for text in self._current().scalars(query)]

    def tree(self) -> Tree:
        """Return the Merkle tree over the entries of this snapshot."""
        return Tree(self._current())

    @property
    def directories(self) -> Directories:
        """What is asked of the directory's versions."""
        return Directories(self._current())

    @property
    def enrolments(self) -> Enrolments:
        """What is asked of agencies that join and renew."""
        return Enrolments(self._current())

    @property
    def heads(self) -> Heads:
        """What is asked of the signed heads."""
        return Heads(self._current())

    @cached_property
    def refusals(self) -> RefusalCounts:
        """What was refused in each hour; the counts of an append are written at once."""
        return RefusalCounts(self._connection)

    def document(self, sha256: RawDigest) -> bytes | None:
        """Return raw bytes by their SHA-256 (hexadecimal)."""
        found = self._current().scalar(queries.DOCUMENT, {"sha256": bytes.fromhex(sha256)})
        return bytes(found) if found is not None else None

    def must_document(self, entry: Entry) -> bytes:
        """Return the raw bytes kept with an entry. Raises LookupError when the ledger has lost them."""
        found = self.document(entry.document) if entry.document else None
        if found is None:
            raise LookupError(f"entry {entry.seq} has no document")
        return found

    def verdict_on(self, agency: AgencyCode, type: str, id: str) -> Verdict | None:
        """Return the newest verdict on a submission that got past gate 6 under this id."""
        if (agency, type, id) in self._prefetched:
            return self._prefetched[agency, type, id]
        return verdicts.verdict_on(self._current(), agency, type, id)

    def verdict_on_raw(self, agency: AgencyCode, raw: RawDigest) -> Verdict | None:
        """Return the newest verdict on exactly these raw bytes, by their SHA-256."""
        return verdicts.verdict_on_raw(self._current(), agency, raw)

    def answered_by(self, agency: AgencyCode, answers: Sequence[int]) -> list[Verdict]:
        """Return the verdicts that these consignments brought to an agency, in order."""
        return verdicts.answered_by(self._current(), agency, answers)

    def given_with(self, entry: int, agency: AgencyCode | None = None) -> tuple[int, RawDigest] | None:
        """Return number and document of a consignment that came of an entry, to this agency or to anybody."""
        query = select(consignments.c.number, consignments.c.document).where(consignments.c.entry == entry)
        if agency is not None:
            query = query.where(consignments.c.agency == agency)
        row = self._current().execute(query.order_by(consignments.c.number).limit(1)).first()
        return (row.number, RawDigest(bytes(row.document).hex())) if row else None

    def letter(self, number: int) -> LetterRow | None:
        """Return a letter by the ledger number of its acceptance."""
        return self._letter(queries.LETTER, number=number)

    def letter_named(self, letter_id: LetterId, digest: ContentDigest | None) -> LetterRow | None:
        """Return the letter that a notice speaks of: its id and its digest together."""
        return self._letter(queries.LETTER_NAMED, id=letter_id, digest=digest)

    def _letter(self, query: Select[Any], **values: Any) -> LetterRow | None:
        row = self._current().execute(query, values).first()
        return LetterRow(*row) if row else None

    def find_letters(
        self, *, before: int | None = None, limit: int = 1000, **asked: Unpack[Asked]
    ) -> list[LetterRow]:
        """Return the letters to which everything asked for applies, newest first.

        `before` is a ledger number to go on from.
        """
        return [LetterRow(*row) for row in newest(self._current(), LISTED, asked, before, limit)]

    def facets(self, *, most: int = MOST, **asked: Unpack[Asked]) -> Facets:
        """Return how many of the letters to which everything applies there are of each sender, kind, speed and day."""
        return facets(self._current(), asked, most=most)

    @property
    def acts(self) -> Acts:
        """What is asked of the entries of some kinds, agencies or times, either way."""
        return Acts(self._current())

    def duplicates(self) -> list[Group]:
        """Return the groups of letters that look like one letter sent twice."""
        return duplicates(self._current())

    def letters_by_hash(self, sha256: str) -> list[LetterRow]:
        """Return the letters with this digest, and those that a document of this SHA-256 is or is about."""
        return [LetterRow(*row) for row in self._current().execute(hash_query(sha256))]

    @property
    def unaccepted(self) -> Unaccepted:
        """What is asked of the submissions that were refused or parked."""
        return Unaccepted(self._current())

    @property
    def parked(self) -> Parked:
        """What is asked of the parked submissions and of their replays."""
        return Parked(self._current())

    def every(self, kind: Kind) -> Iterator[Entry]:
        """Yield all entries of a kind, in order."""
        after = 0
        while batch := self.entries(after=after, kind=kind):
            yield from batch
            after = batch[-1].seq

    def prefetch_numbers(self, wanted: Collection[tuple[AgencyCode, str, str]]) -> None:
        """Ask in one question which of many (sender, number, date) there are, which `same_number` then knows."""
        if wanted:
            self._numbers.update(dict.fromkeys(wanted, False))
            dialect = self._connection.dialect.name
            found = self._connection.execute(
                queries.numbers_among(dialect), {"keys": as_keys(dialect, list(wanted))}
            )
            self._numbers.update((tuple(row), True) for row in found)

    def same_number(self, sender: AgencyCode, normalised: str, dated: str) -> bool:
        """Whether a letter of this sender bears this number and date."""
        same = (sender, normalised, dated)
        if same not in self._numbers:
            self.prefetch_numbers([same])
        return self._numbers[same]

    @property
    def named_files(self) -> NamedFiles:
        """What is asked of the files that letters name."""
        return NamedFiles(self._current())

    @property
    def agencies(self) -> Agencies:
        """What is asked of how agencies stand with the bus."""
        return Agencies(self._current())

    @property
    def due(self) -> Due:
        """What is asked of the deadlines that have not been judged yet."""
        return Due(self._current())

    def consignment(self, agency: AgencyCode, number: int) -> Consignment | None:
        """Return one consignment with its bytes."""
        return next(iter(self.consignments([(agency, number)])), None)

    def consignments(self, keys: Sequence[tuple[AgencyCode, int]]) -> list[Consignment]:
        """Return the consignments under these (agency, number) pairs with their bytes, in order per agency."""
        return with_bodies(self._current(), keys)
