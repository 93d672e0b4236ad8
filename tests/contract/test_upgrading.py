"""Ledgers and mailboxes of earlier versions, brought forward; and programs that meet a schema newer than theirs."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Connection, LargeBinary, MetaData, create_engine, inspect, select, text

from adapters.mailbox import Mailbox, upgrading
from adapters.mailbox import tables as mail
from adapters.mailbox.database import AlreadyRunning
from bus.errors import Misconfigured
from bus.ledger import schema
from bus.ledger.database import open_engine, reading
from bus.ledger.store import Ledger
from bus.ledger.tables import metadata
from bus.ledger.verifying import verify
from bus.verifier.notes import VerifierKey
from tests.assets.build_released import FOLDER, begun, read_back
from tests.assets.factory import OCS, OPM
from tests.contract import ledger_rig as rig

RELEASED = {"0001": "181216b13f1da0bbcdf821c546be64c613134c2af2246d3acefcbb196ebe9bce"}
"""Each schema that was released, with the SHA-256 of the migration that makes it."""
LATER = """
from alembic import op
revision, down_revision, compatible_from = "{revision}", "{down}", "{oldest}"
def upgrade():
    op.execute("ALTER TABLE letters ADD COLUMN remark VARCHAR(100)")
"""


def own() -> str:
    return max(schema._known())


def following(number: int) -> str:
    return f"{int(own()) + number:04d}"


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Upgrades a ledger as a program would that has one migration more: a column that this one knows nothing of."""

    def upgrade(url: str, oldest: str | None = None) -> str:
        revision = following(1)
        folder = tmp_path / "later"
        folder.mkdir(exist_ok=True)
        said = LATER.format(revision=revision, down=own(), oldest=oldest or own())
        (folder / f"{revision}_later.py").write_text(said, encoding="utf-8")
        with monkeypatch.context() as patched:
            patched.setattr(schema, "_config", with_versions(folder))
            schema.upgrade(url)
        return revision

    return upgrade


def with_versions(folder: Path) -> Callable[[], Config]:
    """Alembic's configuration with the migrations of one folder more."""
    plain = schema._config

    def config() -> Config:
        made = plain()
        made.set_main_option("version_locations", f"{schema._MIGRATIONS / 'versions'}:{folder}")
        return made

    return config


# ---- ledgers of earlier versions -----------------------------------------------------------------------------------


def test_a_migration_that_was_released_is_never_changed() -> None:
    for revision, digest in RELEASED.items():
        (file,) = (schema._MIGRATIONS / "versions").glob(f"{revision}_*.py")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, (
            f"{file.name} was released as it was: add a migration after it"
        )


def test_every_migration_after_the_first_says_which_programs_go_on_with_it() -> None:
    scripts = list(ScriptDirectory.from_config(schema._config()).walk_revisions())
    assert {script.revision for script in scripts} == schema._known()
    assert len(scripts) >= 2
    for script in scripts:
        if script.revision != "0001":
            assert "0001" <= script.module.compatible_from <= script.revision


def old_ledger(kind: str, revision: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """A ledger that was filled by the program of this schema; on PostgreSQL the same rows in tables of that time."""
    file = folder / "old.db"
    read_back(FOLDER / f"ledger-{revision}.sql", file)
    if kind == "sqlite":
        return f"sqlite:///{file}"
    url = begun(str(request.getfixturevalue("postgres_url")), revision)
    here, there = create_engine(f"sqlite:///{file}"), create_engine(url)
    tables = MetaData()
    tables.reflect(there)
    with here.connect() as read, there.begin() as written:
        written.execute(text("SET LOCAL session_replication_role = replica"))
        for table in tables.sorted_tables:
            if table.name != "alembic_version":
                move(read, written, table)
    here.dispose()
    there.dispose()
    return url


def move(read: Connection, written: Connection, table: Any) -> None:
    rows = [dict(row) for row in read.exec_driver_sql(f"SELECT * FROM {table.name}").mappings()]
    for row in rows:
        for column in table.columns:
            if isinstance(column.type, Boolean):
                row[column.name] = bool(row[column.name])
            if isinstance(column.type, LargeBinary) and row[column.name] is not None:
                row[column.name] = bytes(row[column.name])
    if rows:
        written.execute(table.insert(), rows)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("revision", RELEASED)
def test_a_ledger_that_an_earlier_version_has_filled_is_brought_forward_verifies_and_goes_on(
    kind: str, revision: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = old_ledger(kind, revision, request, tmp_path)
    with pytest.raises(Misconfigured, match=f"schema is {revision}, expected {own()}.*ledger init"):
        schema.check(url)
    schema.upgrade(url)
    schema.check(url)
    ledger = Ledger(url)
    try:
        with ledger.engine.connect() as connection:
            known = {"include_name": lambda name, *_: not str(name).startswith(rig.OF_WORDS)}
            assert compare_metadata(MigrationContext.configure(connection, opts=known), metadata) == []
        key = VerifierKey.parse((FOLDER / f"ledger-{revision}.vkey").read_text(encoding="utf-8").strip())
        with reading(ledger.engine) as connection:
            report = verify(connection, key, signatures=True)
        assert report.passed, report.findings
        assert report.counts["letters"] == 1
        assert report.counts["checkpoints"] == 3
        with ledger.append() as writer:
            assert rig.in_ledger(writer) == report.size + 1
    finally:
        ledger.close()


# ---- a schema that is newer than the program -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_program_goes_on_with_a_newer_schema_that_says_so(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, later: Callable[..., str]
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    schema.upgrade(url)
    ledger = Ledger(url)
    with ledger.append() as writer:
        rig.in_ledger(writer)
    revision = later(url)
    schema.check(url)
    with ledger.append() as writer:
        assert rig.in_ledger(writer) == 2
    with ledger.read() as reader:
        assert reader.letter(2) is not None
    ledger.close()
    engine = open_engine(url)
    with engine.connect() as connection:
        assert schema.version_of(connection) == revision
        assert "remark" in {one["name"] for one in inspect(connection).get_columns("letters")}
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_newer_schema_that_asks_for_newer_programs_is_said_to_be_that_and_left_alone(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, later: Callable[..., str]
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    schema.upgrade(url)
    later(url, following(1))
    wanted = (
        f"the ledger is of schema {following(1)}, for programs of {following(1)} and newer; "
        f"this one is of {own()}. Upgrade this program first"
    )
    for act in (schema.check, schema.upgrade):
        with pytest.raises(Misconfigured, match=wanted):
            act(url)


def test_what_an_earlier_step_has_broken_for_a_program_a_later_one_does_not_mend(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    schema.upgrade(url)
    with closing(sqlite3.connect(tmp_path / "new.db")) as opened:
        rows = [(following(1), following(1)), (following(2), own())]
        opened.executemany("INSERT INTO schema_versions VALUES (?, ?)", rows)
        opened.execute("UPDATE alembic_version SET version_num = ?", (following(2),))
        opened.commit()
    with pytest.raises(Misconfigured, match=f"for programs of {following(1)} and newer"):
        schema.check(url)


def test_a_schema_that_says_nothing_of_programs_is_not_taken_for_a_fit_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    schema.upgrade(url)
    with closing(sqlite3.connect(tmp_path / "new.db")) as opened:
        opened.execute("DROP TABLE schema_versions")
        opened.execute("UPDATE alembic_version SET version_num = 'f00'")
        opened.commit()
    with pytest.raises(Misconfigured, match="schema f00, for programs of that schema"):
        schema.check(url)


# ---- mailboxes -----------------------------------------------------------------------------------------------------

LAYOUTS = {1: (OPM, OCS)}
"""Each layout that was released, and whose mailboxes are kept of it."""
MAILBOXES = [(layout, agency) for layout, agencies in LAYOUTS.items() for agency in agencies]


def old_mailbox(folder: Path, layout: int, agency: str) -> Path:
    read_back(FOLDER / f"mailbox-{layout}-{agency}.sql", folder / "old" / "mailbox.sqlite")
    return folder / "old"


def shape(folder: Path) -> dict[str, Any]:
    """The tables of a mailbox: their columns, keys and indexes."""
    engine = create_engine(f"sqlite:///{folder / 'mailbox.sqlite'}")
    seen = inspect(engine)
    found = {
        name: (
            sorted((one["name"], str(one["type"]), one["nullable"]) for one in seen.get_columns(name)),
            seen.get_pk_constraint(name)["constrained_columns"],
            sorted((one["name"] or "", tuple(one["column_names"])) for one in seen.get_indexes(name)),
            sorted(tuple(one["column_names"]) for one in seen.get_unique_constraints(name)),
        )
        for name in seen.get_table_names()
    }
    engine.dispose()
    return found


@pytest.mark.parametrize(("layout", "agency"), MAILBOXES)
def test_a_mailbox_that_an_earlier_version_has_filled_is_brought_forward_and_has_what_it_had(
    tmp_path: Path, layout: int, agency: Any
) -> None:
    folder = old_mailbox(tmp_path, layout, agency)
    Mailbox(tmp_path / "new", agency).close()
    mailbox = Mailbox(folder, agency)
    if agency == OPM:
        (row,) = mailbox.outbox.letters()
        (state,) = mailbox.states_of_sent(row)
        assert (state.state, state.receiving_number) == ("registered", "๑๒")
    else:
        (received,) = mailbox.inbox.letters()
        assert received.state == "delivered"
    assert mailbox.directory() is not None
    mailbox.close()
    assert shape(folder) == shape(tmp_path / "new"), "a new layout needs a step in upgrading.py"


def a_column(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE inbox ADD COLUMN remark VARCHAR"))


def a_fault(connection: Connection) -> None:
    raise ZeroDivisionError


def test_steps_are_taken_once_in_order_and_all_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = old_mailbox(tmp_path, 1, OPM)
    before = shape(folder)
    released = upgrading.STEPS
    monkeypatch.setattr(upgrading, "STEPS", (*released, a_column, a_fault))
    with pytest.raises(ZeroDivisionError):
        Mailbox(folder, OPM)
    assert shape(folder) == before
    monkeypatch.setattr(upgrading, "STEPS", (*released, a_column))
    for _ in range(2):
        Mailbox(folder, OPM).close()
    assert ("remark", "VARCHAR", True) in shape(folder)["inbox"][0]
    monkeypatch.setattr(upgrading, "STEPS", released)
    known = upgrading.newest()
    wanted = rf"has layout {known + 1}, this program works with layouts 1 to {known}\. Upgrade"
    with pytest.raises(Misconfigured, match=wanted):
        Mailbox(folder, OPM)


def test_a_mailbox_is_not_brought_forward_under_a_program_that_runs_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = old_mailbox(tmp_path, 1, OPM)
    running = Mailbox(folder, OPM)
    monkeypatch.setattr(upgrading, "STEPS", (*upgrading.STEPS, a_column))
    with running._database.exclusive(), pytest.raises(AlreadyRunning, match="stop it first"):
        Mailbox(folder, OPM)
    with running._database.reading() as connection:
        assert connection.scalar(
            select(mail.properties.c.value).where(mail.properties.c.name == "layout")
        ) == str(len(upgrading.STEPS))
    running.close()


@pytest.mark.parametrize("layout", ["0", "-1", "x", "", "๑"])
def test_a_layout_that_no_version_makes_is_refused(tmp_path: Path, layout: str) -> None:
    folder = old_mailbox(tmp_path, 1, OPM)
    with closing(sqlite3.connect(folder / "mailbox.sqlite")) as opened:
        opened.execute("UPDATE properties SET value = ? WHERE name = 'layout'", (layout,))
        opened.commit()
    with pytest.raises(Misconfigured, match="which no version makes"):
        Mailbox(folder, OPM)
