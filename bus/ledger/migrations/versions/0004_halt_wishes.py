"""What a person wants to halt or resume, which another person confirms."""

import sqlalchemy as sa
from alembic import op

from bus.ledger.migrations.guards import guard

revision = "0004"
down_revision = "0003"
compatible_from = "0002"


def upgrade() -> None:
    op.create_table(
        "halt_wishes",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("halted", sa.Boolean(), nullable=False),
        sa.Column("after", sa.Integer(), nullable=False),
        sa.Column("operator", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_halt_wishes"),
    )
    guard({"halt_wishes": ("number",)})


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")
