"""Why a steward's order is not taken, or not carried out: a stable code, an HTTP status and a sentence for each."""

from __future__ import annotations

from enum import StrEnum

from bus.depot.refusals import Words
from bus.errors import BusError


class OrderRefusal(StrEnum):
    """A code is never renamed and never given another meaning."""

    UNREADABLE = "order.unreadable"
    ROLE = "order.role"
    REASON = "order.reason"
    AGENCY = "order.agency"
    ALREADY = "order.already"
    CONTRADICTS = "order.contradicts"
    NO_REQUEST = "order.no-request"
    ANSWERED = "order.answered"
    FINGERPRINT = "order.fingerprint"
    IMPOSSIBLE = "order.impossible"


ORDER_WORDS: dict[OrderRefusal, Words] = {
    OrderRefusal.UNREADABLE: Words(
        422,
        "คำสั่งไม่ครบถ้วน หรือมีข้อมูลที่คำสั่งชนิดนี้ไม่มี",
        "The order is not whole, or says what an order of its kind does not.",
    ),
    OrderRefusal.ROLE: Words(403, "ผู้สั่งไม่มีบทบาทผู้ดูแลระบบ", "Who ordered it is no steward."),
    OrderRefusal.REASON: Words(
        422,
        "ต้องระบุเหตุผล ไม่เกิน 1,000 ตัวอักษร และไม่มีอักขระควบคุม",
        "A reason is needed, of 1,000 characters at the most and without control characters.",
    ),
    OrderRefusal.AGENCY: Words(
        404, "ไม่มีหน่วยงานนี้ในทะเบียนหน่วยงานที่ใช้อยู่", "The directory in force has no such agency."
    ),
    OrderRefusal.ALREADY: Words(409, "หน่วยงานอยู่ในสถานะนั้นอยู่แล้ว", "The agency is so already."),
    OrderRefusal.CONTRADICTS: Words(
        409,
        "มีคำสั่งก่อนหน้าที่ขัดกันและยังไม่ได้ดำเนินการ โปรดรอผลของคำสั่งนั้นก่อน",
        "An order before it says the opposite and is not carried out yet. Wait for what becomes of that one.",
    ),
    OrderRefusal.NO_REQUEST: Words(404, "หน่วยงานนี้ไม่มีคำขอดังกล่าว", "This agency has made no such request."),
    OrderRefusal.ANSWERED: Words(409, "คำขอนี้ได้รับคำตอบไปแล้ว", "The request has been answered already."),
    OrderRefusal.FINGERPRINT: Words(
        409,
        "ลายนิ้วมือของกุญแจไม่ตรงกับคำขอ โปรดโทรสอบถามหน่วยงานอีกครั้ง และอย่าอนุมัติหากไม่ตรงกัน",
        "The fingerprint is not that of the request. Call the agency again, and approve nothing that differs.",
    ),
    OrderRefusal.IMPOSSIBLE: Words(
        409,
        "ดำเนินการไม่ได้ตามที่เป็นอยู่ เช่น ใบรับรองในคำขอหมดอายุ สาเหตุอยู่ในบันทึกการทำงานของ saraban-bus enrol",
        "It cannot be done as things are, for instance with a certificate that has ended."
        " The log of saraban-bus enrol has the cause.",
    ),
}


class OrderRefused(BusError):
    """What was ordered is not done; nothing of it is."""

    for_logs = True

    def __init__(self, refusal: OrderRefusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
