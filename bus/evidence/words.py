"""States, events and deadlines in words, Thai and English: the same on the page, on the screen and in an export."""

from __future__ import annotations

from bus.codes import load_codes
from bus.ledger.state import FINAL

_BESIDE = {
    "accepted": ("ระบบกลางรับไว้แล้ว ยังไม่ถึงตู้หนังสือ", "accepted by the bus"),
    "on-hold": ("รอส่ง ผู้รับพักใช้งานอยู่", "held, the recipient is suspended"),
    "consigned": ("ส่งถึงตู้หนังสือแล้ว", "in the recipient's queue"),
    "withdrawn": ("ถอนคืนแล้ว", "withdrawn"),
    "disputed": ("ลงรับแล้ว แต่เลขรับถูกทักท้วง", "registered, and the number is disputed"),
}
STATES: tuple[str, ...] = (*_BESIDE, "delivered", *sorted(map(str, FINAL)))
"""Every state that a recipient can be in (`RecipientState.status`)."""
ROLES = {"to": ("ผู้รับ", "to"), "copy": ("สำเนา", "copy")}
DEADLINES = {
    "receipt": ("การตอบรับอัตโนมัติ", "receipt"),
    "registration": ("การลงทะเบียนรับ", "registration"),
}


def words_of(event: str) -> tuple[str, str]:
    """A state or an event in Thai and English; its code twice, where it is unknown."""
    known = load_codes().events.get(event)
    return _BESIDE.get(event) or ((known.th, known.en) if known else (event, event))
