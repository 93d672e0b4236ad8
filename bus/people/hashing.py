"""Passwords, kept as argon2id hashes (RFC 9106, second recommended option); argon2-cffi ends here."""

from __future__ import annotations

import unicodedata
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

FEWEST: Final = 12
"""The fewest characters of a password."""
MOST: Final = 256
"""The most characters that are looked at: a longer one costs nobody any effort."""
_HASHER: Final = PasswordHasher(
    time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID
)
NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$c2FyYWJhbi1idXMtbm9uZQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)
"""A hash of no password, which takes the same effort: an unknown name is answered no sooner than a wrong password."""


def unfit(password: str) -> str | None:
    """Return why a new password is none, in words that tell nothing of it; None if it is one."""
    if len(password) < FEWEST:
        return f"has fewer than {FEWEST} characters"
    return f"has more than {MOST} characters" if len(password) > MOST else None


def hash_of(password: str) -> str:
    """Return the argon2id hash of a password, with a salt of its own."""
    return _HASHER.hash(_same(password))


def matches(hashed: str, password: str) -> bool:
    """Whether the hash is this password's."""
    try:
        return _HASHER.verify(hashed, _same(password)[:MOST])
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False


def is_hash(text: str) -> bool:
    """Whether it is a hash that this module makes, whatever it costs."""
    return text.startswith("$argon2id$") and text.isascii() and text.isprintable()


def _same(password: str) -> str:
    """One form for what keyboards type in several (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
