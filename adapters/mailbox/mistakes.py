"""What is wrong with something that an office asked for: every mistake at once, in Thai and English."""

from __future__ import annotations

from dataclasses import dataclass

from bus.errors import BusError


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where it stands, and what to do about it in both languages."""

    where: str
    th: str
    en: str
    code: str | None = None
    """Of the bus's refusal that it would meet, where that is known."""


class Mistaken(BusError):
    """The office asked for something that cannot be done; nothing of it was done."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(f"{each.where}: {each.en}" for each in mistakes))
        self.mistakes = mistakes
