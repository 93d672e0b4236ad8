"""Letters of other agencies, from the moment their signature held until they are delivered, with their files.

A letter is here at most once, whatever is delivered again. Delivered means: the signed bytes and every file are
durable here; the receipt is put into the outbox in the same transaction that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from adapters.mailbox.arrivals import conclude
from adapters.mailbox.database import Database
from adapters.mailbox.drafts import Sealed
from adapters.mailbox.entries import LONGEST_PAUSE
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.notices import say
from adapters.mailbox.pings import received_ping
from adapters.mailbox.prepared import Prepared, Row, any_of
from adapters.mailbox.tables import inbox, inbox_files, news, outbox
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest, LetterId, RawDigest
from bus.thai import normalise_number, now


class InboxState(StrEnum):
    """How far a received letter has come."""

    FETCHING = "fetching"
    DELIVERED = "delivered"
    FAILED = "failed"
    RESTORING = "restoring"
    """Delivered; a file has gone from the store since, and is being fetched again."""
    INCOMPLETE = "incomplete"
    """Delivered; a file has gone from the store since, and cannot be had again."""

    @property
    def delivered(self) -> bool:
        """Whether it has been delivered, whatever has become of its files."""
        return self in (InboxState.DELIVERED, InboxState.RESTORING, InboxState.INCOMPLETE)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxLetter:
    """One row of the inbox."""

    id: int
    arrival: int
    consignment: int
    letter_id: LetterId
    sender: AgencyCode
    sender_name: str
    digest: ContentDigest
    addressed: AgencyCode
    flags: tuple[str, ...]
    entry: int | None
    number: str | None
    date: str
    subject: str | None
    state: InboxState
    attempts: int
    last_error: str | None
    verified_at: str
    delivered_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxFile:
    """A file of a received letter, named by content; `name` is the sender's and no path."""

    position: int
    name: str
    sha256: RawDigest
    size: int
    media_type: str
    stored: bool


class Inbox:
    """Rows are added, completed or failed; nothing is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def admit(self, arrival: Arrival, letter: Letter, digest: ContentDigest) -> InboxLetter | None:
        """Add a verified letter; None if it is here already. Refused if its id stands for another content."""
        sender, letter_id = arrival.header("sender"), str(letter.letter_id)
        with self._database.writing() as connection:
            known = _KNOWN.first(connection, {"letter": letter_id, "from": sender})
            if known and known["digest"] != digest:
                raise Refused(RefusalCode.ID_CONFLICT, f"received before with digest {known['digest']}")
            if known:
                conclude(connection, arrival.id, ArrivalState.DUPLICATE)
                return None
            row = _add(connection, arrival, letter, digest)
            conclude(connection, arrival.id, ArrivalState.DONE)
            return _one(connection, row)

    def fetching(
        self, at: float, limit: int, *, but: Sequence[int] = (), longest: float = LONGEST_PAUSE
    ) -> list[InboxLetter]:
        """Letters whose files are to be fetched now, except the rows in `but`; what a fast clock put off is due."""
        values = {"at": at, "but": list(but), "most": limit, "bound": at + longest}
        return self._database.rows(_FETCHING, received, values)

    def next_due(self, *, but: Sequence[int] = ()) -> float | None:
        """When the next letter's files are to be fetched (Unix time), if any but the rows in `but` lacks some."""
        return self._database.scalar(_NEXT_DUE, {"but": list(but)})

    def files(self, row: int) -> list[InboxFile]:
        """The files of a letter, the main file first."""
        return self.files_of([row])[row]

    def files_of(self, rows: Sequence[int]) -> dict[int, list[InboxFile]]:
        """The files of several letters, each one's main file first."""
        found: dict[int, list[InboxFile]] = {row: [] for row in rows}
        with self._database.reading() as connection:
            for row in _FILES.all(connection, {"rows": list(rows)}):
                values = {name: row[name] for name in InboxFile.__slots__}
                found[row["inbox"]].append(InboxFile(**values | {"stored": bool(row["stored"])}))
        return found

    def postpone(self, row: int, *, next_attempt_at: float, error: str) -> None:
        """Fetch the letter's files again later."""
        values = {"attempts": inbox.c.attempts + 1, "next_attempt_at": next_attempt_at, "last_error": error}
        self._database.execute(update(inbox).where(inbox.c.id == row).values(**values))

    def deliver(
        self, row: int, stored: Sequence[int], receipt: Notice, reference: str, sealed: Sealed | None = None
    ) -> None:
        """Call a letter delivered and put its receipt into the outbox, in one transaction, `sealed` if it is already.

        `stored` are the positions of the files that were found durable here: it takes all of them.
        """
        with self._database.writing() as connection:
            _STORED.run(connection, {"row": row, "files": list(stored)})
            if _MISSING.first(connection, {"row": row}):
                raise AssertionError("a receipt is asked for before every file is stored")
            if _finish(connection, row, InboxState.DELIVERED, error=None):
                say(connection, receipt, reference, content_key=reference, sealed=sealed)

    def fail(self, row: int, failure: Notice, reference: str, reason: str) -> None:
        """Give a letter up whose file is refused for good, and say so to its sender, in one transaction."""
        with self._database.writing() as connection:
            if _finish(connection, row, InboxState.FAILED, error=reason):
                say(connection, failure, reference, content_key=reference)

    def reject(self, arrival: int, failure: Notice, reference: str, *, reason: str, detail: str) -> None:
        """Quarantine what came as a letter and is none, and say so, in one transaction."""
        with self._database.writing() as connection:
            conclude(connection, arrival, ArrivalState.QUARANTINED, reason=reason, detail=detail)
            say(connection, failure, reference, content_key=reference)
            self._database.added(outbox)

    def restore(self, row: int, reason: str) -> None:
        """Have the files of a delivered letter fetched again that are not here; no second receipt comes of it."""
        again = (InboxState.DELIVERED, InboxState.RESTORING)
        with self._database.writing():
            self._pass(row, *again, next_attempt_at=0.0, attempts=0, last_error=reason)
            self._database.added(inbox)

    def restored(self, row: int) -> None:
        """Say that all of them are durable here once more."""
        self._pass(row, InboxState.RESTORING, InboxState.DELIVERED, last_error=None)

    def lost(self, row: int, reason: str) -> None:
        """Say that one of them cannot be had again."""
        self._pass(row, InboxState.RESTORING, InboxState.INCOMPLETE, last_error=reason)

    def _pass(self, row: int, before: InboxState, after: InboxState, **values: object) -> None:
        change = update(inbox).where(inbox.c.id == row, inbox.c.state == before)
        self._database.execute(change.values(state=after, **values))

    def get(self, row: int) -> InboxLetter:
        """The row of this number, which is there."""
        with self._database.reading() as connection:
            return _one(connection, row)

    def counts(self) -> dict[str, int]:
        """How many letters there are in each state."""
        query = select(inbox.c.state, func.count()).group_by(inbox.c.state)
        with self._database.reading() as connection:
            return {state: count for state, count in connection.execute(query)}

    def troubled(self, limit: int = 100) -> list[InboxLetter]:
        """Letters that are not delivered yet for some trouble, or failed, newest first."""
        query = select(inbox).where(inbox.c.state != InboxState.DELIVERED, inbox.c.last_error.is_not(None))
        return self._database.rows(query.order_by(inbox.c.id.desc()).limit(limit), received)

    def senders(self, letter_id: LetterId, digest: ContentDigest | None) -> list[AgencyCode]:
        """Who has sent the letter of this id and content: another agency may have chosen the same id."""
        values = {"letter": letter_id, "digest": digest}
        return self._database.rows(_SENDERS, lambda row: AgencyCode(row["sender"]), values)

    def letters(
        self,
        *,
        letter_id: LetterId | None = None,
        number: str | None = None,
        digest: ContentDigest | None = None,
        limit: int = 1000,
    ) -> list[InboxLetter]:
        """Letters, newest first; only those of an id, a number or a content digest if one is given."""
        normal = None if number is None else normalise_number(number)
        wanted = {inbox.c.letter_id: letter_id, inbox.c.digest: digest, inbox.c.number_normal: normal}
        these = [column == value for column, value in wanted.items() if value is not None]
        return self._database.rows(
            select(inbox).where(*these).order_by(inbox.c.id.desc()).limit(limit), received
        )


def _add(connection: Connection, arrival: Arrival, letter: Letter, digest: ContentDigest) -> int:
    values = {
        "arrival": arrival.id,
        "consignment": arrival.consignment,
        "letter_id": str(letter.letter_id),
        "sender": arrival.header("sender"),
        "sender_name": letter.sender.name,
        "digest": digest,
        "addressed": arrival.header("addressed"),
        "flags": arrival.header("flags"),
        "entry": arrival.number("entry"),
        "number": letter.number,
        "number_normal": normalise_number(letter.number) if letter.number else None,
        "date": letter.date.isoformat(),
        "subject": letter.content.subject if letter.content else None,
        "state": InboxState.FETCHING,
        "verified_at": now().isoformat(),
    }
    row = int(_ADD.one(connection, values)[0])
    files = [
        dict(inbox=row, position=n, name=f.name, sha256=f.digest, size=f.size, media_type=f.media_type)
        for n, f in enumerate(letter.all_files)
    ]
    _ADD_FILES.many(connection, files)
    return row


def _finish(connection: Connection, row: int, state: InboxState, *, error: str | None) -> bool:
    """End the fetching of a letter, as news; False if it had ended before."""
    at = now().isoformat()
    delivered = at if state is InboxState.DELIVERED else None
    changed = _FINISH.run(connection, {"row": row, "to_state": state, "at": delivered, "error": error})
    if changed and not received_ping(connection, row):
        _NEWS.run(connection, {"kind": "letter", "inbox": row, "at": at})
    return bool(changed)


def _one(connection: Connection, row: int) -> InboxLetter:
    return received(_ONE.one(connection, {"row": row}))


def received(row: Row) -> InboxLetter:
    """Return the letter of a row of `inbox`."""
    values = {name: row[name] for name in InboxLetter.__slots__}
    values["state"] = InboxState(row["state"])
    values["flags"] = tuple(filter(None, row["flags"].split(",")))
    return InboxLetter(**values)


# Asked for every letter, and so built once.
_ONE = Prepared(select(inbox).where(inbox.c.id == bindparam("row")))
_BY_ID = inbox.c.letter_id == bindparam("letter")
_KNOWN = Prepared(select(inbox).where(_BY_ID, inbox.c.sender == bindparam("from")))
_SENDERS = Prepared(select(inbox.c.sender).where(_BY_ID, inbox.c.digest == bindparam("digest")))
_ADD = Prepared(insert(inbox).returning(inbox.c.id))
_ADD_FILES, _NEWS = Prepared(insert(inbox_files)), Prepared(insert(news))
_FINISH = Prepared(
    update(inbox)
    .where(inbox.c.id == bindparam("row"), inbox.c.state == InboxState.FETCHING)
    .values(state=bindparam("to_state"), delivered_at=bindparam("at"), last_error=bindparam("error"))
)
_LACKS_FILES = inbox.c.state.in_((InboxState.FETCHING, InboxState.RESTORING))
_NOT_UNDER_WAY = _LACKS_FILES & inbox.c.id.not_in(any_of("but"))
_FETCHING = Prepared(
    select(inbox)
    .where(
        _NOT_UNDER_WAY,
        or_(inbox.c.next_attempt_at <= bindparam("at"), inbox.c.next_attempt_at > bindparam("bound")),
    )
    .order_by(inbox.c.next_attempt_at, inbox.c.id)
    .limit(bindparam("most"))
)
_NEXT_DUE = Prepared(select(func.min(inbox.c.next_attempt_at)).where(_NOT_UNDER_WAY))
_FILES = Prepared(
    select(inbox_files.c.inbox, *(inbox_files.c[name] for name in InboxFile.__slots__))
    .where(inbox_files.c.inbox.in_(any_of("rows")))
    .order_by(inbox_files.c.inbox, inbox_files.c.position)
)
_OF_LETTER = inbox_files.c.inbox == bindparam("row")
_STORED = Prepared(
    update(inbox_files).where(_OF_LETTER, inbox_files.c.position.in_(any_of("files"))).values(stored=True)
)
_MISSING = Prepared(select(inbox_files.c.position).where(_OF_LETTER, inbox_files.c.stored.is_(False)))
