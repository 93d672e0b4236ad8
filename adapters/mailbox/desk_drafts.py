"""Letters that people write at the desk, until they are sent: kept with who wrote them and when, and never half.

Two persons may have one draft open. Who saves says which version he has seen; if the draft has another one by then,
nothing is saved, and he is told (Overtaken). Files come and go without a version: bringing one overwrites no text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import uuid4

from sqlalchemy import delete, func, insert, select, update

from adapters.mailbox.database import Database
from adapters.mailbox.draft_tables import desk_draft_files, desk_drafts
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.prepared import Row
from bus.errors import BusError
from bus.identifiers import RawDigest
from bus.thai import now

_OPEN = desk_drafts.c.outbox.is_(None)


class Overtaken(BusError):
    """Somebody else has changed, sent or deleted the draft meanwhile; nothing was done."""

    for_logs = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDraft:
    """A letter being written, or as it was sent."""

    id: str
    content: str
    """Its fields, as JSON."""
    outbox: int | None
    """The row of the outbox that it has become."""
    made_by: str
    made_at: str
    changed_by: str
    """Who changed it last; of one that is sent, who sent it."""
    changed_at: str
    version: int


class DeskDrafts:
    """A draft is added, changed, sent or deleted; one that is sent is neither changed nor deleted any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, person: str, content: str, files: dict[str, Fingerprint] | None = None) -> DeskDraft:
        """Keep a new draft, with files that are in the store."""
        at = now().isoformat()
        draft = DeskDraft(
            id=str(uuid4()),
            content=content,
            outbox=None,
            made_by=person,
            made_at=at,
            changed_by=person,
            changed_at=at,
            version=1,
        )
        with self._database.writing() as connection:
            connection.execute(insert(desk_drafts).values(asdict(draft)))
            for position, (name, file) in enumerate((files or {}).items()):
                connection.execute(insert(desk_draft_files).values(_file(draft.id, name, position, file)))
        return draft

    def get(self, draft: str) -> DeskDraft | None:
        """The draft of this id."""
        return self._database.first(select(desk_drafts).where(desk_drafts.c.id == draft), _draft)

    def open(self, *, before: tuple[str, str] | None = None, limit: int) -> list[DeskDraft]:
        """Drafts that are not sent, the last changed first; `before` is (changed_at, id) of the last one seen."""
        order = (desk_drafts.c.changed_at, desk_drafts.c.id)
        query = select(desk_drafts).where(_OPEN).order_by(*(each.desc() for each in order)).limit(limit)
        if before is not None:
            at, number = before
            same = (desk_drafts.c.changed_at == at) & (desk_drafts.c.id < number)
            query = query.where(desk_drafts.c.changed_at <= at, (desk_drafts.c.changed_at < at) | same)
        return self._database.rows(query, _draft)

    def of_row(self, outbox: int) -> DeskDraft | None:
        """The draft that this row of the outbox was, if it was written at the desk."""
        return self._database.first(select(desk_drafts).where(desk_drafts.c.outbox == outbox), _draft)

    def save(self, draft: str, version: int, person: str, content: str) -> None:
        """Keep new content; Overtaken if this version is not the newest."""
        self._change(draft, version, person, content=content)

    def sent(self, draft: str, version: int, person: str, outbox: int) -> None:
        """Say which row of the outbox it has become; Overtaken if this version is not the newest."""
        self._change(draft, version, person, outbox=outbox)

    def delete(self, draft: str, version: int) -> None:
        """Have it here no more; its files' bytes stay in the store. Overtaken if this version is not the newest."""
        with self._database.writing() as connection:
            this = (desk_drafts.c.id == draft) & (desk_drafts.c.version == version) & _OPEN
            if connection.execute(select(desk_drafts.c.id).where(this)).first() is None:
                raise Overtaken("the draft has been changed, sent or deleted meanwhile")
            connection.execute(delete(desk_draft_files).where(desk_draft_files.c.draft == draft))
            connection.execute(delete(desk_drafts).where(this))

    def files(self, draft: str) -> dict[str, Fingerprint]:
        """Its files by name, in order: the letter itself first."""
        mine = desk_draft_files.c.draft == draft
        query = select(desk_draft_files).where(mine).order_by(desk_draft_files.c.position)
        rows = self._database.rows(query, dict)
        return {row["name"]: Fingerprint(RawDigest(row["sha256"]), row["size"]) for row in rows}

    def add_file(self, draft: str, person: str, name: str, file: Fingerprint) -> None:
        """Keep a file behind the others, or in the place of the one of its name; Overtaken if the draft is sent."""
        mine = desk_draft_files.c.draft == draft
        this = mine & (desk_draft_files.c.name == name)
        with self._database.writing() as connection:
            self._change(draft, None, person)
            values = {"sha256": file.sha256, "size": file.size}
            if not connection.execute(update(desk_draft_files).where(this).values(**values)).rowcount:
                last = connection.scalar(select(func.max(desk_draft_files.c.position)).where(mine))
                position = 0 if last is None else last + 1
                connection.execute(insert(desk_draft_files).values(_file(draft, name, position, file)))

    def remove_file(self, draft: str, person: str, name: str) -> None:
        """Have it without this file; Overtaken if the draft is sent."""
        this = (desk_draft_files.c.draft == draft) & (desk_draft_files.c.name == name)
        with self._database.writing() as connection:
            self._change(draft, None, person)
            connection.execute(delete(desk_draft_files).where(this))

    def put_first(self, draft: str, person: str, name: str) -> None:
        """Make this file the letter itself; Overtaken if the draft is sent."""
        mine = desk_draft_files.c.draft == draft
        this = mine & (desk_draft_files.c.name == name)
        with self._database.writing() as connection:
            self._change(draft, None, person)
            first = connection.scalar(select(func.min(desk_draft_files.c.position)).where(mine))
            connection.execute(update(desk_draft_files).where(this).values(position=(first or 0) - 1))

    def _change(self, draft: str, version: int | None, person: str, **values: object) -> None:
        this = (desk_drafts.c.id == draft) & _OPEN
        if version is not None:
            this &= desk_drafts.c.version == version
            values["version"] = version + 1
        change = update(desk_drafts).where(this)
        values |= {"changed_by": person, "changed_at": now().isoformat()}
        if not self._database.execute(change.values(**values)):
            raise Overtaken("the draft has been changed, sent or deleted meanwhile")


def _draft(row: Row) -> DeskDraft:
    return DeskDraft(**row)


def _file(draft: str, name: str, position: int, file: Fingerprint) -> dict[str, object]:
    return {"draft": draft, "name": name, "position": position, "sha256": file.sha256, "size": file.size}
