"""Renewal of the seal: from some days before its certificate ends, the next one is asked for and taken into use.

The next key seals from the moment at which the directory held here pins its certificate, and never before. The pin of
the one before it stays, so that what it sealed is good until that ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from adapters.centre import Declined
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.keys import key_state
from adapters.renewal.successor import Successor
from bus.documents.enrolment import Answer
from bus.documents.seal import Seal
from bus.errors import Misconfigured, Transient
from bus.logs import get, in_words
from bus.thai import now

_LOG = get(__name__)
_SOURCE = "renewal"
_REFUSED = "renewal-refused"
"""When the centre refused a renewal last, and why: a property of the mailbox."""
_AGAIN_AFTER = timedelta(days=1)
_LOOK_EVERY, _LOOK_RARELY, _IDLE = 2.0, 30.0, 60.0
_SOON_ANSWERED = 5
"""Looks after which a person seems to be asked: until then, nothing is worth a condition."""


class Desk(Protocol):
    """Where the next key is asked for."""

    def ask(self, signed: str, seal: Seal) -> Answer | None:
        """Return the answer, None while there is none. Raises Declined and Transient."""


@dataclass(frozen=True, slots=True)
class _No:
    """A refusal, as the mailbox remembers it."""

    at: str
    th: str
    en: str


class Renewing:
    """Renews one seal, a step at a time; once it is renewed, whoever holds the old one has to begin anew."""

    def __init__(
        self,
        mailbox: Mailbox,
        seal: Seal,
        successor: Successor,
        desk: Desk,
        *,
        days: int,
        renewed: Callable[[], object],
    ) -> None:
        """`days`: before the end, from which on it is asked; 0 for never."""
        self._mailbox = mailbox
        self._seal = seal
        self._successor = successor
        self._desk = desk
        self._before = timedelta(days=days)
        self._renewed = renewed
        self._looks = 0
        self._postponed = False
        self._taken = False
        """Whether the next seal is in place, and this one is to do no more."""

    def step(self) -> float:
        """Do what can be done now; give the seconds until the next look."""
        pause, found = self._step()
        self._mailbox.conditions.report(_SOURCE, found)
        return pause

    def _step(self) -> tuple[float, list[Finding]]:
        try:
            if self._taken:
                return _IDLE, []
            self._successor.tidy(self._seal)
            if not self._before:
                return _IDLE, []
            if self._successor.asked and self._pinned():
                return self._take_into_use()
            if not self._due(now()):
                return _IDLE, []
            if said := self._refused_lately():
                return _IDLE, [Finding(ConditionCode.RENEWAL_REFUSED, "", said.th, said.en)]
            return self._ask()
        except Declined as no:
            return self._refused(no.th, no.en)
        except Transient as away:
            if not self._postponed:
                _LOG.warning("renewal-postponed", reason=away)
            self._postponed = True
            return _LOOK_RARELY, []
        except (Misconfigured, OSError) as wrong:
            why = in_words(wrong)
            return _IDLE, [Finding(ConditionCode.RENEWAL_IMPOSSIBLE, "", why, why)]

    def _due(self, at: datetime) -> bool:
        """Whether the certificate is our own kind, in force, and near its end: another one's authority renews it."""
        certificate = self._seal.certificate
        begins = certificate.not_valid_after_utc - self._before
        return begins < at <= certificate.not_valid_after_utc and self_signed(certificate)

    def _pinned(self) -> bool:
        """Whether what the next key seals is believed: it may have been pinned while this one's certificate ended."""
        certificate = self._successor.seal().certificate
        return key_state(certificate, self._mailbox.agency, self._mailbox.directory(), now()).good

    def _take_into_use(self) -> tuple[float, list[Finding]]:
        until = self._successor.seal().certificate.not_valid_after_utc
        self._taken = True
        self._successor.put_in_place(self._seal)
        _LOG.info("seal-renewed", until=until.isoformat())
        self._renewed()
        return _IDLE, []

    def _ask(self) -> tuple[float, list[Finding]]:
        answer = self._desk.ask(self._successor.request(), self._seal)
        if not self._looks:
            _LOG.info("renewal-asked", until=self._seal.certificate.not_valid_after_utc.isoformat())
        self._looks += 1
        self._postponed = False
        if answer is not None and answer.outcome == "declined":
            return self._refused(answer.reason, answer.reason)
        if self._looks <= _SOON_ANSWERED:
            return _LOOK_EVERY, []
        fingerprint = self._successor.seal().fingerprint
        return _LOOK_RARELY, [Finding(ConditionCode.RENEWAL_WAITS, "", fingerprint, fingerprint)]

    def _refused(self, th: str, en: str) -> tuple[float, list[Finding]]:
        """Remember a refusal, so that nothing is asked for a day, and then for another key."""
        _LOG.error("renewal-refused", reason=en)
        said = _No(now().isoformat(), th, en)
        self._mailbox.properties.set(_REFUSED, json.dumps(asdict(said)))
        self._successor.discard()
        self._looks = 0
        return _IDLE, [Finding(ConditionCode.RENEWAL_REFUSED, "", th, en)]

    def _refused_lately(self) -> _No | None:
        text = self._mailbox.properties.get(_REFUSED)
        if not text:
            return None
        said = _No(**json.loads(text))
        since = now() - datetime.fromisoformat(said.at)
        # A time to come is a clock's mistake, and keeps nobody from asking.
        return said if timedelta() <= since < _AGAIN_AFTER else None


def self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate vouches for itself, as those that the programs make."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
