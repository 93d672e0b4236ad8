"""Questions about agencies that join and renew their keys, inside one transaction; they are few, and rare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import entries


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an agency's newest invitation stands."""

    invitation: Entry
    request: Entry | None
    """The one request that was made with it."""
    refused: int
    """How many requests with its secret were refused."""

    def ended(self, at: datetime) -> bool:
        """Whether its time is over."""
        return at > datetime.fromisoformat(self.invitation.body["until"])


class Enrolments:
    """Invitations, requests and answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def with_secret(self, agency: AgencyCode, secret: RawDigest) -> Standing | None:
        """Return where the invitation with this secret stands, of which the SHA-256 is given; None for a stranger."""
        of_agency = list(self._of(agency))
        invited = [one for one in of_agency if one.kind is Kind.INVITED and one.body["secret"] == secret]
        return self._standing(of_agency, invited[-1]) if invited else None

    def newest(self, agency: AgencyCode) -> Standing | None:
        """Return where an agency's newest invitation stands; None for one that was never invited."""
        of_agency = list(self._of(agency))
        invited = [one for one in of_agency if one.kind is Kind.INVITED]
        return self._standing(of_agency, invited[-1]) if invited else None

    def requested(self, digest: RawDigest) -> Entry | None:
        """Return the entry of the request with this digest."""
        return self._documented(digest, Kind.ENROLMENT_REQUESTED)

    def answer_to(self, digest: RawDigest) -> Entry | None:
        """Return the entry of the answer to a request."""
        asked = self.requested(digest)
        if asked is None:
            return None
        answers = (
            one for one in self._of(AgencyCode(asked.body["agency"])) if one.body.get("request") == digest
        )
        return next(answers, None)

    def renewals_since(self, agency: AgencyCode, since: datetime) -> int:
        """Return how many requests an agency has made since then without an invitation."""
        return sum(
            one.kind is Kind.ENROLMENT_REQUESTED and one.body.get("invitation") is None and one.at >= since
            for one in self._of(agency)
        )

    def waiting(self) -> list[Entry]:
        """Return the requests that nobody has answered, in order."""
        answered = {one.body["request"] for one in self._every(Kind.ENROLMENT_ANSWERED)}
        return [one for one in self._every(Kind.ENROLMENT_REQUESTED) if one.document not in answered]

    def _standing(self, of_agency: list[Entry], invitation: Entry) -> Standing:
        under = [one for one in of_agency if one.body.get("invitation") == invitation.seq]
        request = next((one for one in under if one.kind is Kind.ENROLMENT_REQUESTED), None)
        return Standing(invitation, request, sum(one.kind is Kind.ENROLMENT_REFUSED for one in under))

    def _of(self, agency: AgencyCode) -> Iterator[Entry]:
        kinds = (Kind.INVITED, Kind.ENROLMENT_REQUESTED, Kind.ENROLMENT_REFUSED, Kind.ENROLMENT_ANSWERED)
        mine = select(entries.c.body).where(entries.c.kind.in_(kinds), entries.c.agency == agency)
        return (Entry(json.loads(text)) for text in self._connection.scalars(mine.order_by(entries.c.seq)))

    def _documented(self, digest: RawDigest, kind: Kind) -> Entry | None:
        query = select(entries.c.body).where(entries.c.document == bytes.fromhex(digest))
        found = (Entry(json.loads(text)) for text in self._connection.scalars(query))
        return next((one for one in found if one.kind is kind), None)

    def _every(self, kind: Kind) -> list[Entry]:
        query = select(entries.c.body).where(entries.c.kind == kind).order_by(entries.c.seq)
        return [Entry(json.loads(text)) for text in self._connection.scalars(query)]
