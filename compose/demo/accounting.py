"""The reckoning: from ledger and offices together, whether every letter is accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.state import LetterState, RecipientState
from compose.demo.offices.office import Held, digests
from compose.demo.play import Play
from compose.demo.story import AGENCIES, KEYS, LETTERS


def reckon(play: Play, submitted_badly: Mapping[str, str]) -> dict[str, Any]:
    """Return the report; `unaccounted` and `duplicates_at_recipients` have to be 0 and `problems` empty."""
    with play.ledger.read() as reader:
        refused = {entry.body["rawSha256"]: entry.body["code"] for entry in reader.every(Kind.REFUSED)}
        parked = len(reader.parked.waiting())
        answers = [entry.body["outcome"] for entry in reader.every(Kind.ENROLMENT_ANSWERED)]
    encrypted = Counter(one.get("ssl") for one in play.bus.connections())
    states = play.states()
    recipients = [one for state in states for one in state.recipients.values()]
    unanswered = [item.key for item in LETTERS if not _answered(play, item.key)]
    unrefused = [name for name, sha256 in submitted_badly.items() if sha256 not in refused]
    silent, missing = play.silent(), play.missing()
    held = {code: office.held for code, office in play.offices.items()}
    doors = [_at_door(play, code, states) for code in AGENCIES]
    problems = [
        *(f"no answer to {key}" for key in unanswered),
        *(f"not refused: {name}" for name in unrefused),
        *(f"{code} has not acknowledged {key}" for key, code in silent),
        *(f"missing in the office: {key} at {code}" for key, code in missing),
        *(f"other bytes than were sent: {key} at {code}" for key, code in altered(held)),
        *(f"not balanced: {one}" for one in doors if not balanced(one)),
        *(f"a door would not take: {reason}" for code in AGENCIES for reason in play.offices[code].failed),
    ]
    if play.bus.own_broker and encrypted[False]:
        problems.append(f"{encrypted[False]} connections to the broker without TLS")
    return {
        "joined_by_invitation": answers.count("approved"),
        "connections_with_tls": encrypted[True],
        "connections_without_tls": encrypted[False],
        "letters": len(states),
        "deliveries": sum(1 for one in recipients if one.receipt),
        "registered": _count(recipients, Event.REGISTERED),
        "refused_by_clerk": _count(recipients, Event.REFUSED),
        "misdirected": _count(recipients, Event.MISDIRECTED),
        "withdrawn": sum(1 for one in recipients if one.outcome == "withdrawn"),
        "corrected": sum(
            1 for one in recipients if any(fact.event == Event.NUMBER_DISPUTED for fact in one.events)
        ),
        "refused_by_bus": len(refused),
        "unaccounted": len(unanswered) + len(unrefused) + len(silent) + len(missing) + parked,
        "duplicates_at_recipients": sum(one["doubled"] for one in doors),
        "router_kills": play.router_kills,
        "doors": doors,
        "problems": problems,
        "refusals": {
            **play.refusals,
            **{name: refused.get(sha256) for name, sha256 in submitted_badly.items()},
        },
    }


def accounted(report: Mapping[str, Any]) -> bool:
    """Whether nothing is lost, doubled or left open, all can be proved, everybody joined, and a router did die."""
    clean = not report["problems"] and not report["unaccounted"] and not report["duplicates_at_recipients"]
    clean = clean and report["evidence"] == report["ledger"] == "pass"
    clean = clean and report["joined_by_invitation"] == len(AGENCIES)
    return clean and report["router_kills"] >= 1 and report["corrected"] >= 1 and report["withdrawn"] >= 1


def _at_door(play: Play, code: AgencyCode, states: list[LetterState]) -> dict[str, Any]:
    """What an agency has sent and received, by the ledger, and what its office holds that came through its door."""
    office = play.offices[code]
    here = [state.recipients[code] for state in states if code in state.recipients]
    return {
        "agency": code,
        "name": office.name,
        "door": office.door,
        "sent": sum(1 for item in LETTERS if item.sender == code),
        "accepted": sum(1 for state in states if state.sender == code),
        "refused": sum(1 for item in LETTERS if item.sender == code and item.key in play.refusals),
        "delivered": sum(1 for one in here if one.receipt),
        "held": len(office.held),
        "doubled": len(office.held) - len({one.subject for one in office.held}),
        "registered": _count(here, Event.REGISTERED),
        "otherwise": sum(1 for one in here if one.answer and one.answer.event != Event.REGISTERED),
    }


def balanced(door: Mapping[str, Any]) -> bool:
    """Whether an agency's letters were all judged, and its office holds what was delivered to it, each once."""
    judged = door["sent"] == door["accepted"] + door["refused"]
    return bool(judged and door["held"] == door["delivered"])


def altered(held: Mapping[AgencyCode, Sequence[Held]]) -> list[tuple[str, str]]:
    """Return (reference, recipient) of the letters whose files in the office are not those that were sent."""
    sent = {item.subject: digests(item.files().values()) for item in LETTERS}
    return [
        (KEYS[one.subject], code)
        for code, letters in held.items()
        for one in letters
        if one.files != sent[one.subject]
    ]


def _answered(play: Play, key: str) -> bool:
    return f"accepted:{key}" in play.events or key in play.refusals


def _count(recipients: list[RecipientState], event: Event) -> int:
    return sum(1 for one in recipients if one.answer and one.answer.event == event)
