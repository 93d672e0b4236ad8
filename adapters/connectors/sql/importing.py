"""From the office's tables into the mailbox: letters with all their files and recipients, and acts.

Whatever is wrong with one row is that row's alone: it fails with its reasons in `problem`, or waits, and the next has
its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from adapters.connectors.folder.attachments import Copy, admit
from adapters.connectors.folder.letters import Composed, complete, put, stated_in
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.reasons import mistakes_of
from adapters.connectors.sql.claiming import Claims
from adapters.connectors.sql.composing import Composer
from adapters.connectors.sql.files import Reader, octets_of
from adapters.connectors.sql.model import Status
from adapters.connectors.sql.office import Lacking, Office, OfficeTable, kind_of
from adapters.connectors.sql.values import Room, Unfit, Writing
from adapters.mailbox import AlreadyPut, Mailbox, OutboxEntry
from adapters.mailbox.acts import perform
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.files import FileChanged
from adapters.mailbox.mistakes import Mistaken
from bus.errors import Refused, Transient
from bus.failpoints import reached
from bus.logs import get
from bus.text import printable

_LOG = get(__name__)
_ELSEWHERE = "saraban-adapter status"
"""Where a problem stands that has no room in the office's own column."""


class Importer:
    """Takes from one office; what it remembers from round to round only says since when something waits."""

    def __init__(
        self,
        mailbox: Mailbox,
        office: Office,
        composer: Composer,
        reader: Reader,
        writing: Writing,
        *,
        mark: str,
        states: Mapping[str, str],
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        """`patience` in seconds of `clock`."""
        self._mailbox, self._office = mailbox, office
        self._composer, self._reader, self._writing = composer, reader, writing
        self._mark, self._states = mark, states
        self._patience, self._clock = patience, clock
        self._since: dict[str, float] = {}
        self._findings: dict[str, Finding] = {}
        self._unwritten: dict[str, Finding] = {}
        """What had no room in the office's own table."""

    def import_new(self) -> int:
        """Take what is complete, in the order of its keys; give how many rows that were."""
        self._findings.clear()
        seen: set[str] = set()
        taken = 0
        for role, take in (("outbox", self._take_letter), ("acts", self._take_act)):
            table = self._office.table(role)
            if table is None:
                continue
            claims = Claims(self._office, table, self._mark, self._states)
            for key, claimed in claims.rows():
                about = f"{self._office.name_of(role)} {key}"
                seen.add(about)
                if claimed or (self._is_whole(role, table, claims, key, about) and claims.claim(key)):
                    taken += self._take(claims, table, key, about, take)
        self._since = {about: since for about, since in self._since.items() if about in seen}
        return taken

    def findings(self) -> list[Finding]:
        """What the last round could not take, and why."""
        return [*self._findings.values(), *self._unwritten.values()]

    def _take(
        self,
        claims: Claims,
        table: OfficeTable,
        key: Any,
        about: str,
        take: Callable[[Claims, OfficeTable, Any], OutboxEntry],
    ) -> int:
        """Put what a row asks for into the mailbox, or say what is wrong with it; 0 if it can only not be done now."""
        values: dict[str, Any]
        try:
            row = take(claims, table, key)
            self._unwritten.pop(about, None)
            values = {"status": self._states[Status.of(row.state)], "problem": None, "entry": row.entry}
            values["letter_id"] = self._writing.put_text(row.document_id, Room("letter_id"))
        except (Mistaken, Refused, AlreadyPut, FileChanged) as exc:
            _LOG.warning("import-refused", reason=type(exc).__name__)
            values = {"status": self._states[Status.FAILED], "problem": self._problem(table, about, exc)}
        except (Transient, Lacking):
            raise  # the mailbox or the database does not answer, or the directory has not come
        except Exception as exc:
            _LOG.exception("import-postponed")
            self._findings[about] = Finding(ConditionCode.OUTBOX_STUCK, about, *_words(exc))
            return 0
        try:
            claims.conclude(key, values)
        except DBAPIError as exc:
            self._findings[about] = Finding(ConditionCode.SQL_UNFIT, about, kind_of(exc), kind_of(exc))
            return 0
        return 1

    def _take_letter(self, claims: Claims, table: OfficeTable, key: Any) -> OutboxEntry:
        (row,) = claims.read(table, table.columns["key"] == key)
        fields = self._composer.letter(row, self._recipients(claims, key))
        with ExitStack() as stack:
            stated, reference = stated_in(self._mailbox, fields)
            found = self._copies(claims, key, fields, stack)
            files = tuple(each.file for each in found)
            letter, reference = complete(self._mailbox, fields, stated, files, reference or f"sql:{key}")
            paths = admit(self._mailbox.store, found)
        reached("sql.before-put")
        with self._mailbox.transaction():
            entry = put(self._mailbox, Composed(letter, paths, reference))
        reached("sql.after-put")
        return entry

    def _take_act(self, claims: Claims, table: OfficeTable, key: Any) -> OutboxEntry:
        (row,) = claims.read(table, table.columns["key"] == key)
        act = self._composer.act(row, f"sql:act:{key}")
        reached("sql.before-put")
        with self._mailbox.transaction():
            entry = perform(self._mailbox, act)
        reached("sql.after-put")
        return entry

    def _recipients(self, claims: Claims, key: Any) -> list[tuple[Any, Any]]:
        table = self._office.table("outbox_recipients")
        if table is None:
            return []
        rows = claims.read(table, table.columns["letter"] == key, "agency", "role")
        return [(row["agency"], row.get("role")) for row in rows]

    def _copies(self, claims: Claims, key: Any, fields: Fields, stack: ExitStack) -> tuple[Copy, ...]:
        table = self._office.table("outbox_files")
        listed = [] if table is None else self._listed(table, key)
        if table is None or not listed:
            fields.wrong("files", "ต้องมีไฟล์ของหนังสือ", "the letter has no file")
            return ()
        found: dict[str, Copy] = {}
        for position, raw, size, path in listed:
            name = self._writing.text(raw) or ""
            if name in found:
                fields.wrong("files", f"ระบุ {name} ซ้ำ", f"{name} is named twice")
                continue
            copy = None
            if size is None:
                copy = self._reader.file(fields, name, self._writing.text(path) or "", stack)
            elif not self._reader.too_large(fields, name, size):
                c = table.columns
                ((content,),) = (
                    row.values()
                    for row in claims.read(
                        table, (c["letter"] == key) & (c["position"] == position), "content"
                    )
                )
                copy = self._reader.blob(fields, name, content, stack)
            if copy is not None:
                found[name] = copy
        return tuple(found.values())

    def _listed(self, table: OfficeTable, key: Any) -> list[tuple[Any, Any, int | None, Any]]:
        """Position, name, bytes of the BLOB (None if there is none) and path of each file, in order."""
        c = table.columns
        size = octets_of(c["content"]) if "content" in table else None
        path = c.get("path")
        wanted = [c["position"], c["name"], *(each for each in (size, path) if each is not None)]
        query = select(*(each.label(f"f{n}") for n, each in enumerate(wanted)))
        with self._office.transaction() as connection:
            rows = connection.execute(query.where(c["letter"] == key).order_by(c["position"])).all()
        found = []
        for row in rows:
            rest = list(row[2:])
            octets = rest.pop(0) if size is not None else None
            found.append((row[0], row[1], None if octets is None else int(octets), rest[0] if rest else None))
        return found

    def _is_whole(self, role: str, table: OfficeTable, claims: Claims, key: Any, about: str) -> bool:
        """Whether the files and recipients that a letter promises are all there."""
        if role != "outbox":
            return True
        lacking = self._lacking(table, claims, key)
        if lacking is None:
            self._since.pop(about, None)
            return True
        if self._clock() - self._since.setdefault(about, self._clock()) >= self._patience:
            self._findings[about] = Finding(ConditionCode.OUTBOX_STUCK, about, *lacking)
        return False

    def _lacking(self, table: OfficeTable, claims: Claims, key: Any) -> tuple[str, str] | None:
        rows = claims.read(table, table.columns["key"] == key, "file_count", "recipient_count")
        promised = rows[0] if rows else {}
        files = self._office.table("outbox_files")
        if files is not None:
            whole, listed = self._whole_files(files, claims, key)
            stated = _promised(promised.get("file_count")) or listed
            if not whole == listed == stated:
                return f"ไฟล์ครบ {whole} จาก {stated}", f"{whole} of {stated} files are whole"
        count = _promised(promised.get("recipient_count"))
        recipients = self._office.table("outbox_recipients")
        if count is not None and recipients is not None:
            query = select(func.count()).select_from(recipients.clause)
            with self._office.transaction() as connection:
                there = connection.execute(query.where(recipients.columns["letter"] == key)).scalar_one()
            if count != there:
                return f"ผู้รับ {there} จาก {count}", f"{there} of {count} recipients are there"
        return None

    def _whole_files(self, table: OfficeTable, claims: Claims, key: Any) -> tuple[int, int]:
        """How many files are there with all the bytes that their rows state, and how many rows there are."""
        sizes = claims.read(table, table.columns["letter"] == key, "position", "size")
        stated = {row["position"]: row.get("size") for row in sizes}
        listed = self._listed(table, key)
        whole = 0
        for position, _, octets, path in listed:
            if octets is None:
                whole += path is not None
            else:
                whole += stated.get(position) in (None, octets)
        return whole, len(listed)

    def _problem(self, table: OfficeTable, about: str, error: Exception) -> Any:
        """What is wrong, in Thai and English, as far as the office's column can hold it; else where it stands."""
        th, en = _words(error)
        for text in (f"{th}\n{en}", _ELSEWHERE) if "problem" in table else ():
            with suppress(Unfit):
                return self._writing.put_text(text, table.rooms["problem"])
            self._unwritten[about] = Finding(ConditionCode.OUTBOX_STUCK, about, th, en)
        return None


def _promised(value: Any) -> int | str | None:
    """The count that a row states; what is no number is never reached, and is told as it stands."""
    try:
        return None if value is None or value == "" else int(value)
    except (TypeError, ValueError, OverflowError):
        return printable(str(value))[:40]


def _words(error: Exception) -> tuple[str, str]:
    mistakes = mistakes_of(error)
    th = "\n".join(f"{each.where}: {each.th}" for each in mistakes)
    return th, "\n".join(f"{each.where}: {each.en}" for each in mistakes)
