"""What the REST door tells of an item of news, by its feed and by webhooks alike."""

from __future__ import annotations

from typing import Final

from adapters import views
from adapters.connectors.news import account
from adapters.mailbox import Mailbox
from adapters.mailbox.newsfeed import Item

NAME: Final = "rest"
"""Under which the mailbox keeps what this door remembers."""


def event_of(mailbox: Mailbox, item: Item) -> views.View:
    """An item of news, with the office's own key of the letter that it is about, whoever wrote that."""
    view = account(mailbox, item)
    letter = view.get("letter")
    if "reference" not in view and isinstance(letter, dict):
        row = mailbox.doors.consigned(int(letter["consignment"])) if letter.get("consignment") else None
        hand_over = mailbox.doors.hand_over(NAME, row) if row else None
        view["reference"] = hand_over.local_id if hand_over else None
    return view
