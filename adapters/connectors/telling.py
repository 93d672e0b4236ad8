"""How the folder connector tells the news: a folder per letter, a JSON file per everything else.

Items are written under hidden names, made durable, and each shown by one rename. Between "written" and "shown" stands
the bookmark, so that after a crash it is known whether a rename has happened, even if the office was quick to take the
item away. What waits is told in batches: a bookmark and a folder are made durable for all of one at once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from adapters.connectors import accounts
from adapters.connectors.names import safe_name
from adapters.mailbox import Mailbox, Progress, Received
from adapters.mailbox.files import sync_folder
from adapters.mailbox.newsfeed import Bookmark, Item, Kind
from bus.failpoints import reached

_BATCH = 25
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


class Teller:
    """Writes the news into `inbox/` and `receipts/`."""

    def __init__(self, mailbox: Mailbox, folder: Path, name: str) -> None:
        self._mailbox = mailbox
        self._inbox = folder / "inbox"
        self._receipts = folder / "receipts"
        self._name = name

    def tell(self) -> int:
        """Tell everything that has not been told, in order."""
        bookmark = self._mailbox.news.bookmark(self._name)
        if bookmark.prepared > bookmark.told:
            self._finish(bookmark)
        last, told = max(bookmark.told, bookmark.prepared), 0
        while items := self._mailbox.news.after(last, _BATCH):
            count = self._tell(items)
            last, told = items[count - 1].id, told + count
        return told

    def _finish(self, bookmark: Bookmark) -> None:
        """Finish what a crash has left between "prepared" and "told"."""
        places = [self._receipts.parent / place for place in bookmark.places]
        for place in places:
            self._show(place)
        self._told(bookmark.prepared, places)

    def _tell(self, items: Sequence[Item]) -> int:
        """Tell the first of these, at least one, and give how many."""
        prepared = self._prepared(items)
        places = [place for _, place in prepared]
        last = prepared[-1][0].id
        _sync_folders(places)
        names = [str(place.relative_to(self._receipts.parent)) for place in places]
        self._mailbox.news.prepared(self._name, last, names)
        for item, place in prepared:
            reached("connector.before-show", [item.kind])
            self._show(place)
            reached("connector.after-show", [item.kind])
        self._told(last, places)
        return len(prepared)

    def _told(self, last: int, places: Sequence[Path]) -> None:
        _sync_folders(places)
        self._mailbox.news.told(self._name, last)

    def _prepared(self, items: Sequence[Item]) -> list[tuple[Item, Path]]:
        """Write the items under their hidden names; those before one that cannot be written now do not wait for it."""
        prepared: list[tuple[Item, Path]] = []
        with self._mailbox.at_one_time():
            for item in items:
                try:
                    prepared.append((item, self._prepare(item)))
                except Exception:
                    if not prepared:
                        raise
                    break
        return prepared

    def _prepare(self, item: Item) -> Path:
        if item.kind is Kind.LETTER and item.inbox is not None:
            letter = self._mailbox.inbox.get(item.inbox)
            if letter.state is Progress.DELIVERED:
                return self._prepare_letter(letter)
        account = self._account(item)
        name = safe_name(f"{item.id:08d}-{account['event']}.json")
        if os.path.lexists(self._receipts / name):
            # Told before a mailbox was brought back from a backup, whose items are counted anew.
            name = safe_name(name, os.listdir(self._receipts))
        place = self._receipts / name
        _write(_hidden(place), _json(account))
        return place

    def _prepare_letter(self, letter: Received) -> Path:
        shown = letter.number or "ไม่มีเลขที่"
        name = safe_name(f"{letter.consignment:08d} {shown} {letter.letter_id[:8]}", most=200)
        place = self._inbox / name
        hidden = _hidden(place)
        if hidden.exists():
            shutil.rmtree(hidden)  # our own, cut short by a crash
        hidden.mkdir()
        raw = self._mailbox.arrivals.get(letter.arrival).body
        _write(hidden / "letter.xml", raw)
        taken = {"letter.xml", "letter.json"}
        account = accounts.content(raw) | accounts.received(self._mailbox, letter)
        for file, described in zip(self._mailbox.inbox.files(letter.id), account["files"], strict=True):
            described["saved_as"] = safe_name(file.name, taken)
            taken.add(described["saved_as"])
            _copy(self._mailbox.store.path(file.sha256), hidden / described["saved_as"])
        _write(hidden / "letter.json", _json(account))
        sync_folder(hidden)
        return place

    def _account(self, item: Item) -> accounts.Account:
        """What a receipt says; `event` is what has happened."""
        mailbox = self._mailbox
        account: accounts.Account = {"item": item.id, "at": accounts.when(item.at)}
        if item.kind is Kind.ANSWER and item.outbox is not None:
            row = mailbox.outbox.get(item.outbox)
            event = {"refused": "refused-by-bus"}.get(row.state, str(row.state))
            return account | accounts.word(event) | {"answers": accounts.sent(mailbox, row)}
        if item.kind is Kind.NOTICE and item.notice is not None:
            statement = mailbox.notices.get(item.notice)
            account |= accounts.said(mailbox, statement)
            # By its content too: another agency may have chosen the same id.
            digest = statement.letter_digest or ""
            letter = mailbox.sent_letter(statement.letter_id or "", digest)
            if letter is not None:
                # Of a circular, only those it is about: thousands of receipts would each list thousands.
                concerned = {statement.author, *statement.about}
                account |= {
                    "reference": letter.reference,
                    "letter": accounts.sent(mailbox, letter, concerned),
                }
            else:
                rows = mailbox.inbox.letters(letter_id=statement.letter_id or "", digest=digest)
                account |= {"letter": accounts.received(mailbox, rows[0]) if rows else None}
            return account
        if item.kind is Kind.LETTER and item.inbox is not None:
            letter_row = mailbox.inbox.get(item.inbox)
            return (
                account
                | accounts.word("handover-failed")
                | {"letter": accounts.received(mailbox, letter_row)}
            )
        arrival = mailbox.arrivals.get(item.arrival or 0)
        return account | {"event": "quarantined"} | accounts.quarantined(arrival)

    def _show(self, place: Path) -> None:
        hidden = _hidden(place)
        if hidden.is_dir() and place.is_dir():
            # The same letter, shown before a mailbox was brought back from a backup: the office has it.
            shutil.rmtree(hidden)
        elif hidden.exists():
            hidden.rename(place)


def _sync_folders(places: Iterable[Path]) -> None:
    for folder in {place.parent for place in places}:
        sync_folder(folder)


def _hidden(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


def _json(account: accounts.Account) -> bytes:
    # A line for each field: readable, and all but these lines is written by the fast encoder, which cannot indent.
    lines = (f"{json.dumps(name)}: {_ENCODER.encode(value)}" for name, value in account.items())
    return ("{\n  " + ",\n  ".join(lines) + "\n}\n").encode()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _copy(source: Path, target: Path) -> None:
    """A copy, not a link: what the office does to its file must not reach the mailbox's."""
    with source.open("rb") as bytes_in, target.open("xb") as bytes_out:
        shutil.copyfileobj(bytes_in, bytes_out, 1024 * 1024)
        bytes_out.flush()
        os.fsync(bytes_out.fileno())
