"""The local users as pages see them: who a name and a password are, and whether a session is still good."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from bus import logs
from bus.errors import Misconfigured
from bus.logs import in_words
from bus.operators import Operator
from bus.people import People, Person, Roster

_log = logs.get("pages")


@dataclass(frozen=True, slots=True)
class Found:
    """A local user whose password was right."""

    person: Operator
    account: str
    """What is known of the account now; a change of role or password gives another."""


class LocalUsers:
    """The people's file, read again when it has changed; for threads."""

    def __init__(self, file: Path, roster: Roster) -> None:
        self._file = file
        self._roster = roster
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._people = People(file, roster=roster)

    def verified(self, name: str, password: str) -> Found | None:
        """Return who has this name and password. Raises Misconfigured for a file that cannot be used."""
        people = self._now()
        person = people.verified(name, password)
        return None if person is None else Found(person.by("local"), _account(person))

    def account_of(self, name: str) -> str | None:
        """Return what is known of a name's account; None for nobody here. Raises Misconfigured as `verified`."""
        person = self._now().by_name(name)
        return None if person is None else _account(person)

    def admitted(self, person: Operator) -> Found | None:
        """Return a local user as the file has that person now; None for nobody there, and for another role."""
        found = self._now().by_name(person.name)
        return None if found is None or found.role != person.role else Found(person, _account(found))

    def is_still(self, person: Operator, account: str) -> bool:
        """Whether an account is as it was when a session began; not while the file cannot be used."""
        try:
            return self.account_of(person.name) == account
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


def _account(person: Person) -> str:
    """Name, role and password as one digest, so that a session keeps nothing of the password's own."""
    return hashlib.sha256("\0".join((person.name, person.role, person.password or "")).encode()).hexdigest()
