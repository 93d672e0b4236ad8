"""Whether an entry may follow on what a letter's entries say before it, as an auditor checks it.

The router refuses what may not be said (router/transitions.py); here the ledger is asked whether it ever let it pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bus.documents import lifecycle
from bus.documents.lifecycle import Deadline, Violation
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.state import NOTICE, LetterState


def violation_of(entry: Entry, state: LetterState) -> str | None:
    """Say in words why an entry may not follow on this state of its letter; None if it may."""
    body = entry.body
    kind = body["kind"]
    if kind == NOTICE:  # as nearly all are
        return _of_notice(body["event"], body["agency"], body["about"], body.get("supersedes"), state)
    match kind:
        case Kind.CONSIGNED:
            # A notice is consigned to the sender too.
            return _strangers([code for code in body["recipients"] if code != state.sender], state)
        case Kind.OVERDUE:
            return _strangers(body["silent"], state) or _of_overdue(body, state)
        case Kind.DEADLINE_EXTENDED:
            named = [code for group in body["extended"] for code in group["recipients"]]
            return _strangers(named, state) or _of_extension(body, named, state)
        case _:
            return None


def _strangers(named: list[str], state: LetterState) -> str | None:
    strangers = [code for code in named if code not in state.recipients]
    return f"names {', '.join(strangers)}, who are no parties" if strangers else None


def _of_overdue(body: Mapping[str, Any], state: LetterState) -> str | None:
    deadline, silent = body["deadline"], body["silent"]
    if deadline not in set(Deadline):
        return f"is about an unknown deadline: {deadline}"
    answered = set(silent) - set(state.silent(Deadline(deadline)))
    if answered:
        return f"calls {', '.join(sorted(answered))} silent, who had answered"
    if deadline == Deadline.REGISTRATION:
        for code in silent:
            if (until := state.recipients[code].registration_due or "") > body["due"]:
                return f"calls {code} silent at {body['due']}, whose registration was due at {until}"
    return f"is older than {body['due']}, which had to pass" if body["at"] < body["due"] else None


def _of_extension(body: Mapping[str, Any], named: list[AgencyCode], state: LetterState) -> str | None:
    if body["deadline"] != Deadline.REGISTRATION or not state.asks_registration:
        return f"extends a deadline that its letter does not have: {body['deadline']}"
    if not named or len(set(named)) != len(named):
        return "names nobody, or somebody twice"
    for group in body["extended"]:
        if group["due"] <= group["was"]:
            return f"makes {group['was']} earlier: {group['due']}"
        for code in group["recipients"]:
            one = state.recipients[code]
            if one.registration_due != group["was"]:
                return (
                    f"extends {group['was']} for {code}, whose registration was due at {one.registration_due}"
                )
            if not one.owes_registration:
                return f"extends the time of {code}, from whom no registration was to come"
    return None


def _of_notice(
    event: str, author: AgencyCode, about: list[AgencyCode], supersedes: str | None, state: LetterState
) -> str | None:
    found = lifecycle.concerned(event, author, about, sender=state.sender, recipients=state.addressed)
    if isinstance(found, Violation):
        return f"says {event} by {author} about {', '.join(about)}: {found.code}"
    if list(found) != about:
        # An entry names every recipient that it is about, each by the agency whose inbox took the letter.
        return f"says {event} about {', '.join(about)} and not about {', '.join(found)}"
    for code in found:
        if wrong := lifecycle.violation(event, supersedes, code, state.recipients[code].progress):
            return (
                f"says {event} about {code}, {state.recipients[code].outcome}: {wrong.code} ({wrong.detail})"
            )
    return None
