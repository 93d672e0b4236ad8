"""What the directory holds, and what it answers."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bus.directory.authorities import Authority, PinnedOrganization, Vouched
from bus.identifiers import MAIN, AgencyCode
from bus.thai import normalise_number

EVERYONE: Final = AgencyCode("*")
"""As the only member of a group: every agency that has an inbox of its own."""
BUS: Final = AgencyCode("bus")
"""The name under which the bus itself has certificates."""
READS_BY_DEFAULT: Final = ("letter/1.0", "notice/1.0")

State = Literal["active", "suspended"]
Relation = Literal["parent", "successor"]
Login = Literal["password", "certificate"]


@dataclass(frozen=True, kw_only=True)
class PinnedCertificate:
    """A certificate that speaks for an agency or the bus, until it is revoked. (Without slots, for what is cached.)"""

    pem: str
    """Read when it is first needed: of thousands, few are."""
    revoked_at: datetime | None = None

    @classmethod
    def of(cls, certificate: x509.Certificate, *, revoked_at: datetime | None = None) -> PinnedCertificate:
        """Pin a certificate."""
        pem = certificate.public_bytes(Encoding.PEM).decode().strip()
        return cls(pem=pem, revoked_at=revoked_at)

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The certificate. Raises ValueError for what is none; `reading.py` has looked before."""
        return x509.load_pem_x509_certificate(self.pem.encode())

    @property
    def der(self) -> bytes:
        """Its DER form."""
        return b64decode("".join(self.pem.splitlines()[1:-1]))

    @cached_property
    def fingerprint(self) -> str:
        """Lower-case hexadecimal SHA-256 of its DER form."""
        return hashlib.sha256(self.der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """A state agency, or a unit of one."""

    code: AgencyCode
    """Ten digits: two of the ministry, three of the department, five of the sub-unit."""
    name_th: str
    name_en: str
    abbrev_th: str = ""
    abbrev_en: str = ""
    prefixes: tuple[str, ...] = ()
    """How its letter numbers begin; a number that begins otherwise is worth a warning, never a refusal."""
    state: State = "active"
    inbox: bool = True
    """Whether it has an inbox of its own; without one, its letters go to its parent."""
    cluster: str = MAIN
    """The broker cluster that its inbox and its intake queue are on."""
    parent: AgencyCode | None = None
    successor: AgencyCode | None = None
    """The agency that took over its letters, by merger or renaming."""
    reads: tuple[str, ...] = READS_BY_DEFAULT
    """The document versions that its adapter understands."""
    sealed: bool = False
    """Whether it is enrolled for letters sealed end to end (secrecy 002 and 003)."""
    organization: str | None = None
    """The thirteen digits under which the state knows it as an organization, where it has them."""
    certificates: tuple[PinnedCertificate, ...] = ()
    vouched: tuple[PinnedOrganization, ...] = ()
    """For whose certificates a public authority vouches, beside the certificates that are pinned one by one."""
    broker_login: Login = "password"
    """How its adapter logs in to the broker; by certificate, its user there has no password at all."""
    witness: str | None = None
    """The public key with which its adapter cosigns the ledger's heads (`bus.verifier.notes`)."""

    @property
    def active(self) -> bool:
        """Whether it may send, and is sent to at once; what a suspended agency is to get is held."""
        return self.state == "active"

    def without_key(self, at: datetime) -> bool:
        """Whether every key that it had is revoked by then: it has nothing to say, and no user at the broker."""
        ends = [*(pin.revoked_at for pin in self.certificates), *(pin.revoked_at for pin in self.vouched)]
        return bool(ends) and all(end is not None and end <= at for end in ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Agencies that one receiver of a letter may stand for."""

    id: str
    name_th: str
    name_en: str
    members: tuple[AgencyCode, ...]
    """Codes, or `EVERYONE` alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A subject of announcements, and who subscribed to it."""

    id: str
    name_th: str
    name_en: str
    subscribers: tuple[AgencyCode, ...]
    """As of a group's members."""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """One version of the directory. (Without slots, for what is cached.)"""

    version: int
    agencies: Mapping[AgencyCode, Agency]
    groups: Mapping[str, Group] = field(default_factory=dict)
    topics: Mapping[str, Topic] = field(default_factory=dict)
    authorities: Mapping[str, Authority] = field(default_factory=dict)
    """Public authorities, by their ids."""
    bus_certificates: tuple[PinnedCertificate, ...] = ()
    follows: int | None = field(default=None, compare=False)
    """The version that its file was made from, where the file says so; no part of what it holds."""

    @cached_property
    def inboxes(self) -> tuple[AgencyCode, ...]:
        """The codes of all agencies that have an inbox of their own, suspended ones included."""
        return tuple(code for code, agency in self.agencies.items() if agency.inbox)

    @cached_property
    def _by_cluster(self) -> Mapping[str, tuple[AgencyCode, ...]]:
        found: dict[str, list[AgencyCode]] = {}
        for code in self.inboxes:
            found.setdefault(self.agencies[code].cluster, []).append(code)
        return {cluster: tuple(codes) for cluster, codes in found.items()}

    @property
    def clusters(self) -> Collection[str]:
        """The broker clusters that agencies are on."""
        return self._by_cluster.keys()

    def inboxes_on(self, cluster: str) -> tuple[AgencyCode, ...]:
        """The codes of the agencies whose inboxes are on a broker cluster."""
        return self._by_cluster.get(cluster, ())

    def cluster_of(self, code: AgencyCode) -> str | None:
        """The broker cluster that an agency's inbox is on; None for a stranger and for a unit without an inbox."""
        agency = self.agencies.get(code)
        return agency.cluster if agency is not None and agency.inbox else None

    def has_inbox(self, code: AgencyCode) -> bool:
        """Whether an agency has an inbox of its own; False for a stranger."""
        agency = self.agencies.get(code)
        return agency is not None and agency.inbox

    def pins(self, code: AgencyCode) -> tuple[PinnedCertificate, ...]:
        """The certificates that speak for an agency, or for the bus when `code` is `bus`; none for a stranger."""
        if code == BUS:
            return self.bus_certificates
        agency = self.agencies.get(code)
        return agency.certificates if agency else ()

    def vouched(self, code: AgencyCode) -> tuple[Vouched, ...]:
        """The organizations that speak for an agency by whatever certificate a public authority issues to them."""
        agency = self.agencies.get(code)
        return tuple(
            Vouched(self.authorities[pin.authority], pin.organization, pin.revoked_at)
            for pin in (agency.vouched if agency else ())
            if pin.authority in self.authorities
        )

    def inbox_of(self, code: AgencyCode) -> AgencyCode | None:
        """Whose inbox a letter to `code` goes to: its own, or its nearest parent's; None for a stranger."""
        return next((each.code for each in self.line(code, "parent") if each.inbox), None)

    def speaks_for(self, agency: AgencyCode, code: AgencyCode) -> bool:
        """Whether a document written by `code` may come from `agency`: its own, or that of a unit without an inbox."""
        return code == agency or self.inbox_of(code) == agency

    def line(self, code: AgencyCode | None, relation: Relation) -> Iterator[Agency]:
        """An agency, its parent (or successor), that one's, and so on; it ends, even in a circle."""
        seen: set[str] = set()
        while code is not None and code in self.agencies and code not in seen:
            seen.add(code)
            agency = self.agencies[code]
            yield agency
            code = agency.parent if relation == "parent" else agency.successor

    def members(self, group: str) -> tuple[AgencyCode, ...] | None:
        """The codes of a group's members; None for an unknown group."""
        found = self.groups.get(group)
        return self._everyone_of(found.members) if found else None

    def subscribers(self, topic: str) -> tuple[AgencyCode, ...] | None:
        """The codes of a topic's subscribers; None for an unknown topic."""
        found = self.topics.get(topic)
        return self._everyone_of(found.subscribers) if found else None

    def _everyone_of(self, codes: tuple[AgencyCode, ...]) -> tuple[AgencyCode, ...]:
        return self.inboxes if codes == (EVERYONE,) else codes

    def addressed(
        self, *, agency: AgencyCode | None = None, group: str | None = None, topic: str | None = None
    ) -> tuple[AgencyCode, ...] | None:
        """The codes that an addressee of a letter stands for; None for an unknown group or topic."""
        if agency:
            return (agency,)
        return self.members(group) if group else self.subscribers(topic or "")

    def reads(self, code: AgencyCode, version: str) -> bool:
        """Whether the adapter at whose inbox letters to `code` arrive understands `version` (`letter/1.0`)."""
        agency = self.agencies.get(code)
        if agency is not None and not agency.inbox:
            agency = self.agencies.get(self.inbox_of(code) or AgencyCode(""))
        return agency is not None and version in agency.reads

    def prefix_fits(self, code: AgencyCode, number: str) -> bool:
        """Whether a normalised letter number begins as this agency's do; True where none are stated."""
        agency = self.agencies.get(code)
        if agency is None or not agency.prefixes:
            return True
        return any(_begins(number, normalise_number(prefix)) for prefix in agency.prefixes)


def _begins(number: str, prefix: str) -> bool:
    """Whether a number begins with a prefix; `นร 05` fits `นร 0505/1`, and `สพร` fits `สพร 1/2` but not `สพรม 1/2`."""
    if not number.startswith(prefix):
        return False
    following = number[len(prefix) :][:1]
    # Thai vowels and tone marks are no letters to `isalpha`.
    goes_on = following.isalpha() or "\u0e30" <= following <= "\u0e4e"
    return prefix[-1:].isdigit() or not goes_on
