"""An entry of the ledger and the bytes that stand for it.

The canonical encoding of an entry is its body as JSON with the keys sorted by code point, no blanks, UTF-8 without
escapes beyond those that JSON demands, and no numbers but integers. These octets are the leaf of the Merkle tree; the
leaf hash is SHA-256 over one zero octet and the leaf (RFC 6962, section 2.1). The columns beside the body in the
table of entries are an index of it and can be computed from it (`columns`).

Every body bears `v` (1), `seq` (the ledger number, from 1, without gaps), `at` (time of the append, ISO 8601 with
microseconds and +07:00) and `kind`. `agency` is whose act or whose submission it was, `letter` the ledger number of
the letter it is about, `prior` that of the entry before it about the same letter (so that none can be left out of a
chain), `document` the SHA-256 of the raw bytes kept with it. docs/ledger.md lists the rest by kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import NoneType
from typing import Any

from bus.identifiers import RawDigest
from bus.thai import timestamp as timestamp
from bus.verifier import merkle

VERSION = 1


class Kind(StrEnum):
    """What an entry records."""

    DIRECTORY = "directory"
    CALENDAR = "calendar"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CONFLICT = "conflict"
    REFUSALS_COUNTED = "refusals-counted"
    SHARE_EXCEEDED = "share-exceeded"
    NOTICE = "notice"
    CONSIGNED = "consigned"
    CONSIGNMENT_FAILED = "consignment-failed"
    RELEASED = "released"
    OVERDUE = "overdue"
    DEADLINE_EXTENDED = "deadline-extended"
    PARKED = "parked"
    REPLAY_REQUESTED = "replay-requested"
    REPLAYED = "replayed"
    RECONCILED = "reconciled"
    INVITED = "invited"
    ENROLMENT_REQUESTED = "enrolment-requested"
    ENROLMENT_REFUSED = "enrolment-refused"
    ENROLMENT_ANSWERED = "enrolment-answered"
    ORDERED = "ordered"
    ORDER_DONE = "order-done"
    GRANTED = "granted"
    READ = "read"


_KINDS = {str(kind): kind for kind in Kind}
"""By their texts: an enumeration takes five times as long to look one up."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger."""

    body: Mapping[str, Any]

    @property
    def seq(self) -> int:
        return int(self.body["seq"])

    @property
    def kind(self) -> Kind:
        said = self.body["kind"]
        return _KINDS[said] if said in _KINDS else Kind(said)

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.body["at"])

    @property
    def letter(self) -> int | None:
        return self.body.get("letter")

    @property
    def document(self) -> RawDigest | None:
        return self.body.get("document")


def canonical(body: Mapping[str, Any]) -> str:
    """Return the canonical encoding of a JSON object; raise ValueError for a float, which has no canonical form."""
    _refuse_floats(body)
    return _ENCODER.encode(body)


def read_canonical(text: str) -> dict[str, Any]:
    """Return the body that a text encodes; raise ValueError unless the text is the canonical encoding of it."""
    # Whatever stands before or after a value is not in the encoding of it.
    body, _ = _DECODER.raw_decode(text)
    if _ENCODER.encode(body) != text:
        raise ValueError("the body is not in canonical form")
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")
    return body


def leaf_hash(body: str) -> bytes:
    """Return the RFC 6962 leaf hash (32 octets) of a canonical body."""
    return merkle.leaf_hash(body.encode())


COLUMNS = ("seq", "at", "kind", "agency", "letter", "document", "body", "leaf")
"""Those of the table of entries, in its order."""


def columns(text: str, read: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the row of the table of entries that belongs to a canonical body, which may be `read` already."""
    return dict(zip(COLUMNS, row_of(text, json.loads(text) if read is None else read), strict=True))


def row_of(text: str, body: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the same as plain values, in the order of the columns."""
    document = body.get("document")
    return (
        body["seq"],
        body["at"],
        body["kind"],
        body.get("agency"),
        body.get("letter"),
        bytes.fromhex(document) if document else None,
        text,
        leaf_hash(text),
    )


def _no_float(_text: str) -> Any:
    raise ValueError("a float has no canonical form")


# Made once: an encoder or decoder with settings of its own costs as much as its use.
# Without looking for circles: `canonical` comes to no end there before that, and a text has none.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)
_DECODER = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float)


_PLAIN = frozenset({str, int, bool, NoneType})


def _refuse_floats(value: Any) -> None:
    if type(value) in _PLAIN:  # nearly all of a body, and the quickest question
        return
    if isinstance(value, float):
        raise ValueError("a float has no canonical form")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)
