"""A job that writes a whole report as CSV, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bus.console.jobs.child import Work
from bus.views.asking import names_of
from bus.views.columns import About, Row, as_csv
from bus.views.finding import head_of
from bus.views.reports import REPORTS, Report


def export(work: Work) -> Mapping[str, Any]:
    """Write the report into a file; return its name and how many rows it has."""
    name = str(work.job.asked["report"])
    report = REPORTS[name]
    with work.ledger.read() as reader:
        names, head = names_of(reader), head_of(reader)
        rows = list(_counted(work, report, report.rows(reader, None)))
    file = work.folder / f"{name}.csv"
    file.write_bytes(as_csv(report.columns, rows, About({"report": name}, head), names))
    return {"file": file.name, "rows": len(rows), "head": head}


def _counted(work: Work, report: Report, rows: Iterator[Row]) -> Iterator[Row]:
    done = 0
    for row in rows:
        several = row.get(report.spread) if report.spread else None
        for one in [{**row, str(report.spread): [each]} for each in several] if several else [row]:
            done += 1
            work.progress(done)
            yield one
