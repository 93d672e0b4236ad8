"""All agencies as an operator looks at them: a row each, the worst first, with the figures of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from bus.directory import Agency, Directory
from bus.directory.ends import SOON, end_of
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.pages.columns import Column, iso, joined
from bus.views.agencies import Standing

Row = dict[str, Any]
TROUBLES: Final[Mapping[str, int]] = {
    "no-queue": 9,
    "no-adapter-waiting": 8,
    "full": 7,
    "certificate-ended": 6,
    "overdue": 5,
    "no-adapter": 4,
    "nearly-full": 4,
    "certificate-ending": 3,
    "suspended": 2,
    "not-asked": 1,
}
"""What an operator should look at, with how bad it is."""
STATES: Final = ("active", "suspended")
_NEVER: Final = "9999"


def ends_of(directory: Directory) -> dict[AgencyCode, str]:
    """Return when the last certificate of each agency ends; to read thousands of certificates takes a second."""
    ends = {code: end_of(_unread(directory.agencies[code])) for code in directory.inboxes}
    return {code: timestamp(end) for code, end in ends.items() if end is not None}


def _unread(agency: Agency) -> Agency:
    """The agency with pins of its own: a pin keeps its certificate once it is read, and thousands are 25 MB."""
    return replace(agency, certificates=tuple(map(replace, agency.certificates)))


def rows_of(
    found: Iterable[Standing],
    overdue: Mapping[AgencyCode, int],
    ends: Mapping[AgencyCode, str],
    at: datetime,
    before: Mapping[str, Row] = MappingProxyType({}),
) -> list[Row]:
    """Return a row for each agency, the worst first; where nothing has changed since `before`, the same one."""
    soon = (timestamp(at), timestamp(at + SOON))
    rows = (_row(one, overdue.get(one.agency.code, 0), ends.get(one.agency.code), soon) for one in found)
    kept = (there if (there := before.get(row["code"])) == row else row for row in rows)
    return sorted(kept, key=lambda row: str(row["key"]))


def _row(one: Standing, overdue: int, ends: str | None, soon: tuple[str, str]) -> Row:
    agency, inbox, activity = one.agency, one.inbox, one.activity
    vouched = any(pin.revoked_at is None for pin in agency.vouched)
    trouble = _shared(tuple(_trouble(one, overdue, None if vouched else ends, soon)))
    worst = max((TROUBLES[each] for each in trouble), default=0)
    return {
        "code": agency.code,
        "nameTh": agency.name_th,
        "nameEn": agency.name_en,
        "abbreviation": agency.abbrev_th,
        "state": agency.state,
        "cluster": agency.cluster,
        "trouble": trouble,
        "waiting": inbox.messages if inbox else None,
        "unacknowledged": inbox.unacknowledged if inbox else None,
        "consumers": inbox.consumers if inbox else None,
        "fill": round(one.fill, 3),
        "pending": activity.pending,
        "onHold": activity.on_hold,
        "nextAttempt": activity.next_attempt,
        "overdue": overdue,
        "oldestWaiting": one.oldest_waiting,
        "lastHeard": activity.last_submission,
        "lastSuccess": activity.last_accepted,
        "lastConsignment": activity.last_consignment,
        "certificateEnds": ends,
        "key": f"{9 - worst}~{one.oldest_waiting or _NEVER}~{agency.code}",
    }


@cache
def _shared(trouble: tuple[str, ...]) -> tuple[str, ...]:
    """The one tuple of these troubles: thousands of agencies have the same."""
    return trouble


def _trouble(one: Standing, overdue: int, ends: str | None, soon: tuple[str, str]) -> Iterable[str]:
    inbox, active = one.inbox, one.agency.active
    if not one.asked:
        yield "not-asked"
    elif inbox is None:
        yield "no-queue"
    elif inbox.consumers == 0 and active:
        yield "no-adapter-waiting" if one.oldest_waiting else "no-adapter"
    if one.fill >= 1:
        yield "full"
    elif "nearly full" in one.trouble:
        yield "nearly-full"
    if not active:
        yield "suspended"
    if overdue:
        yield "overdue"
    if active and ends is not None and ends < soon[0]:
        yield "certificate-ended"
    elif active and ends is not None and ends < soon[1]:
        yield "certificate-ending"


def totals_of(rows: Sequence[Row]) -> Row:
    """Return the figures of all agencies together."""
    oldest = min((row["oldestWaiting"] for row in rows if row["oldestWaiting"]), default=None)
    total: Row = {
        name: sum(row[name] or 0 for row in rows)
        for name in ("waiting", "unacknowledged", "pending", "onHold", "overdue")
    }
    return total | {
        "agencies": len(rows),
        "troubled": sum(1 for row in rows if row["trouble"]),
        "connected": sum(1 for row in rows if row["consumers"]),
        "oldestWaiting": oldest,
    }


def chosen(rows: Iterable[Row], query: Mapping[str, str]) -> list[Row]:
    """Return the rows to which everything asked for applies: `trouble`, `state`, `cluster`."""
    return [row for row in rows if all(_fits(row, what, value) for what, value in query.items())]


def _fits(row: Row, what: str, value: str) -> bool:
    if what == "trouble":
        return bool(row["trouble"]) if value == "any" else value in row["trouble"]
    return bool(row[what] == value)


def choices(rows: Sequence[Row], query: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return, for each thing that can be chosen, how many agencies each value has beside what else is asked for."""
    found = {}
    for what in ("trouble", "state", "cluster"):
        others = chosen(rows, {name: value for name, value in query.items() if name != what})
        counts = Counter(value for row in others for value in _values(row, what))
        order = TROUBLES if what == "trouble" else sorted({row[what] for row in rows})
        some = {value: counts[value] for value in order if counts[value] or query.get(what) == value}
        if what == "trouble":
            some = {"any": sum(1 for row in others if row["trouble"]), **some}
        found[what] = some
    return found


def _values(row: Row, what: str) -> list[str]:
    return list(row["trouble"]) if what == "trouble" else [row[what]]


def page_of(rows: Sequence[Row], after: str | None, most: int) -> tuple[list[Row], str | None]:
    """Return up to `most` rows behind the one of this key, and the key to go on from; None where none are left."""
    left = [row for row in rows if after is None or row["key"] > after]
    return left[:most], left[most - 1]["key"] if len(left) > most else None


def age(since: str | None, at: str) -> int | None:
    """Return the seconds from one ledger time to another; None without one."""
    return (
        None
        if since is None
        else max(0, _seconds(datetime.fromisoformat(at) - datetime.fromisoformat(since)))
    )


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())


COLUMNS = (
    Column("code", "agency", "หน่วยงาน"),
    Column("nameTh", "name", "ชื่อ"),
    Column("state", "state", "สถานะ"),
    Column("cluster", "cluster", "กลุ่มเซิร์ฟเวอร์"),
    Column("trouble", "trouble", "สิ่งที่ควรดู", joined),
    Column("waiting", "in its queue", "อยู่ในตู้หนังสือ", plain=True),
    Column("unacknowledged", "given, not acknowledged", "ส่งให้แล้วยังไม่รับรอง", plain=True),
    Column("overdue", "overdue", "พ้นกำหนด", plain=True),
    Column("onHold", "on hold", "รอเพราะพักใช้งาน", plain=True),
    Column("pending", "not in its queue yet", "ยังไม่ถึงตู้หนังสือ", plain=True),
    Column("oldestWaiting", "oldest waiting", "รอนานที่สุดตั้งแต่", iso, plain=True),
    Column("consumers", "adapters connected", "ระบบที่ต่ออยู่", plain=True),
    Column("lastSuccess", "last success", "สำเร็จล่าสุดเมื่อ", iso, plain=True),
    Column("certificateEnds", "certificate ends", "ใบรับรองหมดอายุ", iso, plain=True),
)
