"""A search as an auditor fills it in: each field understood, or a mistake beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from bus.directory import Names
from bus.identifiers import LetterId, RawDigest
from bus.ledger.finding import Asked
from bus.ledger.reading import Reader
from bus.thai import normalise_number
from bus.views import asking
from bus.views.asking import NotUnderstood
from bus.views.letters import SHA256, ledger_number, letters_named

FIELDS: Final = (
    *("any", "number", "id", "subject", "since", "until", "from", "to", "party", "kind", "speed", "state"),
    *("file", "certificate", "entry", "hash", "code"),
)
"""What a search can be asked by, in the order of the form."""
_LETTER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OF_ANY: Final = frozenset({"number", "id", "from", "hash", "code"})
"""What can be asked of every submission, accepted or not."""


@dataclass(slots=True)
class Question:
    """What is asked, as far as it is understood."""

    asked: Asked = field(default_factory=Asked)
    state: str | None = None
    understood: dict[str, Any] = field(default_factory=dict)
    """By field, in its one form: what is entered as asked, and what the answer bears."""
    mistakes: dict[str, str] = field(default_factory=dict)
    """By field, why it is not understood, with the nearest that is."""
    pinned: Callable[[], asking.Pinned] | None = None
    """Gives the certificates of all directories, where they are known already (names.py)."""

    @property
    def of_any(self) -> bool:
        """Whether what was not accepted can be asked the same."""
        return bool(self.understood) and set(self.understood) <= _OF_ANY


def understand(
    reader: Reader,
    names: Names,
    given: Mapping[str, str],
    pinned: Callable[[], asking.Pinned] | None = None,
) -> Question:
    """Return the question that the fields of a form make."""
    question = Question(pinned=pinned)
    values = dict(given)
    if text := values.pop("any", None):
        name = guessed(reader, text)
        if name in values:
            question.mistakes["any"] = f"{text!r} and the field {name} ask the same; give one of them"
        else:
            values[name] = text
    for name in FIELDS:
        if (text := values.get(name)) is not None:
            try:
                _READ[name](question, reader, names, text)
            except NotUnderstood as wrong:
                question.mistakes[name] = str(wrong)
    first, last = (question.understood.get(name) for name in ("since", "until"))
    if first and last and first > last:
        question.mistakes["until"] = f"{last} is before {first}"
    return question


def guessed(reader: Reader, text: str) -> str:
    """Return the field that a text is meant for: a hash, a LetterID, an entry, a letter's number, else words."""
    if SHA256.fullmatch(text.lower()):
        return "hash"
    if _LETTER_ID.fullmatch(text.lower()):
        return "id"
    if (number := ledger_number(text)) and number <= reader.head():
        return "entry"
    form = normalise_number(text)
    known = reader.find_letters(number=form, limit=1) or reader.unaccepted.find(number=form[:200], limit=1)
    return "number" if known else "subject"


def _put(question: Question, name: str, value: Any, **asked: Any) -> None:
    question.understood[name] = value
    cast("dict[str, Any]", question.asked).update(asked)


def _number(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    form = normalise_number(text)
    _put(question, "number", form, number=form)


def _id(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    if not _LETTER_ID.fullmatch(text.lower()):
        raise NotUnderstood(f"{text!r} is no LetterID, such as 0189f7ea-7f5b-7d3a-8f52-1c5e5a3b9d10")
    _put(question, "id", text.lower(), letter_id=LetterId(text.lower()))


def _date(name: str) -> Callable[[Question, Reader, Names, str], None]:
    def read(question: Question, _reader: Reader, _names: Names, text: str) -> None:
        day, last = asking.dates(text)
        if day is None or day != last:
            raise NotUnderstood(f"{text!r} is no date: write 22/11/2569 or 2026-11-22")
        _put(question, name, day, **{name: day})

    return read


def _agency(name: str, asked: str) -> Callable[[Question, Reader, Names, str], None]:
    def read(question: Question, _reader: Reader, names: Names, text: str) -> None:
        code = asking.agency(names, text)
        _put(question, name, code, **{asked: code})

    return read


def _words(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    words = asking.words_in(text)
    _put(question, "subject", list(words), words=words)


def _kind(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    code = asking.kind(text)
    _put(question, "kind", code, kind=code)


def _speed(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    code = asking.speed(text)
    _put(question, "speed", code, speed=code)


def _state(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    question.state = asking.state(text)
    _put(question, "state", question.state)


def _digest(text: str) -> RawDigest:
    # Never a path: that would be one of the machine on which the console runs.
    if not SHA256.fullmatch(text.lower()):
        raise NotUnderstood(
            f"{text!r} is no SHA-256: give 64 hexadecimal digits, as `sha256sum FILE` prints them"
        )
    return RawDigest(text.lower())


def _file(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    digest = _digest(text)
    _put(question, "file", digest, file=digest)


def _certificate(question: Question, reader: Reader, _names: Names, text: str) -> None:
    plain = text.lower().replace(":", "")
    by_fingerprint = SHA256.fullmatch(plain) and reader.find_letters(certificates=(plain,), limit=1)
    known = question.pinned() if question.pinned and not by_fingerprint else None
    found = (plain,) if by_fingerprint else asking.certificates(reader, text, known)
    _put(question, "certificate", list(found), certificates=found)


def _entry(question: Question, reader: Reader, _names: Names, text: str) -> None:
    number = ledger_number(text)
    if not number:
        raise NotUnderstood(f"{text!r} is no number of an entry")
    entry = reader.entry_at(number)
    if entry is None:
        raise NotUnderstood(f"the ledger has no entry {number}; its newest is {reader.head()}")
    _among(question, {entry.letter} if entry.letter else set())
    _put(question, "entry", number)


def _hash(question: Question, reader: Reader, _names: Names, text: str) -> None:
    digest = _digest(text)
    _among(question, {row.letter for row in letters_named(reader, digest)})
    _put(question, "hash", digest)


def _code(question: Question, _reader: Reader, _names: Names, text: str) -> None:
    # No letter that was accepted has the code of a refusal.
    _among(question, set())
    _put(question, "code", asking.refusal(text))


def _among(question: Question, some: set[int]) -> None:
    known = question.asked.get("letters")
    question.asked["letters"] = some if known is None else some & set(known)


_READ: Final[Mapping[str, Callable[[Question, Reader, Names, str], None]]] = {
    "number": _number,
    "id": _id,
    "subject": _words,
    "since": _date("since"),
    "until": _date("until"),
    "from": _agency("from", "sender"),
    "to": _agency("to", "recipient"),
    "party": _agency("party", "party"),
    "kind": _kind,
    "speed": _speed,
    "state": _state,
    "file": _file,
    "certificate": _certificate,
    "entry": _entry,
    "hash": _hash,
    "code": _code,
}
