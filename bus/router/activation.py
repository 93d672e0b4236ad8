"""Putting a version of the directory or of the calendar in force: an entry, and a consignment to every agency."""

from __future__ import annotations

from dataclasses import dataclass

from bus.calendar import Calendar
from bus.calendar import from_json as calendar_from_json
from bus.calendar import to_json as calendar_to_json
from bus.directory import Directory, Records, directory_of, records_of
from bus.directory.records import changes_between
from bus.directory.statement import Statement, write_statement
from bus.documents.seal import Seal
from bus.documents.tokens import signed_json
from bus.errors import Misconfigured, Problem
from bus.identifiers import RawDigest
from bus.ledger.directories import Contents
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger, Writer
from bus.operators import Operator


def activate_directory(ledger: Ledger, directory: Directory, seal: Seal, *, operator: Operator) -> int:
    """Put a directory version in force unless it is already; return the number of its entry.

    Every agency with an inbox gets a signed statement of it as a consignment: its digest and what it changes. Letters
    for agencies that it suspends are held from then on, those for reinstated ones released. Raises Misconfigured for a
    version that is older than the one in force, or the same with other content.
    """
    prepared = Prepared.of(directory)
    with ledger.append() as writer:
        return directory_entry(writer, prepared, seal, operator=operator)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version of the directory with what takes time to compute of it, before others have to wait for an append."""

    directory: Directory
    records: Records
    contents: Contents

    @classmethod
    def of(cls, directory: Directory) -> Prepared:
        """Prepare a version."""
        records = records_of(directory)
        return cls(directory, records, Contents.of(records))


def directory_entry(
    writer: Writer, prepared: Prepared, seal: Seal, *, operator: Operator, reason: str | None = None
) -> int:
    """Put a version in force as `activate_directory` does, in this append, with the reason for it."""
    directory, records, contents = prepared.directory, prepared.records, prepared.contents
    version = directory.version
    before = writer.latest(Kind.DIRECTORY)
    if before and not _is_newer(before, version, contents == Contents.stated(before), "agencies.toml"):
        return before.seq
    if before and reason is None:
        _require_follows(before, directory)
    since = int(before.body["version"]) if before else 0
    changes = changes_between(writer.directories.records(since), records)
    statement = Statement(
        version=version, digest=contents.digest, size=contents.size, since=since, changes=changes
    )
    writer.directory_changes(version, changes)
    entry = writer.entry(
        Kind.DIRECTORY,
        version=version,
        digest=contents.digest,
        size=contents.size,
        records=contents.records,
        root=contents.root,
        changed=len(changes),
        reason=reason,
        **operator.fields(),
    )
    kept = writer.keep(signed_json(write_statement(statement), seal).encode())
    for agency, number in writer.numbers(directory.inboxes).items():
        headers = {"version": version}
        writer.consign(agency, number, type="directory", entry=entry, document=kept, headers=headers)
    writer.hold(code for code, agency in directory.agencies.items() if not agency.active)
    return entry


def _require_follows(before: Entry, directory: Directory) -> None:
    """Raise Misconfigured for a file that was made from another version, or that does not know of a command's.

    Whatever was approved, suspended, renamed or revoked by a command since would be undone without a word.
    """
    in_force, why = int(before.body["version"]), before.body.get("reason")
    if directory.follows == in_force or (directory.follows is None and why is None):
        return
    made = f"version {in_force} is in force" + (f", made by a command ({why})" if why else "")
    stated = "does not say so" if directory.follows is None else f"was made from version {directory.follows}"
    fix = "Run `saraban-bus directory export FOLDER`, change that file, and apply it"
    raise Misconfigured(
        Problem("agencies.toml", "follows", f"{made}; this file {stated}, and would undo it", fix)
    )


def activate_calendar(ledger: Ledger, calendar: Calendar, *, operator: Operator) -> int:
    """Put a calendar version in force unless it is already; return its entry. Raises as for a directory."""
    with ledger.append() as writer:
        return calendar_entry(writer, calendar) or writer.entry(
            Kind.CALENDAR,
            document=calendar_to_json(calendar),
            version=calendar.version,
            **operator.fields(),
        )


def calendar_entry(reader: Reader, calendar: Calendar) -> int | None:
    """Return the entry by which this version is in force, None if it is newer. Raises as for a directory."""
    before = reader.latest(Kind.CALENDAR)
    if before is None:
        return None
    same = reader.document(RawDigest(str(before.document))) == calendar_to_json(calendar)
    return None if _is_newer(before, calendar.version, same, "calendar.toml") else before.seq


@dataclass(frozen=True, slots=True)
class Versions:
    """The ledger numbers of the directory and the calendar that a judgement rests on; 0 where there is none."""

    directory: int
    calendar: int


def versions(reader: Reader) -> Versions:
    """Return which directory and which calendar are in force."""
    return Versions(reader.latest_seq(Kind.DIRECTORY), reader.latest_seq(Kind.CALENDAR))


def directory_in_force(reader: Reader) -> tuple[int, Directory]:
    """Return the directory in force with the number of its entry. Raises Misconfigured in a new ledger."""
    entry = _newest(reader, Kind.DIRECTORY)
    version = int(entry.body["version"])
    return entry.seq, directory_of(version, reader.directories.records(version))


def calendar_in_force(reader: Reader) -> tuple[int, Calendar]:
    """Return the calendar in force with the number of its entry. Raises Misconfigured in a new ledger."""
    entry = _newest(reader, Kind.CALENDAR)
    return entry.seq, calendar_from_json(reader.must_document(entry))


def _newest(reader: Reader, kind: Kind) -> Entry:
    entry = reader.latest(kind)
    if entry is None:
        fix = f"Run `saraban-bus {kind} apply`."
        raise Misconfigured(Problem("the ledger", kind, f"no {kind} has been put in force yet", fix))
    return entry


def _is_newer(before: Entry, version: int, same: bool, file: str) -> bool:
    """Whether a version follows on the one in force; False if it is that one. Raises Misconfigured if it is neither."""
    in_force = int(before.body["version"])
    if version > in_force:
        return True
    if version == in_force and same:
        return False
    raise Misconfigured(
        Problem(
            file,
            "version",
            f"version {version} differs from version {in_force}, which is in force, and is not newer",
            f"Set version = {in_force + 1} or higher.",
        )
    )
