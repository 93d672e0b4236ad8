"""The doors that listen: whether the running adapter answers there, or the port can be had, and their certificates.

Nothing is asked of a door but the connection: no key is needed, and no request is made.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from adapters.doctor.configuration import has_mailbox
from adapters.mailbox import Mailbox
from bus.doctor import Check, Found, fail, ok
from bus.documents.seal import read_certificate
from bus.ends import ending
from bus.errors import BusError, Misconfigured
from bus.logs import in_words
from bus.settings.adapter import AdapterSettings
from bus.settings.tls import believing_all
from bus.settings.transport import reached_at
from bus.thai import now

_WITHIN = 5.0
"""Seconds that a door on this machine may take to answer."""


def checks(settings: AdapterSettings) -> list[Check]:
    """One check for each door that listens."""
    rest, ecms = settings.connectors.rest, settings.connectors.ecms
    found = []
    if rest.enabled:
        at = (rest.listen_host, rest.listen_port)
        found.append(Check("REST door", partial(look_at, settings, at, "connectors.rest", rest.certificate)))
    if ecms.enabled:
        at = (ecms.host, ecms.port)
        found.append(Check("e-CMS door", partial(look_at, settings, at, "connectors.ecms", ecms.certificate)))
    return found


async def look_at(
    settings: AdapterSettings, at: tuple[str, int], section: str, certificate: Path | None
) -> Sequence[Found]:
    """What is to be said of a door of this section of the settings that listens at (host, port)."""
    found = await _port(at, section, https=certificate is not None, running=_runs(settings))
    if certificate is not None:
        found += _certificate(certificate, section)
    return found


def _runs(settings: AdapterSettings) -> bool:
    """Whether the adapter runs, as its mailbox says."""
    if not has_mailbox(settings):
        return False
    try:
        with Mailbox(settings.mailbox.folder, settings.agency, only_reading=True) as mailbox:
            return mailbox.running()
    except (BusError, OSError):
        return False  # the check of the mailbox says why


async def _port(at: tuple[str, int], section: str, *, https: bool, running: bool) -> list[Found]:
    host, port = at
    shown = f"{host} port {port}"
    if not running:
        return [await asyncio.to_thread(_free, at, section)]
    tls = believing_all() if https else None
    name = "localhost" if https else None
    try:
        async with asyncio.timeout(_WITHIN):
            _, writer = await asyncio.open_connection(reached_at(host), port, ssl=tls, server_hostname=name)
    except ssl.SSLError as exc:
        fix = f"Look whether another program has that port; else set another one ({section})."
        return [fail(f"{shown}: no https is spoken there ({in_words(exc)})", fix)]
    except (OSError, TimeoutError) as exc:
        fix = "Restart the adapter, whose settings may have changed; its log says why the door is not open."
        return [fail(f"{shown}: the adapter runs, and does not answer there ({in_words(exc)})", fix)]
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return [ok(f"{shown}: answers, {'https' if https else 'unencrypted'}")]


def _free(at: tuple[str, int], section: str) -> Found:
    host, port = at
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind, proto)) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except OSError as exc:
        taken = exc.errno == errno.EADDRINUSE
        fix = (
            f"Another program has it: end that one, or set another port ({section})."
            if taken
            else f"Set an address of this machine and a port that this user may have ({section})."
        )
        return fail(f"{host} port {port}: cannot be had ({in_words(exc)})", fix)
    return ok(f"{host} port {port}: free for the adapter, which does not run")


def _certificate(file: Path, section: str) -> list[Found]:
    try:
        until = read_certificate(file, f"{section}.certificate").not_valid_after_utc
    except Misconfigured:
        return []  # a line of `configuration`
    anew = f"Get a new one, put it into the file of {section}.certificate, and restart the adapter."
    return [ending("the certificate of https", until, now(), anew)]
