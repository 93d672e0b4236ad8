"""`saraban-adapter sql`: what an office's database needs for the SQL door."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The SQL door: the tables that an office's database gives it.")


class Dialect(StrEnum):
    """The kinds of database."""

    POSTGRESQL = "postgresql"
    MARIADB = "mariadb"
    MSSQL = "mssql"
    ORACLE = "oracle"
    SQLITE = "sqlite"


@app.callback()
def _sql() -> None:
    """Keep `tables` a command of its own, though it is the only one."""


@app.command()
def tables(
    dialect: Annotated[Dialect, typer.Option(help="The kind of the office's database.")],
    user: Annotated[str, typer.Option(help="The database's user that the adapter logs in as.")] = "saraban",
) -> None:
    """Print the statements that make the recommended tables, and that give the adapter's user the rights it needs."""
    from adapters.connectors.sql.creating import statements

    if not user.isidentifier() or not user.isascii():
        raise typer.BadParameter("should be letters, digits and underscores", param_hint="--user")
    for statement in statements(dialect.value, user):
        typer.echo(f"{statement};\n")
