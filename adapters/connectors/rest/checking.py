"""What the bus would refuse, as far as it can be known before anything is sent: a dry run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapters import views
from adapters.connectors.folder.reasons import mistakes_of
from adapters.connectors.rest.writing import letter_of
from adapters.mailbox import Mailbox
from adapters.mailbox.mistakes import Mistaken
from bus.codes import load_codes
from bus.directory import Directory
from bus.documents import schema
from bus.documents.letter import Letter
from bus.documents.xml import build
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode


def check(mailbox: Mailbox, content: Mapping[str, Any]) -> views.View:
    """Judge a letter by the directory that is here; nothing is kept, and nothing is sent."""
    found: list[views.View] = []
    inboxes: list[AgencyCode] = []
    try:
        letter = letter_of(mailbox, content)
        schema.check_tree(build(letter))
        directory = mailbox.directory()
        if directory is not None:
            found += [_refusal(*each) for each in _refusals(letter, directory, inboxes)]
    except Mistaken as exc:
        found += [{"code": None, "where": each.where, "th": each.th, "en": each.en} for each in exc.mistakes]
    except Refused as exc:
        (mistake,) = mistakes_of(exc)
        found.append({"code": str(exc.code), "where": mistake.where, "th": mistake.th, "en": mistake.en})
    return {
        "would_be_refused": bool(found),
        "reasons": found,
        "recipients": [views.agency(mailbox, code) for code in inboxes],
    }


def _refusals(
    letter: Letter, directory: Directory, inboxes: list[AgencyCode]
) -> Iterator[tuple[RefusalCode, str, str]]:
    if letter.secrecy == "004":
        yield RefusalCode.SECRECY_EXCLUDED, "secrecy", letter.secrecy
    elif letter.secrecy != "001":
        yield RefusalCode.SECRECY_UNSEALED, "secrecy", letter.secrecy
    own = directory.agencies[letter.sender.agency]
    if not own.active:
        yield RefusalCode.IDENTITY_AGENCY_SUSPENDED, "sender", own.code
    for receiver in letter.receivers:
        role = receiver.role
        codes = directory.addressed(agency=receiver.agency, group=receiver.group, topic=receiver.topic)
        shown = receiver.agency or receiver.group or receiver.topic or ""
        if codes is None:
            yield RefusalCode.RECIPIENT_UNKNOWN, role, shown
            continue
        if not codes:
            yield RefusalCode.RECIPIENT_GROUP_EMPTY, role, shown
        for code in codes:
            inbox = directory.inbox_of(code)
            if inbox is None:
                yield RefusalCode.RECIPIENT_UNKNOWN, role, code
            elif inbox not in inboxes:
                inboxes.append(inbox)
    if letter.kind != "test":  # a letter of that kind may go to oneself
        if inboxes == [own.code]:
            yield RefusalCode.RECIPIENT_ONLY_SELF, "to", own.code
        if own.code in inboxes:
            inboxes.remove(own.code)


def _refusal(code: RefusalCode, where: str, detail: str) -> views.View:
    words = load_codes().refusal(code)
    return {"code": str(code), "where": where, "th": f"{words.th} ({detail})", "en": f"{words.en} ({detail})"}
