"""What happens in the demonstration: the letters, and what each clerk does about them.

All officers are samples (ตัวอย่าง); no person is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bus.identifiers import AgencyCode
from compose.demo.offices.office import Files, Held, Manifest, Office
from compose.demo.papers import scan

OPM, OCS, SOC = map(AgencyCode, ("0100100000", "0100900000", "0100500000"))
OCSC, OPDC, DGA, ETDA = map(AgencyCode, ("0101100000", "0102100000", "1100800000", "1100700000"))
AGENCIES = (OPM, OCS, SOC, OCSC, OPDC, DGA, ETDA)
LATE = OCSC
"""This agency's adapter is down until everything else is done."""

SMALL, MIDDLE, LARGE = 50_000, 105_000, 2_700_000
_SIGNER = {"given_name": "ตัวอย่าง", "family_name": "ผู้ลงนาม", "job_title": "ผู้อำนวยการ (ตัวอย่าง)"}
_Acts = Callable[["Clerk", Held], None]


@dataclass(frozen=True, slots=True)
class Item:
    """A letter of the story: who sends it, what the manifest says, and how large its files are."""

    key: str
    sender: AgencyCode
    manifest: Manifest
    sizes: tuple[int, ...] = (SMALL,)
    after: str | None = None
    """An event that has to have happened, such as `registered:request`, before it is sent."""

    @property
    def subject(self) -> str:
        """Its subject, by which every office and the ledger know it."""
        return str(self.manifest["subject"])

    def files(self) -> Files:
        """Return its files, the same every time."""
        return {
            f"{self.subject[:40]} {n}.pdf": scan(f"{self.key} {n}", size)
            for n, size in enumerate(self.sizes, 1)
        }


@dataclass(slots=True)
class Clerk:
    """A clerk: registers what comes, with running numbers, unless the story has something else in mind."""

    office: Office
    registered: int = 0
    plans: Mapping[str, _Acts] = field(default_factory=dict)

    def handle(self, letter: Held) -> None:
        """Deal with a letter that has come."""
        plan = self.plans.get(KEYS.get(letter.subject, ""))
        if plan:
            plan(self, letter)
        elif letter.asks_number:
            self.register(letter)

    def register(self, letter: Held, number: str | None = None) -> None:
        """Give a letter its receiving number."""
        self.registered += 1
        self.office.act(
            "register",
            letter.subject,
            number=number or str(self.registered),
            unit="งานสารบรรณ",
            officer="เจ้าหน้าที่ตัวอย่าง",
        )


def _refuse(clerk: Clerk, letter: Held) -> None:
    clerk.office.act("refuse", letter.subject, reason="เอกสารแนบไม่ครบตามที่ระบุ (ตัวอย่าง)")


def _misdirected(clerk: Clerk, letter: Held) -> None:
    reason = "เรื่องนี้อยู่ในอำนาจหน้าที่ของ สพธอ. (ตัวอย่าง)"
    clerk.office.act("misdirected", letter.subject, reason=reason, suggested_receiver=ETDA)


def _mistype(clerk: Clerk, letter: Held) -> None:
    clerk.register(letter, number="21")


def _wait(_clerk: Clerk, _letter: Held) -> None:
    """Leave the letter lying: its sender will ask for it back."""


PLANS: Mapping[str, Mapping[str, _Acts]] = {
    OPM: {"incomplete": _refuse},
    DGA: {"wrong-agency": _misdirected},
    SOC: {"mistyped": _mistype},
    ETDA: {"withdrawn": _wait},
}

LETTERS: tuple[Item, ...] = (
    Item(
        "request",
        SOC,
        {
            "number": "นร 0505/165",
            "kind": "external",
            "to": [OPM],
            "subject": "ขอความอนุเคราะห์ข้อมูลการเชื่อมโยงระบบสารบรรณ",
            "signers": [_SIGNER],
        },
        (MIDDLE,),
    ),
    Item(
        "reply",
        OPM,
        {
            "number": "นร 0101/๒๑๐",
            "kind": "external",
            "to": [SOC],
            "subject": "ข้อมูลการเชื่อมโยงระบบสารบรรณ",
            "signers": [_SIGNER],
            "references": [{"relation": "reply", "number": "นร 0505/165"}],
        },
        (SMALL, MIDDLE),
        after="registered:request",
    ),
    Item(
        "circular",
        SOC,
        {
            "number": "นร 0505/ว 166",
            "kind": "external",
            "speed": "ด่วนที่สุด",
            "to": [OPM, OCS, OCSC, OPDC, DGA],
            "copy": [ETDA],
            "subject": "ซักซ้อมแนวทางปฏิบัติในการส่งหนังสือทางอิเล็กทรอนิกส์",
            "signers": [_SIGNER],
        },
        (MIDDLE, LARGE),
    ),
    Item(
        "announcement",
        DGA,
        {
            "kind": "public-relations",
            "to": ["topic:announcements"],
            "subject": "ประกาศกำหนดการทดสอบระบบ",
            "acknowledgement": "receipt",
        },
    ),
    Item(
        "stamped",
        OPDC,
        {"number": "นร 1200/77", "kind": "stamped", "to": [OCS], "subject": "ส่งเอกสารประกอบการประชุม"},
    ),
    Item(
        "incomplete",
        ETDA,
        {
            "number": "ดศ (สพธอ) ๕๑๑.๐๕/ ๑๒๓๔",
            "kind": "external",
            "to": [OPM],
            "subject": "ขอส่งรายงานผลการดำเนินงาน",
            "signers": [_SIGNER],
        },
    ),
    Item(
        "wrong-agency",
        OPM,
        {
            "number": "นร 0102/55",
            "kind": "external",
            "to": [DGA],
            "subject": "ขอหารือแนวทางการลงลายมือชื่ออิเล็กทรอนิกส์",
            "signers": [_SIGNER],
        },
        (MIDDLE,),
    ),
    Item(
        "mistyped",
        OCS,
        {
            "number": "นร 0901/301",
            "kind": "external",
            "to": [SOC],
            "subject": "ความเห็นประกอบการพิจารณาร่างระเบียบ",
            "signers": [_SIGNER],
        },
    ),
    Item(
        "withdrawn",
        OPM,
        {
            "number": "นร 0103/12",
            "kind": "external",
            "to": [ETDA],
            "subject": "แจ้งกำหนดการประชุม (ลงวันที่ผิด)",
            "signers": [_SIGNER],
        },
    ),
    Item(
        "replacement",
        OPM,
        {
            "number": "นร 0103/12",
            "kind": "external",
            "to": [ETDA],
            "subject": "แจ้งกำหนดการประชุม",
            "signers": [_SIGNER],
            "replaces": {"reference": "withdrawn", "reason": "แก้ไขวันที่ประชุม"},
        },
        after="withdrawal-granted:withdrawn",
    ),
    Item(
        "to-the-late-one",
        DGA,
        {
            "number": "สพร 0100/9",
            "kind": "external",
            "to": [OCSC],
            "subject": "เชิญเข้าร่วมการอบรม",
            "signers": [_SIGNER],
        },
    ),
    Item(
        "top-secret",
        OPM,
        {
            "number": "นร 0104/1",
            "kind": "external",
            "secrecy": "ลับที่สุด",
            "to": [SOC],
            "subject": "ทดสอบชั้นความลับ (ตัวอย่าง)",
            "signers": [_SIGNER],
        },
    ),
)

KEYS: Mapping[str, str] = {item.subject: item.key for item in LETTERS}
"""The key of each letter by its subject."""
