"""Sample people of a bus that is tried out: two stewards, an operator and an auditor, each with an operator's key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from bus.documents.keys import write_private
from bus.operators import Operator, Role
from bus.people import People, Person, keys

STEWARD = "somying-sample"
SECOND = "somchai-sample"
AUDITOR = "malee-sample"
OPERATOR = "wichai-sample"
PEOPLE = {
    STEWARD: (Role.STEWARD, "สมหญิง (ตัวอย่าง)"),
    SECOND: (Role.STEWARD, "สมชาย (ตัวอย่าง)"),
    AUDITOR: (Role.AUDITOR, "มาลี (ตัวอย่าง)"),
    OPERATOR: (Role.OPERATOR, "วิชัย (ตัวอย่าง)"),
}
"""By the name, the role and what pages call the person; no such people exist."""
_SINCE = datetime(2026, 11, 1, tzinfo=UTC)


def key_file(folder: Path, name: str = STEWARD) -> Path:
    """Return where the operator's key of a sample person lies in a bus's folder."""
    return folder / "keys" / f"{name}.operator.key"


def make_people(folder: Path) -> Path:
    """Write people.toml and the keys of all who are not there yet; return the key file of the first steward."""
    people = People.read(folder / "people.toml")
    for name, (role, shown) in PEOPLE.items():
        if people.by_name(name) is None:
            made = keys.new_key()
            write_private(key_file(folder, name), f"{made}\n".encode())
            people = people.add(Person(name, role, _SINCE, shown, key=keys.digest_of(made)))
    people.write()
    return key_file(folder)


def as_operator(folder: Path, name: str) -> dict[str, str]:
    """Return the variables by which a command acts as a sample person."""
    return {"SARABAN_BUS__OPERATOR__KEY_FILE": str(key_file(folder, name))}


def sample(name: str = STEWARD) -> Operator:
    """Return a sample person as who acts."""
    return Operator(name, PEOPLE[name][0], "key")
