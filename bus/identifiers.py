"""The texts that name something, each with a type of its own, so that none is taken for another.

At run time they are plain strings. They are made where a value comes in and is first looked at, and nowhere between.
"""

from __future__ import annotations

from typing import NewType
from uuid import UUID

LetterId = NewType("LetterId", str)
"""A letter's LetterID in its one written form. Its sender chose it, and another agency may have chosen the same; made
from a document that was read (`as_letter_id`), and trusted from there, out of a row, and as a word to look for."""

ContentDigest = NewType("ContentDigest", str)
"""Lower-case hexadecimal SHA-256 of what is signed, whoever signed it. Computed over a document's canonical form
(`bus.documents.xml`) or a report's octets; trusted from there, out of a document that was read, and out of a row."""

RawDigest = NewType("RawDigest", str)
"""Lower-case hexadecimal SHA-256 of bytes as they came: a submission, a kept document, a file. Computed over them;
trusted from there, out of a document that was read, out of a path that the depot has checked, and out of a row."""


def as_letter_id(stated: UUID | None) -> LetterId:
    """The LetterID that a document states; where a notice states none, what no letter has."""
    return LetterId(str(stated))
