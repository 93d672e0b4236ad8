"""Rules about letters: one answer for each, and every recipient has it once, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.chaos.looking import Row
from tests.chaos.offices import content
from tests.chaos.plan import Letter
from tests.chaos.verdict import Trial, Violation


def judge(trial: Trial) -> Iterator[Violation]:
    """Everything that is wrong with a letter."""
    for letter in trial.letters.values():
        yield from _answered_once(trial, letter)
        yield from _delivered(trial, letter)
    yield from _from_nowhere(trial)


def _answered_once(trial: Trial, letter: Letter) -> Iterator[Violation]:
    """The office has one answer to each letter, and none of these letters gives a reason to refuse it."""
    folder = trial.found.folders[letter.sender]
    for name, reason in folder.failed.items():
        if name == letter.key:
            why = reason.splitlines()[1] if reason.count("\n") else reason
            yield _violation("letter-failed", letter, why, folder.path / "failed")
            return
    told = [
        (place, receipt)
        for place, receipt in folder.receipts
        if receipt.get("answers") and receipt["answers"]["reference"] == letter.key
    ]
    if not told:
        yield _violation("letter-unanswered", letter, "the office has no answer", folder.path / "receipts")
        return
    place = told[-1][0]
    answers = {(receipt["event"], receipt["answers"]["entry"]) for _, receipt in told}
    if len(answers) > 1:
        yield _violation("answers-contradict", letter, f"the office was told {sorted(answers)}", place)
    if len(told) > trial.tellings(letter.sender):
        yield _violation("answer-repeated", letter, f"told {len(told)} times", place)
    for event, _ in sorted(answers):
        if event != "accepted":
            refusal = told[-1][1]["answers"]["refusal"]
            yield _violation("letter-refused", letter, f"{event}: {refusal and refusal['code']}", place)


def _delivered(trial: Trial, letter: Letter) -> Iterator[Violation]:
    accepted = _entry(trial, letter)
    ledger = trial.found.ledger
    if accepted is None:
        yield _violation("letter-lost", letter, "the ledger does not have it", trial.found.places.entries)
        return
    frozen = ledger.frozen.get(accepted["seq"], set())
    if frozen != set(letter.recipients):
        yield _violation(
            "wrong-recipients",
            letter,
            f"entry {accepted['seq']} has {sorted(frozen)}",
            trial.found.places.entries,
        )
    told = {row["entry"] for row in _rows(trial, letter) if row["state"] == "accepted"}
    if told != {accepted["seq"]}:
        what = f"its sender's mailbox has entry {sorted(map(str, told))}, the ledger {accepted['seq']}"
        yield _violation("answers-contradict", letter, what, trial.found.boxes[letter.sender].path)
    for code in letter.recipients:
        yield from _at(trial, letter, code, accepted)


def _entry(trial: Trial, letter: Letter) -> Row | None:
    """The entry of the letter's acceptance, by the LetterID that its sender's mailbox has given it or has told."""
    answers = [receipt.get("answers") for _, receipt in trial.found.folders[letter.sender].receipts]
    ids = {told["id"] for told in answers if told and told["reference"] == letter.key}
    ids |= {row["document_id"] for row in _rows(trial, letter)}
    found = [
        body
        for body in trial.found.ledger.entries
        if body["kind"] == "accepted" and body["agency"] == letter.sender and body["letterId"] in ids
    ]
    return found[0] if len(found) == 1 else None


def _rows(trial: Trial, letter: Letter) -> list[Row]:
    """The letter in its sender's mailbox."""
    outbox = trial.found.boxes[letter.sender].outbox
    return [row for row in outbox if row["type"] == "letter" and row["reference"] == letter.key]


def _at(trial: Trial, letter: Letter, code: str, accepted: Row) -> Iterator[Violation]:
    """At one recipient: shown once, with the bytes that were signed and the files that were laid out; and attested."""
    folder = trial.found.folders[code]
    shown = [place for place, told in folder.letters if told["letter_id"] == accepted["letterId"]]
    if len(shown) != 1:
        rule = "letter-twice" if shown else "letter-not-delivered"
        yield _violation(rule, letter, f"{len(shown)} times in the inbox of {code}", folder.path / "inbox")
    for place in shown:
        yield from _same_bytes(trial, letter, place, accepted)
    sender = trial.found.folders[letter.sender]
    receipts = [
        place
        for place, told in sender.receipts
        if told["event"] == "delivered"
        and told.get("letter_id") == accepted["letterId"]
        and told["author"]["code"] == code
    ]
    if not receipts:
        yield _violation("receipt-missing", letter, f"from {code}", sender.path / "receipts")
    elif len(receipts) > trial.tellings(letter.sender):
        yield _violation("receipt-repeated", letter, f"of {code}, {len(receipts)} times", receipts[-1])


def _same_bytes(trial: Trial, letter: Letter, place: Path, accepted: Row) -> Iterator[Violation]:
    signed = trial.found.ledger.documents[accepted["document"]]
    if (place / "letter.xml").read_bytes() != signed:
        yield _violation("bytes-differ", letter, "letter.xml is not what was accepted", place)
    sent = [
        row["raw"]
        for row in trial.found.boxes[letter.sender].outbox
        if row["document_id"] == accepted["letterId"]
    ]
    # Laid out again after its sender's mailbox was set back, it is the same letter, sealed at another time.
    if sent != [signed] and not trial.restored.get(letter.sender):
        yield _violation("bytes-differ", letter, "its sender has other bytes", place)
    wanted = sorted(content(letter, number) for number in range(len(letter.sizes)))
    files = sorted(
        each.read_bytes() for each in place.iterdir() if each.name not in ("letter.xml", "letter.json")
    )
    if files != wanted:
        yield _violation("bytes-differ", letter, "its files are not those that were laid out", place)


def _from_nowhere(trial: Trial) -> Iterator[Violation]:
    """Nobody has a letter that the ledger did not accept for it."""
    ids = {row["letter_id"]: row["letter"] for row in trial.found.ledger.letters}
    for code, folder in trial.found.folders.items():
        for place, told in folder.letters:
            number = ids.get(told["letter_id"])
            if number is None or code not in trial.found.ledger.frozen.get(number, ()):
                yield Violation(
                    rule="letter-from-nowhere",
                    about=told["letter_id"],
                    what=f"is in the inbox of {code}",
                    evidence=str(place),
                )


def _violation(rule: str, letter: Letter, what: str, evidence: Path) -> Violation:
    return Violation(rule=rule, about=f"letter {letter.key}", what=what, evidence=str(evidence))
