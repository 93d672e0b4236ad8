"""The offices of a run: they lay out letters and acts by the plan, and read nothing but their own folders."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compose.demo.offices.exchange import Exchange
from tests.chaos.plan import BY_SENDER, Act, After, Chain, Letter, Plan, Verb

_SIGNER = {"given_name": "ตัวอย่าง", "family_name": "ผู้ลงนาม", "job_title": "ผู้อำนวยการ (ตัวอย่าง)"}
_DATE = "2026-11-23"
_REASON = "เหตุผลเพื่อการทดสอบ (ตัวอย่าง)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidAct:
    """An act that was put into an outbox."""

    reference: str
    verb: Verb
    by: str
    letter: str
    """The letter's key."""
    recipient: str


@dataclass(slots=True)
class _Progress:
    """How far an office has come with a chain."""

    letter: Letter
    chain: Chain
    number: int
    done: list[LaidAct] = field(default_factory=list)
    due: float | None = None

    @property
    def next(self) -> Act | None:
        """The act that is to come."""
        return self.chain.acts[len(self.done)] if len(self.done) < len(self.chain.acts) else None


class Offices:
    """All offices of a run; `look` is called again and again, from one thread at a time."""

    def __init__(self, plan: Plan, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        self._offices = {code: Exchange(code, folder) for code, folder in folders.items()}
        self._waiting = sorted(plan.letters, key=lambda one: one.at)
        self._chains = [
            _Progress(letter, chain, number)
            for letter in plan.letters
            for number, chain in enumerate(letter.chains)
        ]
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str], str] = {}
        """The LetterID of each letter that was shown, by recipient and key."""
        self._keys: dict[str, str] = {}
        self._answers: dict[tuple[str, str], str] = {}
        """By office and reference: accepted, or refused-by-bus."""
        self._heard: set[tuple[str, str, str, str]] = set()
        """(office, key, author, event) of each notice that was shown."""
        self.letters: dict[str, Letter] = {}
        """The letters that were laid out, by key."""
        self.acts: list[LaidAct] = []

    def look(self, at: float) -> None:
        """Read what is new in the folders, and do what is due `at` so many seconds after the beginning."""
        with self._lock:
            self._read()
            self._lay_letters(at)
            for progress in self._chains:
                self._advance(progress, at)

    def due(self) -> list[str]:
        """What will be put into an outbox without anything else having to happen, by what is in the folders now."""
        with self._lock:
            self._read()
            waits = [
                f"act {act} about {one.letter.key}" for one in self._chains if (act := self._awaited(one))
            ]
            return waits + [f"letter {one.key}" for one in self._waiting if self._may_go(one)]

    def sent(self, code: str) -> set[str]:
        """The names of what has been taken from an office's outbox."""
        return {place.name for place in (self._folders[code] / "sent").glob("[!.]*")}

    def lay_again(self, code: str, known: set[str]) -> None:
        """Put what was taken since into the outbox once more, because the mailbox was set back.

        All letters, for the mailbox does not know them any more, and a letter laid out again is the same letter; of the
        acts those that are not answered.
        """
        with self._lock:
            for name in sorted(self.sent(code) - known):
                act, _, verb = name.removesuffix(".json").partition(".")
                if not verb or (code, f"{act}/{verb}") not in self._answers:
                    (self._folders[code] / "sent" / name).rename(self._folders[code] / "outbox" / name)

    def _read(self) -> None:
        for code, office in self._offices.items():
            for shown in office.letters():
                self._ids[code, shown["sender_reference"]] = shown["letter_id"]
                self._keys[shown["letter_id"]] = shown["sender_reference"]
            for receipt in office.receipts():
                self._hear(code, receipt)

    def _awaited(self, progress: _Progress) -> Act | None:
        """The next act of a chain, if what it waits for has happened."""
        act = progress.next
        return (
            act if act is not None and (progress.due is not None or self._happened(progress, act)) else None
        )

    def _hear(self, code: str, receipt: Mapping[str, Any]) -> None:
        answers = receipt.get("answers")
        if answers:
            self._answers[code, answers["reference"]] = receipt["event"]
            if answers["type"] == "letter":
                self._keys[answers["id"]] = answers["reference"]
        elif "author" in receipt and receipt.get("letter_id") in self._keys:
            key = self._keys[receipt["letter_id"]]
            self._heard.add((code, key, receipt["author"]["code"], receipt["event"]))

    def _lay_letters(self, at: float) -> None:
        for letter in [one for one in self._waiting if one.at <= at and self._may_go(one)]:
            self._waiting.remove(letter)
            self.letters[letter.key] = letter
            contents = {file_name(letter, n): content(letter, n) for n in range(len(letter.sizes))}
            self._offices[letter.sender].send(letter.key, _manifest(letter), contents)

    def _may_go(self, letter: Letter) -> bool:
        return letter.replaces is None or self._answers.get((letter.sender, letter.replaces)) == "accepted"

    def _advance(self, progress: _Progress, at: float) -> None:
        act = progress.next
        if act is None:
            return
        if progress.due is None and self._happened(progress, act):
            progress.due = at + act.delay
        if progress.due is not None and progress.due <= at:
            progress.due = None
            laid = self._lay_act(progress, act)
            progress.done.append(laid)
            self.acts.append(laid)

    def _happened(self, progress: _Progress, act: Act) -> bool:
        letter, recipient = progress.letter, progress.chain.recipient
        if act.verb not in BY_SENDER and (recipient, letter.key) not in self._ids:
            return False  # what is said about a letter may come before the letter itself, whose files are fetched
        match act.after:
            case After.SHOWN:
                return (recipient, letter.key) in self._ids
            case After.ACCEPTED:
                return self._answers.get((letter.sender, letter.key)) == "accepted"
            case After.DONE:
                return True
            case After.ANSWERED:
                before = progress.done[-1]
                return (before.by, before.reference) in self._answers
            case After.REGISTERED:
                return (letter.sender, letter.key, recipient, act.after) in self._heard
            case _:
                return (recipient, letter.key, letter.sender, act.after) in self._heard

    def _lay_act(self, progress: _Progress, act: Act) -> LaidAct:
        letter, recipient = progress.letter, progress.chain.recipient
        by = letter.sender if act.verb in BY_SENDER else recipient
        name = f"{letter.key}-{recipient}-{progress.number}{len(progress.done)}"
        which = (
            {"letter_reference": letter.key}
            if act.verb in BY_SENDER
            else {"letter_id": self._ids[recipient, letter.key]}
        )
        self._offices[by].act(act.verb, name, **which, **_fields(act, name, recipient, letter.sender))
        return LaidAct(
            reference=f"{name}/{act.verb}", verb=act.verb, by=by, letter=letter.key, recipient=recipient
        )


def file_name(letter: Letter, number: int) -> str:
    """The name of a file of a letter."""
    return f"หนังสือ {letter.key} {number + 1}.pdf"


def content(letter: Letter, number: int) -> bytes:
    """The bytes of a file of a letter: what passes for a scan, different for every file, ended as a PDF ends."""
    seed = hashlib.sha256(f"{letter.key}/{number}".encode()).hexdigest()
    line = f"%PDF-1.7 {seed}\n".encode()
    size = letter.sizes[number]
    return (line * (size // len(line) + 1))[: max(size - 6, len(line))] + b"%%EOF\n"


def _manifest(letter: Letter) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "date": _DATE,
        "kind": "external",
        "to": list(letter.to),
        "subject": f"หนังสือทดสอบ {letter.key}",
        "acknowledgement": letter.acknowledgement,
        "signers": [_SIGNER],
    }
    if letter.replaces:
        manifest["replaces"] = {"reference": letter.replaces, "reason": "แก้ไขเนื้อหา (ตัวอย่าง)"}
    return manifest


def _fields(act: Act, name: str, recipient: str, sender: str) -> dict[str, Any]:
    match act.verb:
        case Verb.REGISTER | Verb.CORRECT:
            return {"number": name.replace("-", ""), "unit": "งานสารบรรณ", "officer": "เจ้าหน้าที่ตัวอย่าง"}
        case Verb.MISDIRECTED:
            return {"reason": _REASON, "suggested_receiver": sender}
        case Verb.DISPUTE | Verb.WITHDRAW:
            return {"recipients": [recipient], "reason": _REASON}
        case Verb.SETTLE:
            return {"recipients": [recipient], "means": "paper", "means_reference": name}
        case Verb.GRANT:
            return {}
        case _:
            return {"reason": _REASON}
