"""Grants: a steward lets an auditor open one letter and its files for some hours; each is an entry."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.pages.jobs import number_of
from bus.console.pages.steward import reason_of
from bus.console.roles import AUDITORS, STEWARDS
from bus.ledger.entry import Kind, timestamp
from bus.pages.answers import Answer, Elsewhere, Listed, Page, Shown
from bus.pages.columns import About, Column, moment
from bus.thai import now
from bus.views.asking import NotUnderstood
from bus.views.finding import head_of
from bus.views.letters import ledger_number

_PAGE: Final = 50
_LONGEST_HOURS: Final = 24 * 31


def grants(asked: Asked) -> Answer:
    """The grants, the newest first, and which of them open something now; an auditor sees those that are the own."""
    before, own = number_of(asked, "before"), asked.session.role in AUDITORS
    with asked.site.ledger.read() as reader:
        found = reader.acts.older((Kind.GRANTED,), before=before, limit=_PAGE)
    at = now()
    values = [
        {
            "grant": one.seq,
            "at": one.body["at"],
            "letter": one.body["letter"],
            "auditor": one.body["auditor"],
            "until": one.body["until"],
            "opens": datetime.fromisoformat(one.body["until"]) >= at,
            "person": one.body.get("operator"),
            "reason": one.body.get("reason"),
        }
        for one in found
        if not own or one.body["auditor"] == asked.person.name
    ]
    more = found[-1].seq if len(found) == _PAGE else None
    with asked.site.ledger.read() as reader:
        about = About({"grants": "own" if own else "all"}, head_of(reader))
    beside = {"before": more, "own": own}
    return Shown("grants.html", {"grants": values}, beside, Listed(_COLUMNS, values, about))


_COLUMNS: Final = (
    Column("grant", "entry", "ลำดับในบัญชี", plain=True),
    Column("letter", "letter", "หนังสือลำดับที่", plain=True),
    Column("auditor", "auditor", "ผู้ตรวจสอบ"),
    Column("at", "granted", "อนุญาตเมื่อ", moment),
    Column("until", "until", "ถึง", moment),
    Column("person", "granted by", "ผู้อนุญาต"),
    Column("reason", "reason", "เหตุผล"),
)


def before(asked: Asked) -> Answer:
    """What a grant will do."""
    value: dict[str, Any] = {"letter": asked.value("letter"), "auditor": asked.value("auditor")}
    return Shown("grant_new.html", value, {"most": _LONGEST_HOURS})


def grant(asked: Asked) -> Answer:
    """Let an auditor open a letter."""
    letter, hours = ledger_number(asked.field("letter")), asked.field("hours")
    auditor, reason = asked.field("auditor"), reason_of(asked)
    if not auditor or len(auditor) > 200:
        raise NotUnderstood("auditor: the name by which the auditor signs in")
    if not (hours.isascii() and hours.isdecimal() and len(hours) < 5 and 1 <= int(hours) <= _LONGEST_HOURS):
        raise NotUnderstood(f"hours: a number from 1 to {_LONGEST_HOURS}")
    with asked.site.ledger.append() as writer:
        if letter is None or writer.letter(letter) is None:
            raise NotUnderstood("letter: the ledger number of a letter")
        until = timestamp(writer.at + timedelta(hours=int(hours)))
        fields = asked.person.fields()
        writer.entry(Kind.GRANTED, letter=letter, auditor=auditor, until=until, reason=reason, **fields)
    return Elsewhere("/grants")


PAGES = (
    Page("/grants", STEWARDS | AUDITORS, grants, csv=True),
    Page("/grants/new", STEWARDS, before),
    Page("/grants/new", STEWARDS, grant, act=True),
)
