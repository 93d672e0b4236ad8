"""Gate 8 for a statement: what is missing is consigned again, what was lost is given back, a witness's line is kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bus import logs
from bus.documents.statements import TYPE, Cosigned, Reconciliation
from bus.ledger import copies
from bus.ledger.entry import Kind, canonical, timestamp
from bus.router.delivery import Stated
from bus.router.recording.hand import Hand, answer_headers, still_unanswered

_MOST_AT_ONCE = 10_000
"""Consignments on their way to an agency up to which a statement has more sent again: all routers wait while they are
listed. What is on its way already need not be asked for again and again."""
_log = logs.get("statements")


def state(hand: Hand, found: Stated) -> str:
    """Write what follows from a statement. Raises Stale when its id has got an answer meanwhile."""
    match found.statement:
        case Cosigned() as cosigned:
            # Outside of the tree: a head that spoke of its own witnesses would never come to rest.
            new = hand.writer.cosigned(cosigned.size, found.agency, cosigned.line)
            return "cosigned" if new else "duplicate"
        case Reconciliation() as statement:
            return _reconcile(hand, found, statement)


def _reconcile(hand: Hand, found: Stated, statement: Reconciliation) -> str:
    writer, agency = hand.writer, found.agency
    still_unanswered(writer, agency, TYPE, str(statement.id), found.digest)
    given = writer.last_number(agency)
    # The first ones; once they have arrived, the next statement asks for the rest.
    room = max(0, _MOST_AT_ONCE - writer.waiting_for(agency, _MOST_AT_ONCE))
    missing = list(islice(_missing(statement, given), room))
    again = writer.repeat_all(agency, missing)
    own = list(islice(_numbers(statement.unplaced, given), _MOST_AT_ONCE - again))
    copied = copies.consign_copies(writer, agency, own)
    newer = statement.directory is not None and copies.consign_directory(writer, agency, statement.directory)
    hand.left = hand.left or again > 0 or copied > 0 or newer
    if statement.highest > given:
        # The agency has what this ledger never gave it: the ledger is not the one that it was.
        _log.critical("consignments-unknown", agency=agency, highest=statement.highest, given=given)
    answer = hand.number(agency)
    entry = writer.entry(
        Kind.RECONCILED,
        agency=agency,
        document=found.delivery.raw,
        statementId=str(statement.id),
        receivedAt=timestamp(found.delivery.received_at),
        contiguous=statement.contiguous,
        highest=statement.highest,
        given=given,
        again=again,
        copies=copied or None,
        answer=answer,
    )
    writer.submission(
        entry=entry,
        agency=agency,
        type=TYPE,
        id=str(statement.id),
        digest=found.digest,
        raw=found.delivery.sha256,
        answer=answer,
    )
    stated = {"entry": entry, "notice": str(statement.id), "digest": found.digest, "again": again}
    body = canonical(stated | {"copies": copied})
    hand.give(
        agency,
        answer,
        type="entry",
        entry=entry,
        body=body.encode(),
        headers=answer_headers(found.delivery, str(statement.id), []),
    )
    return "reconciled"


def _missing(statement: Reconciliation, given: int) -> Iterator[int]:
    yield from _numbers(statement.missing, given)
    yield from range(statement.highest + 1, given + 1)


def _numbers(spans: tuple[tuple[int, int], ...], given: int) -> Iterator[int]:
    for first, last in spans:
        yield from range(first, min(last, given) + 1)
