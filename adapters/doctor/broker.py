"""The broker as this agency sees it, host by host: reachable, believed, logged in, and with an inbox."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from bus.broker.awaiting import to_do
from bus.broker.examining import look_at
from bus.broker.hosts import Hosts
from bus.broker.messages import Away
from bus.broker.topology import inbox_queue
from bus.doctor import Check, Found, fail, ok, warn
from bus.ends import ending
from bus.errors import Misconfigured
from bus.peers import valid_until, why_not
from bus.settings import AdapterSettings
from bus.settings.transport import each_host
from bus.thai import now

_AMQPS = 5671
_BELIEVE = "Check broker.ca_file, the name in broker.url and this machine's clock; else tell the operator."
_MANY = 1000
"""Messages that wait in an inbox: a running adapter takes as many in seconds."""


def checks(settings: AdapterSettings) -> list[Check]:
    """One check for each host of `broker.url`."""
    return [
        Check(f"broker {host}", partial(_look, settings, host)) for host in each_host(settings.broker.url)
    ]


async def _look(settings: AdapterSettings, host: str) -> Sequence[Found]:
    section, queue = settings.broker, inbox_queue(settings.agency)
    try:
        hosts, tls = Hosts(section.address()), section.tls()
    except Misconfigured:
        return [fail("not looked at", "Mend what `configuration` says of `broker`.")]
    found: list[Found] = []
    if tls is not None:
        parts = urlsplit(f"amqps://{host}")
        try:
            until = await valid_until(parts.hostname or "", parts.port or _AMQPS, tls)
        except ssl.SSLError as exc:
            doubted = isinstance(exc, ssl.SSLCertVerificationError)
            return [fail(f"TLS: {why_not(exc)}", _BELIEVE if doubted else to_do("SSL"))]
        except (OSError, TimeoutError):
            pass  # nobody answers, or not with TLS: who logs in is told why
        else:
            found.append(
                ending("TLS: the broker's certificate", until, now(), "Tell the operator of the bus.")
            )
    try:
        seen = await look_at(hosts, host, queue=queue, name=f"adapter.{settings.agency}.doctor", tls=tls)
    except Away as exc:
        fix = to_do(str(exc))
        if "404" in str(exc):
            fix = "The login is right, and this agency has no inbox here: tell the operator of the bus."
        return [*found, fail(f"as {section.user}: {exc}", fix)]
    return [*found, ok(f"{seen.product}, logged in as {section.user}"), _of_inbox(queue, seen.depth.messages)]


def _of_inbox(queue: str, waiting: int) -> Found:
    sentence = f"{queue} is there, {waiting} messages wait in it"
    if waiting > _MANY:
        return warn(
            sentence, "If the adapter runs, look at its disk and at `saraban-adapter status`; else start it."
        )
    return ok(sentence)
