"""What the bus would refuse, as far as it can be known before anything is sent: a dry run, for every door.

Whoever writes a letter is judged by the lines that judge it at the bus: the readers of its fields, the schema, and the
rules of gate 7. What only the bus knows is not among them: whether the depot takes the files, whether the key is still
good, whether the id is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters import views
from adapters.connectors.drafts import Found, composed
from adapters.connectors.folder.letters import NotReady
from adapters.connectors.folder.reasons import mistakes_of
from adapters.mailbox import Mailbox
from adapters.mailbox.mistakes import Mistake, Mistaken
from adapters.mailbox.versions import Unread, version_for
from bus.codes import load_codes
from bus.directory import Directory
from bus.documents import letter_rules, schema
from bus.documents.letter import Letter
from bus.documents.xml import MAX_BYTES, build, to_bytes
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from bus.thai import normalise_number, now

_SEAL = 16 * 1024
"""Bytes that are reserved for the seal, which is put on when the letter is sent."""
_FIELDS: Mapping[str, str] = {
    "SecretCode": "secrecy",
    "ReceiverParty": "to",
    "CorrespondenceDate": "date",
    "DueBy": "due_by",
    "ReferenceCorrespondence/CorrespondenceDate": "references",
    "MainFile, AttachmentFile": "files",
    "AttachmentFile": "files",
    "/@version": "to",
}
"""Where a gate finds something → the field in which the office wrote it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What would become of a letter that was sent now."""

    reasons: tuple[Mistake, ...]
    """Why the bus would refuse it, or why it cannot even be written; none if it would be accepted."""
    recipients: tuple[AgencyCode, ...]
    """At whose inboxes it would arrive, as far as they are known."""
    warnings: tuple[Mistake, ...] = ()
    """What is no reason to refuse, and worth a second look."""


def check_content(
    mailbox: Mailbox, content: Mapping[str, Any], found: Found | None = None, at: datetime | None = None
) -> Checked:
    """Judge a letter by its fields, and by the files that are here; nothing is kept, and nothing is sent."""
    try:
        letter = composed(mailbox, content, "check", found).letter
    except Mistaken as exc:
        return Checked(exc.mistakes, ())
    directory = mailbox.directory()
    if directory is None:
        raise NotReady("the directory has not arrived yet; run the adapter first")
    return check(mailbox, letter, directory, at or now())


def check(mailbox: Mailbox, letter: Letter, directory: Directory, at: datetime) -> Checked:
    """Judge a letter that is written, as of a moment."""
    addressees = letter_rules.addressees(letter, mailbox.agency, directory)
    refusals = [
        *_identity(mailbox.agency, directory),
        *letter_rules.too_many_named(len(letter.receivers)),
        *_form(letter),
        *letter_rules.refusals_of(letter, load_codes(), at),
        *addressees.refusals,
        *_set_and_version(mailbox, letter, addressees),
    ]
    reasons = tuple(map(_reason, refusals))
    codes = tuple(each.agency for each in addressees.recipients)
    return Checked(reasons, codes, tuple(_warnings(mailbox.agency, letter, directory, addressees)))


def view(mailbox: Mailbox, checked: Checked) -> views.View:
    """The same as plain values."""
    return {
        "would_be_refused": bool(checked.reasons),
        "reasons": [_shown(each) for each in checked.reasons],
        "warnings": [_shown(each) for each in checked.warnings],
        "recipients": [views.agency(mailbox, code) for code in checked.recipients],
    }


def _identity(own: AgencyCode, directory: Directory) -> Iterator[Refused]:
    known = directory.agencies.get(own)
    if known is None:
        yield Refused(RefusalCode.IDENTITY_AGENCY_UNKNOWN, own)
    elif not known.active:
        yield Refused(RefusalCode.IDENTITY_AGENCY_SUSPENDED, own)


def _form(letter: Letter) -> Iterator[Refused]:
    tree = build(letter)
    if (size := len(to_bytes(tree)) + _SEAL) > MAX_BYTES:
        yield Refused(RefusalCode.XML_TOO_LARGE, f"{size} bytes; {MAX_BYTES} are allowed")
    try:
        schema.check_tree(tree)
    except Refused as refusal:
        yield refusal


def _set_and_version(
    mailbox: Mailbox, letter: Letter, addressees: letter_rules.Addressees
) -> Iterator[Refused]:
    if not addressees.recipients:
        return
    try:
        letter_rules.frozen(addressees.recipients)
        version_for(mailbox, letter)
    except Unread as refusal:
        yield Refused(refusal.code, refusal.detail, where="/@version")
    except Refused as refusal:
        yield refusal


def _warnings(
    own: AgencyCode, letter: Letter, directory: Directory, addressees: letter_rules.Addressees
) -> Iterator[Mistake]:
    if letter.number and not directory.prefix_fits(own, normalise_number(letter.number)):
        th = "เลขที่หนังสือไม่ขึ้นต้นตามรหัสของหน่วยงานนี้"
        yield Mistake("number", th, "the number does not begin as this agency's numbers do")
    if held := [each.agency for each in addressees.recipients if each.on_hold]:
        th = f"ผู้รับถูกระงับชั่วคราว หนังสือจะรออยู่ที่ระบบกลาง: {', '.join(held)}"
        yield Mistake("to", th, f"suspended; the letter will wait at the bus for: {', '.join(held)}")


def _reason(refusal: Refused) -> Mistake:
    if refusal.code.startswith("schema."):
        return mistakes_of(refusal)[0]
    words, detail = load_codes().refusal(refusal.code), f" ({refusal.detail})" if refusal.detail else ""
    where = _FIELDS.get(refusal.where, "letter")
    return Mistake(where, f"{words.th}{detail}", f"{words.en}{detail}", refusal.code)


def _shown(mistake: Mistake) -> views.View:
    return {"code": mistake.code, "where": mistake.where, "th": mistake.th, "en": mistake.en}
