"""HTTP as the adapter speaks it: connections kept and replaced, and answers that break off anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.http import Connections, Failed

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Said: yes\r\n\r\nhello"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[tuple[Connections, list[int]]]:
    """Something that answers as it is told; gives connections to it, and how many it was asked for."""
    opened: list[int] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(len(opened))
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(one, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{port}/under", timeout=20)
    try:
        yield connections, opened
    finally:
        await connections.close()
        listening.close()


async def asked(connections: Connections) -> bytes:
    answer = await connections.ask("GET", "/under/x", {})
    try:
        assert (answer.status, answer.headers["x-said"]) == (200, "yes")
        return await answer.whole(100)
    finally:
        await answer.close()


async def test_a_connection_is_used_again_and_one_that_the_server_has_closed_is_not() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"GET /under/x HTTP/1.1\r\nHost: 127.0.0.1:")
            writer.write(WHOLE)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with server(serve) as (connections, opened):
        assert [await asked(connections) for _ in range(2)] == [b"hello"] * 2
        assert opened == [0]
        await closed.wait()
        await asyncio.sleep(0)
        while len(opened) == 1:
            assert await asked(connections) == b"hello"
        assert opened == [0, 1]


@pytest.mark.parametrize("length", range(len(WHOLE)))
async def test_an_answer_that_breaks_off_anywhere_is_none(length: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE[:length])

    async with server(serve) as (connections, opened):
        with pytest.raises(Failed):
            await asked(connections)
        with pytest.raises(Failed):
            await asked(connections)
        assert len(opened) == 2, "what broke is not used again"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"\0" * 100,
        b"HTTP/1.1 2 OK\r\n\r\n",
    ],
)
async def test_what_is_no_answer_of_http_is_none(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with server(serve) as (connections, _):
        with pytest.raises(Failed):
            await asked(connections)


async def test_an_answer_that_comes_first_ends_the_sending_of_a_body() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async def blocks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1
            yield bytes(10_000)

    async with server(serve) as (connections, opened):
        answer = await connections.ask("PUT", "/under/x", {"Content-Length": str(10**8)}, blocks())
        await answer.close()
        assert answer.status == 413
        assert sent < 10_000
        assert opened == [0]


async def test_a_body_longer_than_wanted_is_no_answer() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WHOLE)

    async with server(serve) as (connections, _):
        answer = await connections.ask("GET", "/under/x", {})
        with pytest.raises(Failed):
            await answer.whole(4)
        await answer.close()
