"""Write: letters that are being written, and the form of one: fields, recipients, files, and the dry run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from adapters.desk import drafts, form, showing
from adapters.desk.asked import Asked
from adapters.desk.drafts import MOST_FILES, draft_of
from adapters.desk.form import Written
from adapters.desk.roles import CLERKS
from adapters.mailbox.desk_drafts import DeskDraft, Overtaken
from adapters.mailbox.mistakes import Mistake
from bus.errors import NotUnderstood
from bus.pages.answers import Answer, Elsewhere, NoSuchPage, NotAllowed, Page, Shown
from bus.pages.given import given

_ON_A_PAGE: Final = 50
_FOUND: Final = 20
_CHANGED: Final = (
    "มีผู้แก้ไขร่างนี้แล้ว โปรดตรวจอีกครั้ง",
    "The draft has been changed meanwhile; look at it again.",
)


def listed(asked: Asked) -> Answer:
    """List the letters that are being written, the last changed first."""
    query = given(asked, {"before"})
    at, _, number = query.get("before", "").partition("~")
    before = (at, number) if number else None
    found = asked.mailbox.drafts.open(before=before, limit=_ON_A_PAGE + 1)
    rows = [showing.summary(each) for each in found[:_ON_A_PAGE]]
    more = found[_ON_A_PAGE - 1] if len(found) > _ON_A_PAGE else None
    value = {"drafts": rows, "before": f"{more.changed_at}~{more.id}" if more else None}
    return Shown("drafts.html", value)


def begin(asked: Asked) -> Answer:
    """Begin a letter: an empty one, an answer to a letter received, or once more what was refused."""
    mailbox, files = asked.mailbox, {}
    if number := asked.field("answers"):
        if mailbox.desk.get(_row(number)) is None:
            raise NoSuchPage("there is no such letter")
        written = form.answer_to(mailbox.inbox.get(_row(number)))
    elif number := asked.field("again"):
        before = mailbox.drafts.of_row(_row(number))
        if before is None:
            raise NoSuchPage("this letter was not written here")
        written, files = Written.read(before.content), mailbox.drafts.files(before.id)
        row = mailbox.outbox.get(before.outbox or 0)
        texts = {name: text for name, text in written.texts.items() if name != "reference"}
        written = Written(
            texts=texts, rows=written.rows, to=written.to, copy=written.copy, replaces=row.document_id
        )
    else:
        written = form.empty()
    made = mailbox.drafts.begin(asked.person.name, written.kept(), files)
    return Elsewhere(f"/write/{made.id}")


def shown(asked: Asked) -> Answer:
    """Show the form of a letter."""
    query = given(asked, {"q", "checked"})
    draft = draft_of(asked)
    return _page(asked, draft, Written.read(draft.content), query)


def write(asked: Asked) -> Answer:
    """Keep what the form says, take the files that it brings, and do what its button asks for."""
    draft, person, mailbox = draft_of(asked), asked.person.name, asked.mailbox
    what, _, about = asked.field("do").partition(":")
    written = Written.read(draft.content).with_form(asked.form)
    if what in ("to", "copy") and about:
        written = written.addressed(what, about)
    elif what == "without":
        written = written.without(about)
    try:
        mailbox.drafts.save(draft.id, _version(asked), person, written.kept())
        if what == "remove":
            mailbox.drafts.remove_file(draft.id, person, about)
        elif what == "first":
            mailbox.drafts.put_first(draft.id, person, about)
    except Overtaken:
        # What was typed is not saved over what the other person has saved; the form shows it, to be saved again.
        return _page(asked, draft_of(asked), written, {}, overtaken=True)
    if wrong := drafts.bring(asked, draft.id, asked.uploads):
        return _page(asked, draft_of(asked), written, {}, wrong=wrong)
    return Elsewhere(_next(f"/write/{draft.id}", what, about, asked.field("q")))


def bring(asked: Asked) -> Answer:
    """Take files into a letter, without its form: as a script does, which shows how far they have come."""
    draft = draft_of(asked)
    if wrong := drafts.bring(asked, draft.id, asked.uploads):
        return _page(asked, draft_of(asked), Written.read(draft.content), {}, wrong=wrong)
    return Elsewhere(f"/write/{draft.id}#files")


def before_sending(asked: Asked) -> Answer:
    """Show what is sent to whom, and what the bus would refuse."""
    given(asked, ())
    draft = draft_of(asked)
    value = showing.value_of(asked.mailbox, draft) | showing.verdict(
        asked.mailbox, drafts.checked(asked.mailbox, draft)
    )
    beside = {
        "seen": drafts.seen(asked.mailbox, draft),
        "understood": showing.dates(Written.read(draft.content)),
        "words": showing.words_of_choices(Written.read(draft.content)),
    }
    return Shown("send.html", value, beside)


def send(asked: Asked) -> Answer:
    """Put the letter out; a form that is sent twice is one letter."""
    draft = draft_of(asked, sent=True)
    if draft.outbox is not None:
        return Elsewhere(f"/sent/{draft.outbox}")
    if drafts.checked(asked.mailbox, draft).reasons:
        return Elsewhere(f"/write/{draft.id}/send")
    try:
        return Elsewhere(f"/sent/{drafts.send(asked, draft, asked.field('seen')).id}")
    except Overtaken as exc:
        raise NotAllowed(*_CHANGED) from exc


def before_deleting(asked: Asked) -> Answer:
    """Ask whether a draft is to be deleted."""
    given(asked, ())
    return Shown("draft_delete.html", showing.summary(draft_of(asked)))


def delete(asked: Asked) -> Answer:
    """Delete a draft."""
    try:
        asked.mailbox.drafts.delete(draft_of(asked).id, _version(asked))
    except Overtaken as exc:
        raise NotAllowed(*_CHANGED) from exc
    return Elsewhere("/write")


def _page(
    asked: Asked,
    draft: DeskDraft,
    written: Written,
    query: dict[str, str],
    *,
    overtaken: bool = False,
    wrong: Iterable[Mistake] = (),
) -> Answer:
    value = showing.value_of(asked.mailbox, draft, written) | {
        "mistakes": [showing.mistake(each) for each in wrong]
    }
    if query.get("checked"):
        value |= showing.verdict(asked.mailbox, drafts.checked(asked.mailbox, draft))
    index = showing.index_of(asked.mailbox)
    looked_for = query.get("q", "")
    found = index.find(looked_for, _FOUND) if index and looked_for else []
    beside = {
        "overtaken": overtaken,
        "q": looked_for,
        "found": found,
        "choices": showing.choices(),
        "checked": "checked" in query,
        "understood": showing.dates(written),
        "rows": {name: [*written.rows.get(name, ()), {}] for name in form.GROUPS},
        "groups": form.GROUPS,
    }
    return Shown("write.html", value, beside, status=409 if overtaken else 400 if value["mistakes"] else 200)


def _next(page: str, what: str, about: str, looked_for: str) -> str:
    if what == "send":
        return f"{page}/send"
    if what == "check":
        return f"{page}?checked=1#check"
    if what in ("save", "search", "to", "copy", "without") and looked_for:
        return f"{page}?q={quote(looked_for)}#to"
    if what == "save" and about:
        return f"{page}#{about}"
    anchors = {"to": "#to", "copy": "#to", "without": "#to", "first": "#files", "remove": "#files"}
    return page + anchors.get(what, "#saved")


def _version(asked: Asked) -> int:
    return _row(asked.field("version"))


def _row(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise NotUnderstood("a number is expected")
    return int(text)


PAGES = (
    Page("/write", CLERKS, listed),
    Page("/write", CLERKS, begin, act=True),
    Page("/write/{draft}", CLERKS, shown),
    Page("/write/{draft}", CLERKS, write, act=True, takes_files=MOST_FILES),
    Page("/write/{draft}/files", CLERKS, bring, act=True, takes_files=MOST_FILES),
    Page("/write/{draft}/send", CLERKS, before_sending),
    Page("/write/{draft}/send", CLERKS, send, act=True),
    Page("/write/{draft}/delete", CLERKS, before_deleting),
    Page("/write/{draft}/delete", CLERKS, delete, act=True),
)
