"""What the desk remembers, in the mailbox: what is to be done with each letter, notes of clerks, and who did what."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from adapters.mailbox.tables import metadata

desk_letters = Table(
    "desk_letters",
    metadata,
    Column("inbox", ForeignKey("inbox.id"), primary_key=True),
    Column("urgency", Integer, nullable=False),
    Column("due", String, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("seen_by", String),
    Column("seen_at", String),
)
"""Letters received, in the order in which they are to be dealt with; whether this agency has answered them."""

Index("desk_open", desk_letters.c.done, desk_letters.c.urgency, desk_letters.c.due, desk_letters.c.inbox)

desk_notes = Table(
    "desk_notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("inbox", ForeignKey("inbox.id"), nullable=False),
    Column("at", String, nullable=False),
    Column("name", String, nullable=False),
    Column("text", String, nullable=False),
    sqlite_autoincrement=True,
)
"""What clerks wrote about a letter for one another, such as to which unit it went; it leaves this agency nowhere."""

Index("desk_notes_letter", desk_notes.c.inbox, desk_notes.c.id)

desk_acts = Table(
    "desk_acts",
    metadata,
    Column("outbox", ForeignKey("outbox.id"), primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("method", String, nullable=False),
    Column("at", String, nullable=False),
)
"""Which person put a letter or a notice into the outbox, where that was done at the desk."""
