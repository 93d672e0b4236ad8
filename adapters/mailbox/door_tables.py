"""What the REST door remembers, in the mailbox: keys, letters being written, what was handed over, webhooks."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, String, Table

from adapters.mailbox.tables import metadata

door_keys = Table(
    "door_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("ends_at", String),
)
"""The keys of programs; of each, the SHA-256 of its secret of 256 random bits."""

drafts = Table(
    "drafts",
    metadata,
    Column("id", String, primary_key=True),
    Column("request_sha256", String, nullable=False),
    Column("request_key", String, nullable=False),
    Column("content", String, nullable=False),
    Column("outbox", ForeignKey("outbox.id")),
    Column("made_at", String, nullable=False),
)
"""Letters that an office is writing; `outbox` once they are submitted."""

draft_files = Table(
    "draft_files",
    metadata,
    Column("draft", ForeignKey("drafts.id"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("sha256", String, nullable=False),
    Column("size", Integer, nullable=False),
)
"""The files of those that are in the store."""

handed_over = Table(
    "handed_over",
    metadata,
    Column("door", String, primary_key=True),
    Column("inbox", ForeignKey("inbox.id"), primary_key=True),
    Column("lease", String),
    Column("holder", String),
    Column("leased_until", Float, nullable=False, default=0.0),
    Column("local_id", String),
    Column("acknowledged_at", String),
)
"""Letters received that a program has leased, or has acknowledged with its own id for them."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("secret", String, nullable=False),
    Column("made_at", String, nullable=False),
    Column("ended_at", String),
)
"""Where news is posted, each with the secret by which it is signed."""
