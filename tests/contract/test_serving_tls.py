"""A server of ours over TLS: who gets an answer, and what a connection may do before its handshake is done."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from bus.connections import Guard, Limits
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, write_pair
from bus.errors import Misconfigured
from bus.settings.tls import serving as shown
from bus.settings.tls import trusting
from bus.web import health_app, serving
from compose.local import free_port

QUICK = Limits(head_seconds=2.0, window=0.4, slowest=10_000, most=20)
ASK = b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (`ca`), and the certificate of a server on this machine that it issued (`depot`)."""
    folder = tmp_path_factory.mktemp("tls")
    made, key = Authority.make("sample"), new_key()
    made.write(KeyFiles.named(folder, "ca"))
    write_pair(key, made.server(key.public_key(), ["127.0.0.1"]), KeyFiles.named(folder, "depot"))
    write_pair(
        key,
        made.server(key.public_key(), ["127.0.0.1"]),
        KeyFiles.named(folder, "encrypted"),
        passphrase="ความลับ",
    )
    return folder


@asynccontextmanager
async def face(folder: Path, limits: Limits = QUICK) -> AsyncIterator[int]:
    tls = shown(folder / "depot.crt.pem", folder / "depot.key.pem", None, "depot")
    app, port = health_app(reasons=tuple, metrics=lambda: b""), free_port()
    async with serving(app, "127.0.0.1", port, setting="test.port", limits=limits, tls=tls):
        yield port


async def answer(port: int, tls: ssl.SSLContext | None, sent: bytes = ASK) -> bytes:
    """All that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


async def test_who_trusts_the_authority_is_answered_over_tls_1_3(authority: Path) -> None:
    async with face(authority) as port:
        tls = trusting(authority / "ca.crt.pem", "depot.ca_file")
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        # Two requests on one connection: it is kept alive as without TLS.
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert await asyncio.wait_for(reader.readexactly(6), 20) == b"alive\n"
        writer.close()
        await writer.wait_closed()


async def test_who_speaks_without_tls_is_not_answered(authority: Path) -> None:
    async with face(authority) as port:
        assert b"HTTP" not in await answer(port, None)


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, with what was given up in 2021 (RFC 8996)."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1 is deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def test_tls_1_1_is_spoken_by_neither_side(authority: Path) -> None:
    ca, certificate, key = (authority / f"{name}.pem" for name in ("ca.crt", "depot.crt", "depot.key"))
    async with face(authority) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await answer(port, old(ssl.create_default_context(cafile=ca)))
        assert (await answer(port, trusting(ca, "x"))).startswith(b"HTTP/1.1 200")

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(hello, "127.0.0.1", 0, ssl=old(context)) as server:
        port = server.sockets[0].getsockname()[1]
        assert await answer(port, old(ssl.create_default_context(cafile=ca)), b"") == b"hello", (
            "it is there for those who speak it"
        )
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await answer(port, trusting(ca, "x"))


@pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_a_handshake_that_is_not_finished_has_the_patience_of_a_head(
    authority: Path, begun: bytes
) -> None:
    async with face(authority) as port:
        began = time.monotonic()
        assert await answer(port, None, begun) == b""
        assert 1.0 < time.monotonic() - began < 15


async def test_handshakes_that_are_not_finished_give_way_and_hold_nobody(authority: Path) -> None:
    """Three times as many as there are places, with all the patience there is: the oldest are closed."""
    async with face(authority, replace(QUICK, head_seconds=60.0)) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * QUICK.most)]
        tls = trusting(authority / "ca.crt.pem", "depot.ca_file")
        assert (await answer(port, tls)).startswith(b"HTTP/1.1 200")
        for reader, _ in silent[: 2 * QUICK.most]:
            with suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), 20) == b""
        for _, writer in silent:
            writer.close()


async def test_an_address_has_no_more_handshakes_than_connections(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("handshakes", "connections"):
        monkeypatch.setattr(f"bus.{module}.counted_address", lambda _: "198.51.100.7")
    async with face(authority, replace(QUICK, head_seconds=60.0, most_per_address=3)) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        began = time.monotonic()
        assert await answer(port, None, b"") == b""
        assert time.monotonic() - began < 30
        silent[0][1].close()
        tls = trusting(authority / "ca.crt.pem", "depot.ca_file")
        async with asyncio.timeout(20):
            while not await tried(port, tls):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for _, writer in silent:
            writer.close()


async def tried(port: int, tls: ssl.SSLContext) -> bool:
    """Whether there was an answer."""
    try:
        return (await answer(port, tls)).startswith(b"HTTP/1.1 200")
    except (ConnectionError, ssl.SSLError):
        return False


async def test_what_comes_right_behind_the_handshake_is_not_lost(authority: Path) -> None:
    async with face(authority) as port:
        tls = trusting(authority / "ca.crt.pem", "depot.ca_file")
        found = await asyncio.gather(*(answer(port, tls) for _ in range(QUICK.most)))
        assert [one[:15] for one in found] == [b"HTTP/1.1 200 OK"] * QUICK.most


async def test_a_connection_is_counted_once_and_forgotten(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guards: list[Guard] = []

    def remembered(limits: Limits) -> Guard:
        guards.append(Guard(limits))
        return guards[-1]

    monkeypatch.setattr("bus.web.Guard", remembered)
    async with face(authority) as port:
        tls = trusting(authority / "ca.crt.pem", "depot.ca_file")
        await answer(port, tls)
        await answer(port, None, b"nonsense")
        with pytest.raises(ssl.SSLError):
            await answer(port, ssl.create_default_context())
        async with asyncio.timeout(20):
            while guards[0].open or guards[0].handshakes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not guards[0].by_address


@pytest.mark.parametrize(
    ("certificate", "key", "mode", "said"),
    [
        ("none.crt.pem", "depot.key.pem", 0o600, "none.crt.pem: depot.certificate: cannot be read"),
        ("depot.crt.pem", "none.key.pem", 0o600, "none.key.pem: depot.certificate: cannot be read"),
        ("depot.crt.pem", "ca.key.pem", 0o600, "no certificate in PEM form of the key"),
        ("ca.key.pem", "depot.key.pem", 0o600, "no certificate in PEM form of the key"),
        ("encrypted.crt.pem", "encrypted.key.pem", 0o600, "__DEPOT__PASSPHRASE"),
        ("depot.crt.pem", "depot.key.pem", 0o640, "chmod 600"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(
    authority: Path, certificate: str, key: str, mode: int, said: str
) -> None:
    if (authority / key).exists():
        (authority / key).chmod(mode)
    try:
        with pytest.raises(Misconfigured) as caught:
            shown(authority / certificate, authority / key, None, "depot")
        assert said in str(caught.value)
    finally:
        if (authority / key).exists():
            (authority / key).chmod(0o600)


def test_a_key_with_a_passphrase_is_shown_with_it(authority: Path) -> None:
    files = (authority / "encrypted.crt.pem", authority / "encrypted.key.pem")
    shown(*files, SecretStr("ความลับ"), "depot")
    with pytest.raises(Misconfigured) as caught:
        shown(*files, SecretStr("guess"), "depot")
    assert "guess" not in str(caught.value)
