"""The statements of every kind of database, compared with what they are to be; not every server is run here."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import ColumnClause, column, table

from adapters.connectors.sql.claiming import locked, waiting
from adapters.connectors.sql.creating import dialect_of, statements
from adapters.connectors.sql.files import octets_of
from adapters.connectors.sql.model import FORMS
from adapters.connectors.sql.names import unknown_names
from adapters.connectors.sql.office import OfficeTable
from adapters.connectors.sql.rights import trials
from bus.errors import Misconfigured
from bus.settings.office_database import SqlConnector

KINDS = ("sqlite", "postgresql", "mariadb", "mssql", "oracle")


def office_table(role: str) -> OfficeTable:
    form = FORMS[role]
    columns: dict[str, ColumnClause[Any]] = {each.field: column(each.usual) for each in form.columns}
    return OfficeTable(form, table(form.usual, *columns.values()), columns, {})


def compiled(statement: object, kind: str) -> str:
    options = {"literal_binds": True}
    text = str(statement.compile(dialect=dialect_of(kind), compile_kwargs=options))  # type: ignore[attr-defined]
    return " ".join(text.split())


LOCKED = {
    "sqlite": "SELECT saraban_outbox.letter_key FROM saraban_outbox "
    "WHERE saraban_outbox.letter_key = '7' AND saraban_outbox.status = 'ready'",
    "postgresql": "SELECT saraban_outbox.letter_key FROM saraban_outbox "
    "WHERE saraban_outbox.letter_key = '7' AND saraban_outbox.status = 'ready' FOR UPDATE SKIP LOCKED",
    "mariadb": "SELECT saraban_outbox.letter_key FROM saraban_outbox "
    "WHERE saraban_outbox.letter_key = '7' AND saraban_outbox.status = 'ready' FOR UPDATE SKIP LOCKED",
    "mssql": "SELECT saraban_outbox.letter_key FROM saraban_outbox WITH (UPDLOCK, READPAST, ROWLOCK) "
    "WHERE saraban_outbox.letter_key = '7' AND saraban_outbox.status = 'ready'",
    "oracle": "SELECT saraban_outbox.letter_key FROM saraban_outbox "
    "WHERE saraban_outbox.letter_key = '7' AND saraban_outbox.status = 'ready' FOR UPDATE SKIP LOCKED",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_locked_without_waiting_for_others(kind: str) -> None:
    assert compiled(locked(office_table("outbox"), "7", "ready"), kind) == LOCKED[kind]


def test_what_waits_is_looked_for_in_pages_without_a_lock() -> None:
    query = waiting(office_table("acts"), "ready", "claimed", "mark", "7")
    for kind in KINDS:
        text = compiled(query, kind)
        assert "FOR UPDATE" not in text
        assert "UPDLOCK" not in text
        assert "saraban_acts.act_key > '7'" in text
        assert "saraban_acts.claimed_by = 'mark'" in text
    assert "TOP 50" in compiled(query, "mssql")
    assert "WITH (READPAST)" in compiled(query, "mssql")
    assert compiled(query, "oracle").endswith("FETCH FIRST 50 ROWS ONLY")


OCTETS = {
    "sqlite": "length(CAST(content AS BLOB))",
    "postgresql": "octet_length(content)",
    "mariadb": "octet_length(content)",
    "mssql": "DATALENGTH(content)",
    "oracle": "DBMS_LOB.GETLENGTH(content)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_blob_is_measured_before_it_is_fetched(kind: str) -> None:
    assert compiled(octets_of(column("content")), kind) == OCTETS[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_of_a_right_concerns_no_row(kind: str) -> None:
    for role in FORMS:
        for _, statement in trials(office_table(role)):
            text = compiled(statement, kind)
            assert text.endswith("WHERE 1 = 0"), text
            assert kind != "oracle" or "SELECT NULL" not in text or "FROM DUAL" in text


CREATED = {
    "sqlite": ("letter_key VARCHAR(100) NOT NULL", "content BLOB"),
    "postgresql": ("letter_key VARCHAR(100) NOT NULL", "content BYTEA"),
    "mariadb": ("subject VARCHAR(1000)", "content LONGBLOB"),
    "mssql": ("subject NVARCHAR(1000)", "content VARBINARY(max)"),
    "oracle": ("subject VARCHAR2(1000 CHAR)", "content BLOB"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_recommended_tables_are_written_for_every_kind(kind: str) -> None:
    made = list(statements(kind, "saraban"))
    text = "\n".join(made)
    for each in CREATED[kind]:
        assert each in text
    assert sum(each.startswith("CREATE TABLE") for each in made) == len(FORMS)
    granted = [each for each in made if each.startswith("GRANT")]
    assert len(granted) == (0 if kind == "sqlite" else 11)
    assert not any(word in " ".join(granted) for word in ("DELETE", "ALL", "ALTER", "CREATE", "DROP"))


def test_a_name_in_the_settings_that_is_not_known_is_a_mistake_with_the_nearest_one() -> None:
    section = SqlConnector(
        tables={"outbux": "x"},
        columns={"outbox": {"subjct": "title"}},
        codes={"speeds": {}, "speed": {"1": "009"}, "states": {"R": "redy"}},
        defaults={"speed_aut": "001"},
    )
    found = {each.wrong.split("'")[1]: each.fix for each in unknown_names(section)}
    assert found.keys() == {"outbux", "subjct", "speeds", "009", "redy", "speed_aut"}
    assert found["outbux"] == "Write outbox."
    assert found["redy"] == "Write ready."


def test_letters_in_or_out_without_the_table_that_they_need_are_a_mistake() -> None:
    section = SqlConnector(tables={"events": "", "outbox_files": ""})
    assert [each.wrong for each in unknown_names(section)] == [
        "has no outbox_files, without which outbox cannot be used",
        "has no events, without which inbox cannot be used",
    ]
    one_way = dict.fromkeys(("inbox", "inbox_files", "events"), "")
    assert list(unknown_names(SqlConnector(tables=one_way))) == []


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("mysql://u:secret@127.0.0.1/x", "password"),
        ("postgresql://u@127.0.0.1/x?sslmode=verify-full&password=secret", "should not carry a password"),
        ("mssql://u@127.0.0.1/x?PWD=secret", "should not carry a password"),
        ("postgresql://u@127.0.0.1/x?sslpassword=secret", "should not carry a password"),
        ("oracle://u@127.0.0.1/x?wallet_password=secret", "should not carry a password"),
        ("oracle://u@127.0.0.1/x?pass%77ord=secret", "should not carry a password"),
        ("mongodb://127.0.0.1/x", "begin with"),
        ("sqlite:///", "path of a file"),
        ("mariadb://u@127.0.0.1/x?host=db.example.go.th", "host"),
        ("mariadb://u@127.0.0.1/x?ssl_disabled=1", "ssl_disabled"),
    ],
)
def test_an_address_that_would_mislead_is_refused(url: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as found:
        SqlConnector(url=url)
    assert "secret" not in str(found.value)


def test_mariadb_beyond_this_machine_is_asked_for_its_certificate() -> None:
    assert SqlConnector(url="mariadb://u@127.0.0.1/x").tls() is None
    away = SqlConnector(url="mariadb://u@db.example.go.th/x").tls()
    assert away is not None
    assert away.check_hostname
    assert SqlConnector(url="mariadb://u@db.example.go.th/x", insecure_transport=True).tls() is None


def test_a_driver_that_is_not_installed_is_named() -> None:
    from adapters.connectors.sql.office import engine_of

    with pytest.raises(Misconfigured, match="Install pyodbc"):
        engine_of("mssql+pyodbc://u@127.0.0.1/x", None)
