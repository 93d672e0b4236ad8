"""What waits and why: for clerks who wonder, and for the agency's IT; nothing of what letters say."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters import views
from adapters.desk.asked import Asked
from adapters.desk.roles import EVERYBODY
from adapters.doctor.checks import checks_here
from adapters.mailbox.conditions import ConditionCode
from adapters.status import status_view, wrong
from bus.codes import load_codes
from bus.doctor import examine
from bus.documents.seal import read_certificate
from bus.errors import Misconfigured
from bus.operators import DeskRole
from bus.pages.answers import Answer, Page, Shown
from bus.thai import now

_OF_FILES = frozenset(
    {ConditionCode.OUTBOX_STUCK, ConditionCode.OUTBOX_WAITING, ConditionCode.OUTBOX_UNKNOWN}
)


def state(asked: Asked) -> Answer:
    """Show what is wrong, what waits, what certificates end when, and what the doctor finds on this machine."""
    settings, mailbox = asked.site.settings, asked.mailbox
    with mailbox.snapshot():
        value: dict[str, Any] = {
            "as_of": views.when(now().isoformat()),
            "wrong": list(wrong(settings, mailbox)),
        } | status_view(mailbox)
    for each in value["waiting_for_files"]:
        del each["number"]
    if asked.session.role is DeskRole.IT:
        _without_names(value)
    value["certificates"] = _certificates(asked)
    value["doctor"] = [line.view() for line in asyncio.run(examine(checks_here(settings)))]
    return Shown("state.html", value)


def _without_names(value: dict[str, Any]) -> None:
    """Take out what the office calls its letters and files: it says what they are about."""
    for each in value["conditions"]:
        if each["code"] in _OF_FILES:
            each |= {"about": None, "detail_th": None, "detail_en": None}
    for each in value["wrong"]:
        if (code := each.get("code")) in _OF_FILES:
            words = load_codes().conditions[code]
            each |= {"th": words.th, "en": words.en}
    for each in value["trouble"]:
        each["reference"] = ""
        if each["refusal"]:
            each["refusal"] = each["refusal"] | {"detail": None}


def _certificates(asked: Asked) -> list[views.View]:
    settings = asked.site.settings
    named = {"seal": settings.seal.certificate, "bus": settings.bus_certificate}
    if settings.broker.certificate is not None:
        named["broker"] = settings.broker.certificate
    found = []
    for name, place in named.items():
        try:
            until = read_certificate(place, name).not_valid_after_utc
        except Misconfigured:
            continue  # a line of what is wrong
        found.append({"name": name, "until": views.when(until.isoformat()), "days": (until - now()).days})
    return found


PAGES = (Page("/state", EVERYBODY, state),)
