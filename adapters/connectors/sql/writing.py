"""What is written into the office's tables for an item of news, checked against their columns before anything is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from adapters import views
from adapters.connectors.news import account
from adapters.connectors.sql.codes import CodeMaps
from adapters.connectors.sql.laying import NotWhole, laid_out, whole_bytes
from adapters.connectors.sql.model import FORMS, Kind, Status
from adapters.connectors.sql.office import Office
from adapters.connectors.sql.values import Room, Unfit, Writing
from adapters.mailbox import InboxLetter, InboxState, Mailbox
from adapters.mailbox.inbox import InboxFile
from adapters.mailbox.newsfeed import Item
from adapters.mailbox.newsfeed import Kind as ItemKind
from bus.documents.notice import BUS

_ACT = "sql:act:"
_LETTER = "sql:"


@dataclass(frozen=True, slots=True)
class Local:
    """Where the office's own key of a letter or act stands: in `wanted`, of the row whose `field` is `value`."""

    role: str
    field: str
    value: Any
    wanted: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What a row of the office is to say of the bus's answer."""

    row: Local
    status: Any
    entry: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """Rows by field: an event's, and of a letter also its own and those of its files."""

    event: dict[str, Any]
    local: Local | None = None
    answered: Answered | None = None
    inbox: dict[str, Any] | None = None
    files: tuple[tuple[dict[str, Any], InboxFile | None], ...] = ()
    """Each with the file whose bytes are to stand in it, None where it has a path or is lost."""


class Rows:
    """Writes as one office does. Unfit for what a column cannot hold, NotWhole for a file that is gone."""

    def __init__(
        self,
        mailbox: Mailbox,
        office: Office,
        writing: Writing,
        codes: CodeMaps,
        folder: Path | None,
        most: int,
    ) -> None:
        """`folder`: where files are laid, None for BLOBs of at most `most` bytes."""
        self._mailbox, self._office = mailbox, office
        self._writing, self._codes = writing, codes
        self._folder, self._most = folder, most

    def of(self, item: Item) -> Written:
        """What an item of news makes of the tables."""
        if item.kind is ItemKind.LETTER and item.inbox is not None:
            letter = self._mailbox.inbox.get(item.inbox)
            if letter.state is not InboxState.FAILED:
                return self._letter(item, letter)
        view = account(self._mailbox, item)
        values = {
            # A mailbox that was brought back counts its items anew.
            "key": f"{item.id}-{hashlib.sha256(item.at.encode()).hexdigest()[:12]}",
            "item": item.id,
            **self._said(view),
            "happened_at": item.at,
            "content": self._json(view),
        }
        local: Local | None = None
        answered = None
        if item.kind is ItemKind.ANSWER and item.outbox is not None:
            row = self._mailbox.outbox.get(item.outbox)
            values["letter_id"] = row.letter_id or row.document_id
            local = self._row_of("outbox" if row.type == "letter" else "acts", row.reference)
            if row.type == "letter":
                answered = Answered(local, self._state(Status.of(row.state)), row.entry)
        elif item.kind is ItemKind.NOTICE and item.notice is not None:
            notice = self._mailbox.notices.get(item.notice)
            about = notice.about if notice.author == BUS else (notice.author,)
            values["letter_id"] = notice.letter_id
            values["receiving_number"] = notice.receiving_number
            if len(about) == 1:
                named = views.agency(self._mailbox, about[0])
                values |= {"agency": self._agency(about[0]), "agency_name": named["name_th"]}
            consignment = (view.get("letter") or {}).get("consignment")
            values["consignment"] = consignment
            if view.get("reference"):
                local = self._row_of("outbox", view["reference"])
            elif consignment:
                local = Local("inbox", "consignment", consignment, "local_id")
        return Written(self._fit("events", values), local, answered)

    def _letter(self, item: Item, letter: InboxLetter) -> Written:
        files = self._mailbox.inbox.files(letter.id)
        store = self._mailbox.store
        lost = {each.position for each in files if not store.holds(each.sha256, each.size)}
        if lost and letter.state is not InboxState.INCOMPLETE:
            raise NotWhole(f"{len(lost)} files of letter {letter.letter_id} are gone from the store")
        raw = self._mailbox.arrivals.get(letter.arrival).body
        view = views.content(raw) | views.received(self._mailbox, letter)
        sender = self._agency(letter.sender)
        row = {
            "consignment": letter.consignment,
            "letter_id": letter.letter_id,
            "status": self._state(Status.NEW),
            "sender": sender,
            "sender_name": letter.sender_name,
            "addressed_to": self._agency(letter.addressed),
            "number": letter.number,
            "date": letter.date,
            "subject": letter.subject,
            "kind": self._codes.inward("kinds", view["kind"]["code"]),
            "speed": self._codes.inward("speed", view["speed"]["code"]),
            "secrecy": self._codes.inward("secrecy", view["secrecy"]["code"]),
            "body": view.get("body"),
            "delivered_at": letter.delivered_at,
            "file_count": len(files),
            "document": raw,
            "content": self._json(view),
        }
        event = {
            "key": f"letter-{letter.consignment}-{letter.digest[:12]}",
            "item": item.id,
            "event": self._codes.inward("events", "received"),
            "letter_id": letter.letter_id,
            "consignment": letter.consignment,
            "agency": sender,
            "agency_name": letter.sender_name,
            "happened_at": item.at,
            "text_th": "ได้รับหนังสือแล้ว",
            "text_en": "a letter has been received",
            "content": self._json(account(self._mailbox, item)),
        }
        local = Local("inbox", "consignment", letter.consignment, "local_id")
        return Written(
            self._fit("events", event),
            local,
            inbox=self._fit("inbox", row),
            files=self._files(letter, files, lost),
        )

    def content_of(self, file: InboxFile) -> bytes:
        """The bytes of a file. NotWhole if they are not those that its letter states."""
        return whole_bytes(self._mailbox.store, file)

    def local_key(self, found: Any) -> dict[str, Any]:
        """The office's own key of a letter or act, as an event has it."""
        text = self._writing.text(found)
        return {} if text is None else self._fit("events", {"local_key": text})

    def _files(
        self, letter: InboxLetter, files: Sequence[InboxFile], lost: set[int]
    ) -> tuple[tuple[dict[str, Any], InboxFile | None], ...]:
        table = self._office.table("inbox_files")
        if table is None:
            return ()
        by_path = self._folder is not None and "path" in table
        rows = []
        for file in files:
            values = {
                "consignment": letter.consignment,
                "position": file.position,
                "name": file.name,
                "media_type": file.media_type,
                "size": file.size,
                "sha256": file.sha256,
            }
            rows.append(
                (self._fit("inbox_files", values), None if by_path or file.position in lost else file)
            )
            if rows[-1][1] is not None:
                room = table.rooms.get("content") or Room(f"{self._office.name_of('inbox_files')}.content", 0)
                room = Room(
                    room.column, min(self._most, self._most if room.size is None else room.size), "bytes"
                )
                room.require_room(file.size)
        if by_path and self._folder is not None:
            there = [file for file in files if file.position not in lost]
            paths = laid_out(self._mailbox.store, self._folder, letter, there)
            for values, file in zip((row for row, _ in rows), files, strict=True):
                if file.position in paths:
                    values |= self._fit("inbox_files", {"path": paths[file.position]})
        return tuple(rows)

    def _said(self, view: Mapping[str, Any]) -> dict[str, Any]:
        """What an event says in words."""
        refusal = (view.get("answers") or {}).get("refusal") or {}
        th, en = view.get("event_th"), view.get("event_en")
        if refusal:
            detail = refusal["detail"] or ""
            th = " ".join(filter(None, (refusal.get("th"), detail, refusal.get("advice_th"))))
            en = " ".join(filter(None, (refusal.get("en"), detail, refusal.get("advice_en"))))
        reason = view.get("reason_text")
        return {
            "event": self._codes.inward("events", view["event"]),
            "reference": view.get("reference"),
            "code": refusal.get("code") or view.get("reason_code") or view.get("reason"),
            "text_th": " ".join(filter(None, (th, reason))) or None,
            "text_en": en,
        }

    def _row_of(self, role: str, reference: str) -> Local:
        """The office's row of a letter or act that came through this door, by its key or by its reference."""
        table = self._office.table(role)
        own = _ACT if role == "acts" else _LETTER
        if reference.startswith(own):
            return Local(role, "key", reference.removeprefix(own), "key")
        room = table.rooms.get("reference") if table else None
        try:
            value: Any = self._writing.put_text(reference, room or Room("reference"))
        except Unfit:  # it came through another door
            value = None
        return Local(role, "reference", value, "key")

    def _fit(self, role: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the columns of a table hold them, those for which it has columns."""
        table = self._office.table(role)
        found = {}
        for field, value in values.items() if table else ():
            if table is None or field not in table or value is None:
                continue
            room, kind = table.rooms[field], FORMS[role].column(field).kind
            found[field] = self._as_stored(kind, value, room)
        return found

    def _as_stored(self, kind: Kind, value: Any, room: Room) -> Any:
        match kind:
            case Kind.TEXT | Kind.LONG:
                return self._writing.put_text(str(value), room)
            case Kind.DATE:
                return self._writing.put_day(date.fromisoformat(value), room)
            case Kind.MOMENT:
                return self._writing.put_moment(datetime.fromisoformat(value), room)
            case Kind.BLOB:
                room.require(value)
                return value
            case _:
                return value

    def _agency(self, code: str) -> str:
        return self._codes.inward("agencies", code)

    def _state(self, status: Status) -> str:
        return self._codes.state(status)

    def _json(self, view: Mapping[str, Any]) -> str:
        """The whole view; in ASCII where the office's columns hold less than Unicode."""
        plain = self._writing.code_page != "utf-8"
        text = json.dumps(view, ensure_ascii=plain, default=str)
        return text.encode(errors="backslashreplace").decode()
