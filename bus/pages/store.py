"""What pages keep of people: sessions, one-time links, and who signed in and failed to.

Nothing of it is evidence: it may be lost, and then people sign in again. Tokens are kept as their SHA-256 only, so that
who reads this database becomes nobody by it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    select,
)

from bus.operators import Method, Operator
from bus.thai import now, timestamp

Working = Callable[[Engine], AbstractContextManager[Connection]]
metadata = MetaData()
_WITHIN = timedelta(minutes=15)
_MOST_NOTED = 200
"""Sign-ins of an address that came to nothing, in that time; more are logged alone."""

sessions = Table(
    "page_sessions",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("method", String(20), nullable=False),
    Column("subject", Text),
    Column("shown", String(200), nullable=False),
    Column("account", String(64)),
    Column("form_token", String(64), nullable=False),
    Column("begun_at", String(40), nullable=False),
    Column("seen_at", String(40), nullable=False),
    Index("ix_page_sessions_name", "name"),
)
links = Table(
    "page_links",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("method", String(20), nullable=False),
    Column("subject", Text),
    Column("shown", String(200), nullable=False),
    Column("until", String(40), nullable=False),
)
sign_ins = Table(
    "page_sign_ins",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", String(40), nullable=False),
    Column("what", String(20), nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20)),
    Column("method", String(20), nullable=False),
    Column("address", String(60), nullable=False),
    Column("ended_by", String(200)),
    Column("reason", Text),
    Index("ix_page_sign_ins_name", "name", "at"),
    Index("ix_page_sign_ins_address", "address", "at"),
)


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in; `form_token` stands in each form that this session is shown."""

    person: Operator
    form_token: str
    begun_at: datetime
    seen_at: datetime
    account: str | None = None
    """What was known of the account when the session began; None where it is not looked at again."""
    shown: str = ""
    """How pages call the person; empty: by the name."""

    @property
    def role(self) -> StrEnum:
        """The one role that this person has here."""
        if self.person.role is None:
            raise ValueError("a session is a person's, who has a role")
        return self.person.role


class Store:
    """The database of one site's people."""

    def __init__(self, engine: Engine, working: Working, roles: type[StrEnum]) -> None:
        """`working` gives a transaction of an engine, and says Transient when the database is away."""
        self.engine = engine
        self._working = working
        self._roles = roles
        with self.transaction() as connection:
            metadata.create_all(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a transaction. Transient when the database is away."""
        with self._working(self.engine) as connection:
            yield connection

    def begin(self, person: Operator, account: str | None = None, shown: str = "") -> str:
        """Begin a session; return the token of its cookie, which is kept nowhere."""
        token, at = secrets.token_urlsafe(32), timestamp(now())
        row = {
            "token": hashed(token),
            "name": person.name,
            "role": person.role,
            "method": person.method,
            "subject": person.subject,
            "shown": shown,
            "account": account,
            "form_token": secrets.token_urlsafe(32),
            "begun_at": at,
            "seen_at": at,
        }
        with self.transaction() as connection:
            connection.execute(sessions.insert(), [row])
        return token

    def session(
        self, token: str, *, idle: timedelta, longest: timedelta, by_itself: bool = False
    ) -> Session | None:
        """Return the session of a cookie's token and note that it was seen; None for one that is over or unknown.

        What a page asks `by_itself` does not keep a session alive: nobody may be sitting before it.
        """
        at = now()
        mine = sessions.c.token == hashed(token)
        with self.transaction() as connection:
            row = connection.execute(select(sessions).where(mine)).first()
            if row is None:
                return None
            found = Session(
                self._person(row),
                row.form_token,
                datetime.fromisoformat(row.begun_at),
                datetime.fromisoformat(row.seen_at),
                row.account,
                row.shown,
            )
            if at - found.seen_at > idle or at - found.begun_at > longest:
                self._close(connection, mine, "expired")
                return None
            # Not at each request of a page with pictures: what is shown is minutes.
            if not by_itself and at - found.seen_at > timedelta(seconds=5):
                connection.execute(sessions.update().where(mine).values(seen_at=timestamp(at)))
        return found

    def end(self, token: str, what: str, address: str = "") -> None:
        """End a session, and record it: `out`, `replaced` (by another sign-in), or `changed` (the account)."""
        with self.transaction() as connection:
            self._close(connection, sessions.c.token == hashed(token), what, address=address)

    def end_all_of(self, name: str, *, by: str, reason: str) -> int:
        """End every session of a name as somebody else wants it, and record each; return how many there were."""
        with self.transaction() as connection:
            return self._close(connection, sessions.c.name == name, "ended", ended_by=by, reason=reason)

    def end_expired(self, *, idle: timedelta, longest: timedelta) -> int:
        """End the sessions that are over, whose browsers may never come back, and record each; return how many."""
        seen, begun = timestamp(now() - idle), timestamp(now() - longest)
        with self.transaction() as connection:
            over = (sessions.c.seen_at < seen) | (sessions.c.begun_at < begun)
            return self._close(connection, over, "expired")

    def make_link(self, person: Operator, lasts: timedelta, shown: str = "") -> str:
        """Return a token by which a person signs in once."""
        token = secrets.token_urlsafe(32)
        row = {
            "token": hashed(token),
            "name": person.name,
            "role": person.role,
            "method": person.method,
            "subject": person.subject,
            "shown": shown,
            "until": timestamp(now() + lasts),
        }
        with self.transaction() as connection:
            connection.execute(links.insert(), [row])
        return token

    def use_link(self, token: str) -> tuple[Operator, str] | None:
        """Return whom a link signs in, and how pages call that person, when it is first used and lasts; None else."""
        with self.transaction() as connection:
            row = connection.execute(select(links).where(links.c.token == hashed(token))).first()
            # Of two who use it at one time, one takes it away.
            used = connection.execute(delete(links).where(links.c.token == hashed(token))).rowcount
        if row is None or not used or datetime.fromisoformat(row.until) < now():
            return None
        return self._person(row), row.shown

    def note_sign_in(self, what: str, person: Operator, address: str) -> None:
        """Record a sign-in, or why there was none: `in`, `failed`, `refused`.

        What no password was looked at for costs who sends it nothing: of that an address has a bounded number of rows.
        """
        with self.transaction() as connection:
            if what == "refused" or (what == "failed" and person.method == "oidc"):
                mine = (sign_ins.c.address == address[:60]) & sign_ins.c.what.in_(("failed", "refused"))
                since = sign_ins.c.at >= timestamp(now() - _WITHIN)
                if (connection.scalar(select(func.count()).where(mine, since)) or 0) >= _MOST_NOTED:
                    return
            connection.execute(sign_ins.insert(), [_noted(what, person, address)])

    def barred_until(self, name: str, address: str, *, most: int, within: timedelta) -> datetime | None:
        """Return until when a name, or an address, has to wait that failed `most` times within a time; None if not.

        Only passwords count: what a provider did not say of somebody can be guessed by nobody.
        """
        failed = (sign_ins.c.what == "failed") & (sign_ins.c.method == "local")
        found = []
        with self.transaction() as connection:
            for mine in (sign_ins.c.name == name[:200], sign_ins.c.address == address[:60]):
                query = select(sign_ins.c.at).where(failed, mine).order_by(sign_ins.c.at.desc())
                if at := connection.scalar(query.offset(most - 1).limit(1)):
                    found.append(datetime.fromisoformat(at) + within)
        return max((until for until in found if until > now()), default=None)

    def _person(self, row: Row[Any]) -> Operator:
        return Operator(row.name, self._roles(row.role), _method(row.method), row.subject)

    def _close(self, connection: Connection, which: ColumnElement[bool], what: str, **more: str) -> int:
        """End sessions, each recorded in the same transaction: none ends unseen, nor twice. Return how many."""
        ended = connection.execute(delete(sessions).where(which).returning(*sessions.c)).all()
        if ended:
            noted = [_noted(what, self._person(row), **more) for row in ended]
            connection.execute(sign_ins.insert(), noted)
        return len(ended)


def _noted(
    what: str, person: Operator, address: str = "", ended_by: str | None = None, reason: str | None = None
) -> dict[str, str | None]:
    return {
        "at": timestamp(now()),
        "what": what,
        "name": person.name[:200],
        "role": person.role,
        "method": person.method,
        "address": address[:60],
        "ended_by": ended_by,
        "reason": reason,
    }


def hashed(token: str) -> str:
    """Return what is kept of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()


def _method(text: str) -> Method:
    return "oidc" if text == "oidc" else "local"
