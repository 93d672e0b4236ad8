"""The recipient set of a letter: the agencies frozen when the bus accepts it, as bytes that a digest names.

The bytes are JSON with sorted keys, no blanks and UTF-8: one object, from each agency's code to what is frozen of it.
`role` is how the letter is addressed to it; `addressed` the code that the letter names, where that is not the agency's
own; `onHold` is true where the agency was suspended; `registrationDue` stands where the agency's own closures make it
later than the letter's. Consignment numbers are not in it: they are given after the acceptance is signed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Self

from bus.identifiers import AgencyCode, RawDigest
from bus.thai import BANGKOK
from bus.toml import canonical_json

TYPE = "recipients"
"""The type of a consignment that brings a sender the set of its letter."""
MOST = 20_000
MOST_NAMED = 100
"""Recipients up to which a signed acceptance names each; the set of more goes to the sender as a consignment."""
MOST_BYTES = 2 * 1024 * 1024
"""What the broker takes in one message."""
ROLES = ("to", "copy")
_CODE = re.compile(r"[0-9]{10}")
_TERMS = {"role", "addressed", "onHold", "registrationDue"}


class NoRecipientSet(ValueError):
    """Bytes that are no recipient set, or recipients of whom there can be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One member of a letter's recipient set."""

    agency: AgencyCode
    """Whose inbox takes the letter."""
    addressed: AgencyCode
    """The code that the letter names: the agency itself, or a sub-unit without an inbox of its own."""
    role: str
    on_hold: bool = False
    registration_due: str | None = None
    """Only where the agency's own closures make it later than the letter's."""

    @property
    def terms(self) -> dict[str, Any]:
        """What is frozen of it, as the set has it."""
        found: dict[str, Any] = {"role": self.role}
        if self.addressed != self.agency:
            found["addressed"] = self.addressed
        if self.on_hold:
            found["onHold"] = True
        if self.registration_due:
            found["registrationDue"] = self.registration_due
        return found


@dataclass(frozen=True, slots=True)
class RecipientSet:
    """A letter's recipients in the order of their codes, with the bytes that stand for them."""

    recipients: tuple[Recipient, ...]
    octets: bytes
    digest: RawDigest
    """SHA-256 of the octets."""

    @classmethod
    def of(cls, recipients: Iterable[Recipient]) -> Self:
        """Return the set of these recipients. Raises NoRecipientSet for none, too many, or one agency twice."""
        ordered = tuple(sorted(recipients, key=lambda one: one.agency))
        by_code = {one.agency: one.terms for one in ordered}
        octets = canonical_json(by_code)
        if not 0 < len(ordered) <= MOST or len(octets) > MOST_BYTES:
            raise NoRecipientSet(f"{len(ordered)} recipients, {len(octets)} bytes")
        if len(by_code) != len(ordered):
            raise NoRecipientSet("an agency stands in it twice")
        return cls(ordered, octets, RawDigest(hashlib.sha256(octets).hexdigest()))

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """Return the set that these bytes are. Raises NoRecipientSet for anything but a set in its one form."""
        if len(octets) > MOST_BYTES:
            raise NoRecipientSet(f"{len(octets)} bytes")
        try:
            by_code = json.loads(octets.decode())
        except (ValueError, RecursionError) as error:
            raise NoRecipientSet("it is no JSON") from error
        if not isinstance(by_code, dict):
            raise NoRecipientSet("it is no JSON object")
        found = cls.of(_recipient(code, terms) for code, terms in by_code.items())
        if found.octets != octets:
            # Also what stands in it twice: the bytes that follow from what was read have it once.
            raise NoRecipientSet("it is not in canonical form")
        return found

    @property
    def codes(self) -> tuple[AgencyCode, ...]:
        """The agencies whose inboxes take the letter, ascending."""
        return tuple(one.agency for one in self.recipients)

    @property
    def named(self) -> tuple[AgencyCode, ...]:
        """Those whom a signed acceptance names: all, or nobody where they are many."""
        return self.codes if len(self.recipients) <= MOST_NAMED else ()


def _recipient(code: str, terms: object) -> Recipient:
    """Read one member; what the writer would not have written is no member of a set."""
    if not isinstance(terms, Mapping) or not terms.keys() <= _TERMS:
        raise NoRecipientSet("what is frozen of an agency is not of this form")
    addressed, due = terms.get("addressed", code), terms.get("registrationDue")
    if not _CODE.fullmatch(code) or not isinstance(addressed, str) or not _CODE.fullmatch(addressed):
        raise NoRecipientSet("a code is not an agency's")
    if terms.get("role") not in ROLES or terms.get("onHold", True) is not True:
        raise NoRecipientSet("a role or a hold is none")
    if due is not None and not _is_time(due):
        raise NoRecipientSet("a due time is none")
    return Recipient(
        # Thousands of agencies, and many sets of them, are in memory.
        agency=AgencyCode(intern(code)),
        addressed=AgencyCode(intern(addressed)),
        role=terms["role"],
        on_hold="onHold" in terms,
        registration_due=due,
    )


def _is_time(text: object) -> bool:
    """Whether it is a time as the ledger writes one: microseconds and +07:00."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return False
    return (
        moment is not None
        and moment.tzinfo is not None
        and moment.astimezone(BANGKOK).isoformat(timespec="microseconds") == text
    )
