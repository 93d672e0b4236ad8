"""The ledger: one door for reading, one for appending, none for changing.

`append` holds the append lock (database.py says why) and gives a Writer; what it collects goes to the database in one
batch per table and is committed together, so that a letter, its entry, its frozen recipients, its consignment numbers
and its pending consignments are there together or not at all. Several letters may share one commit: group commit.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Table, and_, delete, select, update

from bus.directory import Changes
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.ledger import halt, tiles
from bus.ledger.database import CACHE_KB, FRUGAL_KB, appending, open_engine, reading, working
from bus.ledger.entry import VERSION, Kind, canonical, columns, timestamp
from bus.ledger.heads import keep_cosignature, keep_head
from bus.ledger.history import History
from bus.ledger.inserting import insert_many
from bus.ledger.kept_states import Kept, KeptStates
from bus.ledger.numbers import last_numbers
from bus.ledger.reading import Reader
from bus.ledger.rows import Consignment, Head, LetterRow, Verdict
from bus.ledger.state import LetterState
from bus.ledger.tables import (
    consignments,
    directory_records,
    documents,
    due,
    entries,
    letter_files,
    letter_kinds,
    letters,
    pending,
    recipients,
    submissions,
    unaccepted,
    watermarks,
)
from bus.ledger.unaccepted import index_row
from bus.ledger.work import ANYONE, AT_ONCE, Lease, Whose, batched, free, hold, lease_some, strike
from bus.thai import now

_ORDER = (
    *(documents, entries, letters, recipients, letter_files, submissions, unaccepted, consignments),
    *(directory_records, pending, due, letter_kinds),
)
_IGNORING = (documents, pending)


class Ledger:
    """A ledger in one database, a context manager; safe for several threads and, on PostgreSQL, several processes."""

    def __init__(self, url: str, *, tiles_folder: Path | None = None, frugal: bool = False) -> None:
        """A `frugal` one takes less memory and more time: states of letters to many do not stay in it."""
        self.engine = open_engine(url, tiles_folder, cache_kb=FRUGAL_KB if frugal else CACHE_KB)
        self._kept = Kept(states=KeptStates(0)) if frugal else Kept()

    @contextmanager
    def append(self) -> Iterator[Writer]:
        """Give a Writer under the append lock; everything it took is committed at the end, or nothing.

        Raises Transient when the database is away or locked, or the ledger is halted (halt.py); any other error is a
        bug, and nothing was written.
        """
        with appending(self.engine) as connection:
            halt.require_none(connection)
            writer = Writer(connection, self._kept)
            began_at = writer.next_seq - 1
            yield writer
            writer.flush()
            tiles.extend(connection, began_at, writer.next_seq - 1)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Give a Reader over one snapshot. Raises Transient when the database is away."""
        with reading(self.engine) as connection:
            yield Reader(connection, self._kept)

    def lease(self, lease: Lease, *, limit: int, per_agency: int, whose: Whose = ANYONE) -> list[Consignment]:
        """Lease waiting consignments for a router and return them with their bytes, in order per agency.

        At most `limit` in all and `per_agency` of one agency, of the agencies `whose` alone. Not an append: on
        PostgreSQL it runs beside appends and passes over rows that another router is leasing (SKIP LOCKED). Raises
        Halted while nothing can be recorded: what is published then would be published again and again.
        """
        with reading(self.engine) as connection:
            # Mostly there is nothing, and SQLite's one write lock is left to the appends.
            if connection.execute(select(pending.c.number).where(free(whose)).limit(1)).first() is None:
                return []
            halt.require_none(connection)
        with working(self.engine) as connection:
            return lease_some(connection, lease, limit, per_agency, whose)

    def release_leases(self, router: str | None, agency: AgencyCode | None = None) -> None:
        """Let go of what a router has leased, of one agency or of all; None means every router."""
        query = update(pending).values(leased_by=None, leased_until=None)
        if router:
            query = query.where(pending.c.leased_by == router)
        if agency:
            query = query.where(pending.c.agency == agency)
        with working(self.engine) as connection:
            connection.execute(query)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Writer(Reader):
    """Appends inside one transaction; a Reader of what stood before and of what it appended itself."""

    def __init__(self, connection: Connection, kept: Kept | None = None) -> None:
        super().__init__(connection, kept)
        self._before, self._keeps = Reader(connection, kept), False  # what is read may come to nothing
        self._rows: dict[Table, list[dict[str, Any]]] = defaultdict(list)
        newest = self._before.newest()
        self._seq = newest.seq if newest else 0
        self._last: dict[AgencyCode, int] = {}
        self._latest: dict[Kind, int] = {}
        self._kept: set[bytes] = set()
        self._unflushed: set[int] = set()
        """The letters that collected entries are about."""
        self._priors: dict[int, int] = {}
        self._verdicts: dict[tuple[str, ...], Verdict] = {}
        self._own_numbers: set[tuple[AgencyCode, str | None, str]] = set()
        # Clocks of several routers differ, and clocks are set back; the ledger's time never runs backwards.
        self.at = max(now(), newest.at) if newest else now()
        """The ledger time of this append."""

    # -- reads: each sees what this append has collected; the frequent ones without flushing it first --

    def _current(self) -> Connection:
        self.flush()
        return self._connection

    @property
    def connection(self) -> Connection:
        """The transaction itself, with everything in it that was collected; for this room's own modules."""
        return self._current()

    def prefetch(self, wanted: Collection[tuple[AgencyCode, str, str]]) -> None:
        self._before.prefetch(wanted)

    def verdict_on(self, agency: AgencyCode, type: str, id: str) -> Verdict | None:
        return self._verdicts.get((agency, type, id)) or self._before.verdict_on(agency, type, id)

    def verdict_on_raw(self, agency: AgencyCode, raw: RawDigest) -> Verdict | None:
        return self._verdicts.get((agency, raw)) or self._before.verdict_on_raw(agency, raw)

    def entries_of(self, letter: int, *, since: int = 0) -> History:
        self._flush_about(letter)
        return self._before.entries_of(letter, since=since)

    def state_with(self, letter: LetterRow, agency: AgencyCode) -> LetterState:
        self._flush_about(letter.letter)
        return self._before.state_with(letter, agency)

    def _flush_about(self, letter: int) -> None:
        if letter in self._unflushed:
            self.flush()

    def prefetch_numbers(self, wanted: Collection[tuple[AgencyCode, str, str]]) -> None:
        self._before.prefetch_numbers(wanted)

    def same_number(self, sender: AgencyCode, normalised: str, dated: str) -> bool:
        same = (sender, normalised, dated)
        return same in self._own_numbers or self._before.same_number(*same)

    def latest_seq(self, kind: Kind) -> int:
        if kind not in self._latest:
            self._latest[kind] = self._before.latest_seq(kind)
        return self._latest[kind]

    # -- what is remembered --

    def entry(
        self,
        kind: Kind,
        *,
        agency: AgencyCode | None = None,
        letter: int | None = None,
        document: bytes | None = None,
        sha256: RawDigest | None = None,
        **details: Any,
    ) -> int:
        """Append an entry and return its number; an acceptance is about the letter that it gives its own number.

        `sha256` is that of the document, where it is known already.
        """
        self._seq += 1
        if kind is Kind.ACCEPTED:
            letter, prior = self._seq, None
        else:
            prior = self.newest_of(letter) if letter is not None else None
        body: dict[str, Any] = {"v": VERSION, "seq": self._seq, "at": timestamp(self.at), "kind": str(kind)}
        if agency is not None:
            body["agency"] = agency
        if letter is not None:
            body["letter"] = letter
            self._priors[letter] = self._seq
            self._unflushed.add(letter)
        if prior is not None:
            body["prior"] = prior
        if document is not None:
            body["document"] = self.keep(document, sha256)
        body.update((key, value) for key, value in details.items() if value is not None)
        self._rows[entries].append(columns(canonical(body), body))
        if row := index_row(body):
            self._rows[unaccepted].append(row)
        self._latest[kind] = self._seq
        return self._seq

    @property
    def next_seq(self) -> int:
        """The number that the next entry will get."""
        return self._seq + 1

    def keep(self, raw: bytes, known: RawDigest | None = None) -> RawDigest:
        """Keep raw bytes and return their SHA-256 (hexadecimal); the same bytes are kept once.

        `known` is that SHA-256 where it is known already: nothing is hashed twice while all others wait.
        """
        sha256 = bytes.fromhex(known) if known else hashlib.sha256(raw).digest()
        if sha256 not in self._kept:
            self._kept.add(sha256)
            self._rows[documents].append({"sha256": sha256, "bytes": raw})
        return RawDigest(sha256.hex())

    def numbers(self, agencies: Iterable[AgencyCode]) -> dict[AgencyCode, int]:
        """Take the next consignment number of each agency's inbox."""
        wanted = list(agencies)
        self.prefetch_last_numbers(wanted)
        taken = {}
        for code in wanted:
            self._last[code] += 1
            taken[code] = self._last[code]
        return taken

    def last_number(self, agency: AgencyCode) -> int:
        """Return the newest consignment number of an agency's inbox, 0 before the first."""
        self.prefetch_last_numbers([agency])
        return self._last[agency]

    def prefetch_last_numbers(self, agencies: Collection[AgencyCode]) -> None:
        """Look up in one question how far many inboxes have come."""
        unknown = [code for code in agencies if code not in self._last]
        if unknown:
            self._last |= last_numbers(self._connection, unknown)

    def consign(
        self,
        agency: AgencyCode,
        number: int,
        *,
        type: str,
        entry: int,
        document: RawDigest,
        headers: Mapping[str, Any],
        letter: int | None = None,
        on_hold: bool = False,
        lease: Lease | None = None,
    ) -> dict[str, Any]:
        """Put bytes that are kept (by their SHA-256) on the way to an inbox, under a number taken before.

        Return the headers that go with them: those given, the number and the entry.
        """
        headers = {"consignment": number, "entry": entry, **headers}
        self._rows[consignments].append(
            {
                "agency": agency,
                "number": number,
                "entry": entry,
                "letter": letter,
                "type": type,
                "document": bytes.fromhex(document),
                "headers": canonical(headers),
            }
        )
        self._pend(agency, number, on_hold=on_hold, lease=lease)
        return headers

    def letter_accepted(
        self,
        row: LetterRow,
        *,
        frozen: Iterable[Mapping[str, str]],
        files: Mapping[RawDigest, int],
        deadlines: Iterable[tuple[str, str]],
        kind: str | None = None,
    ) -> None:
        """Index an accepted letter: its row, kind, frozen recipients, files (size by SHA-256) and deadlines."""
        self._own_numbers.add((row.sender, row.number_normalised, row.dated))
        self._rows[letters].append(row.columns())
        self._rows[letter_kinds].append({"letter": row.letter, "kind": kind})
        self._rows[recipients].extend({"letter": row.letter, **one} for one in frozen)
        self._rows[letter_files].extend(
            {"letter": row.letter, "sha256": sha256, "size": size} for sha256, size in files.items()
        )
        self._rows[due].extend({"letter": row.letter, "deadline": name, "at": at} for name, at in deadlines)

    def submission(
        self,
        *,
        entry: int,
        agency: AgencyCode,
        type: str,
        raw: RawDigest,
        answer: int,
        id: str | None = None,
        digest: ContentDigest | None = None,
        code: str | None = None,
    ) -> None:
        """Remember the verdict on a submission; with `id` and `digest` it binds that id."""
        self._verdicts[(agency, raw)] = verdict = Verdict(entry, digest, code, answer)
        if id is not None:
            self._verdicts[(agency, type, id)] = verdict
        about = {"type": type, "id": id, "digest": digest, "raw": raw, "code": code}
        self._rows[submissions].append({"entry": entry, "agency": agency, "answer": answer, **about})

    def newest_of(self, letter: int) -> int | None:
        """Return the number of the newest entry about a letter, by this append or before it."""
        if letter not in self._priors:
            self.prefetch_priors([letter])
        return self._priors.get(letter)

    def prefetch_priors(self, wanted: Collection[int]) -> None:
        """Look up in few questions the newest entry about each of many letters."""
        for some in batched([letter for letter in wanted if letter not in self._priors], AT_ONCE):
            self._priors.update(self._before.newest_about(some))

    def directory_changes(self, version: int, changes: Changes) -> None:
        """Remember what a version of the directory has otherwise than the one before."""
        rows = ({"key": key, "version": version, "line": line} for key, line in changes.items())
        self._rows[directory_records].extend(rows)

    # -- the head of the tree --

    def sign_head(self, head: Head, *, anchor: bool) -> None:
        """Keep a signed head, unless it is there; as an anchor, ask the witnesses for it."""
        keep_head(self._current(), head, anchor=anchor, at=self.at)

    def cosigned(self, size: int, agency: AgencyCode, line: str) -> bool:
        """Keep a witness's signature line; False if this witness has cosigned that head before."""
        return keep_cosignature(self._current(), size, agency, line, at=self.at)

    # -- work lists --

    def repeat(self, agency: AgencyCode, number: int) -> None:
        """Send a consignment that was given before once more, under its old number.

        If it is on its way just now, it may have been read before this was asked for: it goes out once more after that.
        """
        self.repeat_all(agency, [number])

    def repeat_all(self, agency: AgencyCode, numbers: Sequence[int]) -> int:
        """The same for many; return how many there are."""
        self.flush()
        mine = and_(pending.c.agency == agency, pending.c.leased_by.is_not(None))
        for some in batched(numbers, AT_ONCE):
            in_flight = and_(mine, pending.c.number.in_(some))
            self._connection.execute(update(pending).where(in_flight).values(again=True))
        for number in numbers:
            self._pend(agency, number, on_hold=False, repeat=True)  # where it is pending, that row stays
        return len(numbers)

    def _pend(
        self,
        agency: AgencyCode,
        number: int,
        *,
        on_hold: bool,
        repeat: bool = False,
        lease: Lease | None = None,
    ) -> None:
        self._rows[pending].append(
            {
                "agency": agency,
                "number": number,
                "on_hold": on_hold,
                "repeat": repeat,
                "leased_by": lease.router if lease else None,
                "leased_until": timestamp(lease.until) if lease else None,
            }
        )

    def confirmed(self, done: Iterable[Consignment]) -> bool:
        """Strike consignments off the pending list and record them as consigned; tell if some are to go out again.

        One entry per letter, and one for all that belongs to no letter (answers, directory versions); none for what
        was only said again, nor for what was struck off before: two routers may have published the same.
        """
        found = {(one.agency, one.number): one for one in done}
        by_letter: dict[int | None, dict[AgencyCode, list[int]]] = defaultdict(lambda: defaultdict(list))
        again: list[tuple[AgencyCode, int]] = []
        self.flush()
        for some in batched(sorted(found), AT_ONCE):
            for agency, number, repeat, asked_again in strike(self._connection, some):
                if asked_again:
                    again.append((agency, number))
                if not repeat:
                    by_letter[found[agency, number].letter][agency].append(number)
        self.prefetch_priors([letter for letter in by_letter if letter is not None])
        for letter, agencies in by_letter.items():
            self.entry(Kind.CONSIGNED, letter=letter, recipients=agencies)
        for agency, number in again:
            self._pend(agency, number, on_hold=False, repeat=True)
        return bool(again)

    def hold(self, suspended: Iterable[AgencyCode]) -> None:
        """Hold the letters and notices of suspended agencies and release those of all others."""
        self.flush()
        for agency in hold(self._connection, list(suspended)):
            self.entry(Kind.RELEASED, agency=agency, recipients=[agency])

    def deadline_done(self, letter: int, deadline: str, at: str) -> bool:
        """Strike a deadline off the list; tell whether it stood there."""
        self.flush()
        this = (due.c.letter == letter, due.c.deadline == deadline, due.c.at == at)
        return self._connection.execute(delete(due).where(*this)).rowcount > 0

    def set_watermark(self, router: str, cluster: str, at: datetime) -> None:
        """Note that a router has seen a broker cluster's intake empty."""
        self._connection.execute(delete(watermarks).filter_by(router=router, cluster=cluster))
        row = {"router": router, "cluster": cluster, "empty_at": timestamp(at)}
        self._connection.execute(watermarks.insert(), [row])

    def flush(self) -> None:
        """Give what was collected to the database, so that this transaction's reads see it."""
        self._unflushed.clear()
        for table in _ORDER:
            if rows := self._rows.pop(table, None):
                insert_many(self._connection, table, rows, ignoring=table in _IGNORING)
