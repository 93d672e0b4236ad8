"""Ledgers for the contract tests: an empty one in either database, made quickly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.ledger.tables import metadata
from compose.cluster import PostgresCluster


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger, to be copied."""
    file = tmp_path_factory.mktemp("template") / "ledger.db"
    schema.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_ledger(postgres_server: PostgresCluster) -> str:
    """A PostgreSQL database with the ledger's tables, to be emptied between tests."""
    url = postgres_server.create_database("ledger")
    schema.upgrade(url)
    return url


@pytest.fixture
def emptied_postgres_ledger(postgres_server: PostgresCluster, postgres_ledger: str) -> str:
    """The same, empty; the guards of what is remembered are passed by as only a superuser can."""
    postgres_server.start()
    engine = create_engine(postgres_ledger)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    engine.dispose()
    return postgres_ledger


@pytest.fixture(params=("sqlite", "postgresql"))
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty ledger of either kind."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("emptied_postgres_ledger"))
    file = tmp_path / "ledger.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite:///{file}"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger of either kind."""
    opened = Ledger(ledger_url)
    yield opened
    opened.close()
