"""Rules about clerks' acts: each is answered once, refused only with cause, told to the other party, and seen alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.chaos.history import MACHINE, life, said
from tests.chaos.looking import Row
from tests.chaos.offices import LaidAct
from tests.chaos.plan import BY_SENDER
from tests.chaos.verdict import Trial, Violation

_CIRCUMSTANCES_OF_NOTICES = "notice."
"""The beginning of the codes by which the life of a delivery refuses; nothing else is wrong with these acts."""


def judge(trial: Trial) -> Iterator[Violation]:
    """Everything that is wrong with an act, or with what became of it."""
    for act in trial.acts:
        yield from _answered(trial, act)
    yield from _permitted(trial)
    yield from _refused_with_cause(trial)
    yield from _seen_alike(trial)


def _answered(trial: Trial, act: LaidAct) -> Iterator[Violation]:
    """The office has one answer to each act, or a reason in `failed/`; and it has not been told it again."""
    folder = trial.found.folders[act.by]
    told = [
        (place, receipt)
        for place, receipt in folder.receipts
        if receipt.get("answers") and receipt["answers"]["reference"] == act.reference
    ]
    key, _, verb = act.reference.partition("/")
    failed = folder.failed.get(f"{key}.{verb}.json")
    if not told:
        if failed is None:
            yield _violation("act-unanswered", act, "neither an answer nor a reason", folder.path)
        elif "internal fault" in failed:
            yield _violation("act-failed", act, failed.splitlines()[-3], folder.path / "failed")
        return
    outcomes = {(receipt["event"], receipt["answers"]["entry"]) for _, receipt in told}
    place = told[-1][0]
    if len(outcomes) > 1:
        yield _violation("answers-contradict", act, f"the office was told {sorted(outcomes)}", place)
    if len(told) > trial.tellings(act.by):
        refused = any(event == "refused-by-bus" for event, _ in outcomes)
        rule = "refusal-repeated" if refused else "answer-repeated"
        yield _violation(rule, act, f"told {len(told)} times", place)
    said_ids = {receipt["answers"]["id"] for _, receipt in told if receipt["event"] == "accepted"}
    recorded = {
        (body["seq"], body["noticeId"]) for body in trial.found.ledger.entries if body["kind"] == "notice"
    }
    for _, receipt in told:
        named = (receipt["answers"]["entry"], receipt["answers"]["id"])
        if receipt["event"] == "accepted" and named not in recorded:
            what = f"the office was told entry {named[0]}, which is another"
            yield _violation("answers-contradict", act, what, place)
    for notice_id in sorted(said_ids):
        yield from _forwarded(trial, act, notice_id)


def _forwarded(trial: Trial, act: LaidAct, notice_id: str) -> Iterator[Violation]:
    """The other party was shown it."""
    letter = trial.letters[act.letter]
    hearer = act.recipient if act.verb in BY_SENDER else letter.sender
    folder = trial.found.folders[hearer]
    heard = [
        place
        for place, receipt in folder.receipts
        if receipt.get("notice_id") == notice_id and "author" in receipt
    ]
    if not heard:
        what = f"notice {notice_id} was not told to {hearer}"
        yield _violation("act-not-told", act, what, folder.path / "receipts")
    elif len(heard) > trial.tellings(hearer):
        yield _violation("act-told-again", act, f"{hearer} was told {len(heard)} times", heard[-1])


def _permitted(trial: Trial) -> Iterator[Violation]:
    """Nothing is in the ledger that what stood there before did not permit."""
    ledger = trial.found.ledger
    for number, entries in ledger.about.items():
        for body in entries:
            if body["kind"] != "notice" or body["event"] in MACHINE:
                continue
            for code in body["about"]:
                before = life(entries, code, before=body["seq"])
                if not before.permits(body["event"], body.get("supersedes")):
                    yield Violation(
                        rule="recorded-although-forbidden",
                        about=f"letter {number}",
                        what=f"entry {body['seq']}: {body['event']} of {code} after {before.state}",
                        evidence=str(trial.found.places.entries),
                    )


def _refused_with_cause(trial: Trial) -> Iterator[Violation]:
    """What was refused was not permitted by what the ledger had at that moment."""
    ledger = trial.found.ledger
    numbers = {row["letter_id"]: row["letter"] for row in ledger.letters}
    references = {
        row["document_id"]: row["reference"] for box in trial.found.boxes.values() for row in box.outbox
    }
    for body in ledger.entries:
        if body["kind"] not in ("refused", "conflict") or body.get("type") != "notice":
            continue
        notice = said(ledger.documents[body["document"]])
        about = references.get(body.get("id") or "", f"entry {body['seq']}")
        cause = f"{body['agency']} was refused {body['code']} in entry {body['seq']}"
        if notice is None or not body["code"].startswith(_CIRCUMSTANCES_OF_NOTICES):
            yield _refusal(trial, about, cause)
            continue
        entries = ledger.about.get(numbers.get(notice.letter_id or "", 0), [])
        concerned = notice.about or tuple(ledger.frozen.get(numbers.get(notice.letter_id or "", 0), ()))
        states = {code: life(entries, code, before=body["seq"]) for code in concerned}
        if all(one.permits(notice.event, notice.supersedes) for one in states.values()):
            seen = ", ".join(f"{code} {one.state}" for code, one in states.items())
            yield _refusal(trial, about, f"{cause}: {notice.event}, although there stood {seen}")


def _refusal(trial: Trial, about: str, what: str) -> Violation:
    return Violation(
        rule="refused-although-permitted",
        about=about,
        what=what,
        evidence=str(trial.found.places.entries),
    )


def _seen_alike(trial: Trial) -> Iterator[Violation]:
    """Sender and recipient see the state that the ledger's entries give."""
    ledger = trial.found.ledger
    for row in ledger.letters:
        entries = ledger.about.get(row["letter"], [])
        for code in ledger.frozen.get(row["letter"], ()):
            wanted = _wanted(entries, code)
            seen = {
                "sender": _told_to_sender(trial.sent[row["sender"]], row["letter_id"], code),
                "recipient": _told_to_recipient(trial.received[code], row["letter_id"], row["sender"]),
            }
            for who, view in seen.items():
                if view is not None and _differs(wanted, view):
                    yield Violation(
                        rule="state-differs",
                        about=f"letter {_key(trial, row)} at {code}",
                        what=f"the ledger has {wanted}, its {who} sees {view}",
                        evidence=str(trial.found.boxes[row["sender"] if who == "sender" else code].path),
                    )


_State = tuple[str, str | None, str | None, bool]
"""The outcome, the receiving number, the withdrawal, and whether the number is disputed."""


def _wanted(entries: Sequence[Row], code: str) -> _State:
    found = life(entries, code)
    withdrawal = found.withdrawal.removeprefix("withdrawal-") if found.withdrawal else None
    return (found.state, found.number, withdrawal, found.disputed)


def _differs(wanted: _State, view: _State) -> bool:
    """A letter that was settled by other means and answered may be called either: only the rest is compared."""
    return view[1:] != wanted[1:] if "settled" in (view[0], wanted[0]) else view != wanted


def _told_to_sender(letters: Sequence[Mapping[str, object]], letter_id: str, code: str) -> _State | None:
    for letter in letters:
        if letter["id"] == letter_id:
            recipients: Sequence[Row] = letter["recipients"]  # type: ignore[assignment]
            return next((_view(one) for one in recipients if one["agency"]["code"] == code), None)
    return None


def _told_to_recipient(letters: Sequence[Mapping[str, object]], letter_id: str, sender: str) -> _State | None:
    for letter in letters:
        origin: Row = letter["sender"]  # type: ignore[assignment]
        if letter["letter_id"] == letter_id and origin["code"] == sender:
            standing: Row = letter["standing"]  # type: ignore[assignment]
            return _view(standing)
    return None


def _view(one: Row) -> _State:
    return (one["state"], one.get("receiving_number"), one.get("withdrawal"), bool(one.get("disputed")))


def _key(trial: Trial, row: Row) -> str:
    box = trial.found.boxes[row["sender"]]
    found = (one["reference"] for one in box.outbox if one["document_id"] == row["letter_id"])
    return str(next(found, row["letter_id"]))


def _violation(rule: str, act: LaidAct, what: str, evidence: Path) -> Violation:
    return Violation(rule=rule, about=f"act {act.reference} of {act.by}", what=what, evidence=str(evidence))
