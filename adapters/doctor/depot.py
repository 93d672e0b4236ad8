"""The depot as this agency sees it: reachable, believed, of the same time, and taking and giving files.

The file that goes up and comes down is always the same one of this agency: however often it is asked, the depot keeps
it once, and it counts once against the agency's share.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from adapters.depot import DepotClient
from bus.doctor import Check, Found, fail, ok, warn
from bus.documents.seal import Seal
from bus.ends import ending
from bus.errors import BusError
from bus.identifiers import RawDigest
from bus.peers import valid_until, why_not
from bus.retry import Policy
from bus.settings.adapter import AdapterSettings
from bus.thai import now

_ONCE = Policy(first=0.5, longest=0.5, attempts=1)
_HTTPS = 443
_NOTICED, _MUCH = 3.0, 30.0
"""Seconds that clocks may differ: to be told; before the depot refuses what this machine signs, at sixty."""
_NTP = "Set this machine's clock by NTP; if it is right, tell the operator of the bus."


def checks(settings: AdapterSettings, seal: Seal | None) -> list[Check]:
    """Reaching it, and going up and down with a file."""
    return [
        Check("depot", partial(_reach, settings, seal)),
        Check("depot files", partial(_there_and_back, settings, seal)),
    ]


def probe_of(agency: str) -> bytes:
    """The file that is sent: small, the agency's own, and the same each time."""
    return f"saraban-adapter doctor, agency {agency}: this file tests the depot and says nothing.\n".encode()


async def _reach(settings: AdapterSettings, seal: Seal | None) -> Sequence[Found]:
    if seal is None:
        return [_without_seal()]
    found: list[Found] = []
    parts = urlsplit(settings.depot.url)
    if parts.scheme == "https":
        try:
            until = await valid_until(parts.hostname or "", parts.port or _HTTPS, settings.depot.tls())
        except (OSError, TimeoutError) as exc:
            fix = (
                "Check depot.ca_file, the name in depot.url and this machine's clock; else tell the operator."
            )
            return [fail(f"TLS with {parts.netloc}: {why_not(exc)}", fix)]
        found.append(ending("TLS: the depot's certificate", until, now(), "Tell the operator of the bus."))
    async with _client(settings, seal) as client:
        probe = await client.probe()
    if probe.why is not None:
        fix = (
            "Check depot.url, the network and the firewall; if other agencies have it too, tell the operator."
        )
        return [*found, fail(f"{parts.netloc}: {probe.why}", fix)]
    return [*found, ok(f"{parts.netloc} is ready"), _of_clocks(probe.ahead)]


def _of_clocks(ahead: float | None) -> Found:
    if ahead is None:
        return warn("the depot tells no time", "Look whether this machine's clock is set by NTP.")
    way = "ahead of" if ahead > 0 else "behind"
    sentence = f"clock: this machine is {abs(ahead):.1f} s {way} the depot (the broker tells no time)"
    if abs(ahead) > _MUCH:
        return fail(sentence, _NTP)
    return warn(sentence, _NTP) if abs(ahead) > _NOTICED else ok(sentence)


async def _there_and_back(settings: AdapterSettings, seal: Seal | None) -> Sequence[Found]:
    if seal is None:
        return [_without_seal()]
    content = probe_of(settings.agency)
    digest = RawDigest(hashlib.sha256(content).hexdigest())
    with tempfile.TemporaryDirectory(prefix="saraban-doctor-") as name:
        up, down = Path(name) / "up", Path(name) / "down"
        up.write_bytes(content)
        async with _client(settings, seal) as client:
            try:
                await client.upload(up, digest, len(content))
            except BusError as exc:
                return [fail(f"a file could not be brought there: {exc}", _advice(exc))]
            try:
                await client.download(digest, len(content), down)
            except BusError as exc:
                return [fail(f"a file that was brought there could not be fetched: {exc}", _advice(exc))]
        if down.read_bytes() != content:
            return [fail("another file came back than was sent", "Tell the operator of the bus.")]
    return [ok("a file was brought there and fetched again")]


def _client(settings: AdapterSettings, seal: Seal) -> DepotClient:
    return DepotClient(
        settings.depot.url, settings.agency, seal, tls=settings.depot.tls(), policy=_ONCE, timeout=10.0
    )


def _advice(error: BusError) -> str:
    said = str(error)
    if "answered" in said and ": " in said:
        return "Do as it says; what is sent waits meanwhile."
    return "Check depot.url and the network; if `depot` is OK, tell the operator of the bus."


def _without_seal() -> Found:
    return fail(
        "not looked at: the depot is asked with the seal", "Mend what `configuration` says of `seal`."
    )
