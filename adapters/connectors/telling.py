"""How the folder connector tells the news: a folder per letter, a JSON file per everything else.

An item is written under a hidden name, made durable, and shown by one rename. Between "written" and "shown" stands
the bookmark, so that after a crash it is known whether the rename has happened, even if the office was quick to take
the item away.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from adapters.connectors import accounts
from adapters.connectors.names import safe_name
from adapters.mailbox import Mailbox, Progress, Received
from adapters.mailbox.files import sync_folder
from adapters.mailbox.newsfeed import Item, Kind
from bus.failpoints import reached

_BATCH = 100


class Teller:
    """Writes the news into `inbox/` and `receipts/`."""

    def __init__(self, mailbox: Mailbox, folder: Path, name: str) -> None:
        self._mailbox = mailbox
        self._inbox = folder / "inbox"
        self._receipts = folder / "receipts"
        self._name = name

    def tell(self) -> int:
        """Tell everything that has not been told, in order."""
        self._resume()
        told = 0
        while items := self._mailbox.news.after(self._mailbox.news.bookmark(self._name).told, _BATCH):
            for item in items:
                self._tell(item)
            told += len(items)
        return told

    def _resume(self) -> None:
        """Finish what a crash has left between "prepared" and "told"."""
        bookmark = self._mailbox.news.bookmark(self._name)
        if bookmark.prepared > bookmark.told:
            self._show(self._receipts.parent / bookmark.place)
            self._mailbox.news.told(self._name, bookmark.prepared)

    def _tell(self, item: Item) -> None:
        place = self._prepare(item)
        self._mailbox.news.prepared(self._name, item.id, str(place.relative_to(self._receipts.parent)))
        reached("connector.before-show", [item.kind])
        self._show(place)
        reached("connector.after-show", [item.kind])
        self._mailbox.news.told(self._name, item.id)

    def _prepare(self, item: Item) -> Path:
        if item.kind is Kind.LETTER and item.inbox is not None:
            letter = self._mailbox.inbox.get(item.inbox)
            if letter.state is Progress.DELIVERED:
                return self._prepare_letter(letter)
        account = self._account(item)
        name = safe_name(f"{item.id:08d}-{account['event']}.json")
        place = self._receipts / name
        _write(_hidden(place), _json(account))
        sync_folder(self._receipts)
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
        sync_folder(self._inbox)
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
            letter = mailbox.outbox.find(statement.letter_id or "")
            if letter is not None and letter.type == "letter":
                # Of a circular, only those it is about: thousands of receipts would each list thousands.
                concerned = {statement.author, *statement.about}
                account |= {
                    "reference": letter.reference,
                    "letter": accounts.sent(mailbox, letter, concerned),
                }
            else:
                rows = mailbox.inbox.letters(letter_id=statement.letter_id or "")
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
        if hidden.exists():
            hidden.rename(place)
        sync_folder(place.parent)


def _hidden(place: Path) -> Path:
    return place.with_name(f".{place.name}.part")


def _json(account: accounts.Account) -> bytes:
    return json.dumps(account, ensure_ascii=False, indent=2, default=str).encode() + b"\n"


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
