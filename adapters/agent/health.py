"""What the adapter depends on, looked at again and again: broker, depot, clocks and certificates.

What is wrong is reported as conditions, which `status` and `/readyz` show. The bus's clock is read from the `Date` of
the depot's answers (RFC 9110, section 6.6.1): its tokens are refused by that very clock.
"""

from __future__ import annotations

import time
from asyncio import to_thread
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from adapters.depot import Probe
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.logs import get
from bus.thai import now, thai_date

_LOG = get(__name__)
SOURCE = "adapter"
_EVERY = 5.0
_DEPOT_EVERY = 60.0
_DEPOT_IN_TROUBLE_EVERY = 10.0
_CLOCKS_MAY_DIFFER = 30.0
"""Seconds. The depot refuses tokens from 10 s on ahead; deadlines and letters' times suffer from minutes."""
_SOON = timedelta(days=30)
_SAID_FROM, _SAY_EVERY = timedelta(days=60), timedelta(days=1)
_REFUSED = "ACCESS_REFUSED"
"""The broker's reply to a wrong user or password (AMQP 0-9-1, 403)."""
_UNBELIEVED = ("CERTIFICATE", "UNKNOWN_CA")
"""In OpenSSL's names of the alerts by which a broker refuses the certificate that it was shown."""
_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's word for a certificate that is expired, of another name or of an unknown authority."""


class Link(Protocol):
    """A connection to the broker, as far as its health goes."""

    @property
    def connected(self) -> bool: ...

    @property
    def blocked(self) -> bool: ...

    @property
    def why(self) -> str | None:
        """Why the last attempt to connect failed, None if it did not."""


class Probed(Protocol):
    """The depot, as far as its health goes."""

    async def probe(self) -> Probe:
        """Ask it for a sign of life."""


class Health:
    """Finds conditions and reports them; has no say in anything else."""

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        certificate: x509.Certificate,
        bus_certificate: x509.Certificate,
        links: Collection[Link],
        depot: Probed,
        account: str = "",
        login: x509.Certificate | None = None,
    ) -> None:
        """`account`: as whom it connects to which broker, for people; no secret. `login`: its certificate for that."""
        self._login = login
        self._mailbox = mailbox
        self._certificate = certificate
        self._bus_certificate = bus_certificate
        self._links = links
        self._depot = depot
        self._account = account
        self._of_depot: list[Finding] = []
        self._probe_at = 0.0
        self._said_at: datetime | None = None

    async def work(self) -> float:
        """Look once; give the seconds until the next look."""
        if time.monotonic() >= self._probe_at:
            self._of_depot = _of_depot(await self._depot.probe())
            every = _DEPOT_IN_TROUBLE_EVERY if self._of_depot else _DEPOT_EVERY
            self._probe_at = time.monotonic() + every
        self._say_ends(now())
        certificates = of_certificates(self._certificate, self._bus_certificate, now())
        found = [*self._of_broker(), *self._of_depot, *certificates, *of_login(self._login, now())]
        await to_thread(self._report, found)
        return _EVERY

    def _say_ends(self, at: datetime) -> None:
        """Log, once a day, which certificates end within 60 days, or have ended."""
        if self._said_at is not None and at < self._said_at + _SAY_EVERY:
            return
        self._said_at = at
        named = {"seal": self._certificate, "bus": self._bus_certificate, "broker": self._login}
        for name, certificate in named.items():
            left = certificate.not_valid_after_utc - at if certificate else _SAID_FROM
            if left < _SAID_FROM:
                _LOG.warning("certificate-ends", certificate=name, days=left.days)

    def _report(self, found: list[Finding]) -> None:
        if self._mailbox.arrivals.disbelieved():
            found.append(Finding(ConditionCode.BUS_CERTIFICATE_FOREIGN))
        self._mailbox.conditions.report(SOURCE, found)

    def _of_broker(self) -> list[Finding]:
        reasons = [link.why for link in self._links if not link.connected and link.why is not None]
        if reasons:
            reason, code = reasons[0], ConditionCode.BROKER_AWAY
            if _REFUSED in reason or ("_ALERT_" in reason and any(each in reason for each in _UNBELIEVED)):
                code = ConditionCode.BROKER_REFUSES
            elif _CERTIFICATE in reason:
                code = ConditionCode.BROKER_CERTIFICATE
            detail = f"{self._account}: {reason}" if self._account else reason
            return [Finding(code, "", detail, detail)]
        if any(link.blocked for link in self._links):
            return [Finding(ConditionCode.BROKER_BLOCKED)]
        return []


def of_certificates(own: x509.Certificate, bus: x509.Certificate, at: datetime) -> list[Finding]:
    """What is wrong, or soon will be, with the certificates that are configured here, at a time."""
    found = []
    day = own.not_valid_after_utc
    if at < own.not_valid_before_utc:
        day = own.not_valid_before_utc
        since = (f"ตั้งแต่วันที่ {thai_date(day)}", f"from {day:%Y-%m-%d %H:%M} UTC on")
        found.append(Finding(ConditionCode.CERTIFICATE_EARLY, "", *since))
    elif at > day:
        found.append(Finding(ConditionCode.CERTIFICATE_EXPIRED, "", *_until(day)))
    elif at > day - _SOON:
        found.append(Finding(ConditionCode.CERTIFICATE_EXPIRES, "", *_until(day)))
    if at > bus.not_valid_after_utc:
        found.append(Finding(ConditionCode.BUS_CERTIFICATE_EXPIRED, "", *_until(bus.not_valid_after_utc)))
    return found


def of_login(login: x509.Certificate | None, at: datetime) -> list[Finding]:
    """What is to be said of the certificate with which the adapter logs in to the broker, if it does by one."""
    if login is None or at < login.not_valid_after_utc - _SOON:
        return []
    return [Finding(ConditionCode.BROKER_LOGIN_ENDS, "", *_until(login.not_valid_after_utc))]


def _until(day: datetime) -> tuple[str, str]:
    return f"ถึงวันที่ {thai_date(day)}", f"until {day:%Y-%m-%d %H:%M} UTC"


def _of_depot(probe: Probe) -> list[Finding]:
    if probe.why is not None:
        code = ConditionCode.DEPOT_CERTIFICATE if _CERTIFICATE in probe.why else ConditionCode.DEPOT_AWAY
        return [Finding(code, "", probe.why, probe.why)]
    if probe.ahead is not None and abs(probe.ahead) > _CLOCKS_MAY_DIFFER:
        minutes = abs(probe.ahead) / 60
        way_th, way_en = ("เร็ว", "ahead") if probe.ahead > 0 else ("ช้า", "behind")
        much_th, much_en = (
            ("ไม่ถึงหนึ่งนาที", "less than a minute")
            if minutes < 1
            else (f"ประมาณ {minutes:.0f} นาที", f"about {minutes:.0f} minutes")
        )
        th, en = f"เครื่องนี้{way_th}กว่า{much_th}", f"this machine is {much_en} {way_en}"
        return [Finding(ConditionCode.CLOCK_WRONG, "", th, en)]
    return []
