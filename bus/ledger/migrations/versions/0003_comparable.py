"""Subjects and numbers are found in whatever form they were typed: the form in which they are compared is kept too."""

import sqlalchemy as sa
from alembic import op

from bus.ledger.migrations.guards import filled_in
from bus.thai import comparable, normalise_number

revision = "0003"
down_revision = "0002"

_AT_ONCE = 1000


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.add_column("letters", sa.Column("subject_comparable", sa.Text(), nullable=True))
    if postgresql:
        op.alter_column("letters", "number_normalised", type_=sa.Text())
    with filled_in("letters"):
        _fill()
    if postgresql:
        _trigrams()


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")


def _fill() -> None:
    connection, last = op.get_bind(), 0
    query = sa.text(
        "SELECT letter, number, subject FROM letters WHERE letter > :last ORDER BY letter LIMIT :most"
    )
    change = sa.text(
        "UPDATE letters SET number_normalised = :number, subject_comparable = :subject WHERE letter = :letter"
    )
    while rows := connection.execute(query, {"last": last, "most": _AT_ONCE}).all():
        forms = [
            {
                "letter": row.letter,
                "number": normalise_number(row.number) if row.number else None,
                "subject": comparable(row.subject) if row.subject is not None else None,
            }
            for row in rows
        ]
        connection.execute(change, forms)
        last = rows[-1].letter


def _trigrams() -> None:
    """The index of 0002 moves to the column that is looked into now; there is none where the server has no trigrams."""
    if op.get_bind().scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")):
        op.execute("DROP INDEX IF EXISTS ix_letters_subject")
        op.execute("CREATE INDEX ix_letters_subject ON letters USING gin (subject_comparable gin_trgm_ops)")
