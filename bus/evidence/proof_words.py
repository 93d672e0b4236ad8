"""The inclusion proof and the signed head in sentences, for a reader who knows no cryptography; and their limits.

Each sentence is Thai and English. Nothing here is believed: what does not hold is said to not hold.
"""

from __future__ import annotations

from bus.evidence.blocks import Line
from bus.evidence.statement import Statement

_MOST_NAMED = 20
"""Witnesses that a sentence names; the checkpoint in the pack bears the signature of each."""


def proof_sentences(statement: Statement) -> list[Line]:
    """Return the steps from the letter to the signed head, in order."""
    mark, proof = statement.fingerprint, statement.proof
    count = len(proof.entries)
    said: list[Line] = [
        (
            "บัญชีของระบบกลางเป็นรายการเรียงเลขที่ต่อเนื่องกัน มีแต่เพิ่ม ไม่มีการแก้หรือลบ"
            f" การรับหนังสือฉบับนี้คือรายการที่ {mark.entry} และรายการทั้งหมดเกี่ยวกับหนังสือนี้มี {count} รายการ"
            f" ถึงรายการที่ {mark.through}",
            "The ledger is a list of numbered entries to which is only added; none is changed or removed. The"
            f" acceptance of this letter is entry {mark.entry}; {count} entries are about the letter, up to entry"
            f" {mark.through}.",
        ),
        (
            "รายการรับหนังสือระบุลายนิ้วมือ (SHA-256) ของแฟ้มหนังสือที่ลงลายมือชื่อแล้ว"
            " ลายนิ้วมือคำนวณจากทุกตัวอักษร แก้เพียงตัวเดียวก็ได้ค่าอื่น จึงนำหนังสือฉบับอื่นมาแทนไม่ได้",
            "That entry names the fingerprint (SHA-256) of the signed letter. A fingerprint is computed from every"
            " character: change one and it is another, so that no other letter can be put in its place.",
        ),
        (
            f"ตัวรายการเองก็มีลายนิ้วมือ เมื่อนำไปรวมกับลายนิ้วมืออีก {len(proof.path)} ค่าที่แสดงไว้ท้ายเอกสาร"
            " ทีละค่าตามลำดับ จะได้ค่าสุดท้ายค่าเดียว เรียกว่าค่าราก",
            "The entry itself has a fingerprint, too. Joined with the"
            f" {len(proof.path)} fingerprints that are printed at the end of this document, one after the other, it"
            " gives one last value, the root.",
        ),
        (
            f"ค่ารากนั้นคำนวณจากรายการที่ 1 ถึง {mark.size} ทุกรายการ หากแก้ ลบ หรือแทรกรายการใด จะได้ค่ารากอื่น",
            f"The root is computed from all entries 1 to {mark.size}: whoever changed, removed or inserted one would"
            " get another root.",
        ),
        _result(statement),
        (
            f"ระบบกลางลงลายมือชื่อดิจิทัลกำกับค่ารากและจำนวนรายการในชื่อบัญชี {mark.origin}"
            f" เมื่อ {_thai(statement)} ผู้ที่เก็บหัวบัญชีนี้ไว้จะเห็นได้หากมีการแก้รายการเหล่านั้นภายหลัง"
            " แม้ผู้แก้เป็นระบบกลางเอง",
            f"The bus has signed the root and the number of entries under the log's name {mark.origin}, at"
            f" {_iso(statement)}. Whoever keeps that head will see it if one of those entries is changed later, even by"
            " the bus itself.",
        ),
        _witnesses(statement),
    ]
    return said


def _result(statement: Statement) -> Line:
    if statement.proof.holds:
        return (
            "เมื่อจัดทำเอกสารนี้ได้คำนวณตามขั้นตอนข้างต้นแล้วทุกรายการเกี่ยวกับหนังสือนี้ ได้ค่ารากตรงกันทุกรายการ",
            "When this document was made, these steps were computed for every entry about the letter, and each led to"
            " this root.",
        )
    return (
        "เมื่อจัดทำเอกสารนี้ได้คำนวณตามขั้นตอนข้างต้นแล้ว ได้ค่ารากไม่ตรงกัน พิสูจน์ไม่ได้ว่ารายการอยู่ในบัญชี",
        "When this document was made, these steps did NOT lead to this root: it is not proven that the entries stand in"
        " the ledger.",
    )


def _witnesses(statement: Statement) -> Line:
    cosigned = statement.fingerprint.cosigned
    if not cosigned:
        return (
            "ยังไม่มีหน่วยงานพยานลงลายมือชื่อกำกับค่ารากนี้ จึงมีแต่ระบบกลางที่รับรอง",
            "No agency has cosigned this root as a witness yet: it rests on the bus's signature alone.",
        )
    named, more = ", ".join(cosigned[:_MOST_NAMED]), len(cosigned) - _MOST_NAMED
    return (
        f"หน่วยงานพยาน {len(cosigned)} หน่วยงานได้ตรวจว่าบัญชีต่อเนื่องจากเดิมและลงลายมือชื่อกำกับค่ารากเดียวกัน"
        f" ได้แก่ {named}" + (f" และอีก {more:,} หน่วยงาน" if more > 0 else ""),
        f"Witnesses of {len(cosigned)} agencies have checked that the ledger continues what they had seen before, and"
        f" have cosigned the same root: {named}" + (f" and {more:,} more." if more > 0 else "."),
    )


def proves(statement: Statement) -> list[Line]:
    """Return what the evidence proves, once the pack has passed `saraban-verify`."""
    through = statement.fingerprint.through
    return [
        (
            "หนังสือนี้ลงลายมือชื่ออิเล็กทรอนิกส์ด้วยใบรับรองของหน่วยงานผู้ส่งตามทะเบียนหน่วยงานในเวลานั้น"
            " และไม่มีตัวอักษรใดเปลี่ยนไปตั้งแต่นั้น",
            "The letter was signed under a certificate of the sending agency, by the directory of that time, and no"
            " character of it has changed since.",
        ),
        (
            "ระบบกลางรับหนังสือนี้และกำหนดผู้รับตามรายชื่อข้างต้นไว้แน่นอนแล้วในขณะรับ",
            "The bus accepted the letter, and the set of its recipients was frozen at the acceptance.",
        ),
        (
            "ใบตอบรับและเลขรับแต่ละรายการลงลายมือชื่อด้วยใบรับรองของหน่วยงานผู้รับรายนั้น และอ้างถึงหนังสือฉบับนี้โดยลายนิ้วมือ",
            "Each receipt and each receiving number was signed under a certificate of that recipient, and names this"
            " letter by its fingerprint.",
        ),
        (
            f"ผู้รับที่ระบุว่ายังไม่ตอบรับ ไม่มีคำตอบในบัญชีถึงรายการที่ {through}",
            f"Of those named as not having acknowledged, the ledger has no answer up to entry {through}.",
        ),
    ]


def proves_not(statement: Statement) -> list[Line]:
    """Return what the evidence does not prove."""
    clocks: Line = (
        "เวลา: เวลาที่ได้รับและเวลาที่ลงบัญชีเป็นไปตามนาฬิกาของระบบกลาง เวลาตามเอกสารเป็นคำกล่าวของผู้ทำเอกสาร",
        "Times: receipt and entry are by the clocks of the bus; a stated time is what its author says.",
    )
    if statement.stamped:
        clocks = (
            f"{clocks[0]} แฟ้มพยานหลักฐานมีตราประทับเวลาของหน่วยงานภายนอกกำกับหัวบัญชีด้วย (checkpoint.tsr)",
            f"{clocks[1]} An authority's time-stamp over the head is in the pack (checkpoint.tsr).",
        )
    return [
        (
            "เอกสารแผ่นนี้ไม่มีลายมือชื่อและพิสูจน์สิ่งใดโดยลำพังไม่ได้ ให้ตรวจแฟ้มพยานหลักฐานด้วยโปรแกรม saraban-verify",
            "This document bears no signature and proves nothing alone: check the evidence pack with saraban-verify.",
        ),
        (
            "ไม่พิสูจน์ว่าข้อความในหนังสือเป็นความจริง หรือมีผู้อ่านหนังสือแล้ว ใบตอบรับอัตโนมัติแสดงเพียงว่าระบบของผู้รับเก็บหนังสือไว้ครบถ้วน",
            "It does not prove that what the letter says is true, or that a person has read it: a machine's receipt"
            " only shows that the recipient's system has stored all of it.",
        ),
        (
            "ไม่พิสูจน์ว่าเจ้าหน้าที่คนใดเป็นผู้ลงนาม ลายมือชื่อเป็นของหน่วยงาน ชื่อบุคคลเป็นข้อความในเอกสาร",
            "It does not prove which officer signed: the signature is the agency's, and a person's name is text in the"
            " document.",
        ),
        (
            "ใบรับรองเป็นของหน่วยงานใด เป็นไปตามทะเบียนของระบบกลาง หากสำคัญให้เทียบลายนิ้วมือของใบรับรองกับหน่วยงานนั้นเอง",
            "That a certificate is an agency's is the word of the bus's directory: where it matters, compare its"
            " fingerprint with what the agency itself says.",
        ),
        clocks,
        (
            f"ไม่รวมสิ่งที่เกิดขึ้นหลังรายการที่ {statement.fingerprint.through} การที่ยังไม่ตอบรับไม่ได้หมายความว่าไม่ได้รับ",
            f"What came after entry {statement.fingerprint.through} is not in it; and not to have acknowledged does not"
            " mean not to have received.",
        ),
        (
            "ผลทางกฎหมายของข้อเท็จจริงเหล่านี้เป็นเรื่องที่ผู้มีอำนาจวินิจฉัย",
            "What follows legally from these facts is for the competent authority to decide.",
        ),
    ]


def _thai(statement: Statement) -> str:
    signed = statement.fingerprint.signed
    return signed["thai"] if signed else "–"


def _iso(statement: Statement) -> str:
    signed = statement.fingerprint.signed
    return signed["iso"] if signed else "–"
