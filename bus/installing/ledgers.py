"""The ledger's tables, and the key that signs its heads: made where they are not there, and never again."""

from __future__ import annotations

from pathlib import Path

from bus.documents.notes import NoteKey, log_key, make_key
from bus.errors import Misconfigured, Problem
from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.settings.bus import BusSettings
from bus.settings.database import user_in

_SQLITE_FILE = "sqlite:///"


def make_ledger(settings: BusSettings, *, role: str | None = None, console_role: str | None = None) -> None:
    """Create the ledger's tables, or bring them to the newest schema; on PostgreSQL give roles what they need.

    A router's role is that of `ledger.url` where another one owns the tables, the console's `ledger.console_role`.
    Raises Transient while the database is away, and Misconfigured for a console that is to be one of the others.
    """
    section = settings.ledger
    role, console = role or section.runtime_role, console_role or section.console_role
    _require_apart(settings, role, console)
    if section.url.startswith(_SQLITE_FILE):
        folder = Path(section.url.removeprefix(_SQLITE_FILE)).parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    schema.upgrade(section.owner_address(), runtime_role=role, console_role=console)


def _require_apart(settings: BusSettings, role: str | None, console: str | None) -> None:
    section = settings.ledger
    if console is None:
        return
    wrong = ""
    if section.url.startswith(_SQLITE_FILE):
        wrong = "is for PostgreSQL: whoever may write SQLite's file may write anything"
    elif console in (role, user_in(section.owner_url or section.url)):
        wrong = f"{console} is the role of the routers, or owns the tables"
    if wrong:
        fix = "Make a role for the console alone: docs/operating.md, `What a steward does`."
        raise Misconfigured(Problem("ledger init", "console_role", wrong, fix))


def make_log_key(settings: BusSettings) -> bool:
    """Make the log's key unless it is there; return whether it was made.

    Raises Misconfigured where heads were signed with a key that is not here: another one would never be believed.
    """
    section = settings.ledger
    if section.key.exists():
        return False
    with Ledger(section.address()) as ledger, ledger.read() as reader:
        signed = reader.heads.newest() is not None
    if signed:
        wrong = "is missing, and this ledger has heads that were signed with it"
        fix = "Bring the key to this machine; a new one would not be believed."
        raise Misconfigured(Problem(str(section.key), "ledger.key", wrong, fix))
    make_key(section.key, section.passphrase_text())
    return True


def key_of(settings: BusSettings) -> NoteKey:
    """Return the log's key. Raises Misconfigured for one that is missing, or that others can read."""
    section = settings.ledger
    return log_key(section.key, section.origin, section.passphrase_text())
