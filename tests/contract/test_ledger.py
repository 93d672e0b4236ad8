"""One contract for both databases: what is in the ledger stays, in order, whole, and known to everyone."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, create_engine, delete, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from bus.errors import Misconfigured, Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger import database, halt, schema
from bus.ledger.entry import Kind, canonical, columns, leaf_hash, timestamp
from bus.ledger.group import GroupCommit
from bus.ledger.rebuilding import rebuild as rebuild_work_lists
from bus.ledger.store import Ledger, Writer
from bus.ledger.tables import DISPOSABLE, REMEMBERED, due, entries, metadata, pending
from bus.ledger.tiles import WIDTH
from bus.ledger.work import Lease, Whose
from bus.thai import now
from compose.cluster import PostgresCluster
from tests.assets.digests import OTHER_BYTES, SOME_BYTES, SOME_CONTENT
from tests.assets.factory import DAY, DGA, NOW, OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig

ON_SQLITE = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
FAR = timedelta(minutes=1)


@pytest.fixture
def group(ledger: Ledger) -> Iterator[GroupCommit]:
    appends = GroupCommit(ledger)
    yield appends
    appends.close()


def refuses(ledger: Ledger, statement: str) -> str:
    """The database's words when it refuses a statement; the test fails when it obeys."""
    with ledger.engine.connect() as connection, pytest.raises(DBAPIError) as refusal:
        connection.execute(text(statement))
    return str(refusal.value.orig)


def rows_of(ledger: Ledger, table: Table) -> list[dict[str, Any]]:
    with ledger.engine.connect() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key)).mappings()
        return [dict(row) for row in found]


# ---- what is appended can be read ----------------------------------------------------------------------------------


def test_what_is_appended_can_be_read(ledger: Ledger) -> None:
    with ledger.append() as writer:
        expected = writer.next_seq
        first = writer.entry(Kind.REFUSED, agency=OPM, document=b"raw", code="xml.dtd", nothing=None)
        second = writer.entry(Kind.PARKED, agency=OCS, document=b"raw")
    with ledger.read() as reader:
        assert (expected, first, second, reader.head()) == (1, 1, 2, 2)
        entry = reader.entry_at(1)
        assert entry is not None
        assert (entry.kind, entry.body["agency"], entry.body["code"]) == (Kind.REFUSED, OPM, "xml.dtd")
        assert "nothing" not in entry.body
        assert reader.must_document(entry) == b"raw"
        assert [one.seq for one in reader.entries(after=1)] == [2]
        assert reader.latest_seq(Kind.REFUSED) == 1
        assert reader.entry_at(3) is None
    assert rig.counts(ledger)["documents"] == 1


def test_an_append_sees_what_it_has_appended_itself(ledger: Ledger) -> None:
    with ledger.append() as writer:
        letter = rig.in_ledger(writer, number="นร 0105/7")
        row = writer.letter(letter)
        assert row is not None
        assert writer.letter_named(row.letter_id, row.digest) == row
        assert writer.state_of(letter).recipients[OCS].outcome == "accepted"
        verdict = writer.verdict_on(OPM, "letter", row.letter_id)
        assert verdict is not None
        assert (verdict.entry, verdict.code) == (letter, None)
        assert writer.verdict_on_raw(OPM, RawDigest(row.digest)) == verdict
        assert writer.same_number(OPM, "นร 0105/7", row.dated)
        assert not writer.same_number(SOC, "นร 0105/7", row.dated)
        writer.entry(Kind.PARKED, agency=OPM, rawSha256="ab" * 32)
        assert [entry.body["rawSha256"] for entry in writer.parked.waiting()] == ["ab" * 32]
        assert writer.head() == 2


def test_the_newest_verdict_on_a_submission_counts_in_and_after_its_append(ledger: Ledger) -> None:
    same: dict[str, Any] = {
        "agency": OPM,
        "type": "letter",
        "id": "one",
        "digest": SOME_CONTENT,
        "raw": SOME_BYTES,
    }
    with ledger.append() as writer:
        seq = writer.entry(Kind.REFUSED, agency=OPM)
        writer.submission(entry=seq, answer=9, code="file.missing", **same)
        writer.submission(entry=seq, answer=10, code=None, **same)
        inside = writer.verdict_on(OPM, "letter", "one"), writer.verdict_on_raw(OPM, SOME_BYTES)
    with ledger.read() as reader:
        after = reader.verdict_on(OPM, "letter", "one"), reader.verdict_on_raw(OPM, SOME_BYTES)
        assert reader.verdict_on(OCS, "letter", "one") is None
    assert inside == after
    assert all(verdict is not None and verdict.answer == 10 for verdict in after)


def test_letters_are_found_by_everything_that_is_asked_together(ledger: Ledger) -> None:
    with ledger.append() as writer:
        first = rig.in_ledger(writer, to=(OCS, SOC), number="นร 0105/1")
        second = rig.in_ledger(writer, sender=DGA, to=(OCS,), number="นร 0105/1")
    today = NOW.date().isoformat()
    with ledger.read() as reader:
        asked: list[tuple[dict[str, Any], list[int]]] = [
            ({}, [second, first]),
            ({"number": "นร 0105/1"}, [second, first]),
            ({"sender": OPM}, [first]),
            ({"recipient": SOC}, [first]),
            ({"recipient": OCS, "sender": DGA}, [second]),
            ({"recipient": DGA}, []),
            ({"since": today, "until": today}, [second, first]),
            ({"since": (NOW + DAY).date().isoformat()}, []),
            ({"limit": 1}, [second]),
        ]
        for question, answer in asked:
            assert [row.letter for row in reader.find_letters(**question)] == answer, question


def test_a_file_belongs_to_the_parties_of_a_letter_that_names_it(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS,))
    with ledger.read() as reader:
        named = SOME_BYTES
        assert [code for code in (OPM, OCS, SOC) if reader.named_files.is_party(code, named)] == [OPM, OCS]
        assert reader.named_files.is_named(named)
        assert not reader.named_files.is_named(OTHER_BYTES)
        assert not reader.named_files.is_party(OPM, OTHER_BYTES)


def test_a_reader_keeps_its_snapshot_while_others_append(ledger: Ledger) -> None:
    with ledger.read() as reader:
        assert reader.head() == 0
        with ledger.append() as writer:
            writer.entry(Kind.PARKED)
        assert reader.head() == 0
    with ledger.read() as reader:
        assert reader.head() == 1


# ---- nothing that is remembered changes ----------------------------------------------------------------------------


@pytest.fixture
def filled(ledger: Ledger, tmp_path: Path) -> Ledger:
    """A ledger in which every remembered table has a row."""
    with ledger.append() as writer:
        rig.in_ledger(writer)
        writer.entry(Kind.REFUSED, agency=OCS, code="xml.malformed", rawSha256="ab" * 32)
        rig.some_entries(writer, WIDTH - 2)
        writer.directory_changes(1, {"bus": b"bus {}", "topic/none": None})
    assert rig.signer(ledger, tmp_path).sign() is not None
    with ledger.append() as writer:
        assert writer.cosigned(WIDTH, OCS, "— a line")
    halt.ask(ledger.engine, True, operator=by(), reason="sample")
    for halted in (True, False):
        halt.set_halted(ledger.engine, halted, operator=by("sample"), reason="sample")
    found = rig.counts(ledger)
    assert all(found[table.name] for table in REMEMBERED)
    return ledger


def test_nothing_that_is_remembered_can_be_changed_or_removed(filled: Ledger) -> None:
    before = {table.name: rows_of(filled, table) for table in REMEMBERED}
    for table in REMEMBERED:
        column = table.columns.values()[-1].name
        assert "only grows" in refuses(filled, f"UPDATE {table.name} SET {column} = {column}")
        assert "only grows" in refuses(filled, f"DELETE FROM {table.name}")
    assert {table.name: rows_of(filled, table) for table in REMEMBERED} == before


def test_core_statements_are_refused_too(filled: Ledger) -> None:
    for statement in (update(entries).values(kind="x"), delete(entries)):
        with filled.engine.connect() as connection, pytest.raises(DBAPIError, match="only grows"):
            connection.execute(statement)


@ON_POSTGRESQL
def test_no_remembered_table_can_be_truncated(filled: Ledger) -> None:
    for table in REMEMBERED:
        assert "only grows" in refuses(filled, f"TRUNCATE {table.name} CASCADE")


def test_what_is_asked_for_again_while_it_is_on_its_way_goes_out_once_more(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer)
    claim = Lease("router", now() + FAR)
    first = ledger.lease(claim, limit=10, per_agency=10)
    with ledger.append() as writer:
        writer.repeat(OCS, 1)
        writer.repeat(OCS, 1)
    with ledger.append() as writer:
        assert writer.confirmed(first)
        entered = writer.head()
    (again,) = ledger.lease(claim, limit=10, per_agency=10)
    assert (again.agency, again.number, again.repeat) == (OCS, 1, True)
    with ledger.append() as writer:
        assert not writer.confirmed([again])
        assert writer.head() == entered
    assert rig.counts(ledger)["pending"] == 0


@ON_SQLITE
def test_a_row_cannot_be_replaced_by_inserting_over_it(filled: Ledger) -> None:
    for table in REMEMBERED:
        names = ", ".join(column.name for column in table.columns)
        said = refuses(filled, f"INSERT OR REPLACE INTO {table.name} SELECT {names} FROM {table.name}")
        assert "only grows" in said, table.name


def test_a_number_is_never_given_twice(filled: Ledger) -> None:
    body = canonical({"v": 1, "seq": 1, "at": timestamp(NOW), "kind": "parked"})
    with filled.engine.connect() as connection, pytest.raises(IntegrityError):
        connection.execute(entries.insert(), [columns(body)])


@pytest.fixture
def router_role(postgres_url: str) -> Iterator[tuple[str, str]]:
    """A PostgreSQL role as routers have it: its name, and the URL by which it reaches the ledger."""
    role = f"router_{uuid4().hex[:8]}"
    owner = create_engine(postgres_url)
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'sample'"))
    schema.upgrade(postgres_url, runtime_role=role)
    theirs = make_url(postgres_url).set(username=role, password="sample")
    yield role, theirs.render_as_string(hide_password=False)
    with owner.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {role}"))
        connection.execute(text(f"DROP ROLE {role}"))
    owner.dispose()


def test_the_runtime_role_can_do_a_routers_work(router_role: tuple[str, str]) -> None:
    role, theirs = router_role
    schema.check(theirs)
    ledger = Ledger(theirs)
    claim = Lease(role, now() + FAR)
    with ledger.append() as writer:
        letter = rig.in_ledger(writer)
        writer.set_watermark(role, "main", now())
    claimed = ledger.lease(claim, limit=10, per_agency=10)
    with ledger.append() as writer:
        writer.confirmed(claimed)
        writer.hold([SOC])
        assert writer.deadline_done(letter, "receipt", timestamp(NOW + timedelta(hours=4)))
    with ledger.append() as writer:
        rebuild_work_lists(writer)
    assert len(claimed) == 2
    with ledger.read() as reader:
        assert reader.state_of(letter).recipients[OCS].outcome == "consigned"
    ledger.close()


def test_the_runtime_role_cannot_touch_what_is_remembered_nor_its_guards(
    router_role: tuple[str, str],
) -> None:
    _, theirs = router_role
    ledger = Ledger(theirs)
    with ledger.append() as writer:
        rig.in_ledger(writer)
    for table in REMEMBERED:
        column = table.columns.values()[-1].name
        for statement, refusal in {
            f"UPDATE {table.name} SET {column} = {column}": "permission denied",
            f"DELETE FROM {table.name}": "permission denied",
            f"TRUNCATE {table.name}": "permission denied",
            f"DROP TABLE {table.name}": "must be owner",
            f"DROP TRIGGER {table.name}_refuse_change ON {table.name}": "must be owner",
            f"ALTER TABLE {table.name} DISABLE TRIGGER ALL": "must be owner",
            f"CREATE RULE away AS ON INSERT TO {table.name} DO INSTEAD NOTHING": "must be owner",
        }.items():
            assert refusal in refuses(ledger, statement), statement
    for statement in (
        "CREATE OR REPLACE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "SET session_replication_role = replica",
        "UPDATE alembic_version SET version_num = '0'",
        "UPDATE schema_versions SET compatible_from = '0'",
    ):
        assert refuses(ledger, statement), statement
    ledger.close()


# ---- all or nothing ------------------------------------------------------------------------------------------------


def test_a_letter_is_in_the_ledger_with_everything_that_belongs_to_it(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS, SOC))
    assert rig.counts(ledger) == {
        "documents": 3,  # the letter, its recipient set, the answer
        "entries": 1,
        "letters": 1,
        "recipients": 2,
        "letter_files": 1,
        "submissions": 1,
        "directory_records": 0,
        "unaccepted": 0,
        "consignments": 3,
        "pending": 3,
        "due": 2,
        "watermarks": 0,
        "refusal_counts": 0,
        "letter_kinds": 1,
        "tiles": 0,
        "checkpoints": 0,
        "anchors": 0,
        "cosignatures": 0,
        "halts": 0,
        "halt_wishes": 0,
    }


def test_a_failure_in_the_middle_leaves_nothing(ledger: Ledger) -> None:
    def fail(writer: Writer) -> None:
        rig.in_ledger(writer)
        writer.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ledger.append() as writer:
        fail(writer)
    assert not any(rig.counts(ledger).values())


def test_a_refusal_by_the_database_at_the_end_leaves_nothing(ledger: Ledger) -> None:
    def consign_twice(writer: Writer) -> None:
        rig.in_ledger(writer)
        writer.consign(OCS, 1, type="entry", entry=1, document=writer.keep(b"taken already"), headers={})

    with pytest.raises(IntegrityError), ledger.append() as writer:
        consign_twice(writer)
    assert not any(rig.counts(ledger).values())


def test_numbers_taken_by_a_failed_append_are_given_to_the_next(ledger: Ledger) -> None:
    def fail(writer: Writer) -> None:
        rig.in_ledger(writer, to=(OCS, SOC))
        writer.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ledger.append() as writer:
        fail(writer)
    with ledger.append() as writer:
        letter = rig.in_ledger(writer)
        assert writer.numbers([OCS, OPM, SOC]) == {OCS: 2, OPM: 2, SOC: 1}
    assert letter == 1


# ---- order ---------------------------------------------------------------------------------------------------------


def test_an_append_waits_for_the_one_before_it(ledger: Ledger) -> None:
    waiting = threading.Event()

    def second() -> int:
        waiting.set()
        with ledger.append() as writer:
            return writer.entry(Kind.PARKED, agency=SOC)

    with ThreadPoolExecutor(1) as pool:
        with ledger.append() as writer:
            assert writer.entry(Kind.PARKED, agency=OCS) == 1
            writer.flush()
            later = pool.submit(second)
            assert waiting.wait(60)
            with pytest.raises(TimeoutError):
                later.result(0.2)
            with ledger.read() as reader:
                assert reader.head() == 0
        assert later.result(60) == 2
    with ledger.read() as reader:
        assert [entry.body["agency"] for entry in reader.entries()] == [OCS, SOC]


def watch_grow(ledger: Ledger, total: int) -> list[int]:
    """Poll by number as a follower does, until so many entries were seen; return them in the order of seeing."""
    seen: list[int] = []
    while len(seen) < total:
        with ledger.read() as reader:
            seen.extend(entry.seq for entry in reader.entries(after=seen[-1] if seen else 0))
    return seen


def check_consignments(ledger: Ledger, total: int) -> None:
    """Numbers without gaps, in the order of the entries."""
    with ledger.read() as reader:
        given = [reader.consignment(OCS, number) for number in range(1, total + 1)]
        assert reader.consignment(OCS, total + 1) is None
        assert [one.entry for one in given if one] == [entry.seq for entry in reader.entries()]


def test_a_follower_sees_neither_hole_nor_inversion_while_threads_race(
    ledger: Ledger, ledger_url: str
) -> None:
    writers, each = 3, 5
    with ThreadPoolExecutor(writers) as pool:
        together = threading.Barrier(writers)
        done = [pool.submit(rig.append_many, ledger_url, code, each, together) for code in (OPM, SOC, DGA)]
        assert watch_grow(ledger, writers * each) == list(range(1, writers * each + 1))
        for one in done:
            one.result(10)
    check_consignments(ledger, writers * each)
    with ledger.read() as reader:
        authors = [entry.body["agency"] for entry in reader.entries()]
    assert sum(a != b for a, b in itertools.pairwise(authors)) >= writers, "they did not race"


@ON_POSTGRESQL
def test_a_follower_sees_neither_hole_nor_inversion_while_processes_race(
    ledger: Ledger, ledger_url: str
) -> None:
    start = multiprocessing.get_context("spawn")
    processes = [start.Process(target=rig.append_many, args=(ledger_url, code, 30)) for code in (OPM, SOC)]
    for process in processes:
        process.start()
    try:
        assert watch_grow(ledger, 60) == list(range(1, 61))
    finally:
        for process in processes:
            process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    check_consignments(ledger, 60)


# ---- group commit --------------------------------------------------------------------------------------------------


def test_a_result_comes_after_the_commit(group: GroupCommit, ledger: Ledger) -> None:
    seen: list[int] = []

    def look(_: Future[int]) -> None:
        with ledger.read() as reader:
            seen.append(reader.head())

    done = group.submit(lambda writer: writer.entry(Kind.PARKED))
    done.add_done_callback(look)
    assert done.result(10) == 1
    group.close()
    assert seen == [1]


class Gate:
    """Lets a test pile up appends behind one that is under way, so that they become one group."""

    def __init__(self, group: GroupCommit) -> None:
        self._open, entered = threading.Event(), threading.Event()

        def wait(_: Writer) -> None:
            entered.set()
            assert self._open.wait(60)

        self.first = group.submit(wait)
        assert entered.wait(60)

    def open(self) -> None:
        self._open.set()


def test_appends_that_wait_together_share_a_commit_and_keep_their_order(group: GroupCommit) -> None:
    gate = Gate(group)
    times: list[str] = []

    def append(writer: Writer) -> int:
        times.append(timestamp(writer.at))
        return writer.entry(Kind.PARKED)

    done = [group.submit(append) for _ in range(20)]
    gate.open()
    assert [one.result(60) for one in done] == list(range(1, 21))
    assert len(set(times)) == 1


def test_one_failing_append_spoils_none_of_its_group(group: GroupCommit, ledger: Ledger) -> None:
    gate = Gate(group)
    before = group.submit(lambda writer: writer.entry(Kind.PARKED, agency=OCS))

    def fail(writer: Writer) -> None:
        rig.in_ledger(writer)
        writer.flush()
        raise ZeroDivisionError

    failing = group.submit(fail)
    after = group.submit(lambda writer: writer.entry(Kind.PARKED, agency=SOC))
    gate.open()
    assert (before.result(10), after.result(10)) == (1, 2)
    with pytest.raises(ZeroDivisionError):
        failing.result(10)
    assert rig.counts(ledger)["letters"] == 0


def test_an_append_that_is_cancelled_neither_runs_nor_stops_the_others(
    group: GroupCommit, ledger: Ledger
) -> None:
    gate = Gate(group)
    unwanted = group.submit(lambda writer: writer.entry(Kind.PARKED, agency=OCS))
    assert unwanted.cancel()
    assert not gate.first.cancel(), "what runs already is not cancelled"
    wanted = group.submit(lambda writer: writer.entry(Kind.PARKED, agency=SOC))
    gate.open()
    assert wanted.result(10) == 1
    with ledger.read() as reader:
        assert [entry.body["agency"] for entry in reader.entries()] == [SOC]


@ON_POSTGRESQL
def test_while_postgresql_is_away_appends_are_transient_and_afterwards_they_work(
    group: GroupCommit, ledger: Ledger, postgres_server: PostgresCluster
) -> None:
    assert group.submit(lambda writer: writer.entry(Kind.PARKED)).result(10) == 1
    postgres_server.kill()
    with pytest.raises(Transient):
        group.submit(lambda writer: writer.entry(Kind.PARKED)).result(20)
    with pytest.raises(Transient), ledger.read() as reader:
        reader.head()
    postgres_server.start()
    assert group.submit(lambda writer: writer.entry(Kind.PARKED)).result(20) == 2


@ON_POSTGRESQL
def test_postgresql_killed_in_the_middle_of_an_append_leaves_nothing_of_it(
    group: GroupCommit, ledger: Ledger, postgres_server: PostgresCluster
) -> None:
    def killed(writer: Writer) -> int:
        letter = rig.in_ledger(writer)
        writer.flush()
        postgres_server.kill()
        return letter

    with pytest.raises(Transient):
        group.submit(killed).result(20)
    postgres_server.start()
    assert not any(rig.counts(ledger).values())
    assert group.submit(rig.in_ledger).result(20) == 1


@ON_POSTGRESQL
def test_a_postgresql_that_has_become_read_only_is_away_and_no_bug(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    ledger.engine.dispose()
    with pytest.raises(Transient), ledger.append() as writer:
        writer.entry(Kind.PARKED)
    with ledger.engine.begin() as connection:
        connection.execute(text("SET TRANSACTION READ WRITE"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off'))
    ledger.engine.dispose()
    with ledger.append() as writer:
        assert writer.entry(Kind.PARKED) == 1


@ON_POSTGRESQL
def test_an_append_reads_what_was_committed_before_it_whatever_the_servers_default(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(
            text(f"ALTER DATABASE \"{name}\" SET default_transaction_isolation = 'repeatable read'")
        )
    ledger.engine.dispose()
    test_an_append_waits_for_the_one_before_it(ledger)


@ON_SQLITE
def test_while_sqlite_is_locked_appends_are_transient_and_afterwards_they_work(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.1)
    ledger = Ledger(ledger_url)
    group = GroupCommit(ledger)
    locker = sqlite3.connect(ledger_url.removeprefix("sqlite:///"), isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    with pytest.raises(Transient):
        group.submit(lambda writer: writer.entry(Kind.PARKED)).result(10)
    locker.execute("ROLLBACK")
    locker.close()
    assert group.submit(lambda writer: writer.entry(Kind.PARKED)).result(10) == 1
    group.close()
    ledger.close()


def test_a_fault_in_a_statement_is_a_bug_and_not_a_database_that_is_away(ledger: Ledger) -> None:
    with pytest.raises(DBAPIError), database.translated(), ledger.engine.connect() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_closing_finishes_what_is_queued(ledger: Ledger) -> None:
    group = GroupCommit(ledger)
    gate = Gate(group)
    done = [group.submit(lambda writer: writer.entry(Kind.PARKED)) for _ in range(5)]
    gate.open()
    group.close()
    assert [one.result(0) for one in done] == [1, 2, 3, 4, 5]


# ---- consignments, claims ------------------------------------------------------------------------------------------


def claim(
    ledger: Ledger, router: str, *, for_: timedelta = FAR, limit: int = 100, per_agency: int = 100
) -> list[Any]:
    found = ledger.lease(Lease(router, now() + for_), limit=limit, per_agency=per_agency)
    return [(one.agency, one.number) for one in found]


def test_what_one_router_has_claimed_no_other_gets_until_it_lapses(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS, SOC))
    everything = [(OPM, 1), (SOC, 1), (OCS, 1)]
    assert sorted(claim(ledger, "one", for_=timedelta(seconds=-1))) == sorted(everything)
    assert sorted(claim(ledger, "two")) == sorted(everything), "a claim that lapsed binds nobody"
    assert claim(ledger, "one") == []


def test_a_claim_by_a_clock_that_was_ahead_has_lapsed(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS,))
    everything = sorted([(OCS, 1), (OPM, 1)])
    assert sorted(claim(ledger, "one", for_=timedelta(days=1))) == everything
    assert sorted(claim(ledger, "two")) == everything
    assert claim(ledger, "one") == []


def test_a_claim_carries_the_bytes_and_headers_in_order_for_each_agency(ledger: Ledger) -> None:
    with ledger.append() as writer:
        letters = [rig.in_ledger(writer, to=(OCS,)) for _ in range(3)]
    found = ledger.lease(Lease("one", now() + FAR), limit=100, per_agency=2, whose=Whose(without=[OPM]))
    assert [(one.agency, one.number, one.entry, one.letter) for one in found] == [
        (OCS, 1, letters[0], letters[0]),
        (OCS, 2, letters[1], letters[1]),
    ]
    with ledger.read() as reader:
        kept = [reader.must_document(entry) for entry in reader.entries()]
    assert [one.body for one in found] == kept[:2]
    assert found[0].headers == {"consignment": 1, "entry": letters[0]}


def test_a_claim_takes_from_every_agency_before_it_takes_more_from_one(ledger: Ledger) -> None:
    with ledger.append() as writer:
        for _ in range(5):
            rig.in_ledger(writer, to=(OCS,))
        rig.in_ledger(writer, to=(SOC,))
    assert sorted(claim(ledger, "one", limit=3)) == sorted([(OPM, 1), (OCS, 1), (SOC, 1)])


def test_a_letter_that_was_claimed_at_its_acceptance_is_not_claimed_by_a_sweep(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS,), lease=Lease("one", now() + FAR))
        rig.in_ledger(writer, to=(SOC,))
    assert sorted(claim(ledger, "two")) == sorted([(OPM, 2), (SOC, 1)])


def test_a_router_that_starts_again_forgets_its_own_claims_only(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS,), lease=Lease("one", now() + FAR))
        rig.in_ledger(writer, to=(SOC,), lease=Lease("two", now() + FAR))
    ledger.release_leases("one")
    assert sorted(claim(ledger, "three")) == sorted([(OPM, 1), (OCS, 1)])
    ledger.release_leases(None)
    assert len(claim(ledger, "four")) == 4


@ON_POSTGRESQL
def test_a_claim_passes_over_what_another_router_is_claiming_just_now(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS,))
        rig.in_ledger(writer, to=(SOC,))
    with database.working(ledger.engine) as other:
        other.execute(select(pending).where(pending.c.agency == OCS).with_for_update())
        assert sorted(claim(ledger, "one")) == sorted([(OPM, 1), (OPM, 2), (SOC, 1)])
    assert claim(ledger, "two") == [(OCS, 1)]


def test_routers_that_claim_side_by_side_share_everything_and_nothing_twice(ledger: Ledger) -> None:
    with ledger.append() as writer:
        for _ in range(60):
            rig.in_ledger(writer, to=(OCS, SOC))

    def all_of(router: str) -> list[Any]:
        mine: list[Any] = []
        while some := claim(ledger, router, limit=7, per_agency=3):
            mine += some
        return mine

    with ThreadPoolExecutor(3) as pool:
        shares = list(pool.map(all_of, ("one", "two", "three")))
    # A router may find nothing because the others hold every lock just then; what is left is claimed at its next look.
    taken = [one for share in shares for one in share] + all_of("last")
    assert len(taken) == len(set(taken)) == 180


def test_what_is_confirmed_is_struck_off_and_entered_once_for_each_letter(ledger: Ledger) -> None:
    with ledger.append() as writer:
        letter = rig.in_ledger(writer, to=(OCS, SOC))
    claimed = ledger.lease(Lease("one", now() + FAR), limit=10, per_agency=10)
    for _ in range(2):  # the second time by another router, which published the same after the claim lapsed
        with ledger.append() as writer:
            writer.confirmed([*claimed, claimed[0]])
    found = rig.entries_of_kind(ledger, Kind.CONSIGNED)
    assert {one.get("letter"): one["recipients"] for one in found} == {
        letter: {OCS: [1], SOC: [1]},
        None: {OPM: [1]},
    }
    assert len(found) == 2
    assert rig.counts(ledger)["pending"] == 0
    with ledger.append() as writer:
        writer.confirmed([])
        assert writer.state_of(letter).recipients[OCS].outcome == "consigned"


def test_a_repeated_consignment_goes_out_again_under_its_number_and_is_no_new_fact(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer)
    with ledger.append() as writer:
        writer.confirmed(writer.consignments([(OPM, 1), (OCS, 1)]))
    with ledger.append() as writer:
        before = writer.head()
        writer.repeat(OPM, 1)
        writer.repeat(OPM, 1)
    again = ledger.lease(Lease("one", now() + FAR), limit=10, per_agency=10)
    assert [(one.agency, one.number, one.repeat) for one in again] == [(OPM, 1, True)]
    with ledger.append() as writer:
        writer.confirmed(again)
        assert writer.head() == before
    assert rig.counts(ledger)["pending"] == 0


def test_a_circular_to_thousands_is_numbered_claimed_and_confirmed(ledger: Ledger) -> None:
    codes = [AgencyCode(f"{n:010}") for n in range(2_000)]
    with ledger.append() as writer:
        letter = rig.in_ledger(writer, to=codes)
    claimed = ledger.lease(Lease("one", now() + FAR), limit=5_000, per_agency=64)
    assert len(claimed) == 2_001
    with ledger.append() as writer:
        writer.confirmed(claimed)
    with ledger.read() as reader:
        state = reader.state_of(letter)
    assert {one.outcome for one in state.recipients.values()} == {"consigned"}


# ---- work lists ----------------------------------------------------------------------------------------------------


def test_work_lists_that_were_lost_are_rebuilt_as_they_were(ledger: Ledger) -> None:
    router = rig.Router(ledger)
    router.activate(rig.directory(SOC=rig.agency(SOC, state="suspended")))
    later = timestamp(NOW + 30 * DAY)
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS, SOC), on_hold=(SOC,), later={SOC: later})
        done = rig.in_ledger(writer, to=(DGA,))
    with ledger.append() as writer:
        writer.confirmed(writer.consignments([(DGA, 2), (OPM, 1)]))
        assert writer.deadline_done(done, "receipt", timestamp(NOW + timedelta(hours=4)))
        writer.entry(
            Kind.OVERDUE,
            letter=done,
            deadline="receipt",
            due=timestamp(NOW + timedelta(hours=4)),
            silent=[DGA],
        )
    before = rows_of(ledger, pending), rows_of(ledger, due)
    assert {row["on_hold"] for row in before[0]} == {True, False}
    assert [row["at"] for row in before[1] if row["letter"] == done - 1][-1] == later
    with ledger.engine.begin() as connection:
        for table in (pending, due):
            connection.execute(delete(table))
    with ledger.append() as writer:
        rebuild_work_lists(writer)
    assert (rows_of(ledger, pending), rows_of(ledger, due)) == before


def test_rebuilding_twice_changes_nothing(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS, SOC))
    before = rows_of(ledger, pending), rows_of(ledger, due)
    for _ in range(2):
        with ledger.append() as writer:
            rebuild_work_lists(writer)
    assert (rows_of(ledger, pending), rows_of(ledger, due)) == before
    with ledger.read() as reader:
        assert reader.head() == 1


def test_an_agency_with_closures_has_a_deadline_of_its_own(ledger: Ledger) -> None:
    later = timestamp(NOW + 30 * DAY)
    with ledger.append() as writer:
        letter = rig.in_ledger(writer, to=(OCS, SOC), later={SOC: later})
    with ledger.read() as reader:
        listed = reader.due.before(NOW + 60 * DAY, limit=10)
        assert [(one.letter, one.deadline) for one in listed] == [
            (letter, "receipt"),
            (letter, "registration"),
            (letter, "registration"),
        ]
        assert listed[-1].at == later
        assert reader.due.before(NOW, limit=10) == []
        first = reader.due.before(NOW + 60 * DAY, limit=2)
        assert first + reader.due.before(NOW + 60 * DAY, limit=2, after=first[-1]) == listed
        assert reader.due.parties_of([letter]) == {letter: {OPM, OCS, SOC}}


def test_a_deadline_is_judged_once(ledger: Ledger) -> None:
    at = timestamp(NOW + timedelta(hours=4))
    with ledger.append() as writer:
        letter = rig.in_ledger(writer)
        assert writer.deadline_done(letter, "receipt", at)
    with ledger.append() as writer:
        assert not writer.deadline_done(letter, "receipt", at)


def test_what_a_suspended_agency_is_to_get_is_held_and_released_afterwards(ledger: Ledger) -> None:
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS, SOC))
        writer.hold([SOC, OPM])
    with ledger.read() as reader:
        # A verdict is no letter: it reaches its agency all the same.
        assert reader.agencies.waiting() == {OPM: (1, 0), OCS: (1, 0), SOC: (0, 1)}
    assert (SOC, 1) not in claim(ledger, "one", for_=timedelta(seconds=-1))
    with ledger.append() as writer:
        writer.hold([SOC])
    assert rig.entries_of_kind(ledger, Kind.RELEASED) == []
    with ledger.append() as writer:
        writer.hold([])
    assert [one["agency"] for one in rig.entries_of_kind(ledger, Kind.RELEASED)] == [SOC]
    assert (SOC, 1) in claim(ledger, "one")


def test_each_router_says_when_it_last_saw_the_intake_of_each_cluster_empty(ledger: Ledger) -> None:
    with ledger.append() as writer:
        writer.set_watermark("one", "main", NOW)
        writer.set_watermark("two", "main", NOW)
        writer.set_watermark("one", "north", NOW)
        writer.set_watermark("one", "main", NOW + DAY)
    with ledger.read() as reader:
        assert sorted(reader.due.watermarks("main")) == [timestamp(NOW), timestamp(NOW + DAY)]
        assert reader.due.watermarks("north") == [timestamp(NOW)]
        assert reader.due.watermarks("south") == []


# ---- the schema ----------------------------------------------------------------------------------------------------


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        # But for the index of trigrams, which each database has in its own way.
        known = {
            "compare_server_default": True,
            "include_name": lambda name, *_: not str(name).startswith(rig.OF_WORDS),
        }
        context = MigrationContext.configure(connection, opts=known)
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_upgrading_again_changes_nothing_and_the_check_is_silent(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with pytest.raises(Misconfigured, match="saraban-bus ledger init"):
        schema.check(url)
    letters = []
    for _ in range(2):
        schema.upgrade(url)
        schema.check(url)
        ledger = Ledger(url)
        with ledger.append() as writer:
            letters.append(rig.in_ledger(writer))
        ledger.close()
    assert letters == [1, 2]


def test_every_remembered_table_has_its_guards(ledger: Ledger) -> None:
    sqlite = ledger.engine.dialect.name == "sqlite"
    query = (
        "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'"
        if sqlite
        else "SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
    )
    with ledger.engine.connect() as connection:
        guarded = sorted(connection.scalars(text(query)))
    wanted = [table.name for table in REMEMBERED] * 2
    if sqlite:  # and one against INSERT OR REPLACE, but for documents, where the same bytes are no mistake
        wanted += [table.name for table in REMEMBERED if table.name != "documents"]
        wanted += ["letters"]  # the one that fills the index of words
    assert guarded == sorted(wanted)
    named = {table.name for table in (*REMEMBERED, *DISPOSABLE, schema.schema_versions)}
    assert named == set(metadata.tables)


# ---- canonical encoding --------------------------------------------------------------------------------------------


def test_every_committed_entry_is_a_leaf_of_rfc_6962_and_its_row_follows_from_it(filled: Ledger) -> None:
    with filled.append() as writer:
        writer.entry(Kind.REFUSED, agency=OCS, document=b"x", code="xml.dtd", where="/จดหมาย")
        writer.entry(Kind.RELEASED)
    rows = rows_of(filled, entries)
    assert len(rows) == WIDTH + 2
    for row in rows:
        assert canonical(json.loads(row["body"])) == row["body"]
        assert bytes(row["leaf"]) == hashlib.sha256(b"\x00" + row["body"].encode("utf-8")).digest()
        stored = {key: bytes(value) if isinstance(value, memoryview) else value for key, value in row.items()}
        assert columns(row["body"]) == stored


def test_a_leaf_hash_is_that_of_an_example_computed_elsewhere() -> None:
    # printf '\0{"a":1}' | sha256sum
    assert leaf_hash('{"a":1}').hex() == EXAMPLE_LEAF


EXAMPLE_LEAF = "c7261463ebd776f4650b6d0fe942d9cc38c925d90f77d440ab6df8d5dd258c5f"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), json_values), st.randoms(use_true_random=False))
def test_the_canonical_form_depends_on_the_content_and_not_on_the_order_of_keys(
    body: dict[str, Any], chance: Any
) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffled(item)) for key, item in value.items()]
            chance.shuffle(items)
            return dict(items)
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    text_ = canonical(body)
    assert canonical(shuffled(body)) == text_
    assert json.loads(text_) == body


@given(st.floats(), st.lists(st.sampled_from(["list", "object"]), max_size=4))
def test_a_float_has_no_canonical_form_however_deep_it_stands(number: float, wraps: list[str]) -> None:
    value: Any = number
    for wrap in wraps:
        value = [value] if wrap == "list" else {"k": value}
    with pytest.raises(ValueError, match="float"):
        canonical({"x": value})


def test_keys_stand_by_code_point_and_thai_text_stands_as_itself() -> None:
    body = {"ที่": "นร ๐๑๐๕/ว ๑", "a": [1, True, None], "Z": {"é": "น้ำ", "e": '"\n'}}
    assert canonical(body) == '{"Z":{"e":"\\"\\n","é":"น้ำ"},"a":[1,true,null],"ที่":"นร ๐๑๐๕/ว ๑"}'


def test_ledger_times_sort_as_text() -> None:
    moments = [NOW, NOW.replace(microsecond=5), NOW + timedelta(seconds=1), NOW + DAY]
    written = [timestamp(moment) for moment in moments]
    assert written == sorted(written)
    assert {len(text_) for text_ in written} == {32}
