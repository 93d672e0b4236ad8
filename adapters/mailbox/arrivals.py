"""What the bus consigned, exactly as it came: committed before the broker is answered, judged afterwards.

One message is one row however often it is delivered. What cannot be understood or believed is kept in quarantine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, distinct, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_leave

from adapters.mailbox.database import Database
from adapters.mailbox.entries import LONGEST_PAUSE
from adapters.mailbox.messages import Arrival, ArrivalState, Gap, Message, number_of
from adapters.mailbox.prepared import Prepared, Row, any_of
from adapters.mailbox.tables import arrivals, news
from bus.documents import recipients
from bus.thai import now

LETTER, NOTICE, VERDICT, ENTRY, DIRECTORY = "letter", "notice", "verdict", "entry", "directory"
COPY = "copy"
"""A document of this agency's own that the bus gives back."""
RECIPIENTS = recipients.TYPE
"""The recipient set of a letter of this agency (lists.py)."""
LOST = "answer.document-lost"
"""Why an answer is unplaced: it is about a document that this mailbox had and has lost."""


class Arrivals:
    """Rows are added and judged; nothing is removed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._complete_to = 0
        """The consignment up to which none was missing when it was looked at last."""

    def store(self, messages: Sequence[Message]) -> int:
        """Commit a batch, and give how many of it were new; a repeat leaves what is there.

        An answer that is repeated is judged again: what it answers may have been sent again since it came.
        """
        rows = [_values(message) for message in messages]
        if not rows:
            return 0
        with self._database.writing() as connection:
            before = _NEWEST.one(connection, {})[0] or 0
            _STORE.many(connection, rows)
            return int(_SINCE.one(connection, {"before": before})[0])

    def waiting(
        self, at: float, limit: int, *, but: Sequence[str] = (), longest: float = LONGEST_PAUSE
    ) -> list[Arrival]:
        """What is to be judged now, except the types in `but`; what a clock that was ahead put off is due.

        Directories first, for they say whom to believe; the rest in order of arrival.
        """
        values = {"at": at, "but": list(but), "most": limit, "bound": at + longest}
        return self._database.rows(_WAITING, _arrival, values)

    def next_due(self) -> float | None:
        """When the next one that was postponed is to be judged again (Unix time)."""
        return self._database.scalar(_NEXT_DUE)

    def postpone(self, arrival: int, *, next_attempt_at: float, reason: str) -> None:
        """Verify it again later."""
        values = {
            "attempts": arrivals.c.attempts + 1,
            "next_attempt_at": next_attempt_at,
            "reason": reason,
        }
        self._database.execute(update(arrivals).where(arrivals.c.id == arrival).values(**values))

    def quarantine(self, arrival: int, reason: str, detail: str) -> None:
        """Keep aside what cannot be understood or believed."""
        with self._database.writing() as connection:
            conclude(connection, arrival, ArrivalState.QUARANTINED, reason=reason, detail=detail)

    def verify_again(self) -> int:
        """Put what is in quarantine back before the judge, as after a certificate was mended; give how much it is."""
        again = {"state": ArrivalState.STORED, "next_attempt_at": 0.0, "reason": None, "detail": None}
        with self._database.writing() as connection:
            changed = connection.execute(
                update(arrivals).where(arrivals.c.state == ArrivalState.QUARANTINED).values(**again)
            )
            self._database.added(arrivals)
        return changed.rowcount

    def dismiss(self, arrival: int, reason: str) -> bool:
        """Take one out of the quarantine, for a reason that stays with it; False if it is not in there."""
        dismissed = f"dismissed {now().isoformat(timespec='seconds')}: {reason}"
        detail = func.coalesce(arrivals.c.detail + " — ", "") + dismissed
        this = arrivals.c.id == arrival, arrivals.c.state == ArrivalState.QUARANTINED
        values = {"state": ArrivalState.DISMISSED, "detail": detail}
        return self._database.execute(update(arrivals).where(*this).values(**values)) == 1

    def unplaced(self) -> list[tuple[int, int]]:
        """The consignments, and their rows, that answer documents which this mailbox has lost, ascending."""
        with self._database.reading() as connection:
            return [(row.consignment, row.id) for row in connection.execute(_UNPLACED)]

    def place_again(self, documents: Collection[str]) -> int:
        """Verify again the answers to these documents that could not be placed; give how many these are."""
        about = func.json_extract(arrivals.c.headers, "$.about")
        these = arrivals.c.state == ArrivalState.UNPLACED, about.in_(list(documents))
        return self._database.execute(update(arrivals).where(*these).values(state=ArrivalState.STORED))

    def directories_again(self) -> int:
        """Verify again every directory that has come, for none is held any more; give how many these are."""
        these = arrivals.c.type == DIRECTORY, arrivals.c.state != ArrivalState.STORED
        return self._database.execute(update(arrivals).where(*these).values(state=ArrivalState.STORED))

    def quarantined(self, limit: int = 1000) -> list[Arrival]:
        """What was kept aside, newest first."""
        query = select(arrivals).where(arrivals.c.state == ArrivalState.QUARANTINED)
        return self._database.rows(query.order_by(arrivals.c.id.desc()).limit(limit), _arrival)

    def disbelieved(self) -> bool:
        """Whether the signature of the bus itself has not held since a directory or verdict on which it did not."""
        with self._database.reading() as connection:
            last = connection.execute(_DISBELIEVED).scalar()
            return last is not None and connection.execute(_BELIEVED, {"last": last}).first() is None

    def get(self, arrival: int) -> Arrival:
        """The row of this number, which is there."""
        with self._database.reading() as connection:
            return one(connection, arrival)

    def gaps(self) -> list[Gap]:
        """The consignment numbers, counted from 1, that are missing below the highest one.

        Nothing is ever removed: what was once found complete is not counted again.
        """
        known = self._complete_to
        with self._database.reading() as connection:
            highest, count = connection.execute(_ABOVE, {"known": known}).one()
            if not count or highest == known + count:
                self._complete_to = highest or known
                return []
            found = [Gap(row.before + 1, row.next - 1) for row in connection.execute(_GAPS, {"known": known})]
        self._complete_to = found[0].first - 1
        return found

    def highest(self) -> int:
        """The highest consignment number that has arrived, 0 before the first."""
        return self._database.scalar(select(func.max(arrivals.c.consignment))) or 0

    def complete_below(self, consignment: int) -> bool:
        """Whether every consignment before this one has arrived and nothing of the directory among them waits."""
        with self._database.reading() as connection:
            if self.highest() < consignment - 1 or any(gap.first < consignment for gap in self.gaps()):
                return False
            return connection.execute(_DIRECTORY_WAITS, {"before": consignment}).first() is None

    def counts(self) -> dict[str, int]:
        """How many arrivals there are in each state."""
        query = select(arrivals.c.state, func.count()).group_by(arrivals.c.state)
        with self._database.reading() as connection:
            return {state: count for state, count in connection.execute(query)}


def conclude(
    connection: Connection,
    arrival: int,
    state: ArrivalState,
    *,
    reason: str | None = None,
    detail: str | None = None,
) -> None:
    """State what became of an arrival, in the transaction that makes it so; a quarantine is news."""
    values = {"row": arrival, "to_state": state, "to_reason": reason, "to_detail": detail}
    _JUDGE.run(connection, values)
    if state is ArrivalState.QUARANTINED:
        connection.execute(insert(news).values(kind="quarantine", arrival=arrival, at=now().isoformat()))


def one(connection: Connection, arrival: int) -> Arrival:
    """The row of this number, which is there."""
    return _arrival(_ONE.one(connection, {"row": arrival}))


def _values(message: Message) -> dict[str, Any]:
    headers = {str(name): value for name, value in message.headers.items() if isinstance(value, str | int)}
    consignment = number_of(headers.get("consignment"))
    return {
        "consignment": consignment if consignment and consignment > 0 else 0,
        "type": message.type,
        "sha256": hashlib.sha256(message.body).hexdigest(),
        "headers": json.dumps(headers, ensure_ascii=False, sort_keys=True),
        "body": message.body,
        "arrived_at": now().isoformat(),
        "state": ArrivalState.STORED,
    }


def _arrival(row: Row) -> Arrival:
    values = {name: row[name] for name in Arrival.__slots__}
    values["headers"] = json.loads(row["headers"])
    values["arrived_at"] = datetime.fromisoformat(row["arrived_at"])
    values["state"] = ArrivalState(row["state"])
    return Arrival(**values)


# Asked for every message, and so built once.
_ONE = Prepared(select(arrivals).where(arrivals.c.id == bindparam("row")))
_NEWEST = Prepared(select(func.max(arrivals.c.id)))
_SINCE = Prepared(select(func.count()).where(arrivals.c.id > bindparam("before")))
_WAITING = Prepared(
    select(arrivals)
    .where(
        arrivals.c.state == ArrivalState.STORED,
        or_(arrivals.c.next_attempt_at <= bindparam("at"), arrivals.c.next_attempt_at > bindparam("bound")),
        arrivals.c.type.not_in(any_of("but")),
    )
    .order_by(arrivals.c.type != DIRECTORY, arrivals.c.id)
    .limit(bindparam("most"))
)
_STORE = Prepared(
    insert_or_leave(arrivals).on_conflict_do_update(
        index_elements=["consignment", "type", "sha256"],
        set_={"state": ArrivalState.STORED, "next_attempt_at": 0.0},
        where=or_(arrivals.c.type == VERDICT, arrivals.c.type == ENTRY)
        & or_(arrivals.c.state == ArrivalState.DONE, arrivals.c.state == ArrivalState.DUPLICATE),
    )
)
_NUMBER = arrivals.c.consignment
_ABOVE = select(func.max(_NUMBER), func.count(distinct(_NUMBER))).where(bindparam("known") < _NUMBER)
_NUMBERS = select(_NUMBER).where(bindparam("known") < _NUMBER).distinct().subquery()
_PAIRS = select(
    func.coalesce(
        func.lag(_NUMBERS.c.consignment).over(order_by=_NUMBERS.c.consignment), bindparam("known")
    ).label("before"),
    _NUMBERS.c.consignment.label("next"),
).subquery()
_GAPS = select(_PAIRS).where(_PAIRS.c.next > _PAIRS.c.before + 1)
_DIRECTORY_WAITS = (
    select(arrivals.c.id)
    .where(arrivals.c.state == ArrivalState.STORED, arrivals.c.type == DIRECTORY)
    .where(bindparam("before") > _NUMBER)
    .limit(1)
)
_UNPLACED = (
    select(arrivals.c.consignment, arrivals.c.id)
    .where(arrivals.c.state == ArrivalState.UNPLACED, arrivals.c.reason == LOST, arrivals.c.consignment > 0)
    .order_by(arrivals.c.consignment)
)
_OF_THE_BUS = arrivals.c.type.in_((DIRECTORY, VERDICT))
_DISBELIEVED = select(func.max(arrivals.c.id)).where(
    _OF_THE_BUS,
    arrivals.c.state == ArrivalState.QUARANTINED,
    or_(*map(arrivals.c.reason.startswith, ("key.", "signature.", "token.key", "token.signature"))),
)
_BELIEVED = (
    select(arrivals.c.id)
    .where(arrivals.c.id > bindparam("last"), _OF_THE_BUS)
    .where(arrivals.c.state.in_((ArrivalState.DONE, ArrivalState.DUPLICATE)))
    .limit(1)
)
_NEXT_DUE = Prepared(
    select(func.min(arrivals.c.next_attempt_at)).where(
        arrivals.c.state == ArrivalState.STORED, arrivals.c.next_attempt_at > 0
    )
)
_JUDGE = Prepared(
    update(arrivals)
    .where(arrivals.c.id == bindparam("row"))
    .values(state=bindparam("to_state"), reason=bindparam("to_reason"), detail=bindparam("to_detail"))
)
