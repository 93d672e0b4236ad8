"""A job that writes a whole report, or all that a search finds, as CSV, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bus.console.jobs.child import Work
from bus.console.jobs.found import question_of
from bus.ledger.reading import Reader
from bus.pages.columns import About, Row, as_csv
from bus.views.asking import names_of
from bus.views.finding import COLUMNS_BY_RECIPIENT, Found, by_recipient, head_of
from bus.views.questions import Question
from bus.views.reports import REPORTS, Report
from bus.views.search import results

_PAGE = 500


def export(work: Work) -> Mapping[str, Any]:
    """Write the file; return its name and how many rows it has."""
    with work.ledger.read() as reader:
        names, head = names_of(reader), head_of(reader)
        if "report" in work.job.asked:
            name = str(work.job.asked["report"])
            report, about = REPORTS[name], {"report": name}
            columns, rows = report.columns, list(_spread(work, report, report.rows(reader, None)))
        else:
            name, question = "search", question_of(reader, names, str(work.job.asked["query"]))
            columns, about = COLUMNS_BY_RECIPIENT, dict(question.understood)
            rows = list(by_recipient(_all(work, reader, question)))
    file = work.folder / f"{name}.csv"
    file.write_bytes(as_csv(columns, rows, About(about, head), names))
    work.progress(len(rows), len(rows), now=True)
    return {"file": file.name, "rows": len(rows), "head": head}


def _spread(work: Work, report: Report, rows: Iterator[Row]) -> Iterator[Row]:
    """One row for each of the agencies that a row names."""
    done = 0
    for row in rows:
        several = row.get(report.spread) if report.spread else None
        for one in [{**row, str(report.spread): [each]} for each in several] if several else [row]:
            done += 1
            work.progress(done)
            yield one


def _all(work: Work, reader: Reader, question: Question) -> Iterator[Found]:
    done, before = 0, None
    while True:
        page = results(reader, question, before, _PAGE)
        yield from page.letters
        done, before = done + len(page.letters), page.before
        work.progress(done)
        if before is None:
            return
