"""The mailbox's layout: its version, and the steps that bring an older one to it.

A layout that was released is never changed: what is to be otherwise is one more step. A new mailbox is made by the
tables as they stand (`tables.py`); an older one takes every step after its own, all in one transaction, and has to come
out with the same tables. Only one program may run on a mailbox then, for an older one would not know what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, update

import adapters.mailbox.ecms_tables  # noqa: F401 - so that a new mailbox has them
from adapters.mailbox import draft_tables
from adapters.mailbox.tables import metadata, properties
from bus.errors import Misconfigured, Problem
from bus.identifiers import AgencyCode

Step = Callable[[Connection], None]

_DOORS = (
    """
    CREATE TABLE door_keys (
    id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    scopes VARCHAR NOT NULL,
    made_at VARCHAR NOT NULL,
    ends_at VARCHAR,
    PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE drafts (
    id VARCHAR NOT NULL,
    request_sha256 VARCHAR NOT NULL,
    request_key VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    outbox INTEGER,
    made_at VARCHAR NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(outbox) REFERENCES outbox (id)
    )
    """,
    """
    CREATE TABLE draft_files (
    draft VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (draft, name),
    FOREIGN KEY(draft) REFERENCES drafts (id)
    )
    """,
    """
    CREATE TABLE handed_over (
    door VARCHAR NOT NULL,
    inbox INTEGER NOT NULL,
    lease VARCHAR,
    holder VARCHAR,
    leased_until FLOAT NOT NULL,
    local_id VARCHAR,
    acknowledged_at VARCHAR,
    PRIMARY KEY (door, inbox),
    FOREIGN KEY(inbox) REFERENCES inbox (id)
    )
    """,
    """
    CREATE TABLE webhooks (
    id VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    secret VARCHAR NOT NULL,
    made_at VARCHAR NOT NULL,
    ended_at VARCHAR,
    PRIMARY KEY (id)
    )
    """,
)


def _doors(connection: Connection) -> None:
    """Layout 2: what the REST door remembers."""
    for statement in _DOORS:
        connection.exec_driver_sql(statement)


_ECMS = (
    """
    CREATE TABLE ecms_items (
    item INTEGER NOT NULL,
    process_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    number_normal VARCHAR NOT NULL,
    date VARCHAR NOT NULL,
    sender VARCHAR NOT NULL,
    recipient VARCHAR NOT NULL,
    served INTEGER NOT NULL,
    served_first VARCHAR,
    served_last VARCHAR,
    deleted_at VARCHAR,
    skipped VARCHAR,
    PRIMARY KEY (item),
    FOREIGN KEY(item) REFERENCES news (id),
    UNIQUE (process_id)
    )
    """,
    """
    CREATE INDEX ecms_queue ON ecms_items (deleted_at, item)
    """,
    """
    CREATE INDEX ix_ecms_items_number_normal ON ecms_items (number_normal)
    """,
    """
    CREATE TABLE ecms_requests (
    outbox INTEGER NOT NULL,
    content VARCHAR NOT NULL,
    round INTEGER NOT NULL,
    recipient VARCHAR NOT NULL,
    request_sha256 VARCHAR NOT NULL,
    received_at VARCHAR NOT NULL,
    refusal_answered BOOLEAN NOT NULL,
    PRIMARY KEY (outbox),
    FOREIGN KEY(outbox) REFERENCES outbox (id)
    )
    """,
    """
    CREATE INDEX ix_ecms_requests_content ON ecms_requests (content)
    """,
)


def _ecms(connection: Connection) -> None:
    """Layout 3: what the e-CMS connector remembers."""
    for statement in _ECMS:
        connection.exec_driver_sql(statement)


_DESK = (
    """
    CREATE TABLE desk_letters (
    inbox INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    due VARCHAR NOT NULL,
    done BOOLEAN NOT NULL,
    seen_by VARCHAR,
    seen_at VARCHAR,
    PRIMARY KEY (inbox),
    FOREIGN KEY(inbox) REFERENCES inbox (id)
    )
    """,
    """
    CREATE INDEX desk_open ON desk_letters (done, urgency, due, inbox)
    """,
    """
    CREATE TABLE desk_notes (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    inbox INTEGER NOT NULL,
    at VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    FOREIGN KEY(inbox) REFERENCES inbox (id)
    )
    """,
    """
    CREATE INDEX desk_notes_letter ON desk_notes (inbox, id)
    """,
    """
    CREATE TABLE desk_acts (
    outbox INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    at VARCHAR NOT NULL,
    PRIMARY KEY (outbox),
    FOREIGN KEY(outbox) REFERENCES outbox (id)
    )
    """,
)


def _desk(connection: Connection) -> None:
    """Layout 4: what the desk remembers."""
    for statement in _DESK:
        connection.exec_driver_sql(statement)


def _writing(connection: Connection) -> None:
    """Layout 5: letters being written at the desk, and the ways into the registers."""
    for statement in draft_tables.STATEMENTS:
        connection.exec_driver_sql(statement)


STEPS: Final[Sequence[Step]] = (_doors, _ecms, _desk, _writing)
"""Step `n`, counted from 1, makes layout `n + 1` of layout `n`."""

LAYOUT, AGENCY = "layout", "agency"


def newest() -> int:
    """The layout that this program works with."""
    return len(STEPS) + 1


def layout_of(connection: Connection) -> int | None:
    """Return the layout of a mailbox, None for a file without one. Raises Misconfigured for what is no number."""
    if not inspect(connection).has_table(properties.name):
        return None
    stated = connection.scalar(select(properties.c.value).where(properties.c.name == LAYOUT))
    if stated is None or not (stated.isascii() and stated.isdecimal() and int(stated) >= 1):
        raise Misconfigured(_problem(connection, f"has layout {stated}, which no version makes"))
    return int(stated)


def make(connection: Connection, agency: AgencyCode) -> None:
    """Make the tables of a new mailbox."""
    metadata.create_all(connection)
    rows = [{"name": LAYOUT, "value": str(newest())}, {"name": AGENCY, "value": agency}]
    connection.execute(insert(properties), rows)


def require_not_newer(connection: Connection, layout: int) -> None:
    """Raise Misconfigured for a layout that this program does not know: it would write what nobody expects."""
    if layout > newest():
        wrong = f"has layout {layout}, this program works with layouts 1 to {newest()}"
        raise Misconfigured(_problem(connection, wrong))


def upgrade(connection: Connection) -> None:
    """Take every step that is still to take; part of a writing transaction, so that all are taken or none."""
    layout = layout_of(connection) or 1
    require_not_newer(connection, layout)
    for number, step in enumerate(STEPS[layout - 1 :], start=layout + 1):
        step(connection)
        now = update(properties).where(properties.c.name == LAYOUT).values(value=str(number))
        connection.execute(now)


def _problem(connection: Connection, wrong: str) -> Problem:
    place = str(connection.engine.url.database)
    return Problem(place, "mailbox", wrong, "Upgrade this program first.")
