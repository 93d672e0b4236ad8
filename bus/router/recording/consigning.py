"""The hand that gives consignments out under one append, and what the rest of gate 8 shares."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypedDict

from bus.documents import recipients
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.ledger.rows import Consignment
from bus.ledger.store import Writer
from bus.ledger.work import Lease
from bus.router.delivery import Delivery
from bus.thai import now

LEASE_FOR = timedelta(seconds=30)
EXCEEDING = "share-exceeded"
"""The flag by which an agency is told that it sends more than its share, and that all others go before it."""
_ANSWERS = frozenset({"verdict", "entry", recipients.TYPE})
_LEASED_AT_ONCE = 64
"""How many consignments of one letter the router that accepted it publishes by itself; the rest it leases in turn."""


class Stale(Exception):
    """The snapshot that the gates judged by is out of date; the submission is to be examined again."""


class Consigner:
    """Gives consignments out under one append and remembers what this router will publish itself."""

    def __init__(self, writer: Writer, router: str) -> None:
        self.writer = writer
        self.consigned: list[Consignment] = []
        self.alarms: list[tuple[str, dict[str, Any]]] = []
        """What somebody has to look at once this is committed."""
        self.left = False
        """Whether something was consigned that the sweep has to lease."""
        # By the clock and not by the ledger's time, which stays ahead after a clock that was ahead is put right.
        self._lease = Lease(router, now() + LEASE_FOR)

    def consign(
        self,
        agency: AgencyCode,
        number: int,
        *,
        type: str,
        entry: int,
        body: bytes,
        headers: Mapping[str, Any],
        letter: int | None = None,
        on_hold: bool = False,
        kept: RawDigest | None = None,
    ) -> None:
        # The answer to the submitting agency does not wait for the sweep behind a circular.
        leased = not on_hold and (len(self.consigned) < _LEASED_AT_ONCE or type in _ANSWERS)
        full = self.writer.consign(
            agency,
            number,
            type=type,
            entry=entry,
            document=kept or self.writer.keep(body),
            headers=headers,
            letter=letter,
            on_hold=on_hold,
            lease=self._lease if leased else None,
        )
        self.left = self.left or not (leased or on_hold)
        if leased:
            self.consigned.append(Consignment(agency, number, entry, letter, type, full, body))

    def repeat(self, agency: AgencyCode, number: int) -> str:
        """Say again what was said under this number."""
        self.writer.repeat(agency, number)
        self.left = True
        return "repeated"

    def number(self, agency: AgencyCode) -> int:
        """Take the next consignment number of one inbox."""
        return self.writer.numbers([agency])[agency]


class Bound(TypedDict, total=False):
    """The id that a verdict binds, and the content that it is bound to."""

    id: str
    digest: ContentDigest


def still_unanswered(
    writer: Writer, agency: AgencyCode, type: str, id: str, digest: ContentDigest, *, fact: bool = False
) -> None:
    """Raise Stale if this submission has got a verdict since the gates looked, but for one of circumstance.

    `fact`: it is identified by what it says, so that another content under its id says nothing about it.
    """
    verdict = writer.verdict_on(agency, type, id)
    if verdict is None or (fact and verdict.digest != digest):
        return
    if verdict.binds_other(digest) or verdict.code is None or not RefusalCode(verdict.code).circumstantial:
        raise Stale


def bound(writer: Writer, agency: AgencyCode, type: str, id: str, digest: ContentDigest) -> Bound:
    """Return what a verdict binds: an id belongs to the content that bore it first, also that of a machine's notice."""
    first = writer.verdict_on(agency, type, id)
    return {"id": id, "digest": digest} if first is None or not first.binds_other(digest) else {}


def answer_headers(
    delivery: Delivery, about: str, flags: list[str], *, digest: ContentDigest | None = None
) -> dict[str, Any]:
    """Return the headers by which a sender knows what is answered, also if it has sealed that anew since."""
    headers: dict[str, Any] = {"raw-sha256": delivery.sha256}
    if about:
        headers["about"] = about
    if digest:
        headers["digest"] = digest
    if delivery.exceeding:
        flags = [*flags, EXCEEDING]
    if flags:
        headers["flags"] = ",".join(flags)
    return headers
