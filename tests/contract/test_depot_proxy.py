"""The example of a proxy before the depot, run by nginx as it stands but for places: ports, names and files."""

from __future__ import annotations

import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.depot import DepotClient
from bus.depot.store import Limits
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from bus.settings.bus import BusSettings
from bus.settings.tls import trusting
from compose import programs
from compose.ports import LOOPBACK, free_ports
from tests.assets.factory import OPM
from tests.contract.depot_rig import World, depot_at, some_file
from tests.project import ROOT

EXAMPLE = (ROOT / "config" / "depot-proxy.conf").read_text(encoding="utf-8")
MB = 1024 * 1024


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "depot", Limits(max_file_bytes=64 * MB))
    with depot_at(world):
        yield world


@pytest.fixture
def trusted(world: World, tmp_path: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """The proxy's URL, and what believes its certificate."""
    authority, key, (port,) = Authority.make("Sample"), new_key(), free_ports(1)
    ca, shown = KeyFiles.named(tmp_path, "ca"), KeyFiles.named(tmp_path, "proxy")
    authority.write(ca)
    write_pair(key, authority.server(key.public_key(), [LOOPBACK]), shown)
    places = {
        "server 127.0.0.1:8470;": f"server {world.url.removeprefix('http://')};",
        "listen 443 ssl;": f"listen {LOOPBACK}:{port} ssl;",
        "    listen [::]:443 ssl;\n": "",
        "/etc/saraban/keys/depot.crt.pem": str(shown.certificate),
        "/etc/saraban/keys/depot.key.pem": str(shown.key),
    }
    text = EXAMPLE
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    folder = tmp_path / "nginx"
    folder.mkdir()
    kept = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = (
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    )
    whole += f"http {{\naccess_log off;\n{kept}{text}}}\n"
    (folder / "nginx.conf").write_text(whole, encoding="utf-8")
    program = programs.find("nginx")
    assert program is not None
    proxy = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    )
    url, context = f"https://{LOOPBACK}:{port}", trusting(ca.certificate, "depot.ca_file")
    try:
        _until_there(url, context, proxy, folder / "error.log")
        yield url, context
    finally:
        proxy.terminate()
        proxy.wait(20)


def _until_there(url: str, tls: ssl.SSLContext, proxy: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while proxy.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{url}/healthz", verify=tls, trust_env=False, timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))


async def test_a_file_goes_up_and_comes_down_through_it_and_is_not_kept_there(
    world: World, trusted: tuple[str, ssl.SSLContext], tmp_path: Path
) -> None:
    url, tls = trusted
    data, sha256 = some_file(24 * MB)
    (tmp_path / "up").write_bytes(data)
    async with DepotClient(url, OPM, world.seals[OPM], tls=tls) as depot:
        assert (await depot.probe()).why is None
        await depot.upload(tmp_path / "up", sha256, len(data))
        await depot.download(sha256, len(data), tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == data
    assert [path for path in (tmp_path / "nginx").rglob("*") if path.stat().st_size > MB] == []


def test_metrics_are_kept_inside_and_what_adapters_ask_for_is_not(
    trusted: tuple[str, ssl.SSLContext],
) -> None:
    url, tls = trusted
    found = {
        path: httpx.get(url + path, verify=tls, trust_env=False, timeout=60).status_code
        for path in ("/metrics", "/readyz", "/healthz")
    }
    assert found == {"/metrics": 404, "/readyz": 200, "/healthz": 200}


def test_a_client_of_tls_before_1_2_is_refused(trusted: tuple[str, ssl.SSLContext]) -> None:
    url, _ = trusted
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", verify=old, trust_env=False, timeout=60)


def test_every_file_that_the_depot_takes_may_pass() -> None:
    found = re.search(r"client_max_body_size (\d+)m;", EXAMPLE)
    assert found
    assert int(found[1]) * MB >= BusSettings().depot.max_file_bytes
