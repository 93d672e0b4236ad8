"""An address, or several, for each page that is looked at: what stands in its variable places, and in its query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bus.ledger.entry import Kind
from bus.views.reports import REPORTS
from tests.browser.world import DGA, OCS, OPM, SOC, SUBJECT, World

Addresses = Callable[[World], Sequence[str]]

EXAMPLES: Final[dict[str, Addresses]] = {
    "/": lambda _: ["/"],
    "/sign-ins": lambda _: ["/sign-ins"],
    "/sign-ins/end": lambda _: ["/sign-ins/end?name=wichai-sample"],
    "/overview": lambda _: ["/overview", "/overview?trouble=no-adapter-waiting"],
    "/agencies/{code}": lambda _: [f"/agencies/{code}" for code in (DGA, OCS, OPM)],
    "/timelines/{letter:int}": lambda world: [f"/timelines/{world.letters['circular']}"],
    "/parked": lambda _: ["/parked"],
    "/parked/{entry:int}": lambda world: [f"/parked/{world.parked[OPM][0]}"],
    "/parked/replay": lambda _: [f"/parked/replay?agency={SOC}"],
    "/parked/{entry:int}/replay": lambda world: [f"/parked/{world.parked[OPM][0]}/replay"],
    "/overdue": lambda _: ["/overdue"],
    "/system": lambda _: ["/system"],
    "/enrolments": lambda _: ["/enrolments"],
    "/enrolments/{request}": lambda world: [f"/enrolments/{world.request}"],
    "/agencies/{code}/suspend": lambda _: [f"/agencies/{SOC}/suspend"],
    "/agencies/{code}/resume": lambda _: [f"/agencies/{OCS}/resume"],
    "/orders": lambda _: ["/orders"],
    "/orders/{number:int}": lambda world: [f"/orders/{world.entry(Kind.ORDERED)}"],
    "/halt": lambda _: ["/halt"],
    "/grants": lambda _: ["/grants"],
    "/grants/new": lambda world: [f"/grants/new?letter={world.letters['asked']}"],
    "/jobs": lambda _: ["/jobs"],
    "/jobs/new": lambda _: ["/jobs/new?kind=verify", "/jobs/new?kind=export&report=overdue"],
    "/jobs/{number:int}": lambda world: [f"/jobs/{world.job}"],
    "/jobs/{number:int}/result": lambda world: [f"/jobs/{world.job}/result"],
    "/search": lambda _: [
        "/search",
        "/search?newest=1",
        f"/search?subject={SUBJECT}",
        "/search?since=x&entry=y",
    ],
    "/letters/{letter:int}": lambda world: [
        f"/letters/{world.letters[one]}" for one in ("asked", "circular")
    ],
    "/letters/{letter:int}/pack": lambda world: [f"/letters/{world.letters['asked']}/pack"],
    "/letters/{letter:int}/certificate": lambda world: [f"/letters/{world.letters['asked']}/certificate"],
    "/letters/{letter:int}/certificate-pdf": lambda world: [
        f"/letters/{world.letters['asked']}/certificate-pdf"
    ],
    "/letters/{letter:int}/content": lambda world: [f"/letters/{world.letters['asked']}/content"],
    "/letters/{letter:int}/files/{sha256}": lambda world: [
        f"/letters/{world.letters['asked']}/files/{'0' * 64}"
    ],
    "/entries": lambda _: ["/entries"],
    "/entries/{entry:int}": lambda world: [
        f"/entries/{number}" for number in (world.letters["asked"], world.parked[OPM][0])
    ],
    "/checkpoints": lambda _: ["/checkpoints"],
    "/checkpoints/{size:int}": lambda world: [f"/checkpoints/{world.head}"],
    "/reports": lambda _: ["/reports"],
    "/reports/{name}": lambda _: [f"/reports/{name}" for name in REPORTS],
    "/verify": lambda _: ["/verify"],
}
"""By the path of a page, as `bus.console.pages.PAGES` has it; one that is missing fails a test."""
FILES: Final = {
    "/jobs/{number:int}/result",
    "/letters/{letter:int}/pack",
    "/letters/{letter:int}/certificate-pdf",
    "/letters/{letter:int}/files/{sha256}",
}
"""Those whose answer is no page but a file that a browser keeps."""
