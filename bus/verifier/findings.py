"""What a verification says: each check with its result, and the verdict that follows from all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any


class Result(StrEnum):
    """What became of a check; INFO says something that bears on no verdict."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INDETERMINATE = "indeterminate"
    INFO = "info"


class Broken(Exception):
    """A check failed; says in words how."""


class BadPack(Exception):
    """A file that is no evidence pack, or one that is not to be opened, or that lacks a member; `code` says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Unknown(Exception):
    """A check could neither pass nor fail; says in words what is missing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    """Stable, such as `letter.signature`."""
    about: str
    result: Result
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Checking:
    """One check, as a block: it ends with the first thing that is not as it should be, and the next check begins."""

    findings: Findings
    name: str
    about: str

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if error is None:
            self.findings.note(self.name, self.about, Result.PASS)
        elif isinstance(error, (Broken, BadPack)):
            self.findings.note(self.name, self.about, Result.FAIL, str(error))
        elif isinstance(error, Unknown):
            self.findings.note(self.name, self.about, Result.INDETERMINATE, str(error))
        elif isinstance(error, Exception) and not isinstance(error, (OSError, MemoryError)):
            # Whatever a pack does to whoever reads it is the pack's fault; a disk that fails is not.
            self.findings.note(
                self.name, self.about, Result.FAIL, f"it cannot be read: {type(error).__name__}"
            )
        else:
            return False
        return True


@dataclass(slots=True)
class Findings:
    """The checks so far."""

    checks: list[Check] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    """For each recipient of the frozen set: what it did, as the verified entries say."""
    letter: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, about: str, result: Result, detail: str = "") -> None:
        """Add a line."""
        self.checks.append(Check(name, about, result, detail))

    def check(self, name: str, about: str = "") -> Checking:
        """Note what came of a block: pass, or what it raised."""
        return Checking(self, name, about)

    @property
    def verdict(self) -> Result:
        """FAIL if anything failed, else INDETERMINATE if anything was left open, else PASS."""
        found = {check.result for check in self.checks}
        for worse in (Result.FAIL, Result.INDETERMINATE):
            if worse in found:
                return worse
        return Result.PASS if Result.PASS in found else Result.INDETERMINATE
