"""What is still to be done with a letter received."""

from __future__ import annotations

from adapters.mailbox import Mailbox
from bus.documents.lifecycle import Condition, Slot


def refresh(mailbox: Mailbox) -> None:
    """Bring the list of the letters received up to date: done is what is answered and about which nothing is asked."""
    mailbox.desk.read_news()
    answered = mailbox.desk.answered()
    if done := [row for row in answered if _is_done(mailbox, row)]:
        mailbox.desk.finish(done)


def _is_done(mailbox: Mailbox, row: int) -> bool:
    progress = mailbox.progress_of_received(mailbox.inbox.get(row))
    answered = Slot.ANSWER in progress.facts or progress.holds(Condition.WITHDRAWN)
    return answered and Slot.DISPUTE not in progress.facts and not progress.holds(Condition.ASKED_BACK)
