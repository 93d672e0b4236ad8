"""The ledger: what is remembered, the work lists, and the refusal to change what is remembered."""

import sqlalchemy as sa
from alembic import op

from bus.ledger.migrations.guards import guard

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEYS = {
    "documents": (),
    "entries": ("seq",),
    "letters": ("letter",),
    "recipients": ("letter", "agency"),
    "letter_files": ("letter", "sha256"),
    "submissions": ("agency", "answer"),
    "unaccepted": ("entry",),
    "consignments": ("agency", "number"),
    "directory_records": ("key", "version"),
    "tiles": ("level", "place"),
    "checkpoints": ("size",),
    "anchors": ("size",),
    "cosignatures": ("size", "agency"),
    "halts": ("number",),
}
"""The tables that only grow, each with its key; the same document may be offered again, and is then left out."""


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoints"),
    )
    op.create_table(
        "documents",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_documents"),
    )
    op.create_table(
        "due",
        sa.Column("letter", NUMBER, autoincrement=False, nullable=False),
        sa.Column("deadline", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("letter", "deadline", "at", name="pk_due"),
    )
    op.create_index("ix_due_at", "due", ["at"])
    op.create_table(
        "halts",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("halted", sa.Boolean(), nullable=False),
        sa.Column("operator", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_halts"),
    )
    op.create_table(
        "pending",
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("on_hold", sa.Boolean(), nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.Column("again", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("leased_by", sa.String(length=80), nullable=True),
        sa.Column("leased_until", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("agency", "number", name="pk_pending"),
    )
    op.create_index("ix_pending_on_hold_leased_until", "pending", ["on_hold", "leased_until"])
    op.create_table(
        "refusal_counts",
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("hour", sa.String(length=13), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("count", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("agency", "hour", "code", name="pk_refusal_counts"),
    )
    op.create_table(
        "tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("place", NUMBER, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(length=8192), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "place", name="pk_tiles"),
    )
    op.create_table(
        "watermarks",
        sa.Column("router", sa.String(length=80), nullable=False),
        sa.Column("cluster", sa.String(length=50), nullable=False),
        sa.Column("empty_at", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("router", "cluster", name="pk_watermarks"),
    )
    op.create_table(
        "anchors",
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["checkpoints.size"], name="fk_anchors_size"),
        sa.PrimaryKeyConstraint("size", name="pk_anchors"),
    )
    op.create_table(
        "cosignatures",
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["checkpoints.size"], name="fk_cosignatures_size"),
        sa.PrimaryKeyConstraint("size", "agency", name="pk_cosignatures"),
    )
    op.create_table(
        "entries",
        sa.Column("seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("agency", sa.String(length=10), nullable=True),
        sa.Column("letter", NUMBER, nullable=True),
        sa.Column("document", sa.LargeBinary(length=32), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["document"], ["documents.sha256"], name="fk_entries_document"),
        sa.PrimaryKeyConstraint("seq", name="pk_entries"),
    )
    op.create_index("ix_entries_at", "entries", ["at"])
    op.create_index("ix_entries_document", "entries", ["document"])
    op.create_index("ix_entries_kind_seq", "entries", ["kind", "seq"])
    op.create_index("ix_entries_letter_seq", "entries", ["letter", "seq"])
    op.create_table(
        "consignments",
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("number", NUMBER, autoincrement=False, nullable=False),
        sa.Column("entry", NUMBER, nullable=False),
        sa.Column("letter", NUMBER, nullable=True),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("document", sa.LargeBinary(length=32), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["document"], ["documents.sha256"], name="fk_consignments_document"),
        sa.ForeignKeyConstraint(["entry"], ["entries.seq"], name="fk_consignments_entry"),
        sa.PrimaryKeyConstraint("agency", "number", name="pk_consignments"),
    )
    op.create_index("ix_consignments_entry", "consignments", ["entry"])
    op.create_table(
        "directory_records",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("version", NUMBER, autoincrement=False, nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("key", "version", name="pk_directory_records"),
    )
    op.create_table(
        "letters",
        sa.Column("letter", NUMBER, autoincrement=False, nullable=False),
        sa.Column("sender", sa.String(length=10), nullable=False),
        sa.Column("letter_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=True),
        sa.Column(
            "number_normalised", sa.Text().with_variant(sa.String(length=100), "sqlite"), nullable=True
        ),
        sa.Column("dated", sa.String(length=10), nullable=False),
        sa.Column("speed", sa.String(length=3), nullable=False),
        sa.Column("acknowledgement", sa.String(length=40), nullable=False),
        sa.Column("accepted_at", sa.String(length=40), nullable=False),
        sa.Column("receipt_due", sa.String(length=40), nullable=False),
        sa.Column("registration_due", sa.String(length=40), nullable=True),
        sa.Column("subject", sa.String(length=1000), nullable=True),
        sa.Column("certificate", sa.String(length=64), nullable=True),
        sa.Column("subject_comparable", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["letter"], ["entries.seq"], name="fk_letters_letter"),
        sa.PrimaryKeyConstraint("letter", name="pk_letters"),
        sa.UniqueConstraint("sender", "letter_id", name="uq_letters_sender_letter_id"),
    )
    op.create_index("ix_letters_accepted_at", "letters", ["accepted_at"])
    op.create_index("ix_letters_certificate", "letters", ["certificate"])
    op.create_index("ix_letters_dated", "letters", ["dated"])
    op.create_index("ix_letters_digest", "letters", ["digest"])
    op.create_index("ix_letters_letter_id", "letters", ["letter_id"])
    op.create_index("ix_letters_number_normalised_dated", "letters", ["number_normalised", "dated"])
    op.create_index("ix_letters_sender_letter", "letters", ["sender", "letter"])
    op.create_table(
        "submissions",
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("answer", NUMBER, autoincrement=False, nullable=False),
        sa.Column("entry", NUMBER, nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("raw", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["entries.seq"], name="fk_submissions_entry"),
        sa.PrimaryKeyConstraint("agency", "answer", name="pk_submissions"),
    )
    op.create_index("ix_submissions_agency_raw", "submissions", ["agency", "raw"])
    op.create_index("ix_submissions_agency_type_id", "submissions", ["agency", "type", "id"])
    op.create_index("ix_submissions_entry", "submissions", ["entry"])
    op.create_table(
        "unaccepted",
        sa.Column("entry", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("agency", sa.String(length=10), nullable=True),
        sa.Column("code", sa.String(length=60), nullable=True),
        sa.Column("type", sa.String(length=10), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("number", sa.String(length=100), nullable=True),
        sa.Column("number_normalised", sa.String(length=200), nullable=True),
        sa.Column("raw", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entries.seq"], name="fk_unaccepted_entry"),
        sa.PrimaryKeyConstraint("entry", name="pk_unaccepted"),
    )
    op.create_index("ix_unaccepted_agency_entry", "unaccepted", ["agency", "entry"])
    op.create_index("ix_unaccepted_code_entry", "unaccepted", ["code", "entry"])
    op.create_index("ix_unaccepted_digest", "unaccepted", ["digest"])
    op.create_index("ix_unaccepted_id", "unaccepted", ["id"])
    op.create_index("ix_unaccepted_number_normalised", "unaccepted", ["number_normalised"])
    op.create_index("ix_unaccepted_raw", "unaccepted", ["raw"])
    op.create_table(
        "letter_files",
        sa.Column("letter", NUMBER, autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["letter"], ["letters.letter"], name="fk_letter_files_letter"),
        sa.PrimaryKeyConstraint("letter", "sha256", name="pk_letter_files"),
    )
    op.create_index("ix_letter_files_sha256", "letter_files", ["sha256"])
    op.create_table(
        "recipients",
        sa.Column("letter", NUMBER, autoincrement=False, nullable=False),
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("addressed", sa.String(length=10), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.ForeignKeyConstraint(["letter"], ["letters.letter"], name="fk_recipients_letter"),
        sa.PrimaryKeyConstraint("letter", "agency", name="pk_recipients"),
    )
    op.create_index("ix_recipients_agency_letter", "recipients", ["agency", "letter"])
    guard(KEYS)
    if op.get_bind().dialect.name == "postgresql":
        _trigrams()


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")


def _trigrams() -> None:
    """Words inside a subject are found by trigrams where the server has them; else by reading every subject."""
    if op.get_bind().scalar(sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute("CREATE INDEX ix_letters_subject ON letters USING gin (subject_comparable gin_trgm_ops)")
