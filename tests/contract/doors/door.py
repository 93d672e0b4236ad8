"""What the contract suite does with a door, as the office's system behind it would, and the bus on the other side."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

from adapters.agent.verifying import Verifier
from adapters.mailbox import Mailbox, Message, OutboxEntry, OutboxState
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.receipts import receipt
from bus import failpoints
from bus.documents.letter import File
from bus.documents.notice import BUS, Event
from bus.documents.signing import Signed, sign
from bus.identifiers import AgencyCode
from tests.assets.factory import OCS, OPM, letter, notice, seal
from tests.unit.adapter.network import QUICK, Office, sha

Values = dict[str, Any]
Files = Mapping[str, bytes]
NO_DOCUMENT = b""
"""What stands for the signed document at a door that shows the values of a letter and not the document."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the office hears at once of what it asked for: nothing when that was taken."""

    wrong: str = ""
    """Everything that is said to be wrong, in Thai and in English."""

    @property
    def taken(self) -> bool:
        """Whether the door has taken it."""
        return not self.wrong


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter as the office finds it."""

    letter_id: str
    """By what it is named in acts."""
    raw: bytes
    """The signed document, or NO_DOCUMENT."""
    files: Mapping[str, bytes]

    def shows(self, signed: Signed, files: Files) -> bool:
        """Whether it is that letter, whole."""
        return self.raw in (signed.raw, NO_DOCUMENT) and self.files == files


class Door(Protocol):
    """An office's system at one door of an adapter; every call is over when the adapter has had its turn."""

    name: str

    def put(self, values: Values, files: Files) -> Told:
        """Put out a letter with its files; the same call again is the same request."""

    def put_half(self, values: Values, files: Files) -> None:
        """The same, but for the last of the files, which is still being written."""

    def go_on(self) -> None:
        """What an office does by itself after the adapter was away: nothing, or its last request again."""

    def act(self, verb: str, **fields: Any) -> Told:
        """Ask for an act."""

    def letters(self) -> list[Shown]:
        """Every letter that the office has been shown since it began, each as often as it was shown."""

    def events(self) -> list[Values]:
        """Everything else that it was told since it began, in order, each as often as it was told."""

    def dying_at(self, step: str) -> AbstractContextManager[None]:
        """Have the adapter die by SIGKILL when it gets there; it is back at the end of the block."""

    def close(self) -> None:
        """End what was started."""


@dataclass
class World:
    """An agency's mailbox with the bus behind it; what the bus says is signed, and verified as it always is."""

    office: Office
    folder: Path
    doors: list[Door] = field(default_factory=list)

    @property
    def mailbox(self) -> Mailbox:
        """The agency's."""
        return self.office.mailbox

    def hear(self, *messages: Message) -> None:
        """Have messages of the bus arrive and be verified."""
        self.mailbox.arrivals.store(messages)
        verifier = Verifier(self.mailbox, seal(BUS).certificate, QUICK)
        while verifier.work():
            pass
        assert self.mailbox.arrivals.quarantined() == []

    def sent(self) -> list[OutboxEntry]:
        """The letters in the outbox, the oldest first."""
        return self.mailbox.outbox.letters()[::-1]

    def accept(self, recipients: tuple[AgencyCode, ...] = (OCS,)) -> OutboxEntry:
        """Have the bus accept the newest letter."""
        row = self._sealed()
        self.hear(self.office.bus.acceptance(row, recipients))
        return self.mailbox.outbox.get(row.id)

    def refuse(self, code: str) -> OutboxEntry:
        """Have the bus refuse the newest letter."""
        row = self._sealed()
        self.hear(self.office.bus.refusal(row, code))
        return self.mailbox.outbox.get(row.id)

    def say(self, event: Event, row: OutboxEntry, **fields: Any) -> UUID:
        """Have a recipient say something about a letter of ours."""
        made = uuid4()
        about: Values = {"letter_id": UUID(row.document_id), "letter_digest": row.digest, "notice_id": made}
        self.hear(self.office.bus.notice(notice(event, **(about | fields))))
        return made

    def receive(self, files: Files, *, whole: bool = True, **changes: Any) -> Signed:
        """Have a letter of OPM arrive with these files; not `whole`, they are still being fetched."""
        described = [_described(name, content) for name, content in files.items()]
        made = letter(main_file=described[0], files=tuple(described[1:]), **changes)
        signed = sign(made, seal(OPM))
        self.hear(self.office.bus.letter(signed))
        (row,) = self.mailbox.inbox.fetching(1e12, 10)
        if whole:
            for content in files.values():
                source = self.folder / "arrived"
                source.write_bytes(content)
                self.mailbox.store.take_in(source, Fingerprint(sha(content), len(content)))
            stored = [each.position for each in self.mailbox.inbox.files(row.id)]
            self.mailbox.inbox.deliver(row.id, stored, *receipt(self.mailbox, row))
        return signed

    def _sealed(self) -> OutboxEntry:
        row = self.sent()[-1]
        if row.state is OutboxState.WAITING:
            raw = b"<signed-%d/>" % row.id
            row = self.mailbox.outbox.seal(row, raw, sha(raw))
        return row


def _described(name: str, content: bytes) -> File:
    return File(name=name, size=len(content), digest=sha(content), media_type="application/pdf")


def digest_of(content: bytes) -> str:
    """Its SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def dies(step: str, work: Callable[[], object]) -> None:
    """Do work in a child of this process that kills itself at a failpoint."""
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(f"{step}=kill")
            work()
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"{step} was never reached"
    assert os.WTERMSIG(status) == signal.SIGKILL
