"""Verifying what agencies and the bus signed, once more, from the ledger's own documents: the slow and thorough part.

A row that was put into the database by other hands than a router's has no signature to show. Each letter, notice and
overdue notice is opened, its signature checked against the directory that its entry names, as of the time when the bus
received it, and what it says compared with what its entry says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from bus.directory import BUS, Directory, directory_of
from bus.documents.letter import Letter
from bus.documents.signing import verify
from bus.documents.xml import open_envelope
from bus.errors import Refused
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.directories import Directories
from bus.ledger.entry import Kind
from bus.ledger.findings import Report, guarded
from bus.ledger.reading import Reader
from bus.ledger.tables import entries, letter_files

_SIGNED = (Kind.ACCEPTED, Kind.NOTICE, Kind.OVERDUE)
_BATCH = 500
_KEPT = 4
"""Versions of the directory in memory; what routers judge by is the newest or the one before."""
Body = Mapping[str, Any]


def check_signatures(connection: Connection, report: Report, after: int, until: int) -> Report:
    """Check the signature of every letter and notice among the entries after one and until another."""
    check = _Signatures(connection, report, after)
    done = 0
    these = entries.c.kind.in_((*_SIGNED, Kind.DIRECTORY)), entries.c.seq > after, entries.c.seq <= until
    query = select(entries.c.seq, entries.c.body).where(*these).order_by(entries.c.seq)
    for rows in connection.execute(query, execution_options={"yield_per": _BATCH}).partitions():
        for row in rows:
            with guarded(report, f"entry {row.seq}"):
                done += check.one(json.loads(row.body))
    report.counts["signatures"] = done
    return report


class _Signatures:
    def __init__(self, connection: Connection, report: Report, after: int) -> None:
        self._connection = connection
        self._report = report
        self._versions = Directories(connection)
        self._read: dict[int, Directory] = {}
        self._newest = 0
        known = select(entries.c.body).where(entries.c.kind == Kind.DIRECTORY, entries.c.seq <= after)
        if text := connection.scalar(known.order_by(entries.c.seq.desc()).limit(1)):
            self._newest = int(json.loads(text)["version"])

    def one(self, body: Body) -> int:
        """Check one entry; give 1 if there was a signature to check."""
        if body["kind"] == Kind.DIRECTORY:
            self._newest = int(body["version"])
            return 0
        where = f"entry {body['seq']}"
        directory = self._directory(int(body.get("directory", self._newest)))
        author: AgencyCode = BUS if body["kind"] == Kind.OVERDUE else body["agency"]
        at = datetime.fromisoformat(body.get("receivedAt") or body["at"])
        try:
            envelope = open_envelope(self._document(body["document"]))
            vouched = directory.vouched(author)
            found = verify(envelope, directory.pins(author), at, vouched=vouched, by_octets=True)
        except Refused as error:
            self._report.note(
                "signature", where, f"{error.code}: the document does not show what the entry says"
            )
            return 1
        document = found.document
        said: tuple[str, str, str | None]
        if isinstance(document, Letter):
            said = ("accepted", str(document.letter_id), found.digest)
            self._check_files(body["seq"], document)
        else:
            said = (document.event, str(document.letter_id), document.letter_digest)
        if said != self._stated(body):
            self._report.note("signature.content", where, "the document says something else than the entry")
        return 1

    def _stated(self, body: Body) -> tuple[Any, ...]:
        if body["kind"] == Kind.ACCEPTED:
            return ("accepted", body["letterId"], body["digest"])
        about = select(entries.c.body).where(entries.c.seq == body["letter"])
        letter = json.loads(str(self._connection.scalar(about)))
        event = f"overdue-{body['deadline']}" if body["kind"] == Kind.OVERDUE else body["event"]
        return (event, letter["letterId"], letter["digest"])

    def _check_files(self, letter: int, document: Letter) -> None:
        query = select(letter_files.c.sha256, letter_files.c.size).where(letter_files.c.letter == letter)
        listed = {sha256: size for sha256, size in self._connection.execute(query)}
        if listed != {file.digest: file.size for file in document.all_files}:
            self._report.note(
                "letter.files", f"letter {letter}", "the listed files are not those that it names"
            )

    def _directory(self, version: int) -> Directory:
        if version not in self._read:
            if len(self._read) >= _KEPT:
                del self._read[min(self._read)]
            self._read[version] = directory_of(version, self._versions.records(version))
        return self._read[version]

    def _document(self, sha256: RawDigest) -> bytes:
        found = Reader(self._connection).document(sha256)
        if found is None:
            raise LookupError(f"document {sha256} is not there")
        return found
