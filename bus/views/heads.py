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


def witnesses(reader: Reader, names: Names, known: Collection[AgencyCode]) -> list[dict[str, Any]]:
    """Return each witness with what it has cosigned last, those that are silent longest first.

    `known` are those of the directory. One is silent when it has not cosigned the newest head that it was asked for
    before the last.
    """
    anchors = [head.size for head, asked, _ in reader.heads.below(None, limit=PAGE * 4) if asked]
    expected = anchors[1] if len(anchors) > 1 else None
    lately = reader.heads.cosigned_lately()
    rows = []
    for code in {*known, *lately}:
        size, at = lately.get(code, (None, None))
        rows.append(
            {
                "agency": code,
                "name": names.full(code),
                "size": size,
                "at": at,
                "inDirectory": code in known,
                "silent": expected is not None and (size is None or size < expected),
            }
        )
    return sorted(rows, key=lambda row: (not row["silent"], row["at"] or "", row["agency"]))


def whole_head(reader: Reader, names: Names, head: Head) -> dict[str, Any]:
    """Return a head with its note as it is published, and who has cosigned it."""
    cosignatures = reader.heads.cosignatures(head.size)
    return {
        "size": head.size,
        "at": head.at,
        "root": head.root.hex(),
        "anchor": reader.heads.is_anchor(head.size),
        "note": published(head, [text for _, text in cosignatures]),
        "cosigned": [{"agency": code, "name": names.full(code)} for code, _ in cosignatures],
    }
