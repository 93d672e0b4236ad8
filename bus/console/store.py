"""The console's database: the sessions of its people, and jobs."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, Text

from bus.ledger.database import open_engine, working
from bus.operators import Role
from bus.pages import store

metadata = MetaData()

jobs = Table(
    "console_jobs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("asked", Text, nullable=False),
    Column("name", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("method", String(20), nullable=False),
    Column("at", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("result", Text),
    Column("stop_by", String(200)),
    Column("changed_at", String(40), nullable=False),
    Index("ix_console_jobs_state", "state", "number"),
)


class Store(store.Store):
    """The console's database."""

    def __init__(self, url: str) -> None:
        super().__init__(open_engine(url), working, Role)
        with self.transaction() as connection:
            metadata.create_all(connection)
