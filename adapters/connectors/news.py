"""What an office is told of an item of news, through whichever door: the same plain values."""

from __future__ import annotations

from adapters import views
from adapters.mailbox import InboxState, Mailbox
from adapters.mailbox.newsfeed import Item, Kind
from bus.identifiers import ContentDigest, LetterId

_RECEIVED: views.View = {
    "event": "received",
    "event_th": "ได้รับหนังสือแล้ว",
    "event_en": "a letter has been received",
}


def account(mailbox: Mailbox, item: Item) -> views.View:
    """Return what an item says: `event` is what has happened, `reference` the office's own key, `letter` which one."""
    view: views.View = {"item": item.id, "at": views.when(item.at)}
    if item.kind is Kind.ANSWER and item.outbox is not None:
        row = mailbox.outbox.get(item.outbox)
        event = {"refused": "refused-by-bus"}.get(row.state, str(row.state))
        return view | views.word(event) | {"reference": row.reference, "answers": views.sent(mailbox, row)}
    if item.kind is Kind.NOTICE and item.notice is not None:
        return view | _of_notice(mailbox, item.notice)
    if item.kind is Kind.LETTER and item.inbox is not None:
        letter = mailbox.inbox.get(item.inbox)
        words = views.word("handover-failed") if letter.state is InboxState.FAILED else _RECEIVED
        return view | words | {"letter": views.received(mailbox, letter)}
    arrival = mailbox.arrivals.get(item.arrival or 0)
    return view | {"event": "quarantined"} | views.quarantined(arrival)


def _of_notice(mailbox: Mailbox, number: int) -> views.View:
    notice = mailbox.notices.get(number)
    view = views.said(mailbox, notice)
    # By its content too: another agency may have chosen the same id.
    digest = notice.letter_digest or ContentDigest("")
    letter = mailbox.sent_letter(notice.letter_id or LetterId(""), digest)
    if letter is not None:
        # Of a circular, only those it is about: thousands of receipts would each list thousands.
        concerned = {notice.author, *notice.about}
        return view | {"reference": letter.reference, "letter": views.sent(mailbox, letter, concerned)}
    rows = mailbox.inbox.letters(letter_id=notice.letter_id or LetterId(""), digest=digest)
    return view | {"letter": views.received(mailbox, rows[0]) if rows else None}
