"""Which documents of the outbox are to be sent next: the questions, built once."""

from __future__ import annotations

from sqlalchemy import bindparam, exists, or_, select

from adapters.mailbox.entries import UNANSWERED
from adapters.mailbox.prepared import Prepared, any_of
from adapters.mailbox.tables import outbox
from bus.documents.lifecycle import ONCE

_BEFORE = outbox.alias("before")
_BY_CLERK = (outbox.c.type == "notice") & outbox.c.summary.not_in(ONCE)
_AFTER_ANOTHER = _BY_CLERK & exists().where(
    _BEFORE.c.letter_id == outbox.c.letter_id,
    _BEFORE.c.type == "notice",
    _BEFORE.c.summary.not_in(ONCE),
    _BEFORE.c.id < outbox.c.id,
    _BEFORE.c.state.in_(UNANSWERED),
)
"""What clerks say about one letter goes one after another: a correction must not overtake what it corrects."""
_NOT_UNDER_WAY = outbox.c.state.in_(UNANSWERED) & outbox.c.id.not_in(any_of("but")) & ~_AFTER_ANOTHER
DUE = Prepared(
    select(outbox)
    .where(
        _NOT_UNDER_WAY,
        or_(outbox.c.next_attempt_at <= bindparam("at"), outbox.c.next_attempt_at > bindparam("bound")),
    )
    .order_by(outbox.c.next_attempt_at, outbox.c.id)
    .limit(bindparam("most"))
)
NEXT_DUE = Prepared(
    select(outbox.c.next_attempt_at).where(_NOT_UNDER_WAY).order_by(outbox.c.next_attempt_at).limit(1)
)
