"""Words of a subject are found by its trigrams, letters by their kind and speed, entries by their agency.

Both databases fill the index of trigrams by themselves, so that routers of the schema before go on meanwhile. The kind
of a letter stands in its document alone: such a router does not list it, and the next `ledger init` does (kinds.py).
"""

import sqlite3

import sqlalchemy as sa
from alembic import op

from bus.errors import Misconfigured, Problem

revision = "0003"
down_revision = "0002"
compatible_from = "0002"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TRIGRAMS = """
CREATE FUNCTION letter_trigrams(subject text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT array_to_tsvector(array_agg(substr(subject || '  ', place, 3))) FROM generate_series(1, length(subject)) place
$$
"""
"""All three characters that follow on each other, the last ones with blanks: whatever the database's locale is.

pg_trgm leaves out what the locale does not count among letters and digits: in the locale C that is all of Thai.
"""
WORDS = """
CREATE VIRTUAL TABLE letter_words USING fts5(subject, content='', detail=none, tokenize='trigram case_sensitive 1')
"""
FILL = """
INSERT INTO letter_words (rowid, subject)
SELECT letter, subject_comparable || '  ' FROM letters WHERE subject_comparable IS NOT NULL
"""
KEEP = """
CREATE TRIGGER letters_words AFTER INSERT ON letters WHEN NEW.subject_comparable IS NOT NULL BEGIN
INSERT INTO letter_words (rowid, subject) VALUES (NEW.letter, NEW.subject_comparable || '  '); END
"""


def upgrade() -> None:
    op.create_table(
        "letter_kinds",
        sa.Column("letter", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("letter", name="pk_letter_kinds"),
    )
    op.create_index("ix_letter_kinds_kind_letter", "letter_kinds", ["kind", "letter"])
    op.create_index("ix_entries_agency_seq", "entries", ["agency", "seq"])
    op.create_index("ix_letters_speed_letter", "letters", ["speed", "letter"])
    for column in ("dated", "certificate"):
        op.create_index(f"ix_letters_{column}_letter", "letters", [column, "letter"])
        op.drop_index(f"ix_letters_{column}", "letters")
    if op.get_bind().dialect.name == "postgresql":
        _postgresql()
    else:
        _sqlite()


def downgrade() -> None:
    raise NotImplementedError("a ledger only grows")


def _postgresql() -> None:
    op.execute("DROP INDEX IF EXISTS ix_letters_subject")
    op.execute(TRIGRAMS)
    op.execute("CREATE INDEX ix_letters_subject ON letters USING gin (letter_trigrams(subject_comparable))")


def _sqlite() -> None:
    try:
        op.execute(WORDS)
    except sa.exc.OperationalError as error:
        raise Misconfigured(
            Problem(
                "bus.toml",
                "ledger.url",
                f"SQLite {sqlite3.sqlite_version} has no index of trigrams (FTS5), by which words are found",
                "Run this program with SQLite 3.34 or newer, built with FTS5, or keep the ledger in PostgreSQL.",
            )
        ) from error
    op.execute("CREATE VIRTUAL TABLE letter_trigrams USING fts5vocab(letter_words, 'row')")
    op.execute(FILL)
    op.execute(KEEP)
