"""Putting a version of the directory or of the calendar in force: an entry, and a consignment to every agency."""

from __future__ import annotations

from dataclasses import dataclass

from bus.calendar import Calendar
from bus.calendar import from_json as calendar_from_json
from bus.calendar import to_json as calendar_to_json
from bus.directory import Directory
from bus.directory import from_json as directory_from_json
from bus.directory import to_json as directory_to_json
from bus.documents.seal import Seal
from bus.documents.tokens import signed_json
from bus.errors import Misconfigured, Problem
from bus.identifiers import RawDigest
from bus.ledger.entry import Kind
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger, Writer


def activate_directory(ledger: Ledger, directory: Directory, seal: Seal, *, operator: str) -> int:
    """Put a directory version in force unless it is already; return the number of its entry.

    Every agency with an inbox gets it as a consignment, signed by the bus; letters for agencies that it suspends are
    held from then on, those for reinstated ones released. Raises Misconfigured for a version that is older than the
    one in force, or the same with other content.
    """
    content = directory_to_json(directory)
    signed = signed_json(content, seal).encode()
    with ledger.append() as writer:
        if known := _entry_in_force(writer, Kind.DIRECTORY, directory.version, content, "agencies.toml"):
            return known
        entry = writer.entry(Kind.DIRECTORY, document=content, version=directory.version, operator=operator)
        kept = writer.keep(signed)
        for agency, number in writer.numbers(directory.inboxes).items():
            headers = {"version": directory.version}
            writer.consign(agency, number, type="directory", entry=entry, document=kept, headers=headers)
        writer.hold(code for code, agency in directory.agencies.items() if not agency.active)
        return entry


def activate_calendar(ledger: Ledger, calendar: Calendar, *, operator: str) -> int:
    """Put a calendar version in force unless it is already; return its entry. Raises as for a directory."""
    content = calendar_to_json(calendar)
    with ledger.append() as writer:
        if known := _entry_in_force(writer, Kind.CALENDAR, calendar.version, content, "calendar.toml"):
            return known
        return writer.entry(Kind.CALENDAR, document=content, version=calendar.version, operator=operator)


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
    entry, content = _newest(reader, Kind.DIRECTORY)
    return entry, directory_from_json(content)


def calendar_in_force(reader: Reader) -> tuple[int, Calendar]:
    """Return the calendar in force with the number of its entry. Raises Misconfigured in a new ledger."""
    entry, content = _newest(reader, Kind.CALENDAR)
    return entry, calendar_from_json(content)


def _newest(reader: Reader, kind: Kind) -> tuple[int, bytes]:
    entry = reader.latest(kind)
    if entry is None:
        fix = f"Run `saraban-bus {kind} apply`."
        raise Misconfigured(Problem("the ledger", kind, f"no {kind} has been put in force yet", fix))
    return entry.seq, reader.must_document(entry)


def _entry_in_force(writer: Writer, kind: Kind, version: int, content: bytes, file: str) -> int | None:
    """Return the entry of the version in force if it is this very one, None if this one is newer."""
    entry = writer.latest(kind)
    if entry is None or version > entry.body["version"]:
        return None
    if version == entry.body["version"] and writer.document(RawDigest(str(entry.document))) == content:
        return entry.seq
    raise Misconfigured(
        Problem(
            file,
            "version",
            f"version {version} differs from version {entry.body['version']}, which is in force, and is not newer",
            f"Set version = {entry.body['version'] + 1} or higher.",
        )
    )
