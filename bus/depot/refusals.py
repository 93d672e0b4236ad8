"""Why the depot says no: a stable code, an HTTP status and a sentence in Thai and in English for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bus.documents.tokens import Doubt
from bus.errors import BusError


class Refusal(StrEnum):
    """A code is never renamed and never given another meaning."""

    FILE_UNKNOWN = "file.unknown"
    FILE_DIGEST = "file.digest"
    FILE_TOO_LARGE = "file.too-large"
    QUOTA = "quota.exceeded"
    FULL = "depot.full"
    AWAY = "depot.away"
    FAILED = "depot.failed"
    OFFSET = "upload.offset"
    LENGTH = "upload.length"
    BUSY = "upload.busy"
    STALLED = "upload.stalled"
    RANGE = "range.unsatisfiable"
    MALFORMED = "request.malformed"
    UNKNOWN = "request.unknown"
    METHOD = "request.method"
    SUSPENDED = "agency.suspended"
    NOT_YOURS = "agency.not-yours"
    ANONYMOUS = "token.missing"
    TOO_MANY = "token.too-many"


@dataclass(frozen=True, slots=True)
class Words:
    """An answer's HTTP status and its sentences."""

    status: int
    th: str
    en: str


WORDS: dict[str, Words] = {
    Refusal.FILE_UNKNOWN: Words(404, "ไม่มีแฟ้มนี้สำหรับหน่วยงานของท่าน", "There is no such file for your agency."),
    Refusal.FILE_DIGEST: Words(
        422,
        "เนื้อแฟ้มไม่ตรงกับค่า SHA-256 ที่แจ้ง ไม่ได้เก็บสิ่งใดไว้ โปรดส่งแฟ้มใหม่ทั้งแฟ้ม",
        "The bytes do not have the stated SHA-256; nothing was kept. Send the whole file again.",
    ),
    Refusal.FILE_TOO_LARGE: Words(
        413, "แฟ้มใหญ่เกินขนาดที่รับได้", "The file is larger than the depot takes. Split it."
    ),
    Refusal.QUOTA: Words(
        507,
        "หน่วยงานของท่านใช้พื้นที่พักแฟ้มเต็มโควตาแล้ว โปรดลองใหม่ภายหลัง",
        "Your agency's quota of files not yet sent is used up. Try again later, or ask for more.",
    ),
    Refusal.FULL: Words(
        507, "พื้นที่ของคลังแฟ้มเต็ม โปรดลองใหม่ภายหลัง", "The depot's disk is full. Try again later."
    ),
    Refusal.AWAY: Words(
        503, "คลังแฟ้มไม่พร้อมใช้งานชั่วคราว โปรดลองใหม่ภายหลัง", "The depot is away for now. Try again later."
    ),
    Refusal.FAILED: Words(
        500, "คลังแฟ้มขัดข้อง ผู้ดูแลได้รับบันทึกแล้ว", "The depot failed; its operators have the record."
    ),
    Refusal.OFFSET: Words(
        409,
        "ตำแหน่งที่ส่งต่อไม่ตรงกับที่ได้รับไว้ โปรดถามตำแหน่งด้วย HEAD แล้วส่งต่อจากจุดนั้น",
        "The upload does not go on where it broke off. Ask for the offset with HEAD and go on from there.",
    ),
    Refusal.LENGTH: Words(
        400,
        "จำนวนไบต์ไม่ตรงกับความยาวที่แจ้ง",
        "The bytes do not add up to the stated length. State Upload-Length, the size of the whole file.",
    ),
    Refusal.BUSY: Words(
        409,
        "แฟ้มนี้กำลังถูกส่งอยู่ในอีกการเชื่อมต่อหนึ่ง โปรดรอสักครู่",
        "This file is being uploaded on another connection. Wait a moment.",
    ),
    Refusal.STALLED: Words(
        408, "การส่งแฟ้มหยุดนิ่งนานเกินไป โปรดส่งต่อ", "The upload stood still for too long. Go on with it."
    ),
    Refusal.RANGE: Words(416, "ช่วงไบต์อยู่นอกแฟ้ม", "The range lies outside the file."),
    Refusal.MALFORMED: Words(400, "อ่านคำขอไม่ได้", "The request cannot be read."),
    Refusal.UNKNOWN: Words(404, "ไม่มีที่อยู่นี้", "There is nothing at this address."),
    Refusal.METHOD: Words(405, "ที่อยู่นี้ไม่รับวิธีเรียกนี้", "This address does not take this method."),
    Refusal.SUSPENDED: Words(
        403,
        "หน่วยงานของท่านถูกระงับ จึงรับแฟ้มได้แต่ส่งไม่ได้",
        "Your agency is suspended: it may fetch files and may not send any.",
    ),
    Refusal.NOT_YOURS: Words(403, "คำขอนี้ไม่ใช่ของผู้เรียก", "This request is not the caller's to make."),
    Refusal.ANONYMOUS: Words(401, "ไม่มีโทเคนในคำขอ", "The request bears no token (Authorization: Bearer)."),
    Refusal.TOO_MANY: Words(
        429, "คำขอถี่เกินไป โปรดรอหนึ่งนาที", "Too many requests within a minute. Wait a minute."
    ),
    Doubt.MALFORMED: Words(401, "โทเคนผิดรูปแบบ", "The token cannot be read."),
    Doubt.KEY: Words(
        401,
        "กุญแจของโทเคนไม่ใช่กุญแจที่หน่วยงานนี้ขึ้นทะเบียนไว้และมีผลอยู่",
        "The token's key is none that is registered and in force for this agency.",
    ),
    Doubt.SIGNATURE: Words(401, "ลายมือชื่อของโทเคนไม่ถูกต้อง", "The token's signature does not verify."),
    Doubt.OTHER_REQUEST: Words(
        401, "โทเคนออกให้คำขออื่น", "The token was made for another method, path or server."
    ),
    Doubt.TIME: Words(
        401,
        "โทเคนหมดอายุหรือยังไม่เริ่มมีผล โปรดตรวจนาฬิกาของเครื่อง",
        "The token is too old, too young or too long-lived. Check this machine's clock.",
    ),
    Doubt.REPLAYED: Words(401, "โทเคนนี้ใช้ไปแล้ว", "The token was used before. Make one for each request."),
}


class RequestRefused(BusError):
    """The depot does not do what was asked; `offset` tells an uploader where to go on."""

    for_logs = True

    def __init__(self, refusal: Refusal, *, offset: int | None = None) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.offset = offset
