"""How long the pages of operators take with a country of agencies, and the reading that they are made of."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from bus.identifiers import AgencyCode
from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.operators import Role
from tests.assets.factory import OPM
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import console_over

_LETTERS, _TO, _TIMES = 2_000, 20, 20
_NOWHERE = {"management_url": "http://127.0.0.1:9", "monitor_password": "none"}


def milliseconds(folder: Path, agencies: int) -> dict[str, dict[str, float]]:
    """Return, for each page and for the reading, median and 95th percentile in milliseconds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder / 'ledger.db'}"
    schema.upgrade(url)
    with Ledger(url) as ledger:
        codes, letter = _filled(ledger, agencies)
        with console_over(ledger, folder, broker=_NOWHERE) as console:
            readings, visitor = console.site.readings, console.visited_by(Role.OPERATOR)
            found = {"reading": _of([_seconds(readings.look) for _ in range(_TIMES)])}
            pages = (
                "/overview",
                "/overview?trouble=not-asked&name=20",
                f"/agencies/{codes[7]}",
                f"/timelines/{letter}",
                f"/timelines/{letter}?agency={codes[7]}",
                "/parked",
                "/overdue",
                "/system",
            )
            for path in pages:
                assert visitor.get(path).status_code == 200, path
                name = path.replace(f"/{letter}", "/LETTER").replace(codes[7], "CODE")
                found[name] = _of([_seconds(partial(visitor.get, path)) for _ in range(_TIMES)])
    return found


def _filled(ledger: Ledger, agencies: int) -> tuple[list[AgencyCode], int]:
    """Put so many agencies in force, give letters to all, and one to each of them; return its number."""
    pin = rig.agency(OPM).certificates[0]
    codes = [AgencyCode(f"{20_000 + number:05}00000") for number in range(agencies)]
    rig.Router(ledger).activate(rig.directory(1, **{f"A{code}": rig.agency(code, pin) for code in codes}))
    with ledger.append() as writer:
        for number in range(_LETTERS):
            to = [codes[(number * 7 + place) % agencies] for place in range(_TO)]
            rig.in_ledger(writer, sender=codes[number % agencies], to=to, number=f"x/{number}")
        return codes, rig.in_ledger(writer, sender=OPM, to=codes, number="x/all")


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _of(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median": round(median(ordered) * 1000, 1),
        "p95": round(ordered[int(len(ordered) * 0.95) - 1] * 1000, 1),
    }
