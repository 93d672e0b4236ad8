"""What the REST door remembers: keys, letters being written, and which letters an office's program has taken."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from adapters.mailbox.database import Database
from adapters.mailbox.door_tables import door_keys, draft_files, drafts, handed_over, webhooks
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.inbox import InboxState
from adapters.mailbox.prepared import Row
from adapters.mailbox.tables import inbox, news
from bus.identifiers import RawDigest
from bus.thai import now

_WHOLE = (InboxState.DELIVERED, InboxState.INCOMPLETE)
"""What is shown: not a letter whose lost file is just being fetched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorKey:
    """A program's key, without its secret."""

    id: str
    name: str
    sha256: str
    scopes: tuple[str, ...]
    made_at: str
    ends_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A letter that an office is writing."""

    id: str
    request_sha256: str
    """Of the request that began it."""
    request_key: str
    content: str
    """Its fields, as JSON."""
    outbox: int | None
    made_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """How far a letter has come on its way to a program."""

    inbox: int
    lease: str | None
    holder: str | None
    leased_until: float
    local_id: str | None
    acknowledged_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where news is posted."""

    id: str
    url: str
    secret: str
    made_at: str


class Doors:
    """Rows are added and changed; nothing that an office has given is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- keys

    def add_key(self, key: DoorKey) -> None:
        """Admit a key."""
        self._database.execute(insert(door_keys).values(asdict(key) | {"scopes": ",".join(key.scopes)}))

    def key(self, key_id: str) -> DoorKey | None:
        """The key of this id, ended or not."""
        return self._database.first(select(door_keys).where(door_keys.c.id == key_id), _key)

    def keys(self) -> list[DoorKey]:
        """All of them, the oldest first."""
        return self._database.rows(select(door_keys).order_by(door_keys.c.made_at, door_keys.c.id), _key)

    def end_key(self, key_id: str, ends_at: str) -> bool:
        """Have a key end at a time (ISO 8601); False if there is none."""
        change = update(door_keys).where(door_keys.c.id == key_id).values(ends_at=ends_at)
        return bool(self._database.execute(change))

    # ---- letters being written

    def begin(self, draft: Draft) -> Draft:
        """Keep a draft, and give the one that is kept: of the same id, the first."""
        with self._database.writing() as connection:
            connection.execute(insert(drafts).values(asdict(draft)).on_conflict_do_nothing())
            row = connection.execute(select(drafts).where(drafts.c.id == draft.id)).mappings().one()
            return Draft(**row)

    def draft(self, draft_id: str) -> Draft | None:
        """The draft of this id."""
        return self._database.first(select(drafts).where(drafts.c.id == draft_id), lambda row: Draft(**row))

    def file_arrived(self, draft_id: str, name: str, file: Fingerprint) -> None:
        """Say that a file of a draft is in the store; another one under its name takes its place."""
        add = insert(draft_files).values(draft=draft_id, name=name, sha256=file.sha256, size=file.size)
        change = {"sha256": add.excluded.sha256, "size": add.excluded.size}
        self._database.execute(add.on_conflict_do_update(index_elements=["draft", "name"], set_=change))

    def files(self, draft_id: str) -> dict[str, Fingerprint]:
        """The files of a draft that are in the store, by name."""
        query = select(draft_files).where(draft_files.c.draft == draft_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["name"]: Fingerprint(RawDigest(row["sha256"]), row["size"]) for row in rows}

    def submitted(self, draft_id: str, outbox: int) -> None:
        """Say which row of the outbox a draft has become."""
        self._database.execute(update(drafts).where(drafts.c.id == draft_id).values(outbox=outbox))

    # ---- letters received

    def waiting(self, door: str, *, after: int, limit: int) -> list[int]:
        """The rows of whole letters that are news and not acknowledged at this door, in the order of their numbers."""
        query = (
            select(inbox.c.id)
            .join(news, and_(news.c.inbox == inbox.c.id, news.c.kind == "letter"))
            .outerjoin(handed_over, and_(handed_over.c.inbox == inbox.c.id, handed_over.c.door == door))
            .where(
                inbox.c.state.in_(_WHOLE),
                handed_over.c.acknowledged_at.is_(None),
                inbox.c.consignment > after,
            )
            .order_by(inbox.c.consignment)
            .limit(limit)
        )
        return self._database.rows(query, lambda row: int(row["id"]))

    def consigned(self, consignment: int) -> int | None:
        """The row of the letter that came under this consignment number, if it is whole and news."""
        query = (
            select(inbox.c.id)
            .join(news, and_(news.c.inbox == inbox.c.id, news.c.kind == "letter"))
            .where(inbox.c.consignment == consignment, inbox.c.state.in_(_WHOLE))
        )
        found: int | None = self._database.scalar(query)
        return found

    def hand_over(self, door: str, row: int) -> HandOver | None:
        """How far a letter has come at a door; None if nobody there has touched it."""
        query = select(handed_over).where(handed_over.c.door == door, handed_over.c.inbox == row)
        return self._database.first(query, _handed)

    def lease(self, door: str, row: int, holder: str, *, at: float, until: float) -> HandOver:
        """Lease a letter to `holder` between these Unix times, and give who has it now: whoever had it before, or he.

        Whoever leases anew what is his loses the lease of before.
        """
        add = insert(handed_over).values(
            door=door, inbox=row, lease=secrets.token_urlsafe(16), holder=holder, leased_until=until
        )
        free = or_(handed_over.c.leased_until <= at, handed_over.c.holder == holder)
        values = {name: add.excluded[name] for name in ("lease", "holder", "leased_until")}
        with self._database.writing() as connection:
            connection.execute(
                add.on_conflict_do_update(
                    index_elements=["door", "inbox"],
                    set_=values,
                    where=and_(free, handed_over.c.acknowledged_at.is_(None)),
                )
            )
            query = select(handed_over).where(handed_over.c.door == door, handed_over.c.inbox == row)
            return _handed(connection.execute(query).mappings().one())

    def acknowledge(self, door: str, row: int, lease: str, local_id: str | None) -> bool:
        """Say that a program has a letter durably, under its own id; False if it does not hold it under this lease."""
        mine = and_(
            handed_over.c.door == door,
            handed_over.c.inbox == row,
            handed_over.c.lease == lease,
            handed_over.c.acknowledged_at.is_(None),
        )
        values = {"acknowledged_at": now().isoformat(), "local_id": local_id}
        return bool(self._database.execute(update(handed_over).where(mine).values(values)))

    # ---- the feed

    def newest(self) -> int:
        """The number of the newest item of news, 0 if there is none."""
        return int(self._database.scalar(select(news.c.id).order_by(news.c.id.desc()).limit(1)) or 0)

    def add_webhook(self, webhook: Webhook) -> None:
        """Have news posted somewhere."""
        self._database.execute(insert(webhooks).values(asdict(webhook)))

    def webhooks(self) -> Sequence[Webhook]:
        """Where news is posted."""
        query = select(*(webhooks.c[name] for name in Webhook.__slots__)).where(webhooks.c.ended_at.is_(None))
        return self._database.rows(query.order_by(webhooks.c.made_at), lambda row: Webhook(**row))

    def end_webhook(self, webhook_id: str) -> bool:
        """Have no more news posted there; False if there is none."""
        live = and_(webhooks.c.id == webhook_id, webhooks.c.ended_at.is_(None))
        return bool(self._database.execute(update(webhooks).where(live).values(ended_at=now().isoformat())))


def _key(row: Row) -> DoorKey:
    return DoorKey(**(dict(row) | {"scopes": tuple(row["scopes"].split(","))}))


def _handed(row: Row) -> HandOver:
    return HandOver(**{name: row[name] for name in HandOver.__slots__})
