"""Why something of the office has failed, in words: what, where, and what to do, in Thai and English."""

from __future__ import annotations

from adapters.mailbox import AlreadyPut
from adapters.mailbox.files import FileChanged
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.errors import BusError, Refused
from bus.text import printable
from bus.thai import now, thai_datetime

_ADVICE_TH = "แก้ไขแล้วย้ายแฟ้มนี้กลับไปที่ outbox/ เพื่อส่งใหม่ (ยังไม่มีการส่งข้อมูลใดออกไป และไม่มีไฟล์ใดถูกลบ)"
_ADVICE_EN = "Mend it and move this folder back to outbox/. Nothing of it was sent, and nothing was deleted."


_STAYS_TH = "แก้ไขชื่อหรือย้ายออกจาก outbox/ (ระบบปล่อยไว้ที่เดิม ไม่ได้ส่ง ไม่ได้ย้าย และไม่ได้ลบ)"
_STAYS_EN = (
    "Rename it, or take it out of outbox/. It was left where it is: neither sent, nor moved, nor deleted."
)


def explain(name: str, error: Exception, *, stays: bool = False) -> str:
    """The text of a `.reason.txt`, whatever a name or an error holds; `stays` if the thing was left in the outbox."""
    at = now()
    try:
        mistakes = mistakes_of(error)
    except Exception:
        mistakes = _internal(type(error).__name__)
    advice_th, advice_en = (_STAYS_TH, _STAYS_EN) if stays else (_ADVICE_TH, _ADVICE_EN)
    lines = [
        f"ไม่สำเร็จ: {name} ({thai_datetime(at)})",
        *(f"  - {each.where}: {each.th}" for each in mistakes),
        f"สิ่งที่ต้องทำ: {advice_th}",
        "",
        f"Failed: {name} ({at:%Y-%m-%d %H:%M %z})",
        *(f"  - {each.where}: {each.en}" for each in mistakes),
        f"What to do: {advice_en}",
        "",
    ]
    return "\n".join(map(printable, lines))


def mistakes_of(error: Exception) -> tuple[Mistake, ...]:
    """What is wrong, whatever has said so."""
    if isinstance(error, Mistaken):
        return error.mistakes
    if isinstance(error, Refused):
        words = load_codes().refusal(error.code)
        th = f"{words.th} [{error.code}] {error.detail} — {words.advice_th}"
        en = f"{words.en} [{error.code}] {error.detail} — {words.advice_en}"
        return (Mistake(error.where or "letter", th, en, error.code),)
    if isinstance(error, AlreadyPut):
        th = f"ใช้ reference หรือ letter_id นี้กับเนื้อหาอื่นไปแล้ว ({error})"
        en = f"this reference or letter_id stands for another content already ({error})"
        return (Mistake("reference", th, en),)
    if isinstance(error, FileChanged):
        th = "ไฟล์เปลี่ยนแปลงระหว่างที่ระบบอ่าน โปรดรอให้คัดลอกเสร็จแล้ววางใหม่"
        return (Mistake("files", th, f"{error}; wait until it is written, and put it here anew"),)
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        th = f"อ่านหรือย้ายไม่ได้ ({why}) โปรดตรวจสิทธิ์ของไฟล์"
        return (Mistake("-", th, f"cannot be read or moved ({why}); check its permissions"),)
    if isinstance(error, BusError):
        return (Mistake("-", f"ยังดำเนินการไม่ได้ ({error})", f"cannot be done now ({error})"),)
    return _internal(type(error).__name__)


def _internal(kind: str) -> tuple[Mistake, ...]:
    th = f"ข้อผิดพลาดภายใน ({kind}) โปรดแจ้งผู้ดูแลระบบ"
    return (Mistake("-", th, f"an internal fault ({kind}); tell whoever runs the adapter"),)
