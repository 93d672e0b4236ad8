"""What a person does at the desk: performed as at every door, and kept with the person's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.connectors.folder.acts import read_act
from adapters.connectors.folder.parsing import fields_of
from adapters.desk.asked import Asked
from adapters.mailbox import OutboxEntry
from adapters.mailbox.acts import Verb, perform
from bus.logs import get

_LOG = get(__name__)


def act(asked: Asked, verb: Verb, values: Mapping[str, Any]) -> OutboxEntry:
    """Put an act into the outbox, once, with who did it; `values` are a manifest's. Raises Mistaken."""
    with asked.mailbox.transaction():
        row = perform(asked.mailbox, read_act(fields_of(values), verb))
        asked.mailbox.desk.note_act(row.id, asked.person)
    _LOG.info("desk-acted", verb=str(verb), person=asked.person.name, outbox=row.id)
    return row
