"""What pages of operators are asked by: each name once, each value one that is known, or the question is refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from bus.console.asked import Asked
from bus.console.names import names_for
from bus.identifiers import AgencyCode
from bus.ledger.reading import Reader
from bus.thai import BANGKOK, parse_date
from bus.views.asking import NotUnderstood, agency
from bus.views.letters import ledger_number

ALWAYS: Final = ("lang",)
_LONGEST: Final = 200
_CODE: Final = re.compile("[0-9]{10}")


def require_known(asked: Asked, names: Iterable[str]) -> None:
    """Raise NotUnderstood where something else is asked by, or something twice."""
    known = {*names, *ALWAYS}
    for name, values in asked.query.items():
        if name not in known:
            raise NotUnderstood(f"this page cannot be asked by {name[:_LONGEST]!r}")
        if len(values) > 1:
            raise NotUnderstood(f"{name!r} is given {len(values)} times")
        if len(values[0]) > _LONGEST:
            raise NotUnderstood(f"{name!r} has {len(values[0])} characters")


def choice(asked: Asked, name: str, known: Collection[str]) -> str | None:
    """Return the one of the known values that is asked for; None where none is."""
    value = asked.value(name)
    if value is not None and value not in known:
        raise NotUnderstood(f"there is no {name} {value!r}")
    return value


def number(asked: Asked, name: str) -> int | None:
    """Return a ledger number to go on from."""
    text = asked.value(name)
    if text is None:
        return None
    if (found := ledger_number(text)) is None:
        raise NotUnderstood(f"{text!r} is no ledger number")
    return found


def key(asked: Asked, name: str, form: re.Pattern[str]) -> str | None:
    """Return the key of a row to go on from."""
    text = asked.value(name)
    if text is not None and not form.fullmatch(text):
        raise NotUnderstood(f"{text!r} is no row to go on from")
    return text


def agency_asked(asked: Asked, reader: Reader) -> AgencyCode | None:
    """Return the agency that is meant by `agency`: its code, its name, or its abbreviation."""
    text = asked.value("agency")
    seen = asked.site.readings.newest
    if text is not None and seen is not None and _CODE.fullmatch(text) and text in seen.by_code:
        return AgencyCode(text)
    return None if text is None else agency(names_for(asked.site, reader), text)


def day_asked(asked: Asked, name: str) -> datetime | None:
    """Return the beginning of a day in Thailand, of a date in either calendar."""
    text = asked.value(name)
    if text is None:
        return None
    try:
        at = parse_date(text)
    except ValueError as error:
        raise NotUnderstood(f"{text!r} is no date: {error}") from error
    return datetime(at.year, at.month, at.day, tzinfo=BANGKOK)
