"""What is wrong with a request, as problem details (RFC 9457): with a code, in Thai and in English.

Where the bus would refuse, the code is the bus's own (`config/codes/refusals.toml`); the door's own are in the table
below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.connectors.folder.reasons import mistakes_of
from adapters.mailbox import AlreadyPut
from adapters.mailbox.files import FileChanged
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.errors import BusError, RefusalCode, Refused, Transient
from bus.text import printable

MEDIA_TYPE: Final = "application/problem+json"

_OWN: Final[Mapping[str, tuple[int, str, str]]] = {
    "request.invalid": (400, "คำขอไม่ถูกต้อง", "The request is not well formed"),
    "request.mistaken": (422, "คำขอมีข้อผิดพลาด", "The request has mistakes"),
    "request.too-large": (413, "คำขอใหญ่เกินกำหนด", "The request is too large"),
    "request.method": (405, "ใช้วิธีเรียกนี้ไม่ได้", "This method is not for this address"),
    "address.unknown": (404, "ไม่มีที่อยู่นี้", "There is nothing at this address"),
    "key.missing": (401, "ไม่มีคีย์ หรือคีย์ใช้ไม่ได้", "No key, or none that is in force"),
    "key.scope": (403, "คีย์นี้ไม่มีสิทธิ์ทำรายการนี้", "This key may not do that"),
    "rate.exceeded": (429, "เรียกใช้ถี่เกินกำหนด", "Too many requests"),
    "request.key-reused": (
        409,
        "ใช้ Idempotency-Key นี้กับคำขออื่นไปแล้ว",
        "This Idempotency-Key stands for another request",
    ),
    "letter.unknown": (404, "ไม่พบหนังสือ", "There is no such letter"),
    "letter.submitted": (
        409,
        "ส่งหนังสือนี้ไปแล้ว แก้ไขไม่ได้",
        "This letter has been submitted and cannot be changed",
    ),
    "file.unknown": (404, "หนังสือนี้ไม่มีไฟล์ชื่อนี้", "This letter names no such file"),
    "file.digest": (422, "ไฟล์ที่ได้รับไม่ตรงกับค่าแฮช", "The file that came is not the one of this digest"),
    "lease.held": (409, "มีโปรแกรมอื่นกำลังรับหนังสือนี้", "Another program is taking this letter"),
    "lease.lost": (409, "สิทธิ์รับหนังสือนี้สิ้นสุดแล้ว", "This lease has ended"),
    "cursor.unknown": (410, "ไม่รู้จักตำแหน่งนี้", "This cursor is beyond the newest event"),
    "agency.unknown": (404, "ไม่พบหน่วยงานหรือกลุ่ม", "There is no such agency or group"),
    "now.unavailable": (503, "ยังดำเนินการไม่ได้ในขณะนี้", "It cannot be done now"),
    "fault.internal": (500, "ข้อผิดพลาดภายใน", "An internal fault"),
}
"""Code → status, and its sentence in Thai and English."""
STATUSES: Final = sorted({status for status, _, _ in _OWN.values()})


@dataclass(eq=False)
class Problem(Exception):
    """A request that is answered with problem details."""

    code: str
    detail_th: str = ""
    detail_en: str = ""
    mistakes: Sequence[Mistake] = ()
    retry_after: int | None = None

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return (
            _OWN[self.code][0] if self.code in _OWN else 409 if self.code == RefusalCode.ID_CONFLICT else 422
        )

    def view(self, path: str) -> dict[str, Any]:
        """The members of the answer."""
        if self.code in _OWN:
            _, th, en = _OWN[self.code]
        else:
            words = load_codes().refusal(RefusalCode(self.code))
            th, en = words.th, words.en
        return {
            "type": f"urn:saraban:problem:{self.code}",
            "title": en,
            "title_th": th,
            "status": self.status,
            "code": self.code,
            "detail": printable(self.detail_en) or en,
            "detail_th": printable(self.detail_th) or th,
            "instance": printable(path),
            "mistakes": [
                {"where": printable(each.where), "th": printable(each.th), "en": printable(each.en)}
                for each in self.mistakes
            ],
        }


def problem_of(error: Exception) -> Problem:
    """What an error of the adapter is to whoever asked; internal faults say nothing of themselves."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Transient):
        return Problem("now.unavailable", retry_after=5)
    if isinstance(error, Mistaken | Refused | AlreadyPut | FileChanged):
        code = {Mistaken: "request.mistaken", AlreadyPut: "id.conflict", FileChanged: "file.digest"}.get(
            type(error)
        )
        found = mistakes_of(error)
        code = code or (str(error.code) if isinstance(error, Refused) else "request.mistaken")
        th, en = ("; ".join(parts) for parts in zip(*((each.th, each.en) for each in found), strict=True))
        return Problem(code, th, en, found)
    if isinstance(error, RecursionError):
        return Problem("request.invalid", "ข้อมูลซ้อนกันลึกเกินไป", "it is nested too deeply")
    if isinstance(error, BusError):
        return Problem("now.unavailable", retry_after=5)
    return Problem("fault.internal")
