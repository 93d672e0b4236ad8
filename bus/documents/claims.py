"""What a document that was refused says of itself: good for finding it again, and for nothing else.

Nothing here is verified. A sender who asks after his letter knows its number or its LetterID, and it is mostly a letter
whose signature or schema was refused that he asks after.
"""

from __future__ import annotations

from contextlib import suppress

from lxml import etree

from bus.documents.xml import UUID_FORM, Envelope
from bus.errors import Refused

LONGEST = 100
"""Characters of a number that are kept; no genuine one is longer."""
_NUMBER = "ID"


def claims_of(envelope: Envelope) -> dict[str, str]:
    """Return `claimedId`, `claimedDigest` and `number`, as far as they can be read."""
    found = {"number": (envelope.root.findtext(f"{{*}}{_NUMBER}") or "").strip()[:LONGEST]}
    if UUID_FORM.fullmatch(envelope.id):
        found["claimedId"] = envelope.id.lower()
    with suppress(Refused, ValueError, etree.LxmlError):  # what cannot be canonicalised has no digest
        found["claimedDigest"] = envelope.digest
    return {name: value for name, value in found.items() if value}
