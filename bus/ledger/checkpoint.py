"""Signing the head of the ledger: never one that does not continue what was signed before.

One signer at a time, under the append lock: the head is computed from what is committed, compared with the newest head
in the database and with the one that this signer keeps in a file beside its key, signed, written to that file, and
committed; only then is it released. Who can write to the database, but does not have that file, cannot have a rewritten
ledger signed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from bus.documents.notes import NoteKey
from bus.errors import BusError, Transient
from bus.ledger import halt
from bus.ledger.entry import timestamp
from bus.ledger.reading import Reader
from bus.ledger.rows import Head
from bus.ledger.store import Ledger
from bus.ledger.tiles import Tree
from bus.operators import of_the_bus
from bus.verifier.notes import (
    Checkpoint,
    Note,
    Unreadable,
    Unsigned,
    VerifierKey,
    read_checkpoint,
    read_note,
    require_signed,
    with_signatures,
)


class Tampered(BusError):
    """The ledger does not continue what was signed before: entries were changed, removed or put in."""

    for_logs = True


class Signer:
    """Signs heads with the log's key; `kept` is its own memory of the newest one."""

    def __init__(self, ledger: Ledger, key: NoteKey, kept: Path, *, anchor_every: timedelta) -> None:
        self._ledger = ledger
        self._key = key
        self._kept = kept
        self._anchor_every = anchor_every

    def sign(self) -> Head | None:
        """Sign the head if there is a new one, and make it an anchor when that is due; None if nothing is new.

        Raises Tampered, after the ledger was halted, and Transient when the database is away.
        """
        try:
            return self._sign()
        except Tampered as found:
            halt.set_halted(self._ledger.engine, True, operator=of_the_bus("signer"), reason=str(found))
            raise

    def newest(self) -> Head | None:
        """Return the newest head that was released."""
        with self._ledger.read() as reader:
            return reader.heads.newest()

    def _sign(self) -> Head | None:
        with self._ledger.append() as writer:
            size, newest, tree = writer.head(), writer.heads.newest(), writer.tree()
            for known in filter(None, (newest, self.remembered())):
                require_continues(tree, size, known, self._key.verifier)
            if size == 0:
                return None
            new = newest is None or newest.size < size
            head = self._signed(size, _root(tree, size), writer.at) if new or newest is None else newest
            anchor = self._anchor_due(writer, head, writer.at)
            if not new and not anchor:
                return None
            if new:
                self._remember(head)
            writer.sign_head(head, anchor=anchor)
        return head if new else None

    def _signed(self, size: int, root: bytes, at: datetime) -> Head:
        text = str(Checkpoint(self._key.name, size, root))
        return Head(size, timestamp(at), root, str(Note(text, (self._key.sign(text),))))

    def _anchor_due(self, reader: Reader, head: Head, at: datetime) -> bool:
        """Whether it is time to ask the witnesses, and there is something that they have not been asked about."""
        last = reader.heads.newest_anchor()
        if last is None:
            return True
        anchored, asked = last[0], datetime.fromisoformat(last[1])
        return anchored.size < head.size and (at - asked >= self._anchor_every or at.date() != asked.date())

    def remembered(self) -> Head | None:
        """Return the newest head that this signer has signed, by its own file. Raises Tampered for another file."""
        return read_kept(self._kept)

    def _remember(self, head: Head) -> None:
        keep_file(self._kept, head.note)


def keep_file(kept: Path, text: str) -> None:
    """Have a file hold this text, or what it held before; its owner's alone. Raises Transient where it cannot."""
    beside = kept.with_name(f".{kept.name}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(kept)
    except OSError as error:
        raise Transient(f"{kept} cannot be written ({error.strerror})") from error


def read_kept(file: Path) -> Head | None:
    """Return the head that a signer keeps in its file, None before the first. Raises Tampered for another file."""
    try:
        note = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        checkpoint = read_checkpoint(read_note(note))
    except Unreadable as error:
        raise Tampered(f"{file} does not hold the head that was signed last") from error
    return Head(checkpoint.size, "", checkpoint.root, note)


def missing(size: int, head: Head) -> str:
    """Say which entries a ledger of `size` lacks of those under a larger signed head."""
    span = f"entry {head.size} is" if head.size == size + 1 else f"entries {size + 1} to {head.size} are"
    signed = f"a head of {head.size} entries with the root {head.root.hex()} was signed"
    has = "1 entry" if size == 1 else f"{size} entries"
    return f"{span} missing ({head.size - size}): {signed}, and the ledger has only {has}"


def _root(tree: Tree, size: int) -> bytes:
    try:
        return tree.root(size)
    except LookupError as error:
        raise Tampered(f"entries below {size} are missing") from error


def require_continues(tree: Tree, size: int, known: Head, key: VerifierKey) -> None:
    """Raise Tampered unless a head was signed by the log and is the beginning of the tree of `size` entries."""
    require_signed_head(known, key)
    if known.size > size:
        raise Tampered(missing(size, known))
    if _root(tree, known.size) != known.root:
        raise Tampered(f"the first {known.size} entries are not those whose head was signed")


def require_signed_head(head: Head, key: VerifierKey) -> None:
    """Raise Tampered unless the note of a head is the log's, and speaks of this size and root."""
    try:
        note = read_note(head.note)
        require_signed(note, key)
        checkpoint = read_checkpoint(note)
    except (Unreadable, Unsigned) as error:
        raise Tampered(f"the head of {head.size} entries is not signed by {key.name}") from error
    if (checkpoint.origin, checkpoint.size, checkpoint.root) != (key.name, head.size, head.root):
        raise Tampered(f"the head of {head.size} entries differs from what was signed")


def published(head: Head, lines: Iterable[str]) -> str:
    """Return a head's note with the witnesses' lines below the log's."""
    note = read_note(head.note)
    more = (read_note(f"{note.text}\n{line}\n").signatures[0] for line in lines)
    return str(with_signatures(note, more))
