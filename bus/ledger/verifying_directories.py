"""Verifying the directory's versions: the records of each give the content and the root that its entry states."""

from __future__ import annotations

from sqlalchemy import Connection

from bus.directory import Records
from bus.directory.records import changed
from bus.ledger.directories import Contents, Directories
from bus.ledger.entry import Entry, Kind
from bus.ledger.findings import Report, guarded
from bus.ledger.reading import Reader


def check_directories(connection: Connection, report: Report) -> Report:
    """Put every version together from its changes, and hold it against its entry; no version may lack one."""
    with guarded(report, "directory"):
        stated = {int(entry.body["version"]): entry for entry in Reader(connection).every(Kind.DIRECTORY)}
        changes = dict(Directories(connection).changes())
        report.counts["directories"] = len(stated)
        records: dict[str, bytes] = {}
        for version in sorted({*stated, *changes}):
            records = changed(records, changes.get(version, {}))
            if version in stated:
                _compare(stated[version], records, report)
            else:
                where = f"directory version {version}"
                report.note("directory.entry", where, "its records are there, and no entry puts it in force")
    return report


def _compare(entry: Entry, records: Records, report: Report) -> None:
    where = f"directory version {entry.body['version']}"
    with guarded(report, where):
        if Contents.of(records) != Contents.stated(entry):
            report.note("directory.content", where, "its records are not those that its entry states")
