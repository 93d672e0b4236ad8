"""The mailbox's tables: what goes out, what came in, what was said about it, and what the office has yet to be told.

Bytes are kept once: an outgoing document in `outbox`, an incoming message in `arrivals`. Nothing is ever deleted.
Times of day are ISO 8601 with +07:00; what a query compares (`next_attempt_at`) is a Unix time.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from bus.documents import recipients

metadata = MetaData()

properties = Table(
    "properties",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
"""The mailbox's own properties: its layout's version and the agency that it belongs to."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("type", String, nullable=False),
    Column("reference", String, nullable=False, unique=True),
    Column("document_id", String, nullable=False, unique=True),
    Column("letter_id", String),
    Column("content_key", String, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("digest", String, nullable=False),
    Column("raw", LargeBinary),
    Column("raw_sha256", String, index=True),
    Column("sealed_with", String),
    Column("number", String),
    Column("number_normal", String, index=True),
    Column("date", String),
    Column("subject", String),
    Column("summary", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Float, nullable=False, default=0.0),
    Column("last_error", String),
    Column("created_at", String, nullable=False),
    Column("answered_at", String),
    Column("verdict", LargeBinary),
    Column("entry", Integer),
    Column("recipients", String),
    Column("flags", String),
    Column("refusal", String),
    Column("refusal_detail", String),
    Column("refused_under", String),
    sqlite_autoincrement=True,
)
"""Letters and notices of this agency: `document` before it is sealed, `raw` (the signed bytes) from then on.

`document` is written in the oldest version that has room for it, so that the same content has the same `content_key`
always; which version is sealed is decided when it is, and `digest` is that version's from then on.
`sealed_with` is the SHA-256 of the certificate that they were sealed under, `refused_under` what was known of that
certificate when the bus last refused them.
"""

Index("outbox_due", outbox.c.state, outbox.c.next_attempt_at)
Index("outbox_letter", outbox.c.letter_id)
# Only letters have a date: receipts and other notices, of which there are many more, stand in neither.
Index("outbox_dated", outbox.c.date, sqlite_where=outbox.c.date.is_not(None))
Index("outbox_put", outbox.c.created_at, sqlite_where=outbox.c.date.is_not(None))

outbox_files = Table(
    "outbox_files",
    metadata,
    Column("outbox", ForeignKey("outbox.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("uploaded_at", Float),
)

Index("outbox_files_content", outbox_files.c.sha256, outbox_files.c.uploaded_at)

arrivals = Table(
    "arrivals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("consignment", Integer, nullable=False),
    Column("type", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("headers", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("arrived_at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Float, nullable=False, default=0.0),
    Column("reason", String),
    Column("detail", String),
    UniqueConstraint("consignment", "type", "sha256", name="one_arrival"),
    sqlite_autoincrement=True,
)
"""Every message that the bus consigned, exactly as it came; `consignment` is 0 where the message bore none."""

Index("arrivals_waiting", arrivals.c.state, arrivals.c.next_attempt_at)
Index("arrivals_lists", arrivals.c.sha256, sqlite_where=arrivals.c.type == recipients.TYPE)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("arrival", ForeignKey("arrivals.id"), nullable=False, unique=True),
    Column("consignment", Integer, nullable=False),
    Column("letter_id", String, nullable=False),
    Column("sender", String, nullable=False),
    Column("sender_name", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("addressed", String, nullable=False),
    Column("flags", String, nullable=False),
    Column("entry", Integer),
    Column("number", String),
    Column("number_normal", String, index=True),
    Column("date", String, nullable=False),
    Column("subject", String),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Float, nullable=False, default=0.0),
    Column("last_error", String),
    Column("verified_at", String, nullable=False),
    Column("delivered_at", String),
    UniqueConstraint("letter_id", "sender", name="one_letter"),
    sqlite_autoincrement=True,
)
"""Letters of other agencies whose signature held."""

Index("inbox_fetching", inbox.c.state, inbox.c.next_attempt_at)

inbox_files = Table(
    "inbox_files",
    metadata,
    Column("inbox", ForeignKey("inbox.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("media_type", String, nullable=False),
    Column("stored", Boolean, nullable=False, default=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("notice_id", String, nullable=False),
    Column("identity", String, nullable=False, unique=True),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("outbox", ForeignKey("outbox.id"), unique=True),
    Column("event", String, nullable=False),
    Column("author", String, nullable=False),
    Column("about", String, nullable=False),
    Column("letter_id", String),
    Column("letter_digest", String),
    Column("event_time", String, nullable=False),
    Column("supersedes", String),
    Column("receiving_number", String),
    Column("receiving_year", Integer),
    Column("receiving_unit", String),
    Column("registered_at", String),
    Column("officer", String),
    Column("reason_code", String),
    Column("reason_text", String),
    Column("suggested_receiver", String),
    Column("successor", String),
    Column("other_means", String),
    Column("entry", Integer),
    Column("void", Boolean, nullable=False, default=False),
    UniqueConstraint("author", "notice_id", name="one_notice"),
    sqlite_autoincrement=True,
)
"""What was said about letters, by anybody; `void` marks a notice of this agency that the bus refused.

An id belongs to its author: whoever chooses one that somebody else will use keeps nobody from saying his.
"""

Index("notices_letter", notices.c.letter_id, notices.c.author)
Index(
    "notices_registered",
    notices.c.author,
    notices.c.receiving_year,
    notices.c.registered_at,
    sqlite_where=notices.c.receiving_year.is_not(None),
)

directories = Table(
    "directories",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("arrived_at", String, nullable=False),
)
"""The versions of the directory that were in force here; the newest is."""

directory_records = Table(
    "directory_records",
    metadata,
    Column("key", String, primary_key=True),
    Column("line", LargeBinary, nullable=False),
)
"""The records of the version in force (bus/directory/records.py)."""

news = Table(
    "news",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("inbox", ForeignKey("inbox.id")),
    Column("outbox", ForeignKey("outbox.id")),
    Column("notice", ForeignKey("notices.id")),
    Column("arrival", ForeignKey("arrivals.id")),
    Column("at", String, nullable=False),
    sqlite_autoincrement=True,
)
"""What the office's own system is to be told, in order; each connector keeps its place in `bookmarks`."""

bookmarks = Table(
    "bookmarks",
    metadata,
    Column("connector", String, primary_key=True),
    Column("told", Integer, nullable=False, default=0),
    Column("prepared", Integer, nullable=False, default=0),
    Column("place", String, nullable=False, default=""),
)
"""How far a connector has told the news, how far it has prepared more to show, and under which names (lines)."""

deferred_news = Table(
    "deferred_news",
    metadata,
    Column("connector", String, primary_key=True),
    Column("item", ForeignKey("news.id"), primary_key=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Float, nullable=False, default=0.0),
    Column("error", String, nullable=False),
)
"""News that a connector could not tell in its turn: later items do not wait for them."""

conditions = Table(
    "conditions",
    metadata,
    Column("source", String, primary_key=True),
    Column("code", String, primary_key=True),
    Column("about", String, primary_key=True),
    Column("detail_th", String, nullable=False),
    Column("detail_en", String, nullable=False),
    Column("since", String, nullable=False),
)
"""What keeps the adapter from working now, or may soon, as `run` has found it."""

seen_heads = Table(
    "seen_heads",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", String, nullable=False),
    Column("seen_at", String, nullable=False),
)
"""Signed heads of the bus's ledger that were found to continue one another."""

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("held", String, nullable=False),
    Column("shown", String, nullable=False),
    sqlite_autoincrement=True,
)
"""Heads that contradict those, each with the one that it contradicts."""
