"""The adapter as a witness of the ledger: it believes a head only if that continues the one it believes already.

Heads come with every consignment, and from the log itself. For each new one a proof of consistency is demanded. A head
that is older and consistent is stale, as after a redelivery, and no more is made of it. One that contradicts what is
believed is an alarm: both are kept as evidence. The heads that the bus asks for are cosigned with the agency's own key.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from adapters.log import LogClient, Shorter
from adapters.mailbox import Mailbox
from bus.documents.notes import NoteKey
from bus.documents.reports import Cosigned, sealed
from bus.documents.seal import Seal
from bus.logs import get
from bus.thai import now
from bus.verifier.merkle import Unproven, require_consistency
from bus.verifier.notes import (
    Checkpoint,
    Note,
    Unreadable,
    Unsigned,
    VerifierKey,
    read_checkpoint,
    read_note,
    require_signed,
)

_LOG = get(__name__)
HEADER = "checkpoint"
_LONGEST = 4 * 1024 * 1024
COSIGNED_SIZE = "cosigned-size"
NOT_PINNED_SINCE = "witness-key-not-pinned-since"
NOT_PINNED_DO = (
    "send the line that `saraban-adapter log key` prints to the operator of the bus, for agencies.toml"
)
Publish = Callable[[str, bytes], Awaitable[None]]
"""From a report's id and octets to the broker's confirm."""


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """The log that is witnessed, and the key to cosign with."""

    log: VerifierKey
    own: NoteKey | None
    """None for an agency that watches and does not cosign."""


class Witness:
    """Looks at what came, asks the log, cosigns what it is asked for."""

    def __init__(
        self,
        mailbox: Mailbox,
        seal: Seal,
        keys: WitnessKeys,
        log: LogClient,
        publish: Publish,
        *,
        every: float,
    ) -> None:
        """`every`: seconds between looks."""
        self._mailbox = mailbox
        self._seal = seal
        self._keys = keys
        self._log = log
        self._publish = publish
        self._every = every
        self._looked_at = 0
        self._last = ""
        """The head that was looked at last: most messages bear the same."""

    async def work(self) -> float:
        """Look at every head that came with a message, in order, and at the newest anchor; cosign the latter."""
        while rows := self._mailbox.heads.arrived_with(self._looked_at):
            for row, headers in rows:
                came = json.loads(headers).get(HEADER)
                if isinstance(came, str):
                    await self.look(came)
                # Only now: a head that could not be judged because the log was away is looked at again.
                self._looked_at = row
        anchor = await self._log.anchor()
        if anchor is not None and await self.look(anchor):
            await self._cosign(anchor)
        return self._every

    async def look(self, text: str) -> bool:
        """Whether a head is the log's and agrees with what is believed. Raises Transient while that cannot be told."""
        if text == self._last:
            return True
        held = self._mailbox.heads.newest()
        try:
            note = read_note(text[:_LONGEST])
            require_signed(note, self._keys.log)
            head = read_checkpoint(note)
            if head.origin != self._keys.log.name:
                raise Unreadable(f"a head of {head.origin}")
        except (Unreadable, Unsigned) as error:
            # Anybody can make such a thing: it is believed by nobody, and proves nothing against the log.
            _LOG.error("head-unsigned", reason=error)
            return False
        if held is None:
            self._mailbox.heads.keep(head.size, head.root, self._plain(note))
            return True
        known = self._mailbox.heads.of_size(head.size)
        if known is not None:
            same = known.root == head.root
            return same or self._alarm("two heads of one size", known.note, text)
        return await self._compare(Checkpoint(head.origin, held.size, held.root), held.note, head, note)

    async def _compare(self, held: Checkpoint, held_note: str, head: Checkpoint, note: Note) -> bool:
        older, newer = sorted((held, head), key=lambda one: one.size)
        try:
            proof = await self._log.consistency(older.size, newer.size)
            require_consistency(older.size, older.root, newer.size, newer.root, proof)
        except Shorter as error:
            return self._alarm(f"the log was cut off: {error}", held_note, str(note))
        except Unproven as error:
            return self._alarm(f"the log was rewritten: {error}", held_note, str(note))
        # An older one is stale and consistent; keeping it spares the next proof.
        self._mailbox.heads.keep(head.size, head.root, self._plain(note))
        self._last = str(note)
        return True

    def _plain(self, note: Note) -> str:
        """The note with the log's signature alone: what others wrote below it is no part of what is believed."""
        log = self._keys.log
        own = [each for each in note.signatures if (each.name, each.id) == (log.name, log.id)]
        return str(Note(note.text, tuple(own)))

    async def _cosign(self, text: str) -> None:
        note = read_note(text)
        size = read_checkpoint(note).size
        if self._keys.own is None or size <= int(self._mailbox.properties.get(COSIGNED_SIZE) or 0):
            return
        if not self._is_pinned(self._keys.own.verifier):
            return
        line = self._keys.own.cosign(note, int(time.time()))
        report = Cosigned(id=uuid4(), agency=self._mailbox.agency, size=size, line=str(line))
        await self._publish(str(report.id), sealed(report, self._seal))
        self._mailbox.properties.set(COSIGNED_SIZE, str(size))
        _LOG.info("head-cosigned", size=size)

    def _is_pinned(self, own: VerifierKey) -> bool:
        """Whether the directory names this key: the bus would refuse every cosignature of another.

        Without a directory nobody knows. The state is kept, so that it is said once and not at every look.
        """
        directory = self._mailbox.directory()
        if directory is None:
            return True
        agency = directory.agencies.get(self._mailbox.agency)
        pinned = agency is not None and agency.witness == str(own)
        before = self._mailbox.properties.get(NOT_PINNED_SINCE) or ""
        if not pinned and not before:
            self._mailbox.properties.set(NOT_PINNED_SINCE, now().isoformat())
            _LOG.warning("witness-key-not-pinned", do=NOT_PINNED_DO)
        elif pinned and before:
            self._mailbox.properties.set(NOT_PINNED_SINCE, "")
            _LOG.info("witness-key-pinned", not_pinned_since=before)
        return pinned

    def _alarm(self, reason: str, held: str, shown: str) -> bool:
        if self._mailbox.heads.alarm(reason, held, shown):
            _LOG.critical("heads-inconsistent", reason=reason)
        return False
