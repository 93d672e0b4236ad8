"""What the bus consigns of a new version of the directory: its digest, and what it changes; signed, never the whole."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bus.directory.records import Changes, unreadable
from bus.identifiers import RawDigest
from bus.toml import canonical_json, read_json

MOST_CHANGES = 256 * 1024
"""Bytes of changes that are consigned; beyond, each agency fetches the whole, which is then hardly more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """That a version is in force."""

    version: int
    digest: RawDigest
    """The address of its content (records.py)."""
    size: int
    """Bytes of its content."""
    since: int
    """The version before; 0 of the first."""
    changes: Changes | None
    """What is otherwise than in the version before; None where that is too much to be consigned."""


def write_statement(statement: Statement) -> bytes:
    """Return the canonical JSON of a statement."""
    values: dict[str, object] = {
        "version": statement.version,
        "digest": statement.digest,
        "size": statement.size,
        "since": statement.since,
    }
    changes = {
        key: line if line is None else json.loads(line.partition(b" ")[2])
        for key, line in (statement.changes or {}).items()
    }
    if statement.changes is not None and len(canonical_json(changes)) <= MOST_CHANGES:
        values["changes"] = changes
    return canonical_json(values)


def read_statement(raw: bytes) -> Statement:
    """Return the statement that this JSON is. Raises Misconfigured."""
    table = read_json(raw, "directory")
    version, size = table.positive("version"), table.positive("size")
    digest = table.text("digest", like="[0-9a-f]{64}", meant="a SHA-256")
    table.mistakes.raise_any()
    since, changes = table.values.get("since"), table.values.get("changes")
    if not isinstance(since, int) or not 0 <= since < version:
        raise unreadable("it names no version before")
    if changes is not None and not (isinstance(changes, dict) and all(map(_record, changes.items()))):
        raise unreadable("its changes are no records")
    return Statement(
        version=version,
        digest=RawDigest(digest),
        size=size,
        since=since,
        changes=None if changes is None else {key: _line(key, value) for key, value in changes.items()},
    )


def _record(item: tuple[str, object]) -> bool:
    key, value = item
    return key.isascii() and " " not in key and (value is None or isinstance(value, dict))


def _line(key: str, value: object) -> bytes | None:
    return None if value is None else f"{key} ".encode() + canonical_json(value)
