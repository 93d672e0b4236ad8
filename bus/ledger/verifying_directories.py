"""Verifying the directory's versions: the records of each give the content and the root that its entry states."""

from __future__ import annotations

from sqlalchemy import Connection

from bus.directory.records import changed
from bus.ledger.directories import Contents, Directories
from bus.ledger.entry import Kind
from bus.ledger.findings import Progress, Report, guarded
from bus.ledger.reading import Reader


def check_directories(connection: Connection, report: Report, progress: Progress) -> None:
    """Put every version together from its changes, and hold it against its entry; no version may lack one."""
    stated = {int(entry.body["version"]): entry for entry in Reader(connection).every(Kind.DIRECTORY)}
    records: dict[str, bytes] = {}
    for done, (version, changes) in enumerate(Directories(connection).changes(), 1):
        where = f"directory version {version}"
        records = changed(records, changes)
        entry = stated.pop(version, None)
        if entry is None:
            report.note("directory.entry", where, "its records are there, and no entry puts it in force")
            continue
        with guarded(report, where):
            if Contents.of(records) != Contents.stated(entry):
                report.note("directory.content", where, "its records are not those that its entry states")
        progress("directories", done, done + len(stated))
    for version, entry in stated.items():
        if Contents.stated(entry) != Contents.of(records) or not records:
            report.note("directory.content", f"directory version {version}", "its records are not there")
    report.counts["directories"] = len(stated)
