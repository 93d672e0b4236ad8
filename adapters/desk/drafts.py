"""What becomes of a letter that a person writes: files brought, checked as the bus would, and put out once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from adapters.connectors import checking
from adapters.connectors.drafts import canonical, carried, composed, take_file
from adapters.connectors.folder.letters import put
from adapters.desk.asked import Asked
from adapters.desk.form import Written
from adapters.mailbox import Mailbox, OutboxEntry
from adapters.mailbox.desk_drafts import DeskDraft, Overtaken
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.logs import get
from bus.pages.answers import NoSuchPage
from bus.pages.asked import Upload

MOST_FILES: Final = 20
"""Files that one form may bring."""
_LOG = get(__name__)


def draft_of(asked: Asked, *, sent: bool = False) -> DeskDraft:
    """Return the draft of an address. Raises NoSuchPage, also for one that is sent unless that is asked for."""
    found = asked.mailbox.drafts.get(asked.path["draft"])
    if found is None or (found.outbox is not None and not sent):
        raise NoSuchPage("no such draft: it has been sent or deleted")
    return found


def bring(asked: Asked, draft: str, uploads: Sequence[Upload]) -> list[Mistake]:
    """Take files into a draft, each whole or not at all; return what is wrong with those that were not taken."""
    wrong: list[Mistake] = []
    for upload in uploads:
        name = _own_name(upload.name)
        if refused := carried(name):
            wrong.append(refused)
            continue
        if upload.size > asked.site.section.largest_file:
            most = f"{asked.site.section.largest_file:,}"
            wrong.append(Mistake("files", f"{name} ใหญ่เกิน {most} ไบต์", f"{name} is larger than {most} bytes"))
            continue
        with asked.mailbox.store.scratch_copy(upload.file, upload.size) as (path, file):
            try:
                take_file(
                    asked.mailbox,
                    name,
                    path,
                    file,
                    lambda name, file: asked.mailbox.drafts.add_file(draft, asked.person.name, name, file),
                )
            except Mistaken as exc:
                wrong += [
                    Mistake("files", f"{each.where} {each.th}", f"{each.where} {each.en}")
                    for each in exc.mistakes
                ]
    return wrong


def checked(mailbox: Mailbox, draft: DeskDraft) -> checking.Checked:
    """Judge a draft as the bus would judge the letter."""
    files = mailbox.drafts.files(draft.id)
    found = checking.check_content(mailbox, Written.read(draft.content).manifest(list(files)), files)
    gone = [name for name, file in files.items() if not mailbox.store.holds(file.sha256, file.size)]
    if not gone:
        return found
    lost = Mistake("files", f"ไฟล์หายไปจากที่เก็บ: {', '.join(gone)}", f"gone from the store: {', '.join(gone)}")
    return checking.Checked((*found.reasons, lost), found.recipients, found.warnings)


def seen(mailbox: Mailbox, draft: DeskDraft) -> str:
    """Name what a person sees before sending: the text's version and every file."""
    files = {name: file.sha256 for name, file in mailbox.drafts.files(draft.id).items()}
    return hashlib.sha256(json.dumps([draft.id, draft.version, list(files.items())]).encode()).hexdigest()


def send(asked: Asked, draft: DeskDraft, as_seen: str) -> OutboxEntry:
    """Put the letter of a draft into the outbox, once. Raises Overtaken if it is not what the person has seen."""
    mailbox = asked.mailbox
    with mailbox.transaction():
        now = mailbox.drafts.get(draft.id)
        if now is None or now.outbox is not None or seen(mailbox, now) != as_seen:
            raise Overtaken("the draft has been changed, sent or deleted meanwhile")
        files = mailbox.drafts.files(draft.id)
        content = Written.read(now.content).manifest(list(files))
        row = put(mailbox, composed(mailbox, content, f"desk:{draft.id}", files))
        mailbox.drafts.sent(draft.id, now.version, asked.person.name, row.id)
        mailbox.desk.note_act(row.id, asked.person)
    _LOG.info("desk-sent", person=asked.person.name, outbox=row.id)
    return row


def _own_name(name: str) -> str:
    """The name without the folders that some browsers send along."""
    return canonical(PurePosixPath(PureWindowsPath(name).name).name)
