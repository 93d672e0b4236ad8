"""The depot: its folder and room on this machine, and what its address answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from urllib.parse import urlsplit

from bus.depot.client import reached
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.ends import ending
from bus.errors import Misconfigured, Transient
from bus.peers import valid_until, why_not
from bus.settings.bus import BusSettings
from bus.thai import now

_HTTPS = 443
_LITTLE, _FEW = 1024**3, 10 * 1024**3
"""Bytes of free space that are too few, and that will not last."""


def checks(settings: BusSettings) -> list[Check]:
    """The folder, and the address."""
    return [
        Check("depot folder", in_thread(lambda: _folder(settings))),
        Check("depot", partial(_reach, settings)),
    ]


def _folder(settings: BusSettings) -> Iterator[Found]:
    folder = settings.depot.folder
    if not folder.is_dir():
        fix = "Run `saraban-bus init`, mount its disk, or mend depot.folder."
        yield fail(f"{folder} is not there", fix)
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        fix = "Ask as the user that runs the bus; if that is this one, give it the folder."
        yield fail(f"{folder} may not be written by this user", fix)
    elif folder.stat().st_mode & 0o077 and hasattr(os, "getuid"):
        yield warn(f"{folder} is open to other users", f"Run chmod go= {folder}")
    else:
        yield ok(f"{folder} is for this user alone")
    free = shutil.disk_usage(folder).free
    sentence, fix = f"{free // 1024**2} MiB are free", "Make room: uploads are refused when there is none."
    yield fail(sentence, fix) if free < _LITTLE else warn(sentence, fix) if free < _FEW else ok(sentence)


async def _reach(settings: BusSettings) -> Sequence[Found]:
    url = settings.depot.url
    parts, found = urlsplit(url), list[Found]()
    try:
        tls = settings.depot.tls()
    except Misconfigured:
        return [fail("not looked at", "Mend what `configuration` says of depot.ca_file.")]
    if parts.scheme == "https":
        try:
            until = await valid_until(parts.hostname or "", parts.port or _HTTPS, tls)
        except (OSError, TimeoutError) as exc:
            fix = "See that `saraban-bus serve` runs; check the name in depot.url, its certificate and depot.ca_file."
            return [fail(f"TLS with {parts.netloc}: {why_not(exc)}", fix)]
        found.append(
            ending("TLS: the certificate that it shows", until, now(), "Restart it with the new one.")
        )
    try:
        status = await reached(url, tls)
    except Transient as away:
        return [*found, fail(f"{url}: {away}", "See that `saraban-bus serve` runs, and check depot.url.")]
    if status != 200:
        fix = "Its own /readyz says why; see also `database` and `depot folder`."
        return [*found, fail(f"{url} is not ready (it answers {status})", fix)]
    return [*found, ok(f"{url} is ready")]
