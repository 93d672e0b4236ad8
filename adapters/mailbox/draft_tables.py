"""What the desk remembers of letters being written, in the mailbox beside its own tables."""

from __future__ import annotations

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
