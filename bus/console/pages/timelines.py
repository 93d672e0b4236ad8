"""A letter's timeline for operators: every hop and attempt, and what comes next; never what the letter says."""

from __future__ import annotations

from typing import Any, Final

from bus.console.asked import Asked
from bus.console.pages.lengths import lengths
from bus.console.pages.questions import agency_asked, number, require_known
from bus.console.roles import OPERATORS
from bus.pages.answers import Answer, NoSuchPage, Page, Shown
from bus.views.agency import REASONS
from bus.views.letters import MOST_NUMBER
from bus.views.timeline import named_in, next_of, recipients_of, steps_of

MOST: Final = 100
"""Steps of one page."""


def timeline(asked: Asked) -> Answer:
    """Show how a letter was carried."""
    require_known(asked, ("after", "agency"))
    after, number_of = number(asked, "after") or 0, int(asked.path["letter"])
    newest = asked.site.readings.newest
    with asked.site.ledger.read() as reader:
        letter = reader.letter(number_of) if number_of < MOST_NUMBER else None
        if letter is None:
            raise NoSuchPage(f"letter {asked.path['letter'][:20]}")
        code = agency_asked(asked, reader)
        steps, following = steps_of(reader, letter, after=after, most=MOST)
        recipients = recipients_of(reader, letter, code)
        value: dict[str, Any] = {
            "letter": letter.letter,
            "letterId": letter.letter_id,
            "number": letter.number,
            "sender": letter.sender,
            "speed": letter.speed,
            "acceptedAt": letter.accepted_at,
            "receiptDue": letter.receipt_due,
            "registrationDue": letter.registration_due,
            "recipientCount": reader.agencies.how_many([letter.letter]).get(letter.letter, 0),
            "query": {"agency": code} if code else {},
            "recipients": recipients,
            "coming": next_of(reader, letter.letter),
            "steps": steps,
            "next": following,
        }
    by_code = newest.by_code if newest else {}
    codes = {letter.sender} | named_in(steps, recipients or [])
    names = {each: (by_code[each]["nameTh"], by_code[each]["nameEn"]) for each in codes if each in by_code}
    beside = {"length": lengths(asked.language), "names": names, "failures": REASONS}
    return Shown("timeline.html", value, beside)


PAGES = (Page("/timelines/{letter:int}", OPERATORS, timeline),)
