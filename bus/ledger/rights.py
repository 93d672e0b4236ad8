"""What roles of PostgreSQL may do at the ledger: routers append and read, the console reads and appends its acts.

Nothing of this is there on SQLite, where whoever may write the file may write anything into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from bus.ledger.entry import Kind
from bus.ledger.tables import DISPOSABLE, REMEMBERED, entries, halt_wishes, halts, tiles

_VERSIONS: Final = ("alembic_version", "schema_versions")
_READ: Final = ("SELECT",)
_APPEND: Final = ("SELECT", "INSERT")
_WORK: Final = (*_APPEND, "UPDATE", "DELETE")
CONSOLE_APPENDS: Final = (entries, tiles, halt_wishes, halts)
"""What an append of an act touches: the entry, the tile of the tree that it may complete; a wish to halt, a halt."""
CONSOLE_KINDS: Final = (
    Kind.ORDERED,
    Kind.REPLAY_REQUESTED,
    Kind.GRANTED,
    Kind.READ,
)
"""The entries that acts in the console make, and the only ones that its role can append."""

Rights = Mapping[str, tuple[str, ...]]
"""By table, what a role may do."""

ROUTER: Final[Rights] = (
    dict.fromkeys((table.name for table in REMEMBERED), _APPEND)
    | dict.fromkeys((table.name for table in DISPOSABLE), _WORK)
    | dict.fromkeys(_VERSIONS, _READ)
)
CONSOLE: Final[Rights] = dict.fromkeys(ROUTER, _READ) | dict.fromkeys(
    (table.name for table in CONSOLE_APPENDS), _APPEND
)


def grant_router(connection: Connection, role: str) -> None:
    """Give a role what a router needs."""
    _grant(connection, role, ROUTER)
    # The index of words is filled by whoever inserts a letter.
    _execute(connection, f"GRANT EXECUTE ON FUNCTION letter_trigrams(text) TO {_quoted(role)}")


def grant_console(connection: Connection, role: str) -> None:
    """Give a role what the console needs, and take what else it had of these tables.

    A trigger refuses it every kind of entry but those of its acts: it cannot say that a letter was accepted. The kind
    stands in the body too, which is what counts, and has to be the same.
    """
    for table in CONSOLE:
        _execute(connection, f"REVOKE ALL ON {table} FROM {_quoted(role)}")
    _grant(connection, role, CONSOLE)
    kinds = ", ".join(f"'{kind}'" for kind in CONSOLE_KINDS)
    for statement in (
        "CREATE OR REPLACE FUNCTION console_appends_its_acts() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%: the console appends no such entry', NEW.kind; END $$",
        "DROP TRIGGER IF EXISTS entries_refuse_console ON entries",
        "CREATE TRIGGER entries_refuse_console BEFORE INSERT ON entries FOR EACH ROW "
        f"WHEN (CURRENT_USER = {_literal(role)} AND (NEW.kind NOT IN ({kinds})"
        " OR NEW.kind IS DISTINCT FROM CAST(NEW.body AS json) ->> 'kind')) "
        "EXECUTE FUNCTION console_appends_its_acts()",
    ):
        _execute(connection, statement)


def _grant(connection: Connection, role: str, rights: Rights) -> None:
    for table, what in rights.items():
        _execute(connection, f"GRANT {', '.join(what)} ON {table} TO {_quoted(role)}")


def _execute(connection: Connection, statement: str) -> None:
    # The driver takes a percent sign for the beginning of a parameter.
    connection.exec_driver_sql(statement.replace("%", "%%"))


def _quoted(role: str) -> str:
    return '"' + role.replace('"', '""') + '"'


def _literal(name: str) -> str:
    # E'' reads the same whatever the server takes a backslash for.
    return "E'" + name.replace("\\", "\\\\").replace("'", "''") + "'"
