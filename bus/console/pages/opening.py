"""A letter's own content and files, opened by a grant only; each opening is entered before anything is shown."""

from __future__ import annotations

from shlex import quote
from typing import Any

from bus.console.asked import Asked
from bus.console.pages.letter import the_letter
from bus.console.roles import AUDITORS
from bus.depot.store import local_contents
from bus.documents.letter import File, Letter
from bus.documents.xml import open_envelope, read
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.pages.answers import Answer, NoSuchPage, NotAllowed, Page, Sent, Shown
from bus.pages.given import given
from bus.thai import now
from bus.views.grants import grant_in_force
from bus.views.letters import SHA256
from bus.views.one_letter import plain


def content(asked: Asked) -> Answer:
    """Show what the letter says."""
    given(asked, ())
    with asked.site.ledger.read() as reader:
        row = the_letter(asked, reader)
        grant = _grant(asked, reader, row)
        document = _document(reader, row)
    _enter(asked, row, grant, "content")
    said = plain(document.content) if document.content else None
    value: dict[str, Any] = {
        "letter": row.letter,
        "number": row.number,
        "dated": row.dated,
        "grant": grant.seq,
        "until": grant.body["until"],
        "content": said,
        "files": [plain(file) for file in document.all_files],
    }
    return Shown("letter_content.html", value)


def file(asked: Asked) -> Answer:
    """Send one of the letter's files from the depot, where that is on this machine."""
    given(asked, ())
    digest = asked.path["sha256"].lower()
    if not SHA256.fullmatch(digest):
        raise NoSuchPage("a file is named by its SHA-256")
    with asked.site.ledger.read() as reader:
        row = the_letter(asked, reader)
        grant = _grant(asked, reader, row)
        named: list[File] = [one for one in _document(reader, row).all_files if one.digest == digest]
    if not named:
        raise NoSuchPage("the letter names no such file")
    folder = asked.site.settings.depot.folder
    # Looked for first: a console without a depot makes no folder for one.
    store = local_contents(folder) if (folder / "files").is_dir() else None
    if store is None or store.size(named[0].digest) is None:
        command = f"saraban-bus audit open {grant.seq} --auditor {quote(asked.person.name)} -o FOLDER"
        raise NotAllowed(
            "คลังแฟ้มไม่ได้อยู่ในเครื่องนี้ ให้สั่งคำสั่งนี้ในเครื่องที่มีคลังแฟ้ม",
            "The depot's folder is not on this machine; run this where it is.",
            command,
        )
    _enter(asked, row, grant, "file", file=digest)
    # Whatever it claims to be, a browser keeps it and does not show it.
    return Sent(store.path(named[0].digest), "application/octet-stream", named[0].name)


def _grant(asked: Asked, reader: Reader, row: LetterRow) -> Entry:
    found = grant_in_force(reader.entries_of(row.letter), asked.person.name, now())
    if found is None:
        command = f"saraban-bus audit grant {row.letter} --auditor {quote(asked.person.name)} --reason REASON"
        raise NotAllowed(
            f"ไม่มีการอนุญาตที่ยังมีผลสำหรับ {asked.person.name} เจ้าหน้าที่ให้การอนุญาตได้ด้วยคำสั่งนี้",
            f"No grant is in force for {asked.person.name}; a steward gives one by this command.",
            command,
        )
    return found


def _enter(asked: Asked, row: LetterRow, grant: Entry, what: str, file: str | None = None) -> None:
    """Entered first: nobody reads unseen."""
    who = asked.person
    with asked.site.ledger.append() as writer:
        writer.entry(
            Kind.READ,
            letter=row.letter,
            auditor=who.name,
            role=who.role,
            method=who.method,
            what=what,
            grant=grant.seq,
            file=file,
        )


def _document(reader: Reader, row: LetterRow) -> Letter:
    entry = reader.entry_at(row.letter)
    if entry is None:
        raise LookupError(f"entry {row.letter} is lost")
    document = read(open_envelope(reader.must_document(entry)).root)
    if not isinstance(document, Letter):
        raise TypeError("the document of an accepted letter is a notice")
    return document


PAGES = (
    Page("/letters/{letter:int}/content", AUDITORS, content),
    Page("/letters/{letter:int}/files/{sha256}", AUDITORS, file, twin=False),
)
