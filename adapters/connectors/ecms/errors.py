"""What the façade answers instead of a Response: `ErrorDetail`, with a code of this bus, and words."""

from __future__ import annotations

from collections.abc import Callable
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
    Code.NOT_XML: ("ข้อความที่ส่งมาไม่ใช่ XML ที่อ่านได้", "the request is no XML that can be read"),
    Code.TOO_LARGE: ("ข้อความที่ส่งมาใหญ่เกินกว่าที่กำหนด", "the request exceeds a limit"),
    Code.UNKNOWN_OPERATION: ("ไม่รู้จักคำสั่งนี้", "unknown operation"),
    Code.FIELD_MISSING: ("ขาดข้อมูลที่จำเป็น", "a field is missing or empty"),
    Code.FIELD_WRONG: ("ข้อมูลไม่ถูกต้อง", "a value is unknown, no date, or too long"),
    Code.FILE_BROKEN: ("ไฟล์ที่แนบมาไม่ใช่ base64 ที่ครบถ้วน", "a file is no whole base64"),
    Code.CODE_UNKNOWN: ("รหัสหน่วยงานไม่ถูกต้อง", "a department's code has 10 or 5 digits"),
    Code.SENDER_FOREIGN: ("ผู้ส่งไม่ใช่หน่วยงานนี้", "the sender is not this agency"),
    Code.PROCESS_UNKNOWN: ("ไม่รู้จัก ProcessID นี้", "no item has this ProcessID"),
    Code.LETTER_UNKNOWN: ("ไม่พบหนังสือฉบับนี้", "there is no letter of that number and date"),
    Code.NOT_POSSIBLE: (
        "สถานะของหนังสือไม่อนุญาตให้ดำเนินการนี้",
        "what was said of the letter does not permit this",
    ),
    Code.NUMBER_OTHER: ("เลขรับที่แจ้งไม่ตรงกับเลขรับที่มีผลอยู่", "another receiving number is in force"),
    Code.TOO_LATE: ("ผู้รับลงทะเบียนรับแล้ว จึงขอลบไม่ได้", "the recipient has registered it already"),
}


class Wrong(BusError):
    """A request that is answered with an ErrorDetail; its words may quote the request and go into no log."""

    for_logs = False

    def __init__(self, code: str, detail: str = "", detail_en: str = "") -> None:
        """`detail` is the place, and what stands there; `detail_en` says it in English where it is in Thai."""
        super().__init__(code)
        self.code = str(code)
        self.detail = detail
        self.detail_en = detail_en
        self.others: tuple[Wrong, ...] = ()

    @property
    def description(self) -> str:
        """A sentence with the place, in Thai and in English, at most 1,000 characters."""
        th, en = _WORDS[Code(self.code)]
        return _within(th, self.detail, f"{en}: {self.detail_en}" if self.detail_en else en)


class RefusedAs(Wrong):
    """What the bus would refuse, or has refused, under a code of its own."""

    @property
    def description(self) -> str:
        """The bus's words for that code, and its advice."""
        if self.code not in set(RefusalCode):
            return _within(self.code, self.detail, "")
        words = load_codes().refusal(RefusalCode(self.code))
        return _within(f"{words.th} {words.advice_th}", self.detail, f"{words.en} {words.advice_en}")


class NotNow(BusError):
    """Something that passes by itself: the client is to try again."""


def require(*reads: Callable[[], object]) -> None:
    """Read each part of a request. Raises the first Wrong, with the others."""
    found: list[Wrong] = []
    for read in reads:
        try:
            read()
        except Wrong as exc:
            found.append(exc)
    if found:
        found[0].others = tuple(found[1:])
        raise found[0]


def of_mistakes(code: Code, error: Mistaken) -> Wrong:
    """Everything that an act was found wrong with, as one answer."""
    th, en = ("; ".join(getattr(each, language) for each in error.mistakes) for language in ("th", "en"))
    return Wrong(code, th, en)


def _within(th: str, detail: str, en: str) -> str:
    """The words with the detail between them, of which as much is left out as exceeds the field."""
    room = _LONGEST - len(th) - len(en) - len(": ") - len(" · ")
    shown = detail if len(detail) <= room else detail[: max(0, room - 1)] + "…"
    words = f"{th}: {shown}" if shown else th
    return printable(f"{words} · {en}" if en else words)[:_LONGEST]
