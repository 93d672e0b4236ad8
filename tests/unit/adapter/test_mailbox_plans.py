"""No step of a letter's way reads a whole table of the mailbox: what is quick in a new one is quick in an old one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event

from adapters.agent.health import SOURCE
from adapters.agent.reconciling import Reconciler
from adapters.connectors.folder.exchange import NAME
from bus.broker.messages import Outgoing as Submission
from bus.documents.notice import Event
from bus.identifiers import AgencyCode
from tests.assets.factory import OCS, OPM, notice
from tests.unit.adapter.network import QUICK, Office, until
from tests.unit.adapter.old_mailbox import grow
from tests.unit.adapter.test_folder import LETTER, connector, lay_out

GROWING = ("outbox", "outbox_files", "arrivals", "inbox", "inbox_files", "notices", "news")
"""The tables that grow as long as the mailbox lives."""
ROWS = 3000
_SCAN = re.compile(rf"SCAN ({'|'.join(GROWING)})\b")


@contextmanager
def asked(office: Office) -> Iterator[set[tuple[str, Any]]]:
    """Collect what the database is asked, with the values, whoever asks."""
    engine, statements = engine_of(office), set[tuple[str, Any]]()

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        # One without a condition asks for the newest row, and the walk from the end stops there.
        if (
            not many
            and statement.split()[0] in ("SELECT", "WITH", "UPDATE", "DELETE")
            and "WHERE" in statement
        ):
            statements.add((statement, values))

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


def engine_of(office: Office) -> Engine:
    return office.mailbox._database.engine


def whole_tables_read(office: Office, statements: set[tuple[str, Any]]) -> list[str]:
    """The questions for which SQLite goes through all rows of a table that grows."""
    found = []
    with engine_of(office).connect() as connection:
        for statement, values in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            found += [f"{row.detail}: {statement}" for row in plan if _SCAN.match(row.detail)]
    return found


@contextmanager
def counted(office: Office) -> Iterator[list[tuple[str, list[int]]]]:
    """Collect what the database is asked, each with the steps that it took (instructions of SQLite's machine)."""
    engine, taken = engine_of(office), list[tuple[str, list[int]]]()

    def begin(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        steps = [0]
        taken.append((statement, steps))

        def step() -> None:
            steps[0] += 1

        cursor.connection.set_progress_handler(step, 1)

    event.listen(engine, "before_cursor_execute", begin)
    yield taken
    event.remove(engine, "before_cursor_execute", begin)


async def send(office: Office, folder: Path, name: str = "one") -> None:
    """A letter from the folder of an office to its answer and its receipt there."""
    door, before = connector(office, folder), len(office.broker.published)

    def answer(submission: Submission) -> None:
        row = office.mailbox.outbox.find(submission.message_id or "")
        assert row is not None
        named = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
        receipt = notice(Event.DELIVERED, author=OCS, about=(OCS,), **named)
        office.hear(office.bus.acceptance(row), office.bus.notice(receipt))

    office.broker.answer = answer
    async with office.running():
        lay_out(folder, name, {**LETTER, "number": name})
        assert door.import_new() == 1
        await until(lambda: _news(office) == 2)
    assert len(office.broker.published) > before
    assert door.export_news() == 2


async def receive(office: Office, folder: Path, name: str = "one") -> None:
    """A letter from the broker to the folder of an office, and the answer to its receipt."""
    door = connector(office, folder)

    def answer(submission: Submission) -> None:
        row = office.mailbox.outbox.find(submission.message_id or "")
        assert row is not None
        office.hear(office.bus.entry(row))

    office.broker.answer = answer
    async with office.running():
        office.hear(office.bus.letter(office.signed(number=name, letter_id=uuid4())))
        await until(lambda: _news(office) == 2)
    assert door.export_news() == 2


def look_about(office: Office) -> None:
    """What an adapter does again and again while nothing happens."""
    Reconciler(office.mailbox, lambda: 0.0, QUICK).work()
    office.mailbox.arrivals.disbelieved()
    office.mailbox.conditions.report(SOURCE, [])


def _news(office: Office) -> int:
    return len(office.mailbox.news.after(office.mailbox.news.bookmark(NAME).told, 10))


EACH_WAY = pytest.mark.parametrize(("agency", "way"), [(OPM, send), (OCS, receive)], ids=["sent", "received"])


@EACH_WAY
async def test_nothing_that_is_done_for_a_letter_reads_a_whole_table(
    open_office: Callable[[AgencyCode], Office], tmp_path: Path, agency: AgencyCode, way: Callable[..., Any]
) -> None:
    office = open_office(agency)
    connector(office, tmp_path / "exchange")
    with asked(office) as statements:
        await way(office, tmp_path / "exchange")
        look_about(office)
    assert len(statements) > 20
    assert whole_tables_read(office, statements) == []


@EACH_WAY
async def test_nothing_that_is_done_for_a_letter_takes_longer_in_an_old_mailbox(
    open_office: Callable[[AgencyCode], Office], tmp_path: Path, agency: AgencyCode, way: Callable[..., Any]
) -> None:
    office = open_office(agency)
    await way(office, tmp_path / "exchange")
    grow(office, ROWS, connector=NAME)
    office.mailbox.arrivals.gaps()  # once, when the adapter starts, all that has come is looked through
    with counted(office) as taken:
        await way(office, tmp_path / "exchange", "two")
        look_about(office)
    assert sum(steps for _, (steps,) in taken) > ROWS
    assert [(steps, statement) for statement, (steps,) in taken if steps >= ROWS] == []
