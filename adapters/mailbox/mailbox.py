"""One agency's mailbox, with all that is in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType

from adapters.mailbox import submissions as sending
from adapters.mailbox.arrivals import Arrival, Arrivals, Judgement, judge
from adapters.mailbox.conditions import Conditions
from adapters.mailbox.directories import Directories
from adapters.mailbox.facts import Facts
from adapters.mailbox.files import FileStore
from adapters.mailbox.heads import SeenHeads
from adapters.mailbox.inbox import Inbox, Received
from adapters.mailbox.newsfeed import Newsfeed
from adapters.mailbox.notices import Notices, record
from adapters.mailbox.outbox import Outbox
from adapters.mailbox.restoring import Restoring
from adapters.mailbox.states import RecipientState, fold
from adapters.mailbox.store import Store
from adapters.mailbox.submissions import Outgoing, Receipted
from bus.directory import Directory
from bus.documents.notice import BUS, Notice
from bus.errors import Rejected, RejectionCode


class Mailbox:
    """An agency's mailbox in a folder of its own; several processes may open it, one may run on it."""

    def __init__(self, folder: Path, agency: str) -> None:
        self.agency = agency
        self._store = Store(folder, agency)
        self.store = FileStore(folder / "files")
        self.outbox = Outbox(self._store, self.store)
        self.arrivals = Arrivals(self._store)
        self.inbox = Inbox(self._store)
        self.restoring = Restoring(self._store)
        self.notices = Notices(self._store)
        self.news = Newsfeed(self._store)
        self.directories = Directories(self._store)
        self.facts = Facts(self._store)
        self.conditions = Conditions(self._store)
        self.heads = SeenHeads(self._store)

    def __enter__(self) -> Mailbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def exclusive(self) -> AbstractContextManager[None]:
        """Be the one process that runs on this mailbox; AlreadyRunning if another one does."""
        return self._store.exclusive()

    def running(self) -> bool:
        """Whether some process runs on this mailbox."""
        return self._store.running()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Whatever this thread writes in this block is committed together, or not at all.

        A part that fails, and whose error is caught within the block, is undone alone.
        """
        with self._store.writing():
            yield

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """Whatever this thread reads in this block, it reads as of the same moment."""
        with self._store.reading():
            yield

    def changed(self) -> int:
        """A number that differs from the one before if another process has committed since."""
        return self._store.changed()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener`, in whatever thread, after this process has put something out; the result ends that."""
        return self._store.listen(listener)

    def directory(self) -> Directory | None:
        """The latest directory that the bus has sent."""
        return self.directories.latest()

    def answer(self, arrival: Arrival, receipted: Receipted, notice: Notice) -> None:
        """Take the bus's answer to the submission that `arrival` names, or Rejected if it is about none of ours.

        The verdict's signature has been verified; here it is compared with what was sent. An acceptance is final: a
        later refusal of the same content is refused here (P5); a refusal gives way to an acceptance.
        """
        with self._store.writing() as connection:
            row = sending.by_submission(connection, arrival.header("submission"))
            if row is None:
                raise Rejected(RejectionCode.NOTICE_LETTER_UNKNOWN, "answers no submission of this mailbox")
            _check_answers(row, notice)
            if row.state == sending.Standing.ACCEPTED:
                if receipted.state != row.state:
                    raise Rejected(RejectionCode.NOTICE_NOT_YOURS_TO_SAY, "was accepted before")
                judge(connection, arrival.id, Judgement.DUPLICATE)
                return
            if receipted.state == row.state and receipted.verdict == row.verdict:
                judge(connection, arrival.id, Judgement.DUPLICATE)
                return
            sending.answer(connection, row, receipted, arrival.id)
            if row.type == "letter" and receipted.state == sending.Standing.ACCEPTED:
                record(connection, notice, arrival=arrival.id, entry=receipted.entry)
            judge(connection, arrival.id, Judgement.DONE)

    def note_entry(self, arrival: Arrival, entry: int, notice_id: str) -> None:
        """Take the bus's unsigned word that a notice is in the ledger; Rejected if it is about none of ours."""
        with self._store.writing() as connection:
            row = sending.by_submission(connection, arrival.header("submission"))
            if row is None or row.document_id != notice_id:
                raise Rejected(RejectionCode.NOTICE_LETTER_UNKNOWN, "answers no notice of this mailbox")
            if row.type == "letter":
                raise Rejected(RejectionCode.SIGNATURE_MISSING, "an unsigned answer to a letter")
            if row.state == sending.Standing.ACCEPTED:
                judge(connection, arrival.id, Judgement.DUPLICATE)
                return
            sending.answer(
                connection, row, Receipted(state=sending.Standing.ACCEPTED, entry=entry), arrival.id
            )
            judge(connection, arrival.id, Judgement.DONE)

    def hear(self, arrival: Arrival, notice: Notice) -> bool:
        """Keep a verified notice about a letter; False if the same was said before."""
        with self._store.writing() as connection:
            new = record(connection, notice, arrival=arrival.id, entry=arrival.number("entry"), is_news=True)
            judge(connection, arrival.id, Judgement.DUPLICATE if new is None else Judgement.DONE)
        return new is not None

    def sent_letter(self, letter_id: str, digest: str) -> Outgoing | None:
        """This agency's own letter of that id and content."""
        with self._store.reading() as connection:
            return sending.by_letter(connection, letter_id, digest)

    def states_of_sent(self, row: Outgoing, only: Collection[str] | None = None) -> list[RecipientState]:
        """Where a letter of ours stands with each recipient, or with some; none before the bus has accepted it."""
        if only is None:
            return fold(row.recipients, self.agency, self.notices.about(row.document_id, row.digest))
        wanted = [code for code in row.recipients if code in only]
        authors = {*wanted, self.agency, BUS}
        statements = self.notices.about(row.document_id, row.digest, authors=authors)
        return fold(wanted, self.agency, statements)

    def state_of_received(self, row: Received) -> RecipientState:
        """Where a letter that we received stands with us."""
        statements = self.notices.about(row.letter_id, row.digest)
        return fold((self.agency,), row.sender, statements)[0]


def _check_answers(row: Outgoing, notice: Notice) -> None:
    """Require that a verdict names the very document that it is to answer; Rejected otherwise."""
    if notice.submission_digest == row.submission:
        return
    about = (str(notice.letter_id), notice.letter_digest)
    if row.type == "letter" and about == (row.document_id, row.digest):
        return
    raise Rejected(RejectionCode.NOTICE_LETTER_UNKNOWN, f"names {about[0]}, which it does not answer")
