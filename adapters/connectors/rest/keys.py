"""The keys of programs: made once and shown once, kept as hashes, with a few rights each and a rate.

A key is `sbk_<id>_<secret>`; its secret is 256 random bits, which no guessing finds: a plain SHA-256 of it is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from adapters.connectors.rest.problems import Problem
from adapters.mailbox import Mailbox
from adapters.mailbox.doors import DoorKey
from bus.thai import now

SCOPES: Final = ("read", "write", "acts")
"""To read letters, news and directory and to take letters; to send letters; to say something about letters."""
_MOST_BUCKETS = 10_000


def make_key(
    mailbox: Mailbox, name: str, scopes: Collection[str], *, days: int | None = None
) -> tuple[DoorKey, str]:
    """Admit a new key, and give it with its text, which is kept nowhere."""
    secret = secrets.token_urlsafe(32)
    at = now()
    made = DoorKey(
        id=secrets.token_hex(4),
        name=name,
        sha256=_hashed(secret),
        scopes=tuple(each for each in SCOPES if each in scopes),
        made_at=at.isoformat(),
        ends_at=(at + timedelta(days=days)).isoformat() if days else None,
    )
    mailbox.doors.add_key(made)
    return made, f"sbk_{made.id}_{secret}"


def in_force(key: DoorKey, at: datetime) -> bool:
    """Whether a key may be used at a time."""
    return key.ends_at is None or datetime.fromisoformat(key.ends_at) > at


def recognised(mailbox: Mailbox, text: str) -> DoorKey | None:
    """The key that this is the text of, if it is in force."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != "sbk" or not secret or not text.isascii() or len(text) > 200:
        return None
    key = mailbox.doors.key(key_id)
    if key is None or not hmac.compare_digest(key.sha256, _hashed(secret)):
        return None
    return key if in_force(key, now()) else None


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """So many requests a minute of each, and as many at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, who: str) -> None:
        """Count a request. Raises Problem when there were too many."""
        at = self._clock()
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) >= _MOST_BUCKETS:
                self._buckets.pop(next(iter(self._buckets)))
            bucket = self._buckets[who] = _Bucket(self._most, at)
        bucket.left = min(self._most, bucket.left + (at - bucket.at) * self._most / 60)
        bucket.at = at
        if bucket.left < 1:
            raise Problem("rate.exceeded", retry_after=int((1 - bucket.left) * 60 / self._most) + 1)
        bucket.left -= 1
