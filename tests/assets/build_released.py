"""Writes what a release leaves behind: a ledger of its schema and a mailbox of its layout, filled, as SQL of SQLite.

    python -m tests.assets.build_released SCHEMA [FOLDER]

Run it once for a release, keep the files, and never make them anew: later programs have to bring them forward. Their
keys are made for the run and forgotten, but for the public half of the log's.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from alembic import command

from adapters.mailbox import Mailbox, upgrading
from bus.documents.notes import log_key
from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger import schema
from bus.ledger.database import appending, open_engine
from bus.ledger.store import Ledger
from tests.assets import factory
from tests.assets.factory import OCS, OPM
from tests.contract import ledger_rig as rig
from tests.contract.lived import live
from tests.unit.adapter.network import Bus, Office
from tests.unit.adapter.test_ledger_order import hear, received, sent

FOLDER = Path(__file__).parent / "released"


def build(folder: Path, revision: str) -> None:
    """Write a ledger of this schema, the public key of its log, and a mailbox of the layout that programs make now."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        ledger = Ledger(begun(f"sqlite:///{scratch / 'ledger.db'}", revision))
        live(ledger, scratch)
        ledger.close()
        write(scratch / "ledger.db", folder / f"ledger-{revision}.sql")
        key = log_key(scratch / "log.key.pem", rig.ORIGIN).verifier
        (folder / f"ledger-{revision}.vkey").write_text(f"{key}\n", encoding="utf-8")
        for agency in (OPM, OCS):
            _mailbox(scratch, agency)
            write(
                scratch / agency / "mailbox.sqlite",
                folder / f"mailbox-{upgrading.newest()}-{agency}.sql",
            )


def begun(url: str, revision: str) -> str:
    """Make a ledger of an older schema, as the program of that time did; return its URL."""
    engine = open_engine(url)
    config = schema._config()
    with appending(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    return url


def _mailbox(folder: Path, agency: str) -> None:
    """Of OPM a letter that OCS has registered; of OCS a letter that it has delivered."""
    mailbox = Mailbox(folder / agency, AgencyCode(agency))
    office = Office(mailbox, Bus(mailbox.agency))
    if agency == OPM:
        row = sent(office, folder)
        about: dict[str, Any] = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
        registered = factory.notice(Event.REGISTERED, registration=factory.registration("๑๒"), **about)
        hear(office, office.bus.notice(factory.notice(Event.DELIVERED, **about), entry=101))
        hear(office, office.bus.notice(registered, entry=102))
    else:
        received(office, OPM, uuid4(), b"%PDF received")
    mailbox.close()


def write(database: Path, target: Path) -> None:
    """Write a SQLite database as SQL."""
    with closing(sqlite3.connect(database)) as opened:
        target.write_text("".join(_lines(opened)), encoding="utf-8")


def _lines(opened: sqlite3.Connection) -> Iterator[str]:
    return (f"{line}\n" for line in opened.iterdump())


def read_back(source: Path, target: Path) -> None:
    """Make a SQLite database of what was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(target)) as opened:
        opened.executescript(source.read_text(encoding="utf-8"))


if __name__ == "__main__":
    build(Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER, sys.argv[1])
