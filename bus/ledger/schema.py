"""Bringing a database to the ledger's newest schema, and what the running bus may do there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from bus.errors import Misconfigured, Problem
from bus.faults import usable
from bus.ledger.database import open_engine, translated
from bus.ledger.tables import DISPOSABLE, REMEMBERED

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str, *, runtime_role: str | None = None) -> None:
    """Create or upgrade the ledger's tables; on PostgreSQL give `runtime_role` what a router needs and no more.

    Raises Transient when the database is away.
    """
    with _opened(url) as engine, engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if runtime_role:
            _grant(connection, runtime_role)
        connection.commit()


def check(url: str) -> None:
    """Raise Misconfigured unless the database has the newest schema; Transient when it is away."""
    with _opened(url) as engine, engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise Misconfigured(
            Problem(
                "bus.toml",
                "ledger.url",
                f"the ledger's schema is {found or 'not there'}, expected {wanted}",
                "Run `saraban-bus ledger init`.",
            )
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
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _grant(connection: Connection, role: str) -> None:
    execute = connection.execute
    quoted = '"' + role.replace('"', '""') + '"'
    for table in REMEMBERED:
        execute(text(f"GRANT SELECT, INSERT ON {table.name} TO {quoted}"))
    for table in DISPOSABLE:
        execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name} TO {quoted}"))
    execute(text(f"GRANT SELECT ON alembic_version TO {quoted}"))
