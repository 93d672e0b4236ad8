"""Halting the ledger and lifting the halt: one steward asks, another one confirms within the hour."""

from __future__ import annotations

from typing import Any

from bus.console.asked import Asked
from bus.console.pages.steward import reason_of
from bus.console.roles import STEWARDS
from bus.ledger import halt
from bus.ledger.halt import Wish
from bus.pages.answers import Answer, Elsewhere, Page, Shown
from bus.views.asking import NotUnderstood


def state(asked: Asked) -> Answer:
    """Whether the ledger is halted and why, what one steward wants, and what each act will do."""
    with asked.site.ledger.read() as reader:
        reason, wishes = reader.halted(), reader.halt_wishes()
    value: dict[str, Any] = {
        "halted": reason is not None,
        "reason": reason,
        "wishes": [_wish(one) for one in wishes],
    }
    mine = [one for one in wishes if one.operator.name == asked.person.name]
    return Shown("halt.html", value, {"mine": bool(mine), "confirms": len(wishes) > len(mine)})


def ask(asked: Asked) -> Answer:
    """Ask for a halt or its end; the second steward's asking does it."""
    wanted = asked.field("halted")
    if wanted not in ("yes", "no"):
        raise NotUnderstood("halted: yes or no")
    halt.ask(asked.site.ledger.engine, wanted == "yes", operator=asked.person, reason=reason_of(asked))
    return Elsewhere("/halt")


def _wish(one: Wish) -> dict[str, Any]:
    return {
        "at": one.at.isoformat(),
        "until": one.until.isoformat(),
        "halted": one.halted,
        "person": one.operator.name,
        "reason": one.reason,
    }


PAGES = (Page("/halt", STEWARDS, state), Page("/halt", STEWARDS, ask, act=True))
