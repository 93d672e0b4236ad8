"""What a verification leaves for the next one: the head with which everything agreed, and how far a stopped one came.

Neither is believed by itself. Both bear a head that the log has signed, and what is passed over because of them is
covered by it: the next verification computes the root of those entries again, from their bodies, and compares.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bus.errors import Transient
from bus.ledger.checkpoint import Tampered, keep_file, read_kept, require_signed_head
from bus.ledger.rows import Head
from bus.text import json_text
from bus.verifier.notes import Unreadable, VerifierKey, read_checkpoint, read_note


@dataclass(frozen=True, slots=True)
class Left:
    """How far a verification came that found nothing wrong so far."""

    head: Head
    """A signed head with which the ledger agreed."""
    since: int
    signatures: int
    """Every signature after entry `since` up to this one, which the head covers, was good."""


class Leavings:
    """Two files in a folder of whoever verifies, beside the head that a signer keeps."""

    def __init__(self, folder: Path) -> None:
        self._head, self._left = folder / "verify.head", folder / "verify.left"

    def head(self) -> Head | None:
        """Return the newest head with which a whole ledger agreed. Raises Tampered for a file that holds none."""
        return read_kept(self._head)

    def left(self, key: VerifierKey) -> Left | None:
        """Return how far a stopped verification came; None where that is not to be read, or another log's."""
        try:
            said = json.loads(self._left.read_text(encoding="utf-8"))
            note = str(said["head"])
            checkpoint = read_checkpoint(read_note(note))
            head = Head(checkpoint.size, "", checkpoint.root, note)
            require_signed_head(head, key)
            left = Left(head, int(said["since"]), int(said["signatures"]))
        except (OSError, ValueError, KeyError, TypeError, Unreadable, Tampered):
            return None
        return left if 0 <= left.since <= left.signatures <= head.size else None

    def leave(self, left: Left) -> None:
        """Keep how far it came."""
        said = {"head": left.head.note, "since": left.since, "signatures": left.signatures}
        self._write(self._left, json_text(said))

    def passed(self, head: Head | None) -> None:
        """Keep the head of a ledger that is what was signed."""
        if head is not None:
            self._write(self._head, head.note)
        self.forget()

    def forget(self) -> None:
        """Have the next verification begin at its beginning."""
        with suppress(OSError):
            self._left.unlink(missing_ok=True)

    @staticmethod
    def _write(file: Path, text: str) -> None:
        # Whoever may only read here verifies all the same, and begins at the beginning each time.
        with suppress(Transient):
            keep_file(file, text)
