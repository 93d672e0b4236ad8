"""No index of times: what is appended later bears no earlier time, and halving the numbers finds it (moments.py)."""

from alembic import op

revision = "0006"
down_revision = "0005"
compatible_from = "0002"


def upgrade() -> None:
    op.drop_index("ix_entries_at", "entries")
    op.drop_index("ix_letters_accepted_at", "letters")


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")
