"""What lies on this machine: versions, settings with the secrets that they name, certificates and until when."""

from __future__ import annotations

import os
import platform
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509

from bus.backup.sources import keys
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.documents.seal import Seal
from bus.ends import ending
from bus.errors import Misconfigured
from bus.installing.ledgers import key_of
from bus.release import release
from bus.settings.bus import Broker, BusSettings
from bus.thai import now

_OTHERS = 0o077
_ANEW = "Make another by `saraban-bus key make`, and put it into the directory beside this one."
_ISSUE = (
    "Have another issued; of a private authority `saraban-bus init` makes one once this pair was moved away."
)


def checks(settings: BusSettings) -> list[Check]:
    """Four checks."""
    return [
        Check("version", in_thread(_versions)),
        Check("configuration", in_thread(lambda: _configuration(settings))),
        Check("certificates", in_thread(lambda: _certificates(settings))),
        Check("watching", in_thread(lambda: _watching(settings))),
    ]


def administers(broker: Broker) -> bool:
    """Whether the password of the broker's administrator is on this machine, as where only routers run it is not."""
    file = broker.management_password_file
    return broker.management_password is not None or (file is not None and file.exists())


def versions() -> dict[str, str]:
    """Return what runs here."""
    return {
        "saraban-bus": release(),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _versions() -> Iterator[Found]:
    yield ok(", ".join(f"{name} {value}" for name, value in versions().items()))


def _configuration(settings: BusSettings) -> Iterator[Found]:
    looks: list[Callable[[], object]] = [
        lambda: _seal(settings),
        lambda: key_of(settings),
        settings.ledger.address,
        settings.depot.database_address,
        settings.depot.tls,
        settings.depot.serving_tls,
    ]
    for broker in settings.brokers.values():
        looks += [broker.address, broker.tls, broker.management_tls]
        if administers(broker):
            looks.append(broker.management_password_text)
    mistakes = []
    for look in looks:
        try:
            look()
        except Misconfigured as wrong:
            mistakes += [one for one in wrong.problems if one not in mistakes]
    for each in mistakes:
        yield fail(f"{each.file}: {each.key}: {each.wrong}", each.fix)
    exposed = [one.path for one in keys(settings) if one.path.stat().st_mode & _OTHERS]
    # On Windows the access control list of the folder says who may read.
    if exposed and hasattr(os, "getuid"):
        shown = ", ".join(map(str, exposed))
        yield fail(f"can be read by others than their owner: {shown}", f"Run chmod go= {shown}")
    elif not mistakes:
        yield ok("no mistake; keys and passwords can be read by their owner alone")


def _watching(settings: BusSettings) -> Iterator[Found]:
    if port := settings.router.metrics_port:
        yield ok(f"routers of these settings show Prometheus their metrics at port {port} of their machine")
        return
    fix = "Set router.metrics_port, another for each router of a machine, and have Prometheus ask there."
    yield warn("router.metrics_port is off: nobody can watch the routers of these settings", fix)


def _seal(settings: BusSettings) -> Seal:
    section = settings.seal
    return Seal.from_files(section.key, section.certificate, section.passphrase_text())


def _certificates(settings: BusSettings) -> Iterator[Found]:
    """Until when each is valid; whether it fits its key, `configuration` says."""
    named = {"the bus's seal": (settings.seal.certificate, _ANEW)}
    files = {
        "the depot's certificate": settings.depot.certificate,
        "the console's certificate": settings.console.certificate,
        "the private authority": settings.authority.certificate,
        "depot.ca_file": settings.depot.ca_file,
        "evidence.tsa_ca_file": settings.evidence.tsa_ca_file,
    }
    for name, broker in settings.brokers.items():
        files |= {
            f"the routers' certificate at the broker ({name})": broker.certificate,
            f"the broker's ca_file ({name})": broker.ca_file,
        }
    named |= {what: (path, _ISSUE) for what, path in files.items() if path is not None}
    for what, (path, fix) in named.items():
        yield from _ends(what, path, fix)


def _ends(what: str, path: Path, fix: str) -> Iterator[Found]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        yield warn(f"{what} cannot be read: {path}", "Bring it back, or mend the path.")
        return
    at = now()
    first = min(found, key=lambda one: one.not_valid_after_utc)
    if first.not_valid_before_utc > at:
        yield fail(f"{what} is not valid yet", "Set this machine's clock, or have another issued.")
    else:
        yield ending(what, first.not_valid_after_utc, at, fix)
