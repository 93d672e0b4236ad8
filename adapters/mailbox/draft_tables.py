"""What the desk remembers of letters being written, in the mailbox beside its own tables."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from adapters.mailbox.tables import metadata

desk_drafts = Table(
    "desk_drafts",
    metadata,
    Column("id", String, primary_key=True),
    Column("content", String, nullable=False),
    Column("outbox", ForeignKey("outbox.id")),
    Column("made_by", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("changed_by", String, nullable=False),
    Column("changed_at", String, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Letters that people of the office are writing; `outbox` once they are sent, and then they stay as they are."""

Index(
    "desk_drafts_open",
    desk_drafts.c.changed_at,
    desk_drafts.c.id,
    sqlite_where=desk_drafts.c.outbox.is_(None),
)

Index("desk_drafts_sent", desk_drafts.c.outbox, sqlite_where=desk_drafts.c.outbox.is_not(None))

desk_draft_files = Table(
    "desk_draft_files",
    metadata,
    Column("draft", ForeignKey("desk_drafts.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size", Integer, nullable=False),
)
"""Their files, which are in the store; the first in order is the letter itself."""

STATEMENTS: Final = (
    """
    CREATE TABLE desk_drafts (
    id VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    outbox INTEGER,
    made_by VARCHAR NOT NULL,
    made_at VARCHAR NOT NULL,
    changed_by VARCHAR NOT NULL,
    changed_at VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(outbox) REFERENCES outbox (id)
    )
    """,
    """
    CREATE INDEX desk_drafts_sent ON desk_drafts (outbox) WHERE outbox IS NOT NULL
    """,
    """
    CREATE INDEX desk_drafts_open ON desk_drafts (changed_at, id) WHERE outbox IS NULL
    """,
    """
    CREATE TABLE desk_draft_files (
    draft VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    sha256 VARCHAR NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (draft, name),
    FOREIGN KEY(draft) REFERENCES desk_drafts (id)
    )
    """,
    """
    CREATE INDEX outbox_dated ON outbox (date) WHERE date IS NOT NULL
    """,
    """
    CREATE INDEX outbox_put ON outbox (created_at) WHERE date IS NOT NULL
    """,
    """
    CREATE INDEX notices_registered ON notices (author, receiving_year, registered_at)
    WHERE receiving_year IS NOT NULL
    """,
)
"""The step of upgrading.py that makes them, and the ways into the registers, as it was released."""
