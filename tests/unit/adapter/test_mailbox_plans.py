"""No step of a letter's way reads a whole table of the mailbox: what is quick in a new one is quick in an old one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event

from adapters.agent.health import SOURCE
from adapters.agent.reconciling import Reconciler
from adapters.mailbox import OutboxState
from bus.broker.messages import Outgoing as Submission
from bus.documents.notice import Event
from tests.assets.factory import OCS, notice
from tests.unit.adapter.network import QUICK, Office, settled, until
from tests.unit.adapter.test_folder import LETTER, connector, lay_out

GROWING = ("outbox", "outbox_files", "arrivals", "inbox", "inbox_files", "notices", "news")
"""The tables that grow as long as the mailbox lives."""
_SCAN = re.compile(rf"SCAN ({'|'.join(GROWING)})\b")


@contextmanager
def asked(office: Office) -> Iterator[set[tuple[str, Any]]]:
    """Collect what the database is asked, with the values, whoever asks."""
    engine, statements = engine_of(office), set()

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


async def test_nothing_that_a_sender_does_for_a_letter_reads_a_whole_table(
    sender: Office, tmp_path: Path
) -> None:
    office = connector(sender, tmp_path / "exchange")

    def answer(submission: Submission) -> None:
        row = sender.mailbox.outbox.find(submission.message_id or "")
        assert row is not None
        named = {"letter_id": UUID(row.document_id), "letter_digest": row.digest}
        receipt = notice(Event.DELIVERED, author=OCS, about=(OCS,), **named)
        sender.hear(sender.bus.acceptance(row), sender.bus.notice(receipt))

    sender.broker.answer = answer
    with asked(sender) as statements:
        async with sender.running():
            lay_out(tmp_path / "exchange", "one", LETTER)
            assert office.import_new() == 1
            await until(lambda: len(sender.mailbox.news.after(0, 10)) == 2)
        assert office.export_news() == 2
        look_about(sender)
    assert len(statements) > 20
    assert whole_tables_read(sender, statements) == []


async def test_nothing_that_a_recipient_does_for_a_letter_reads_a_whole_table(
    recipient: Office, tmp_path: Path
) -> None:
    def answer(submission: Submission) -> None:
        row = recipient.mailbox.outbox.find(submission.message_id or "")
        assert row is not None
        recipient.hear(recipient.bus.entry(row))

    recipient.broker.answer = answer
    office = connector(recipient, tmp_path / "exchange")
    with asked(recipient) as statements:
        async with recipient.running():
            recipient.hear(recipient.bus.letter(recipient.signed()))
            await until(lambda: _accepted(recipient, "notice") == 1 and settled(recipient))
        assert office.export_news() >= 1
        look_about(recipient)
    assert len(statements) > 20
    assert whole_tables_read(recipient, statements) == []


def look_about(office: Office) -> None:
    """What an adapter does again and again while nothing happens."""
    Reconciler(office.mailbox, lambda: 0.0, QUICK).work()
    office.mailbox.arrivals.disbelieved()
    office.mailbox.conditions.report(SOURCE, [])


def _accepted(office: Office, kind: str) -> int:
    return office.mailbox.outbox.counts()[kind].get(OutboxState.ACCEPTED, 0)
