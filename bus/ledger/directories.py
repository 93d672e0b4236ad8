"""The directory's versions in the ledger: each as the records that it changes, so that a version costs what it changes.

`records` gives a version whole; what it gives is held against the entry's digest by whoever needs to be sure
(verifying_directories.py), and by every adapter against the signed statement.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from bus.directory import Changes, Records
from bus.directory.records import Tree, content_of, digest_of
from bus.identifiers import RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import directory_records, entries

_LOOKED_AT = 10_000
"""Among so many newest versions the entry of one is looked for."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an entry states of a version's content."""

    digest: RawDigest
    size: int
    records: int
    root: str

    @classmethod
    def of(cls, records: Records) -> Contents:
        """Describe the content of these records."""
        content = content_of(records)
        return cls(digest_of(content), len(content), len(records), Tree(records).root.hex())

    @classmethod
    def stated(cls, entry: Entry) -> Contents:
        """Return what an entry states."""
        body = entry.body
        return cls(RawDigest(body["digest"]), int(body["size"]), int(body["records"]), str(body["root"]))


class Directories:
    """Questions about the records of versions, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def records(self, version: int) -> dict[str, bytes]:
        """Return the records of a version, by key."""
        table, later = directory_records, directory_records.alias()
        newest = select(func.max(later.c.version)).where(
            later.c.key == table.c.key, later.c.version <= version
        )
        query = select(table.c.key, table.c.line).where(
            table.c.line.is_not(None), table.c.version == newest.scalar_subquery()
        )
        return {row.key: bytes(row.line) for row in self._connection.execute(query)}

    def some(self, version: int, keys: Collection[str]) -> dict[str, bytes]:
        """Return those of a version's records that have these keys, by key."""
        table, found = directory_records, {}
        query = select(table.c.key, table.c.line).where(table.c.key.in_(keys), table.c.version <= version)
        for row in self._connection.execute(query.order_by(table.c.version)):
            found[row.key] = row.line
        return {key: bytes(line) for key, line in found.items() if line is not None}

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of every version that begin so."""
        after = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
        key = directory_records.c.key
        return list(self._connection.scalars(select(key).where(key >= prefix, key < after).distinct()))

    def versions_of(self, key: str) -> list[tuple[int, bytes | None]]:
        """Return the versions that changed a record, and what it was from then on (None: removed), newest first."""
        table = directory_records.c
        query = select(table.version, table.line).where(table.key == key).order_by(table.version.desc())
        rows = self._connection.execute(query)
        return [(row.version, None if row.line is None else bytes(row.line)) for row in rows]

    def entry_of(self, version: int) -> Entry | None:
        """Return the entry by which a version was put in force, among the newest ones."""
        query = select(entries.c.body).where(entries.c.kind == Kind.DIRECTORY).order_by(entries.c.seq.desc())
        found = (Entry(json.loads(text)) for text in self._connection.scalars(query.limit(_LOOKED_AT)))
        return next((entry for entry in found if entry.body["version"] == version), None)

    def content(self, digest: RawDigest) -> bytes | None:
        """Return the content of this digest; None if no version has it."""
        query = select(entries.c.body).where(entries.c.kind == Kind.DIRECTORY).order_by(entries.c.seq.desc())
        for text in self._connection.scalars(query):
            body = json.loads(text)
            if body["digest"] == digest:
                content = content_of(self.records(body["version"]))
                return content if digest_of(content) == digest else None
        return None

    def changes(self) -> Iterator[tuple[int, Changes]]:
        """Yield each version with the records that it changed, the oldest first."""
        query = select(directory_records).order_by(directory_records.c.version, directory_records.c.key)
        found: dict[str, bytes | None] = {}
        version = 0
        for row in self._connection.execute(query):
            if row.version != version and version:
                yield version, found
                found = {}
            version, found[row.key] = row.version, None if row.line is None else bytes(row.line)
        if version:
            yield version, found

    def lines(self, prefix: str) -> Iterator[bytes]:
        """Yield the records whose key begins so, of every version, the oldest first."""
        query = select(directory_records.c.line).where(
            directory_records.c.key >= prefix,
            directory_records.c.key < f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}",
            directory_records.c.line.is_not(None),
        )
        for line in self._connection.scalars(query.order_by(directory_records.c.version)):
            yield bytes(line)
