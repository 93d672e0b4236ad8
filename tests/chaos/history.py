"""What a letter's entries permit next: the checker's own reading of the life of a delivery.

Written from docs/ledger.md and the promises, on purpose not from the product's modules: two readings have to agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

ANSWERS = frozenset({"registered", "refused", "misdirected", "transferred"})
MACHINE = frozenset({"delivered", "handover-failed"})
_SPACE = "{urn:saraban-bus:notice:1.0}"


@dataclass(slots=True)
class Life:
    """One letter at one recipient."""

    delivered: bool = False
    failed: bool = False
    settled: bool = False
    disputed: bool = False
    answer: str | None = None
    answer_id: str | None = None
    number: str | None = None
    withdrawal: str | None = None

    @property
    def withdrawn(self) -> bool:
        """Whether the recipient has granted the sender's request."""
        return self.withdrawal == "withdrawal-granted"

    @property
    def state(self) -> str:
        """The outcome in one word."""
        if self.withdrawn:
            return "withdrawn"
        if self.answer or self.settled:
            return self.answer or "settled"
        if self.failed and not self.delivered:
            return "handover-failed"
        return "delivered" if self.delivered else "accepted"

    def permits(self, event: str, supersedes: str | None) -> bool:
        """Whether this may be said next."""
        if event in ANSWERS:
            return not self.withdrawn and self.answer_id == supersedes
        if event == "number-disputed":
            return self.answer == "registered"
        if event == "withdrawal-requested":
            return not self.withdrawn and self.answer != "registered"
        if event in ("withdrawal-granted", "withdrawal-declined"):
            return self.withdrawal == "withdrawal-requested"
        return True

    def hear(self, body: Mapping[str, Any]) -> None:
        """Take up an entry of kind `notice`."""
        event = body["event"]
        if event in ANSWERS:
            self.answer, self.answer_id, self.number = event, body["noticeId"], body.get("number")
            self.disputed = False
        elif event.startswith("withdrawal-"):
            self.withdrawal = event
        elif event == "delivered":
            self.delivered = True
        elif event == "handover-failed":
            self.failed = True
        elif event == "settled":
            self.settled = True
        elif event == "number-disputed":
            self.disputed = True


def life(entries: Iterable[Mapping[str, Any]], recipient: str, *, before: int | None = None) -> Life:
    """One recipient's dealing with a letter, from the entries about it, up to the one numbered `before`."""
    found = Life()
    for body in entries:
        if (
            body["kind"] == "notice"
            and recipient in body["about"]
            and (before is None or body["seq"] < before)
        ):
            found.hear(body)
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """What a notice's bytes say."""

    notice_id: str
    event: str
    author: str
    letter_id: str | None
    about: tuple[str, ...]
    supersedes: str | None


def said(raw: bytes) -> Said | None:
    """Read a notice; None if the bytes are none. They come from the run's own programs, so a plain parser will do."""
    root = ElementTree.fromstring(raw)
    if root.tag != f"{_SPACE}Notice":
        return None
    return Said(
        notice_id=root.findtext(f"{_SPACE}NoticeID", ""),
        event=root.findtext(f"{_SPACE}EventCode", ""),
        author=root.findtext(f"{_SPACE}Author", ""),
        letter_id=root.findtext(f".//{_SPACE}LetterID"),
        about=tuple(each.text or "" for each in root.iter(f"{_SPACE}AcceptDepartment")),
        supersedes=root.findtext(f"{_SPACE}Supersedes"),
    )
