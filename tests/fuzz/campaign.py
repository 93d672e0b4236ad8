"""A campaign: mutants of three real documents, asked of all five checkers, and what came of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.documents.xml import Document
from tests.assets import factory
from tests.assets.toolkits import ACCEPTED, signed_by_xmlsec1
from tests.fuzz.checkers import Answer, by_xmlsec1, disagreement, expected_of_xmlsec1
from tests.fuzz.mutants import mutants, signed_again


@dataclass(frozen=True, slots=True)
class Case:
    """One document to be asked about."""

    raw: bytes
    document: str
    change: str
    by_signer: bool


@dataclass(slots=True)
class Outcome:
    """How many were accepted or refused and why, and every difference in words."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take another outcome in."""
        self.counts += other.counts
        self.differences += other.differences


@cache
def documents() -> dict[str, Document]:
    """A letter with every field, a clerk's notice, and the bus's acceptance."""
    return {
        "letter": factory.full_letter(letter_id=UUID(int=1)),
        "notice": factory.notices()["registered"],
        "acceptance": factory.notice(Event.ACCEPTED, author="bus", terms=factory.terms((factory.OCS,))),
    }


@cache
def originals() -> dict[str, bytes]:
    """The documents, sealed; and a letter as .NET would seal it."""
    sealed = {name: sign(document, factory.seal()).raw for name, document in documents().items()}
    with TemporaryDirectory(prefix="saraban-fuzz-") as folder:
        sealed["letter as .NET signs it"] = signed_by_xmlsec1(ACCEPTED["as .NET writes it"], Path(folder))
    return sealed


def sample(seed: int, size: int) -> list[Case]:
    """So many cases of all there are, about as many by signers as by others; the same for the same seed."""
    wanted = min(_count(), (size + 1) // 2)
    chosen = set(random.Random(seed).sample(range(_count()), wanted))
    cases = [case for place, case in enumerate(_every()) if place in chosen]
    return [*cases, *_by_signers(cases)]


def _every() -> Iterator[Case]:
    """Every case by outsiders: there are too many to be kept."""
    for name, raw in originals().items():
        for one in mutants(raw):
            yield Case(one.raw, name, one.change, by_signer=False)


@cache
def _count() -> int:
    return sum(1 for _ in _every())


def _by_signers(cases: list[Case]) -> Iterator[Case]:
    for one in cases:
        if (raw := signed_again(one.raw, factory.seal())) is not None and raw != one.raw:
            yield Case(raw, one.document, one.change, by_signer=True)


def ask(cases: list[Case], folder: Path) -> Outcome:
    """Ask all checkers about all cases."""
    outcome = Outcome()
    for_xmlsec1: list[tuple[Case, bool, Answer]] = []
    for case in cases:
        difference, answer = disagreement(case.raw)
        who = "signer" if case.by_signer else "outsider"
        outcome.counts[f"{who}: {answer.why or 'accepted'}"] += 1
        difference = difference or _other_content(case, answer)
        if difference:
            outcome.differences.append(f"{case.document}, {who}, {case.change}: {difference}")
        if (expected := expected_of_xmlsec1(answer)) is not None:
            for_xmlsec1.append((case, expected, answer))
    for_xmlsec1.sort(key=lambda one: not one[1])
    said = by_xmlsec1(folder, [case.raw for case, _, _ in for_xmlsec1])
    for (case, expected, answer), ok in zip(for_xmlsec1, said, strict=True):
        outcome.counts[f"xmlsec1: {'OK' if ok else 'FAIL'}"] += 1
        if ok is not expected:
            word = "OK" if ok else "FAIL"
            outcome.differences.append(
                f"{case.document}, {case.change}: xmlsec1 says {word} to {answer.why or 'what is accepted'}"
            )
    return outcome


def _other_content(case: Case, answer: Answer) -> str | None:
    """Whoever has no key cannot change what is said."""
    same = answer.document == documents()[case.document.split()[0]]
    return (
        "it is accepted and says something else" if answer.accepted and not (case.by_signer or same) else None
    )
