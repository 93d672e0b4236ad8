"""What can be asked of the ledger; every answer comes from one snapshot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Unpack

from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select

from bus.ledger.among import among
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.finding import Asked, letters_query
from bus.ledger.heads import Heads
from bus.ledger.rows import Consignment, LetterRow, Verdict
from bus.ledger.state import LetterState, fold
from bus.ledger.tables import (
    consignments,
    documents,
    due,
    entries,
    letter_files,
    letters,
    pending,
    recipients,
    submissions,
    watch,
)
from bus.ledger.tiles import Tree
from bus.ledger.unaccepted import Unaccepted

_VERDICT_COLUMNS = (submissions.c.entry, submissions.c.digest, submissions.c.code, submissions.c.answer)
_VERDICT = (
    select(*_VERDICT_COLUMNS)
    .where(submissions.c.agency == bindparam("agency"))
    .order_by(submissions.c.answer.desc())
    .limit(1)
)
# Asked for every letter, and so built once: building a query costs more than running it.
_VERDICT_ON = _VERDICT.where(submissions.c.type == bindparam("type"), submissions.c.id == bindparam("id"))
_VERDICT_ON_RAW = _VERDICT.where(submissions.c.raw == bindparam("raw"))
_NUMBER = (letters.c.sender, letters.c.number_normalised, letters.c.dated)


class Reader:
    """Questions to the ledger inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._foreseen: dict[tuple[str, str, str], Verdict | None] = {}
        self._numbers: dict[tuple[str, str, str], bool] = {}

    def foresee(self, wanted: Collection[tuple[str, str, str]]) -> None:
        """Ask in one question for the verdicts on many (agency, type, id), which `verdict_on` then knows."""
        if not wanted:
            return
        self._foreseen.update(dict.fromkeys(wanted))
        key = (submissions.c.agency, submissions.c.type, submissions.c.id)
        these = among(self._connection, key, list(wanted))
        query = select(*key, *_VERDICT_COLUMNS).where(these).order_by(submissions.c.answer)
        for agency, type_, id_, *verdict in self._connection.execute(query):
            self._foreseen[agency, type_, id_] = Verdict(*verdict)

    def _current(self) -> Connection:
        """The connection to ask; whoever also appends brings it up to date first."""
        return self._connection

    def head(self) -> int:
        """Return the number of the newest entry, 0 in an empty ledger."""
        return self._current().scalar(select(func.max(entries.c.seq))) or 0

    def newest(self) -> Entry | None:
        """Return the newest entry, None in an empty ledger."""
        text = self._current().scalar(select(entries.c.body).order_by(entries.c.seq.desc()).limit(1))
        return Entry(json.loads(text)) if text else None

    def entry_at(self, seq: int) -> Entry | None:
        text = self._current().scalar(select(entries.c.body).where(entries.c.seq == seq))
        return Entry(json.loads(text)) if text else None

    def latest(self, kind: Kind) -> Entry | None:
        """Return the newest entry of a kind."""
        query = select(entries.c.body).where(entries.c.kind == kind).order_by(entries.c.seq.desc()).limit(1)
        text = self._current().scalar(query)
        return Entry(json.loads(text)) if text else None

    def latest_seq(self, kind: Kind) -> int:
        """Return the number of the newest entry of a kind, 0 if there is none."""
        query = select(entries.c.seq).where(entries.c.kind == kind).order_by(entries.c.seq.desc()).limit(1)
        return self._current().scalar(query) or 0

    def entries(self, *, after: int = 0, kind: Kind | None = None, limit: int = 1000) -> list[Entry]:
        """Return up to `limit` entries numbered above `after`, in order."""
        query = select(entries.c.body).where(entries.c.seq > after).order_by(entries.c.seq).limit(limit)
        if kind:
            query = query.where(entries.c.kind == kind)
        return [Entry(json.loads(text)) for text in self._current().scalars(query)]

    def entries_of(self, letter: int) -> list[Entry]:
        """Return every entry about a letter, in order."""
        query = select(entries.c.body).where(entries.c.letter == letter).order_by(entries.c.seq)
        return [Entry(json.loads(text)) for text in self._current().scalars(query)]

    def newest_about(self, some: Sequence[int]) -> dict[int, int]:
        """Return, by letter, the number of the newest entry about it."""
        query = select(entries.c.letter, func.max(entries.c.seq)).where(entries.c.letter.in_(some))
        return {letter: seq for letter, seq in self._current().execute(query.group_by(entries.c.letter))}

    def tree(self) -> Tree:
        """Return the Merkle tree over the entries of this snapshot."""
        return Tree(self._current())

    @property
    def heads(self) -> Heads:
        """What is asked of the signed heads."""
        return Heads(self._current())

    def state_of(self, letter: int) -> LetterState:
        """Return a letter's state: the fold over its entries."""
        return fold(self.entries_of(letter))

    def states_of(self, some: Sequence[int]) -> dict[int, LetterState]:
        """Return the states of several letters, by ledger number."""
        query = select(entries.c.letter, entries.c.body).where(entries.c.letter.in_(some))
        rows = self._current().execute(query.order_by(entries.c.letter, entries.c.seq))
        return {
            letter: fold(Entry(json.loads(row.body)) for row in group)
            for letter, group in groupby(rows, key=lambda row: row.letter)
        }

    def document(self, sha256: str) -> bytes | None:
        """Return raw bytes by their SHA-256 (hexadecimal)."""
        query = select(documents.c.bytes).where(documents.c.sha256 == bytes.fromhex(sha256))
        found = self._current().scalar(query)
        return bytes(found) if found is not None else None

    def must_document(self, entry: Entry) -> bytes:
        """Return the raw bytes kept with an entry. Raises LookupError when the ledger has lost them."""
        found = self.document(entry.document) if entry.document else None
        if found is None:
            raise LookupError(f"entry {entry.seq} has no document")
        return found

    def verdict_on(self, agency: str, type: str, id: str) -> Verdict | None:
        """Return the newest verdict on a submission that got past gate 6 under this id."""
        if (agency, type, id) in self._foreseen:
            return self._foreseen[agency, type, id]
        return self._verdict(_VERDICT_ON, {"agency": agency, "type": type, "id": id})

    def verdict_on_raw(self, agency: str, raw: str) -> Verdict | None:
        """Return the newest verdict on exactly these raw bytes, by their SHA-256."""
        return self._verdict(_VERDICT_ON_RAW, {"agency": agency, "raw": raw})

    def _verdict(self, query: Select[Any], values: dict[str, str]) -> Verdict | None:
        row = self._current().execute(query, values).first()
        return Verdict(*row) if row else None

    def letter(self, number: int) -> LetterRow | None:
        """Return a letter by the ledger number of its acceptance."""
        return self._letter(letters.c.letter == number)

    def letter_named(self, letter_id: str, digest: str) -> LetterRow | None:
        """Return the letter that a notice speaks of: its id and its digest together."""
        return self._letter(letters.c.letter_id == letter_id, letters.c.digest == digest)

    def _letter(self, *where: Any) -> LetterRow | None:
        row = self._current().execute(select(letters).where(*where)).first()
        return LetterRow(*row) if row else None

    def find_letters(
        self, *, before: int | None = None, limit: int = 1000, **asked: Unpack[Asked]
    ) -> list[LetterRow]:
        """Return the letters to which everything asked for applies, newest first.

        `before` is a ledger number to go on from.
        """
        return [LetterRow(*row) for row in self._current().execute(letters_query(before, limit, asked))]

    def letters_by_hash(self, sha256: str) -> list[LetterRow]:
        """Return the letters with this digest, and those that a document of this SHA-256 is or is about."""
        raw = select(entries.c.letter).where(entries.c.document == bytes.fromhex(sha256))
        query = select(letters).where(or_(letters.c.digest == sha256, letters.c.letter.in_(raw)))
        return [LetterRow(*row) for row in self._current().execute(query.order_by(letters.c.letter.desc()))]

    @property
    def unaccepted(self) -> Unaccepted:
        """What is asked of the submissions that were refused or parked."""
        return Unaccepted(self._current())

    def unanswered_replays(self) -> list[Entry]:
        """Return the requests to replay a parked submission that have not been carried out yet."""
        done = {entry.body["request"] for entry in self.every(Kind.REPLAYED)}
        return [entry for entry in self.every(Kind.REPLAY_REQUESTED) if entry.seq not in done]

    def replay_wanted(self, request: int) -> bool:
        """Whether a request to replay has not been carried out yet; of several routers, one does it."""
        return all(entry.body["request"] != request for entry in self.every(Kind.REPLAYED))

    def parked(self) -> list[Entry]:
        """Return the parked submissions that no replay has brought through the gates."""
        done = self._brought_through()
        return [entry for entry in self.every(Kind.PARKED) if entry.seq not in done]

    def parked_count(self) -> int:
        """Return how many submissions are parked, without reading them; replays are few."""
        query = select(func.count()).select_from(entries).where(entries.c.kind == Kind.PARKED)
        return (self._current().scalar(query) or 0) - len(self._brought_through())

    def _brought_through(self) -> set[int]:
        return {one.body["parked"] for one in self.every(Kind.REPLAYED) if one.body["outcome"] != "parked"}

    def every(self, kind: Kind) -> Iterator[Entry]:
        """Yield all entries of a kind, in order."""
        after = 0
        while batch := self.entries(after=after, kind=kind):
            yield from batch
            after = batch[-1].seq

    def foresee_numbers(self, wanted: Collection[tuple[str, str, str]]) -> None:
        """Ask in one question which of many (sender, number, date) there are, which `same_number` then knows."""
        if wanted:
            self._numbers.update(dict.fromkeys(wanted, False))
            query = select(*_NUMBER).where(among(self._connection, _NUMBER, list(wanted)))
            self._numbers.update((tuple(row), True) for row in self._connection.execute(query))

    def same_number(self, sender: str, normalised: str, dated: str) -> bool:
        """Whether a letter of this sender bears this number and date."""
        same = (sender, normalised, dated)
        if same not in self._numbers:
            self.foresee_numbers([same])
        return self._numbers[same]

    def is_party(self, agency: str, sha256: str) -> bool:
        """Whether an accepted letter names the file and the agency sent it or is among its recipients."""
        named = select(letter_files.c.letter).where(letter_files.c.sha256 == sha256)
        sent = select(letters.c.letter).where(letters.c.letter.in_(named), letters.c.sender == agency)
        got = select(recipients.c.letter).where(recipients.c.letter.in_(named), recipients.c.agency == agency)
        return self._current().execute(sent.union_all(got).limit(1)).first() is not None

    def is_named(self, sha256: str) -> bool:
        """Whether any accepted letter names the file."""
        query = select(letter_files.c.letter).where(letter_files.c.sha256 == sha256).limit(1)
        return self._current().execute(query).first() is not None

    def waiting_by_agency(self) -> dict[str, tuple[int, int]]:
        """Return, for each agency with waiting consignments, how many, and how many more are held."""
        query = select(pending.c.agency, pending.c.held, func.count()).group_by(
            pending.c.agency, pending.c.held
        )
        counts: dict[str, tuple[int, int]] = {}
        for agency, held, count in self._current().execute(query):
            waiting, kept = counts.get(agency, (0, 0))
            counts[agency] = (waiting, kept + count) if held else (waiting + count, kept)
        return counts

    def due_before(self, moment: datetime, *, limit: int) -> list[tuple[int, str, str]]:
        """Return (letter, deadline, due time) of the deadlines that have passed and are not judged yet."""
        query = select(due.c.letter, due.c.deadline, due.c.at).where(due.c.at < timestamp(moment))
        rows = self._current().execute(query.order_by(due.c.at).limit(limit))
        return [(row.letter, row.deadline, row.at) for row in rows]

    def watches(self) -> dict[str, str]:
        """Return when each router last saw the intake empty."""
        return {row.router: row.seen_empty for row in self._current().execute(select(watch))}

    def consignment(self, agency: str, number: int) -> Consignment | None:
        """Return one consignment with its bytes."""
        return next(iter(self.consignments([(agency, number)])), None)

    def consignments(self, keys: Sequence[tuple[str, int]]) -> list[Consignment]:
        """Return the consignments under these (agency, number) pairs with their bytes, in order per agency."""
        joined = consignments.join(documents, consignments.c.document == documents.c.sha256)
        these = among(self._connection, (consignments.c.agency, consignments.c.number), keys)
        query = select(consignments, documents.c.bytes).select_from(joined).where(these)
        found = self._current().execute(query.order_by(consignments.c.agency, consignments.c.number))
        return [_consignment(row) for row in found]


def _consignment(row: Row[Any]) -> Consignment:
    return Consignment(
        agency=row.agency,
        number=row.number,
        entry=row.entry,
        letter=row.letter,
        type=row.type,
        headers=json.loads(row.headers),
        body=bytes(row.bytes),
    )
