"""What the façade answers instead of a Response: `ErrorDetail`, with a code of this bus, and words."""

from __future__ import annotations

from enum import StrEnum

from adapters.mailbox.mistakes import Mistaken
from bus.codes import load_codes
from bus.errors import BusError, RefusalCode
from bus.text import printable

_LONGEST = 1000


class Code(StrEnum):
    """The façade's own codes, beside those with which the bus refuses; docs/ecms.md lists both."""

    NOT_XML = "request.not-xml"
    TOO_LARGE = "request.too-large"
    UNKNOWN_OPERATION = "request.unknown-operation"
    FIELD_MISSING = "request.field-missing"
    FIELD_WRONG = "request.field-wrong"
    FILE_BROKEN = "request.file-broken"
    CODE_UNKNOWN = "request.agency-code"
    SENDER_FOREIGN = "request.sender-foreign"
    PROCESS_UNKNOWN = "request.process-unknown"
    LETTER_UNKNOWN = "notice.letter-unknown"
    NOT_POSSIBLE = "notice.not-possible"
    NUMBER_OTHER = "notice.number-other"
    TOO_LATE = "notice.withdrawal-too-late"


_WORDS = {
    Code.NOT_XML: "ข้อความที่ส่งมาไม่ใช่ XML ที่อ่านได้",
    Code.TOO_LARGE: "ข้อความที่ส่งมาใหญ่เกินกว่าที่กำหนด",
    Code.UNKNOWN_OPERATION: "ไม่รู้จักคำสั่งนี้ (unknown operation)",
    Code.FIELD_MISSING: "ขาดข้อมูลที่จำเป็น",
    Code.FIELD_WRONG: "ข้อมูลไม่ถูกต้อง",
    Code.FILE_BROKEN: "ไฟล์ที่แนบมาไม่ใช่ base64 ที่ครบถ้วน",
    Code.CODE_UNKNOWN: "รหัสหน่วยงานไม่ถูกต้อง",
    Code.SENDER_FOREIGN: "ผู้ส่งไม่ใช่หน่วยงานนี้",
    Code.PROCESS_UNKNOWN: "ไม่รู้จัก ProcessID นี้",
    Code.LETTER_UNKNOWN: "ไม่พบหนังสือฉบับนี้",
    Code.NOT_POSSIBLE: "สถานะของหนังสือไม่อนุญาตให้ดำเนินการนี้",
    Code.NUMBER_OTHER: "เลขรับที่แจ้งไม่ตรงกับเลขรับที่มีผลอยู่",
    Code.TOO_LATE: "ผู้รับลงทะเบียนรับแล้ว จึงขอลบไม่ได้",
}


class Wrong(BusError):
    """A request that is answered with an ErrorDetail; its words may quote the request and go into no log."""

    for_logs = False

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = str(code)
        self.detail = detail

    @property
    def description(self) -> str:
        """A sentence in Thai with the place and the advice, at most 1,000 characters."""
        return _cut(f"{_WORDS[Code(self.code)]}: {self.detail}" if self.detail else _WORDS[Code(self.code)])


class RefusedAs(Wrong):
    """What the bus would refuse, or has refused, under a code of its own."""

    @property
    def description(self) -> str:
        """The bus's words for that code."""
        if self.code not in set(RefusalCode):
            return _cut(self.detail or self.code)
        words = load_codes().refusal(RefusalCode(self.code))
        detail = f" ({self.detail})" if self.detail else ""
        return _cut(f"{words.th}{detail} — {words.advice_th}")


class NotNow(BusError):
    """Something that passes by itself: the client is to try again."""


def of_mistakes(code: Code, error: Mistaken) -> Wrong:
    """Everything that an act was found wrong with, as one answer."""
    return Wrong(code, "; ".join(each.th for each in error.mistakes))


def _cut(text: str) -> str:
    plain = printable(text)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
