"""The mailbox: an agency's outbox and inbox, durable in one folder, whoever restarts and whatever comes twice."""

from adapters.mailbox.inbox import Progress, Received, ReceivedFile
from adapters.mailbox.mailbox import Mailbox
from adapters.mailbox.messages import Arrival, Gap, Judgement, Message
from adapters.mailbox.notices import Statement
from adapters.mailbox.states import RecipientState
from adapters.mailbox.store import AlreadyRunning
from adapters.mailbox.submissions import AlreadyPut, Attempt, Outgoing, OutgoingFile, Receipted, Standing

__all__ = [
    "AlreadyPut",
    "AlreadyRunning",
    "Arrival",
    "Attempt",
    "Gap",
    "Judgement",
    "Mailbox",
    "Message",
    "Outgoing",
    "OutgoingFile",
    "Progress",
    "Receipted",
    "Received",
    "ReceivedFile",
    "RecipientState",
    "Standing",
    "Statement",
]
