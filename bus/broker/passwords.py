"""The broker users' passwords: where they are kept, and how RabbitMQ stores them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from bus.settings.sections import read_secret

HASHING = "rabbit_password_hashing_sha256"
NO_PASSWORD = ""
"""The hash of a user whom no password lets in."""
_SALT_BYTES = 4


class Passwords:
    """One password per user, each in a file of its own that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, user: str) -> str:
        """The user's password; generated when there is none yet."""
        path = self._folder / user
        if not path.exists():
            self._generate(path)
        return read_secret(path, user).strip()

    def _generate(self, path: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link never replaces: of two that generate at once, the second takes over the first one's password.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()


def hashed(password: str, salt: bytes | None = None) -> str:
    """RabbitMQ's salted hash: base64 of the salt and of SHA-256 over salt and password."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def matches(password: str, stored: str) -> bool:
    """Whether this is the password of a stored hash."""
    salt = base64.b64decode(stored)[:_SALT_BYTES]
    return hmac.compare_digest(hashed(password, salt), stored)
