"""The states of many letters within bounds: a circular to thousands costs as much as thousands of letters.

What a list shows at once is bounded by recipients, not by letters; the page of a letter, the files and the jobs have
everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState

MOST_OF_ONE: Final = 500
"""Recipients of a letter up to which a list says what became of it."""
MOST_TOGETHER: Final = 3_000
"""Recipients of the letters of a list, all together, of which it says what became of them."""


def states_within(reader: Reader, letters: Sequence[int]) -> tuple[dict[int, LetterState], Mapping[int, int]]:
    """Return the states of those letters that a list can say them of, in its order, and the recipients of each."""
    many = reader.agencies.how_many(letters)
    few, together = [], 0
    for letter in letters:
        count = many.get(letter, 0)
        if count <= MOST_OF_ONE and together + count <= MOST_TOGETHER:
            few.append(letter)
            together += count
    return reader.states_of(few), many


def portions(
    reader: Reader, rows: Sequence[LetterRow], most: int = MOST_TOGETHER
) -> Iterator[tuple[list[LetterRow], int]]:
    """Yield the letters in portions of so many recipients together, or of one letter; with how many these are."""
    many = reader.agencies.how_many([row.letter for row in rows])
    portion: list[LetterRow] = []
    together = 0
    for row in rows:
        count = many.get(row.letter, 0)
        if portion and together + count > most:
            yield portion, together
            portion, together = [], 0
        portion.append(row)
        together += count
    if portion:
        yield portion, together
