"""How the folder connector tells the news: a folder per letter, a JSON file per everything else.

Items are written under hidden names, made durable, and each shown by one rename. Between "written" and "shown" stands
the bookmark, so that after a crash it is known whether a rename has happened, even if the office was quick to take the
item away. What waits is told in batches: a bookmark and a folder are made durable for all of one at once.

An item that cannot be told in its turn is put off and tried again, later each time; the rest goes on. Those that were
put off have a bookmark of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from adapters import views
from adapters.connectors.folder.exchange import Folders
from adapters.connectors.folder.folders import Folder, is_folder
from adapters.connectors.folder.names import free_name, safe_name
from adapters.connectors.news import account
from adapters.mailbox import InboxLetter, InboxState, Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.newsfeed import Bookmark, Deferral, Item, Kind
from bus.errors import BusError, Transient
from bus.failpoints import reached
from bus.logs import get

_LOG = get(__name__)
_BATCH = 25
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_INBOX, _RECEIPTS = "inbox", "receipts"
_PROBE = ".probe.part"
_LONGEST_PAUSE = 60.0
_LACKING = "ไฟล์ไม่ครบ MISSING FILES.txt"


class NotWhole(BusError):
    """A letter that was delivered lacks a file; it is being fetched again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is, or will be, shown."""

    folder: str
    name: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def hidden(self) -> str:
        """The name under which it is written."""
        return f".{self.name}.part"


class Exporter:
    """Writes the news into `inbox/` and `receipts/`."""

    def __init__(self, mailbox: Mailbox, name: str) -> None:
        self._mailbox = mailbox
        self._name = name
        self._late = f"{name}/deferred"

    def export_news(self, at: Folders) -> int:
        """Tell everything that has not been told, in order; what was put off and is due once more."""
        news = self._mailbox.news
        bookmark = news.bookmark(self._name)
        if bookmark.prepared > bookmark.told:
            self._finish(at, self._name, bookmark)
        late = news.bookmark(self._late)
        if late.prepared != late.told:
            self._finish(at, self._late, late)
        last, told = max(bookmark.told, bookmark.prepared), 0
        for item, attempts in news.deferred(self._name, time.time()):
            told += self._tell_late(at, item, attempts)
        while items := news.after(last, _BATCH):
            told += self._tell(at, items)
            last = items[-1].id
        return told

    def findings(self) -> list[Finding]:
        """What was put off, and why."""
        return [
            Finding(ConditionCode.NEWS_DEFERRED, f"item {each.item}", each.error, each.error)
            for each in self._mailbox.news.deferrals(self._name)
        ]

    def _finish(self, at: Folders, name: str, bookmark: Bookmark) -> None:
        """Finish what a crash has left between "prepared" and "told"."""
        places = [Place(*PurePath(place).parts) for place in bookmark.places if place]
        for place in places:
            self._show(at, place)
        self._told(at, name, bookmark.prepared, places)

    def _tell(self, at: Folders, items: Sequence[Item]) -> int:
        """Tell these, but for those that are put off; give how many were told."""
        prepared, deferrals = self._prepared(at, items)
        last = items[-1].id
        _sync(at, prepared.values())
        with self._mailbox.transaction():
            for deferral in deferrals:
                self._mailbox.news.defer(self._name, deferral)
            self._mailbox.news.prepared(self._name, last, list(map(str, prepared.values())))
        for item, place in prepared.items():
            reached("connector.before-show", [item.kind])
            self._show(at, place)
            reached("connector.after-show", [item.kind])
        self._told(at, self._name, last, list(prepared.values()))
        return len(prepared)

    def _tell_late(self, at: Folders, item: Item, attempts: int) -> int:
        """Tell one that was put off; give 0 if it has to be put off again."""
        prepared, deferrals = self._prepared(at, [item], attempts + 1)
        for deferral in deferrals:
            self._mailbox.news.defer(self._name, deferral)
        for place in prepared.values():
            _sync(at, [place])
            self._mailbox.news.prepared(self._late, item.id, [str(place)])
            self._show(at, place)
            self._told(at, self._late, item.id, [place])
        return len(prepared)

    def _told(self, at: Folders, name: str, item: int, places: Sequence[Place]) -> None:
        _sync(at, places)
        with self._mailbox.transaction():
            self._mailbox.news.told(name, item)
            if name == self._late:
                self._mailbox.news.no_longer_deferred(self._name, item)

    def _prepared(
        self, at: Folders, items: Sequence[Item], attempts: int = 0
    ) -> tuple[dict[Item, Place], list[Deferral]]:
        """Write the items under their hidden names; what is wrong with one is that one's alone."""
        prepared: dict[Item, Place] = {}
        errors: dict[Item, Exception] = {}
        with self._mailbox.snapshot():
            for item in items:
                try:
                    prepared[item] = self._prepare(at, item)
                except Transient:
                    raise  # the mailbox itself does not answer
                except OSError as exc:
                    _require_writable(at)
                    errors[item] = exc
                except Exception as exc:
                    errors[item] = exc
        deferrals = []
        for item, error in errors.items():
            if isinstance(error, NotWhole):
                self._mailbox.inbox.restore(item.inbox or 0, str(error))
            else:
                _LOG.error("export-postponed", item=item.id, exc_info=error)
            due = time.time() + min(2.0 ** min(attempts, 20), _LONGEST_PAUSE)
            deferrals.append(Deferral(item.id, attempts, due, _why(error)))
        return prepared, deferrals

    def _prepare(self, at: Folders, item: Item) -> Place:
        if item.kind is Kind.LETTER and item.inbox is not None:
            letter = self._mailbox.inbox.get(item.inbox)
            if letter.state is not InboxState.FAILED:
                return self._prepare_letter(at.inbox, letter)
        view = account(self._mailbox, item)
        # A name that is taken: told before a mailbox was brought back from a backup, whose items are counted anew.
        place = Place(_RECEIPTS, free_name(f"{item.id:08d}-{view['event']}.json", at.receipts.holds))
        at.receipts.remove(place.hidden)
        at.receipts.write(place.hidden, _json(view))
        return place

    def _prepare_letter(self, inbox: Folder, letter: InboxLetter) -> Place:
        files = self._mailbox.inbox.files(letter.id)
        store = self._mailbox.store
        lost = [file for file in files if not store.holds(file.sha256, file.size)]
        if lost and letter.state is not InboxState.INCOMPLETE:
            raise NotWhole(f"{len(lost)} files of letter {letter.letter_id} are gone from the store")
        shown = letter.number or "ไม่มีเลขที่"
        place = Place(_INBOX, safe_name(f"{letter.consignment:08d} {shown} {letter.letter_id[:8]}", most=200))
        inbox.remove(place.hidden)  # our own, cut short by a crash
        inbox.make(place.hidden)
        raw = self._mailbox.arrivals.get(letter.arrival).body
        taken = {"letter.xml", "letter.json", _LACKING}
        view = views.content(raw) | views.received(self._mailbox, letter)
        with inbox.folder(place.hidden) as folder:
            folder.write("letter.xml", raw)
            for file, described in zip(files, view["files"], strict=True):
                described["missing"] = file in lost
                described["saved_as"] = None
                if file not in lost:
                    # A disk may have it under another name too, as NTFS does (LETTER~1.PDF).
                    while folder.holds(name := safe_name(file.name, taken)):
                        taken.add(name)
                    taken.add(name)
                    described["saved_as"] = name
                    copied = folder.copy(store.path(file.sha256), name)
                    if copied != file.sha256:
                        store.set_aside(file.sha256)
                        raise NotWhole(f"a file of letter {letter.letter_id} is damaged in the store")
            if lost:
                folder.write(_LACKING, _lacking([file.name for file in lost]).encode())
            folder.write("letter.json", _json(view))
            folder.sync()
        return place

    def _show(self, at: Folders, place: Place) -> None:
        folder = _folder(at, place)
        hidden, shown = folder.look(place.hidden), folder.look(place.name)
        if hidden is None:
            return  # shown before a crash, and perhaps taken away since
        if is_folder(hidden) and is_folder(shown):
            # The same letter, shown before a mailbox was brought back from a backup: the office has it.
            folder.remove(place.hidden)
        else:
            folder.move(place.hidden, folder, free_name(place.name, folder.holds))


def _folder(at: Folders, place: Place) -> Folder:
    return at.inbox if place.folder == _INBOX else at.receipts


def _sync(at: Folders, places: Iterable[Place]) -> None:
    for name in {place.folder for place in places}:
        (at.inbox if name == _INBOX else at.receipts).sync()


def _require_writable(at: Folders) -> None:
    """Raise OSError if nothing at all can be written: then every item waits, and not only the one that met with it."""
    for folder in (at.inbox, at.receipts):
        folder.remove(_PROBE)
        folder.write(_PROBE, b"probe")
        folder.remove(_PROBE)


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, BusError) else type(error).__name__


def _lacking(names: Sequence[str]) -> str:
    listed = "".join(f"  - {name}\n" for name in names)
    return (
        "ไฟล์ต่อไปนี้ของหนังสือฉบับนี้สูญหายจากที่เก็บของโปรแกรมเชื่อมต่อหลังรับหนังสือแล้ว และดาวน์โหลดใหม่ไม่ได้"
        f" โปรดขอไฟล์จากผู้ส่ง\n\nThese files of this letter were lost after it was received, and cannot be had again;"
        f" ask its sender for them.\n\n{listed}"
    )


def _json(view: views.View) -> bytes:
    # A line for each field: readable, and all but these lines is written by the fast encoder, which cannot indent.
    lines = (f"{json.dumps(name)}: {_ENCODER.encode(value)}" for name, value in view.items())
    return ("{\n  " + ",\n  ".join(lines) + "\n}\n").encode(errors="backslashreplace")
