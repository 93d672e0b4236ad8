"""Why something of the office has failed, in words: what, where, and what to do, in Thai and English."""

from __future__ import annotations

from adapters.mailbox import AlreadyPut
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.errors import Rejected
from bus.thai import now, thai_datetime

_ADVICE_TH = "แก้ไขแล้วย้ายแฟ้มนี้กลับไปที่ outbox/ เพื่อส่งใหม่ (ยังไม่มีการส่งข้อมูลใดออกไป และไม่มีไฟล์ใดถูกลบ)"
_ADVICE_EN = "Mend it and move this folder back to outbox/. Nothing of it was sent, and nothing was deleted."


def explain(name: str, error: Exception) -> str:
    """The text of a `.reason.txt`."""
    mistakes = mistakes_of(error)
    at = now()
    return "\n".join(
        [
            f"ไม่สำเร็จ: {name} ({thai_datetime(at)})",
            *(f"  - {each.where}: {each.th}" for each in mistakes),
            f"สิ่งที่ต้องทำ: {_ADVICE_TH}",
            "",
            f"Failed: {name} ({at:%Y-%m-%d %H:%M %z})",
            *(f"  - {each.where}: {each.en}" for each in mistakes),
            f"What to do: {_ADVICE_EN}",
            "",
        ]
    )


def mistakes_of(error: Exception) -> tuple[Mistake, ...]:
    """What is wrong, whatever has said so."""
    if isinstance(error, Mistaken):
        return error.mistakes
    if isinstance(error, Rejected):
        words = load_codes().refusal(error.code)
        place = error.where or "letter"
        return (
            Mistake(
                place,
                f"{words.th} [{error.code}] {error.detail} — {words.advice_th}",
                f"{words.en} [{error.code}] {error.detail} — {words.advice_en}",
            ),
        )
    if isinstance(error, AlreadyPut):
        return (
            Mistake(
                "reference",
                f"ใช้ reference หรือ letter_id นี้กับเนื้อหาอื่นไปแล้ว ({error})",
                f"this reference or letter_id stands for another content already ({error})",
            ),
        )
    return (
        Mistake(
            "-",
            f"ข้อผิดพลาดภายใน ({type(error).__name__}) โปรดแจ้งผู้ดูแลระบบ",
            f"an internal fault ({type(error).__name__}: {error}); tell whoever runs the adapter",
        ),
    )
