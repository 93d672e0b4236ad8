"""The steps, in order; each says what is to be seen at the bus and by the client, and raises Failed otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bus.ledger.entry import Entry, Kind
from compose.conformance.bench import CLIENT, COUNTERPART, NOBODY, Bench
from compose.conformance.client import Client, Said
from compose.conformance.failing import Failed, wait


class Course:
    """The state that goes from step to step."""

    def __init__(self, bench: Bench, client: Client) -> None:
        self.bench, self.client = bench, client
        self.sent: Entry | None = None
        self.received: Entry | None = None

    # -- helpers --

    def _until(self, event: str, after: int, **fields: str) -> Said:
        def fits(said: Said) -> bool:
            return all(said.get(name) == value for name, value in fields.items())

        return self.client.until(event, fits, after=after)

    def _send(self, subject: str, to: str) -> tuple[int, int]:
        """Have the client send; return where the ledger and its words stood before."""
        before = self.bench.head(), len(self.client.said)
        self.client.order("send", to=to, subject=subject, file=str(self.bench.file))
        return before

    def _receive(self, subject: str) -> Entry:
        """Have the counterpart send, and wait until the client has the letter and the bus its receipt."""
        said = len(self.client.said)
        letter = self.bench.write_to_client(subject)
        self._has(letter, subject, said)
        return letter

    def _has(self, letter: Entry, subject: str, said: int) -> None:
        self._until("received", said, letter=letter.body["letterId"], subject=subject, sender=COUNTERPART)
        wait("`delivered` of the letter", lambda: self.bench.notices(letter.seq, "delivered"))

    def _restart(self) -> int:
        said = len(self.client.said)
        self.client.start()
        self._until("ready", said)
        return said

    def _need(self, letter: Entry | None) -> Entry:
        if letter is None:
            raise Failed("an earlier step has failed")
        return letter

    # -- steps --

    def connect(self) -> None:
        """Log in, consume the inbox."""
        self._restart()
        wait("an empty inbox: everything acknowledged", lambda: self.bench.waiting() == 0)

    def send(self) -> None:
        """Upload, sign, submit; understand the acceptance."""
        head, said = self._send("ตัวอย่าง & <ทดสอบ>", COUNTERPART)
        self.sent = wait("an accepted letter", lambda: self.bench.accepted(head, CLIENT))
        self._until("verdict", said, code="accepted")

    def notices(self) -> None:
        """Verify what the counterpart says of the letter."""
        letter = self._need(self.sent).body["letterId"]
        self._until("notice", 0, letter=letter, code="delivered", author=COUNTERPART)
        self.bench.adapter("register", letter, "--number", "ร 1/2569")
        self._until("notice", 0, letter=letter, code="registered", author=COUNTERPART)

    def duplicates(self) -> None:
        """No answer: submit the same bytes again; it is one letter."""
        self.bench.stop_router()
        try:
            head, said = self._send("ส่งซ้ำ (ตัวอย่าง)", COUNTERPART)
            wait("the same submission a second time", lambda: self.bench.waiting(intake=True) > 1)
        finally:
            self.bench.start_router()
        self._until("verdict", said, code="accepted")
        wait("an empty intake", lambda: self.bench.waiting(intake=True) == 0)
        found = [one for one in self.bench.entries(head, Kind.ACCEPTED) if one.body["agency"] == CLIENT]
        refused = [kind for kind in (Kind.REFUSED, Kind.CONFLICT) for _ in self.bench.entries(head, kind)]
        if len(found) != 1 or refused:
            raise Failed(f"{len(found)} letters and {len(refused)} refusals where one letter was meant")

    def refusal(self) -> None:
        """Understand a refusal and its code, and send again what is right."""
        for to, code in ((NOBODY, "recipient.unknown"), (CLIENT, "recipient.only-self")):
            _, said = self._send(f"ไม่รับด้วยรหัส {code} (ตัวอย่าง)", to)
            self._until("verdict", said, code="refused-by-bus", reason=code)

    def conflict(self) -> None:
        """Another letter under the id of yours is refused (`id.conflict`); yours stays accepted, and you go on."""
        letter = self._need(self.sent)
        head, began = self.bench.head(), len(self.client.said)
        self.bench.another_letter(letter.body["letterId"])
        wait("the conflict in the ledger", lambda: self.bench.entries(head, Kind.CONFLICT))
        _, said = self._send("หลังเลขประจำเอกสารซ้ำ (ตัวอย่าง)", COUNTERPART)
        self._until("verdict", said, code="accepted")
        for one in self.client.said[began:]:
            about = one.get("event") == "verdict" and one.get("of") == letter.body["letterId"]
            if about and one.get("reason") != "id.conflict":
                raise Failed("the accepted letter was taken for another")

    def unverifiable(self) -> None:
        """A letter whose signature is broken: keep it, acknowledge it, say `handover-failed` and nothing else."""
        self.client.stop()
        letter = self.bench.write_to_client("ลายมือชื่อเสียหาย (ตัวอย่าง)")
        wait("the letter in the inbox", lambda: self.bench.waiting() > 0)
        self.bench.spoil_letters(CLIENT)
        said = self._restart()
        wait("`handover-failed`", lambda: self.bench.notices(letter.seq, "handover-failed"))
        wait("an empty inbox", lambda: self.bench.waiting() == 0)
        shown = [one for one in self.client.said[said:] if one.get("letter") == letter.body["letterId"]]
        if shown or self.bench.notices(letter.seq, "delivered"):
            raise Failed("a letter that cannot be verified was taken for one")

    def failed_handover(self) -> None:
        """The recipient cannot take your letter: understand its `handover-failed`."""
        self.bench.stop_counterpart()
        try:
            head, said = self._send("ผู้รับรับไว้ไม่ได้ (ตัวอย่าง)", COUNTERPART)
            self._until("verdict", said, code="accepted")
            letter = wait("an accepted letter", lambda: self.bench.accepted(head, CLIENT))
            wait("the letter in the counterpart's inbox", lambda: self.bench.waiting(COUNTERPART) > 0)
            self.bench.spoil_letters(COUNTERPART)
        finally:
            self.bench.start_counterpart()
        about = letter.body["letterId"]
        self._until("notice", said, letter=about, code="handover-failed", author=COUNTERPART)

    def receive(self) -> None:
        """Verify a letter, fetch its file, say `delivered`."""
        self.received = self._receive("ถึงท่าน & <ทดสอบ>")

    def register(self) -> None:
        """Say `registered` with a number."""
        letter = self._need(self.received)
        self.client.order("register", letter=letter.body["letterId"], number="ร 7/2569")
        said = wait("`registered` of the letter", lambda: self.bench.notices(letter.seq, "registered"))
        if said[0].body["number"] != "ร 7/2569":
            raise Failed("another number than was ordered")

    def redelivery(self) -> None:
        """A consignment that came before: acknowledge it and do nothing."""
        letter = self._need(self.received)
        self.client.stop()
        self.bench.consign_again(letter)
        wait("the consignment in the inbox", lambda: self.bench.waiting() > 0)
        said = self._restart()
        wait("an empty inbox", lambda: self.bench.waiting() == 0)
        again = [one for one in self.client.said[said:] if one.get("event") == "received"]
        if again or len(self.bench.notices(letter.seq, "delivered")) != 1:
            raise Failed("the letter was received twice")

    def gap(self) -> None:
        """A number is missing: report it, and get it again."""
        self.client.stop()
        lost, kept = (self.bench.write_to_client(f"ฉบับที่ {n} (ตัวอย่าง)") for n in (1, 2))
        wait("both letters in the inbox", lambda: self.bench.waiting() > 1)
        self.bench.lose_first()
        said = self._restart()
        self._until("received", said, letter=kept.body["letterId"])
        self.client.order("reconcile")
        for n, letter in enumerate((lost, kept), 1):
            self._has(letter, f"ฉบับที่ {n} (ตัวอย่าง)", said)

    def directory(self) -> None:
        """A version is missed, so fetch the whole of the next; believe a renewed certificate."""
        self.client.stop()
        self.bench.new_directory({'name_en = "Office': 'name_en = "The Office'})
        wait("the statement in the inbox", lambda: self.bench.waiting() > 0)
        self.bench.lose_all()
        self.bench.renew_counterpart()
        self._restart()
        self._receive("ลงลายมือชื่อด้วยกุญแจใหม่ (ตัวอย่าง)")

    def renewal(self) -> None:
        """Your certificate follows another: begun again with the new key, sign with it, for the old is revoked."""
        self.client.stop()
        self.client.environment |= self.bench.renew_client()
        self._restart()
        self.bench.revoke_first_of_client()
        _, said = self._send("ลงลายมือชื่อด้วยกุญแจใหม่ของหน่วยงาน (ตัวอย่าง)", COUNTERPART)
        self._until("verdict", said, code="accepted")
        self._receive("ถึงท่านหลังเปลี่ยนกุญแจ (ตัวอย่าง)")


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with its name for people."""

    number: int
    name: str
    th: str
    en: str
    run: Callable[[Course], None]


STEPS: Final = tuple(
    Step(number, run.__name__, th, (run.__doc__ or "").strip(), run)
    for number, (run, th) in enumerate(
        (
            (Course.connect, "เชื่อมต่อและรับจากตู้หนังสือ"),
            (Course.send, "ส่งหนังสือพร้อมแฟ้ม และอ่านใบรับ"),
            (Course.notices, "อ่านใบแจ้งของผู้รับ"),
            (Course.duplicates, "ส่งซ้ำเมื่อไม่มีคำตอบ นับเป็นฉบับเดียว"),
            (Course.refusal, "อ่านการไม่รับและรหัส"),
            (Course.conflict, "เลขประจำเอกสารซ้ำ ฉบับที่รับแล้วคงเดิม"),
            (Course.failed_handover, "ผู้รับรับไว้ไม่ได้ อ่านใบแจ้ง"),
            (Course.receive, "รับหนังสือ ตรวจลายมือชื่อ ดึงแฟ้ม แจ้งการได้รับ"),
            (Course.register, "แจ้งเลขรับ"),
            (Course.redelivery, "ได้รับซ้ำ ไม่ทำซ้ำ"),
            (Course.unverifiable, "ลายมือชื่อเสียหาย แจ้งว่ารับไว้ไม่ได้"),
            (Course.gap, "หมายเลขขาด ขอใหม่"),
            (Course.directory, "ทะเบียนขาดรุ่น ดึงทั้งฉบับ และเชื่อใบรับรองใหม่"),
            (Course.renewal, "เปลี่ยนกุญแจและใบรับรองของตน"),
        ),
        1,
    )
)
