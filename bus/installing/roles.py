"""The two roles that a ledger on PostgreSQL has, as a script for whoever administers that server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from bus.documents.keys import write_private
from bus.errors import Misconfigured, Problem
from bus.settings.bus import BusSettings
from bus.settings.database import user_in
from bus.settings.sections import read_secret

_SCRIPT = """-- Run as PostgreSQL's administrator, and delete it afterwards: it holds two passwords.
CREATE ROLE {owner} LOGIN PASSWORD {owner_password};
CREATE ROLE {runtime} LOGIN PASSWORD {runtime_password};
CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8';
"""


def roles_script(settings: BusSettings) -> Path:
    """Return where the script lies: beside the password that it holds."""
    return (settings.ledger.password_file or Path("passwords/ledger")).with_name("ledger-roles.sql")


def write_roles(settings: BusSettings) -> Path:
    """Write the script beside the passwords, for its owner alone, and return where it is."""
    ledger = settings.ledger
    if ledger.owner_url is None or not ledger.password_file or not ledger.owner_password_file:
        raise ValueError("a ledger without an owner has no roles")
    target = roles_script(settings)
    text = _SCRIPT.format(
        owner=_identifier(user_in(ledger.owner_url) or ""),
        runtime=_identifier(user_in(ledger.url) or ""),
        database=_identifier(unquote(urlsplit(ledger.url).path.removeprefix("/"))),
        owner_password=_literal(read_secret(ledger.owner_password_file, "ledger.owner_password_file")),
        runtime_password=_literal(read_secret(ledger.password_file, "ledger.password_file")),
    )
    if target.exists():
        fix = "Its passwords are older than those that were made now: move it away, and run this again."
        raise Misconfigured(Problem(str(target), "roles", "is there already", fix))
    write_private(target, text.encode())
    return target


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    # E'' reads the same whatever the server takes a backslash for.
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
