"""Verifying the directory's versions: the records of each give the content and the root that its entry states."""

from __future__ import annotations

from sqlalchemy import Connection

from bus.directory import Records
from bus.directory.records import changed
from bus.ledger.directories import Contents, Directories
from bus.ledger.entry import Entry, Kind
from bus.ledger.findings import Progress, Report, guarded
from bus.ledger.reading import Reader


def check_directories(connection: Connection, report: Report, progress: Progress) -> None:
    """Put every version together from its changes, and hold it against its entry; no version may lack one."""
    with guarded(report, "directory"):
        stated = {int(entry.body["version"]): entry for entry in Reader(connection).every(Kind.DIRECTORY)}
        report.counts["directories"] = len(stated)
        records: dict[str, bytes] = {}
        for done, (version, changes) in enumerate(Directories(connection).changes(), 1):
            records = changed(records, changes)
            if entry := stated.pop(version, None):
                _compare(entry, records, report)
            else:
                where = f"directory version {version}"
                report.note("directory.entry", where, "its records are there, and no entry puts it in force")
            progress("directories", done, done + len(stated))
        for entry in stated.values():
            # A version that changes nothing has no records of its own.
            _compare(entry, records if entry.body["changed"] == 0 else {}, report)


def _compare(entry: Entry, records: Records, report: Report) -> None:
    where = f"directory version {entry.body['version']}"
    with guarded(report, where):
        if Contents.of(records) != Contents.stated(entry):
            report.note("directory.content", where, "its records are not those that its entry states")
