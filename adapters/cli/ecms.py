"""`saraban-adapter ecms`: what waits for the client of e-CMS, and an item that it cannot take."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters import views
from adapters.cli.output import AsJson, Config, opened, reading, say
from adapters.cli.tables import listing
from adapters.connectors.ecms.queue import Queue
from adapters.mailbox import Mailbox
from adapters.mailbox.ecms import Queued
from bus.text import print_json, printable

app = typer.Typer(no_args_is_help=True, help="The e-CMS door: what waits for its client.")

ProcessId = Annotated[str, typer.Argument(help="The item's ProcessID, as `ecms list` and `status` show it.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many items.")]


@app.command(name="list")
def list_items(
    skipped: Annotated[bool, typer.Option("--skipped", help="Those that were skipped instead.")] = False,
    limit: Limit = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for the client, the head of the queue first; it is served that until it deletes it."""
    with reading(config) as (_, mailbox):
        found = mailbox.ecms.queued(skipped=skipped, limit=limit)
    if as_json:
        print_json([_view(each) for each in found])
        return
    columns = ("ProcessID", "รายการ Item", "ที่ Number", "ลงวันที่ Date", "รับแล้ว Served", "เหตุผล Reason")
    listing(
        "คิวของ e-CMS · queue of e-CMS",
        columns,
        (
            (
                each.process_id,
                each.kind,
                printable(each.number_normal),
                each.date,
                str(each.served),
                printable(each.skipped or ""),
            )
            for each in found
        ),
    )


@app.command()
def skip(
    process: ProcessId,
    reason: Annotated[str, typer.Option(help="Why the client cannot take it; it is kept with the item.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take an item that the client cannot take out of its way; it is kept, and `ecms serve-again` brings it back."""
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    with opened(config) as mailbox:
        queued = _queue(mailbox).skip(process, printable(" ".join(reason.split()))[:1000])
    say(as_json, _view(queued), f"{queued.process_id} {queued.kind}: ข้ามแล้ว · skipped")


@app.command(name="serve-again")
def serve_again(process: ProcessId, config: Config = None, as_json: AsJson = False) -> None:
    """Put an item that was skipped back into the queue, where it stood."""
    with opened(config) as mailbox:
        queued = _queue(mailbox).serve_again(process)
    say(as_json, _view(queued), f"{queued.process_id} {queued.kind}: รออยู่ในคิวอีกครั้ง · waits again")


def _queue(mailbox: Mailbox) -> Queue:
    return Queue(mailbox, grant_unserved=False, handover_failed=False)  # neither matters: nothing is filled


def _view(queued: Queued) -> views.View:
    return {
        "process_id": queued.process_id,
        "item": queued.kind,
        "number": queued.number_normal,
        "date": views.day(queued.date or None),
        "sender": queued.sender,
        "recipient": queued.recipient,
        "served": queued.served,
        "served_last": views.when(queued.served_last),
        "taken_at": views.when(queued.deleted_at),
        "skipped": queued.skipped,
    }
