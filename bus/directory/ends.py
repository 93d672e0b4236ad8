"""When the agencies of a directory can sign no more, for want of a certificate or of a list of revoked ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import inf
from typing import Final

from bus.directory.authorities import Authority, Revocations
from bus.directory.model import Agency, Directory

SOON: Final = timedelta(days=30)


def end_of(agency: Agency) -> datetime | None:
    """Return when the last of an agency's certificates ends that is not revoked; None where it has none."""
    ends = (pin.certificate.not_valid_after_utc for pin in agency.certificates if pin.revoked_at is None)
    return max(ends, default=None)


def first_end(directory: Directory) -> datetime | None:
    """Return when the first active agency has no certificate in force any more; None where none has an end.

    When those end that an authority issues, the directory does not know.
    """
    return min(filter(None, map(_last_end, directory.agencies.values())), default=None)


def ending(directory: Directory, at: datetime) -> Iterable[datetime]:
    """Yield the end of each active agency whose last certificate ends within 30 days, or has ended.

    When those end that an authority issues, the directory does not know.
    """
    for agency in directory.agencies.values():
        end = _last_end(agency)
        if end is not None and end < at + SOON:
            yield end


def _last_end(agency: Agency) -> datetime | None:
    vouched = any(pin.revoked_at is None for pin in agency.vouched)
    return end_of(agency) if agency.active and not vouched else None


def first_list(authority: Authority) -> Revocations:
    """Return the list of an authority's chain that is the first to be past its time."""
    return min(authority.revocations, key=lambda one: one.until)


def seconds_of_lists(directory: Directory, at: datetime) -> float:
    """Return the seconds until the first list of any public authority is past its time; infinite without one."""
    ends = (first_list(one).until for one in directory.authorities.values())
    return min(((end - at).total_seconds() for end in ends), default=inf)
