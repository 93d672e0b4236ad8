"""The certificate of delivery as a page for printing: HTML that needs nothing beside it and runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bus.directory import Names
from bus.evidence.page import environment
from bus.evidence.sheet import sheet_of
from bus.evidence.statement import statement_of
from bus.ledger.evidence import Evidence


def printed(
    evidence: Evidence,
    names: Names,
    at: datetime,
    *,
    stamped: bool = False,
    doubts: Sequence[str] = (),
) -> str:
    """Return the page; everything in it is escaped. `stamped` and `doubts` as they are of the pack."""
    sheet = sheet_of(statement_of(evidence, names, at, stamped=stamped, doubts=doubts))
    return environment().get_template("certificate.html").render(sheet=sheet)
