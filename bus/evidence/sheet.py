"""The certificate of delivery in words: one arrangement of sections, which paper and page both show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bus.evidence.blocks import Line, Points, Rows, Section, Sheet, Table
from bus.evidence.proof_words import proof_sentences, proves, proves_not
from bus.evidence.statement import Statement
from bus.evidence.views import View

MOST = 1500
"""So many rows a table has; what is left out is in the pack."""
NONE: Line = ("ไม่มี", "none")


def sheet_of(statement: Statement) -> Sheet:
    """Return what a certificate shows."""
    letter, mark = statement.letter, statement.fingerprint
    numbered = "ด้วยเลขรับ" if statement.registration else ""
    return Sheet(
        title=("หนังสือรับรองการส่ง", "Certificate of delivery"),
        name=letter["number"] or "หนังสือไม่มีเลขที่",
        letter_id=letter["id"],
        made=_moment(statement.made),
        answer=statement.answer,
        notes=tuple(_notes(statement)),
        sections=(
            Section(("หนังสือ", "The letter"), (Rows(tuple(_letter(letter))),)),
            Section((f"ผู้ที่ยังไม่ตอบรับ{numbered}", "Who has not acknowledged"), _recipients(statement.silent)),
            Section(
                ("ผู้ที่ตอบรับแล้ว หรือเรื่องสิ้นสุดแล้ว", "Who has acknowledged, or the matter is closed"),
                _recipients(statement.others),
            ),
            Section(("เวลาของหนังสือ", "Three times of the letter, kept apart"), (_times(statement),)),
            Section(
                ("ลายมือชื่อและใบรับรองในเวลานั้น", "Signature and certificate as of that time"),
                (_seal(statement),),
            ),
            Section(("ไฟล์ของหนังสือ", "The letter's files"), _files(statement.files)),
            Section(("ลายนิ้วมือ", "Fingerprint"), (_fingerprint(statement),)),
            Section(
                ("พิสูจน์ได้อย่างไร", "The proof in words"),
                (Points(tuple(proof_sentences(statement)), numbered=True),),
            ),
            Section(
                (
                    "สิ่งที่พยานหลักฐานพิสูจน์ เมื่อแฟ้มผ่านการตรวจแล้ว",
                    "What the evidence proves, once the pack has passed",
                ),
                (Points(tuple(proves(statement))),),
            ),
            Section(
                ("สิ่งที่พยานหลักฐานไม่พิสูจน์", "What the evidence does not prove"),
                (Points(tuple(proves_not(statement))),),
            ),
            Section(
                (f"ค่าที่ใช้พิสูจน์รายการที่ {mark.entry}", f"The hashes that prove entry {mark.entry}"),
                (_hashes(statement),),
            ),
        ),
    )


def _notes(statement: Statement) -> Iterator[Line]:
    through, pack = statement.fingerprint.through, statement.fingerprint.pack_sha256
    yield (
        f"ตามบัญชีถึงรายการที่ {through} เวลาเป็นเวลาที่ลงบัญชี",
        f"As of entry {through} of the ledger, by the times of its entries.",
    )
    if pack:
        yield (
            "แฟ้มพยานหลักฐานแนบอยู่ในเอกสารนี้ชื่อ evidence.asice ให้ตรวจด้วยโปรแกรม saraban-verify ก่อนเชื่อถือ"
            " หากต่างกัน ให้ถือผลการตรวจเป็นสำคัญ",
            "The evidence pack is attached to this document as evidence.asice. Check it with saraban-verify before you"
            " rely on this page: where the two differ, the program is right.",
        )
    else:
        yield (
            "เอกสารนี้ไม่มีแฟ้มพยานหลักฐานแนบ ให้ขอแฟ้มจากผู้ดูแลระบบกลางและตรวจด้วยโปรแกรม saraban-verify ก่อนเชื่อถือ",
            "No evidence pack is attached. Ask the bus's operator for it, and check it with saraban-verify before you"
            " rely on this page.",
        )
    if statement.doubts:
        yield (
            f"มีข้อสงสัย: ผลการตรวจสอบแฟ้มพยานหลักฐานไม่ผ่านหรือยังสรุปไม่ได้ {len(statement.doubts)} ข้อ",
            f"In doubt: {len(statement.doubts)} checks of the evidence pack did not pass.",
        )
        yield from ((doubt, "") for doubt in statement.doubts)


def _letter(letter: View) -> Iterator[tuple[Line, tuple[Line, ...]]]:
    yield ("ที่", "Number"), ((letter["number"], "") if letter["number"] else NONE,)
    yield ("ลงวันที่", "Dated"), ((letter["dated"]["thai"], letter["dated"]["iso"]),)
    yield ("จาก", "From"), _plain(letter["from"], letter["unit"])
    yield (
        ("เรื่อง", "Subject"),
        (("ปิดผนึก", "sealed") if letter["subject"] is None else (letter["subject"], ""),),
    )
    yield ("ชนิด", "Kind"), (letter["kind"],)
    yield ("ความเร็ว", "Speed"), (letter["speed"],)
    yield ("ชั้นความลับ", "Secrecy"), (letter["secrecy"],)
    if letter["replaces"]:
        yield ("ส่งแทน", "Stands in for"), _plain(letter["replaces"].letter_id, letter["replaces"].reason)
    yield ("กำหนดตอบรับ", "Receipt due"), (_moment(letter["receipt_due"]),)
    if letter["registration_due"]:
        yield ("กำหนดลงรับ", "Registration due"), (_moment(letter["registration_due"]),)
    yield ("LetterID", ""), ((letter["id"], ""),)


def _recipients(some: Sequence[View]) -> tuple[Table | Points, ...]:
    if not some:
        return (Points((NONE,)),)
    columns: tuple[tuple[Line, int], ...] = (
        (("ผู้รับ", "Recipient"), 22),
        (("สถานะ", "State"), 18),
        (("ใบตอบรับอัตโนมัติ", "Receipt"), 29),
        (("คำตอบและเลขรับ", "Answer and receiving number"), 31),
    )
    table = Table(columns, tuple(map(_recipient, some[:MOST])))
    more = len(some) - MOST
    if more <= 0:
        return (table,)
    left: Line = (
        f"และอีก {more:,} ราย ดูใน recipients.json และ notices/ ของแฟ้มพยานหลักฐาน",
        f"and {more:,} more: see recipients.json and notices/ of the evidence pack",
    )
    return table, Points((left,))


def _recipient(one: View) -> tuple[tuple[Line, ...], ...]:
    name: list[Line] = [(one["name"], ""), one["role"]]
    if one["addressed"]:
        name.append((f"จ่าหน้าถึง {one['addressed']}", "addressed"))
    state: list[Line] = [one["state"]]
    state += [(f"พ้นกำหนด{late[0]}", f"overdue: {late[1]}") for late in one["overdue"]]
    if one["due"]:
        state.append((f"กำหนดลงรับ {one['due']['short']}", f"registration due {one['due']['iso']}"))
    receipt = list(_said(one["receipt"])) or [("ยังไม่มี", "none")]
    if not one["receipt"] and one["consigned"]:
        since = one["consigned"]
        receipt.append((f"ในตู้หนังสือตั้งแต่ {since['short']}", f"in the queue since {since['iso']}"))
    answer: list[Line] = [one["answer"]["words"]] if one["answer"] else [("ยังไม่ตอบ", "not yet")]
    if number := one["registration"]:
        answer.append(
            (f"เลขรับ {number['number']} ทะเบียนปี {number['year']}", "receiving number and its year (B.E.)")
        )
        answer += _plain(number["unit"])
        if number["officer"]:
            answer.append((f"ผู้ลงรับ {number['officer']}", "registered by"))
        answer.append((f"ลงรับเมื่อ {number['at']['short']}", f"registered {number['at']['iso']}"))
    if officer := one["officer"]:
        answer.append((f"ผู้ดำเนินการ {officer.name} {officer.job_title or ''}".strip(), "officer"))
    answer += _plain(*one["reasons"])
    return tuple(name), tuple(state), tuple(receipt), (*answer, *_said(one["answer"]))


def _said(said: View | None) -> Iterator[Line]:
    """The three times of a notice, and its entry."""
    if said is None:
        return
    for name, th, en in (
        ("stated", "ผู้รับระบุ", "stated"),
        ("received", "ได้รับ", "received"),
        ("entered", "ลงบัญชี", "entered"),
    ):
        if said[name]:
            yield f"{th} {said[name]['short']}", f"{en} {said[name]['iso']}"
    yield f"รายการที่ {said['entry']}", f"entry {said['entry']}"


def _times(statement: Statement) -> Rows:
    times = statement.times
    return Rows(
        (
            (("ตามเอกสาร ผู้ส่งระบุ", "Stated by the sender"), (_moment(times.stated),)),
            (("ระบบกลางได้รับ", "Received by the bus"), (_moment(times.received),)),
            (("ลงบัญชี", "Entered into the ledger"), (_moment(times.entered),)),
        )
    )


def _seal(statement: Statement) -> Rows:
    seal = statement.seal
    rows: list[tuple[Line, tuple[Line, ...]]] = [(("ลงลายมือชื่อโดย", "Signed by"), ((seal.by, ""),))]
    rows.append((("ณ เวลาที่ระบบกลางรับ", "When the bus received it"), (_worth(statement),)))
    if (one := seal.certificate) is None:
        return Rows(tuple(rows))
    rows += [
        (("ใบรับรอง", "Certificate"), _plain(one["subject"])),
        (("ผู้ออกใบรับรอง", "Issuer"), _plain(one["issuer"])),
        (("หมายเลขใบรับรอง", "Serial"), _plain(one["serial"])),
        (("ใช้ได้ตั้งแต่", "Valid from"), (_moment(one["since"]),)),
        (("ใช้ได้ถึง", "Valid until"), (_moment(one["until"]),)),
        (("SHA-256", ""), _plain(one["sha256"])),
    ]
    if one["revoked"]:
        rows.append((("เพิกถอนตั้งแต่", "Revoked from"), (_moment(one["revoked"]),)))
    return Rows(tuple(rows))


def _worth(statement: Statement) -> Line:
    seal = statement.seal
    if seal.certificate is None:
        return "ไม่พบใบรับรองนี้ในทะเบียนหน่วยงาน", "the directory has no such certificate"
    if not seal.good:
        return "ใบรับรองไม่อยู่ในอายุ หรือถูกเพิกถอนแล้ว", "the certificate was out of its validity, or revoked"
    if not seal.pinned:
        return (
            "ใบรับรองอยู่ในอายุ ผู้ออกเป็นหน่วยงานภายนอก ดูรายการเพิกถอนในแฟ้มพยานหลักฐาน",
            "the certificate was in its validity; for its authority's lists of revoked ones see the evidence pack",
        )
    return (
        "ใบรับรองอยู่ในทะเบียนหน่วยงาน อยู่ในอายุ และยังไม่ถูกเพิกถอน",
        "the certificate was the agency's by the directory, in its validity and not revoked",
    )


def _files(files: Sequence[View]) -> tuple[Table, ...]:
    columns: tuple[tuple[Line, int], ...] = (
        (("ชื่อไฟล์", "Name"), 36),
        (("ขนาด (ไบต์)", "Size in bytes"), 16),
        (("SHA-256", ""), 48),
    )
    kinds: dict[bool, Line] = {True: ("หนังสือ", "main file"), False: ("แนบ", "attached")}
    rows = tuple(
        (((one["name"], ""), kinds[one["main"]]), ((one["size"], ""),), ((one["sha256"], ""),))
        for one in files[:MOST]
    )
    return (Table(columns, rows),)


def _fingerprint(statement: Statement) -> Rows:
    mark = statement.fingerprint
    rows: list[tuple[Line, tuple[Line, ...]]] = [
        (("ลายนิ้วมือของเนื้อหา", "Digest of the content"), _plain(mark.digest)),
        (("SHA-256 ของแฟ้ม letter.xml", "Raw SHA-256 of letter.xml"), _plain(mark.raw_sha256)),
        (("เลขที่รายการในบัญชี", "Ledger entry"), _plain(str(mark.entry))),
        (("ชื่อบัญชี", "Log origin"), _plain(mark.origin)),
        (("จำนวนรายการในหัวบัญชี", "Checkpoint size"), _plain(f"{mark.size}")),
        (("ค่าราก", "Checkpoint root"), _plain(mark.root)),
    ]
    if mark.signed:
        rows.append((("หัวบัญชีลงลายมือชื่อเมื่อ", "Checkpoint signed"), (_moment(mark.signed),)))
    rows.append((("หน่วยงานพยาน", "Cosigned by"), _plain(*mark.cosigned) or (NONE,)))
    if mark.pack_sha256:
        rows.append((("SHA-256 ของแฟ้มที่แนบ", "SHA-256 of the attached pack"), _plain(mark.pack_sha256)))
    return Rows(tuple(rows))


def _hashes(statement: Statement) -> Rows:
    proof, mark = statement.proof, statement.fingerprint
    steps = [
        ((f"ค่าที่ {place}", f"Hash {place}"), _plain(one)) for place, one in enumerate(proof.path, start=1)
    ]
    return Rows(
        (
            (("ลายนิ้วมือของรายการ", "Leaf hash of the entry"), _plain(proof.leaf)),
            *steps,
            (("ค่าราก", "Root"), _plain(mark.root)),
            (
                ("รายการทั้งหมดเกี่ยวกับหนังสือ", "All entries about the letter"),
                _plain(", ".join(map(str, proof.entries[:MOST]))),
            ),
        )
    )


def _plain(*texts: object) -> tuple[Line, ...]:
    return tuple((str(text), "") for text in texts if text)


def _moment(moment: View) -> Line:
    return moment["thai"], moment["iso"]
