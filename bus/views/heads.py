"""Signed heads and who has cosigned them, as plain values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from bus.directory import Names
from bus.identifiers import AgencyCode
from bus.ledger.checkpoint import published
from bus.ledger.reading import Reader
from bus.ledger.rows import Head

PAGE: Final = 50
MOST_WITNESSES: Final = 500
"""Witnesses that are named; thousands may be in the directory."""


def heads_page(
    reader: Reader, before: int | None, limit: int = PAGE
) -> tuple[list[dict[str, Any]], int | None]:
    """Return signed heads, the newest first, and the size below which the next page begins."""
    found = reader.heads.below(before, limit=limit + 1)
    rows = [
        {"size": head.size, "at": head.at, "root": head.root.hex(), "askedAt": asked, "cosigned": count}
        for head, asked, count in found[:limit]
    ]
    return rows, found[limit - 1][0].size if len(found) > limit else None


def witnesses(reader: Reader, names: Names, known: Collection[AgencyCode]) -> dict[str, Any]:
    """Return the witnesses, those that are silent longest first, each with what it has cosigned last; and their number.

    `known` are those of the directory. One is silent when it has not cosigned the newest head that it was asked for
    before the last.
    """
    anchors = reader.heads.newest_anchors(2)
    expected = anchors[1][0] if len(anchors) > 1 else 0
    lately = reader.heads.cosigned_lately()
    last = {code: lately.get(code, (0, "")) for code in {*known, *lately}}
    ordered = sorted(last, key=lambda code: (last[code][0] >= expected, last[code][1], code))
    rows = [
        {
            "agency": code,
            "name": names.full(code),
            "size": last[code][0] or None,
            "at": last[code][1] or None,
            "inDirectory": code in known,
            "silent": last[code][0] < expected,
        }
        for code in ordered[:MOST_WITNESSES]
    ]
    return {"witnesses": rows, "witnessCount": len(ordered)}


def whole_head(reader: Reader, names: Names, head: Head) -> dict[str, Any]:
    """Return a head with its note as it is published, and who has cosigned it: how many, and the first of them."""
    cosignatures = reader.heads.cosignatures(head.size)
    return {
        "size": head.size,
        "at": head.at,
        "root": head.root.hex(),
        "anchor": reader.heads.is_anchor(head.size),
        "note": published(head, [text for _, text in cosignatures]),
        "cosignedCount": len(cosignatures),
        "cosigned": [{"agency": code, "name": names.full(code)} for code, _ in cosignatures[:MOST_WITNESSES]],
    }
