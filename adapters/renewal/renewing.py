"""Renewal of the seal, and of the log-in: some days before a certificate ends, the next one is asked for and used.

The next key seals from the moment at which the directory held here pins its certificate, and never before. The pin of
the one before it stays, so that what it sealed is good until that ends. The broker knows the next certificate for it by
who issued it: it is used as soon as the centre's answer brings it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Protocol

from adapters.centre import Declined
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.documents.enrolment import Answer
from bus.documents.seal import Seal
from bus.errors import Misconfigured, Transient
from bus.logs import get, in_words
from bus.thai import now

_LOG = get(__name__)
_AGAIN_AFTER = timedelta(days=1)
_LOOK_EVERY, _LOOK_RARELY, _IDLE = 2.0, 30.0, 60.0
_SOON_ANSWERED = 5
"""Looks after which a person seems to be asked: until then, nothing is worth a condition."""


class Desk(Protocol):
    """Where the next key is asked for."""

    def ask(self, signed: str, seal: Seal) -> Answer | None:
        """Return the answer, None while there is none. Raises Declined and Transient."""


class Next(Protocol):
    """What is to take the place of a pair in use, step by step; `Successor` says what each step has to do."""

    @property
    def asked(self) -> bool: ...
    def ends(self, seal: Seal) -> datetime: ...
    def due(self, seal: Seal, at: datetime, before: timedelta) -> bool: ...
    def usable(self, mailbox: Mailbox, at: datetime) -> bool: ...
    def request(self) -> str: ...
    def shown(self) -> str: ...
    def take(self, answer: Answer) -> None: ...
    def until(self) -> datetime: ...
    def put_in_place(self, before: Seal) -> None: ...
    def discard(self) -> None: ...
    def tidy(self, seal: Seal) -> None: ...


@dataclass(frozen=True, slots=True)
class _No:
    """A refusal, as the mailbox remembers it."""

    at: str
    th: str
    en: str


class Renewing:
    """Renews one pair, a step at a time; once it is renewed, whoever holds the old one has to begin anew."""

    def __init__(
        self,
        mailbox: Mailbox,
        seal: Seal,
        successor: Next,
        desk: Desk,
        *,
        days: int,
        renewed: Callable[[], object],
        source: str = "renewal",
    ) -> None:
        """`days`: before the end, from which on it is asked; 0 for never. `source`: of conditions, and of a refusal."""
        self._source = source
        self._refusal = f"{source}-refused"
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
        self._mailbox.conditions.report(self._source, found)
        return pause

    def _step(self) -> tuple[float, list[Finding]]:
        try:
            if self._taken:
                return _IDLE, []
            self._successor.tidy(self._seal)
            if not self._before:
                return _IDLE, []
            if self._successor.asked and self._successor.usable(self._mailbox, now()):
                return self._take_into_use()
            if not self._successor.due(self._seal, now(), self._before):
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

    def _take_into_use(self) -> tuple[float, list[Finding]]:
        until = self._successor.until()
        self._taken = True
        self._successor.put_in_place(self._seal)
        _LOG.info("certificate-renewed", of=self._source, until=until.isoformat())
        self._renewed()
        return _IDLE, []

    def _ask(self) -> tuple[float, list[Finding]]:
        answer = self._desk.ask(self._successor.request(), self._seal)
        if not self._looks:
            _LOG.info("renewal-asked", until=self._successor.ends(self._seal).isoformat())
        self._looks += 1
        self._postponed = False
        if answer is not None and answer.outcome == "declined":
            return self._refused(answer.reason, answer.reason)
        if answer is not None:
            self._successor.take(answer)
        if self._looks <= _SOON_ANSWERED:
            return _LOOK_EVERY, []
        fingerprint = self._successor.shown()
        return _LOOK_RARELY, [Finding(ConditionCode.RENEWAL_WAITS, "", fingerprint, fingerprint)]

    def _refused(self, th: str, en: str) -> tuple[float, list[Finding]]:
        """Remember a refusal, so that nothing is asked for a day, and then for another key."""
        _LOG.error("renewal-refused", reason=en)
        said = _No(now().isoformat(), th, en)
        self._mailbox.properties.set(self._refusal, json.dumps(asdict(said)))
        self._successor.discard()
        self._looks = 0
        return _IDLE, [Finding(ConditionCode.RENEWAL_REFUSED, "", th, en)]

    def _refused_lately(self) -> _No | None:
        text = self._mailbox.properties.get(self._refusal)
        if not text:
            return None
        said = _No(**json.loads(text))
        since = now() - datetime.fromisoformat(said.at)
        # A time to come is a clock's mistake, and keeps nobody from asking.
        return said if timedelta() <= since < _AGAIN_AFTER else None
