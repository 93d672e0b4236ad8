"""The first steward of a centre, with an operator's key by which the commands after `init` work at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bus.documents.keys import write_private
from bus.installing.steps import Step
from bus.installing.wanted import OPERATOR_KEY
from bus.operators import Role
from bus.people import People, Person, keys
from bus.settings.bus import BusSettings
from bus.settings.sections import read_secret
from bus.thai import now


def first_person(config: Path, settings: BusSettings, name: str) -> Iterator[Step]:
    """Make a steward of this name, and the key; nobody where there are people already, or no name was said.

    A key that is there already, of an `init` that was interrupted, becomes that person's. Raises Misconfigured.
    """
    if not name:
        return
    people, file = People.read(settings.console.people), settings.operator.key_file
    file = file or config.parent / OPERATOR_KEY
    if people.persons:
        yield Step("the people who act", str(people.file), False)
        return
    steward = Person(name, Role.STEWARD, now().replace(microsecond=0))
    people.add(steward)  # a name that is none is said before anything is written
    made = not file.exists()
    if made:
        write_private(file, f"{keys.new_key()}\n".encode())
    yield Step(f"the operator's key of {name}", str(file), made)
    kept = keys.digest_of(read_secret(file, "operator.key_file"))
    people.add(Person(steward.name, steward.role, steward.added_at, key=kept)).write()
    yield Step(f"the first steward, {name}", str(people.file), True)
