"""Bringing a database to the ledger's newest schema, and what the running bus may do there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from bus.errors import Misconfigured, Problem
from bus.ledger.database import open_engine, translated
from bus.ledger.tables import DISPOSABLE, REMEMBERED

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(url: str, *, runtime_role: str | None = None) -> None:
    """Create or upgrade the ledger's tables; on PostgreSQL give `runtime_role` what a router needs and no more.

    Raises Transient when the database is away.
    """
    engine = open_engine(url)
    with translated(), engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if runtime_role:
            _grant(connection, runtime_role)
        connection.commit()
    engine.dispose()


def check(url: str) -> None:
    """Raise Misconfigured unless the database has the newest schema; Transient when it is away."""
    engine = open_engine(url)
    with translated(), engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
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
