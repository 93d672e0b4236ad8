"""The tables of the e-CMS connector, beside the mailbox's own."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table

from adapters.mailbox.tables import metadata

ecms_items = Table(
    "ecms_items",
    metadata,
    Column("item", ForeignKey("news.id"), primary_key=True, autoincrement=False),
    Column("process_id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("number_normal", String, nullable=False, index=True),
    Column("date", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("served", Integer, nullable=False, default=0),
    Column("served_first", String),
    Column("served_last", String),
    Column("deleted_at", String),
    Column("skipped", String),
)
"""News in the form of e-CMS: each is served to the client until it is deleted, which is its acknowledgement.

`skipped` is why it was taken out of the queue otherwise. Rows are never removed.
"""

Index("ecms_queue", ecms_items.c.deleted_at, ecms_items.c.item)

ecms_requests = Table(
    "ecms_requests",
    metadata,
    Column("outbox", ForeignKey("outbox.id"), primary_key=True, autoincrement=False),
    Column("content", String, nullable=False, index=True),
    Column("round", Integer, nullable=False),
    Column("recipient", String, nullable=False),
    Column("request_sha256", String, nullable=False),
    Column("received_at", String, nullable=False),
    Column("refusal_answered", Boolean, nullable=False, default=False),
)
"""Letters that came by e-CMS: the SHA-256 of the request as it came, which is among the mailbox's files.

`content` is the same for the same letter asked for again, `round` counts how often it was since it was turned away.
"""
