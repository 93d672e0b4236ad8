"""The first question of whoever opens a pack, answered in one sentence: was it delivered, when, and to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from bus.directory import Names
from bus.documents.notice import Notice
from bus.evidence.views import spoken
from bus.evidence.words import shown_state, words_of
from bus.ledger.state import RecipientState
from bus.thai import BANGKOK

_MOST_NAMED = 10


def answered(
    recipients: Sequence[RecipientState], notices: dict[int, Notice], names: Names
) -> tuple[str, str]:
    """Return the sentence in Thai and in English; times are those of the ledger."""
    if len(recipients) == 1:
        return _one(recipients[0], notices, names)
    there: list[RecipientState] = []
    missing: list[RecipientState] = []
    times: list[str] = []
    for one in recipients:
        if at := _delivered(one):
            times.append(at)
        (there if at else missing).append(one)
    th, en = _when(times, len(recipients))
    if there:
        th += f" ได้แก่ {_named(there, names, 'th')}"
        en += f": {_named(there, names, 'en')}"
    if there and missing:
        th += f" ยังไม่มีหลักฐานว่าถึง {_named(missing, names, 'th')}"
        en += f". There is no proof that it has reached {_named(missing, names, 'en')}"
    counts = Counter(map(shown_state, recipients))
    return f"{th} ({_counted(counts, 'th')})", f"{en} ({_counted(counts, 'en')})."


def _one(one: RecipientState, notices: dict[int, Notice], names: Names) -> tuple[str, str]:
    name = {language: _name(one, names, language) for language in ("th", "en")}
    state_th, state_en = words_of(shown_state(one))
    at = _delivered(one)
    if not at:
        th = f"ยังไม่มีหลักฐานว่าหนังสือนี้ส่งถึง{name['th']} (สถานะ: {state_th})"
        return th, f"There is no proof that this letter has reached {name['en']} (state: {state_en})."
    th = f"หนังสือนี้ส่งถึง{name['th']}แล้วเมื่อ {_thai(at)}"
    en = f"This letter was delivered to {name['en']} at {_iso(at)}"
    answer = one.progress.effective
    if answer is not None and answer is not one.receipt:
        th += f" และ{state_th}เมื่อ {_thai(answer.at)}"
        en += f"; {state_en.lower()} at {_iso(answer.at)}"
        registration = notices[answer.entry].registration if answer.entry in notices else None
        if registration is not None:
            th += f" เลขรับ {registration.number} ทะเบียนปี {registration.year}"
            en += f" under number {registration.number} of the year {registration.year} (Buddhist era)"
    return th, f"{en}."


def _when(times: Sequence[str], of: int) -> tuple[str, str]:
    if not times:
        th = f"ยังไม่มีหลักฐานว่าหนังสือนี้ส่งถึงผู้รับรายใดใน {of} หน่วยงาน"
        return th, f"There is no proof that this letter has reached any of its {of} recipients"
    first, last = min(times), max(times)
    span_th = f"เมื่อ {_thai(first)}" if first[:19] == last[:19] else f"ระหว่าง {_thai(first)} ถึง {_thai(last)}"
    span_en = f"at {_iso(first)}" if first[:19] == last[:19] else f"between {_iso(first)} and {_iso(last)}"
    if len(times) == of:
        return (
            f"หนังสือนี้ส่งถึงผู้รับครบทั้ง {of} หน่วยงานแล้ว {span_th}",
            f"This letter was delivered to all {of} recipients {span_en}",
        )
    return (
        f"หนังสือนี้ส่งถึงผู้รับแล้ว {len(times)} จาก {of} หน่วยงาน {span_th}",
        f"This letter was delivered to {len(times)} of {of} recipients {span_en}",
    )


def _delivered(one: RecipientState) -> str | None:
    """When the recipient first showed that it has the letter: by its receipt, else by its clerk's answer."""
    word = one.receipt or one.answer
    return word.at if word else None


def _counted(counts: Mapping[str, int], language: str) -> str:
    if language == "th":
        return ", ".join(f"{words_of(status)[0]} {count} หน่วยงาน" for status, count in counts.items())
    return ", ".join(f"{words_of(status)[1].lower()}: {count}" for status, count in counts.items())


def _named(some: Sequence[RecipientState], names: Names, language: str) -> str:
    shown = [_name(one, names, language) for one in some[:_MOST_NAMED]]
    if more := len(some) - len(shown):
        shown.append(f"และอีก {more} หน่วยงาน" if language == "th" else f"and {more} more")
    return ", ".join(shown)


def _name(one: RecipientState, names: Names, language: str) -> str:
    agency = names.agencies.get(one.agency)
    if agency is None:
        return one.agency
    return agency.name_th if language == "th" else agency.name_en


def _thai(at: str) -> str:
    return spoken(datetime.fromisoformat(at))


def _iso(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(BANGKOK).isoformat(" ", timespec="seconds")
