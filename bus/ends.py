"""What follows from the day on which a certificate ends: one rule for every doctor."""

from __future__ import annotations

from datetime import datetime, timedelta

from bus.doctor import Found, fail, ok, warn

SOON = timedelta(days=30)
"""From then on the end of a certificate is warned of."""


def ending(whose: str, until: datetime, at: datetime, anew: str) -> Found:
    """What follows from the end of a certificate."""
    shown = f"{until:%Y-%m-%d %H:%M} UTC"
    if at > until:
        return fail(f"{whose} has expired, on {shown}", anew)
    days = (until - at).days
    if until - at < SOON:
        return warn(f"{whose} expires in {days} days, on {shown}", anew)
    return ok(f"{whose} is valid until {shown}, {days} days")
