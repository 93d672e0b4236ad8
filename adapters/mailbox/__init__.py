"""The mailbox: an agency's outbox and inbox, durable in one folder, whoever restarts and whatever comes twice."""

from adapters.mailbox.database import AlreadyRunning
from adapters.mailbox.entries import AlreadyPut, Attempt, OutboxEntry, OutboxFile, OutboxState, Receipted
from adapters.mailbox.inbox import InboxFile, InboxLetter, InboxState
from adapters.mailbox.mailbox import Mailbox
from adapters.mailbox.messages import Arrival, ArrivalState, Gap, Message
from adapters.mailbox.notices import NoticeRow
from adapters.mailbox.states import RecipientState

__all__ = [
    "AlreadyPut",
    "AlreadyRunning",
    "Arrival",
    "ArrivalState",
    "Attempt",
    "Gap",
    "InboxFile",
    "InboxLetter",
    "InboxState",
    "Mailbox",
    "Message",
    "NoticeRow",
    "OutboxEntry",
    "OutboxFile",
    "OutboxState",
    "Receipted",
    "RecipientState",
]
