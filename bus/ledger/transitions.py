"""Whether an entry may follow on what a letter's entries say before it, as an auditor checks it.

The router refuses what may not be said (router/transitions.py); here the ledger is asked whether it ever let it pass.
"""

from __future__ import annotations

from bus.documents import lifecycle
from bus.documents.lifecycle import Deadline, Violation
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.state import LetterState


def violation_of(entry: Entry, state: LetterState) -> str | None:
    """Say in words why an entry may not follow on this state of its letter; None if it may."""
    body = entry.body
    match body["kind"]:
        case Kind.NOTICE:
            return _of_notice(body["event"], body["agency"], body["about"], body.get("supersedes"), state)
        case Kind.CONSIGNED:
            # A notice is consigned to the sender too.
            return _strangers([code for code in body["recipients"] if code != state.sender], state)
        case Kind.OVERDUE:
            return _strangers(body["silent"], state) or _of_overdue(body["deadline"], body["silent"], state)
        case _:
            return None


def _strangers(named: list[str], state: LetterState) -> str | None:
    strangers = [code for code in named if code not in state.recipients]
    return f"names {', '.join(strangers)}, who are no parties" if strangers else None


def _of_overdue(deadline: str, silent: list[AgencyCode], state: LetterState) -> str | None:
    if deadline not in set(Deadline):
        return f"is about an unknown deadline: {deadline}"
    answered = set(silent) - set(state.silent(Deadline(deadline)))
    return f"calls {', '.join(sorted(answered))} silent, who had answered" if answered else None


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
