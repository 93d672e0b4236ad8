"""One agency as an operator looks at it: why something waits, its keys, what it has said of itself, its letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bus.directory import Agency, Directory, directory_of
from bus.directory.certificates import objection
from bus.directory.ends import SOON
from bus.directory.lines import AGENCY
from bus.evidence.words import shown_state, words_of
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind, timestamp
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow

_FOLDED = 100
"""Recipients of a letter up to which what became of it is looked for in a list."""
REASONS = ("rejected", "too-large", "Nacked", "Returned", "Unconfirmed", "Closed")
"""Why a consignment failed, as entries say it and pages have words for."""


def why_waiting(
    reader: Reader, agency: Agency, row: Mapping[str, Any] | None, away: str | None, unheard: str | None
) -> Iterator[dict[str, Any]]:
    """Yield what keeps its letters waiting, each as a code with the values of its sentence.

    `row` is the agency's row of the overview; `away` says since when its cluster cannot be asked, `unheard` since when
    no adapter of it is connected.
    """
    if not agency.active:
        yield {"says": "suspended", **suspension(reader, agency.code)}
    if away is not None:
        yield {"says": "cluster-away", "since": away}
    elif row is not None and row["consumers"] is None and "no-queue" in row["trouble"]:
        yield {"says": "no-queue"}
    elif row is not None and row["consumers"] == 0:
        yield {"says": "no-adapter", "since": unheard, "heard": row["lastHeard"]}
    if row is not None and row["fill"] >= 1:
        yield {"says": "full", "waiting": row["waiting"]}
    if row is not None and row["pending"]:
        yield {"says": "retried", "pending": row["pending"], "next": row["nextAttempt"]}
        if (failed := reader.agencies.last_failure(agency.code)) is not None:
            body = failed.body
            yield {"says": "failed", "reason": body["reason"], "number": body["number"], "at": body["at"]}


def circuits_of(reader: Reader, code: AgencyCode) -> list[dict[str, Any]]:
    """Return the circuits of routers that are open for its inbox, with what failed and when it is tried again."""
    return [
        {
            "router": one.router,
            "since": one.failed.body["at"],
            "reason": one.failed.body["reason"],
            "number": one.failed.body["number"],
            "next": one.next_attempt,
        }
        for one in reader.agencies.open_circuits(code)
    ]


def suspension(reader: Reader, code: AgencyCode) -> dict[str, Any]:
    """Return by whom, when and why an agency was suspended, as far as its directory versions say."""
    since = None
    for version, line in reader.directories.versions_of(f"agency/{code}"):
        if line is None or json.loads(line.partition(b" ")[2]).get("state") != "suspended":
            break
        since = version
    entry = reader.directories.entry_of(since) if since is not None else None
    body = entry.body if entry is not None else {}
    return {"version": since, "by": body.get("operator"), "at": body.get("at"), "reason": body.get("reason")}


def certificates_of(agency: Agency, at: datetime) -> list[dict[str, Any]]:
    """Return its pinned certificates, the one that ends last first, with what speaks against each."""
    found = []
    for pin in agency.certificates:
        end = pin.certificate.not_valid_after_utc
        wrong = objection(pin.certificate, agency.certificates, at)
        state = str(wrong.doubt) if wrong else "ending" if end < at + SOON else "in-force"
        found.append(
            {
                "fingerprint": pin.fingerprint,
                "until": timestamp(end),
                "daysLeft": (end - at).days,
                "state": state,
                "revokedAt": timestamp(pin.revoked_at) if pin.revoked_at else None,
            }
        )
    return sorted(found, key=lambda one: str(one["until"]), reverse=True)


def organizations_of(agency: Agency) -> list[dict[str, Any]]:
    """Return for whose certificates a public authority vouches."""
    return [
        {
            "authority": pin.authority,
            "organization": pin.organization,
            "revokedAt": timestamp(pin.revoked_at) if pin.revoked_at else None,
        }
        for pin in agency.vouched
    ]


def statement_of(reader: Reader, code: AgencyCode) -> dict[str, Any] | None:
    """Return the newest statement of what has arrived; None where there is none."""
    entry = reader.agencies.last_report(code)
    if entry is None:
        return None
    names = ("contiguous", "highest", "given", "again")
    return {"entry": entry.seq, "at": entry.body["at"], **{name: entry.body.get(name) for name in names}}


def witness_of(reader: Reader, agency: Agency) -> dict[str, Any] | None:
    """Return how far it has cosigned the ledger's heads; None for an agency that is no witness."""
    if agency.witness is None:
        return None
    newest, mine = reader.heads.newest_anchor(), reader.heads.cosigned_by(agency.code)
    return {
        "size": mine[0] if mine else None,
        "at": mine[1] if mine else None,
        "asked": newest[0].size if newest else None,
        "askedAt": newest[1] if newest else None,
    }


def letters_of(
    reader: Reader, code: AgencyCode, *, before: int | None, most: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Return the newest letters that it sent or got, without number or subject, and the number to go on below."""
    sent = {row.letter: row for row in reader.find_letters(sender=code, before=before, limit=most + 1)}
    numbers = reader.agencies.letters_to(code, before=before, limit=most + 1)
    got = {row.letter: row for row in reader.find_letters(letters=numbers, limit=most + 1)} if numbers else {}
    newest = sorted({*sent, *got}, reverse=True)
    shown = newest[:most]
    many = reader.agencies.how_many(shown)
    few = [letter for letter in shown if many.get(letter, 0) <= _FOLDED]
    states = reader.states_of(few)
    rows = []
    for letter in shown:
        row, state = sent.get(letter) or got[letter], states.get(letter)
        mine = state.recipients.get(code) if state is not None and letter not in sent else None
        all_of = list(state.recipients.values()) if state is not None else []
        rows.append(
            {
                "entry": letter,
                "letterId": row.letter_id,
                "direction": _direction(letter, sent, got),
                "at": row.accepted_at,
                "sender": row.sender,
                "recipients": many.get(letter, 0),
                "outcome": list(words_of(shown_state(mine))) if mine else None,
                "unacknowledged": len(state.unacknowledged) if state is not None and letter in sent else None,
                "overdue": [str(each) for each in mine.overdue]
                if mine
                else sorted({str(each) for one in all_of for each in one.overdue}),
            }
        )
    return rows, shown[-1] if len(newest) > most else None


def _direction(letter: int, sent: Mapping[int, LetterRow], got: Mapping[int, LetterRow]) -> str:
    return "both" if letter in sent and letter in got else "sent" if letter in sent else "got"


def agency_in_force(reader: Reader, code: AgencyCode) -> Agency | None:
    """Return an agency of the directory in force, without reading the others."""
    newest, key = reader.latest(Kind.DIRECTORY), f"{AGENCY}{code}"
    if newest is None:
        return None
    version = int(newest.body["version"])
    found = reader.directories.some(version, (key,))
    return directory_of(version, found).agencies.get(code) if found else None


def line_of(directory: Directory, agency: Agency) -> list[dict[str, str]]:
    """Return the agencies above it, the nearest first."""
    above = list(directory.line(agency.code, "parent"))[1:]
    return [{"code": one.code, "nameTh": one.name_th, "nameEn": one.name_en} for one in above]
