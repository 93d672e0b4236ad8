"""The lists that a client asks for: agencies, ministries, codes, the state of what it has posted, the time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from adapters.connectors.ecms.letters import directory_of
from adapters.connectors.ecms.values import clock, ministry_of, shown_code
from adapters.connectors.ecms.writing import Part
from adapters.mailbox import Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.ecms import process_id
from bus.codes import load_codes
from bus.thai import now

_STATES = {
    "refused": "rejected",
    "misdirected": "invalid",
    "handover-failed": "invalid",
}


def organizations(mailbox: Mailbox, url: str, digits: int) -> list[Part]:
    """Every agency that can be written to; one façade serves them all, and so they have one address."""
    agencies = directory_of(mailbox).agencies.values()
    return [
        Part(
            "OrganizationInfo",
            parts=[
                Part("En-Name", each.name_en),
                Part("Th-Name", each.name_th),
                Part("ECMS-URL", url),
                Part("OrganizationID", shown_code(each.code, digits)),
            ],
        )
        for each in sorted(agencies, key=lambda each: each.code)
    ]


def ministries(mailbox: Mailbox, digits: int, named: Mapping[str, str]) -> list[Part]:
    """The ministries of the agencies; one that neither the settings nor the code list name is told by its number."""
    names = {number: each.th for number, each in load_codes().ministries.items()} | dict(named)
    codes = sorted({ministry_of(code) for code in directory_of(mailbox).agencies})
    return [
        Part(
            "MinistryOrganization",
            parts=[
                Part("MinistryID", shown_code(code, digits)),
                Part("Th-Name", names.get(code[:2], f"กระทรวง {code[:2]}")),
            ],
        )
        for code in codes
    ]


def secrecy() -> list[Part]:
    """The codes of ชั้นความลับ."""
    return [_code(code, each.th) for code, each in load_codes().secrecy.items()]


def speed() -> list[Part]:
    """The codes of ชั้นความเร็ว."""
    return [_code(code, each.th) for code, each in load_codes().speed.items()]


def media_types() -> list[Part]:
    """The kinds of files that letters may carry, one for each extension."""
    return [
        Part("Code", parts=[Part("File-Extension", ext), Part("Content-type", each.value)])
        for each in load_codes().media_types.values()
        for ext in each.ext
    ]


def statuses(mailbox: Mailbox, days: int, words: Mapping[str, str]) -> list[Part]:
    """Where each letter stands that was posted in so many days, in the client's words."""
    found = mailbox.ecms.posted((now() - timedelta(days=days)).isoformat())
    return [
        Part(
            "Outbound",
            parts=[
                Part("ProcessID", process_id(row.created_at, row.id)),
                Part("LetterID", row.number or ""),
                Part("ProcessStatus", _word(_status(mailbox, row, request.recipient), words)),
            ],
        )
        for request, row in found
    ]


def time_check() -> list[Part]:
    """This machine's time."""
    return [Part("Time", clock(now()))]


def _status(mailbox: Mailbox, row: OutboxEntry, recipient: str) -> str:
    if row.state is OutboxState.REFUSED:
        return "refused"
    if row.state is not OutboxState.ACCEPTED:
        return "waiting"
    states = mailbox.states_of_sent(row)
    state = next((each for each in states if each.agency == recipient), states[0] if states else None)
    if state is None:
        return "accepted"
    if state.overdue:
        return "overdue"
    return _STATES.get(state.state, state.state)


def _word(status: str, words: Mapping[str, str]) -> str:
    return words.get(status, status.upper())


def _code(value: str, description: str) -> Part:
    return Part("Code", parts=[Part("Value", value), Part("Description", description)])
