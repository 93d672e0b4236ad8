"""Bringing a database to the ledger's newest schema, and what the running bus may do there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Engine, String, Table, func, inspect, select, text

from bus.errors import Misconfigured, Problem
from bus.faults import usable
from bus.ledger.database import appending, open_engine, translated
from bus.ledger.kinds import list_kinds
from bus.ledger.rights import grant_console, grant_router
from bus.ledger.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"

schema_versions = Table(
    "schema_versions",
    metadata,
    Column("version", String(32), primary_key=True),
    Column("compatible_from", String(32), nullable=False),
)
"""What was migrated to, and the schema of the oldest program that works with it; migrations/env.py writes it."""


def upgrade(url: str, *, runtime_role: str | None = None, console_role: str | None = None) -> None:
    """Create or upgrade the ledger's tables; on PostgreSQL give each role what it needs and no more (rights.py).

    Routers may go on meanwhile: all steps are one transaction, under the append lock. What is read out of documents
    follows by and by. Raises Transient when the database is away, and Misconfigured when its schema is newer than
    this program's, or it cannot have an index that is needed.
    """
    # Loading Alembic takes a quarter of a second; all other commands only ask which schema there is.
    from alembic import command

    with _opened(url) as engine:
        newer = _Standing.of(engine).newer
        if newer:
            raise Misconfigured(newer)
        with appending(engine) as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if runtime_role:
                grant_router(connection, runtime_role)
            if console_role and engine.dialect.name == "postgresql":
                grant_console(connection, console_role)
        list_kinds(engine)


def check(url: str) -> None:
    """Raise Misconfigured unless this program works with the database's schema; Transient when it is away.

    It works with its own schema, and with each newer one that says so: every migration states, as `compatible_from`,
    the schema of the oldest program that can go on, and the database keeps that (`schema_versions`).
    """
    with _opened(url) as engine:
        standing = _Standing.of(engine)
    if standing.works:
        return
    raise Misconfigured(
        standing.newer
        or Problem(
            "bus.toml",
            "ledger.url",
            f"the ledger's schema is {standing.found or 'not there'}, expected {standing.own}",
            "Run `saraban-bus ledger init`.",
        )
    )


def version_of(connection: Connection) -> str | None:
    """Return the schema that a database has, None for none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def knows(version: str) -> bool:
    """Whether this program can bring a database of that schema to its own."""
    return version in _known()


def _known() -> frozenset[str]:
    """Return the schemas that there are migrations to: each file begins with its own."""
    return frozenset(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


@dataclass(frozen=True, slots=True)
class _Standing:
    """A database's schema beside that of this program; schemas are numbered in order, with four digits."""

    own: str
    known: frozenset[str]
    found: str | None
    oldest: str | None
    """The oldest program that works with a database of a schema that is not known here; None if it does not say."""

    @classmethod
    def of(cls, engine: Engine) -> _Standing:
        known = _known()
        own = max(known)
        with engine.connect() as connection:
            found = version_of(connection)
            oldest = None
            if found not in known and inspect(connection).has_table(schema_versions.name):
                # Of all steps: a later one does not mend what an earlier one has broken for an older program.
                oldest = connection.scalar(select(func.max(schema_versions.c.compatible_from)))
        return cls(own, known, found, oldest)

    @property
    def works(self) -> bool:
        return self.found == self.own or (self.oldest is not None and self.own >= self.oldest)

    @property
    def newer(self) -> Problem | None:
        """What to say of a schema that this program does not know; None if it knows it."""
        if self.found is None or self.found in self.known:
            return None
        since = f"{self.oldest} and newer" if self.oldest else "that schema"
        return Problem(
            "bus.toml",
            "ledger.url",
            f"the ledger is of schema {self.found}, for programs of {since}; this one is of {self.own}",
            "Upgrade this program first.",
        )


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    """Open a database for this block: Misconfigured where a person has to mend it, Transient where it is away."""
    engine = open_engine(url)
    hint = "See that it runs, and look at `ledger.url`, its user and its password."
    try:
        with usable(engine.url.render_as_string(hide_password=True), "ledger.url", hint), translated():
            yield engine
    finally:
        engine.dispose()


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
