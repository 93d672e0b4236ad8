"""One agency's mailbox, with all that is in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import update

from adapters.mailbox import entries, tables
from adapters.mailbox.answering import Entered, take_entry, take_verdict
from adapters.mailbox.arrivals import Arrivals, conclude
from adapters.mailbox.conditions import Conditions
from adapters.mailbox.copies import take_copy
from adapters.mailbox.database import Database, Listener
from adapters.mailbox.desk import Desk
from adapters.mailbox.desk_drafts import DeskDrafts
from adapters.mailbox.directories import Directories
from adapters.mailbox.doors import Doors
from adapters.mailbox.ecms import Ecms
from adapters.mailbox.entries import OutboxEntry, Receipted
from adapters.mailbox.files import FileStore
from adapters.mailbox.heads import SeenHeads
from adapters.mailbox.inbox import Inbox, InboxLetter
from adapters.mailbox.keys import KeyState
from adapters.mailbox.lists import awaiting, recipients_of, take_list
from adapters.mailbox.messages import Arrival, ArrivalState
from adapters.mailbox.newsfeed import Newsfeed
from adapters.mailbox.notices import NoticeRow, Notices, record
from adapters.mailbox.outbox import Outbox
from adapters.mailbox.pings import about_ping
from adapters.mailbox.properties import Properties
from adapters.mailbox.registers import Registers
from adapters.mailbox.states import RecipientState, fold, views_of
from bus.directory import Directory
from bus.documents.letter import Letter
from bus.documents.lifecycle import Progress
from bus.documents.notice import BUS, Notice, Terms
from bus.documents.signing import Verified
from bus.identifiers import AgencyCode, ContentDigest, LetterId


class Mailbox:
    """An agency's mailbox in a folder of its own; several processes may open it, one may run on it."""

    def __init__(self, folder: Path, agency: AgencyCode, *, only_reading: bool = False) -> None:
        """`only_reading`: nothing is made or changed. Misconfigured when there is no mailbox of this agency to read."""
        self.agency = agency
        self._database = Database(folder, agency, only_reading=only_reading)
        self.store = FileStore(folder / "files", only_reading=only_reading)
        self.outbox = Outbox(self._database, self.store)
        self.arrivals = Arrivals(self._database)
        self.inbox = Inbox(self._database)
        self.notices = Notices(self._database)
        self.news = Newsfeed(self._database)
        self.directories = Directories(self._database)
        self.properties = Properties(self._database)
        self.conditions = Conditions(self._database)
        self.heads = SeenHeads(self._database)
        self.doors = Doors(self._database)
        self.ecms = Ecms(self._database)
        self.drafts = DeskDrafts(self._database)
        self.registers = Registers(self._database)
        self.desk = Desk(self._database, agency)

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def exclusive(self) -> AbstractContextManager[None]:
        """Be the one process that runs on this mailbox; AlreadyRunning if another one does."""
        return self._database.exclusive()

    def running(self) -> bool:
        """Whether some process runs on this mailbox."""
        return self._database.running()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Whatever this thread writes in this block is committed together, or not at all.

        A part that fails, and whose error is caught within the block, is undone alone.
        """
        with self._database.writing():
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Whatever this thread reads in this block, it reads as of the same moment."""
        with self._database.reading():
            yield

    def changed(self) -> int:
        """A number that differs from the one before if another process has committed since."""
        return self._database.changed()

    def stamp(self) -> tuple[int, int]:
        """Another than the one before if anything was committed since, by this process or another."""
        return self._database.stamp()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener`, in whatever thread, after this process has left more to be done; the result ends that."""
        return self._database.listen(listener)

    def directory(self) -> Directory | None:
        """The latest directory that the bus has sent."""
        return self.directories.latest()

    def answer(self, arrival: Arrival, receipted: Receipted, notice: Notice, key: KeyState | None) -> None:
        """Take the bus's verdict, whose signature has been verified. Refused if it contradicts an acceptance."""
        with self._database.writing() as connection:
            if take_verdict(connection, arrival, receipted, notice, key):
                self._database.added(tables.outbox)

    def take_list(self, arrival: Arrival) -> None:
        """Keep a recipient set, which has been read, for the acceptance that names it."""
        with self._database.writing() as connection:
            take_list(connection, arrival)

    def recipients_of(self, terms: Terms) -> tuple[AgencyCode, ...] | None:
        """Whom an acceptance names, itself or by a set; None until that has come. Refused if it contradicts itself."""
        with self._database.reading() as connection:
            return recipients_of(connection, terms)

    def awaiting_list(self) -> int:
        """The row of the newest acceptance that waits for its recipient set, 0 if none does."""
        with self._database.reading() as connection:
            return awaiting(connection)

    def note_entry(self, arrival: Arrival, stated: Entered) -> None:
        """Take the bus's unsigned word that a notice or report is in the ledger. Refused for a letter."""
        with self._database.writing() as connection:
            if take_entry(connection, arrival, stated):
                self._database.added(tables.outbox)

    def take_back(self, arrival: Arrival, verified: Verified[Letter | Notice]) -> None:
        """Take a copy of a document of this agency's own, whose seal has been verified (copies.py)."""
        with self._database.writing() as connection:
            take_copy(connection, arrival, verified)
            self._database.added(tables.outbox)

    def pull_in(self, at: float) -> None:
        """Make due now (Unix time) whatever is put off: a clock that was ahead has been put right."""
        with self._database.writing() as connection:
            for table in (tables.outbox, tables.arrivals, tables.inbox):
                later = update(table).where(table.c.next_attempt_at > at)
                connection.execute(later.values(next_attempt_at=at))

    def file_notice(self, arrival: Arrival, notice: Notice) -> bool:
        """Keep a verified notice about a letter; False if the same was said before."""
        with self._database.writing() as connection:
            of_ping = about_ping(connection, str(notice.letter_id), notice.letter_digest)
            entry = arrival.number("entry")
            new = record(connection, notice, arrival=arrival.id, entry=entry, is_news=not of_ping)
            conclude(connection, arrival.id, ArrivalState.DUPLICATE if new is None else ArrivalState.DONE)
        return new is not None

    def sent_letter(self, letter_id: LetterId, digest: ContentDigest | None) -> OutboxEntry | None:
        """This agency's own letter of that id and content."""
        with self._database.reading() as connection:
            return entries.by_letter(connection, letter_id, digest)

    def states_of_sent(self, row: OutboxEntry, only: Collection[str] | None = None) -> list[RecipientState]:
        """Where a letter of ours stands with each recipient, or with some; none before the bus has accepted it."""
        return views_of(self.progress_of_sent(row, only))

    def progress_of_sent(
        self, row: OutboxEntry, only: Collection[str] | None = None
    ) -> dict[AgencyCode, Progress[NoticeRow]]:
        """The same, as the life of a letter has it."""
        wanted = {code: code for code in row.recipients if only is None or code in only}
        authors = None if only is None else {*wanted, self.agency, BUS}
        notices = self.notices.about(row.own_letter_id, row.digest, authors=authors)
        return fold(wanted, self.agency, notices, all_of_them=only is None)

    def state_of_received(self, row: InboxLetter) -> RecipientState:
        """Where a letter that we received stands with us."""
        return views_of({self.agency: self.progress_of_received(row)})[0]

    def progress_of_received(self, row: InboxLetter) -> Progress[NoticeRow]:
        """The same, as the life of a letter has it."""
        notices = self.notices.about(row.letter_id, row.digest)
        return fold({self.agency: row.addressed}, row.sender, notices, all_of_them=False)[self.agency]
