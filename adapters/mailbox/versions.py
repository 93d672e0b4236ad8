"""In which version a document is written: the newest that all concerned read, by the directory held here.

All to whom it goes, and this agency itself: the bus may have to give it back (copies.py), and whoever is listed as
reading 1.0 has not made up its mind for more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapters.mailbox.mailbox import Mailbox
from bus.directory import Directory
from bus.documents.letter import Letter
from bus.documents.lifecycle import BY_SENDER
from bus.documents.notice import Notice
from bus.documents.versions import DocumentVersion, beyond, versions_of
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, as_letter_id


class Unread(Refused):
    """There is no version that has room for all of a document and that all to whom it goes read."""

    def __init__(self, elements: Iterable[str], version: DocumentVersion, unread: Iterable[str]) -> None:
        """`elements` need this version, which these agencies do not read."""
        needed = f"{', '.join(elements)} ({version.name})".strip()
        super().__init__(RefusalCode.TYPE_UNREAD_VERSION, f"{needed}: {', '.join(unread)}")


def version_for(mailbox: Mailbox, document: Letter | Notice) -> DocumentVersion:
    """Return the version to write a document in; the oldest that has room for it while nobody is known to read more.

    Raises Unread. Of an addressee that the directory does not know, the bus is left to say so.
    """
    directory = mailbox.directory()
    able = [version for version in versions_of(document) if not beyond(document, version)]
    if directory is None:
        return able[0]
    inboxes = {directory.inbox_of(code) for code in _listeners(mailbox, document, directory)}
    known = {code for code in inboxes if code is not None}
    if not known:
        return able[0]
    codes = sorted({*known, mailbox.agency})
    for version in reversed(able):
        if all(directory.reads(code, version.name) for code in codes):
            return version
    unread = [code for code in codes if not directory.reads(code, able[0].name)]
    raise Unread(beyond(document, versions_of(document)[0]), able[0], unread)


def _listeners(mailbox: Mailbox, document: Letter | Notice, directory: Directory) -> Iterator[AgencyCode]:
    """The codes of those to whom a document goes, before inboxes and strangers are looked at."""
    if isinstance(document, Letter):
        for one in document.receivers:
            yield from directory.addressed(agency=one.agency, group=one.group, topic=one.topic) or ()
    elif document.event in BY_SENDER:
        letter = mailbox.outbox.letter(letter_id=as_letter_id(document.letter_id))
        yield from document.about or (letter.recipients if letter else ())
    else:
        yield from mailbox.inbox.senders(as_letter_id(document.letter_id), document.letter_digest)
