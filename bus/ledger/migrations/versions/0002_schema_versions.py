"""The database itself says which programs work with its schema, so that older ones can go on during an upgrade."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
compatible_from = "0002"
"""The schema of the oldest program that works with this one; `env.py` enters it with the step."""


def upgrade() -> None:
    op.create_table(
        "schema_versions",
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("compatible_from", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_schema_versions"),
    )


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")
