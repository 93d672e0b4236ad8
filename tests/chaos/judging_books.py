"""Rules about ledger, mailboxes, broker and programs: numbers without gaps, nothing set aside, nothing failed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

from tests.chaos.verdict import Trial, Violation

_PARKED = "router.parked"


def judge(trial: Trial) -> Iterator[Violation]:
    """Everything that is wrong with what the programs keep."""
    yield from _ledger(trial)
    yield from _consignments(trial)
    yield from _set_aside(trial)
    yield from _logs(trial)


def _ledger(trial: Trial) -> Iterator[Violation]:
    ledger, where = trial.found.ledger, str(trial.found.places.entries)
    if [body["seq"] for body in ledger.entries] != list(range(1, len(ledger.entries) + 1)):
        yield Violation(rule="ledger-gap", about="ledger", what="entries are missing", evidence=where)
    for sha256, raw in ledger.documents.items():
        if hashlib.sha256(raw).hexdigest() != sha256:
            yield Violation(rule="document-changed", about=sha256, what="has other bytes", evidence=where)
    for kind in ("accepted", "notice"):
        name = "letterId" if kind == "accepted" else "noticeId"
        counted = Counter((body["agency"], body[name]) for body in ledger.entries if body["kind"] == kind)
        for (agency, name_), count in counted.items():
            if count > 1:
                what = f"{kind} of {agency} is there {count} times"
                yield Violation(rule="entry-twice", about=name_, what=what, evidence=where)
    facts = Counter(
        (body["letter"], body["agency"])
        for body in ledger.entries
        if body["kind"] == "notice" and body["event"] == "delivered"
    )
    for (letter, agency), count in facts.items():
        if count > 1:
            what = f"delivered at {agency} {count} times"
            yield Violation(rule="entry-twice", about=f"letter {letter}", what=what, evidence=where)


def _consignments(trial: Trial) -> Iterator[Violation]:
    """Every agency's numbers run from 1 without a gap, and each arrived as it was given."""
    ledger = trial.found.ledger
    for code, box in trial.found.boxes.items():
        given = {row["number"]: row for row in ledger.consignments if row["agency"] == code}
        if sorted(given) != list(range(1, len(given) + 1)):
            yield Violation(
                rule="consignment-gap",
                about=code,
                what="numbers are missing",
                evidence=str(trial.found.places.entries),
            )
        arrived = {row["consignment"] for row in box.arrivals}
        missing = sorted(given.keys() - arrived)
        if missing:
            what = f"{len(missing)} of {len(given)} have not arrived, the first is {missing[0]}"
            yield Violation(rule="consignment-missing", about=code, what=what, evidence=str(box.path))
        for row in box.arrivals:
            known = given.get(row["consignment"])
            if known is None or (known["type"], known["document"]) != (row["type"], row["sha256"]):
                what = f"consignment {row['consignment']} was not given so"
                yield Violation(rule="consignment-differs", about=code, what=what, evidence=str(box.path))


def _set_aside(trial: Trial) -> Iterator[Violation]:
    for code, box in trial.found.boxes.items():
        for row in box.arrivals:
            if row["state"] == "quarantined":
                yield Violation(
                    rule="quarantined",
                    about=f"consignment {row['consignment']} of {code}, {row['type']}",
                    what=f"{row['reason']}: {row['detail']}",
                    evidence=str(box.path),
                )
        for row in box.outbox:
            if row["state"] == "parked":
                what = f"{row['reference']} was parked"
                yield Violation(rule="parked", about=code, what=what, evidence=str(box.path))
    parked = sum(body["kind"] == "parked" for body in trial.found.ledger.entries)
    waiting = trial.found.queues.get(_PARKED, 0)
    if parked or waiting:
        what = f"{parked} entries, {waiting} in the queue"
        yield Violation(rule="parked", about="router", what=what, evidence=str(trial.found.places.logs))


def _logs(trial: Trial) -> Iterator[Violation]:
    """No program met what it did not expect: each such thing once, with how often it was."""
    for log in sorted(trial.found.places.logs.glob("*.log")):
        counted: Counter[str] = Counter()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if (fault := _fault(line)) is not None:
                counted[fault] += 1
        for fault, count in counted.items():
            what = f"{fault} ({count} times)"
            yield Violation(rule="error-logged", about=log.stem, what=what, evidence=str(log))


def _fault(line: str) -> str | None:
    """What a line of a log says that should not be there; what pika says of lost connections is expected."""
    try:
        entry = json.loads(line)
    except ValueError:
        return "a traceback" if line.startswith("Traceback") else None
    if not isinstance(entry, dict) or entry.get("level") not in ("error", "critical"):
        return None
    if str(entry.get("logger", "")).startswith("pika"):
        return None
    kinds = [str(each.get("type")) for each in entry.get("exception") or [] if isinstance(each, dict)]
    return " ".join([str(entry.get("event")).partition("\n")[0][:200], *kinds])
