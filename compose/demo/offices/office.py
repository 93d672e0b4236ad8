"""What an office is to the story, whatever door it uses: it sends, it takes what has come, and it says what is news.

Offices and story know a letter by its subject, which every door shows; no two of the story's have the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bus.identifiers import AgencyCode

Manifest = Mapping[str, Any]
"""What a letter says, by the names of a `letter.toml`; `reference` is the sender's own key of it."""
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Held:
    """A letter that an office holds, as its door has told of it."""

    subject: str
    id: str
    """What the office calls it by at its door: its LetterID, or its number."""
    files: tuple[str, ...]
    """The SHA-256 of each file as it lies in the office, in order."""
    asks_number: bool = True
    """Whether its sender asks for a receiving number."""


@dataclass(frozen=True, slots=True)
class News:
    """What an office was told about a letter that it has sent, or that it holds."""

    event: str
    subject: str
    number: str | None = None
    """The receiving number."""
    code: str | None = None
    """Why the bus refused it."""


class Office(Protocol):
    """One agency's office system, or the person who has none."""

    door: str
    """What its door is called."""
    code: AgencyCode
    name: str
    held: list[Held]
    """Every letter that has come, in order; twice if it came twice."""
    failed: list[str]
    """What its door would not take, in the door's own words."""

    def send(self, manifest: Manifest, files: Files) -> None:
        """Send a letter; the first file is the letter itself."""

    def act(self, verb: str, subject: str, **fields: Any) -> None:
        """Say something about a letter: register, refuse, misdirected, correct, dispute, withdraw, grant."""

    def look(self) -> list[News]:
        """Go on with what could not be done yet, take what has come, and return what is new."""

    def close(self) -> None:
        """Leave the door."""


def digests(contents: Iterable[bytes]) -> tuple[str, ...]:
    """Return the SHA-256 of each."""
    return tuple(hashlib.sha256(content).hexdigest() for content in contents)


def letter_named(subject: str, held: Iterable[Held], sent: Mapping[str, str]) -> dict[str, str]:
    """Return how an act names a letter: one that came by its LetterID, one that was sent by the office's own key."""
    ids = [one.id for one in held if one.subject == subject]
    return {"letter_id": ids[0]} if ids else {"letter_reference": sent[subject]}


def news_in(view: Mapping[str, Any]) -> News | None:
    """Return what a receipt of the folder, or an item of the feed, says of a letter; None for the answer to an act."""
    answers = view.get("answers")
    about = answers or view.get("letter")
    if about is None or (answers and answers["type"] != "letter"):
        return None
    refusal = answers and answers["refusal"]
    return News(
        view["event"],
        about["subject"],
        view.get("receiving_number"),
        refusal["code"] if refusal else None,
    )


def refused_act(view: Mapping[str, Any]) -> str | None:
    """Return which act the bus refused, and why, where that is what a receipt or an item of the feed says."""
    answers = view.get("answers") or {}
    if answers.get("type") == "letter" or not answers.get("refusal"):
        return None
    return f"{answers['reference']}: {answers['refusal']['code']}"
