"""What a clerk says about a letter received: each act on a page of its own, which says first what it brings about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters import views
from adapters.connectors.folder.reasons import mistakes_of
from adapters.desk.acting import act
from adapters.desk.asked import Asked
from adapters.desk.pages.letter import permitted, received
from adapters.desk.roles import CLERKS
from adapters.mailbox import AlreadyPut, InboxLetter
from adapters.mailbox.acts import Verb
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.directory import Names
from bus.errors import Refused
from bus.pages.answers import Answer, Elsewhere, NoSuchPage, NotAllowed, Page, Shown
from bus.thai import now, parse_date, to_buddhist

ANSWER: Final = ("number", "date", "time", "unit", "officer")
_CLOCK: Final = re.compile(r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
REASON: Final = ("reason_code", "reason")
FIELDS: Final[Mapping[Verb, tuple[str, ...]]] = {
    Verb.REGISTER: ANSWER,
    Verb.REFUSE: REASON,
    Verb.MISDIRECTED: ("suggested_receiver", *REASON),
    Verb.CORRECT: (*ANSWER, "suggested_receiver", *REASON),
    Verb.GRANT: ("reason",),
    Verb.DECLINE: REASON,
    Verb.UNDER_ACTION: ("reason",),
}
"""The fields of each act's form, by a manifest's names; of a time, the date and the clock each for itself."""


def form(asked: Asked) -> Answer:
    """Show what an act brings about, with its form."""
    verb = _verb(asked)
    at = now()
    given: dict[str, str] = {}
    # Of a correction nothing is filled in: which fields are, says which answer it is.
    if verb is Verb.REGISTER:
        today = f"{at.day:02}/{at.month:02}/{to_buddhist(at.year)}"
        given = {"date": today, "time": f"{at:%H:%M}", "officer": asked.person.name}
    return _shown(asked, received(asked), verb, given, (), 200)


def do(asked: Asked) -> Answer:
    """Do it; with mistakes, the form comes back with what was given."""
    verb, row = _verb(asked), received(asked)
    given = {name: asked.field(name) for name in FIELDS[verb]}
    try:
        values = _values(asked, given)
        act(asked, verb, {"letter_id": row.letter_id, "letter_sender": row.sender} | values)
    except (Mistaken, Refused, AlreadyPut) as wrong:
        return _shown(asked, row, verb, given, mistakes_of(wrong), 422)
    return Elsewhere(f"/inbox/{row.id}?done={verb}")


def _verb(asked: Asked) -> Verb:
    name = asked.path["verb"]
    if name not in FIELDS:
        raise NoSuchPage(name)
    return Verb(name)


def _shown(
    asked: Asked,
    row: InboxLetter,
    verb: Verb,
    given: Mapping[str, str],
    mistakes: Sequence[Mistake],
    status: int,
) -> Shown:
    if not mistakes and verb not in permitted(asked, row):
        raise NotAllowed(
            "ทำไม่ได้ในขณะนี้ หนังสือนี้ตอบไปแล้ว หรือไม่มีสิ่งใดต้องตอบ",
            "This cannot be said now: the letter has been answered, or there is nothing to answer.",
        )
    value = {
        "id": row.id,
        "verb": str(verb),
        "letter": views.received(asked.mailbox, row),
        "given": dict(given),
        "mistakes": [{"where": each.where, "th": each.th, "en": each.en} for each in mistakes],
    }
    beside = {"fields": FIELDS[verb], "reasons": load_codes().clerk_reasons}
    return Shown("act.html", value, beside, status=status)


def _values(asked: Asked, given: Mapping[str, str]) -> dict[str, Any]:
    """A manifest's values of what a form gives. Raises Mistaken."""
    values: dict[str, Any] = {name: text for name, text in given.items() if text}
    if (at := _moment(values.pop("date", ""), values.pop("time", ""))) is not None:
        values["registered_at"] = at
    if (meant := values.get("suggested_receiver")) is not None:
        values["suggested_receiver"] = _agency(asked, meant)
    return values


def _moment(day: str, clock: str) -> str | None:
    """The time that a date and a clock say, ISO; None where neither is given. Raises Mistaken with both mistakes."""
    if not day and not clock:
        return None
    wrong = []
    try:
        date = parse_date(day).isoformat()
    except ValueError:
        wrong.append(Mistake("date", "ไม่ใช่วันที่ เขียนเช่น 27/11/2569", "is no date; write 27/11/2569"))
    if not _CLOCK.fullmatch(clock):
        wrong.append(Mistake("time", "ไม่ใช่เวลา เขียนเช่น 14:05", "is no time; write 14:05"))
    if wrong:
        raise Mistaken(*wrong)
    hours, minutes = clock.split(":")
    return f"{date}T{int(hours):02}:{int(minutes):02}"


def _agency(asked: Asked, meant: str) -> str:
    """The code of the one agency that is called so. Raises Mistaken with the nearest ones."""
    directory = asked.mailbox.directory()
    names = Names([directory.agencies.values()] if directory else [])
    found = names.codes(meant)
    if len(found) == 1:
        return found[0]
    offered = " · ".join(map(names.full, found) if found else names.near(meant))
    th, en = ("มีหลายหน่วยงาน", "may be one of several") if found else ("ไม่พบหน่วยงานนี้", "is no agency here")
    raise Mistaken(Mistake("suggested_receiver", f"{th} {offered}".strip(), f"{en} {offered}".strip()))


PAGES = (
    Page("/inbox/{letter:int}/{verb}", CLERKS, form),
    Page("/inbox/{letter:int}/{verb}", CLERKS, do, act=True),
)
