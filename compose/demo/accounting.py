"""The reckoning: from ledger and mailboxes together, whether every letter is accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bus.documents.notice import Event
from bus.ledger.entry import Kind
from compose.demo.play import Play
from compose.demo.story import AGENCIES, LETTERS


def reckon(play: Play, submitted_badly: Mapping[str, str]) -> dict[str, Any]:
    """Return the report; `unaccounted` and `duplicates_at_recipients` have to be 0 and `problems` empty."""
    with play.ledger.read() as reader:
        refused = {entry.body["rawSha256"]: entry.body["code"] for entry in reader.every(Kind.REFUSED)}
        parked = len(reader.parked.waiting())
        answers = [entry.body["outcome"] for entry in reader.every(Kind.ENROLMENT_ANSWERED)]
    encrypted = Counter(one.get("ssl") for one in play.bus.connections())
    states = play.states()
    recipients = [(state, one) for state in states for one in state.recipients.values()]
    unanswered = [item.key for item in LETTERS if not _answered(play, item.key)]
    unrefused = [name for name, sha256 in submitted_badly.items() if sha256 not in refused]
    silent = play.silent()
    received = {code: Counter(play.offices[code].everything_received()) for code in AGENCIES}
    missing = [
        f"{play.references.get(state.letter_id)} at {one.agency}"
        for state, one in recipients
        if one.receipt and received[one.agency][state.letter_id] == 0
    ]
    failed = [reason for code in AGENCIES for reason in play.offices[code].failed()]
    problems = [
        *(f"no answer to {key}" for key in unanswered),
        *(f"not refused: {name}" for name in unrefused),
        *(f"{code} has not acknowledged {key}" for key, code in silent),
        *(f"missing in the inbox: {one}" for one in missing),
        *(f"not taken from an outbox: {reason}" for reason in failed),
    ]
    if play.bus.own_broker and encrypted[False]:
        problems.append(f"{encrypted[False]} connections to the broker without TLS")
    return {
        "joined_by_invitation": answers.count("approved"),
        "connections_with_tls": encrypted[True],
        "connections_without_tls": encrypted[False],
        "letters": len(states),
        "deliveries": sum(1 for _, one in recipients if one.receipt),
        "registered": _count(recipients, Event.REGISTERED),
        "refused_by_clerk": _count(recipients, Event.REFUSED),
        "misdirected": _count(recipients, Event.MISDIRECTED),
        "withdrawn": sum(1 for _, one in recipients if one.outcome == "withdrawn"),
        "corrected": sum(
            1 for _, one in recipients if any(fact.event == Event.NUMBER_DISPUTED for fact in one.events)
        ),
        "refused_by_bus": len(refused),
        "unaccounted": len(unanswered) + len(unrefused) + len(silent) + len(missing) + parked,
        "duplicates_at_recipients": sum(
            n - 1 for counts in received.values() for n in counts.values() if n > 1
        ),
        "router_kills": play.router_kills,
        "problems": problems,
        "refusals": {
            **{key: refusal["code"] for key, refusal in play.refusals.items()},
            **{name: refused.get(sha256) for name, sha256 in submitted_badly.items()},
        },
    }


def accounted(report: Mapping[str, Any]) -> bool:
    """Whether nothing is lost, doubled or left open, all can be proved, everybody joined, and a router did die."""
    clean = not report["problems"] and not report["unaccounted"] and not report["duplicates_at_recipients"]
    clean = clean and report["evidence"] == report["ledger"] == "pass"
    clean = clean and report["joined_by_invitation"] == len(AGENCIES)
    return clean and report["router_kills"] >= 1 and report["corrected"] >= 1 and report["withdrawn"] >= 1


def _answered(play: Play, key: str) -> bool:
    return f"accepted:{key}" in play.events or key in play.refusals


def _count(recipients: list[tuple[Any, Any]], event: Event) -> int:
    return sum(1 for _, one in recipients if one.answer and one.answer.event == event)
