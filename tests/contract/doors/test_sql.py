"""What the SQL door promises beyond every door: narrow columns, code pages, the office's own names, locks, crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.pool import NullPool

from adapters.connectors.sql import claiming, exporting, importing
from adapters.connectors.sql.connector import SqlConnector
from adapters.connectors.sql.door import SqlDoor
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode
from bus.documents.letter import Content, Letter, Receiver
from bus.documents.notice import Event
from bus.documents.xml import open_envelope, read
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.settings.office_database import SqlConnector as Settings
from tests.assets.factory import DGA, OCS, OPM, SOC, notice
from tests.contract.doors.door import World
from tests.contract.doors.sql import MariaDbOffice, PostgresOffice, SqlOffice
from tests.contract.doors.test_doors import FILES, VALUES
from tests.fixtures.mariadb import MariaDb
from tests.unit.adapter.network import Bus, Office

PDF = b"%PDF-1.7 one %%EOF"


class Tables:
    """An office's own tables on SQLite, and the connector that uses them."""

    def __init__(self, world: World, *statements: str, **settings: Any) -> None:
        self.world = world
        self.settings = Settings(enabled=True, url=f"sqlite:///{world.folder}/own.db", **settings)
        self._engine = create_engine(self.settings.url, poolclass=NullPool)
        self.run(*statements)
        self.now = 0.0
        self.connector = SqlConnector(world.mailbox, self.settings, clock=lambda: self.now)

    def run(self, *statements: str, **values: Any) -> None:
        """Run statements as the office."""
        with self._engine.begin() as connection:
            for each in statements:
                connection.execute(text(each), values)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows as the office reads them."""
        with self._engine.begin() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]

    def round(self) -> None:
        """Both verbs, once."""
        self.connector.import_new()
        self.connector.export_news()

    def conditions(self) -> dict[ConditionCode, str]:
        """What the door says is wrong, by code."""
        return {each.finding.code: each.finding.detail_en for each in self.world.mailbox.conditions.all()}


def due_now(mailbox: Mailbox) -> None:
    """What was put off is due."""
    for each in mailbox.news.deferrals("sql"):
        mailbox.news.defer("sql", type(each)(each.item, each.attempts, 0.0, each.error))


INBOX = (
    "CREATE TABLE saraban_inbox (consignment INTEGER PRIMARY KEY, letter_id TEXT, sender TEXT, subject TEXT, "
    "local_id TEXT, document BLOB)",
    "CREATE TABLE saraban_inbox_files (consignment INTEGER, file_position INTEGER, file_name TEXT, content BLOB)",
    "CREATE TABLE saraban_events (event_key TEXT PRIMARY KEY, event TEXT, reference TEXT, local_key TEXT, "
    "text_th TEXT, happened_at TEXT)",
)
NO_OUTBOX = {"outbox": "", "outbox_files": "", "acts": ""}


def subject_of(world: World, subject: str) -> None:
    world.receive({"หนังสือ.pdf": PDF}, content=Content(subject=subject))


def test_what_is_too_long_for_a_column_waits_and_the_rest_goes_on_until_it_is_widened(world: World) -> None:
    narrow = INBOX[0].replace("subject TEXT", "subject VARCHAR(20)")
    office = Tables(world, narrow, *INBOX[1:], tables=NO_OUTBOX)
    subject_of(world, "ก" * 21)
    subject_of(world, "ข" * 20)
    office.round()
    assert [each["subject"] for each in office.rows("SELECT * FROM saraban_inbox")] == ["ข" * 20]
    wanted = "column saraban_inbox.subject is too narrow: it holds 20 characters, 21 are needed"
    assert office.conditions() == {ConditionCode.SQL_UNFIT: wanted}
    office.run(
        "ALTER TABLE saraban_inbox ADD COLUMN wider TEXT",
        "ALTER TABLE saraban_inbox DROP COLUMN subject",
        "ALTER TABLE saraban_inbox RENAME COLUMN wider TO subject",
    )
    due_now(world.mailbox)
    office.round()
    told = [each["subject"] for each in office.rows("SELECT * FROM saraban_inbox ORDER BY consignment")]
    assert told == ["ก" * 21, None]
    assert office.conditions() == {}


def test_a_blob_that_is_too_large_waits_and_the_rest_goes_on(world: World) -> None:
    office = Tables(world, *INBOX, tables=NO_OUTBOX, largest_file=30)
    world.receive({"หนังสือ.pdf": b"%PDF-1.7 " + b"x" * 30 + b"%%EOF"})
    world.receive({"หนังสือ.pdf": PDF})
    office.round()
    assert len(office.rows("SELECT * FROM saraban_inbox")) == 1
    assert "it holds 30 bytes, 44 are needed" in office.conditions()[ConditionCode.SQL_UNFIT]


def test_what_tis_620_lacks_waits_and_the_rest_is_in_that_code_page(world: World) -> None:
    office = Tables(world, *INBOX, tables=NO_OUTBOX, code_page="tis-620", stored_as="bytes", dates="buddhist")
    subject_of(world, "ขอเชิญ 😀")
    subject_of(world, "ขอเชิญประชุม")
    office.round()
    (row,) = office.rows("SELECT * FROM saraban_inbox")
    assert row["subject"].decode("tis-620") == "ขอเชิญประชุม"
    assert "cannot hold the character U+1F600 (tis-620)" in office.conditions()[ConditionCode.SQL_UNFIT]
    (event,) = office.rows("SELECT * FROM saraban_events")
    assert event["happened_at"].decode("tis-620").startswith("25")


def test_files_are_laid_below_a_folder_and_told_by_path(world: World) -> None:
    folder = world.folder / "laid"
    folder.mkdir()
    with_path = INBOX[1].replace("content BLOB", "file_path TEXT")
    office = Tables(world, INBOX[0], with_path, INBOX[2], tables=NO_OUTBOX, files_folder=folder)
    names = ["หนังสือ.pdf", "~$x.pdf", "CON.pdf", "LETTER.JSON.pdf", "a:b?.pdf"]
    files = {name: b"%PDF-1.7 " + name.encode() + b" %%EOF" for name in names}
    world.receive(files)
    office.round()
    rows = office.rows("SELECT * FROM saraban_inbox_files ORDER BY file_position")
    assert {each["file_name"]: (folder / each["file_path"]).read_bytes() for each in rows} == files
    assert all((folder / each["file_path"]).resolve().is_relative_to(folder.resolve()) for each in rows)


@pytest.mark.parametrize("agency", [OCS, DGA], ids=["another bus", "another agency"])
def test_two_letters_of_one_consignment_number_are_told_both_each_with_its_own_files(
    world: World, tmp_path: Path, agency: AgencyCode
) -> None:
    folder = world.folder / "laid"
    folder.mkdir()
    inbox, files = INBOX[0].replace(" PRIMARY KEY", ""), INBOX[1].replace("content BLOB", "file_path TEXT")
    office = Tables(world, inbox, files, INBOX[2], tables=NO_OUTBOX, files_folder=folder)
    with Mailbox(tmp_path / "another", agency) as mailbox:
        another = World(Office(mailbox, Bus(agency)), world.folder)
        another.hear(another.office.bus.directory())
        world.receive({"หนังสือ.pdf": PDF}, content=Content(subject="หนึ่ง"))
        other = PDF.replace(b"one", b"two")
        about: dict[str, Any] = {"receivers": (Receiver(agency=agency),), "content": Content(subject="สอง")}
        another.receive({"หนังสือ.pdf": other}, **about)
        office.round()
        of_another = Tables(another, tables=NO_OUTBOX, files_folder=folder)
        of_another.round()
        assert of_another.conditions() == office.conditions() == {}
    letters = office.rows("SELECT consignment, subject FROM saraban_inbox ORDER BY rowid")
    assert [each["subject"] for each in letters] == ["หนึ่ง", "สอง"]
    assert letters[0]["consignment"] == letters[1]["consignment"]
    paths = office.rows("SELECT file_path FROM saraban_inbox_files ORDER BY rowid")
    assert [(folder / each["file_path"]).read_bytes() for each in paths] == [PDF, other]
    keys = [each["event_key"] for each in office.rows("SELECT event_key FROM saraban_events")]
    assert len(keys) == len(set(keys)) == 2


def test_a_later_event_bears_the_offices_own_number_of_the_letter(world: World) -> None:
    codes = {"agencies": {"01": "0900000000"}}
    office = Tables(world, *INBOX, tables=NO_OUTBOX, codes=codes, defaults={"agencies_in": "99"})
    signed = world.receive({"หนังสือ.pdf": PDF})
    office.round()
    assert [each["sender"] for each in office.rows("SELECT sender FROM saraban_inbox")] == ["99"]
    assert ConditionCode.SQL_UNMAPPED in office.conditions()
    office.run("UPDATE saraban_inbox SET local_id = 'รับ 42/2569'")
    row = world.mailbox.inbox.letters()[0]
    about: Mapping[str, Any] = {"letter_id": UUID(row.letter_id), "letter_digest": signed.digest}
    world.hear(world.office.bus.notice(notice(Event.WITHDRAWAL_REQUESTED, author=OPM, **about)))
    office.round()
    told = office.rows("SELECT event, local_key FROM saraban_events")
    assert told[-1] == {"event": "withdrawal-requested", "local_key": "รับ 42/2569"}


# ── out, with the office's own names ────────────────────────────────────────────────────────────────

OWN = (
    "CREATE TABLE doc (doc_id INTEGER PRIMARY KEY, st INTEGER, who TEXT, err TEXT, title TEXT, dated TEXT, "
    "dest TEXT, urgent TEXT, files INTEGER)",
    "CREATE VIEW v_out AS SELECT * FROM doc",
    "CREATE TRIGGER v_out_u INSTEAD OF UPDATE ON v_out BEGIN UPDATE doc SET st = NEW.st, who = NEW.who, err = NEW.err "
    "WHERE doc_id = NEW.doc_id; END",
    "CREATE TABLE doc_file (doc_id INTEGER, n INTEGER, name TEXT, place TEXT)",
)
OWN_COLUMNS = {
    "outbox": {"key": "doc_id", "status": "st", "claimed_by": "who", "problem": "err", "subject": "title"}
    | {"date": "dated", "to": "dest", "speed": "urgent", "file_count": "files"},
    "outbox_files": {"letter": "doc_id", "position": "n", "name": "name", "path": "place"},
}
OWN_CODES = {
    "states": {"1": "ready", "2": "claimed", "3": "taken", "4": "accepted", "5": "refused", "9": "failed"},
    "agencies": {"0101": SOC},
    "speed": {"ด่วน": "002"},
}
INSERT = (
    "INSERT INTO doc (doc_id, st, title, dated, dest, urgent, files) "
    "VALUES (:id, 1, 'ขอเชิญประชุม', '๒๒ พ.ย. ๒๕๖๙', '0101', :urgent, 1)"
)


@pytest.fixture
def own(world: World) -> Tables:
    """An office with tables of its own, a view among them, integers as states, Thai dates and files by path."""
    folder = world.folder / "scans"
    (folder / "2569").mkdir(parents=True)
    (folder / "2569" / "a.pdf").write_bytes(PDF)
    tables = {
        "outbox": "v_out",
        "outbox_files": "doc_file",
        "acts": "",
        "inbox": "",
        "inbox_files": "",
        "events": "",
    }
    return Tables(
        world, *OWN, tables=tables, columns=OWN_COLUMNS, codes=OWN_CODES, files_folder=folder, patience=60
    )


def test_a_view_with_names_codes_and_dates_of_the_offices_own_sends_a_letter(
    world: World, own: Tables
) -> None:
    own.run(INSERT, id=7, urgent="ด่วน")
    own.connector.import_new()
    assert own.rows("SELECT st FROM doc") == [{"st": 1}], "its file is not there yet"
    assert world.mailbox.conditions.all() == []
    own.now = 61
    own.connector.import_new()
    assert own.conditions() == {ConditionCode.OUTBOX_STUCK: "0 of 1 files are whole"}
    own.run("INSERT INTO doc_file VALUES (7, 1, 'หนังสือ.pdf', '2569\\a.pdf')")
    own.connector.import_new()
    assert own.rows("SELECT st, err FROM doc") == [{"st": 3, "err": None}]
    assert own.conditions() == {}
    (row,) = world.sent()
    letter = read(open_envelope(row.document).root)
    assert isinstance(letter, Letter)
    assert (letter.speed, letter.receivers[0].agency, letter.date.isoformat()) == ("002", SOC, "2026-11-22")
    assert row.reference == "sql:7"


NO_NUMBERS = st.text(min_size=1).filter(lambda drawn: not any(map(str.isdecimal, drawn))) | st.sampled_from(
    [float("inf"), float("-inf"), 1e300, 2**63 - 1, -1, "9" * 5000, "1.5", b"\xff"]
)
SAYS_NOTHING = st.sampled_from([None, ""])
COUNTS = st.lists(
    st.tuples(NO_NUMBERS, SAYS_NOTHING | st.just("๑")).flatmap(st.permutations), min_size=1, max_size=3
)


@pytest.fixture
def counting(world: World) -> Tables:
    """An office whose counts are columns of any type."""
    doc = OWN[0].replace("files INTEGER", "files, recipient_count")
    tables = {"outbox": "doc", "outbox_files": "doc_file", "outbox_recipients": "doc_to"}
    tables |= dict.fromkeys(("acts", "inbox", "inbox_files", "events"), "")
    columns = OWN_COLUMNS | {"outbox_recipients": {"letter": "doc_id", "agency": "who"}}
    folder = world.folder / "scans"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(PDF)
    settings: dict[str, Any] = {
        "columns": columns,
        "codes": OWN_CODES,
        "files_folder": folder,
        "patience": 60,
    }
    return Tables(
        world, doc, OWN[3], "CREATE TABLE doc_to (doc_id INTEGER, who TEXT)", tables=tables, **settings
    )


@given(wrong=COUNTS, nothing=SAYS_NOTHING)
@example(wrong=[["many", None]], nothing=None)
@example(wrong=[[None, "many"]], nothing="")
@example(wrong=[[float("inf"), ""], ["9" * 5000, None], [None, "๙" * 5000]], nothing=None)
@examples(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_count_that_is_no_number_or_never_reached_delays_that_row_alone_and_is_told(
    world: World, counting: Tables, wrong: list[list[Any]], nothing: Any
) -> None:
    counting.run("DELETE FROM doc")
    (last,) = counting.rows("SELECT coalesce(max(doc_id), 0) AS id FROM doc_file")
    rows = {last["id"] + n: counts for n, counts in enumerate([*wrong, [nothing, nothing]], 1)}
    for key, (files, recipients) in rows.items():
        counting.run("INSERT INTO doc_file VALUES (:id, 1, 'หนังสือ.pdf', 'a.pdf')", id=key)
        counting.run("INSERT INTO doc_to VALUES (:id, '0101')", id=key)
        counting.run(
            "INSERT INTO doc (doc_id, st, title, dated, urgent, files, recipient_count) "
            "VALUES (:id, 1, 'ขอเชิญประชุม', '2026-11-22', 'ด่วน', :files, :recipients)",
            id=key,
            files=files,
            recipients=recipients,
        )
    counting.connector.import_new()
    states = {each["doc_id"]: each["st"] for each in counting.rows("SELECT doc_id, st FROM doc")}
    *waiting, good = rows
    assert states == dict.fromkeys(waiting, 1) | {good: 3}
    assert world.mailbox.conditions.all() == []
    counting.now += 61
    counting.connector.import_new()
    told = {each.finding.about: each.finding for each in world.mailbox.conditions.all()}
    assert set(told) == {f"doc {key}" for key in waiting}
    for each in told.values():
        assert each.code is ConditionCode.OUTBOX_STUCK
        assert "จาก" in each.detail_th
        assert " of " in each.detail_en
        assert len(each.detail_en) < 400
    counting.run("UPDATE doc SET files = 1, recipient_count = '๑'")
    counting.connector.import_new()
    assert {each["st"] for each in counting.rows("SELECT st FROM doc")} == {3}
    assert world.mailbox.conditions.all() == []


@pytest.mark.parametrize("place", ["../../etc/x.pdf", "2569/../../own.db", "/2569/none.pdf", "link.pdf", ""])
def test_a_path_leads_nowhere_else_and_every_mistake_is_told(world: World, own: Tables, place: str) -> None:
    (world.folder / "scans" / "link.pdf").symlink_to(world.folder / "own.db")
    own.run(INSERT, id=7, urgent="เร็วมาก")
    own.run("INSERT INTO doc_file VALUES (7, 1, 'หนังสือ.pdf', :place)", place=place)
    own.connector.import_new()
    (row,) = own.rows("SELECT st, err FROM doc")
    assert row["st"] == 9
    assert "files" in row["err"]
    assert "speed" in row["err"]
    assert world.sent() == []
    assert ConditionCode.SQL_UNMAPPED in own.conditions()
    own.run("UPDATE doc SET urgent = 'ด่วน', st = 1", "UPDATE doc_file SET place = '2569/a.pdf'")
    own.connector.import_new()
    assert own.rows("SELECT st, err FROM doc") == [{"st": 3, "err": None}]


def test_a_reason_that_the_offices_column_cannot_hold_is_told_by_status(world: World) -> None:
    narrow = OWN[0].replace("err TEXT", "err VARCHAR(40)")
    tables = {
        "outbox": "doc",
        "outbox_files": "doc_file",
        "acts": "",
        "inbox": "",
        "inbox_files": "",
        "events": "",
    }
    office = Tables(world, narrow, OWN[3], tables=tables, columns=OWN_COLUMNS, codes=OWN_CODES)
    office.run(INSERT.replace("'ขอเชิญประชุม'", "''"), id=7, urgent="ด่วน")
    office.run("INSERT INTO doc_file VALUES (7, 1, 'x.exe', 'x')")
    office.connector.import_new()
    assert office.rows("SELECT st, err FROM doc") == [{"st": 9, "err": "saraban-adapter status"}]
    assert "subject" in office.conditions()[ConditionCode.OUTBOX_STUCK]


def test_a_column_that_is_named_and_not_there_is_said_and_nothing_is_taken(world: World) -> None:
    tables = {"outbox": "v_out", "outbox_files": "doc_file"}
    office = Tables(world, *OWN, tables=tables, columns={"outbox": {"key": "no"}})
    with pytest.raises(Transient, match="not as the settings say"):
        office.connector.import_new()
    assert office.conditions() == {ConditionCode.SQL_UNFIT: "there is no such column, or no right to it"}


def test_a_database_that_is_away_is_a_condition_and_taken_up_when_it_is_back(world: World) -> None:
    office = Tables(world, *INBOX, tables=NO_OUTBOX)
    world.receive({"หนังสือ.pdf": PDF})
    file = Path(str(world.folder)) / "own.db"
    file.rename(file.with_suffix(".away"))
    file.mkdir()
    with pytest.raises(Transient):
        office.connector.export_news()
    assert ConditionCode.SQL_AWAY in office.conditions()
    assert world.mailbox.conditions.stopping() == [ConditionCode.SQL_AWAY]
    file.rmdir()
    file.with_suffix(".away").rename(file)
    assert office.connector.export_news() == 1
    assert office.conditions() == {}


async def test_the_door_is_open_while_the_adapter_runs_and_its_connections_end_with_it(
    world: World, own: Tables
) -> None:
    own.run(INSERT, id=7, urgent="ด่วน")
    own.run("INSERT INTO doc_file VALUES (7, 1, 'หนังสือ.pdf', '2569/a.pdf')")
    loop, taken, stop = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def put(_: frozenset[str]) -> None:
        loop.call_soon_threadsafe(taken.set)

    world.mailbox.listen(put)
    door = SqlDoor(world.mailbox, own.settings)
    running = asyncio.create_task(door.run(stop))
    async with asyncio.timeout(60):
        await taken.wait()
        stop.set()
        await running
    assert [row.reference for row in world.sent()] == ["sql:7"]
    assert own.rows("SELECT st FROM doc") == [{"st": 3}]


def test_a_database_file_that_is_not_there_is_not_made(world: World) -> None:
    settings = Settings(enabled=True, url=f"sqlite:///{world.folder}/none.db")
    with pytest.raises(Transient):
        SqlConnector(world.mailbox, settings).import_new()
    assert not (world.folder / "none.db").exists()


# ── others at the same tables ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [PostgresOffice, MariaDbOffice])
def test_a_row_that_somebody_has_locked_is_passed_over_and_not_waited_for(
    world: World, request: pytest.FixtureRequest, kind: type[SqlOffice]
) -> None:
    office = kind(world.mailbox, world.folder / "mailbox", kind.url(world.folder, request))
    world.doors.append(office)
    office.put_half(VALUES, FILES)
    office.put_half(VALUES | {"reference": "2"}, FILES)
    table = office.tables["outbox"]
    with office.engine.begin() as lock:
        first = (
            lock.execute(table.select().order_by(table.c.letter_key).limit(1).with_for_update())
            .mappings()
            .one()
        )
        with office.engine.begin() as others:
            files = office.tables["outbox_files"]
            for row in others.execute(files.select()).mappings().all():
                values = dict(row) | {"file_position": 9, "file_name": "more.pdf"}
                others.execute(files.insert().values(values))
        office.go_on()
        assert [row.reference for row in world.sent()] != []
        assert first["reference"] not in [row.reference for row in world.sent()]
    office.go_on()
    assert len(world.sent()) == 2


def test_what_another_adapter_has_claimed_is_left_to_it(world: World, tmp_path: Path) -> None:
    url = SqlOffice.url(tmp_path / "shared", None)  # type: ignore[arg-type]
    office = SqlOffice(world.mailbox, world.folder / "mailbox", url)
    world.doors.append(office)
    with office.dying_at("sql.after-claim"):
        office.put(VALUES, FILES)
    with Mailbox(tmp_path / "another", OCS) as mailbox:
        another = SqlConnector(mailbox, office.settings)
        another.import_new()
        assert mailbox.outbox.letters() == []
    office.go_on()
    assert len(world.sent()) == 1


def test_an_answer_that_comes_while_its_row_is_still_claimed_is_told_once_that_is_concluded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = SqlOffice(world.mailbox, world.folder / "mailbox", {"url": f"sqlite:///{world.folder}/own.db"})
    world.doors.append(office)
    exporter = SqlConnector(world.mailbox, office.settings)
    told: list[str] = []

    def answered(name: str, *_: object) -> None:
        if name == "sql.before-conclude" and not told:
            told.append(name)
            world.accept((SOC,))
            exporter.export_news()
            assert [office.row("outbox", key)["status"] for key in office.written()] == ["claimed"]

    monkeypatch.setattr(claiming, "reached", answered)
    office.put(VALUES, FILES)
    exporter.close()
    assert told
    due_now(world.mailbox)
    office.go_on()
    (key,) = office.written()
    assert office.row("outbox", key)["status"] == "accepted"
    assert [each["event"] for each in office.events()] == ["accepted"]
    assert world.mailbox.conditions.all() == []


# ── the office's server dies ────────────────────────────────────────────────────────────────────────

STEPS = [
    (claiming, "sql.after-claim"),
    (importing, "sql.before-put"),
    (importing, "sql.after-put"),
    (claiming, "sql.before-conclude"),
    (claiming, "sql.after-conclude"),
    (exporting, "sql.before-write"),
    (exporting, "sql.after-write"),
]


@pytest.fixture
def mariadb(world: World, request: pytest.FixtureRequest) -> Iterator[MariaDbOffice]:
    """An office whose server may be killed; it runs again afterwards."""
    server: MariaDb = request.getfixturevalue("mariadb_server")
    office = MariaDbOffice(world.mailbox, world.folder / "mailbox", MariaDbOffice.url(world.folder, request))
    world.doors.append(office)
    yield office
    server.start()


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
def test_nothing_is_lost_or_doubled_when_the_offices_server_is_killed_at(
    world: World,
    mariadb: MariaDbOffice,
    mariadb_server: MariaDb,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
) -> None:
    killed: list[str] = []
    signed = world.receive(FILES)

    def dies(name: str, *_: object) -> None:
        if name == step and not killed:
            killed.append(name)
            mariadb_server.end()

    monkeypatch.setattr(module, "reached", dies)
    _in_spite_of_it(lambda: mariadb.put(VALUES, FILES))
    _in_spite_of_it(mariadb.letters)
    assert killed == [step]
    mariadb_server.start()
    mariadb.go_on()
    assert len(world.sent()) == 1
    assert [each.raw for each in mariadb.letters()] == [signed.raw]
    world.accept((SOC,))
    mariadb.go_on()
    assert [each["event"] for each in mariadb.events()] == ["accepted"]
    assert [row["status"] for row in (mariadb.row("outbox", key) for key in mariadb.written())] == [
        "accepted"
    ]


def _in_spite_of_it(work: Callable[[], object]) -> None:
    """Do it; the office's own program, or the door, may meet with a server that is away."""
    with suppress(Transient, OperationalError, InterfaceError):
        work()
