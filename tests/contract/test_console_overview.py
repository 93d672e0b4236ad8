"""The overview: every agency with its troubles, the worst first, out of readings whose cost knows no agencies."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from bus.console.history import History
from bus.console.pages.lengths import lengths
from bus.console.readings import Readings, _with_rests
from bus.documents.lifecycle import Deadline
from bus.documents.notice import Event, Registration
from bus.identifiers import AgencyCode
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.pages.entering import REFRESH_HEADER, cookie_name
from bus.settings.bus import BusSettings
from bus.thai import now
from bus.views.silence import Silence
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import Console, console_over
from tests.contract.test_question_plans import asked, whole_tables_read
from tests.contract.watched import Watched, overdue, watch
from tests.fixtures.broker import Vhost
from tests.unit.adapter.network import until

NOWHERE: dict[str, Any] = {"broker": {"management_url": "http://127.0.0.1:9", "monitor_password": "none"}}
"""Settings with a broker that is not there."""


@pytest.fixture(scope="module")
def looked(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Console, Watched]]:
    folder = tmp_path_factory.mktemp("watched")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        watched = watch(ledger, folder)
        with console_over(ledger, folder, **NOWHERE) as console:
            console.site.readings.look()
            yield console, watched


def at_broker(vhost: Vhost) -> dict[str, Any]:
    """Settings for the broker of a test, as the user that only looks."""
    address = f"http://{vhost.node.management_url.rpartition('@')[2]}"
    password = vhost.passwords.of("bus.monitor")
    return {"broker": {"vhost": vhost.name, "management_url": address, "monitor_password": password}}


def rows_of(value: Any) -> dict[str, Any]:
    return {row["code"]: row for row in value["agencies"]}


def test_a_broker_that_is_away_is_told_of_and_the_ledgers_part_is_there(
    looked: tuple[Console, Watched],
) -> None:
    console, _ = looked
    value = console.visited_by(Role.OPERATOR).json("/overview")
    (away,) = value["away"]
    assert (away["what"], away["name"]) == ("broker", "main")
    assert away["since"] <= value["asOf"]
    rows = rows_of(value)
    assert set(rows) == {OPM, OCS, SOC, DGA}, "a unit without an inbox has no row"
    assert (rows[DGA]["overdue"], rows[SOC]["overdue"], rows[OCS]["overdue"]) == (2, 1, 0)
    assert rows[SOC]["waiting"] is None
    assert "not-asked" in rows[SOC]["trouble"]
    assert rows[OPM]["lastSuccess"] < rows[OPM]["lastHeard"], "the last one that it sent was refused"
    assert rows[OCS]["lastSuccess"] == rows[OCS]["lastHeard"]
    assert value["totals"]["overdue"] == 3
    since = away["since"]
    console.site.readings.look()
    assert console.visited_by(Role.OPERATOR).json("/overview")["away"][0]["since"] == since


def test_the_worst_is_first_and_the_page_says_it_in_both_languages(looked: tuple[Console, Watched]) -> None:
    console, _ = looked
    visitor = console.visited_by(Role.OPERATOR)
    codes = [row["code"] for row in visitor.json("/overview")["agencies"]]
    assert set(codes[:2]) == {SOC, DGA}, "both are overdue"
    thai, english = visitor.get("/overview?lang=th").text, visitor.get("/overview?lang=en").text
    assert "สอบถามกลุ่มเซิร์ฟเวอร์ main ไม่ได้" in thai
    assert "Broker cluster main could not be asked" in english
    assert "พ้นกำหนด" in thai
    assert f'href="/agencies/{DGA}"' in thai
    assert "นร 0105" not in thai, "no number, and no subject"


def test_filters_count_beside_each_other_and_unknown_ones_are_refused(
    looked: tuple[Console, Watched],
) -> None:
    visitor = looked[0].visited_by(Role.OPERATOR)
    value = visitor.json("/overview")
    assert value["choices"]["state"] == {"active": 3, "suspended": 1}
    assert value["choices"]["trouble"]["overdue"] == 2
    both = visitor.json("/overview?trouble=overdue&state=suspended")
    assert list(rows_of(both)) == [SOC]
    assert both["choices"]["state"] == {"active": 1, "suspended": 1}, "of those that are overdue"
    assert set(rows_of(visitor.json("/overview?name=1100800000"))) == {DGA}
    assert visitor.json("/overview?name=nobody")["found"] == 0
    for wrong in (
        "trouble=bad",
        "state=away",
        "cluster=x",
        "sort=code",
        "after=1",
        "state=active&state=active",
    ):
        assert visitor.get(f"/overview?{wrong}").status_code == 400, wrong


def test_pages_go_on_behind_the_last_row(
    looked: tuple[Console, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.console.pages.overview.MOST", 3)
    visitor = looked[0].visited_by(Role.OPERATOR)
    first = visitor.json("/overview")
    assert (len(first["agencies"]), first["found"]) == (3, 4)
    second = visitor.client.get("/overview.json", params={"after": first["next"]}).json()
    assert (len(second["agencies"]), second["next"]) == (1, None)
    assert set(rows_of(first)) | set(rows_of(second)) == {OPM, OCS, SOC, DGA}
    everything = visitor.get("/overview.csv").content.decode("utf-8-sig")
    assert len([row for row in csv.reader(io.StringIO(everything)) if row and row[0].startswith("'0")]) >= 3


def test_refreshing_by_itself_keeps_nobody_signed_in_and_can_be_paused(
    looked: tuple[Console, Watched],
) -> None:
    console, _ = looked
    visitor = console.visited_by(Role.OPERATOR)
    assert 'hx-trigger="every 15s"' in visitor.get("/overview").text
    paused = visitor.get("/overview?refresh=off").text
    assert "hx-trigger" not in paused
    token = visitor.client.cookies[cookie_name(console.site)]
    long = timedelta(hours=1)

    def seen_at() -> object:
        session = console.site.store.session(token, idle=long, longest=long, by_itself=True)
        assert session is not None
        return session.seen_at

    with console.site.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE page_sessions SET seen_at = '2026-01-01T00:00:00.000000+07:00'")
    assert visitor.client.get("/overview", headers={REFRESH_HEADER: "1"}).status_code == 401, "idle for long"
    other = console.visited_by(Role.OPERATOR)
    token = other.client.cookies[cookie_name(console.site)]
    ten = (now() - timedelta(minutes=10)).isoformat(timespec="microseconds")
    with console.site.store.transaction() as connection:
        connection.exec_driver_sql("UPDATE page_sessions SET seen_at = ?", (ten,))
    before = seen_at()
    assert other.client.get("/overview", headers={REFRESH_HEADER: "1"}).status_code == 200
    assert seen_at() == before
    assert other.client.get("/overview").status_code == 200
    assert seen_at() != before


async def test_what_the_broker_has_is_beside_what_the_ledger_has(
    vhost: Vhost, sqlite_template: Path, tmp_path: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    vhost.apply([OPM, OCS, DGA])
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        watch(ledger, tmp_path)
        with console_over(ledger, tmp_path, **at_broker(vhost)) as console:
            readings = console.site.readings
            for number in range(3):
                body = {
                    "routing_key": DGA,
                    "payload": f"{number}",
                    "payload_encoding": "string",
                    "properties": {},
                }
                vhost.management.post("exchanges", vhost.name, "deliver", "publish", body=body)

            def waiting() -> Any:
                readings.look()
                assert readings.newest is not None
                return readings.newest.by_code[DGA]["waiting"] == 3

            await until(waiting)
            visitor = console.visited_by(Role.OPERATOR)
            value = visitor.json("/overview")
            rows = rows_of(value)
            assert value["away"] == []
            assert [row["code"] for row in value["agencies"]][:2] == [SOC, DGA]
            assert rows[SOC]["trouble"] == ["no-queue", "suspended", "overdue"]
            assert rows[DGA]["trouble"] == ["no-adapter-waiting", "overdue"]
            assert rows[DGA]["oldestWaiting"] is not None
            assert rows[OCS]["trouble"] == ["no-adapter-waiting"], "the directory is on its way to it"
            system = visitor.json("/system")
            assert {one["says"] for part in system["parts"] for one in part["states"]} >= {"intake-unread"}
            page = visitor.get(f"/agencies/{DGA}?lang=en").text
            assert "No adapter is connected, at least since" in page
            assert "<polyline" in page or "<circle" in page


@contextmanager
def statements(ledger: Ledger) -> Iterator[list[str]]:
    """Collect what the database is asked."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    event.listen(ledger.engine, "before_cursor_execute", note)
    yield found
    event.remove(ledger.engine, "before_cursor_execute", note)


def test_a_directory_of_old_that_cannot_be_read_keeps_nobody_from_looking(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.Router(ledger).activate(rig.directory())
    readings, asked = Readings(ledger, BusSettings(**NOWHERE)), []

    def unreadable(*_: Any) -> Any:
        asked.append(1)
        raise ValueError("no JSON")

    monkeypatch.setattr("bus.views.names.names_of", unreadable)
    readings.look()
    assert asked
    assert readings.newest is not None
    assert (len(readings.newest.rows), readings.newest.names) == (4, None)


def test_a_reading_rests_after_each_hundred_agencies_and_leaves_none_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []
    monkeypatch.setattr("bus.console.readings.time.sleep", rests.append)
    some: list[Any] = list(range(250))
    assert list(_with_rests(some)) == some
    assert len(rests) == 2


def test_the_number_of_questions_knows_no_agencies(ledger: Ledger, tmp_path: Path) -> None:
    router = rig.Router(ledger)
    router.activate(rig.directory())
    readings = Readings(ledger, BusSettings(**NOWHERE))
    readings.look()
    with statements(ledger) as few:
        readings.look()
    many = {
        f"A{number}": rig.agency(AgencyCode(f"{20000 + number:05}00000"), *[rig.agency(OPM).certificates[0]])
        for number in range(300)
    }
    router.activate(rig.directory(2, **many))
    readings.look()
    assert readings.newest is not None
    assert len(readings.newest.rows) == 304
    with statements(ledger) as more:
        readings.look()
    assert len(more) == len(few)
    assert len(more) < 40


def test_no_page_and_no_reading_goes_through_a_whole_table(looked: tuple[Console, Watched]) -> None:
    console, watched = looked
    ledger, visitor = console.site.ledger, console.visited_by(Role.OPERATOR)
    with asked(ledger) as questions:
        console.site.readings.look()
        for path in (
            "/overview",
            f"/agencies/{DGA}",
            f"/agencies/{SOC}",
            f"/timelines/{watched.letter}",
            f"/timelines/{watched.letter}?agency={OCS}",
            f"/parked?agency={OPM}",
            f"/parked/{watched.parked}",
            f"/overdue?agency={DGA}",
            "/system",
        ):
            assert visitor.get(path).status_code == 200, path
    assert len(questions) > 30
    assert whole_tables_read(ledger, questions) == []


def test_figures_of_all_are_those_of_each(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.ledger.agencies._TOGETHER", 3)
    watch(ledger, tmp_path)
    with ledger.append() as writer:
        rig.in_ledger(writer, to=(OCS, DGA), on_hold=(DGA,), number="นร 0105/9")
    with ledger.read() as reader:
        portions = list(reader.agencies.everybody([OPM, OCS, SOC, DGA]))
        everybody = {code: one for some in portions for code, one in some.items()}
        assert [len(some) for some in portions] == [3, 1]
        for code, found in everybody.items():
            alone = reader.agencies.activity(AgencyCode(code))
            alike = replace(alone, last_receipt=None, last_accepted=None, next_attempt=None)
            assert replace(found, last_accepted=None, next_attempt=None) == alike
        numbers = {code: one.last_consignment for code, one in everybody.items() if one.last_consignment}
        given = reader.agencies.given_each(numbers)
        assert given == {code: reader.agencies.given_at(code, number) for code, number in numbers.items()}
        assert everybody[DGA].on_hold == 1


def test_who_answers_is_silent_no_longer(ledger: Ledger, tmp_path: Path) -> None:
    watched = watch(ledger, tmp_path)
    lived, silence = watched.lived, Silence()

    def silent() -> dict[tuple[str, int], set[str]]:
        with ledger.read() as reader:
            silence.follow(reader)
        return {(one.deadline, one.letter): set(one.silent) for one in silence.all()}

    registration, receipt = (Deadline.REGISTRATION, watched.letter), (Deadline.RECEIPT, watched.letter)
    assert silent() == {registration: {SOC, DGA}, receipt: {DGA}}
    assert [one.deadline for one in silence.all()] == [Deadline.RECEIPT, Deadline.REGISTRATION]
    lived.router.activate(replace(rig.directory(3), follows=2))
    lived.say(Event.HANDOVER_FAILED, DGA, reason_code=None)
    assert silent() == {registration: {SOC}}, "nobody waits for what cannot be delivered"
    lived.say(Event.DELIVERED, DGA)
    assert silent() == {registration: {SOC, DGA}}, "it was, after all"
    lived.say(
        Event.REGISTERED,
        SOC,
        registration=Registration(number="๙", registered_at=now(), year=2569, officer="ตัวอย่าง"),
    )
    assert silent() == {registration: {DGA}}
    with ledger.read() as reader:
        anew = Silence()
        anew.follow(reader)
    assert [one.silent for one in anew.all()] == [{DGA}], "as who begins only now finds it"
    other = overdue(ledger, watched.letter, Deadline.RECEIPT, [SOC], hours=1)
    assert silent()[receipt] == {SOC}
    with ledger.read() as reader:
        newest = Silence(most=1)
        newest.follow(reader)
    assert [one.entry for one in newest.all()] == [other]
    assert newest.shortened


def test_a_minute_is_kept_once_and_what_is_not_known_is_a_gap() -> None:
    history = History(minutes=3)
    row = {"code": "1", "waiting": 5, "pending": 1, "onHold": 1, "consumers": 0}
    for minute, away in ((1, ()), (1, ()), (2, ("main",)), (3, ()), (4, ())):
        history.note(f"2026-11-27T10:0{minute}:30", [row, {**row, "code": "2", "waiting": minute}], away)
    assert [(point.waiting, point.pending) for point in history.of("1", "main")] == [
        (None, 2),
        (5, 2),
        (5, 2),
    ]
    assert [point.waiting for point in history.of("2", "main")] == [None, 3, 4]
    assert [point.waiting for point in history.of("3", "main")] == [None, 0, 0]
    assert history.without_adapter_since("1") == "2026-11-27T10:01:30"
    history.note("2026-11-27T10:05:30", [{**row, "consumers": 1}], ())
    assert history.without_adapter_since("1") is None


def test_lengths_are_said_in_two_units() -> None:
    say = lengths("en")
    assert [say(each) for each in (None, 0, 59, 61, 3600, 93_784)] == [
        "–",
        "0 s",
        "59 s",
        "1 min 1 s",
        "1 h",
        "1 d 2 h",
    ]
    assert lengths("th")(7_260) == "2 ชม. 1 นาที"
