"""Operator's keys: 256 random bits, by which a command line says who acts; only their SHA-256 is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

PREFIX: Final = "sbk_"
"""What every key begins with, so that one that leaked is found by those who search for such things."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_KEY: Final = re.compile(r"sbk_[A-Za-z0-9_-]{43}")


def new_key() -> str:
    """Return a new key."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> str | None:
    """Return the SHA-256 that is kept of a key, in hexadecimal digits; None of what is no key.

    A key is random, so that no slow hash is needed: nobody can try 2 to the power of 256.
    """
    return hashlib.sha256(key.encode()).hexdigest() if _KEY.fullmatch(key) else None


def is_digest(text: str) -> bool:
    """Whether it can be what is kept of a key."""
    return _DIGEST.fullmatch(text) is not None
