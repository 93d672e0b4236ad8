"""`saraban-adapter rest`: the keys of the programs that use the REST door, and where news is posted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import typer

from adapters import views
from adapters.cli.output import AsJson, Config, opened, reading, say
from adapters.cli.tables import listing
from adapters.connectors.rest.keys import SCOPES, in_force, make_key
from adapters.mailbox.doors import DoorKey
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.text import print_json
from bus.thai import now

app = typer.Typer(no_args_is_help=True, help="The REST door: its keys and its webhooks.")
key = typer.Typer(no_args_is_help=True, help="The keys of the programs that use the REST door.")
app.add_typer(key, name="key")
webhook = typer.Typer(no_args_is_help=True, help="Where news is posted, by Standard Webhooks.")
app.add_typer(webhook, name="webhook")

KeyId = Annotated[str, typer.Argument(help="The key's id, as `rest key list` shows it.")]
Days = Annotated[
    int | None, typer.Option(min=1, max=3650, help="How long it is to be in force; no end, if left out.")
]


@key.command()
def make(
    name: Annotated[str, typer.Argument(help="Which program it is for.")],
    scope: Annotated[list[str], typer.Option(help="read, write or acts; several times for several.")],
    days: Days = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for a program, and show it this once; only its hash is kept."""
    with opened(config) as mailbox:
        if unknown := sorted(set(scope) - set(SCOPES)):
            known = ", ".join(SCOPES)
            shown = ", ".join(unknown)
            raise Mistaken(
                Mistake("scope", f"ไม่รู้จัก {shown} ใช้ได้: {known}", f"unknown {shown}; known: {known}")
            )
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise Mistaken(Mistake("name", "ต้องยาวไม่เกิน 100 ตัวอักษร", "give a name of at most 100 characters"))
        made, text = make_key(mailbox, name.strip(), scope, days=days)
    _show(as_json, made, text)


@key.command(name="list")
def list_keys(config: Config = None, as_json: AsJson = False) -> None:
    """List the keys, without their secrets."""
    with reading(config) as (_, mailbox):
        found = mailbox.doors.keys()
    at = now()
    if as_json:
        print_json([_view(each) for each in found])
        return
    rows = [
        (
            each.id,
            each.name,
            ", ".join(each.scopes),
            each.ends_at or "",
            "yes" if in_force(each, at) else "no",
        )
        for each in found
    ]
    listing("กุญแจของประตู REST · keys of the REST door", ("id", "name", "scopes", "until", "in force"), rows)


@key.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        int, typer.Option(min=0, max=365, help="Days for which the old one stays in force.")
    ] = 7,
    days: Days = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make the next key of a program, with the same rights; the old one ends after some days."""
    with opened(config) as mailbox, mailbox.transaction():
        old = mailbox.doors.key(key_id)
        if old is None or not in_force(old, now()):
            raise Mistaken(_unknown())
        made, text = make_key(mailbox, old.name, old.scopes, days=days)
        end = now() + timedelta(days=overlap)
        if old.ends_at is None or end < datetime.fromisoformat(old.ends_at):
            mailbox.doors.end_key(old.id, end.isoformat())
    _show(as_json, made, text)


@key.command()
def revoke(key_id: KeyId, config: Config = None, as_json: AsJson = False) -> None:
    """End a key at once."""
    with opened(config) as mailbox:
        if not mailbox.doors.end_key(key_id, now().isoformat()):
            raise Mistaken(_unknown())
    say(as_json, {"id": key_id, "in_force": False}, f"{key_id}: สิ้นสุดแล้ว · ended")


@webhook.command()
def add(
    url: Annotated[str, typer.Argument(help="https://…, or http:// of this machine.")],
    ed25519: Annotated[bool, typer.Option(help="Sign with a key pair instead of a shared secret.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Have all news from now on posted to an address, and show once what the posts are verified with."""
    from adapters.connectors.rest.webhooks import (
        add_webhook,
        verifying_key,
    )  # a client that no other command needs

    with opened(config) as mailbox:
        made = add_webhook(mailbox, url, ed25519=ed25519)
    view = {"id": made.id, "url": made.url, "verified_with": verifying_key(made)}
    say(as_json, view, f"{made.id} {made.url}: {view['verified_with']}")


@webhook.command(name="list")
def list_webhooks(config: Config = None, as_json: AsJson = False) -> None:
    """List the addresses, and how many items each has not taken yet."""
    from adapters.connectors.rest.webhooks import given_up, source_of

    with reading(config) as (_, mailbox):
        found = []
        for each in mailbox.doors.webhooks():
            source = source_of(each)
            ended = len(given_up(mailbox, source))
            found.append((each, len(mailbox.news.deferrals(source)) - ended, ended))
    if as_json:
        print_json(
            [
                {"id": each.id, "url": each.url, "postponed": count, "given_up": ended}
                for each, count, ended in found
            ]
        )
        return
    rows = [(each.id, each.url, str(count), str(ended)) for each, count, ended in found]
    listing("ที่อยู่รับข่าว · webhooks", ("id", "url", "postponed", "given up"), rows)


WebhookId = Annotated[str, typer.Argument(help="Its id, as `rest webhook list` shows it.")]


@webhook.command()
def retry(webhook_id: WebhookId, config: Config = None, as_json: AsJson = False) -> None:
    """Have what an address has not taken for days, and what was therefore given up, posted there once more."""
    from adapters.connectors.rest import webhooks

    with opened(config) as mailbox:
        count = webhooks.retry(mailbox, webhook_id)
        if count is None:
            raise Mistaken(_no_webhook())
    say(
        as_json,
        {"id": webhook_id, "items": count},
        f"{webhook_id}: จะส่งใหม่ {count} รายการ · {count} to be posted",
    )


@webhook.command()
def remove(
    webhook_id: WebhookId,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Post no more news to an address."""
    with opened(config) as mailbox:
        if not mailbox.doors.end_webhook(webhook_id):
            raise Mistaken(_no_webhook())
    say(as_json, {"id": webhook_id, "removed": True}, f"{webhook_id}: ยกเลิกแล้ว · removed")


def _no_webhook() -> Mistake:
    return Mistake("webhook", "ไม่พบที่อยู่รับข่าวนี้", "there is no such webhook; `rest webhook list` shows them")


def _unknown() -> Mistake:
    return Mistake("key", "ไม่พบคีย์ที่ใช้ได้", "there is no such key in force; `rest key list` shows them")


def _view(found: DoorKey) -> views.View:
    return {
        "id": found.id,
        "name": found.name,
        "scopes": list(found.scopes),
        "made_at": views.when(found.made_at),
        "ends_at": views.when(found.ends_at),
        "in_force": in_force(found, now()),
    }


def _show(as_json: bool, made: DoorKey, text: str) -> None:
    if as_json:
        print_json(_view(made) | {"key": text})
        return
    say(False, None, f"คีย์นี้แสดงครั้งเดียว โปรดเก็บไว้ในระบบของหน่วยงาน · shown this once: {text}")
    say(False, None, f"{made.id} {made.name}: {', '.join(made.scopes)}, {made.ends_at or '-'}")
