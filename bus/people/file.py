"""The local users' file: names, roles, hashes of passwords and of operator's keys; for its owner only."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

import tomli_w

from bus.documents.keys import replace_private, write_private
from bus.errors import Misconfigured, Problem
from bus.operators import Method, Operator, Role
from bus.people import hashing, keys
from bus.platform.process import open_to_others
from bus.toml import Table, read_toml

MOST_NAME: Final = 80
_NAME: Final = re.compile(r"[^\s,](?:[^,\t\n]*[^\s,])?")
_SUBJECT: Final = r"https?://\S+ \S.{0,254}"


@dataclass(frozen=True, slots=True)
class Roster:
    """Whose people a file has: what they may be, and how they are named and written."""

    roles: type[StrEnum]
    setting: str
    """The setting that names the file."""
    command: str
    """The command that writes it."""
    title: str
    """Whose people they are, in Thai."""

    @property
    def head(self) -> str:
        """What the file begins with."""
        return f"# {self.title} · The people who may act and read here. Written by `{self.command}`.\n\n"


CENTRE: Final = Roster(Role, "console.people", "saraban-bus console user", "ผู้ใช้ของศูนย์กลาง")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in by password, or act by an operator's key, or both."""

    name: str
    """By it the person signs in, and by it stands in the ledger."""
    role: StrEnum
    added_at: datetime
    display_name: str = ""
    """How pages call the person; empty: by the name."""
    password: str | None = field(default=None, repr=False)
    """The argon2id hash of the password; None of whoever does not sign in by one."""
    key: str | None = field(default=None, repr=False)
    """The SHA-256 of the operator's key; None of whoever has none."""
    oidc: str | None = None
    """Issuer and subject, a blank between them, by which an OpenID provider knows this same person."""

    @property
    def shown(self) -> str:
        """The name for pages."""
        return self.display_name or self.name

    def by(self, method: Method) -> Operator:
        """Return the person as who acts, known by this method."""
        return Operator(self.name, self.role, method)


def account_at(issuer: str, subject: str) -> str:
    """Return how an account of an OpenID provider stands in `Person.oidc`."""
    return f"{issuer} {subject}"


def bound(person: Person, subject: str | None, issuer: str | None, setting: str) -> Person:
    """Return a person bound to a subject of the provider, or to none; Misconfigured where `setting` names no issuer."""
    if subject is None:
        return replace(person, oidc=None)
    if issuer is None:
        fix = "Set it to the provider of which the subject is"
        raise Misconfigured(Problem("settings", setting, "is not set", fix))
    return replace(person, oidc=account_at(issuer, subject))


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in a file, in the order in which they were added; changes give another value, to be written."""

    file: Path
    persons: tuple[Person, ...] = ()
    roster: Roster = CENTRE

    @classmethod
    def read(cls, file: Path, roster: Roster = CENTRE) -> Self:
        """Read a file; nobody where there is none. Raises Misconfigured with all its mistakes."""
        try:
            with file.open("rb") as opened:
                is_open = open_to_others(opened.fileno())
        except FileNotFoundError:
            return cls(file, roster=roster)
        except OSError as exc:
            wrong = f"cannot be read ({exc.strerror})"
            raise Misconfigured(Problem(str(file), roster.setting, wrong, "Mend its rights")) from exc
        if is_open:
            fix = f"Run chmod 600 {file}"
            raise Misconfigured(Problem(str(file), roster.setting, "can be read by others", fix))
        return cls(file, _persons(file, roster), roster)

    def by_name(self, name: str) -> Person | None:
        """Return who has this name."""
        wanted = _one_form(name)
        return next((one for one in self.persons if one.name == wanted), None)

    def verified(self, name: str, password: str) -> Person | None:
        """Return who has this name and this password. An unknown name takes as long as a wrong password."""
        person = self.by_name(name)
        hashed = person.password if person is not None else None
        right = hashing.matches(hashed or hashing.NOBODY, password)
        return person if right and hashed else None

    def by_key(self, key: str) -> Person | None:
        """Return whose operator's key it is."""
        digest = keys.digest_of(key)
        return next((one for one in self.persons if digest is not None and one.key == digest), None)

    def by_subject(self, subject: str) -> Person | None:
        """Return whom an OpenID provider knows by this issuer and subject."""
        return next((one for one in self.persons if one.oidc == subject), None)

    def add(self, person: Person) -> Self:
        """Return everybody and this person. Raises Misconfigured for a name that is none, or is taken."""
        person = replace(person, name=_one_form(person.name))
        if unfit := _unfit_name(person.name):
            raise Misconfigured(Problem("the person", "name", unfit, "Choose a name to sign in by"))
        if self.by_name(person.name):
            fix = "Choose another name, or remove that person first"
            raise Misconfigured(Problem(str(self.file), person.name, "is there already", fix))
        return replace(self, persons=(*self.persons, person))

    def remove(self, name: str) -> Self:
        """Return everybody else. Raises Misconfigured for a name that nobody has."""
        gone = self.must(name)
        return replace(self, persons=tuple(one for one in self.persons if one is not gone))

    def replace(self, person: Person) -> Self:
        """Return everybody, with this person in the place of the one of that name.

        Raises Misconfigured for a name that nobody has, and for another one's account at a provider.
        """
        before, other = self.must(person.name), person.oidc and self.by_subject(person.oidc)
        if person.oidc and not re.fullmatch(_SUBJECT, person.oidc):
            fix = "Give the `sub` that the provider has of that person"
            raise Misconfigured(Problem(str(self.file), person.name, "gets an account that is none", fix))
        if other and other is not before:
            fix = f"Unbind it first: `{self.roster.command} oidc {other.name}`"
            raise Misconfigured(Problem(str(self.file), other.name, "has that account already", fix))
        return replace(self, persons=tuple(person if one is before else one for one in self.persons))

    def must(self, name: str) -> Person:
        """Return who has this name. Raises Misconfigured if nobody has."""
        if (person := self.by_name(name)) is None:
            fix = f"Run `{self.roster.command} list`"
            raise Misconfigured(Problem(str(self.file), name, "is nobody here", fix))
        return person

    def write(self) -> None:
        """Put the file in the place of the one before, readable by its owner only. Raises Misconfigured."""
        text = self.roster.head + tomli_w.dumps({"person": [_values(one) for one in self.persons]})
        put = replace_private if self.file.exists() else write_private
        put(self.file, text.encode())


def _one_form(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _unfit_name(name: str) -> str | None:
    if len(name) > MOST_NAME:
        return f"has more than {MOST_NAME} characters"
    if not _NAME.fullmatch(name) or not name.isprintable():
        return "is empty, or has a comma or a character that is not shown"
    return None


def _values(person: Person) -> Mapping[str, Any]:
    values = {
        "name": person.name,
        "display_name": person.display_name,
        "role": str(person.role),
        "password": person.password,
        "key": person.key,
        "oidc": person.oidc,
        "added_at": person.added_at,
    }
    return {name: value for name, value in values.items() if value}


def _persons(file: Path, roster: Roster) -> tuple[Person, ...]:
    table = read_toml(file)
    persons = tuple(_person(each, roster) for each in table.tables("person", "name"))
    for of in ("name", "key", "oidc"):
        counts = Counter(getattr(one, of) for one in persons if getattr(one, of))
        if any(count > 1 for count in counts.values()):
            table.wrong("person", f"two have the same {of}", "Keep one of them")
    table.close()
    table.mistakes.raise_any()
    return persons


def _person(table: Table, roster: Roster) -> Person:
    name = table.text("name", like=f"[^\t\n,]{{1,{MOST_NAME}}}", meant="a name to sign in by, without commas")
    roles = roster.roles
    role = table.text("role", like="|".join(roles), meant=" or ".join(roles))
    person = Person(
        name=_one_form(name),
        role=roles(role) if role in set(roles) else next(iter(roles)),
        added_at=table.moment("added_at") or datetime.min.replace(tzinfo=UTC),
        display_name=table.optional_text("display_name") or "",
        password=_kept(table, "password", hashing.is_hash, roster),
        key=_kept(table, "key", keys.is_digest, roster),
        oidc=table.optional_text("oidc", like=_SUBJECT, meant="issuer and subject, a blank between them"),
    )
    table.close()
    return person


def _kept(table: Table, name: str, fit: Callable[[str], bool], roster: Roster) -> str | None:
    """A hash. What is none is not shown: somebody may have written the password itself there."""
    value = table.anything(name)
    if value is None or (isinstance(value, str) and fit(value)):
        return value
    table.wrong(name, "is no hash", f"Let `{roster.command}` write it")
    return None
