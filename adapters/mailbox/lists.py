"""The recipient sets that the bus consigns to a sender: an acceptance of many recipients names one by its digest.

A set is kept as it came, among the arrivals, and says nothing by itself: it counts once an acceptance that the bus has
signed names its digest. Whichever of the two comes first waits for the other.
"""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, literal_column, select, update

from adapters.mailbox.arrivals import RECIPIENTS, VERDICT, conclude
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.tables import arrivals
from bus.documents.notice import Terms
from bus.documents.recipients import MOST_NAMED, RecipientSet
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode

AWAITED = "the list of its recipients has not come"
"""Why an acceptance waits."""
_WAITING = (
    arrivals.c.state == ArrivalState.STORED,
    arrivals.c.type == VERDICT,
    arrivals.c.reason == AWAITED,
)
_LIST = (
    select(arrivals.c.state, arrivals.c.body)
    # The type is no parameter: SQLite finds a partial index only by what stands in the query itself. The state does not
    # stand there: SQLite would rather go by that one's index, through everything that ever came.
    .where(arrivals.c.sha256 == bindparam("digest"), arrivals.c.type == literal_column(f"'{RECIPIENTS}'"))
)


def take_list(connection: Connection, arrival: Arrival) -> None:
    """Keep a set that has been read; the acceptances that wait for one are verified again."""
    conclude(connection, arrival.id, ArrivalState.DONE)
    connection.execute(update(arrivals).where(*_WAITING).values(next_attempt_at=0.0))


def recipients_of(connection: Connection, terms: Terms) -> tuple[AgencyCode, ...] | None:
    """Return the recipients of an acceptance, None if the set that it names has not come.

    Raises Refused when it names others than as many as it states.
    """
    codes: tuple[AgencyCode, ...] | None = terms.recipients
    if terms.recipient_count > MOST_NAMED and not codes:
        rows = connection.execute(_LIST, {"digest": terms.recipients_digest})
        found = next((row.body for row in rows if row.state == ArrivalState.DONE), None)
        codes = None if found is None else RecipientSet.read(found).codes
    if codes is not None and len(codes) != terms.recipient_count:
        said = f"{len(codes)} recipients, and {terms.recipient_count} are stated"
        raise Refused(RefusalCode.NOTICE_INCOMPLETE, said, where="RecipientCount")
    return codes


def awaiting(connection: Connection) -> int:
    """Return the row of the newest acceptance that waits for its list, 0 if none does."""
    return connection.execute(select(func.max(arrivals.c.id)).where(*_WAITING)).scalar() or 0
