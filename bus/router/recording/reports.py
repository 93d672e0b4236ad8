"""Gate 8 for a report: what is missing is consigned again, what was lost is given back, a witness's line is kept."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bus.documents.reports import TYPE, Cosigned, Reconciliation
from bus.ledger import copies
from bus.ledger.entry import Kind, canonical, timestamp
from bus.router.delivery import ReportAccepted
from bus.router.recording.consigning import Consigner, answer_headers, still_unanswered

_MOST_AT_ONCE = 10_000
"""Consignments on their way to an agency up to which a report has more sent again: all routers wait while they are
listed. What is on its way already need not be asked for again and again."""


def record_report(consigner: Consigner, found: ReportAccepted) -> str:
    """Write what follows from a report. Raises Stale when its id has got an answer meanwhile."""
    match found.report:
        case Cosigned() as cosigned:
            # Outside of the tree: a head that spoke of its own witnesses would never come to rest.
            new = consigner.writer.cosigned(cosigned.size, found.agency, cosigned.line)
            return "cosigned" if new else "duplicate"
        case Reconciliation() as report:
            return _reconcile(consigner, found, report)


def _reconcile(consigner: Consigner, found: ReportAccepted, report: Reconciliation) -> str:
    writer, agency = consigner.writer, found.agency
    still_unanswered(writer, agency, TYPE, str(report.id), found.digest)
    given = writer.last_number(agency)
    # The first ones; once they have arrived, the next report asks for the rest.
    free = max(0, _MOST_AT_ONCE - writer.agencies.waiting_for(agency, _MOST_AT_ONCE))
    missing = list(islice(_missing(report, given), free))
    again = writer.repeat_all(agency, missing)
    own = list(islice(_numbers(report.unplaced, given), _MOST_AT_ONCE - again))
    copied = copies.consign_copies(writer, agency, own)
    newer = report.directory is not None and copies.consign_directory(writer, agency, report.directory)
    consigner.left = consigner.left or again > 0 or copied > 0 or newer
    if report.highest > given:
        # The agency has what this ledger never gave it: the ledger is not the one that it was.
        facts = {"agency": agency, "highest": report.highest, "given": given}
        consigner.alarms.append(("consignments-unknown", facts))
    answer = consigner.number(agency)
    entry = writer.entry(
        Kind.RECONCILED,
        agency=agency,
        document=found.delivery.raw,
        sha256=found.delivery.sha256,
        reportId=str(report.id),
        receivedAt=timestamp(found.delivery.received_at),
        contiguous=report.contiguous,
        highest=report.highest,
        given=given,
        again=again,
        copies=copied or None,
        answer=answer,
    )
    writer.submission(
        entry=entry,
        agency=agency,
        type=TYPE,
        id=str(report.id),
        digest=found.digest,
        raw=found.delivery.sha256,
        answer=answer,
    )
    stated = {"entry": entry, "notice": str(report.id), "digest": found.digest, "again": again}
    body = canonical(stated | {"copies": copied})
    consigner.consign(
        agency,
        answer,
        type="entry",
        entry=entry,
        body=body.encode(),
        headers=answer_headers(found.delivery, str(report.id), []),
    )
    return "reconciled"


def _missing(report: Reconciliation, given: int) -> Iterator[int]:
    yield from _numbers(report.missing, given)
    yield from range(report.highest + 1, given + 1)


def _numbers(spans: tuple[tuple[int, int], ...], given: int) -> Iterator[int]:
    for first, last in spans:
        yield from range(first, min(last, given) + 1)
