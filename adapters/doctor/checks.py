"""The checks of an adapter's doctor, in the order in which what they find explains what follows."""

from __future__ import annotations

import platform
import sqlite3
import ssl
import sys
from collections.abc import Iterator

from adapters.doctor import broker, depot, doors, mailbox, office, office_database
from adapters.doctor.configuration import login_certificate, mistakes, seal_of
from bus.directory.certificates import objection
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.documents.seal import Seal, read_certificate
from bus.ends import ending
from bus.errors import Misconfigured
from bus.release import release
from bus.settings.adapter import AdapterSettings
from bus.thai import now


def checks(settings: AdapterSettings) -> list[Check]:
    """Everything to be looked at for these settings."""
    seal = _seal(settings)
    return [
        *checks_here(settings),
        *doors.checks(settings),
        *office_database.checks(settings),
        *broker.checks(settings),
        *depot.checks(settings, seal),
    ]


def checks_here(settings: AdapterSettings) -> list[Check]:
    """What is looked at on this machine alone, in a moment and without connecting to anything."""
    seal = _seal(settings)
    return [
        Check("version", in_thread(_versions)),
        Check("configuration", in_thread(lambda: _configuration(settings))),
        Check("certificate", in_thread(lambda: _certificates(settings, seal))),
        Check("encoding", in_thread(_encoding)),
        *mailbox.checks(settings, seal),
        *office.checks(settings),
    ]


def versions() -> dict[str, str]:
    """What runs here."""
    return {
        "saraban-bus": release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _versions() -> Iterator[Found]:
    yield ok(", ".join(f"{name} {value}" for name, value in versions().items()))


def _seal(settings: AdapterSettings) -> Seal | None:
    try:
        return seal_of(settings)
    except Misconfigured:
        return None  # a line of `configuration`


def _configuration(settings: AdapterSettings) -> Iterator[Found]:
    found = mistakes(settings)
    for each in found:
        yield fail(f"{each.file}: {each.key}: {each.wrong}", each.fix)
    if not found:
        yield ok("no mistake; keys and passwords can be read by their owner alone")


def _certificates(settings: AdapterSettings, seal: Seal | None) -> Iterator[Found]:
    if seal is None:
        yield fail("the seal cannot be used", "Mend what `configuration` says of `seal`.")
    else:
        doubt = objection(seal.certificate, (), at := now())
        until = seal.certificate.not_valid_after_utc
        anew = "Get a new certificate, and have the bus's operator put it into the directory."
        if doubt:
            yield fail(
                f"this agency's certificate: {doubt.doubt} ({doubt.detail}); nothing is sent with it", anew
            )
        else:
            by_itself = (
                "The adapter renews one of its own making by itself (seal.renew_days); of an authority's: "
            )
            yield ending("this agency's certificate", until, at, f"{by_itself}{anew[0].lower()}{anew[1:]}")
    if (login := login_certificate(settings)) is not None:
        anew = "It renews itself while the centre lets it (renewal.…); else ask the operator for another invitation."
        yield ending("the certificate for the broker", login.not_valid_after_utc, now(), anew)
    try:
        of_the_bus = read_certificate(settings.bus_certificate, "bus_certificate")
    except Misconfigured:
        return  # a line of `configuration`
    yield ending(
        "the bus's certificate",
        of_the_bus.not_valid_after_utc,
        now(),
        "Get the new one from the bus's operator, and set bus_certificate.",
    )


def _encoding() -> Iterator[Found]:
    names = {sys.getfilesystemencoding().lower().replace("-", "")}
    if names == {"utf8"}:
        yield ok("names of files are UTF-8")
    else:
        fix = "Set PYTHONUTF8=1, or a locale of UTF-8, for the service."
        yield warn(f"names of files are {names.pop()}, which has not every letter", fix)
