"""The letters of a search, as its address says it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl

from bus.directory import Names
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.views.asking import NotUnderstood, names_of
from bus.views.questions import FIELDS, Question, understand
from bus.views.search import results

_PAGE = 250


def question_of(reader: Reader, names: Names, query: str) -> Question:
    """Return the question of a search's address. Raises NotUnderstood where any of it is not understood."""
    given = {name: value for name, value in parse_qsl(query) if name in FIELDS}
    question = understand(reader, names, given)
    if question.mistakes:
        raise NotUnderstood("; ".join(question.mistakes.values()))
    if not question.understood:
        raise NotUnderstood("query: it asks for nothing")
    return question


def found_by(reader: Reader, query: str, most: int) -> Iterator[LetterRow]:
    """Yield the letters that a search finds, the newest first, at most so many."""
    question, before, left = question_of(reader, names_of(reader), query), None, most
    while left > 0:
        page = results(reader, question, before, min(left, _PAGE))
        yield from (row for row, _ in page.letters)
        left, before = left - len(page.letters), page.before
        if before is None:
            return
