"""What ends: the bus's own certificates, agencies' last ones, authorities' lists; looked at once an hour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from cryptography import x509

from bus import logs
from bus.directory import Directory
from bus.directory.ends import SOON, ending, first_end, first_list
from bus.documents.seal import Seal
from bus.process import pause
from bus.settings.bus import BusSettings
from bus.thai import now

_EVERY = 60.0
_AGAIN_AFTER = timedelta(hours=1)
_SAY_EVERY = timedelta(days=1)
_WARNED_FROM = timedelta(days=60)
_log = logs.get("certificates")


class WatchingCertificates:
    """What was last seen of them."""

    def __init__(self, own: Mapping[str, datetime], directory: Callable[[], Directory]) -> None:
        """`own`: when each of the bus's own certificates ends, by what it is for; `directory` is the one in force."""
        self._own = own
        self._directory = directory
        self._version = -1
        self._looked_at = self._said_at = datetime.min.replace(tzinfo=now().tzinfo)
        self.agencies = 0
        """Agencies whose last certificate ends within 30 days, or has ended."""
        self.first: datetime | None = None
        """When the first of all agencies has no certificate in force any more."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again, until stopped."""
        while not stop.is_set():
            await self.look(now())
            await pause(stop, _EVERY)

    async def look(self, at: datetime) -> None:
        """Look, if an hour has passed or the directory is another; log what ends once a day."""
        directory = self._directory()
        if directory.version == self._version and at < self._looked_at + _AGAIN_AFTER:
            return
        # Thousands are read the first time.
        ends, self.first = await asyncio.to_thread(
            lambda: (list(ending(directory, at)), first_end(directory))
        )
        self.agencies, self._version, self._looked_at = len(ends), directory.version, at
        if at < self._said_at + _SAY_EVERY:
            return
        self._said_at = at
        for certificate, end in self._own.items():
            if end < at + _WARNED_FROM:
                _log.warning("certificate-ends", certificate=certificate, days=(end - at).days)
        for authority in directory.authorities.values():
            if (first := first_list(authority)).ageing(at):
                hours = (first.until - at) // timedelta(hours=1)
                _log.warning("authority-list-ends", authority=authority.id, hours=hours)
        if ends:
            past = sum(end < at for end in ends)
            _log.warning("agency-certificates-end", agencies=len(ends), within_days=SOON.days, ended=past)


def own_ends(settings: BusSettings, seal: Seal) -> dict[str, datetime]:
    """Return when each certificate ends that a router works with, by what it is for, as it was at the start.

    One that cannot be read is left out: whoever needs it says what is wrong, by the name of its setting.
    """
    files = {"depot-authority": settings.depot.ca_file}
    for name, broker in settings.brokers.items():
        files |= {f"broker-{name}": broker.certificate, f"broker-{name}-authority": broker.ca_file}
    found = {"seal": seal.certificate.not_valid_after_utc}
    for what, file in files.items():
        if file is not None:
            with suppress(OSError, ValueError):
                read = x509.load_pem_x509_certificates(file.read_bytes())
                found[what] = min(one.not_valid_after_utc for one in read)
    return found


def days_left(end: datetime) -> float:
    """Return the whole days until the end of a certificate; negative once it has ended."""
    return (end - now()).days
