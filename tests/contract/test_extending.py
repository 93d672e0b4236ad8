"""Letters accepted before a holiday was announced: whose due times move, by which entries, and what sees it."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bus.calendar import Calendar, Holiday
from bus.codes import load_codes
from bus.documents.letter import Receiver
from bus.documents.lifecycle import Deadline
from bus.documents.signing import sign
from bus.errors import Misconfigured
from bus.identifiers import MAIN, AgencyCode
from bus.ledger import extending
from bus.ledger.database import reading
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.extending import affected, extend, extended_by
from bus.ledger.group import GroupCommit
from bus.ledger.rebuilding import rebuild
from bus.ledger.state import accepted, fold
from bus.ledger.store import Ledger, Writer
from bus.ledger.tables import due
from bus.ledger.transitions import violation_of
from bus.router.activation import activate_calendar
from bus.router.answers import Answers
from bus.router.deadlines import Deadlines
from bus.thai import now
from bus.verifier.findings import Broken
from bus.verifier.transitions import outcomes_of, require_permitted
from tests.assets import factory, strategies
from tests.assets.factory import DAY, DGA, NOW, OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.test_bus_cli import Shell, bare, shell
from tests.project import ROOT

__all__ = ["bare", "shell"]
RECIPIENTS = (OCS, SOC, DGA)


def announced(calendar: Calendar, *days: dt.date, version: int = 2) -> Calendar:
    """The same calendar with more holidays."""
    more = {day: Holiday(day=day, name_th="วันหยุดพิเศษ", name_en="special holiday") for day in days}
    return replace(calendar, version=version, holidays={**calendar.holidays, **more})


def next_days(count: int) -> tuple[dt.date, ...]:
    """Today and the days after it: holidays that make every due time later."""
    return tuple(NOW.date() + dt.timedelta(days=n) for n in range(count))


def accept(
    writer: Writer, calendar: Calendar, *to: AgencyCode, received: dt.datetime = NOW, speed: str = "001"
) -> int:
    """Put a letter into the ledger with the due times that this calendar gives."""
    own = {code: timestamp(calendar.registration_due(speed, received, code)) for code in to}
    general = timestamp(calendar.registration_due(speed, received, None))
    later: dict[str, str] = {code: at for code, at in own.items() if at != general}
    return rig.in_ledger(writer, to=to, due=general, later=later, received=received)


def registers(writer: Writer, letter: int, code: AgencyCode) -> None:
    """Enter that a clerk has registered the letter."""
    writer.entry(
        Kind.NOTICE,
        agency=code,
        letter=letter,
        noticeId=str(uuid4()),
        event="registered",
        digest="cd" * 32,
        about=[code],
        number="๑",
        document=b"<Notice/>",
    )


def apply(ledger: Ledger, calendar: Calendar) -> tuple[int, int]:
    """Put a calendar in force with what it extends; how many letters, and how many agencies."""
    entry = activate_calendar(ledger, calendar, operator=by("somying"))
    found = list(extend(ledger, calendar, entry, operator=by("somying")))
    return sum(len(one.letters) for one in found), len(frozenset().union(*(one.agencies for one in found)))


def rows(ledger: Ledger) -> list[tuple[Any, ...]]:
    """The deadlines that are to be judged."""
    with reading(ledger.engine) as connection:
        columns = due.c.letter, due.c.deadline, due.c.at
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns))]


def times(ledger: Ledger, letter: int) -> dict[AgencyCode, str | None]:
    with ledger.read() as reader:
        return {code: one.registration_due for code, one in reader.state_of(letter).recipients.items()}


def test_an_announced_holiday_makes_the_registrations_of_those_who_still_owe_them_due_later(
    ledger: Ledger,
) -> None:
    before = rig.calendar()
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        open_one, answered = accept(writer, before, *RECIPIENTS), accept(writer, before, OCS)
        registers(writer, answered, OCS)
        registers(writer, open_one, OCS)
    frozen, after = times(ledger, open_one)[OCS], announced(before, *next_days(30))
    with reading(ledger.engine) as connection:
        (expected,) = affected(connection, after)
    assert (expected.looked_at, list(expected.letters), set(expected.agencies)) == (2, [open_one], {SOC, DGA})
    assert rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED) == []
    assert apply(ledger, after) == (1, 2)
    (entry,) = rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED)
    until = timestamp(after.registration_due("001", NOW, None))
    assert {key: entry[key] for key in ("letter", "deadline", "calendar", "operator")} == {
        "letter": open_one,
        "deadline": "registration",
        "calendar": 2,
        "operator": "somying",
    }
    assert entry["extended"] == [{"was": frozen, "due": until, "recipients": [SOC, DGA]}]
    assert times(ledger, open_one) == {OCS: frozen, SOC: until, DGA: until}
    assert {at for letter, name, at in rows(ledger) if (letter, name) == (open_one, "registration")} == {
        frozen,  # that of OCS, who has answered: nobody is silent then
        until,
    }
    assert {at for letter, name, at in rows(ledger) if (letter, name) == (answered, "registration")} == {
        frozen
    }


def test_nobody_is_left_at_the_old_time_and_receipts_do_not_move(ledger: Ledger) -> None:
    before = rig.calendar()
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        letter = accept(writer, before, *RECIPIENTS)
    receipts = [row for row in rows(ledger) if row[1] == "receipt"]
    after = announced(before, *next_days(30))
    assert apply(ledger, after) == (1, 3)
    until = timestamp(after.registration_due("001", NOW, None))
    assert rows(ledger) == [*receipts, (letter, "registration", until)]


def test_a_calendar_that_gives_an_earlier_time_moves_nothing(ledger: Ledger, tmp_path: Path) -> None:
    holidays = announced(rig.calendar(), *next_days(30), version=1)
    activate_calendar(ledger, holidays, operator=by("somying"))
    with ledger.append() as writer:
        letter = accept(writer, holidays, OCS)
    frozen = times(ledger, letter)
    assert apply(ledger, replace(rig.calendar(), version=2)) == (0, 0)
    assert times(ledger, letter) == frozen
    assert verified(ledger, tmp_path) == []


def test_a_closure_that_is_announced_later_moves_the_time_of_its_agency_alone(ledger: Ledger) -> None:
    before = rig.calendar()
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        letter = accept(writer, before, OCS, SOC)
    frozen = times(ledger, letter)[OCS]
    assert apply(ledger, rig.calendar_with_closure(SOC)) == (1, 1)
    moved = times(ledger, letter)
    assert moved[OCS] == frozen
    assert (moved[SOC] or "") > (frozen or "")
    assert {at for _, name, at in rows(ledger) if name == "registration"} == set(moved.values())


def test_a_letter_that_asks_for_no_registration_and_one_accepted_afterwards_are_not_concerned(
    ledger: Ledger,
) -> None:
    router = rig.Router(ledger)
    router.activate(rig.directory())
    activate_calendar(ledger, rig.calendar(), operator=by("somying"))
    receipt = factory.letter(acknowledgement="receipt", receivers=(Receiver(agency=SOC),))
    assert router.take(rig.delivery(sign(receipt, factory.seal(OPM)).raw)).outcome == "accepted"
    after = announced(rig.calendar(), *next_days(30))
    entry = activate_calendar(ledger, after, operator=by("somying"))
    router.calendar = after
    letter = factory.letter(receivers=(Receiver(agency=SOC),))
    assert router.take(rig.delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"
    assert [one.letters for one in extend(ledger, after, entry, operator=by("somying"))] == []


def test_another_version_put_in_force_meanwhile_ends_the_extension_of_the_older_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extending, "_AT_ONCE", 1)
    before = rig.calendar()
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        for _ in range(2):
            accept(writer, before, OCS)
    after = announced(before, *next_days(30))
    running = extend(
        ledger, after, activate_calendar(ledger, after, operator=by("somying")), operator=by("somying")
    )
    next(running)
    activate_calendar(ledger, replace(after, version=3), operator=by("somchai"))
    with pytest.raises(Misconfigured, match="version 2 is not in force any more"):
        next(running)
    assert len(rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED)) == 1


def test_what_was_interrupted_between_two_portions_goes_on_with_what_is_left(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extending, "_AT_ONCE", 2)
    before = rig.calendar()
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        letters = [accept(writer, before, OCS) for _ in range(5)]
    after = announced(before, *next_days(30))
    entry = activate_calendar(ledger, after, operator=by("somying"))
    next(extend(ledger, after, entry, operator=by("somying")))
    assert [one["letter"] for one in rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED)] == letters[:2]
    assert apply(ledger, after) == (3, 1)
    assert [one["letter"] for one in rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED)] == letters
    assert apply(ledger, after) == (0, 0)
    assert verified(ledger, tmp_path) == []


def verified(ledger: Ledger, folder: Path) -> list[str]:
    """What a verification finds, without the signatures that letters of the rig do not have."""
    return rig.verified(ledger, folder, signatures=False)


# ---- a router that was about to judge ------------------------------------------------------------------------------


class _SeenEmpty:
    """An intake that is empty whenever it is asked about."""

    def of(self, _: AgencyCode) -> dt.datetime:
        return now()


@pytest.fixture
def deadlines(ledger: Ledger) -> Iterator[Deadlines]:
    appends = GroupCommit(ledger)
    yield Deadlines(
        watermarks={MAIN: cast(Any, _SeenEmpty())},
        directory=rig.directory,
        ledger=ledger,
        appends=appends,
        answers=Answers(factory.seal("bus"), load_codes()),
        router="router-1",
        publish=lambda _: None,
        settle=dt.timedelta(0),
    )
    appends.close()


def judge(deadlines: Deadlines, ledger: Ledger, *, meanwhile: Any = None) -> None:
    """Judge what has passed by now; `meanwhile` happens between a router's look and its entry."""
    found = [one for one in deadlines._look(now())[1] if one.deadline is Deadline.REGISTRATION]
    words = [(*one[:4], deadlines._notice(*one)) for one in found]
    if meanwhile:
        meanwhile()
    for word in words:
        with ledger.append() as writer:
            deadlines._record(*word, writer)


def test_a_router_that_was_about_to_record_the_old_deadline_records_nothing(
    ledger: Ledger, deadlines: Deadlines, tmp_path: Path
) -> None:
    received, before = NOW - 60 * DAY, replace(rig.calendar(), closures=())
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        letter = accept(writer, before, SOC, OCS, received=received)
    frozen = times(ledger, letter)[OCS] or ""
    days = (received.date() + dt.timedelta(days=n) for n in range(20))
    after = announced(before, *days)
    judge(deadlines, ledger, meanwhile=lambda: apply(ledger, after))
    assert rig.entries_of_kind(ledger, Kind.OVERDUE) == []
    until = timestamp(after.registration_due("001", received, None))
    assert [at for _, name, at in rows(ledger) if name == "registration"] == [until]
    with ledger.append() as writer:
        assert not writer.deadline_done(letter, "registration", frozen)
    judge(deadlines, ledger)
    (overdue,) = rig.entries_of_kind(ledger, Kind.OVERDUE)
    assert (overdue["letter"], overdue["due"], overdue["silent"]) == (letter, until, [SOC, OCS])
    assert verified(ledger, tmp_path) == []


def test_without_an_extension_who_is_silent_at_the_frozen_time_is_called_so(
    ledger: Ledger, deadlines: Deadlines
) -> None:
    received, before = NOW - 60 * DAY, rig.calendar()
    activate_calendar(ledger, before, operator=by("somying"))
    with ledger.append() as writer:
        letter = accept(writer, before, OCS, received=received)
    frozen = times(ledger, letter)[OCS]
    after = announced(before, *(received.date() + dt.timedelta(days=n) for n in range(20)))
    activate_calendar(ledger, after, operator=by("somying"))
    judge(deadlines, ledger)
    (overdue,) = rig.entries_of_kind(ledger, Kind.OVERDUE)
    assert (overdue["due"], overdue["silent"]) == (frozen, [OCS])
    assert apply(ledger, after) == (0, 0), "what was recorded stays recorded"


# ---- whatever happens ----------------------------------------------------------------------------------------------

BEGIN = NOW - 120 * DAY
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("letter"), st.sets(st.sampled_from(RECIPIENTS), min_size=1), st.integers(0, 6)),
        st.tuples(st.just("registers"), st.integers(0, 9), st.sampled_from(RECIPIENTS)),
        st.tuples(st.just("overdue"), st.integers(0, 9), st.none()),
        st.tuples(st.just("calendar"), strategies.calendars(BEGIN.date(), RECIPIENTS), st.booleans()),
    ),
    min_size=2,
    max_size=14,
)


class Told:
    """A ledger in which any of this happens, as the commands and a router would enter it."""

    def __init__(self, ledger: Ledger, calendar: Calendar) -> None:
        self.ledger = ledger
        self.calendar = calendar
        self.letters: list[int] = []
        activate_calendar(ledger, calendar, operator=by("somying"))
        self.letter(set(RECIPIENTS), 0)

    def letter(self, to: set[AgencyCode], day: int) -> None:
        with self.ledger.append() as writer:
            number = accept(writer, self.calendar, *sorted(to), received=BEGIN + day * DAY)
        self.letters.append(number)

    def registers(self, which: int, code: AgencyCode) -> None:
        with self.ledger.append() as writer:
            letter = self.letters[which % len(self.letters)]
            one = writer.state_of(letter).recipients.get(code)
            if one is not None and one.answer is None:
                registers(writer, letter, code)

    def overdue(self, which: int, _: None) -> None:
        """Judge the next time of a letter at which somebody is silent."""
        with self.ledger.append() as writer:
            letter = self.letters[which % len(self.letters)]
            state = writer.state_of(letter)
            listed = writer.due.before(now() + 365 * DAY, limit=1000)
            for at in (one.at for one in listed if (one.letter, one.deadline) == (letter, "registration")):
                if silent := state.silent(Deadline.REGISTRATION, at):
                    writer.deadline_done(letter, "registration", at)
                    writer.entry(
                        Kind.OVERDUE,
                        letter=letter,
                        deadline="registration",
                        due=at,
                        silent=silent,
                        document=b"<Notice/>",
                    )
                    return

    def calendar_comes(self, calendar: Calendar, extends: bool) -> None:
        self.calendar = replace(calendar, version=self.calendar.version + 1)
        if not extends:
            activate_calendar(self.ledger, self.calendar, operator=by("somying"))
            return
        before = {letter: times(self.ledger, letter) for letter in self.letters}
        apply(self.ledger, self.calendar)
        for letter, frozen in before.items():
            after = times(self.ledger, letter)
            assert all((after[code] or "") >= (at or "") for code, at in frozen.items())
        assert apply(self.ledger, self.calendar) == (0, 0)

    def entries(self, letter: int) -> list[Entry]:
        with self.ledger.read() as reader:
            return [reader.recipient_sets.expanded(entry) for entry in reader.entries_of(letter)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calendar=strategies.calendars(BEGIN.date(), RECIPIENTS), steps=STEPS)
def test_times_only_move_later_and_fold_rebuild_verification_and_verifier_come_to_the_same(
    sqlite_template: Path, tmp_path: Path, calendar: Calendar, steps: list[tuple[str, Any, Any]]
) -> None:
    folder = tmp_path / uuid4().hex
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "ledger.db")
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        told = Told(ledger, calendar)
        for what, one, other in steps:
            getattr(told, {"calendar": "calendar_comes"}.get(what, what))(one, other)
        listed = rows(ledger)
        with ledger.append() as writer:
            rebuild(writer)
        assert rows(ledger) == listed
        assert verified(ledger, folder) == []
        for letter in told.letters:
            entries, state = told.entries(letter), fold(told.entries(letter))
            bodies = [dict(entry.body) for entry in entries]
            require_permitted(bodies)
            assert {one["agency"]: one["registrationDue"] for one in outcomes_of(bodies, str)} == {
                code: one.registration_due for code, one in state.recipients.items()
            }
            still = [one for one in state.recipients.values() if one.owes_registration]
            assert {one.registration_due for one in still} <= {
                at for number, _, at in listed if number == letter
            }


# ---- what may not be entered ---------------------------------------------------------------------------------------

WAS, UNTIL = "2026-11-24T12:00:00.000000+07:00", "2026-11-26T12:00:00.000000+07:00"


def acceptance(**changes: Any) -> Entry:
    body = {
        "seq": 1,
        "kind": "accepted",
        "at": "2026-11-22T10:00:01.000000+07:00",
        "letter": 1,
        "agency": OPM,
        "letterId": "11111111-1111-4111-8111-111111111111",
        "digest": "ab" * 32,
        "speed": "001",
        "receivedAt": "2026-11-22T10:00:00.000000+07:00",
        "acknowledgement": "registration",
        "recipients": {code: {"role": "to", "consignment": 7} for code in (OCS, SOC)},
        "receiptDue": WAS,
        "registrationDue": WAS,
        **changes,
    }
    return Entry(body)


def extension(*groups: dict[str, Any], deadline: str = "registration") -> dict[str, Any]:
    at = "2026-11-23T10:00:00.000000+07:00"
    said = {"deadline": deadline, "calendar": 2, "operator": "somying", "extended": list(groups)}
    return {"seq": 2, "kind": "deadline-extended", "at": at, "letter": 1, "prior": 1, **said}


def group(was: str = WAS, until: str = UNTIL, *codes: str) -> dict[str, Any]:
    return {"was": was, "due": until, "recipients": list(codes or (OCS,))}


FORBIDDEN = {
    "a time made earlier": (acceptance(), extension(group(WAS, "2026-11-23T12:00:00.000000+07:00"))),
    "the same time": (acceptance(), extension(group(WAS, WAS))),
    "a stranger": (acceptance(), extension(group(WAS, UNTIL, DGA))),
    "nobody": (acceptance(), extension()),
    "somebody twice": (acceptance(), extension(group(WAS, UNTIL, OCS, OCS))),
    "another old time": (acceptance(), extension(group("2026-11-24T11:00:00.000000+07:00"))),
    "a receipt": (acceptance(), extension(group(), deadline="receipt")),
    "a letter that asks for none": (acceptance(acknowledgement="receipt"), extension(group())),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_an_extension_that_may_not_be_is_named_by_the_ledger_and_by_the_verifier(name: str) -> None:
    entry, said = FORBIDDEN[name]
    state = accepted(entry)
    assert violation_of(Entry(extension(group())), accepted(acceptance())) is None
    assert violation_of(Entry(said), state) is not None
    require_permitted([dict(acceptance().body), extension(group())])
    with pytest.raises(Broken, match="entry 2"):
        require_permitted([dict(entry.body), said])


def test_who_was_silent_at_the_old_time_only_may_not_be_called_so_and_at_the_new_time_may() -> None:
    entries = [dict(acceptance().body), extension(group(WAS, UNTIL, OCS))]
    state = fold(map(Entry, entries))
    told = {"seq": 3, "kind": "overdue", "at": "2026-11-27T10:00:00.000000+07:00", "letter": 1, "prior": 2}
    told |= {"deadline": "registration", "due": WAS, "silent": [SOC]}
    require_permitted([*entries, told])
    assert violation_of(Entry(told), state) is None
    for silent, at, permitted in (([OCS, SOC], WAS, False), ([OCS, SOC], UNTIL, True)):
        said = told | {"silent": silent, "due": at}
        assert (violation_of(Entry(said), state) is None) == permitted
        if permitted:
            require_permitted([*entries, said])
        else:
            with pytest.raises(Broken, match=f"calls {OCS} silent at {WAS[:10]}"):
                require_permitted([*entries, said])
    early = told | {"at": "2026-11-24T11:00:00.000000+07:00"}
    assert "had to pass" in (violation_of(Entry(early), state) or "")
    with pytest.raises(Broken, match="had to pass"):
        require_permitted([*entries, early])
    # Whose silence is recorded, and who has answered, is given no other time any more.
    late = extension(group(WAS, UNTIL, SOC)) | {"seq": 4, "at": "2026-11-28T10:00:00.000000+07:00"}
    assert violation_of(Entry(late), fold(map(Entry, [*entries, told]))) is not None
    with pytest.raises(Broken, match="no registration was to come"):
        require_permitted([*entries, told, late])


def test_only_what_is_later_is_given_and_of_those_who_owe_a_registration() -> None:
    state = accepted(acceptance(registrationDue=timestamp(NOW + 900 * DAY)))
    assert extended_by(announced(rig.calendar(), *next_days(30)), state) == []


# ---- the commands --------------------------------------------------------------------------------------------------


def write_calendar(shell: Shell, calendar: Calendar, name: str = "announced.toml") -> str:
    """Write a calendar as an operator would: the file in force with more holidays."""
    text = (shell.folder / "calendar.toml").read_text(encoding="utf-8")
    more = "".join(
        f'[[holiday]]\ndate = {day}\nname_th = "วันหยุดพิเศษ"\nname_en = "special holiday"\n'
        for day in calendar.holidays.keys() - rig.calendar().holidays.keys()
    )
    text = text.replace("version = 1", f"version = {calendar.version}", 1) + more
    (shell.folder / name).write_text(text, encoding="utf-8")
    return name


def test_check_says_what_a_calendar_would_change_and_apply_with_extend_does_it(shell: Shell) -> None:
    before, after = rig.calendar(), announced(rig.calendar(), *next_days(30))
    file = write_calendar(shell, after)
    with shell.ledger() as ledger:
        with ledger.append() as writer:
            letters = [accept(writer, before, OCS, SOC), accept(writer, before, OCS)]
        frozen = times(ledger, letters[0])
        checked = shell.json("calendar", "check", file)
        assert checked == {"version": 2, "entry": None, "letters": 2, "agencies": 2}
        assert "2 letters by 2 agencies" in shell("calendar", "check", file)
        assert shell.json("calendar", "apply", file).keys() == {"version", "entry"}
        assert times(ledger, letters[0]) == frozen, "without --extend nothing moves"
        applied = shell.json("calendar", "apply", file, "--extend")
        assert (applied["letters"], applied["agencies"]) == (2, 2)
        assert shell.json("calendar", "apply", file, "--extend") == applied | {"letters": 0, "agencies": 0}
        until = timestamp(after.registration_due("001", NOW, None))
        assert times(ledger, letters[0]) == {OCS: until, SOC: until}
    checked = shell.json("calendar", "check", file)
    assert (checked["entry"], checked["letters"]) == (applied["entry"], 0)
    (shown,) = shell.json("ledger", "show", str(letters[0]))["letters"]
    assert shown["registrationDue"] == shown["recipients"][OCS]["registrationDue"] == until
    assert "registration" in shell("ledger", "tail")
    acts = shell.json("ledger", "report", "operators")["rows"]
    assert [(one["kind"], one["version"], one["letters"]) for one in acts if "letters" in one] == [
        ("deadline-extended", 2, 2)
    ]
    file = write_calendar(shell, before, "older.toml")
    shell("calendar", "check", file, code=2)


def test_a_command_killed_between_two_portions_leaves_whole_ones_and_is_taken_up_by_running_it_again(
    shell: Shell, tmp_path: Path
) -> None:
    before, after = rig.calendar(), announced(rig.calendar(), *next_days(30))
    file, log = write_calendar(shell, after), tmp_path / "failpoints"
    with shell.ledger() as ledger, ledger.append() as writer:
        letters = [accept(writer, before, OCS) for _ in range(300)]
    armed = {"SARABAN_FAILPOINTS": "calendar.after-portion=kill", "SARABAN_FAILPOINT_LOG": str(log)}
    command = [sys.executable, "-m", "bus", "calendar", "apply", file, "--extend"]
    path = {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        command, cwd=shell.folder, env=os.environ | armed | path, check=False, timeout=300
    )
    assert killed.returncode == -9
    assert log.read_text(encoding="utf-8").split() == ["calendar.after-portion"]
    with shell.ledger() as ledger:
        done = [one["letter"] for one in rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED)]
        assert done == letters[: len(done)]
        assert 0 < len(done) < len(letters)
        left = len(letters) - len(done)
        assert shell.json("calendar", "check", file)["letters"] == left
        assert shell.json("calendar", "apply", file, "--extend")["letters"] == left
        assert [one["letter"] for one in rig.entries_of_kind(ledger, Kind.DEADLINE_EXTENDED)] == letters
        until = timestamp(after.registration_due("001", NOW, None))
        assert {at for _, name, at in rows(ledger) if name == "registration"} == {until}
