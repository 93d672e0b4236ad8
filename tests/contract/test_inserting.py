"""Rows go in many at once, by statements that are written once: nothing is cut, changed or put in the wrong column."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select
from sqlalchemy.exc import DataError

from bus.ledger.database import reading, working
from bus.ledger.inserting import insert_many
from bus.ledger.store import Ledger
from bus.ledger.tables import documents, due, pending

MANY = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=10)
_waiting = st.fixed_dictionaries(
    {
        "leased_until": st.none() | _text,
        "number": st.integers(1, 2**62),
        "on_hold": st.booleans(),
        "repeat": st.booleans(),
        "leased_by": st.none() | _text,
    }
)


def rows_of(ledger: Ledger, table: Table, agency: str | None = None) -> list[dict[str, Any]]:
    query = select(table) if agency is None else select(table).where(table.c.agency == agency)
    with reading(ledger.engine) as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


@pytest.mark.parametrize("ignoring", [True, False])
@MANY
@given(st.lists(_waiting, min_size=1, max_size=150, unique_by=lambda row: row["number"]))
def test_every_row_is_found_as_it_was_put_in(
    ledger: Ledger, ignoring: bool, some: list[dict[str, Any]]
) -> None:
    agency = secrets.token_hex(5)
    rows = [{**row, "agency": agency} for row in some]
    with working(ledger.engine) as connection:
        insert_many(connection, pending, rows, ignoring=ignoring)
    found = {row["number"]: row for row in rows_of(ledger, pending, agency)}
    assert found == {row["number"]: {**row, "again": False} for row in rows}


@MANY
@given(st.lists(st.binary(min_size=0, max_size=300), min_size=1, max_size=20, unique=True))
def test_bytes_are_kept_as_they_are_and_once(ledger: Ledger, some: list[bytes]) -> None:
    rows = [{"sha256": secrets.token_bytes(32), "bytes": one} for one in some]
    others = [{"sha256": row["sha256"], "bytes": b"other"} for row in rows]
    with working(ledger.engine) as connection:
        insert_many(connection, documents, rows, ignoring=True)
        insert_many(connection, documents, others, ignoring=True)
    found = {bytes(row["sha256"]): bytes(row["bytes"]) for row in rows_of(ledger, documents)}
    assert {row["sha256"]: row["bytes"] for row in rows}.items() <= found.items()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("table", "row", "ignoring"),
    [
        (pending, {"agency": "0100100000x", "number": 1, "on_hold": False, "repeat": False}, True),
        (due, {"letter": 1, "deadline": "receipt" * 3, "at": "now"}, False),
    ],
)
def test_what_is_too_long_for_its_column_is_refused_and_never_cut(
    ledger: Ledger, table: Table, row: dict[str, Any], ignoring: bool
) -> None:
    with pytest.raises(DataError), working(ledger.engine) as connection:
        insert_many(connection, table, [row], ignoring=ignoring)
    assert rows_of(ledger, table) == []
