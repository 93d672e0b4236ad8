"""Which pages the benchmark asks for, and in what address: each GET page of the console at least once."""

from __future__ import annotations

from dataclasses import dataclass

from bus.console.pages import PAGES
from bus.operators import Role
from tests.bench.grown import Places

SEARCHES: dict[str, str] = {
    "newest": "newest=1",
    "a common word": "subject=ประชุม",
    "two common words": "subject=ประชุม งบประมาณ",
    "a word that no letter has": "subject=มังกรทอง",
    "a word of a few hundred": "subject=ครั้งที่ 123/",
    "a large agency": "from={agencies[0]}",
    "a party": "party={agencies[1]}",
    "an agency and a word": "from={agencies[0]}&subject=งบประมาณ",
    "a number": "number=นร ๐๑๐๕/๗๗",
    "an old month": "since=2024-06-01&until=2024-06-30",
    "a rare speed": "speed=003",
    "a state": "state=unacknowledged",
    "a state that is rare": "state=refused",
    "a certificate": "certificate=4711",
    "whatever is meant": "any=นร 0105/1234",
    "a code of a refusal": "code=recipient.unknown",
}
"""What auditors ask, by name."""
_OPERATOR: dict[str, tuple[str, ...]] = {
    "/": ("/",),
    "/overview": (
        "/overview",
        "/overview?trouble=any",
        "/overview?name=สำนักงานตัวอย่างแห่งที่ 1000",
        "/overview.json",
        "/overview.csv",
    ),
    "/agencies/{code}": ("/agencies/{agencies[0]}", "/agencies/{agencies[1]}.json"),
    "/timelines/{letter:int}": (
        "/timelines/{letters[3]}",
        "/timelines/{cheap}",
        "/timelines/{circular}",
        "/timelines/{circular}.json",
    ),
    "/parked": (
        "/parked",
        "/parked?fault=KeyError",
        "/parked?agency={agencies[3]}",
        "/parked.json",
        "/parked.csv",
    ),
    "/parked/{entry:int}": ("/parked/{parked}",),
    "/overdue": (
        "/overdue",
        "/overdue?deadline=registration",
        "/overdue?agency={agencies[1]}",
        "/overdue.json",
        "/overdue.csv",
    ),
    "/system": ("/system", "/system.json"),
    "/jobs": ("/jobs",),
    "/orders": ("/orders", "/orders.json"),
    "/orders/{number:int}": ("/orders/{order}",),
}
_STEWARD: dict[str, tuple[str, ...]] = {
    "/parked/replay": ("/parked/replay", "/parked/replay?fault=KeyError"),
    "/parked/{entry:int}/replay": ("/parked/{parked}/replay",),
    "/enrolments": ("/enrolments",),
    "/enrolments/{request}": ("/enrolments/0123",),
    "/agencies/{code}/suspend": ("/agencies/{agencies[7]}/suspend",),
    "/agencies/{code}/resume": ("/agencies/{agencies[7]}/resume",),
    "/halt": ("/halt",),
    "/grants": ("/grants",),
    "/grants/new": ("/grants/new?letter={letters[3]}",),
    "/sign-ins": ("/sign-ins", "/sign-ins.csv"),
    "/sign-ins/end": ("/sign-ins/end?name=nobody",),
}
_AUDITOR: dict[str, tuple[str, ...]] = {
    "/search": (
        "/search",
        *(f"/search?{query}" for query in SEARCHES.values()),
        "/search.json?newest=1",
        "/search.csv?newest=1",
        "/search.csv?subject=ประชุม",
    ),
    "/letters/{letter:int}": (
        "/letters/{letters[3]}",
        "/letters/{circular}",
        "/letters/{circular}.json",
        "/letters/{circular}.csv",
    ),
    "/letters/{letter:int}/pack": ("/letters/{letters[3]}/pack",),
    "/letters/{letter:int}/certificate": ("/letters/{letters[3]}/certificate",),
    "/letters/{letter:int}/certificate-pdf": ("/letters/{letters[3]}/certificate-pdf",),
    "/letters/{letter:int}/content": ("/letters/{letters[3]}/content",),
    "/letters/{letter:int}/files/{sha256}": ("/letters/{letters[3]}/files/" + "0" * 64,),
    "/entries": (
        "/entries",
        "/entries?kind=refused",
        "/entries?agency={agencies[0]}",
        "/entries?person=nobody",
        "/entries?since=2026-11-01",
        "/entries?letter={circular}",
        "/entries.json",
        "/entries.csv",
    ),
    "/entries/{entry:int}": ("/entries/{cheap}", "/entries/{circular}"),
    "/checkpoints": ("/checkpoints", "/checkpoints.json", "/checkpoints.csv"),
    "/checkpoints/{size:int}": ("/checkpoints/{size}", "/checkpoints/{size}.json"),
    "/reports": ("/reports",),
    "/reports/{name}": (
        *(f"/reports/{name}" for name in ("unacknowledged", "overdue", "refused", "operators")),
        *(f"/reports/{name}" for name in ("keys", "readings", "gaps", "duplicates")),
        "/reports/unacknowledged.csv",
        "/reports/readings.json",
    ),
    "/jobs/new": ("/jobs/new?kind=verify",),
    "/jobs/{number:int}": ("/jobs/1",),
    "/jobs/{number:int}/result": ("/jobs/1/result",),
    "/verify": ("/verify",),
}
_SEARCH_MS, _PAGE_MS = 500, 300
LONG = ("/letters/{letter:int}/pack", "/letters/{letter:int}/certificate", ".csv")
"""What is a file to be kept and no page: its time is told, and has no limit."""


@dataclass(frozen=True, slots=True)
class Address:
    """One address, whose page and who asks for it; `most` is the p95 to reach, in ms."""

    page: str
    role: Role
    address: str
    most: int | None


def addresses(places: Places) -> list[Address]:
    """Return all of them with what is in this ledger. Raises LookupError where a page is left out."""
    by_role = {Role.OPERATOR: _OPERATOR, Role.STEWARD: _STEWARD, Role.AUDITOR: _AUDITOR}
    named = {page for some in by_role.values() for page in some}
    if missing := {page.path for page in PAGES if not page.act} ^ named:
        raise LookupError(f"the benchmark and the console have not the same pages: {sorted(missing)}")
    values = {name: getattr(places, name) for name in Places.__slots__}
    found = []
    for role, pages in by_role.items():
        for page, some in pages.items():
            for one in some:
                address = one.format(**values)
                most = _SEARCH_MS if page == "/search" else _PAGE_MS
                found.append(Address(page, role, address, None if _is_long(page, address) else most))
    return found


def _is_long(page: str, address: str) -> bool:
    return any(page.startswith(one) or address.partition("?")[0].endswith(one) for one in LONG)
