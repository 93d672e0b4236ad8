"""The calendar: when offices work, and by when a letter has to be received and registered.

A receipt is a machine's and is due in clock time. A registration is a clerk's and is due in working time: the
hours of the week less public holidays, less the closures of the agency that is to register. All of it is data in
versions, since holidays are announced late; a due time is computed when a letter is accepted, and again only if an
operator extends it by a later version (bus/ledger/extending.py).
"""

from bus.calendar.model import Calendar, Closure, Deadline, Holiday, Span, to_json
from bus.calendar.reading import from_json, load_calendar

__all__ = ["Calendar", "Closure", "Deadline", "Holiday", "Span", "from_json", "load_calendar", "to_json"]
