"""Every HTTP face of ours against whoever connects: half-sent, slow, doubtful and far too many requests."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from bus import connections
from bus.connections import Limits
from bus.errors import Misconfigured
from bus.framing import framing_fault
from bus.web import health_app, serving
from compose.local import free_port

QUICK = Limits(head_seconds=0.5, window=0.4, slowest=10_000, most=400, most_body=1_000_000)
GOOD = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST /count HTTP/1.1\r\nHost: here\r\n"


async def _count(request: Request) -> Response:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return PlainTextResponse(f"{size}\n")


async def _early(_request: Request) -> Response:
    return PlainTextResponse("no\n", 401)


async def _endless(_request: Request) -> Response:
    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(2000):
            yield bytes(100_000)

    return StreamingResponse(blocks())


def _app() -> Starlette:
    app = health_app(reasons=tuple, metrics=lambda: b"")
    app.routes.append(Route("/count", _count, methods=["POST"]))
    app.routes.append(Route("/early", _early, methods=["POST"]))
    app.routes.append(Route("/endless", _endless))
    return app


@asynccontextmanager
async def face(limits: Limits = QUICK) -> AsyncIterator[int]:
    port = free_port()
    async with serving(_app(), "127.0.0.1", port, setting="test.port", limits=limits):
        yield port


Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(port: int, sent: bytes = b"") -> Line:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def answer(line: Line) -> bytes:
    """All that comes until the other side closes."""
    try:
        return await asyncio.wait_for(line[0].read(), 20)
    except ConnectionError:
        return b""
    finally:
        line[1].close()


async def asked(port: int, request: bytes) -> bytes:
    return await answer(await connect(port, request))


async def status(port: int) -> bytes:
    closing = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    return (await asked(port, closing)).partition(b"\r\n")[0]


async def until(port: int, wanted: bytes) -> None:
    """Ask until that is the answer."""
    async with asyncio.timeout(20):
        while True:
            if await status(port) == wanted:
                return


# ── half-sent and slow ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: here\r\nX: "])
async def test_three_hundred_half_sent_requests_hold_nobody_and_are_closed(begun: bytes) -> None:
    async with face(replace(QUICK, head_seconds=3.0)) as port:
        lines = [await connect(port, begun) for _ in range(300)]
        began = time.monotonic()
        assert await status(port) == b"HTTP/1.1 200 OK"
        assert time.monotonic() - began < 3.0
        assert set(await asyncio.gather(*map(answer, lines))) == {b""}
        assert time.monotonic() - began < 15


async def test_a_head_that_comes_byte_by_byte_does_not_renew_its_deadline() -> None:
    async with face() as port:
        reader, writer = await connect(port)

        async def drip() -> None:
            for octet in b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 1000:
                writer.write(bytes([octet]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await answer((reader, writer)) == b""
        assert not dripping.done()
        dripping.cancel()


async def test_a_second_request_on_the_same_connection_has_the_same_deadline() -> None:
    async with face() as port:
        reader, writer = await connect(port, GOOD)
        assert (await reader.readuntil(b"alive\n")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /health")
        assert await answer((reader, writer)) == b""


async def test_more_connections_than_there_may_be_do_not_keep_a_whole_request_out() -> None:
    async with face(replace(QUICK, most=20, head_seconds=30.0)) as port:
        lines = [await connect(port, b"GET /") for _ in range(50)]
        assert await status(port) == b"HTTP/1.1 200 OK"
        gone = [line for line in lines if line[0].at_eof() or line[0].exception()]
        assert gone, "the cap was not reached"
        for _, writer in lines:
            writer.close()


async def test_requests_under_way_are_not_pushed_out_by_newcomers() -> None:
    async with face(replace(QUICK, most=5, window=30.0)) as port:
        busy = [await connect(port, POST + b"Content-Length: 3\r\n\r\nab") for _ in range(5)]
        await until(port, b"HTTP/1.1 503 Service Unavailable")
        for reader, writer in busy:
            writer.write(b"c")
            assert (await reader.readuntil(b"3\n")).startswith(b"HTTP/1.1 200")
            writer.close()


async def test_one_address_has_its_share_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "counted_address", lambda client: client[0])
    async with face(replace(QUICK, most_per_address=3, head_seconds=30.0)) as port:
        lines = [await connect(port) for _ in range(3)]
        assert await status(port) == b"HTTP/1.1 503 Service Unavailable"
        lines.pop()[1].close()
        await until(port, b"HTTP/1.1 200 OK")
        for _, writer in lines:
            writer.close()


def test_this_machine_has_no_share_for_a_proxy_stands_there() -> None:
    assert connections.counted_address(("127.0.0.1", 1)) == connections.counted_address(("::1", 1)) == ""
    assert connections.counted_address(("192.0.2.1", 1)) == "192.0.2.1"


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
async def test_a_body_that_hardly_moves_is_given_up(framing: bytes) -> None:
    async with face() as port:
        reader, writer = await connect(port, POST + framing + b"\r\n\r\n")

        async def drip() -> None:
            while True:
                writer.write(b"a" if framing.startswith(b"C") else b"1\r\na\r\n")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        assert await answer((reader, writer)) == b""
        dripping.cancel()


async def test_a_body_that_moves_is_taken_whole_however_long_it_takes() -> None:
    async with face(replace(QUICK, window=1.0, slowest=1000)) as port:
        reader, writer = await connect(port, POST + b"Content-Length: 100000\r\n\r\n")
        for _ in range(50):
            writer.write(bytes(2000))
            await asyncio.sleep(0.05)
        assert await reader.readuntil(b"100000\n")
        writer.close()


async def test_a_body_that_goes_on_after_its_answer_is_given_up() -> None:
    async with face(replace(QUICK, window=3.0)) as port:  # time to read the answer on a loaded machine too
        head = b"POST /early HTTP/1.1\r\nHost: here\r\nContent-Length: 900000\r\n\r\n"
        reader, writer = await connect(port, head)

        async def pour() -> None:
            while True:
                writer.write(bytes(1000))
                await asyncio.sleep(0.02)

        pouring = asyncio.create_task(pour())
        # First, for what is poured on into a closed connection is answered by a reset, which takes what was unread.
        assert await asyncio.wait_for(reader.readuntil(b"\r\n"), 20) == b"HTTP/1.1 401 Unauthorized\r\n"
        await answer((reader, writer))
        pouring.cancel()


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
async def test_an_answer_that_nobody_reads_is_given_up(more: bytes) -> None:
    async with face() as port:
        reader, writer = await connect(port, b"GET /endless HTTP/1.1\r\nHost: here\r\n" + more + b"\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(QUICK.window * 4)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await answer((reader, writer))) < 2000 * 100_000


async def test_a_server_that_ends_does_not_wait_for_what_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.web._GRACE", 1)
    async with face(replace(QUICK, head_seconds=60.0, window=60.0)) as port:
        lines = [await connect(port, b"GET / HTTP/1.1\r\n") for _ in range(100)]
        lines += [await connect(port, POST + b"Content-Length: 9\r\n\r\n") for _ in range(10)]
        assert await status(port) == b"HTTP/1.1 200 OK"
        began = time.monotonic()
    assert time.monotonic() - began < 10
    for _, writer in lines:
        writer.close()


async def test_refusals_are_logged_by_their_number_and_not_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "_REPORTED_AFTER", 5.0)
    with capture_logs() as log:
        async with face(replace(QUICK, head_seconds=0.1)) as port:
            await _thirty_halves(port, log)
    assert [line["event"] for line in log] == ["connections-refused"]


async def _thirty_halves(port: int, log: list[Any]) -> None:
    lines = [await connect(port, b"GET /") for _ in range(30)]
    await asyncio.gather(*map(answer, lines), answer(await connect(port, b"nonsense\r\n\r\n")))
    async with asyncio.timeout(60):
        while "'no whole request in time': 30" not in str(log):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


# ── too much ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_body_announced_as_too_large_is_refused_before_it_is_sent() -> None:
    async with face() as port:
        said = await asked(port, POST + b"Content-Length: 1000001\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 413")
        assert await status(port) == b"HTTP/1.1 200 OK"


async def test_a_body_that_becomes_too_large_is_cut() -> None:
    async with face() as port:
        reader, writer = await connect(port, POST + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(30):
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await asyncio.sleep(0)
        assert await answer((reader, writer)) == b""


async def test_a_head_that_is_too_large_is_refused() -> None:
    async with face() as port:
        assert (await asked(port, b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)).startswith(b"HTTP/1.1 400")


# ── two ways to read one request ────────────────────────────────────────────────────────────────────

DOUBTFUL: dict[str, bytes] = {
    "length and coding": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "coding and length": b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    "the same length twice": b"Content-Length: 3\r\nContent-Length: 3\r\n",
    "two lengths": b"Content-Length: 3\r\ncontent-length: 4\r\n",
    "a list of lengths": b"Content-Length: 3, 3\r\n",
    "a signed length": b"Content-Length: +3\r\n",
    "an empty length": b"Content-Length:\r\n",
    "a folded header": b"X: a\r\n b\r\nContent-Length: 3\r\n",
    "a folded length": b"Content-Length:\r\n\t3\r\n",
    "a line feed alone": b"Content-Length: 3\n\r\n",
    "a carriage return within": b"X: a\rContent-Length: 3\r\nContent-Length: 3\r\n",
    "a blank before the colon": b"Content-Length : 3\r\n",
    "another coding": b"Transfer-Encoding: gzip, chunked\r\n",
    "the same coding twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "a coding that looks like chunked": b"Transfer-Encoding: \x0bchunked\r\n",
    "two hosts": b"Host: there\r\nContent-Length: 3\r\n",
}


@pytest.mark.parametrize("lines", DOUBTFUL.values(), ids=DOUBTFUL.keys())
async def test_a_request_that_can_be_read_in_two_ways_is_refused(lines: bytes) -> None:
    async with face() as port:
        assert (await asked(port, POST + lines + b"\r\nabc")).startswith(b"HTTP/1.1 400"), lines


async def test_chunks_before_http_1_1_are_refused() -> None:
    old = POST.replace(b"1.1", b"1.0")
    async with face() as port:
        assert (await asked(port, old + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")).startswith(
            b"HTTP/1.1 400"
        )


async def test_the_second_request_of_a_pipeline_is_looked_at_as_well() -> None:
    doubtful = POST + DOUBTFUL["length and coding"] + b"\r\n0\r\n\r\n"
    async with face() as port:
        said = await asked(port, GOOD + doubtful)
        assert said.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 400" in said


async def test_nonsense_in_a_body_after_its_answer_ends_the_connection_quietly() -> None:
    async with face() as port:
        head = b"POST /early HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
        reader, writer = await connect(port, head)
        assert (await reader.readuntil(b"no\n")).startswith(b"HTTP/1.1 401")
        writer.write(b"zz\r\n")
        assert await answer((reader, writer)) == b""
        assert await status(port) == b"HTTP/1.1 200 OK"


@given(
    length=st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-LENGTH"]),
    coding=st.sampled_from([b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-encoding"]),
    others=st.lists(st.sampled_from([b"X: 1", b"Accept: */*", b"Expect: 100-continue"]), max_size=3),
    order=st.permutations([0, 1]),
    blank=st.sampled_from([b"", b" ", b"\t", b"  "]),
)
def test_no_spelling_of_length_beside_coding_passes(
    length: bytes, coding: bytes, others: list[bytes], order: list[int], blank: bytes
) -> None:
    both = [length + b":" + blank + b"3", coding + b":" + blank + b"chunked"]
    lines = [b"POST / HTTP/1.1", b"Host: a", both[order[0]], *others, both[order[1]]]
    assert framing_fault(b"\r\n".join(lines) + b"\r\n\r\n")
    for one in both:
        assert framing_fault(b"\r\n".join([*lines[:2], *others, one]) + b"\r\n\r\n") is None


# ── a port that cannot be had ───────────────────────────────────────────────────────────────────────


def _taken() -> tuple[str, int, socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    return "127.0.0.1", listener.getsockname()[1], listener


def _elsewhere() -> tuple[str, int, None]:
    return "192.0.2.1", 8470, None


def _nowhere() -> tuple[str, int, None]:
    return "no-such-host.invalid", 8470, None


@pytest.mark.parametrize("place", [_taken, _elsewhere, _nowhere])
async def test_a_port_that_cannot_be_had_is_a_sentence_with_its_setting(
    place: Callable[[], tuple[str, int, socket.socket | None]],
) -> None:
    host, port, listener = place()
    with pytest.raises(Misconfigured, match=rf"depot\.listen_port: port {port} of {host} cannot be served"):
        async with serving(_app(), host, port, setting="depot.listen_port"):
            raise AssertionError("it serves")
    if listener:
        listener.close()
