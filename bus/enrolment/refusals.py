"""Why a request to join, or to renew a key, is refused: a stable code, an HTTP status and a sentence for each."""

from __future__ import annotations

from enum import StrEnum

from bus.depot.refusals import Words
from bus.errors import BusError


class Refusal(StrEnum):
    """A code is never renamed and never given another meaning."""

    UNREADABLE = "enrolment.unreadable"
    UNKNOWN = "enrolment.unknown"
    EXPIRED = "enrolment.expired"
    REPLACED = "enrolment.replaced"
    USED = "enrolment.used"
    KEY = "enrolment.key"
    KEY_TAKEN = "enrolment.key-taken"
    LOGIN = "enrolment.login"
    LOGIN_KEY = "enrolment.login-key"
    RENEWAL_OFF = "enrolment.renewal-off"
    RENEWALS = "enrolment.renewals"
    NO_REQUEST = "enrolment.no-request"


WORDS: dict[Refusal, Words] = {
    Refusal.UNREADABLE: Words(
        400,
        "อ่านคำขอเข้าร่วมไม่ได้ หรือลายมือชื่อในคำขอไม่ถูกต้อง หรือกุญแจใช้ลงลายมือชื่อไม่ได้",
        "The request cannot be read, or is not signed with its own key, or that key may not sign."
        " Make it anew with saraban-adapter init.",
    ),
    Refusal.UNKNOWN: Words(
        403,
        "ศูนย์กลางไม่เคยออกคำเชิญนี้ให้หน่วยงานนี้ โปรดตรวจว่าใช้ไฟล์คำเชิญที่ได้รับจากศูนย์กลาง",
        "The centre has given this agency no such invitation. Use the file that the centre's operator handed over.",
    ),
    Refusal.EXPIRED: Words(
        410, "คำเชิญหมดอายุแล้ว โปรดขอคำเชิญใหม่", "The invitation has ended. Ask the centre for another one."
    ),
    Refusal.REPLACED: Words(
        410,
        "ศูนย์กลางออกคำเชิญใหม่แทนคำเชิญนี้แล้ว โปรดใช้ไฟล์ล่าสุด",
        "A newer invitation has replaced this one. Use the newest file.",
    ),
    Refusal.USED: Words(
        409,
        "คำเชิญนี้ถูกใช้ไปแล้วด้วยกุญแจอื่น หากไม่ใช่ท่าน โปรดโทรแจ้งศูนย์กลางทันที",
        "This invitation was used before, with another key. If that was not you, call the centre at once.",
    ),
    Refusal.KEY: Words(
        422,
        "ใบรับรองในคำขอใช้ลงลายมือชื่อไม่ได้ (ชนิดกุญแจ การใช้งาน หรืออายุ)",
        "The certificate in the request may not sign: its key, its usage or its validity is not fit.",
    ),
    Refusal.KEY_TAKEN: Words(
        409,
        "กุญแจหรือใบรับรองนี้ขึ้นทะเบียนไว้แล้ว โปรดสร้างกุญแจใหม่",
        "This key is in the directory already, here or for another. Make a new one.",
    ),
    Refusal.LOGIN: Words(
        422,
        "วิธีเข้าใช้เบรกเกอร์ในคำขอ (รหัสผ่านหรือใบรับรอง) ไม่ตรงกับที่ศูนย์กลางกำหนดให้หน่วยงานนี้",
        "The request is for another way to log in to the broker (password or certificate) than the centre has it for"
        " this agency. Ask its operator for another invitation.",
    ),
    Refusal.LOGIN_KEY: Words(
        422,
        "คำขอใบรับรองสำหรับเบรกเกอร์อ่านไม่ได้ หรือลายมือชื่อไม่ถูกต้อง หรือกุญแจอ่อนเกินไป",
        "The certificate request for the broker cannot be read, or is not signed with its own key, or the key is weak.",
    ),
    Refusal.RENEWAL_OFF: Words(
        403,
        "ศูนย์กลางไม่รับการต่ออายุกุญแจทางระบบ โปรดขอคำเชิญใหม่",
        "The centre does not take renewals. Ask its operator for an invitation.",
    ),
    Refusal.RENEWALS: Words(
        429,
        "หน่วยงานนี้ขอต่ออายุกุญแจบ่อยเกินไป ระบบจะขอใหม่เองในวันถัดไป",
        "This agency has asked for too many new keys within a day. Its adapter asks again after a day.",
    ),
    Refusal.NO_REQUEST: Words(404, "ไม่มีคำขอนี้", "There is no such request."),
}


class EnrolmentRefused(BusError):
    """What was asked is not done; `detail` says more in words for a log, and quotes nothing of the request."""

    for_logs = True

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(f"{refusal}: {detail}" if detail else refusal.value)
        self.refusal = refusal
        self.detail = detail
