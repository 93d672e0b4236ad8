"""The people who act on the bus: the local users' file, their passwords and operator's keys, and who acts now."""

from bus.people.acting import acting, reading
from bus.people.file import CENTRE, People, Person, Roster, account_at, bound

__all__ = ["CENTRE", "People", "Person", "Roster", "account_at", "acting", "bound", "reading"]
