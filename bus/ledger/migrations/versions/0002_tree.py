"""The tree over the entries, its signed heads and who has seen them; what auditors look for; the halt."""

import sqlalchemy as sa
from alembic import op

from bus.errors import Misconfigured, Problem
from bus.ledger.migrations.guards import guard

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEYS = {
    "tiles": ("level", "place"),
    "checkpoints": ("size",),
    "anchors": ("size",),
    "cosignatures": ("size", "agency"),
    "halts": ("number",),
}


def upgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM entries")):
        # Its entries are no chains, and nobody has seen a head of it: there is nothing that could be proved of them.
        wrong = "was begun by a version before the first release, without a tree"
        raise Misconfigured(
            Problem("bus.toml", "ledger.url", wrong, "Begin a new ledger in an empty database.")
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
        "checkpoints",
        sa.Column("size", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name="pk_checkpoints"),
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
        "halts",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("halted", sa.Boolean(), nullable=False),
        sa.Column("operator", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_halts"),
    )
    op.add_column("pending", sa.Column("again", sa.Boolean(), nullable=False, server_default="0"))
    op.add_column("letters", sa.Column("subject", sa.String(length=1000), nullable=True))
    op.add_column("letters", sa.Column("certificate", sa.String(length=64), nullable=True))
    op.create_index("ix_letters_certificate", "letters", ["certificate"])
    op.create_index("ix_submissions_entry", "submissions", ["entry"])
    op.create_index("ix_letters_dated", "letters", ["dated"])
    op.create_index("ix_letters_sender_letter", "letters", ["sender", "letter"])
    guard(KEYS, KEYS)
    if op.get_bind().dialect.name == "postgresql":
        _trigrams()


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")


def _trigrams() -> None:
    """Words inside a subject are found by trigrams where the server has them; else by reading every subject."""
    if op.get_bind().scalar(sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")):
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute("CREATE INDEX ix_letters_subject ON letters USING gin (subject gin_trgm_ops)")
