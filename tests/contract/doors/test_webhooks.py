"""News posted to an office: signed as Standard Webhooks says, tried again, given up after days, never lost."""

from __future__ import annotations

import base64
import hmac
import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from structlog.testing import capture_logs

from adapters.connectors.rest.telling import event_of
from adapters.connectors.rest.webhooks import (
    PAUSES,
    Poster,
    add_webhook,
    retry,
    source_of,
    verifying_key,
)
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode
from adapters.mailbox.mistakes import Mistaken
from bus import failpoints
from tests.assets.factory import OCS
from tests.contract.doors.door import World
from tests.contract.doors.test_doors import FILES


class Receiver:
    """An office's server: what it was posted, and with what it answers."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def events(self) -> list[Any]:
        return [json.loads(body) for _, body in self.posts]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


async def rounds(world: World, at: float, count: int = 1) -> None:
    async with httpx.AsyncClient(follow_redirects=False) as client:
        poster = Poster(world.mailbox, client, lambda: at)
        for _ in range(count):
            await poster.round()


def verify(headers: dict[str, str], body: bytes, key: str) -> None:
    """As the specification says, in the receiver's own words."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    version, _, given = headers["webhook-signature"].partition(",")
    if key.startswith("whpk_"):
        assert version == "v1a"
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_")))
        public.verify(base64.b64decode(given), signed)
        return
    assert version == "v1"
    made = hmac.digest(base64.b64decode(key.removeprefix("whsec_")), signed, "sha256")
    if not hmac.compare_digest(made, base64.b64decode(given)):
        raise InvalidSignature


@pytest.mark.parametrize("ed25519", [False, True])
async def test_a_post_is_signed_and_says_what_the_feed_says(
    world: World, receiver: Receiver, ed25519: bool
) -> None:
    world.receive({"before.pdf": b"%PDF before %%EOF"})
    hook = add_webhook(world.mailbox, receiver.url, ed25519=ed25519)
    world.receive(FILES)
    await rounds(world, 1_800_000_000, 2)
    ((headers, body),) = receiver.posts
    verify(headers, body, verifying_key(hook))
    with pytest.raises(InvalidSignature):
        verify(headers, body + b" ", verifying_key(hook))
    assert headers["webhook-timestamp"] == "1800000000"
    item = world.mailbox.news.after(1, 10)[0]
    assert receiver.events()[0]["data"] == json.loads(json.dumps(event_of(world.mailbox, item), default=str))
    assert receiver.events()[0]["type"] == "letter.received"


async def test_what_is_not_taken_is_tried_again_later_and_the_next_goes_on(
    world: World, receiver: Receiver
) -> None:
    hook = add_webhook(world.mailbox, receiver.url)
    world.receive(FILES)
    world.receive({"second.pdf": b"%PDF second %%EOF"})
    receiver.answers = [500, 200]
    await rounds(world, 1000.0, 2)
    first, second = (headers["webhook-id"] for headers, _ in receiver.posts)
    assert first != second
    await rounds(world, 1000.0 + PAUSES[0] - 1)
    assert len(receiver.posts) == 2
    await rounds(world, 1000.0 + PAUSES[0])
    assert receiver.posts[2][0]["webhook-id"] == first
    assert world.mailbox.news.deferrals(source_of(hook)) == []


async def test_after_days_it_is_given_up_and_stands_in_the_feed(world: World, receiver: Receiver) -> None:
    hook = add_webhook(world.mailbox, receiver.url)
    world.receive(FILES)
    receiver.answers = [302] * (len(PAUSES) + 1)
    at = 1000.0
    with capture_logs() as said:
        for pause in (*PAUSES, 0.0):
            await rounds(world, at)
            at += pause
        await rounds(world, at + 1e7)
    assert len(receiver.posts) == len(PAUSES) + 1
    (condition,) = world.mailbox.conditions.all()
    assert (condition.finding.code, condition.finding.about) == (ConditionCode.WEBHOOK_GIVEN_UP, hook.id)
    assert "status 302" in condition.finding.detail_en
    assert {headers["webhook-id"] for headers, _ in receiver.posts} == {receiver.posts[0][0]["webhook-id"]}
    assert [each["event"] for each in said].count("webhook-given-up") == 1
    assert 3 * 86400 < sum(PAUSES) < 4 * 86400
    assert len(world.mailbox.news.after(0, 10)) == 1
    receiver.answers = [302]
    for taken in (False, True):
        assert retry(world.mailbox, hook.id) == (not taken)
        await rounds(world, at)
        await rounds(world, at + PAUSES[0])
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 1
    assert world.mailbox.news.deferrals(source_of(hook)) == []
    assert world.mailbox.conditions.all() == []


async def test_an_address_that_is_removed_is_no_condition(world: World, receiver: Receiver) -> None:
    hook = add_webhook(world.mailbox, receiver.url)
    world.receive(FILES)
    receiver.answers = [500] * (len(PAUSES) + 1)
    for at in (1000.0, *(1000.0 + sum(PAUSES[: tries + 1]) for tries in range(len(PAUSES)))):
        await rounds(world, at)
    assert len(world.mailbox.conditions.all()) == 1
    assert retry(world.mailbox, "another") is None
    assert world.mailbox.doors.end_webhook(hook.id)
    await rounds(world, 1e9)
    assert world.mailbox.conditions.all() == []


async def test_a_server_that_is_gone_is_posted_nothing_more(world: World, receiver: Receiver) -> None:
    add_webhook(world.mailbox, receiver.url)
    world.receive(FILES)
    receiver.answers = [410]
    await rounds(world, 1000.0, 2)
    assert len(receiver.posts) == 1
    assert world.mailbox.doors.webhooks() == []


def test_what_was_posted_when_the_adapter_died_is_posted_again_under_the_same_id(
    world: World, receiver: Receiver
) -> None:
    import asyncio

    add_webhook(world.mailbox, receiver.url)
    world.receive(FILES)

    async def posting() -> None:
        with Mailbox(world.folder / "mailbox", OCS) as mailbox:
            async with httpx.AsyncClient() as client:
                await Poster(mailbox, client).round()

    for step in ("rest.before-post", "rest.after-post", ""):
        child = os.fork()
        if child == 0:
            try:
                failpoints.arm(f"{step}=kill" if step else "")
                asyncio.run(posting())
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0) == (signal.SIGKILL if step else 0)
    first, second = (headers["webhook-id"] for headers, _ in receiver.posts)
    assert first == second


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://127.0.0.1/",
        "https://",
        "javascript:1",
        "https://a/\n",
        "//x",
        "https://[/",
    ],
)
def test_news_goes_nowhere_unencrypted(world: World, url: str) -> None:
    with pytest.raises(Mistaken, match="https"):
        add_webhook(world.mailbox, url)
