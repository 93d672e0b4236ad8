"""The queue that the client pulls from: the same head until it is deleted, and the requests for a letter back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.connectors.ecms.errors import Code, Wrong
from adapters.connectors.ecms.forms import Form, Formed, formed
from adapters.mailbox import Mailbox
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.ecms import BY_OPERATOR, LetterName, Queued
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistake, Mistaken
from adapters.mailbox.newsfeed import Item, Kind
from bus.documents.notice import Event
from bus.failpoints import reached
from bus.identifiers import ContentDigest, LetterId
from bus.logs import get

NAME = "ecms"
_BATCH = 100
_LOG = get(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """An item as it is served."""

    queued: Queued
    form: Formed


class Queue:
    """One mailbox's queue; several clients at once are served the same head, and a delete decides."""

    def __init__(self, mailbox: Mailbox, *, grant_unserved: bool, handover_failed: bool) -> None:
        """`grant_unserved`: a letter is given back by itself while the client has not been served it."""
        self._mailbox = mailbox
        self._grant = grant_unserved
        self._handover_failed = handover_failed

    def fill(self) -> int:
        """Add the news that has a form to the queue, in order; give how many items were looked at."""
        looked = 0
        while True:
            with self._mailbox.transaction():
                items = self._after()
                for item in items:
                    self._add(item)
                if items:
                    self._mailbox.news.told(NAME, items[-1].id)
            looked += len(items)
            if len(items) < _BATCH:
                return looked

    def pull(self) -> Served | None:
        """The head, noted as served before it is given."""
        self.fill()
        reached("ecms.before-serve")
        with self._mailbox.transaction():
            head = self._mailbox.ecms.head()
            served = self._served(head) if head else None
            if served:
                self._mailbox.ecms.serve(served.queued.item)
        reached("ecms.after-serve")
        return served

    def special(self, form: Form, name: LetterName) -> Served | None:
        """The newest item of that kind about that letter, deleted or not; the head stays."""
        self.fill()
        with self._mailbox.transaction():
            queued = self._mailbox.ecms.named(form, name)
            served = self._served(queued) if queued else None
            if served:
                self._mailbox.ecms.serve(served.queued.item)
        return served

    def delete(self, process: str) -> Queued:
        """Take the client's word that it has an item; deleted before, the answer is the same. Raises Wrong."""
        reached("ecms.before-delete")
        with self._mailbox.transaction():
            queued = self._mailbox.ecms.find(process)
            if queued is None:
                raise Wrong(Code.PROCESS_UNKNOWN, process)
            self._mailbox.ecms.delete(queued.item)
        reached("ecms.after-delete")
        return queued

    def skip(self, process: str, reason: str) -> Queued:
        """Take an item out of the client's way; it is kept, and served if it is asked for by name. Raises Mistaken."""
        with self._mailbox.transaction():
            queued = self._known(process)
            if queued.deleted_at and not queued.skipped_by_operator:
                raise _not_now("ไม่ได้รออยู่ในคิว", "it does not wait in the queue")
            if queued.deleted_at is None:
                self._mailbox.ecms.delete(queued.item, skipped=f"{BY_OPERATOR}{reason}")
            return self._known(process)

    def serve_again(self, process: str) -> Queued:
        """Put an item that an operator has skipped back where it stood. Raises Mistaken for any other."""
        with self._mailbox.transaction():
            queued = self._known(process)
            if queued.deleted_at and not queued.skipped_by_operator:
                raise _not_now("ไม่ได้ถูกข้าม", "it was not skipped: the client has it")
            if queued.deleted_at:
                self._mailbox.ecms.serve_again(queued.item)
            return self._known(process)

    def _known(self, process: str) -> Queued:
        queued = self._mailbox.ecms.find(process)
        if queued is None:
            raise _not_now("ไม่รู้จัก ProcessID นี้", "no item has this ProcessID; `ecms list` shows them")
        return queued

    def _after(self) -> Sequence[Item]:
        return self._mailbox.news.after(self._mailbox.news.bookmark(NAME).told, _BATCH)

    def _add(self, item: Item) -> None:
        if item.kind is Kind.NOTICE and self._grant:
            self._give_back(item)
        form = formed(self._mailbox, item)
        if form is None:
            return
        if (
            not self._handover_failed
            and item.kind is Kind.NOTICE
            and self._event(item) == Event.HANDOVER_FAILED
        ):
            return
        self._mailbox.ecms.queue(item.id, item.at, form.form, form.name)

    def _event(self, item: Item) -> str:
        return self._mailbox.notices.get(item.notice or 0).event

    def _give_back(self, item: Item) -> None:
        """Grant a request for a letter back that nobody of the office has been given."""
        notice = self._mailbox.notices.get(item.notice or 0)
        if notice.event != Event.WITHDRAWAL_REQUESTED:
            return
        digest = notice.letter_digest or ContentDigest("")
        for row in self._mailbox.inbox.letters(letter_id=notice.letter_id or LetterId(""), digest=digest):
            queued = self._mailbox.ecms.of_letter(row.id)
            if queued is None or self._mailbox.ecms.told_elsewhere(queued.item):
                continue
            # `served` begins anew with `serve-again`; what an operator has skipped is in a person's hands.
            if queued.served_last is not None or queued.skipped_by_operator:
                continue
            act = Act(verb=Verb.GRANT, letter=LetterKey(letter_id=row.letter_id, sender=row.sender))
            try:
                perform(self._mailbox, act)
            except Mistaken:
                _LOG.warning("ecms-not-granted", item=item.id)  # answered already: a clerk decides
                continue
            self._mailbox.ecms.delete(queued.item, skipped="withdrawn")

    def _served(self, queued: Queued) -> Served | None:
        (item,) = self._mailbox.news.after(queued.item - 1, 1)
        form = formed(self._mailbox, item)
        return Served(queued, form) if form else None


def _not_now(th: str, en: str) -> Mistaken:
    return Mistaken(Mistake("ProcessID", th, en))
