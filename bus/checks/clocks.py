"""How far two clocks may be apart."""

from __future__ import annotations

from datetime import datetime

from bus.doctor import Found, fail, ok, warn
from bus.thai import now

_NOTICED, _MUCH = 3.0, 30.0
"""Seconds that are to be told, and from which receipts and deadlines are judged by a time that nobody else has."""
_NTP = "Set both machines' clocks by NTP."


def compared(whose: str, theirs: datetime) -> Found:
    """Return what to say of this machine's clock beside another's, which was read just now."""
    ahead = (now() - theirs).total_seconds()
    way = "ahead of" if ahead > 0 else "behind"
    sentence = f"clock: this machine is {abs(ahead):.1f} s {way} {whose}"
    if abs(ahead) > _MUCH:
        return fail(sentence, _NTP)
    return warn(sentence, _NTP) if abs(ahead) > _NOTICED else ok(sentence)
