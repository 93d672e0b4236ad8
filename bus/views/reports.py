"""The reports: what each has to say, row by row, and what its columns are called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bus.codes import load_codes
from bus.directory.lines import holder_of, organizations_in, pins_in
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.evidence.words import DEADLINES
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.pages.columns import Column, day, joined, moment, pairs
from bus.views.letters import row_of, summary_of

Row = dict[str, Any]
Only = frozenset[int] | None
"""The letters that are asked for; None for all."""

_ENTRY = Column("entry", "entry", "ลำดับในบัญชี", plain=True)
_AT = Column("at", "entered", "ลงบัญชีเมื่อ", moment)
_LETTER = Column("letter", "letter", "หนังสือลำดับที่", plain=True)
ACT_KINDS = (Kind.DIRECTORY, Kind.CALENDAR, Kind.REPLAY_REQUESTED, Kind.GRANTED, Kind.ORDERED)
"""What operators do; the extensions of a deadline are one act each."""
REFUSED_KINDS = (Kind.REFUSED, Kind.CONFLICT, Kind.REFUSALS_COUNTED)


@dataclass(frozen=True, slots=True)
class Report:
    """A report: its rows, and its columns; an export has a row for each of `spread`."""

    rows: Callable[[Reader, Only], Iterator[Row]]
    columns: Sequence[Column]
    spread: str | None = None


def _overdue(reader: Reader, only: Only) -> Iterator[Row]:
    for entry in reader.every(Kind.OVERDUE):
        if only is None or entry.letter in only:
            yield overdue_row(entry)


def overdue_row(entry: Entry) -> Row:
    """Return a deadline that passed in silence as a row."""
    return _named(entry, "letter", "deadline", "due", "silent")


_OVERDUE = (
    _ENTRY,
    _AT,
    _LETTER,
    Column("deadline", "what was due", "สิ่งที่ครบกำหนด", lambda each: DEADLINES.get(each, (each,))[0]),
    Column("due", "due", "กำหนด", moment),
    Column("silent", "silent", "ผู้ที่ยังไม่แจ้ง", who="short"),
)


def _meaning(code: str) -> str:
    known = load_codes().refusals.get(code)
    return known.th if known else ""


def _refused(reader: Reader, only: Only) -> Iterator[Row]:
    yield from refused_rows((entry for kind in REFUSED_KINDS for entry in reader.every(kind)), only)


def refused_rows(entries: Iterable[Entry], only: Only = None) -> Iterator[Row]:
    """Yield refusals by code, the most frequent first, with the agencies that got them; those only counted included."""
    counts: Counter[str] = Counter()
    agencies: dict[str, set[str]] = defaultdict(set)
    last: dict[str, int] = defaultdict(int)
    for entry in entries:
        if only is not None and entry.letter not in only:
            continue
        codes = entry.body["codes"] if entry.kind is Kind.REFUSALS_COUNTED else {entry.body["code"]: 1}
        for code, count in codes.items():
            counts[code] += count
            agencies[code].add(entry.body.get("agency") or "?")
            last[code] = max(last[code], entry.seq)
    for code, count in counts.most_common():
        yield {"code": code, "count": count, "agencies": sorted(agencies[code]), "last": last[code]}


_REFUSED = (
    Column("code", "code", "รหัส"),
    Column("code", "meaning", "ความหมาย", _meaning),
    Column("count", "count", "จำนวน", plain=True),
    Column("agencies", "agencies", "หน่วยงาน", who="short"),
    Column("last", "newest entry", "ลำดับล่าสุดในบัญชี", plain=True),
)


def _operators(reader: Reader, only: Only) -> Iterator[Row]:
    acts = sorted((entry for kind in ACT_KINDS for entry in reader.every(kind)), key=lambda entry: entry.seq)
    for entry in acts:
        if only is None or entry.letter in only:
            yield act_row(entry)
    yield from extension_rows(reader.every(Kind.DEADLINE_EXTENDED), only)


def act_row(entry: Entry) -> Row:
    """Return an operator's act as a row."""
    who = ("kind", "act", "operator", "role", "method")
    return _named(entry, *who, "version", "agency", "parked", "letter", "auditor", "until", "reason")


def extension_rows(entries: Iterable[Entry], only: Only = None) -> Iterator[Row]:
    """Yield the extensions of one operator by one calendar version as one act, which has an entry for each letter."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for entry in entries:
        if only is None or entry.letter in only:
            key = (entry.body["operator"], entry.body["calendar"])
            act = found.setdefault(
                key, {**_named(entry, "kind", "operator", "role", "method"), "version": key[1], "letters": 0}
            )
            act["letters"] += 1
    yield from found.values()


_OPERATORS = (
    _ENTRY,
    _AT,
    Column("kind", "act", "การกระทำ"),
    Column("act", "ordered", "คำสั่ง"),
    Column("operator", "operator", "ผู้ปฏิบัติงาน"),
    Column("role", "role", "บทบาท"),
    Column("method", "method", "วิธียืนยันตัว"),
    Column("version", "version", "รุ่น", plain=True),
    Column("letters", "letters", "จำนวนหนังสือ", plain=True),
    Column("parked", "parked entry", "ลำดับที่พักไว้", plain=True),
    _LETTER,
    Column("auditor", "auditor", "ผู้ตรวจสอบ"),
    Column("until", "until", "ถึง", moment),
    Column("reason", "reason", "เหตุผล"),
)


def _readings(reader: Reader, only: Only) -> Iterator[Row]:
    for entry in reader.every(Kind.READ):
        if only is None or entry.letter in only:
            yield reading_row(entry)


def reading_row(entry: Entry) -> Row:
    """Return a reading of an auditor as a row."""
    return _named(entry, "auditor", "role", "method", "what", "letter", "grant", "query", "count")


_READINGS = (
    _ENTRY,
    _AT,
    Column("auditor", "auditor", "ผู้ตรวจสอบ"),
    Column("what", "command", "คำสั่ง"),
    _LETTER,
    Column("grant", "grant", "การอนุญาตลำดับที่", plain=True),
    Column("query", "asked for", "สิ่งที่ถาม", pairs),
    Column("count", "found", "จำนวนที่พบ", plain=True),
)


def _keys(reader: Reader, only: Only) -> Iterator[Row]:
    """What each version of the directory changed about certificates, and about organizations in their place."""
    entries = {int(entry.body["version"]): entry for entry in reader.every(Kind.DIRECTORY)}
    pinned: dict[AgencyCode, dict[str, datetime | None]] = {}
    for version, changes in reader.directories.changes():
        now: dict[AgencyCode, dict[str, datetime | None]] = {holder_of(key): {} for key in changes}
        for holder, pin in pins_in(changes):
            now[holder][pin.fingerprint] = pin.revoked_at
        for holder, one in organizations_in(changes):
            now[holder][f"{one.organization} by {one.authority}"] = one.revoked_at
        for holder, pins in now.items():
            before = pinned.get(holder, {})
            kinds = [
                ("revoked" if revoked else "pinned", fingerprint)
                for fingerprint, revoked in pins.items()
                if fingerprint not in before or before[fingerprint] != revoked
            ]
            kinds += [("removed", fingerprint) for fingerprint in before if fingerprint not in pins]
            for change, fingerprint in kinds:
                row = {"agency": holder, "change": change, "certificate": fingerprint}
                yield _named(entries[version], "version") | row
        pinned |= now


_KEYS = (
    _ENTRY,
    _AT,
    Column("version", "directory", "ทะเบียนรุ่นที่", plain=True),
    Column("agency", "agency", "หน่วยงาน", who="short"),
    Column("change", "change", "การเปลี่ยนแปลง"),
    Column("certificate", "certificate", "SHA-256 ของใบรับรอง"),
)


def _gaps(reader: Reader, only: Only) -> Iterator[Row]:
    """Consignments that no broker has confirmed: what each agency is still to get."""
    for agency, (waiting, held) in sorted(reader.agencies.waiting().items()):
        yield {"agency": agency, "waiting": waiting, "on-hold": held}


_GAPS = (
    Column("agency", "agency", "หน่วยงาน", who="short"),
    Column("waiting", "waiting", "รอส่ง", plain=True),
    Column("on-hold", "on-hold", "รอเพราะพักใช้งาน", plain=True),
)


def _duplicates(reader: Reader, only: Only) -> Iterator[Row]:
    """Letters of one sender that share number and date, subject, or main file, group by group."""
    groups = [group for group in reader.duplicates() if only is None or only & set(group.letters)]
    for number, group in enumerate(groups, start=1):
        states = reader.states_of(group.letters)
        for letter in group.letters:
            row, entry = reader.letter(letter), reader.entry_at(letter)
            if row is None or entry is None:
                raise LookupError(f"letter {letter} is lost")
            document = read(open_envelope(reader.must_document(entry)).root)
            replaces = document.replaces if isinstance(document, Letter) else None
            yield {
                "group": number,
                "same": list(group.same),
                **row_of(row, states[letter]),
                "recipients": summary_of(states[letter]),
                "replaces": str(replaces.letter_id) if replaces else None,
                "reason": replaces.reason if replaces else None,
            }


_DUPLICATES = (
    Column("group", "group", "กลุ่ม", plain=True),
    Column("same", "the same", "สิ่งที่ตรงกัน", joined),
    _LETTER,
    Column("number", "number", "ที่"),
    Column("dated", "dated", "ลงวันที่", day),
    Column("sender", "from", "จาก", who="short"),
    Column("subject", "subject", "เรื่อง"),
    Column("letterId", "LetterID", "รหัสหนังสือ"),
    Column("acceptedAt", "accepted", "ระบบกลางรับเมื่อ", moment),
    Column("recipients", "recipients", "ผู้รับ"),
    Column("replaces", "stands in for", "ส่งแทนหนังสือ"),
    Column("reason", "because", "เพราะ"),
)


def _named(entry: Entry, *names: str) -> Row:
    return {"entry": entry.seq, "at": entry.body["at"], **{name: entry.body.get(name) for name in names}}


REPORTS: dict[str, Report] = {
    "overdue": Report(_overdue, _OVERDUE, spread="silent"),
    "refused": Report(_refused, _REFUSED),
    "operators": Report(_operators, _OPERATORS),
    "keys": Report(_keys, _KEYS),
    "readings": Report(_readings, _READINGS),
    "gaps": Report(_gaps, _GAPS),
    "duplicates": Report(_duplicates, _DUPLICATES),
}


def spread(rows: Iterable[Row], key: str | None) -> Iterator[Row]:
    """Yield one row for each of the agencies that a row names."""
    for row in rows:
        several = row.get(key) if key else None
        yield from ({**row, key: [each]} for each in several) if key and several else (row,)
