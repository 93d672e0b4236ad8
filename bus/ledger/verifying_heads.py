"""Verifying the signed heads: at the size of each, the tree that was computed has the root that was signed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from bus.ledger.checkpoint import Tampered, missing, require_signed_head
from bus.ledger.findings import Report, guarded
from bus.ledger.heads import Heads
from bus.ledger.merkle import Frontier
from bus.ledger.rows import Head
from bus.verifier.notes import VerifierKey

CUT_OFF = "entry.cut-off"


class SignedHeads:
    """The signed heads, in order, each to be compared when so many entries have been seen."""

    def __init__(
        self, connection: Connection, key: VerifierKey, report: Report, known: Sequence[Head]
    ) -> None:
        self._heads = Heads(connection)
        self._key = key
        self._report = report
        self._known = sorted((one for one in known if one.size > report.since), key=lambda one: -one.size)
        self.known_sizes = tuple(one.size for one in self._known)
        self._waiting: list[Head] = []
        self.checked = 0
        self.newest = report.since
        """The size of the largest head that agreed."""
        self.agreed: Head | None = None
        """That head itself, if it is signed and is not `since`."""
        self._load(report.since)

    def check(self, frontier: Frontier) -> None:
        """Compare the heads of this size."""
        for waiting in (self._waiting, self._known):
            while waiting and waiting[-1].size <= frontier.size:
                self._compare(waiting.pop(), frontier)
                if not self._waiting:
                    self._load(frontier.size)
                    break

    def check_rest(self, size: int) -> None:
        """Note the heads of more entries than there are."""
        while self._waiting or self._known:
            head = (self._waiting or self._known).pop()
            self._report.note(CUT_OFF, f"checkpoint {head.size}", missing(size, head))
            if not self._waiting:
                self._load(max(head.size, size))

    def _compare(self, head: Head, frontier: Frontier) -> None:
        self.checked += 1
        where = f"checkpoint {head.size}"
        with guarded(self._report, where):
            try:
                require_signed_head(head, self._key)
            except Tampered as error:
                self._report.note("checkpoint.signature", where, str(error))
            if (head.size, head.root) == (frontier.size, frontier.root()):
                self.newest = max(self.newest, head.size)
                self.agreed = head
            else:
                said = f"the first {head.size} entries are not those that were signed"
                self._report.note("tree.root", where, said)

    def _load(self, after: int) -> None:
        self._waiting[:] = self._heads.above(after)[::-1]
