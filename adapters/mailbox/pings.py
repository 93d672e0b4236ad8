"""Letters by which this adapter tries the way through the bus: nobody at the office is told of them.

Only of this agency's own: what another agency calls a test is shown to the office as the test letter that it is, for
its receipt says that this agency has it.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select, union_all

from adapters.mailbox.prepared import Prepared
from adapters.mailbox.tables import inbox, notices, outbox
from bus.documents.letter import Letter

PING = "ping"
"""The sub-kind of such a letter, whose kind is `test`, and the summary of its row."""
KIND = "test"


def summary_of(letter: Letter) -> str:
    """What a letter's row says that it is."""
    return PING if (letter.kind, letter.sub_kind) == (KIND, PING) else letter.kind


def received_ping(connection: Connection, row: int) -> bool:
    """Whether the letter of this row of the inbox is one of this agency's own that came back."""
    return _RECEIVED.first(connection, {"row": row}) is not None


def answers_ping(connection: Connection, row: int) -> bool:
    """Whether this row of the outbox is such a letter, or what this agency says of one."""
    return _OWN.first(connection, {"row": row}) is not None


def about_ping(connection: Connection, letter_id: str, digest: str | None) -> bool:
    """Whether the letter of this id and content is such a one of this agency."""
    return _ABOUT.first(connection, {"letter": letter_id, "digest": digest}) is not None


_IS_PING = outbox.c.type == "letter", outbox.c.summary == PING
_PINGS = select(outbox.c.id).where(*_IS_PING).limit(1)
_ABOUT = Prepared(
    _PINGS.where(outbox.c.document_id == bindparam("letter"), outbox.c.digest == bindparam("digest"))
)
_RECEIVED = Prepared(
    _PINGS.join(
        inbox, (inbox.c.letter_id == outbox.c.document_id) & (inbox.c.digest == outbox.c.digest)
    ).where(inbox.c.id == bindparam("row"))
)
# Asked one after the other: joined by an "or", SQLite would go through the whole outbox.
_OWN = Prepared(
    union_all(
        select(outbox.c.id).where(outbox.c.id == bindparam("row"), *_IS_PING),
        select(outbox.c.id)
        .join(
            notices,
            (notices.c.letter_id == outbox.c.document_id) & (notices.c.letter_digest == outbox.c.digest),
        )
        .where(notices.c.outbox == bindparam("row"), *_IS_PING),
    )
)
