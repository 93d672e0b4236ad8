"""Gates 5 to 7 for a report: who says it, and whether it may be said."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from bus.directory import Directory
from bus.documents.reports import Cosigned, Reconciliation, octets, open_report
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, ContentDigest
from bus.ledger.reading import Reader
from bus.router.delivery import Delivery, ReportAccepted
from bus.verifier.notes import Unreadable, Unsigned, VerifierKey, read_note, require_signed

_LONGEST_ON_ITS_WAY = timedelta(days=3)


def examine_report(
    delivery: Delivery, agency: AgencyCode, directory: Directory, reader: Reader
) -> ReportAccepted:
    """Return what an agency's machine says about itself. Raises Refused."""
    pins, vouched = directory.pins(agency), directory.vouched(agency)
    report = open_report(delivery.raw, pins, delivery.received_at, vouched)
    if report.agency != agency:
        raise Refused(RefusalCode.IDENTITY_SENDER_FOREIGN, report.agency)
    if isinstance(report, Reconciliation) and abs(report.at - delivery.received_at) > _LONGEST_ON_ITS_WAY:
        # An inbox as it was long ago says nothing of what is missing now.
        raise Refused(RefusalCode.DATE_OUT_OF_RANGE, report.at.isoformat(), where="at")
    if isinstance(report, Cosigned):
        _require_witness(report, directory, reader)
    # Of what it says and not of its bytes: one that is sealed anew, as after a restart, is the same report.
    digest = ContentDigest(hashlib.sha256(octets(report)).hexdigest())
    return ReportAccepted(delivery=delivery, agency=agency, report=report, digest=digest)


def _require_witness(report: Cosigned, directory: Directory, reader: Reader) -> None:
    """Raise Refused unless the line is this agency's good cosignature of a head that was signed here."""
    key = _key_of(report.line)
    head = reader.heads.of_size(report.size)
    pinned = directory.agencies[report.agency].witness
    if head is None or pinned is None:
        wrong = (
            "the directory names no witness of this agency" if head else f"no head of {report.size} entries"
        )
        raise Refused(RefusalCode.REPORT_COSIGNATURE, wrong, where=key)
    if not reader.heads.is_anchor(report.size):
        wrong = "nobody was asked to cosign that head"
        raise Refused(RefusalCode.REPORT_COSIGNATURE, wrong, where=key)
    try:
        text = read_note(head.note).text
        note = read_note(f"{text}\n{report.line}\n")
        if note.text != text or len(note.signatures) != 1:
            raise Unreadable("not one signature line")
        require_signed(note, VerifierKey.parse(pinned))
    except (Unreadable, Unsigned) as error:
        raise Refused(RefusalCode.REPORT_COSIGNATURE, str(error), where=key) from error


def _key_of(line: str) -> str:
    """Name the key that a cosignature claims to be by: an unknown one is refused once and not for ever."""
    try:
        (signature,) = read_note(f"-\n\n{line}\n").signatures
    except (Unreadable, ValueError):
        return "key unreadable"
    return f"key {signature.id.hex()}"
