"""The façade beyond this machine, where a client shows its certificate, and with letters as large as it takes."""

from __future__ import annotations

import base64
import random
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from bus.settings.tls import trusting
from compose.local import free_port
from tests.assets.factory import OCS, OPM
from tests.contract.ecms_rig import Client, document, offices, receive, served, until
from tests.contract.test_ecms_dying import PROGRAM
from tests.project import ROOT
from tests.unit.adapter.network import Office

_MOST_MEMORY = 200 * 1024
"""KiB that the process of the façade may have had at any time."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OCS)


def test_with_client_ca_only_a_client_with_a_certificate_of_that_authority_is_served(
    office: Office, tmp_path: Path
) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    ours, other = Authority.make("ours"), Authority.make("another")
    authority = KeyFiles.named(folder, "ca")
    ours.write(authority)
    key, server = new_key(), KeyFiles.named(folder, "server")
    write_pair(key, ours.server(key.public_key(), ["127.0.0.1"]), server)

    def shows(by: Authority | None) -> ssl.SSLContext:
        context = trusting(authority.certificate, "test")
        if by is not None:
            own, files = new_key(), KeyFiles.named(folder, f"client-{id(by)}")
            write_pair(own, by.client(own.public_key(), "client"), files)
            context.load_cert_chain(files.certificate, files.key)
        return context

    receive(office)
    tls = {"certificate": server.certificate, "key": server.key, "client_ca": authority.certificate}
    with served(office, **tls) as client:
        client.verify = shows(ours)
        assert client.pull().kind == "GovernmentDocument"
        for by in (other, None):
            client.verify = shows(by)
            with pytest.raises(httpx.TransportError):
                client.pull()
        with pytest.raises(httpx.TransportError):
            Client(client.url.replace("https", "http")).pull()


def test_a_letter_of_thirty_megabytes_goes_in_and_out_within_two_hundred_of_memory(
    office: Office, tmp_path: Path
) -> None:
    content = b"%PDF" + random.Random(1).randbytes(30_000_000) + b"%%EOF"
    receive(office, content=content)
    port = free_port()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / OCS), OCS, str(port)]
    client = Client(f"http://127.0.0.1:{port}/ecms-ws01/service2")
    with subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}) as process:
        try:
            until(lambda: _answers(client), 60)
            posted = client.out(document(sender=OCS, recipient=OPM, files=(("application/pdf", content),)))
            assert posted.error is None
            at = "GovernmentDocument/CorrespondenceLetter/MainLetterBinaryObject"
            assert base64.b64decode(client.pull().value(at) or "") == content
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        finally:
            process.kill()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    assert int(peak[1]) < _MOST_MEMORY


def _answers(client: Client) -> bool:
    try:
        return httpx.get(client.url).status_code == 200
    except httpx.TransportError:
        return False
