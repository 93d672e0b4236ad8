"""The index of what was said of a letter has who said it."""

from alembic import op

revision = "0005"
down_revision = "0004"
compatible_from = "0002"


def upgrade() -> None:
    op.create_index("ix_entries_letter_seq_agency", "entries", ["letter", "seq", "agency"])
    op.drop_index("ix_entries_letter_seq", "entries")


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")
