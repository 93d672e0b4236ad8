"""When the agencies of a directory can sign no more, for want of a certificate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from bus.directory.model import Agency, Directory

SOON: Final = timedelta(days=30)


def end_of(agency: Agency) -> datetime | None:
    """Return when the last of an agency's certificates ends that is not revoked; None where it has none."""
    ends = (pin.certificate.not_valid_after_utc for pin in agency.certificates if pin.revoked_at is None)
    return max(ends, default=None)


def ending(directory: Directory, at: datetime) -> Iterable[datetime]:
    """Yield the end of each active agency whose last certificate ends within 30 days, or has ended."""
    for agency in directory.agencies.values():
        end = end_of(agency) if agency.active else None
        if end is not None and end < at + SOON:
            yield end
