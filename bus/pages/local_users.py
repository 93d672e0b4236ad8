"""Who somebody is here, by a password or by what a provider says, and whether a session is still good."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bus import logs
from bus.errors import Misconfigured
from bus.logs import in_words
from bus.operators import Operator
from bus.people import People, Person, Roster

_log = logs.get("pages")


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody who may enter."""

    person: Operator
    account: str
    """What is known of the account now; a change of role, of password or of who it is here gives another."""
    shown: str
    """How pages call the person."""


class LocalUsers:
    """The people's file, read again when it has changed; for threads."""

    def __init__(self, file: Path, roster: Roster) -> None:
        self._file = file
        self._roster = roster
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._people = People(file, roster=roster)

    def how_many(self) -> int:
        """Return how many there are. Raises Misconfigured for a file that cannot be used."""
        return len(self._now().persons)

    def verified(self, name: str, password: str) -> Found | None:
        """Return who has this name and password. Raises Misconfigured for a file that cannot be used."""
        people = self._now()
        person = people.verified(name, password)
        return None if person is None else _found(person)

    def account_of(self, name: str) -> str | None:
        """Return what is known of a name's account; None for nobody here. Raises Misconfigured as `verified`."""
        person = self._now().by_name(name)
        return None if person is None else _account(person)

    def of_provider(self, subject: str, name: str, role: StrEnum | None, shown: str = "") -> Found | None:
        """Return who somebody of an OpenID provider is here: the local user whose `oidc` it is, or oneself.

        None for a name that another one has here: the ledger would say that one did what the other did. Raises
        Misconfigured as `verified`.
        """
        people = self._now()
        account = hashlib.sha256(f"oidc\0{subject}".encode()).hexdigest()
        if (local := people.by_subject(subject)) is not None:
            return Found(Operator(local.name, role, "oidc"), account, local.shown)
        taken = people.by_name(name) is not None
        return None if taken else Found(Operator(name, role, "oidc", subject), account, shown or name)

    def admitted(self, person: Operator, shown: str = "") -> Found | None:
        """Return somebody as the file has that person now; None for nobody there, for another role, another account."""
        local = self._now().by_name(person.name)
        if person.method != "oidc":
            return _found(local) if local is not None and local.role == person.role else None
        subject = person.subject or (local.oidc if local is not None else None)
        found = None if subject is None else self.of_provider(subject, person.name, person.role, shown)
        return found if found is not None and found.person == person else None

    def is_still(self, person: Operator, account: str) -> bool:
        """Whether an account is as it was when a session began; not while the file cannot be used."""
        try:
            found = self.admitted(person)
            return found is not None and found.account == account
        except Misconfigured as wrong:
            _log.error("people-unusable", reason=in_words(wrong))
            return False

    def _now(self) -> People:
        with self._lock:
            seen = _state(self._file)
            if seen != self._seen:
                self._seen = None
                self._people = People.read(self._file, self._roster)
                self._seen = seen
            return self._people


def _state(file: Path) -> tuple[int, ...] | None:
    """What changes when a file is written or put in another's place; None where there is none."""
    try:
        at = file.stat()
    except FileNotFoundError:
        return None
    except OSError:
        return ()
    return (at.st_mtime_ns, at.st_ino, at.st_size, at.st_mode)


def _found(person: Person) -> Found:
    return Found(person.by("local"), _account(person), person.shown)


def _account(person: Person) -> str:
    """Name, role and password as one digest, so that a session keeps nothing of the password's own."""
    return hashlib.sha256("\0".join((person.name, person.role, person.password or "")).encode()).hexdigest()
