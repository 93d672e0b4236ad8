"""Gates 5 to 7 for a statement: who says it, and whether it may be said."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from bus.directory import Directory
from bus.documents import statements
from bus.documents.statements import Cosigned, Reconciliation
from bus.errors import Rejected, RejectionCode
from bus.ledger.reading import Reader
from bus.router.delivery import Delivery, Stated
from bus.verifier.notes import Unreadable, Unsigned, VerifierKey, read_note, require_signed

_LONGEST_ON_ITS_WAY = timedelta(days=3)


def examine_statement(delivery: Delivery, agency: str, directory: Directory, reader: Reader) -> Stated:
    """Return what an agency's machine says about itself. Raises Rejected."""
    statement = statements.open_statement(delivery.raw, directory.pins(agency), delivery.received_at)
    if statement.agency != agency:
        raise Rejected(RejectionCode.IDENTITY_SENDER_FOREIGN, statement.agency)
    if (
        isinstance(statement, Reconciliation)
        and abs(statement.at - delivery.received_at) > _LONGEST_ON_ITS_WAY
    ):
        # An inbox as it was long ago says nothing of what is missing now.
        raise Rejected(RejectionCode.DATE_OUT_OF_RANGE, statement.at.isoformat(), where="at")
    if isinstance(statement, Cosigned):
        _require_witness(statement, directory, reader)
    digest = hashlib.sha256(delivery.raw).hexdigest()
    return Stated(delivery=delivery, agency=agency, statement=statement, digest=digest)


def _require_witness(statement: Cosigned, directory: Directory, reader: Reader) -> None:
    """Raise Rejected unless the line is this agency's good cosignature of a head that was signed here."""
    key = _key_of(statement.line)
    head = reader.heads.of_size(statement.size)
    pinned = directory.agencies[statement.agency].witness
    if head is None or pinned is None:
        wrong = (
            "the directory names no witness of this agency"
            if head
            else f"no head of {statement.size} entries"
        )
        raise Rejected(RejectionCode.STATEMENT_COSIGNATURE, wrong, where=key)
    if not reader.heads.is_anchor(statement.size):
        wrong = "nobody was asked to cosign that head"
        raise Rejected(RejectionCode.STATEMENT_COSIGNATURE, wrong, where=key)
    try:
        text = read_note(head.note).text
        note = read_note(f"{text}\n{statement.line}\n")
        if note.text != text or len(note.signatures) != 1:
            raise Unreadable("not one signature line")
        require_signed(note, VerifierKey.parse(pinned))
    except (Unreadable, Unsigned) as error:
        raise Rejected(RejectionCode.STATEMENT_COSIGNATURE, str(error), where=key) from error


def _key_of(line: str) -> str:
    """Name the key that a cosignature claims to be by: an unknown one is refused once and not for ever."""
    try:
        (signature,) = read_note(f"-\n\n{line}\n").signatures
    except (Unreadable, ValueError):
        return "key unreadable"
    return f"key {signature.id.hex()}"
