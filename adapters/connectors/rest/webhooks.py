"""News posted to an office's own address, by Standard Webhooks 1.0: signed, tried again for days, and never lost.

Each item is posted once in its turn. One that is not taken is tried again by itself, later each time, and the next
goes on; after the last try it is given up, and stands in the feed (`GET /v1/events`) as everything does. That is a
condition of the adapter until the item is taken after all (`retry`), or the address removed. What was posted when the
adapter died is posted again, under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.connectors.rest.telling import event_of
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.doors import Webhook
from adapters.mailbox.mistakes import Mistake, Mistaken
from adapters.mailbox.newsfeed import Deferral, Item
from bus.failpoints import reached
from bus.logs import get
from bus.settings.transport import is_this_machine
from bus.thai import now

_LOG = get(__name__)
PAUSES: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds from one try to the next: three days in all, as Standard Webhooks proposes."""
_LONGEST_ANSWER = 15.0
_BATCH = 20
_GONE = 410
_SOURCE = "rest/webhook"
_NEVER = 1e12
"""Unix time of the next try of an item that was given up."""
_HMAC, _ED25519 = "whsec_", "whsk_"


@dataclass(frozen=True, slots=True)
class Signed:
    """One post: its body and the headers that vouch for it."""

    body: bytes
    headers: dict[str, str]


def add_webhook(mailbox: Mailbox, url: str, *, ed25519: bool = False) -> Webhook:
    """Have all news from now on posted to an address. Mistaken for one that is not https, but for this machine's."""
    if not _is_protected(url):
        th, en = "ต้องเป็น https:// หรือ http:// ของเครื่องนี้", "must be https://, or http:// of this machine"
        raise Mistaken(Mistake("url", th, en))
    secret = (_ED25519 if ed25519 else _HMAC) + base64.b64encode(secrets.token_bytes(32)).decode()
    made = Webhook(id=secrets.token_hex(4), url=url, secret=secret, made_at=now().isoformat())
    with mailbox.transaction():
        mailbox.doors.add_webhook(made)
        mailbox.news.told(source_of(made), mailbox.doors.newest())
    return made


def _is_protected(url: str) -> bool:
    """Whether it is an address of https, or of this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname))


def retry(mailbox: Mailbox, webhook_id: str) -> int | None:
    """Have what was given up posted once more; give how many items that are, None if there is no such webhook."""
    if webhook_id not in {each.id for each in mailbox.doors.webhooks()}:
        return None
    source = _source(webhook_id)
    with mailbox.transaction():
        found = given_up(mailbox, source)
        for each in found:
            mailbox.news.defer(source, Deferral(each.item, 0, 0.0, each.error))
    return len(found)


def given_up(mailbox: Mailbox, source: str) -> list[Deferral]:
    """The items that a webhook has not taken, and is tried no more with."""
    return [each for each in mailbox.news.deferrals(source) if each.next_attempt_at >= _NEVER]


def source_of(webhook: Webhook) -> str:
    """Under which the mailbox keeps how far its news was posted."""
    return _source(webhook.id)


def _source(webhook_id: str) -> str:
    return f"{_SOURCE}/{webhook_id}"


def verifying_key(webhook: Webhook) -> str:
    """What the receiver verifies with: the same secret, or the public key."""
    if not webhook.secret.startswith(_ED25519):
        return webhook.secret
    public = _private(webhook).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"whpk_{base64.b64encode(public).decode()}"


def signed(mailbox: Mailbox, webhook: Webhook, item: Item, at: int) -> Signed:
    """Return the post of an item at a Unix time; its id is the item's, whenever it is posted."""
    view = event_of(mailbox, item)
    content = {"type": f"letter.{view['event']}", "timestamp": item.at, "data": view}
    body = json.dumps(content, ensure_ascii=False, default=str).encode(errors="backslashreplace")
    # A mailbox that was brought back counts its items anew.
    number = f"msg_{item.id}_{hashlib.sha256(item.at.encode()).hexdigest()[:12]}"
    text = f"{number}.{at}.".encode() + body
    if webhook.secret.startswith(_ED25519):
        signature = f"v1a,{base64.b64encode(_private(webhook).sign(text)).decode()}"
    else:
        key = base64.b64decode(webhook.secret.removeprefix(_HMAC))
        signature = f"v1,{base64.b64encode(hmac.digest(key, text, 'sha256')).decode()}"
    headers = {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": number,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }
    return Signed(body, headers)


def _private(webhook: Webhook) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(webhook.secret.removeprefix(_ED25519)))


class Poster:
    """Posts to every webhook of a mailbox; `clock` gives Unix time."""

    def __init__(
        self, mailbox: Mailbox, client: httpx.AsyncClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._mailbox = mailbox
        self._client = client
        self._clock = clock
        self._reported: Sequence[Webhook] | None = None

    async def round(self) -> None:
        """Post what is due, to each address beside the others: a slow one holds up only itself."""
        hooks = await asyncio.to_thread(self._mailbox.doors.webhooks)
        await asyncio.gather(*map(self._serve, hooks))
        if self._reported != hooks:
            self._reported = hooks
            await asyncio.to_thread(self._report, hooks)

    async def _serve(self, webhook: Webhook) -> None:
        source, news = source_of(webhook), self._mailbox.news
        for item, attempts in await asyncio.to_thread(news.deferred, source, self._clock()):
            failed = await self._post(webhook, item)
            await asyncio.to_thread(self._note_late, webhook, item, attempts + 1, failed)
            if failed is not None:
                return  # the others wait for the next round: its server may be away
        told = (await asyncio.to_thread(news.bookmark, source)).told
        for item in await asyncio.to_thread(news.after, told, _BATCH):
            failed = await self._post(webhook, item)
            await asyncio.to_thread(self._note, webhook, item, failed)
            if failed is not None:
                return

    async def _post(self, webhook: Webhook, item: Item) -> str | None:
        """Post an item; give why it was not taken, None if it was."""
        post = await asyncio.to_thread(signed, self._mailbox, webhook, item, int(self._clock()))
        reached("rest.before-post")
        try:
            async with self._client.stream(
                "POST", webhook.url, content=post.body, headers=post.headers, timeout=_LONGEST_ANSWER
            ) as answer:
                status = answer.status_code
        except (httpx.HTTPError, OSError) as exc:
            return type(exc).__name__
        reached("rest.after-post")
        if status == _GONE:
            _LOG.warning("webhook-gone", webhook=webhook.id)
            await asyncio.to_thread(self._mailbox.doors.end_webhook, webhook.id)
        return None if 200 <= status < 300 else f"status {status}"

    def _note(self, webhook: Webhook, item: Item, failed: str | None) -> None:
        source = source_of(webhook)
        with self._mailbox.transaction():
            if failed is not None:
                self._defer(webhook, item, 1, failed)
            self._mailbox.news.told(source, item.id)

    def _note_late(self, webhook: Webhook, item: Item, attempts: int, failed: str | None) -> None:
        if failed is not None and attempts <= len(PAUSES):
            self._defer(webhook, item, attempts, failed)
            return
        source = source_of(webhook)
        if failed is None:
            self._mailbox.news.no_longer_deferred(source, item.id)
        else:
            self._mailbox.news.defer(source, Deferral(item.id, attempts, _NEVER, failed))
            _LOG.error("webhook-given-up", webhook=webhook.id, item=item.id, attempts=attempts, reason=failed)
        self._reported = None

    def _report(self, hooks: Sequence[Webhook]) -> None:
        findings = []
        for webhook in hooks:
            if found := given_up(self._mailbox, source_of(webhook)):
                th, en = f"เลิกส่งแล้ว {len(found)} รายการ", f"{len(found)} items were given up"
                why = found[-1].error
                code = ConditionCode.WEBHOOK_GIVEN_UP
                findings.append(Finding(code, webhook.id, f"{th}: {why}", f"{en}: {why}"))
        self._mailbox.conditions.report(_SOURCE, findings)

    def _defer(self, webhook: Webhook, item: Item, attempts: int, reason: str) -> None:
        due = self._clock() + PAUSES[attempts - 1]
        self._mailbox.news.defer(source_of(webhook), Deferral(item.id, attempts, due, reason))
        _LOG.warning("webhook-postponed", webhook=webhook.id, item=item.id, attempts=attempts, reason=reason)
