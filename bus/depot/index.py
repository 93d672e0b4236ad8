"""The depot's bookkeeping: who has shown which file, until when it is held, and what is being uploaded.

It has a database of its own (a SQLite file, or PostgreSQL), so that depot and router each write their own.
Times are whole seconds since 1970. A row of `file` is what every change to that file locks first: an upload that
ends, a hold and the collection of the same file follow each other, and never meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from bus.depot.refusals import Refusal, RequestRefused
from bus.errors import Transient
from bus.faults import usable
from bus.identifiers import AgencyCode, RawDigest

_metadata = sa.MetaData()

_file = sa.Table(
    "file",
    _metadata,
    sa.Column("sha256", sa.String(64), primary_key=True),
)

_presence = sa.Table(
    "presence",
    _metadata,
    sa.Column("agency", sa.String(10), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("shown_at", sa.BigInteger, nullable=False),
    # A letter names the file: it stays, and counts against nobody's quota.
    sa.Column("named", sa.Boolean, nullable=False, default=False),
    sa.Index("presence_to_collect", "named", "shown_at"),
    sa.Index("presence_of_agency", "agency", "named", "size"),
)

_hold = sa.Table(
    "hold",
    _metadata,
    sa.Column("agency", sa.String(10), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True, index=True),
    sa.Column("until", sa.BigInteger, nullable=False),
)

_upload = sa.Table(
    "upload",
    _metadata,
    sa.Column("agency", sa.String(10), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("touched_at", sa.BigInteger, nullable=False, index=True),
)

_account = sa.Table(
    "account",
    _metadata,
    # The row that two uploads of one agency lock, so that both together keep to its quota.
    sa.Column("agency", sa.String(10), primary_key=True),
)

_MANY = 400
"""Values in one IN list; well below what any SQLite takes."""

_READING = {"saraban_reading": True}

Pair = tuple[AgencyCode, RawDigest]
"""Agency and SHA-256."""


class Index:
    """The tables, and the few statements that anybody needs; raises Transient when the database is away."""

    def __init__(self, url: str | sa.URL) -> None:
        # Errors would carry the parameters into logs.
        self._engine = sa.create_engine(url, hide_parameters=True, pool_size=10, max_overflow=30)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_immediate)
        self._reader = self._engine.execution_options(**_READING)
        shown = self._engine.url.render_as_string(hide_password=True)
        hint = "See that it runs, and look at `depot.database`, its user and its password."
        with usable(shown, "depot.database", hint), _away_is_transient():
            _metadata.create_all(self._engine)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def check(self) -> None:
        """Raise Transient unless the database answers."""
        with self._reading() as connection:
            connection.execute(sa.select(1))

    def shown(self, agency: AgencyCode, sha256: RawDigest) -> bool:
        """Whether this agency has streamed all of this file to the depot."""
        with self._reading() as connection:
            found = connection.execute(_SHOWN, {"one": agency, "file": sha256}).first()
            return found is not None

    def shown_by(self, pairs: Iterable[Pair]) -> set[Pair]:
        """Those of the pairs of which the agency has shown the file."""
        with self._reading() as connection:
            return _shown_by(connection, pairs)

    def hold(self, known: set[Pair], pairs: Sequence[Pair], until: int) -> set[Pair]:
        """Hold each pair that is `known` or shown; return those."""
        with self._writing() as connection:
            for some in _batched(sorted({sha256 for _, sha256 in pairs})):
                connection.execute(_LOCK, {"files": list(some)})
            known_pairs = known | _shown_by(connection, pairs)
            rows = [
                {"agency": agency, "sha256": sha256, "until": until} for agency, sha256 in sorted(known_pairs)
            ]
            self._put(connection, _hold, *rows)
            return known_pairs

    def reserve(
        self, agency: AgencyCode, sha256: RawDigest, length: int | None, most: int, quota: int, now: int
    ) -> int:
        """Set room aside for an upload and return how much.

        Without a length that is whatever the quota leaves, up to `most`. Raises RequestRefused(QUOTA).
        """
        with self._writing() as connection:
            self._put(connection, _account, {"agency": agency})
            left = quota - _used(connection, agency, sha256)
            space = min(most, left) if length is None else length
            if space > left or space < 0:
                raise RequestRefused(Refusal.QUOTA)
            row = {"agency": agency, "sha256": sha256, "reserved": space, "touched_at": now}
            self._put(connection, _upload, row)
            return space

    def forget_upload(self, agency: AgencyCode, sha256: RawDigest) -> None:
        """Give back the room that was set aside."""
        with self._writing() as connection:
            _delete(connection, _upload, agency, sha256)

    @contextmanager
    def arriving(self, agency: AgencyCode, sha256: RawDigest, size: int, now: int) -> Iterator[None]:
        """Lock the file while its bytes are put in place; afterwards the agency has shown it."""
        with self._writing() as connection:
            self._put(connection, _file, {"sha256": sha256})
            yield
            row = {"agency": agency, "sha256": sha256, "size": size, "shown_at": now, "named": False}
            self._put(connection, _presence, row)
            _delete(connection, _upload, agency, sha256)

    def lapsed(self, now: int, cutoff: int) -> list[RawDigest]:
        """Files of which some presence is older than the cutoff, held no longer and not yet known to be named."""
        live = sa.exists().where(
            _hold.c.agency == _presence.c.agency,
            _hold.c.sha256 == _presence.c.sha256,
            _hold.c.until >= now,
        )
        query = sa.select(_presence.c.sha256).distinct().where(_lapsed(cutoff), ~live)
        with self._reading() as connection:
            return list(connection.execute(query.order_by(_presence.c.sha256)).scalars())

    def stale_uploads(self, cutoff: int) -> list[Pair]:
        """Uploads that nobody went on with since the cutoff."""
        query = sa.select(_upload.c.agency, _upload.c.sha256).where(_upload.c.touched_at < cutoff)
        with self._reading() as connection:
            return [(agency, sha256) for agency, sha256 in connection.execute(query)]

    def mark_named(self, sha256: RawDigest, cutoff: int) -> None:
        """Note that a letter names the file: its presences stay, off the quota."""
        rows = sa.update(_presence).where(_presence.c.sha256 == sha256, _lapsed(cutoff))
        with self._writing() as connection:
            connection.execute(rows.values(named=True))

    @contextmanager
    def leaving(self, sha256: RawDigest, now: int, cutoff: int) -> Iterator[bool]:
        """Drop the file's lapsed presences, under its lock; yields whether nobody is left and the bytes may go."""
        with self._writing() as connection:
            self._put(connection, _file, {"sha256": sha256})
            connection.execute(sa.delete(_hold).where(_hold.c.sha256 == sha256, _hold.c.until < now))
            holders = sa.select(_hold.c.agency).where(_hold.c.sha256 == sha256)
            connection.execute(
                sa.delete(_presence).where(
                    _presence.c.sha256 == sha256, _lapsed(cutoff), _presence.c.agency.not_in(holders)
                )
            )
            left = sa.union_all(
                sa.select(sa.literal(1)).where(_presence.c.sha256 == sha256),
                sa.select(sa.literal(1)).where(_hold.c.sha256 == sha256),
            )
            unwanted = connection.execute(left).first() is None
            yield unwanted
            if unwanted:
                connection.execute(sa.delete(_file).where(_file.c.sha256 == sha256))

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _away_is_transient(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _away_is_transient(), self._engine.begin() as connection:
            yield connection

    def _put(self, connection: sa.Connection, table: sa.Table, *rows: dict[str, Any]) -> None:
        # Writing a row anew locks it on PostgreSQL, even when nothing in it changes.
        if rows:
            connection.execute(_putting(table, self._engine.dialect.name), rows)


def _shown_by(connection: sa.Connection, pairs: Iterable[Pair]) -> set[Pair]:
    by_agency: dict[AgencyCode, set[RawDigest]] = {}
    for agency, sha256 in pairs:
        by_agency.setdefault(agency, set()).add(sha256)
    shown: set[Pair] = set()
    for agency, files in by_agency.items():
        for some in _batched(sorted(files)):
            found = connection.execute(_SHOWN_OF, {"one": agency, "files": list(some)}).scalars()
            shown.update((agency, sha256) for sha256 in found)
    return shown


def _used(connection: sa.Connection, agency: AgencyCode, but: RawDigest) -> int:
    asked = {"one": agency, "but": but}
    return sum(int(connection.execute(query, asked).scalar_one()) for query in (_KEPT, _COMING))


def _lapsed(cutoff: int) -> sa.ColumnElement[bool]:
    return sa.and_(_presence.c.named.is_(False), _presence.c.shown_at < cutoff)


def _delete(connection: sa.Connection, table: sa.Table, agency: AgencyCode, sha256: RawDigest) -> None:
    connection.execute(_deleting(table), {"one": agency, "file": sha256})


@cache
def _putting(table: sa.Table, dialect: str) -> sa.Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(table)
    values = {column.name: statement.excluded[column.name] for column in table.columns}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values)


@cache
def _deleting(table: sa.Table) -> sa.Executable:
    return sa.delete(table).where(
        table.c.agency == sa.bindparam("one"), table.c.sha256 == sa.bindparam("file")
    )


def _batched(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + _MANY] for start in range(0, len(values), _MANY))


@contextmanager
def _away_is_transient() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as exc:
        raise Transient("the depot's bookkeeping is away") from exc


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Transactions begin where we say so, and not where the driver guesses.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: sa.Connection) -> None:
    # A transaction that reads before it writes must have the write lock from its start, or it deadlocks.
    if not _READING.items() <= connection.get_execution_options().items():
        connection.exec_driver_sql("BEGIN IMMEDIATE")


# Asked for every file, and so built once.
_MINE = _presence.c.agency == sa.bindparam("one")
_SHOWN = sa.select(1).where(_MINE, _presence.c.sha256 == sa.bindparam("file"))
_SHOWN_OF = sa.select(_presence.c.sha256).where(
    _MINE, _presence.c.sha256.in_(sa.bindparam("files", expanding=True))
)
_LOCK = (
    sa.select(_file)
    .where(_file.c.sha256.in_(sa.bindparam("files", expanding=True)))
    .order_by(_file.c.sha256)
    .with_for_update(read=True)
)
_KEPT = sa.select(sa.func.coalesce(sa.func.sum(_presence.c.size), 0)).where(
    _MINE, _presence.c.named.is_(False), _presence.c.sha256 != sa.bindparam("but")
)
_COMING = sa.select(sa.func.coalesce(sa.func.sum(_upload.c.reserved), 0)).where(
    _upload.c.agency == sa.bindparam("one"), _upload.c.sha256 != sa.bindparam("but")
)
