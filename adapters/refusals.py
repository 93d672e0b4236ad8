"""What it means when the depot, or a proxy before it, does not do what was asked: never, or not as things stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bus.errors import BusError, Transient

_FINAL: Final = frozenset({"file.unknown", "file.digest", "file.too-large"})
"""The codes of the depot that the same request would get again; everything else may pass."""
_UPLOADS: Final = frozenset({"PUT", "PATCH", "HEAD"})
_NEVER_TAKEN: Final[Mapping[int, str]] = {413: "file.too-large", 415: "file.refused"}
"""Statuses that refuse a file for what it is, by a proxy too, which knows no codes of ours (RFC 9110, 15.5)."""
_ADVICE: Final[Mapping[int, str]] = {
    401: "check this machine's clock, and that the directory has the certificate of `seal`",
    403: "the agency may be suspended, or a proxy forbids it: ask the operator of the bus",
    407: "a proxy stands before the depot and asks for a login: let the adapter pass without one",
    429: "it is asked too often, and will be asked less",
    507: "the depot's room, or this agency's share of it, is used up: ask the operator of the bus",
}
_NOT_OURS: Final = "check `depot.url`: a proxy or another program may answer in the depot's place"


class FileUnavailable(BusError):
    """A file cannot be had, or cannot be sent, and trying again changes nothing; `code` says why.

    `file.unknown`, `file.digest`, `file.too-large` are the depot's words. `file.size` and `file.digest` also stand
    for a file, here or there, that is not what the letter says; `file.unreadable` for one that is not here;
    `file.too-large` and `file.refused` for what a proxy on the way does not let pass.
    """

    for_logs = True

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotTaken(Transient):
    """The depot answers and does not do it, and somebody has to see to that; trying again may then succeed."""


def refusal(method: str, status: int, code: str) -> BusError:
    """Return the error that an answer stands for; `code` is empty where the answer is not in the depot's words."""
    never = _NEVER_TAKEN.get(status) if method in _UPLOADS else None
    if code in _FINAL or never:
        return FileUnavailable(code if code in _FINAL else str(never))
    said = f"the depot answered {status} ({code or 'without a code'})"
    if 500 <= status != 507 or status == 408 or code in ("upload.busy", "upload.offset", "upload.stalled"):
        return Transient(said)
    return NotTaken(
        f"{said}: {_ADVICE.get(status) or (_NOT_OURS if not code else 'ask the operator of the bus')}"
    )
