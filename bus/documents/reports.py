"""Reports: what an agency's machine says to the bus about itself, and not about a letter. JSON in a compact JWS.

- **Reconciliation**: up to where its consignments are complete, the highest that it has, the gaps below that, and (from
  1.1) which directory it holds and which answers it cannot place, because it has lost what they answer. The bus
  consigns again what is missing (P13), and gives it copies of its own documents.
- **Cosigned**: it has seen a signed head of the ledger that continues the one it saw before, and cosigns it.

They take the way of every submission: through the agency's exchange, under its user, sealed with its key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bus.directory import PinnedCertificate, Vouched
from bus.documents.seal import Seal
from bus.documents.tokens import Denied, Doubt, open_agency_json, signed_json
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from bus.toml import canonical_json

TYPE = "report"
MOST_GAPS = 1_000
_BEGINNING = b"eyJ"
"""Of every compact JWS: base64url of `{"`. A letter or notice begins with `<`."""
_LARGEST = 64 * 1024
_CODES = {Doubt.KEY: RefusalCode.KEY_UNKNOWN, Doubt.SIGNATURE: RefusalCode.SIGNATURE_BROKEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What an inbox has of its consignments."""

    id: UUID
    agency: AgencyCode
    at: datetime
    contiguous: int
    """Everything from 1 to this number has arrived."""
    highest: int
    missing: tuple[tuple[int, int], ...] = ()
    """Gaps above `contiguous` and below `highest`, first to last, ascending."""
    unplaced: tuple[tuple[int, int], ...] = ()
    """Consignments, first to last, ascending, that answer documents which this mailbox does not have."""
    directory: int | None = None
    """The directory version that it holds, 0 for none; None from an adapter that does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """A witness's signature line over the ledger's head of so many entries."""

    id: UUID
    agency: AgencyCode
    size: int
    line: str


Report = Reconciliation | Cosigned


def is_report(raw: bytes) -> bool:
    """Whether a submission looks like a report; nothing of it is verified."""
    return raw.startswith(_BEGINNING)


def sealed(report: Report, seal: Seal) -> bytes:
    """Return a report as it is submitted."""
    return signed_json(octets(report), seal, of_agency=True).encode()


def octets(report: Report) -> bytes:
    """Return what of a report is sealed."""
    values: dict[str, Any] = {"id": str(report.id), "agency": report.agency}
    match report:
        case Reconciliation():
            values |= {
                "type": "reconciliation/1.1",
                "at": report.at,
                "contiguous": report.contiguous,
                "highest": report.highest,
                "missing": [list(gap) for gap in report.missing],
                "unplaced": [list(one) for one in report.unplaced],
            }
            if report.directory is not None:
                values["directory"] = report.directory
        case Cosigned():
            values |= {"type": "cosignature/1.0", "size": report.size, "line": report.line}
    return canonical_json(values)


def open_report(
    raw: bytes, pins: Sequence[PinnedCertificate], at: datetime, vouched: Sequence[Vouched] = ()
) -> Report:
    """Verify a report under what is pinned for its author, as of a time. Raises Refused."""
    try:
        if len(raw) > _LARGEST:
            raise ValueError(f"{len(raw)} bytes")
        return _read(json.loads(open_agency_json(raw.decode("ascii"), pins, vouched, at)))
    except Denied as denied:
        code = _CODES.get(denied.doubt, RefusalCode.REPORT_UNREADABLE)
        raise Refused(code, denied.detail) from denied
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(RefusalCode.REPORT_UNREADABLE, type(error).__name__) from error


def _read(values: Mapping[str, Any]) -> Report:
    id, agency = UUID(values["id"]), AgencyCode(str(values["agency"]))
    match values["type"]:
        case "reconciliation/1.0" | "reconciliation/1.1":
            return _reconciliation(values, id, agency)
        case "cosignature/1.0":
            return Cosigned(id=id, agency=agency, size=_number(values["size"]), line=str(values["line"]))
        case other:
            raise ValueError(other)


def _reconciliation(values: Mapping[str, Any], id: UUID, agency: AgencyCode) -> Reconciliation:
    contiguous, highest = _number(values["contiguous"]), _number(values["highest"])
    missing = tuple((_number(first), _number(last)) for first, last in values["missing"])
    at = datetime.fromisoformat(values["at"])
    before = contiguous
    for first, last in missing:
        if not before < first <= last < highest:
            raise ValueError("gaps out of order")
        before = last
    unplaced = tuple((_number(first), _number(last)) for first, last in values.get("unplaced", ()))
    before = 0
    for first, last in unplaced:
        if not before < first <= last <= highest:
            raise ValueError("answers out of order")
        before = last
    if contiguous > highest or max(len(missing), len(unplaced)) > MOST_GAPS or at.tzinfo is None:
        raise ValueError("out of bounds")
    return Reconciliation(
        id=id,
        agency=agency,
        at=at,
        contiguous=contiguous,
        highest=highest,
        missing=missing,
        unplaced=unplaced,
        directory=_number(values["directory"]) if "directory" in values else None,
    )


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("no number")
    return value
