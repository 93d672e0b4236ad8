"""Words in a subject: by the database's index of trigrams, and then by looking whether the word is really there.

The index has every three characters that follow on each other in a subject's comparable form, and two blanks at its
end (migrations/versions/0003_search.py). A word of one or two characters is in it as the beginning of some of those.
Capital and small letters are two; both databases find what Python's `in` finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Integer, Text, cast, column, func, table, text
from sqlalchemy.dialects.postgresql import TSQUERY

from bus.ledger.tables import letters
from bus.thai import comparable

SUBJECT: Final = letters.c.subject_comparable
WORDS: Final = table("letter_words", column("rowid", Integer), column("letter_words", Text))
"""SQLite's index: a row for each letter that has a subject, by the letter's number."""
_WIDTH: Final = 3
_MOST_OF_A_WORD: Final = 24
"""So many trigrams of a long word are looked up; whether all of it is there, the subject itself says."""
_MOST_BEGINNINGS: Final = 2000
_FILL: Final = text(
    "INSERT INTO letter_words (rowid, subject) SELECT letter, subject_comparable || '  ' FROM letters"
    " WHERE subject_comparable IS NOT NULL"
)
_BEGINNINGS: Final = text(
    "SELECT term FROM letter_trigrams WHERE term >= :first AND term < :after LIMIT :most"
)


def forms_of(words: Iterable[str]) -> list[str]:
    """Return the comparable forms of the words that are asked for, each once."""
    return list(dict.fromkeys(map(comparable, words)))


def is_short(form: str) -> bool:
    """Whether a form is shorter than what the index is made of."""
    return len(form) < _WIDTH


def stands(forms: Iterable[str], *, sqlite: bool) -> ColumnElement[bool]:
    """Return the condition that a letter has a subject in which all of these stand."""
    found: ColumnElement[bool] = SUBJECT.is_not(None)
    for form in forms:
        # SQLite's LIKE takes capital letters for small ones.
        here = func.instr(SUBJECT, form) > 0 if sqlite else SUBJECT.contains(form, autoescape=True)
        found = found & here
    return found


def indexed(connection: Connection, forms: Iterable[str]) -> ColumnElement[bool] | None:
    """Return the condition by which the index gives letters that may have all of these; None if it is of no help."""
    if connection.dialect.name == "postgresql":
        query = " & ".join(map(_lexemes, filter(None, forms)))
        trigrams = func.letter_trigrams(SUBJECT)
        return trigrams.op("@@", is_comparison=True)(cast(query, TSQUERY)) if query else None
    parts = [_phrases(connection, form) for form in forms if form]
    match = " AND ".join(part for part in parts if part is not None)
    return WORDS.c.letter_words.op("MATCH", is_comparison=True)(match) if match else None


def _trigrams(form: str) -> list[str]:
    found = list(dict.fromkeys(form[place : place + _WIDTH] for place in range(len(form) - _WIDTH + 1)))
    step = -(-len(found) // _MOST_OF_A_WORD) or 1
    return found[::step]


def _lexemes(form: str) -> str:
    """A word as a tsquery: each lexeme in quotes, in which quotes and backslashes are doubled."""
    if len(form) < _WIDTH:
        return f"{_quoted(form)}:*"
    return " & ".join(map(_quoted, _trigrams(form)))


def _quoted(lexeme: str) -> str:
    doubled = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _phrases(connection: Connection, form: str) -> str | None:
    """A word as FTS5 is asked for it: strings in quotes; None for a short one with which too much begins."""
    if len(form) >= _WIDTH:
        return " AND ".join(map(_phrase, _trigrams(form)))
    values: dict[str, Any] = {"first": form, "after": _after(form), "most": _MOST_BEGINNINGS + 1}
    terms = connection.scalars(_BEGINNINGS, values).all()
    if len(terms) > _MOST_BEGINNINGS:
        return None
    return f"({' OR '.join(map(_phrase, terms or [form]))})"


def _phrase(trigram: str) -> str:
    doubled = trigram.replace('"', '""')
    return f'"{doubled}"'


def _after(form: str) -> str:
    """The first text after all that begin so, in the order of bytes; no text holds a surrogate."""
    last = ord(form[-1]) + 1
    return form[:-1] + chr(0xE000 if last == 0xD800 else min(last, 0x10FFFF))


def list_words(connection: Connection) -> None:
    """Fill SQLite's index of words anew; PostgreSQL's follows from the table, and REINDEX makes it anew."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("INSERT INTO letter_words (letter_words) VALUES ('delete-all')"))
        connection.execute(_FILL)
