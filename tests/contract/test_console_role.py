"""The console's role at PostgreSQL: what its acts append, it may append; of all the rest it may read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from bus.checks import ledger as ledger_checks
from bus.doctor import Level
from bus.enrolment.orders import Act, order, waiting_orders
from bus.errors import Misconfigured
from bus.installing import ledgers
from bus.ledger import examining, halt, rights, schema
from bus.ledger.entry import Kind, canonical, columns, timestamp
from bus.ledger.store import Ledger
from bus.ledger.tables import DISPOSABLE, REMEMBERED, entries
from bus.operators import Operator, Role
from bus.router import parking
from bus.settings.bus import load_bus_settings
from bus.thai import now
from tests.assets.factory import OCS, OPM
from tests.contract import ledger_rig as rig

STEWARD = Operator("somying", Role.STEWARD, "oidc")


class Roles:
    """A ledger with a directory, and the addresses by which the routers and the console reach it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.router, self.console = (f"{name}_{uuid4().hex[:8]}" for name in ("router", "console"))
        self.run(*(f"CREATE ROLE {name} LOGIN PASSWORD 'sample'" for name in (self.router, self.console)))

    def run(self, *statements: str) -> None:
        engine = create_engine(self.owner)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def url(self, role: str) -> str:
        theirs = make_url(self.owner).set(username=role, password="sample")
        return theirs.render_as_string(hide_password=False)


@pytest.fixture
def roles(postgres_url: str) -> Iterator[Roles]:
    found = Roles(postgres_url)
    schema.upgrade(postgres_url, runtime_role=found.router, console_role=found.console)
    yield found
    for name in (found.router, found.console):
        found.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


@pytest.fixture
def console(roles: Roles) -> Iterator[Ledger]:
    """The ledger as the console has it; by a router, something is parked in it, and something waits."""
    with Ledger(roles.url(roles.router)) as ledger:
        rig.Router(ledger).activate(rig.directory())
        with ledger.append() as writer:
            rig.in_ledger(writer)
            writer.entry(Kind.PARKED, agency=OPM, rawSha256="ab" * 32)
    with Ledger(roles.url(roles.console)) as ledger:
        yield ledger


def refused(ledger: Ledger, statement: str) -> str:
    with pytest.raises(DBAPIError) as told, ledger.engine.begin() as connection:
        connection.execute(text(statement))
    return str(told.value.orig)


def test_with_the_consoles_role_every_act_of_the_console_can_be_entered(
    console: Ledger, roles: Roles
) -> None:
    schema.check(roles.url(roles.console))
    with console.append() as writer:
        number = order(writer, Act.SUSPEND, OCS, STEWARD, "กุญแจหาย")
        (parked,) = writer.parked.waiting()
        parking.request_replay(writer, parked.seq, operator=STEWARD, reason="mended")
        writer.entry(
            Kind.GRANTED, letter=2, auditor="a", until=timestamp(now()), reason="b", **STEWARD.fields()
        )
        writer.entry(Kind.READ, auditor="a", what="show", query={}, count=1)
    other = Operator("somchai", Role.STEWARD, "local")
    for halted in (True, False):
        assert isinstance(halt.ask(console.engine, halted, operator=STEWARD, reason="a rewrite"), halt.Wish)
        assert halt.ask(console.engine, halted, operator=other, reason="a rewrite") == halt.Done(
            halted, (STEWARD, other)
        )
    with console.append() as writer:  # enough that tiles of the tree are completed
        for _ in range(300):
            writer.entry(Kind.READ, auditor="a", what="show", query={}, count=1)
    with console.read() as reader:
        assert [one.seq for one in waiting_orders(reader)] == [number]
        assert reader.tree().root(reader.head())
    assert rig.counts(console)["tiles"] == 1


def test_the_consoles_role_appends_nothing_else(console: Ledger) -> None:
    for table in (*REMEMBERED, *DISPOSABLE):
        if table in rights.CONSOLE_APPENDS:
            continue
        assert "permission denied" in refused(console, f"INSERT INTO {table.name} DEFAULT VALUES"), table.name
    with pytest.raises(DBAPIError, match="permission denied"), console.append() as writer:
        rig.in_ledger(writer)
    with pytest.raises(DBAPIError, match="permission denied"), console.append() as writer:
        writer.keep(b"bytes")


def test_the_database_refuses_the_console_an_entry_of_another_kind(console: Ledger) -> None:
    others = [kind for kind in Kind if kind not in rights.CONSOLE_KINDS]
    assert Kind.ACCEPTED in others
    for kind in others:
        with pytest.raises(DBAPIError, match="the console appends no such entry"), console.append() as writer:
            writer.entry(kind, agency=OCS)


@pytest.mark.parametrize("body", ["accepted", None, 7])
def test_a_body_that_says_otherwise_than_its_column_is_refused_too(console: Ledger, body: object) -> None:
    said = canonical({"v": 1, "seq": 100, "at": timestamp(now()), "kind": body})
    with pytest.raises(DBAPIError, match="no such entry"), console.engine.begin() as connection:
        connection.execute(entries.insert(), [{**columns(said), "kind": "read"}])


def test_the_consoles_role_changes_removes_and_makes_nothing(console: Ledger) -> None:
    for table in (*REMEMBERED, *DISPOSABLE):
        column = table.columns.values()[-1].name
        for statement, refusal in {
            f"UPDATE {table.name} SET {column} = {column}": "permission denied",
            f"DELETE FROM {table.name}": "permission denied",
            f"TRUNCATE {table.name}": "permission denied",
            f"DROP TABLE {table.name}": "must be owner",
            f"ALTER TABLE {table.name} DISABLE TRIGGER ALL": "must be owner",
        }.items():
            assert refusal in refused(console, statement), statement
    for statement in (
        "DROP TRIGGER entries_refuse_console ON entries",
        "CREATE OR REPLACE FUNCTION console_appends_its_acts() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RETURN NEW; END'",
        "CREATE TABLE own (a int)",
        "CREATE VIEW own AS SELECT 1",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0'",
        "INSERT INTO schema_versions VALUES ('9', '0')",
        "COPY entries TO PROGRAM 'cat'",
    ):
        assert refused(console, statement), statement


def test_a_router_appends_what_the_console_may_not(console: Ledger, roles: Roles) -> None:
    with Ledger(roles.url(roles.router)) as ledger, ledger.append() as writer:
        assert rig.in_ledger(writer)


def test_what_a_role_had_besides_is_taken_and_the_doctor_says_what_is_too_much(roles: Roles) -> None:
    def seen(url: str) -> examining.Seen:
        return examining.look_at(url, roles.console)

    router = roles.url(roles.router)
    whole = seen(router).console
    assert whole == examining.OfConsole((), ())
    own = seen(roles.url(roles.console))
    assert (own.console, own.excess, own.lacking) == (None, (), ())
    roles.run(
        f"GRANT INSERT, UPDATE ON letters TO {roles.console}", f"REVOKE INSERT ON halts FROM {roles.console}"
    )
    found = seen(router).console
    assert found == examining.OfConsole(("INSERT letters", "UPDATE letters"), ("INSERT halts",))
    levels = {one.level for one in ledger_checks._of_console(found)}
    assert levels == {Level.FAIL, Level.WARN}
    schema.upgrade(roles.owner, console_role=roles.console)
    assert seen(router).console == whole
    assert seen(router).excess == (), "the routers' role is as it was"
    absent = examining.look_at(router, "nobody-of-this-name").console
    assert absent is not None
    assert "no such role" in absent.lacking[0]


def test_a_role_for_the_console_is_one_of_its_own_and_of_postgresql(roles: Roles, tmp_path: Path) -> None:
    def settings(**ledger: str) -> str:
        lines = "".join(f'{name} = "{value}"\n' for name, value in ledger.items())
        file = tmp_path / "bus.toml"
        file.write_text(f"[ledger]\ninsecure_transport = true\n{lines}", encoding="utf-8")
        return str(file)

    for changes in ({}, {"role": roles.console}):
        found = load_bus_settings(Path(settings(url=re.sub(":[^:@/]*@", "@", roles.owner))))
        name = make_url(roles.owner).username or ""
        with pytest.raises(Misconfigured, match="is the role of the routers, or owns the tables"):
            ledgers.make_ledger(found, console_role=roles.console if changes else name, **changes)
    found = load_bus_settings(Path(settings(url=f"sqlite:///{tmp_path}/l.db")))
    with pytest.raises(Misconfigured, match="is for PostgreSQL"):
        ledgers.make_ledger(found, console_role="saraban_console")
    with pytest.raises(Misconfigured, match="SQLite has no roles"):
        load_bus_settings(Path(settings(url="sqlite:///l.db", console_role="saraban_console")))
