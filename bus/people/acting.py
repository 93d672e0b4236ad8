"""Who acts, or reads, by this command line: the person whose operator's key the settings name."""

from __future__ import annotations

from bus.errors import Misconfigured, Problem
from bus.operators import Operator, Role
from bus.people.file import People
from bus.settings.bus import BusSettings

_GET = (
    "Have a key made by `saraban-bus console user key NAME`, keep it in a file of your own (chmod 600),"
    " and name that in operator.key_file or SARABAN_BUS__OPERATOR__KEY_FILE"
)


def acting(settings: BusSettings, *roles: Role) -> Operator:
    """Return who acts by the operator's key. `roles`: any of them will do, and a steward is an operator too.

    Raises Misconfigured with what to do where there is no key, where it is nobody's, and where the role does not fit.
    """
    found = reading(settings)
    if found is None:
        wrong = "is not set, and what is done here is entered with the name of a person"
        raise Misconfigured(Problem("settings", "operator.key_file", wrong, _GET))
    if not isinstance(found.role, Role) or not found.role.implied & set(roles):
        wrong = f"{found.name} is {found.role}, and this takes {' or '.join(roles)}"
        fix = f"Have it done by a person who is {' or '.join(roles)}"
        raise Misconfigured(Problem(str(settings.console.people), "role", wrong, fix))
    return found


def reading(settings: BusSettings) -> Operator | None:
    """Return whose operator's key the settings name; None where they name none. Raises Misconfigured for nobody's."""
    key = settings.operator.key_text()
    if key is None:
        return None
    people = People.read(settings.console.people)
    if (person := people.by_key(key)) is None:
        raise Misconfigured(Problem(str(people.file), "operator.key", "is nobody's key here", _GET))
    return person.by("key")
