"""The reports as a page has them: the newest rows, found without reading the whole ledger; all of it is for a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bus.ledger.entry import Entry, Kind
from bus.ledger.reading import Reader
from bus.pages.columns import Column
from bus.views.finding import LETTER_COLUMNS
from bus.views.folding import portions
from bus.views.letters import row_of
from bus.views.reports import (
    ACT_KINDS,
    REFUSED_KINDS,
    REPORTS,
    Row,
    act_row,
    extension_rows,
    overdue_row,
    reading_row,
    refused_rows,
    spread,
)
from bus.views.unacknowledged import MISSING, missing_of

MOST: Final = 500
UNACKNOWLEDGED: Final = "unacknowledged"
NAMES: Final = ("unacknowledged", "overdue", "refused", "operators", "keys", "readings", "gaps", "duplicates")
"""The reports, in the order of their list."""
_PAGED: Final[dict[str, tuple[tuple[Kind, ...], Callable[[Entry], Row]]]] = {
    "overdue": ((Kind.OVERDUE,), overdue_row),
    "operators": (ACT_KINDS, act_row),
    "readings": ((Kind.READ,), reading_row),
}
"""Those whose rows are entries, each with the kinds and how one is a row."""
_MOST_REFUSALS: Final = 5_000
_MOST_LETTERS, _MOST_RECIPIENTS, _MOST_UNACKNOWLEDGED, _AT_ONCE = 1_000, 2_000, 200, 50
"""Letters that are looked at for one page, their recipients together, about how many it shows; and a portion."""
_WHOLE_UP_TO: Final = 100_000
"""Entries of a ledger in which what needs all of it is still worked out for a page."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest rows of a report."""

    rows: list[Row]
    before: int | None = None
    """The number below which the next page begins; None where there is none."""
    of: int | None = None
    """Of how many of the newest entries or letters these rows are; None for all."""
    too_long: bool = False
    """Whether it can be had by a job only."""


def recent(reader: Reader, name: str, before: int | None) -> Recent:
    """Return the newest rows of a report, below a ledger number."""
    if name in _PAGED:
        kinds, row = _PAGED[name]
        found = reader.acts.older(kinds, before=before, limit=MOST + 1)
        rows = [row(entry) for entry in found[:MOST]]
        if name == "operators" and before is None:
            extended = reader.acts.older((Kind.DEADLINE_EXTENDED,), limit=_MOST_REFUSALS)
            rows = [*extension_rows(extended), *rows]
        return Recent(rows, found[MOST - 1].seq if len(found) > MOST else None)
    if name == "refused":
        found = reader.acts.older(REFUSED_KINDS, limit=_MOST_REFUSALS)
        return Recent(list(refused_rows(found)), of=_MOST_REFUSALS if len(found) == _MOST_REFUSALS else None)
    if name == UNACKNOWLEDGED:
        return _unacknowledged(reader, before)
    if name != "gaps" and reader.head() > _WHOLE_UP_TO:
        return Recent([], too_long=True)
    whole = list(REPORTS[name].rows(reader, None))
    newest = whole[-MOST:] if name == "keys" else whole[:MOST]
    return Recent(newest, of=MOST if len(whole) > MOST else None)


def _unacknowledged(reader: Reader, before: int | None) -> Recent:
    """Letters that somebody has not acknowledged, of so many of the newest, with so many recipients together."""
    letters = reader.find_letters(before=before, limit=_MOST_LETTERS + 1)
    rows: list[Row] = []
    seen = weighed = 0
    for some, recipients in portions(reader, letters[:_MOST_LETTERS], _AT_ONCE):
        if (weighed and weighed + recipients > _MOST_RECIPIENTS) or len(rows) >= _MOST_UNACKNOWLEDGED:
            break
        states = reader.states_of([one.letter for one in some])
        for one in some:
            state = states[one.letter]
            if silent := state.unacknowledged:
                rows.append(row_of(one, state) | {"silent": silent, "missing": missing_of(state, silent)})
        seen, weighed = seen + len(some), weighed + recipients
    more = seen < len(letters)
    return Recent(rows, letters[seen - 1].letter if more else None, seen if more or before else None)


def columns_of(name: str) -> Sequence[Column]:
    """Return the columns of a report's CSV, in which a row is about one agency where one is named."""
    if name != UNACKNOWLEDGED:
        return REPORTS[name].columns
    return (
        *LETTER_COLUMNS,
        Column("recipient", "not acknowledged by", "ผู้ที่ยังไม่ตอบรับ", who="full"),
        Column("lacking", "what is missing", "สิ่งที่ยังขาด", lambda what: "{} ({})".format(*MISSING[what])),
    )


def spread_rows(name: str, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a report's CSV."""
    if name != UNACKNOWLEDGED:
        yield from spread(rows, REPORTS[name].spread)
        return
    for row in rows:
        for what, silent in row["missing"].items():
            yield from ({**row, "recipient": each, "lacking": what} for each in silent)
