"""The broker as this agency sees it, host by host: reachable, believed, logged in, and with an inbox."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bus.broker.awaiting import to_do
from bus.broker.examining import look_at, look_at_certificate
from bus.broker.hosts import Hosts
from bus.broker.messages import Away
from bus.broker.topology import inbox_queue
from bus.doctor import Check, Found, Level, fail, ok, warn
from bus.errors import Misconfigured
from bus.settings.adapter import AdapterSettings
from bus.settings.transport import each_host

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
    certificate = await look_at_certificate(host, tls, believe=_BELIEVE, anew="Tell the operator of the bus.")
    found = [] if certificate is None else [certificate]
    if certificate and certificate.level is Level.FAIL:
        return found
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
