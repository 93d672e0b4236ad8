"""No step of a letter's way reads a whole table: what is quick in a new ledger is quick in an old one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.identifiers import as_letter_id
from bus.ledger.store import Ledger
from bus.ledger.work import Lease
from bus.router.delivery import Delivery
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import OCS, OPM
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery

GROWING = ("entries", "documents", "letters", "recipients", "letter_files", "submissions", "consignments")
"""The tables that grow as long as the ledger lives; the work lists are short."""
_SCAN = re.compile(rf"SCAN ({'|'.join(GROWING)})\b")


@contextmanager
def asked(ledger: Ledger) -> Iterator[list[tuple[str, Any]]]:
    """Collect what the database is asked, with the values."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        # One without a condition asks for the newest row, and the walk from the end stops there.
        if (
            not many
            and statement.split()[0] in ("SELECT", "WITH", "UPDATE", "DELETE")
            and "WHERE" in statement
        ):
            statements.append((statement, values))

    event.listen(ledger.engine, "before_cursor_execute", note)
    yield statements
    event.remove(ledger.engine, "before_cursor_execute", note)


def whole_tables_read(ledger: Ledger, statements: list[tuple[str, Any]]) -> list[str]:
    """The questions for which SQLite goes through all rows of a table that grows."""
    found = []
    with ledger.engine.connect() as connection:
        for statement, values in statements:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            found += [f"{row.detail}: {statement}" for row in plan if _SCAN.match(row.detail)]
    return found


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_no_step_of_a_letters_way_reads_a_whole_table(ledger: Ledger) -> None:
    router = Router(ledger)
    router.activate(rig.directory())
    letters = [factory.letter(letter_id=uuid4(), number=f"นร 0105/{n}") for n in (1, 2)]
    signed = [sign(letter, factory.seal(OPM)).raw for letter in letters]
    broken = delivery(signed[0].replace(b"<ds:SignatureValue>", b"<ds:SignatureValue>AAAA"))
    named = [("letter", as_letter_id(letter.letter_id)) for letter in letters]
    whole = [delivery(raw, announced=name) for raw, name in zip(signed, named, strict=True)]
    with asked(ledger) as statements:
        assert outcomes(router, *whole, broken) == ["accepted", "accepted", "refused"]
        assert outcomes(router, *whole, broken) == ["repeated", "repeated", "repeated"]
        with ledger.read() as reader:
            rows = [reader.find_letters(letter_id=id_)[0] for _, id_ in named]
        notices = [
            factory.notice(
                Event.DELIVERED, author=OCS, letter_id=UUID(row.letter_id), letter_digest=row.digest
            )
            for row in rows
        ]
        said = [delivery(sign(notice, factory.seal(OCS)).raw, OCS) for notice in notices]
        assert outcomes(router, *said) == ["notice-accepted", "notice-accepted"]
        ledger.release_leases(None)
        claimed = ledger.lease(Lease("test", now() + dt.timedelta(minutes=1)), limit=1000, per_agency=1000)
        with ledger.append() as writer:
            writer.confirmed(claimed)
    assert len(claimed) > 5
    assert len(statements) > 20
    assert whole_tables_read(ledger, statements) == []


def outcomes(router: Router, *deliveries: Delivery) -> list[str]:
    return [recorded.outcome for recorded in router.take_all(*deliveries)]
