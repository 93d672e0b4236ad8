"""The recommended tables and rights are enough, and no more than enough; what lacks is said, by table and by right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from adapters.connectors.sql.connector import SqlConnector
from adapters.connectors.sql.creating import statements
from adapters.connectors.sql.office import Office
from adapters.doctor.office_database import _look
from adapters.mailbox.conditions import ConditionCode
from bus.doctor import Found, Level
from bus.documents.letter import Content
from bus.errors import Transient
from bus.settings.office_database import SqlConnector as Settings
from compose.cluster import PostgresCluster
from tests.assets.factory import OPM, SOC, seal
from tests.contract.doors.door import World
from tests.fixtures.mariadb import MariaDb

ADAPTER = "saraban_adapter"
PASSWORD = "a sample's"


class Administered:
    """A database with the recommended tables, as its administrator and as the adapter reach it."""

    def __init__(self, dialect: str, address: str, settings: Settings) -> None:
        self.settings = settings
        self._engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self.run(*statements(dialect, ADAPTER))

    def run(self, *commands: str) -> None:
        """Run statements as the administrator."""
        with self._engine.connect() as connection:
            for each in commands:
                connection.execute(text(each))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows as the administrator reads them."""
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def as_adapter(self, command: str) -> None:
        """Run one as the adapter."""
        engine = create_engine(self.settings.address(), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text(command))


def _postgresql(request: pytest.FixtureRequest) -> Administered:
    server: PostgresCluster = request.getfixturevalue("postgres_server")
    url = server.create_database("rights")
    host = url.rpartition("@")[2]
    with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(
            text(f"CREATE ROLE {ADAPTER} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
        )
    settings: dict[str, Any] = {"url": f"postgresql://{ADAPTER}@{host}", "password": PASSWORD}
    return Administered("postgresql", url, Settings(enabled=True, **settings))


def _mariadb(request: pytest.FixtureRequest) -> Administered:
    server: MariaDb = request.getfixturevalue("mariadb_server")
    quoted = PASSWORD.replace("'", "''")
    server.run("CREATE DATABASE rights CHARACTER SET utf8mb4")
    server.run(
        *(f"CREATE USER '{ADAPTER}'@'{host}' IDENTIFIED BY '{quoted}'" for host in ("localhost", "127.0.0.1"))
    )
    url = server.url("rights")
    made = Administered.__new__(Administered)
    settings: dict[str, Any] = {"url": server.url("rights", ADAPTER), "password": PASSWORD}
    made.settings = Settings(enabled=True, **settings)
    address = Settings(url=url).address()
    made._engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    made.run(*(each.replace("@'localhost'", "@'127.0.0.1'") for each in statements("mariadb", ADAPTER)))
    return made


@pytest.fixture(scope="module", params=[_postgresql, _mariadb], ids=["postgresql", "mariadb"])
def administered(request: pytest.FixtureRequest) -> Administered:
    """Each kind that has rights."""
    make: Callable[[pytest.FixtureRequest], Administered] = request.param
    return make(request)


def said(settings: Settings) -> list[Found]:
    return list(_look(settings))


def test_with_the_recommended_rights_the_doctor_finds_nothing_wrong(administered: Administered) -> None:
    found = said(administered.settings)
    assert len(found) == 7
    assert [each for each in found if each.level is not Level.OK] == []


@pytest.mark.parametrize(
    "command",
    [
        "DELETE FROM saraban_inbox",
        "DELETE FROM saraban_events",
        "UPDATE saraban_outbox SET subject = 'x'",
        "UPDATE saraban_inbox SET status = 'x'",
        "SELECT subject FROM saraban_inbox",
        "SELECT content FROM saraban_inbox_files",
        "INSERT INTO saraban_outbox (letter_key, status) VALUES ('x', 'ready')",
        "INSERT INTO saraban_acts (act_key, status) VALUES ('x', 'ready')",
        "DROP TABLE saraban_acts",
        "CREATE TABLE other (x INTEGER)",
    ],
)
def test_the_adapters_user_may_do_nothing_else(administered: Administered, command: str) -> None:
    if command.startswith("CREATE") and "postgresql" in administered.settings.url:
        administered.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(DBAPIError, match=r"(?i)denied|permission|owner"):
        administered.as_adapter(command)


def test_a_right_that_lacks_is_named_and_everything_waits_for_it(
    administered: Administered, world: World
) -> None:
    account = f"'{ADAPTER}'@'127.0.0.1'" if "mariadb" in administered.settings.url else ADAPTER
    world.receive({"หนังสือ.pdf": b"%PDF-1.7 one %%EOF"})
    connector = SqlConnector(world.mailbox, administered.settings)
    administered.run(f"REVOKE INSERT ON saraban_inbox FROM {account}")
    try:
        wrong = [each for each in said(administered.settings) if each.level is not Level.OK]
        assert wrong
        assert all("saraban_inbox" in each.sentence and "no right to" in each.sentence for each in wrong)
        with pytest.raises(Transient, match="tables"):
            connector.export_news()
        found = [each.finding for each in world.mailbox.conditions.all()]
        assert {each.code for each in found} == {ConditionCode.SQL_UNFIT}
        assert all(each.about.startswith("saraban_inbox") for each in found)
    finally:
        administered.run(f"GRANT INSERT ON saraban_inbox TO {account}")
    assert connector.export_news() == 1
    assert world.mailbox.conditions.all() == []
    connector.close()


SENT = (
    "INSERT INTO saraban_outbox (letter_key, status, letter_date, subject, send_to, file_count) "
    f"VALUES ('7', 'writing', '2026-11-22', 'x', '{SOC}', 1)",
    "INSERT INTO saraban_outbox_files (letter_key, file_position, file_name, content) "
    "VALUES ('7', 1, 'a.pdf', '%PDF-1.7 one %%EOF')",
    "UPDATE saraban_outbox SET status = 'ready' WHERE letter_key = '7'",
)


def test_the_recommended_rights_are_enough_for_a_letter_out_its_answer_a_letter_in_and_an_act(
    administered: Administered, world: World
) -> None:
    administered.run(
        "DELETE FROM saraban_events", "DELETE FROM saraban_inbox", "DELETE FROM saraban_inbox_files"
    )
    administered.run(*SENT)
    world.receive({"หนังสือ.pdf": b"%PDF-1.7 one %%EOF"})
    connector = SqlConnector(world.mailbox, administered.settings)
    assert connector.import_new() == 1
    world.accept((SOC,))
    act = "INSERT INTO saraban_acts (act_key, status, verb, letter_id, receiving_number) VALUES "
    received = world.mailbox.inbox.letters()[0].letter_id
    administered.run(f"{act}('1', 'ready', 'register', '{received}', '๑๒๓')")
    assert (connector.import_new(), connector.export_news()) == (1, 2)
    connector.close()
    assert world.mailbox.conditions.all() == []
    assert administered.rows("SELECT status FROM saraban_outbox") == [("accepted",)]
    assert administered.rows("SELECT status FROM saraban_acts") == [("taken",)]
    told = administered.rows("SELECT event, reference, local_key FROM saraban_events ORDER BY item_number")
    assert sorted(told, key=str) == [("accepted", "sql:7", "7"), ("received", None, None)]


def test_a_narrow_column_is_warned_of_and_what_it_cannot_hold_waits_until_it_is_widened(
    administered: Administered, world: World
) -> None:
    administered.run(
        "DELETE FROM saraban_events", "DELETE FROM saraban_inbox", "DELETE FROM saraban_inbox_files"
    )
    maria = "mariadb" in administered.settings.url
    change = "MODIFY subject" if maria else "ALTER COLUMN subject TYPE"
    administered.run(
        f"ALTER TABLE saraban_inbox {change} VARCHAR(20){' CHARACTER SET tis620' if maria else ''}"
    )
    try:
        (warned,) = [each for each in said(administered.settings) if each.level is not Level.OK]
        assert warned.sentence == "saraban_inbox.subject holds 20 characters, 1000 may come"
        connector = SqlConnector(world.mailbox, administered.settings)
        subjects = ["ก" * 21, "ข" * 20, "😀"]
        for subject in subjects:
            world.receive({"หนังสือ.pdf": b"%PDF-1.7 one %%EOF"}, content=Content(subject=subject))
        connector.export_news()
        shown = "SELECT subject FROM saraban_inbox ORDER BY consignment"
        told = subjects[1:2] if maria else subjects[1:]
        assert administered.rows(shown) == [(each,) for each in told]
        wrong = "\n".join(each.finding.detail_en for each in world.mailbox.conditions.all())
        assert "it holds 20 characters, 21 are needed" in wrong
        assert ("cannot hold the character U+1F600 (tis-620)" in wrong) == maria
    finally:
        administered.run(
            f"ALTER TABLE saraban_inbox {change} VARCHAR(1000){' CHARACTER SET utf8mb4' if maria else ''}"
        )
    for each in world.mailbox.news.deferrals("sql"):
        world.mailbox.news.defer("sql", replace(each, next_attempt_at=0.0))
    connector.export_news()
    connector.close()
    assert administered.rows(shown) == [(each,) for each in subjects]
    assert world.mailbox.conditions.all() == []


def test_a_server_that_does_not_encrypt_is_not_spoken_to_where_that_is_asked_for(
    tmp_path: Path, mariadb_server: MariaDb
) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(seal(OPM).certificate.public_bytes(Encoding.PEM))
    (found,) = said(Settings(enabled=True, url=mariadb_server.url("mysql"), ca_file=authority))
    assert "does not let the adapter in" in found.sentence
    assert Office(Settings(enabled=True, url=mariadb_server.url("mysql"))).answers()


def test_a_database_that_does_not_let_the_adapter_in_is_said_to(
    tmp_path: Path, administered: Administered
) -> None:
    wrong: dict[str, Any] = {"url": administered.settings.url, "password": "another"}
    (found,) = said(Settings(enabled=True, **wrong))
    assert "does not let the adapter in" in found.sentence
