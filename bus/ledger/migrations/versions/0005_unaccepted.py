"""The index of what was not accepted, so that every submission can be found, and accepted ones by their hashes."""

import json

import sqlalchemy as sa
from alembic import op

from bus.ledger.migrations.guards import guard

revision = "0005"
down_revision = "0004"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEYS = {"unaccepted": ("entry",)}
_BATCH = 500


def upgrade() -> None:
    table = op.create_table(
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
    for names in (["raw"], ["id"], ["digest"], ["number_normalised"], ["agency", "entry"], ["code", "entry"]):
        op.create_index(f"ix_unaccepted_{'_'.join(names)}", "unaccepted", names)
    op.create_index("ix_entries_document", "entries", ["document"])
    op.create_index("ix_letters_digest", "letters", ["digest"])
    _fill(table)
    guard(KEYS, KEYS)


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")


def _fill(table: sa.Table) -> None:
    """What was not accepted before knew neither its number nor what it claimed of itself."""
    entries = sa.table("entries", sa.column("seq"), sa.column("kind"), sa.column("body"))
    wanted = entries.c.kind.in_(("refused", "conflict", "parked"))
    bodies = op.get_bind().scalars(sa.select(entries.c.body).where(wanted).order_by(entries.c.seq)).all()
    for start in range(0, len(bodies), _BATCH):
        rows = [_row(json.loads(body)) for body in bodies[start : start + _BATCH]]
        op.bulk_insert(table, rows)


def _row(body: dict[str, object]) -> dict[str, object]:
    row = {name: body.get(name) for name in ("at", "kind", "agency", "code", "type", "id", "digest")}
    return {**row, "entry": body["seq"], "number": None, "number_normalised": None, "raw": body["submission"]}
