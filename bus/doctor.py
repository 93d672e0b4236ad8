"""A doctor looks at what a program depends on, one check after another, and says of each what it found and what to do.

A check is a name and a function. What it did not foresee is a FAIL of that check, and the others go on. Whatever a
check finds is said in a sentence that quotes no letter and no secret: a bundle with its lines is sent to others.
"""

from __future__ import annotations

import asyncio
import json
import os
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from bus.errors import Misconfigured, Problem
from bus.logs import in_words, place_of
from bus.text import printable

_WITHIN = 30.0
"""Seconds that one check may take."""


class Level(IntEnum):
    """How good or bad it is, which is also the exit status of the worst."""

    OK = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Found:
    """What a check has found, and what to do about it; nothing is to be done where it is OK."""

    level: Level
    sentence: str
    fix: str = ""


def ok(sentence: str) -> Found:
    """What is as it should be."""
    return Found(Level.OK, sentence)


def warn(sentence: str, fix: str) -> Found:
    """What is not in the way now, and may soon be."""
    return Found(Level.WARN, sentence, fix)


def fail(sentence: str, fix: str) -> Found:
    """What is in the way."""
    return Found(Level.FAIL, sentence, fix)


Look = Callable[[], Awaitable[Sequence[Found]]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at."""

    name: str
    look: Look


@dataclass(frozen=True, slots=True)
class Line:
    """One finding under the name of its check."""

    check: str
    level: Level
    sentence: str
    fix: str

    def __str__(self) -> str:
        """One line, however long, which can be copied as a whole."""
        fix = f" → {self.fix}" if self.fix else ""
        return printable(f"{self.level.name:<4} {self.check}: {self.sentence}{fix}")

    def view(self) -> dict[str, str]:
        """The same as plain values."""
        return {
            "check": self.check,
            "level": self.level.name,
            "sentence": printable(self.sentence),
            "fix": printable(self.fix),
        }


def in_thread(look: Callable[[], Iterable[Found]]) -> Look:
    """A check that waits for disks, as one that can be awaited."""

    async def looked() -> Sequence[Found]:
        return await asyncio.to_thread(lambda: list(look()))

    return looked


async def examine(checks: Iterable[Check], *, within: float = _WITHIN) -> list[Line]:
    """Make the checks in order, each for so many seconds at most; one that finds nothing has failed."""
    return [line for check in checks for line in await _lines(check, within)]


def worst(lines: Iterable[Line]) -> Level:
    """The level of all of them together; nothing looked at is no good sign."""
    return max((line.level for line in lines), default=Level.FAIL)


def write_bundle(file: Path, members: Mapping[str, Any]) -> None:
    """Write a new archive for its owner alone, each member as JSON. Raises Misconfigured when it cannot be made."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as exc:
        wrong = f"cannot be made ({in_words(exc).partition(': ')[2].lower()})"
        raise Misconfigured(Problem(str(file), "--bundle", wrong, "Name a new file.")) from exc
    with os.fdopen(descriptor, "wb") as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
            archive.writestr(f"{name}.json", text)


async def _lines(check: Check, within: float) -> list[Line]:
    try:
        async with asyncio.timeout(within):
            found = await check.look()
    except TimeoutError:
        found = [fail(f"no answer within {within:.0f} s", "Look at what it asks; then ask again.")]
    except Misconfigured as exc:
        found = [fail(f"{each.file}: {each.key}: {each.wrong}", each.fix) for each in exc.problems]
    except Exception as exc:
        what = f"this could not be looked at ({in_words(exc)}, at {place_of(exc)})"
        found = [fail(what, "If the lines above do not explain it, please report this one.")]
    if not found:
        found = [fail("this check has found nothing at all", "Please report this line.")]
    return [Line(check.name, each.level, each.sentence, each.fix) for each in found]
