"""Digests for tests: of bytes that are there, and of content that nobody has."""

from __future__ import annotations

import hashlib

from bus.identifiers import ContentDigest, RawDigest

NO_BYTES = RawDigest("0" * 64)
"""Of nothing that is anywhere."""
SOME_BYTES, OTHER_BYTES = RawDigest("ab" * 32), RawDigest("cd" * 32)
SOME_CONTENT, OTHER_CONTENT = ContentDigest("cd" * 32), ContentDigest("ef" * 32)


def raw_digest(data: bytes) -> RawDigest:
    """SHA-256 of bytes, as everybody computes it."""
    return RawDigest(hashlib.sha256(data).hexdigest())
