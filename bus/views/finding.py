"""Letters as they are listed, and of which state of the ledger a list is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bus.evidence.words import ROLES, words_of
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.ledger.state import LetterState
from bus.pages.columns import Column, Row, day, iso, joined, moment
from bus.views.letters import row_of, state_of

Found = tuple[LetterRow, LetterState]


def head_of(reader: Reader) -> dict[str, Any]:
    """Return of which state of the ledger an answer is."""
    head = reader.heads.newest()
    return {
        "entries": reader.head(),
        "signed": head.size if head else 0,
        "root": head.root.hex() if head else None,
    }


def _both(words: tuple[str, str]) -> str:
    return f"{words[0]} ({words[1]})"


LETTER_COLUMNS = (
    Column("letter", "entry", "ลำดับในบัญชี", plain=True),
    Column("number", "number", "ที่"),
    Column("dated", "dated", "ลงวันที่ พ.ศ.", day),
    Column("dated", "dated, ISO", "ลงวันที่ ค.ศ.", plain=True),
    Column("sender", "from", "จาก", who="full"),
    Column("subject", "subject", "เรื่อง"),
    Column("letterId", "LetterID", "รหัสหนังสือ"),
    Column("acceptedAt", "accepted", "ระบบกลางรับเมื่อ", moment),
    Column("acceptedAt", "accepted, ISO", "ระบบกลางรับเมื่อ ค.ศ.", iso, plain=True),
)
"""The columns of an export that say which letter a row is about."""


COLUMNS_BY_RECIPIENT = (
    *LETTER_COLUMNS,
    Column("recipient", "recipient", "ผู้รับ", who="full"),
    Column("role", "role", "ประเภทผู้รับ", lambda role: _both(ROLES.get(role, (role, role)))),
    Column("state", "state", "สถานะ", lambda state: _both(words_of(state))),
    Column("consignedAt", "in its queue", "ส่งถึงตู้หนังสือเมื่อ", moment),
    Column("deliveredAt", "delivered", "เครื่องตอบรับเมื่อ", moment),
    Column("deliveredAt", "delivered, ISO", "เครื่องตอบรับเมื่อ ค.ศ.", iso, plain=True),
    Column("answeredAt", "answered", "เจ้าหน้าที่ตอบเมื่อ", moment),
    Column("answeredAt", "answered, ISO", "เจ้าหน้าที่ตอบเมื่อ ค.ศ.", iso, plain=True),
    Column("registration", "receiving number", "เลขรับ"),
    Column("acknowledged", "acknowledged", "ตอบรับแล้ว", lambda yes: "ใช่ (yes)" if yes else "ยัง (no)"),
    Column("registrationDue", "registration due", "กำหนดลงทะเบียนรับ", moment),
    Column("overdue", "overdue", "พ้นกำหนด", joined),
)
"""The columns of an export that has a row for each recipient of a letter."""


def by_recipient(found: Iterable[Found]) -> Iterator[Row]:
    """Yield what became of each letter at each of its recipients."""
    for row, state in found:
        # Once for each letter: each looks at all of its recipients, and there may be thousands.
        about, silent = row_of(row, state), set(state.unacknowledged)
        for code, one in state_of(state)["recipients"].items():
            registration = one.pop("number")
            yield {
                **about,
                **one,
                "registration": registration,
                "recipient": code,
                "acknowledged": code not in silent,
            }
