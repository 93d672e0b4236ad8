"""Refusals counted by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "refusal_counts",
        sa.Column("agency", sa.String(length=10), nullable=False),
        sa.Column("hour", sa.String(length=13), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("count", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("agency", "hour", "code", name="pk_refusal_counts"),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")
