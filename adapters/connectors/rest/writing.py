"""From a request to a letter in the outbox: begun, its files brought one by one, and submitted as a whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from adapters.connectors.drafts import canonical, composed, names_in, take_file
from adapters.connectors.folder.letters import Composed, put
from adapters.connectors.rest.problems import Problem
from adapters.mailbox import Mailbox, OutboxEntry
from adapters.mailbox.doors import Draft
from adapters.mailbox.files import Fingerprint
from bus.failpoints import reached
from bus.thai import now

_DRAFTS = UUID("7a4f3f64-3bb0-5a55-9a3b-0c2f9c0d6b1e")
"""Name space of the ids of letters being written, made from the office's Idempotency-Keys."""


def begin(mailbox: Mailbox, request_key: str, content: Mapping[str, Any]) -> Draft:
    """Keep what a letter is to say; the same request again is the same draft. Raises Mistaken, Problem."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    draft = Draft(
        id=str(uuid5(_DRAFTS, f"{mailbox.agency}\n{request_key}")),
        request_sha256=hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest(),
        request_key=request_key,
        content=text,
        outbox=None,
        made_at=now().isoformat(),
    )
    known = mailbox.doors.draft(draft.id)
    if known is None:
        compose(mailbox, draft, None)
        known = mailbox.doors.begin(draft)
        reached("rest.after-create")
    if known.request_sha256 != draft.request_sha256:
        raise Problem("request.key-reused")
    return known


def names_of(draft: Draft) -> list[str]:
    """The files that a draft names, in order."""
    return names_in(json.loads(draft.content))


def file_arrived(mailbox: Mailbox, draft: Draft, name: str, arrived: Path, file: Fingerprint) -> None:
    """Keep a file of a draft; Mistaken for one that no letter may carry."""
    name = canonical(name)
    if name not in names_of(draft):
        raise Problem("file.unknown")
    if draft.outbox is not None:
        if mailbox.doors.files(draft.id).get(name) != file:
            raise Problem("letter.submitted")
        return
    take_file(
        mailbox, name, arrived, file, lambda name, file: mailbox.doors.file_arrived(draft.id, name, file)
    )
    reached("rest.after-file")


def compose(mailbox: Mailbox, draft: Draft, found: Mapping[str, Fingerprint] | None) -> Composed:
    """Write the letter of a draft; `found` are its files, None before there are any. Raises Mistaken."""
    return composed(mailbox, json.loads(draft.content), f"rest:{draft.request_key}", found)


def submit(mailbox: Mailbox, draft: Draft) -> OutboxEntry:
    """Put the letter of a draft into the outbox, once, with all its files."""
    composed = compose(mailbox, draft, mailbox.doors.files(draft.id))
    reached("rest.before-put")
    with mailbox.transaction():
        row = put(mailbox, composed)
        mailbox.doors.submitted(draft.id, row.id)
    reached("rest.after-put")
    return row
