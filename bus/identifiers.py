"""The texts that name something, each with a type of its own, so that none is taken for another.

At run time they are plain strings. They are made where a value comes in and is first looked at, where
a table, a header or the ledger's JSON is read back, and nowhere between.
"""

from __future__ import annotations

from typing import Final, NewType
from uuid import UUID

AgencyCode = NewType("AgencyCode", str)
"""Ten digits that name a state agency, or `bus` where it is the bus that speaks. First trusted where a directory, the
settings, a document or a token has been read, and where an exchange's or a user's name is taken apart."""

MAIN: Final = "main"
"""The broker cluster on which an agency's queues are unless the directory names another: the settings' `[broker]`."""
CLUSTER_NAME: Final = "[a-z0-9][a-z0-9-]{0,49}"
"""How a cluster may be called, as a regular expression."""

LetterId = NewType("LetterId", str)
"""A letter's LetterID as text; its sender chose it, and another agency may have chosen the same. First trusted where a
document has been read (`as_letter_id`)."""

ContentDigest = NewType("ContentDigest", str)
"""Lower-case hexadecimal SHA-256 of what is signed, whoever signed it. First trusted where it is computed
(`bus.documents.xml`), and where a document that states one has been read."""

RawDigest = NewType("RawDigest", str)
"""Lower-case hexadecimal SHA-256 of bytes as they came: a submission, a kept document, a file. First trusted
where it is computed, where a document that states one has been read, and where the depot has looked at a request."""


def as_letter_id(stated: UUID | None) -> LetterId:
    """The LetterID that a document states; where a notice states none, what no letter has."""
    return LetterId(str(stated))
