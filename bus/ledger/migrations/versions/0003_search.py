"""A place for the tables of the search."""

revision = "0003"
down_revision = "0002"
compatible_from = "0002"


def upgrade() -> None:
    pass


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")
