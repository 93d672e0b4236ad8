"""How long an auditor's questions take in a ledger of a million letters: `python -m tests.bench search`.

The letters are put into the tables as rows: it is the questions that are measured. `LETTERS` says how many there are.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any

from sqlalchemy import Table, text

from bus.identifiers import AgencyCode
from bus.ledger import schema
from bus.ledger.database import working
from bus.ledger.entry import timestamp
from bus.ledger.finding import Asked
from bus.ledger.inserting import insert_many
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.ledger.tables import entries, letter_kinds, letters, recipients
from bus.thai import BANGKOK, comparable

LETTERS = int(os.environ.get("LETTERS", "1000000"))
LARGE, SMALL = AgencyCode("0100100000"), AgencyCode("0100200000")
_ROUNDS = 7
_AGENCIES = [AgencyCode(f"{number:05d}00000") for number in range(1003, 1403)]
_HEADS = ("ขอเชิญประชุม", "ขอความอนุเคราะห์ข้อมูล", "รายงานผล", "แจ้งเวียน", "ขออนุมัติ", "ส่งสำเนา", "ตอบข้อหารือ")
_MATTERS = (
    "คณะกรรมการ",
    "แผนป้องกันน้ำท่วม",
    "งบประมาณรายจ่าย",
    "การจัดซื้อจัดจ้าง",
    "บุคลากร",
    "ระบบสารบรรณ",
    "มติคณะรัฐมนตรี",
)
_PLACES = ("จังหวัดเชียงใหม่", "จังหวัดสงขลา", "กรุงเทพมหานคร", "ส่วนกลาง", "จังหวัดขอนแก่น")
_DAYS = 3 * 365
_LAST = date(2026, 11, 20)
_KINDS = ("external", "internal", "memo", "circular", "order")


def fill(url: str, count: int = LETTERS) -> float:
    """Fill an empty ledger with so many letters and return the seconds that it took."""
    schema.upgrade(url)
    ledger, began = Ledger(url), perf_counter()
    made_up = _letters(count)
    while some := list(islice(made_up, 5_000)):
        rows: dict[Table, list[dict[str, Any]]] = {
            t: [] for t in (entries, letters, recipients, letter_kinds)
        }
        for one in some:
            for table, made in one.items():
                rows[table] += made
        with working(ledger.engine) as connection:
            for table, made in rows.items():
                insert_many(connection, table, made)
    if ledger.engine.dialect.name == "postgresql":
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    ledger.close()
    return round(perf_counter() - began, 1)


def _letters(count: int) -> Iterator[dict[Table, list[dict[str, Any]]]]:
    chosen = random.Random(2526)
    for number in range(1, count + 1):
        day = _LAST - timedelta(days=_DAYS * (count - number) // count)
        at = timestamp(
            datetime(day.year, day.month, day.day, 9, tzinfo=BANGKOK) + timedelta(microseconds=number)
        )
        sender = LARGE if chosen.random() < 0.3 else chosen.choice(_AGENCIES)
        to = {LARGE if chosen.random() < 0.2 else chosen.choice(_AGENCIES) for _ in range(1 + number % 2)}
        if number % 5_000 == 7:
            sender = SMALL
        subject = f"{chosen.choice(_HEADS)}{chosen.choice(_MATTERS)} {chosen.choice(_PLACES)} ครั้งที่ {number % 997}/2569"
        if number % 100_000 == 11:
            subject += " ช้างเผือก"
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        dated = day - timedelta(days=chosen.choice((0, 0, 1, 2, 3, 7, 400 if number % 1000 == 0 else 1)))
        yield {
            entries: [
                {
                    "seq": number,
                    "at": at,
                    "kind": "accepted",
                    "agency": sender,
                    "letter": number,
                    "document": None,
                }
                | {"body": f'{{"seq":{number}}}', "leaf": bytes.fromhex(digest)}
            ],
            letters: [
                {
                    "letter": number,
                    "sender": sender,
                    "letter_id": f"{digest[:8]}-0000-4000-8000-{number:012d}",
                }
                | {"digest": digest, "number": f"นร 0105/{number}", "number_normalised": f"นร 0105/{number}"}
                | {"dated": dated.isoformat(), "speed": "003" if number % 2_000 == 0 else "001"}
                | {
                    "acknowledgement": "registration",
                    "accepted_at": at,
                    "receipt_due": at,
                    "registration_due": at,
                }
                | {"subject": subject, "certificate": digest, "subject_comparable": comparable(subject)}
            ],
            recipients: [{"letter": number, "agency": code, "addressed": code, "role": "to"} for code in to],
            letter_kinds: [{"letter": number, "kind": _KINDS[number * number % 5]}],
        }


QUESTIONS: dict[str, Asked] = {
    "nothing": {},
    "a common word": {"words": ["ประชุม"]},
    "two common words": {"words": ["ประชุม", "สงขลา"]},
    "a rare word": {"words": ["ช้างเผือก"]},
    "a word that no letter has": {"words": ["มังกรทอง"]},
    "words that none has together": {"words": ["ครั้งที่ 12/", "ช้างดำ"]},
    "a word of a few thousand": {"words": ["ครั้งที่ 123/"]},
    "two characters that no letter has": {"words": ["ฬฬ"]},
    "one character": {"words": ["ก"]},
    "a large agency": {"sender": LARGE},
    "a small agency": {"sender": SMALL},
    "a party": {"party": LARGE},
    "a large agency and a common word": {"sender": LARGE, "words": ["งบประมาณ"]},
    "a large agency to itself": {"sender": LARGE, "recipient": LARGE},
    "a large agency in an old month": {"sender": LARGE, "dated": "2024-03"},
    "an old year": {"dated": "2024"},
    "a month": {"dated": "2025-06"},
    "a common word in an old year": {"words": ["ประชุม"], "dated": "2024"},
    "a kind": {"kind": "order"},
    "a rare speed": {"speed": "003"},
    "accepted by a time": {"accepted_by": "2025-01-01T00:00:00.000000+07:00", "recipient": LARGE},
    "a number": {"number": "นร ๐๑๐๕/๗๗"},
}


def measured(url: str) -> dict[str, dict[str, float]]:
    """Return, for each question, the milliseconds of a page of 50 letters and of the counts, each the p95 of a few."""
    ledger = Ledger(url)
    found: dict[str, dict[str, float]] = {}
    for name, asked in QUESTIONS.items():
        page = _p95(ledger, partial(_page, asked))
        counts = _p95(ledger, partial(_counts, asked))
        found[name] = {"page": page, "counts": counts}
    ledger.close()
    return found


def _page(asked: Asked, reader: Reader) -> object:
    return reader.find_letters(limit=50, **asked)


def _counts(asked: Asked, reader: Reader) -> object:
    return reader.facets(**asked)


def _p95(ledger: Ledger, ask: Callable[[Reader], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        with ledger.read() as reader:
            began = perf_counter()
            ask(reader)
            times.append((perf_counter() - began) * 1000)
    return round(sorted(times)[round(0.95 * (len(times) - 1))], 1)
