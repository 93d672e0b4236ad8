"""`saraban-bus ledger outstanding` and `report`: what an auditor asks again and again, answered from the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated, Any

import typer

from bus.cli.common import Config, opened, say, settings_of
from bus.directory import BUS, from_json
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.text import printable
from bus.thai import now

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Row = dict[str, Any]
_PAGE = 500
_MISSING = {
    "consignment": "not in the inbox yet",
    "release": "on hold, the agency is suspended",
    "receipt": "in the inbox, and the adapter has not acknowledged it",
    "registration": "delivered, and the clerk has not registered it",
}
"""What may be missing, the earliest first."""


def add_to(app: typer.Typer) -> None:
    """Add the commands to `saraban-bus ledger`."""
    app.command("outstanding")(outstanding)
    app.command("report")(report)


def outstanding(
    agency: Annotated[str | None, typer.Option(help="Only what this recipient has not acknowledged.")] = None,
    speed: Annotated[str | None, typer.Option(help="Only letters of this speed (001 to 004).")] = None,
    older_than: Annotated[
        float, typer.Option("--older-than", help="Only letters accepted so many hours ago, or longer.")
    ] = 0.0,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say who has not acknowledged which letter, out of each frozen recipient set, and what is missing."""
    accepted_by = timestamp(now() - timedelta(hours=older_than))
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        found = list(_outstanding(reader, agency, speed, accepted_by))
        head = reader.head()
    words = [
        "  ".join(
            [
                one["acceptedAt"][:19],
                printable(one["number"] or one["letterId"]),
                "; ".join(f"{_MISSING[what]}: {', '.join(who)}" for what, who in one["missing"].items()),
            ]
        )
        for one in found
    ]
    say({"head": head, "outstanding": found}, json=json, words=words or ["nobody is outstanding"])


def _outstanding(reader: Reader, agency: str | None, speed: str | None, accepted_by: str) -> Iterator[Row]:
    before = None
    while rows := reader.find_letters(recipient=agency, accepted_by=accepted_by, before=before, limit=_PAGE):
        before = rows[-1].letter
        wanted = [row for row in rows if speed in (None, row.speed)]
        states = reader.states_of([row.letter for row in wanted])
        for row in wanted:
            silent = [code for code in states[row.letter].unacknowledged if agency in (None, code)]
            if silent:
                yield _row(row) | {"silent": silent, "missing": _missing(states[row.letter], silent)}


def _missing(state: LetterState, silent: list[str]) -> dict[str, list[str]]:
    """Return the silent ones by what has not happened: by whom each is to be asked."""
    found: dict[str, list[str]] = {}
    for code in silent:
        one = state.recipients[code]
        what = (
            "registration"
            if one.receipt
            else "receipt"
            if one.consigned_at
            else "release"
            if one.held
            else "consignment"
        )
        found.setdefault(what, []).append(code)
    return {what: found[what] for what in _MISSING if what in found}


def _row(row: LetterRow) -> Row:
    return {
        "letter": row.letter,
        "letterId": row.letter_id,
        "number": row.number,
        "sender": row.sender,
        "speed": row.speed,
        "acceptedAt": row.accepted_at,
    }


def report(
    name: Annotated[str, typer.Argument(help="overdue, refused, operators, keys, readings or gaps.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Print a report: who was overdue, what was refused and why, what operators did, whose keys changed, what waits."""
    if name not in _REPORTS:
        raise typer.BadParameter(f"known: {', '.join(_REPORTS)}")
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        rows = list(_REPORTS[name](reader))
        head = reader.head()
    words = ["  ".join(f"{value}" for value in row.values() if value not in (None, "")) for row in rows]
    say(
        {"report": name, "head": head, "count": len(rows), "rows": rows},
        json=json,
        words=words or ["nothing"],
    )


def _overdue(reader: Reader) -> Iterator[Row]:
    for entry in reader.every(Kind.OVERDUE):
        yield _named(entry, "letter", "deadline", "due", "silent")


def _refused(reader: Reader) -> Iterator[Row]:
    """Refusals by code, the most frequent first, with the agencies that got them."""
    found: dict[str, list[Entry]] = {}
    for kind in (Kind.REFUSED, Kind.CONFLICT):
        for entry in reader.every(kind):
            found.setdefault(entry.body["code"], []).append(entry)
    for code, entries in sorted(found.items(), key=lambda one: -len(one[1])):
        agencies = sorted({entry.body.get("agency") or "?" for entry in entries})
        yield {"code": code, "count": len(entries), "agencies": agencies, "last": entries[-1].seq}


def _operators(reader: Reader) -> Iterator[Row]:
    kinds = (Kind.DIRECTORY, Kind.CALENDAR, Kind.REPLAY_REQUESTED, Kind.GRANTED)
    acts = sorted((entry for kind in kinds for entry in reader.every(kind)), key=lambda entry: entry.seq)
    for entry in acts:
        yield _named(entry, "kind", "operator", "version", "parked", "auditor", "until", "reason")


def _readings(reader: Reader) -> Iterator[Row]:
    for entry in reader.every(Kind.READ):
        yield _named(entry, "auditor", "what", "letter", "grant", "query", "count")


def _keys(reader: Reader) -> Iterator[Row]:
    """What each version of the directory changed about certificates."""
    before: dict[str, tuple[str, object]] = {}
    for entry in reader.every(Kind.DIRECTORY):
        directory = from_json(reader.must_document(entry))
        holders = [BUS, *directory.agencies]
        pins = {pin.fingerprint: (code, pin.revoked_at) for code in holders for pin in directory.pins(code)}
        for fingerprint, (code, revoked) in pins.items():
            if before.get(fingerprint) != (code, revoked):
                change = "revoked" if revoked else "pinned"
                yield _named(entry, "version") | {
                    "agency": code,
                    "change": change,
                    "certificate": fingerprint,
                }
        for fingerprint, (code, _) in before.items():
            if fingerprint not in pins:
                yield _named(entry, "version") | {
                    "agency": code,
                    "change": "removed",
                    "certificate": fingerprint,
                }
        before = dict(pins)


def _gaps(reader: Reader) -> Iterator[Row]:
    """Consignments that no broker has confirmed: what each agency is still to get."""
    for agency, (waiting, held) in sorted(reader.waiting_by_agency().items()):
        yield {"agency": agency, "waiting": waiting, "held": held}


def _named(entry: Entry, *names: str) -> Row:
    return {"entry": entry.seq, "at": entry.body["at"], **{name: entry.body.get(name) for name in names}}


_REPORTS: dict[str, Callable[[Reader], Iterator[Row]]] = {
    "overdue": _overdue,
    "refused": _refused,
    "operators": _operators,
    "keys": _keys,
    "readings": _readings,
    "gaps": _gaps,
}
