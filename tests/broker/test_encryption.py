"""amqps: a link trusts the certificate authority that it was given, and no other."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bus.broker.link import Link
from bus.broker.messages import Unconfirmed
from tests.broker.samples import message
from tests.fixtures.broker import Vhost


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "broker.pem"
    path.write_bytes(secret + signed.public_bytes(pem))
    return path


@pytest.fixture
async def encrypted(vhost: Vhost, certificate: Path) -> AsyncIterator[str]:
    """The URL of a TLS front in front of the node."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    relays: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.add(_this_task())
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", vhost.node.ports.amqp)
        await asyncio.gather(_pump(reader, upstream_writer), _pump(upstream_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    plain = vhost.url()
    yield plain.replace("amqp://", "amqps://").replace(f":{vhost.node.ports.amqp}/", f":{port}/")
    server.close()
    if relays:
        await asyncio.wait(relays, timeout=5)


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def test_a_link_to_a_broker_of_the_trusted_authority_works(
    vhost: Vhost, encrypted: str, certificate: Path
) -> None:
    vhost.declare("q")
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with Link(encrypted, name="test", tls=trusted) as link:
        await asyncio.gather(*(link.publish(message("q", body=b"x" * 50_000)) for _ in range(20)))
        assert (await link.depth("q")).messages == 20


async def test_a_broker_of_another_authority_is_never_spoken_to(vhost: Vhost, encrypted: str) -> None:
    vhost.declare("q")
    async with Link(encrypted, name="test", tls=ssl.create_default_context()) as link:
        with pytest.raises(Unconfirmed) as caught:
            await link.publish(message("q"), deadline=0.5)
        assert not caught.value.sent
        assert not link.connected
        assert "CERTIFICATE_VERIFY_FAILED" in (link.why or "")
