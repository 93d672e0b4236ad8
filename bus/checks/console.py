"""The console on this machine: who may sign in, who has its port, and whether the OpenID provider answers."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from http import HTTPStatus
from pathlib import Path

from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.errors import Transient
from bus.operators import Role
from bus.pages.id_tokens import Unproven
from bus.pages.oidc import Flow, Provider
from bus.people import People
from bus.platform.process import OWN_ADDRESS
from bus.settings.bus import BusSettings
from bus.settings.console import Console
from bus.settings.tls import trusting
from bus.settings.transport import reached_at

_WITHIN = 5.0
_OWN = b"saraban_console_"
"""What the metrics of a console begin with, and of nothing else."""
_MOST = 1_000_000


def checks(settings: BusSettings) -> list[Check]:
    """The people, the port, and the provider where one is named."""
    console = settings.console
    found = [
        Check("console", in_thread(lambda: _people(console))),
        Check("console port", in_thread(lambda: _port(console))),
    ]
    if console.oidc_issuer is not None:
        found.append(Check("console provider", partial(_provider, console, console.oidc_issuer)))
    return found


def _people(console: Console) -> Iterator[Found]:
    console.database_address()
    console.client_secret_text()
    console.serving_tls()
    people = People.read(console.people)
    stewards = sum(1 for one in people.persons if one.role is Role.STEWARD)
    if people.persons:
        yield ok(
            f"{console.people} is for its owner alone: {len(people.persons)} persons, {stewards} stewards"
        )
    elif console.oidc_issuer is None:
        yield ok("nobody may sign in here, by a password or otherwise")
    else:
        yield ok("people sign in by the OpenID provider alone")


def _port(console: Console) -> Iterator[Found]:
    where = f"{console.listen_host}:{console.listen_port}"
    taken = _taken(console)
    if taken is None:
        yield ok(f"{where} is free: `saraban-bus console` can be started, and does not run")
    elif taken != errno.EADDRINUSE:
        fix = "Choose another console.listen_host or console.listen_port, or run the console as a user that may."
        yield fail(f"{where} cannot be listened on by this user", fix)
    else:
        yield _answered(console, where)


def _taken(console: Console) -> int | None:
    """The number of the error with which the address cannot be had; None where it can. Nothing listens there."""
    try:
        found = socket.getaddrinfo(console.listen_host, console.listen_port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in found:
            with closing(socket.socket(family, kind, protocol)) as one:
                one.setsockopt(socket.SOL_SOCKET, OWN_ADDRESS, 1)
                one.bind(address)
    except OSError as exc:
        return exc.errno or 0
    return None


def _answered(console: Console, where: str) -> Found:
    """Whether it is a console that has the port, by the certificate of the settings where there is one."""
    host = reached_at(console.listen_host)
    asked = http.client.HTTPConnection(host, console.listen_port, timeout=_WITHIN)
    if console.certificate is not None:
        asked = http.client.HTTPSConnection(
            host, console.listen_port, timeout=_WITHIN, context=_shown(console.certificate)
        )
    try:
        with closing(asked):
            asked.request("GET", "/metrics")
            answer = asked.getresponse()
            own = answer.status == HTTPStatus.OK and _OWN in answer.read(_MOST)
    except (OSError, http.client.HTTPException) as exc:
        fix = "Stop what has the port, or choose another; a console with an older certificate has to be restarted."
        return fail(f"what listens at {where} is no console of these settings ({type(exc).__name__})", fix)
    if own:
        return ok(f"a console answers at {where}")
    return fail(f"another program answers at {where}", "Stop it, or choose another console.listen_port.")


def _shown(certificate: Path) -> ssl.SSLContext:
    """A context that takes the very certificate of the settings, by whichever address it is asked on this machine."""
    context = trusting(certificate, "console.certificate")
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def _provider(console: Console, issuer: str) -> Sequence[Found]:
    fix = "Check console.oidc_issuer and the way there (SSL_CERT_FILE for an authority of your own)."
    try:
        await Provider(console, issuer).start(Flow("doctor"))
    except Transient as away:
        return [warn(f"{issuer}: {away}; passwords still work", fix)]
    except Unproven as wrong:
        return [fail(f"{issuer}: {wrong}", fix)]
    return [ok(f"{issuer} answers, by the issuer of the settings")]
